//! What became of every element of a set: stable, stale for a while, lost, or never read.
//!
//! Not a verdict but an account of the damage, for sets whose reads may be stale: an element is *known* from
//! the completion of its add on, or from that of the first read that showed it, whichever came first. Of the
//! reads that lack it and of those that show it, those that began last decide: it is *stable* if the last of
//! all shows it; *lost* if it was known before the last one that lacks it began; else it was *never read*. A
//! stable element was *stale* if some read that began after it was known lacked it. Times are those of
//! invocations, nanoseconds since the run's start. Source: `set-full` of jepsen.checker.
//!
//! The work is that of reading all answers: an element's reads are walked back only as far as they show it.

use history::units;
use history::{History, Key, Op, Outcome, Times, Value};
use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};

use crate::model::answer;
use crate::objects::set::elements;
use crate::verdict::MOST_LISTED;

/// What became of an element.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fate {
    /// It was known, and a later read lacks it; none shows it again.
    Lost,
    /// The last reads show it, but some that began after it was known lacked it.
    Stale,
    /// It was known too late for any read to tell.
    NeverRead,
    /// Every read that began after it was known shows it.
    Stable,
}

/// One element's story.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ElementFate {
    /// The set.
    pub key: Key,
    /// The element.
    pub element: Value,
    /// What became of it.
    pub fate: Fate,
    /// When it was first known to be in.
    pub known_ns: u64,
    /// When the last read began that shows it.
    pub last_seen_ns: Option<u64>,
    /// When the last read began that lacks it.
    pub last_missed_ns: Option<u64>,
    /// For how long after it was known it was missing at times (stale), or may still have been there (lost).
    pub latency_ns: u64,
}

/// The fates of all elements.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct SetFull {
    /// How many elements were to be added, whatever came of it.
    pub attempted: usize,
    /// How many of these adds were acknowledged.
    pub acknowledged: usize,
    /// How many elements are stable, without those that were stale for a while.
    pub stable: usize,
    /// How many elements are stable after all, but were stale for a while.
    pub stale: usize,
    /// How many elements were lost.
    pub lost: usize,
    /// How many elements are known, and no read can tell.
    pub never_read: usize,
    /// How many times a read showed an element more than once.
    pub duplicated: usize,
    /// How many elements were read that no one tried to add.
    pub unexpected: usize,
    /// How long stale elements were stale, nanoseconds: the least, the median, the 95th and the 99th of a
    /// hundred, the most. `None` if there was none.
    pub stale_latency_ns: Option<[u64; 5]>,
    /// How long lost elements may still have been there, likewise.
    pub lost_latency_ns: Option<[u64; 5]>,
    /// Lost elements first, then stale ones, those with the greatest latency first: the first
    /// [`MOST_LISTED`].
    pub worst: Vec<ElementFate>,
}

/// How many elements of each fate the sentences name.
const MOST_NAMED: usize = 3;

impl SetFull {
    /// The same in sentences; without times if the history has none.
    pub fn sentences(&self, history: &History) -> Vec<String> {
        if self.attempted == 0 && self.unexpected == 0 {
            return Vec::new();
        }
        let mut sentences = vec![format!(
            "Elements: {} to be added, {} acknowledged; {} stable, {} stale for a while, {} lost, {} known but \
             never read.",
            self.attempted, self.acknowledged, self.stable, self.stale, self.lost, self.never_read
        )];
        for (fate, count, words) in [
            (Fate::Lost, self.lost, "Lost"),
            (Fate::Stale, self.stale, "Stale for a while"),
        ] {
            if count == 0 {
                continue;
            }
            let named = self
                .worst
                .iter()
                .filter(|worst| worst.fate == fate)
                .take(MOST_NAMED);
            let named: Vec<String> = named.map(|worst| worst.words(history)).collect();
            // Lost ones can fill the whole list.
            if named.is_empty() {
                continue;
            }
            let more = match count.saturating_sub(named.len()) {
                0 => String::new(),
                more => format!("; and {more} more"),
            };
            sentences.push(format!("{words}: {}{more}.", named.join("; ")));
        }
        if let Some([_, median, _, p99, most]) =
            self.stale_latency_ns.filter(|_| history.times == Times::Recorded)
        {
            sentences.push(format!(
                "How long after they were known stale elements were still missing: p50 {}, p99 {}, max {}.",
                units::duration(median),
                units::duration(p99),
                units::duration(most)
            ));
        }
        for (count, words) in [
            (self.duplicated, "a read showed an element more than once"),
            (
                self.unexpected,
                "an element was read that no operation tried to add",
            ),
        ] {
            match count {
                0 => {}
                1 => sentences.push(format!("Once {words}.")),
                count => sentences.push(format!("{count} times {words}.")),
            }
        }
        sentences
    }
}

impl ElementFate {
    fn words(&self, history: &History) -> String {
        let key = match self.key {
            Key::Nil => String::new(),
            ref key => format!(" of {key}"),
        };
        if history.times == Times::Places {
            return format!("{}{key}", self.element);
        }
        let at = |time: Option<u64>| {
            time.map_or("never".to_owned(), |time| {
                format!("at {} ms", units::time_ms(time))
            })
        };
        format!(
            "{}{key} (known at {} ms, last seen {}, last missed {})",
            self.element,
            units::time_ms(self.known_ns),
            at(self.last_seen_ns),
            at(self.last_missed_ns)
        )
    }
}

/// A read, in the order of invocations within its set.
struct Read {
    invoked: u64,
    invoked_ns: u64,
}

#[derive(Default)]
struct Story {
    is_attempted: bool,
    is_acknowledged: bool,
    /// Position and time from which on it is known.
    known: Option<(u64, u64)>,
    /// Places in the list of reads that show it, ascending.
    seen: Vec<usize>,
}

/// Follows every element of every set in a history of adds and reads. Reads whose answer is no list are left
/// out.
pub fn set_full(history: &History) -> SetFull {
    let mut reads: FxHashMap<&Key, Vec<Read>> = FxHashMap::default();
    let mut stories: FxHashMap<(&Key, &Value), Story> = FxHashMap::default();
    let mut full = SetFull::default();
    let mut operations: Vec<_> = history.operations.iter().collect();
    operations.sort_by_key(|operation| operation.invoked);
    for operation in operations {
        let known = (
            operation.completed,
            operation.completed_ns.map_or(history.end_ns, history::Ns::get),
        );
        match &operation.op {
            Op::Add { key, value } => {
                let story = stories.entry((key, value)).or_default();
                story.is_attempted = true;
                if matches!(operation.outcome, Outcome::Ok(_)) {
                    story.is_acknowledged = true;
                    story.learn(known);
                }
            }
            Op::Read { key } => {
                let Some(seen) = answer(operation).and_then(elements) else {
                    continue;
                };
                let reads = reads.entry(key).or_default();
                for element in seen {
                    let story = stories.entry((key, element)).or_default();
                    story.learn(known);
                    if story.seen.last() == Some(&reads.len()) {
                        full.duplicated += 1;
                    } else {
                        story.seen.push(reads.len());
                    }
                }
                reads.push(Read {
                    invoked: operation.invoked,
                    invoked_ns: operation.invoked_ns,
                });
            }
            _ => {}
        }
    }
    let (mut stale_ns, mut lost_ns) = (Vec::new(), Vec::new());
    for ((key, element), story) in &stories {
        full.attempted += usize::from(story.is_attempted);
        full.acknowledged += usize::from(story.is_acknowledged);
        full.unexpected += usize::from(!story.is_attempted);
        let reads = reads.get(key).map_or(&[][..], |reads| reads);
        let Some(end) = story.end((*key).clone(), (*element).clone(), reads) else {
            continue;
        };
        match end.fate {
            Fate::Stable => full.stable += 1,
            Fate::NeverRead => full.never_read += 1,
            Fate::Stale => {
                full.stale += 1;
                stale_ns.push(end.latency_ns);
            }
            Fate::Lost => {
                full.lost += 1;
                lost_ns.push(end.latency_ns);
            }
        }
        if matches!(end.fate, Fate::Lost | Fate::Stale) {
            full.worst.push(end);
        }
    }
    full.worst.sort_by(|a, b| {
        let rank = |end: &ElementFate| (end.fate, std::cmp::Reverse(end.latency_ns));
        rank(a)
            .cmp(&rank(b))
            .then_with(|| (&a.key, &a.element).cmp(&(&b.key, &b.element)))
    });
    full.worst.truncate(MOST_LISTED);
    full.stale_latency_ns = quantiles(stale_ns);
    full.lost_latency_ns = quantiles(lost_ns);
    full
}

impl Story {
    fn learn(&mut self, known: (u64, u64)) {
        self.known = self.known.into_iter().chain([known]).min();
    }

    /// Its end; `None` if it was never known to be in.
    fn end(&self, key: Key, element: Value, reads: &[Read]) -> Option<ElementFate> {
        let (known, known_ns) = self.known?;
        // The last read that lacks it: walk back over those that show it.
        let mut missed = reads.len().checked_sub(1);
        let mut seen = self.seen.iter().rev().peekable();
        while let Some(place) = missed {
            if seen.next_if(|&&seen| seen == place).is_none() {
                break;
            }
            missed = place.checked_sub(1);
        }
        let last_seen = self.seen.last().map(|&place| &reads[place]);
        let last_missed = missed.map(|place| &reads[place]);
        let is_seen_last = self
            .seen
            .last()
            .is_some_and(|&seen| missed.is_none_or(|missed| missed < seen));
        let was_missed = last_missed.is_some_and(|missed| known < missed.invoked);
        let since_known =
            |read: Option<&Read>| read.map_or(0, |read| read.invoked_ns.saturating_sub(known_ns));
        let (fate, latency_ns) = match (is_seen_last, was_missed) {
            (true, true) => (Fate::Stale, since_known(last_missed)),
            (true, false) => (Fate::Stable, 0),
            (false, true) => (Fate::Lost, since_known(last_seen)),
            (false, false) => (Fate::NeverRead, 0),
        };
        Some(ElementFate {
            key,
            element,
            fate,
            known_ns,
            last_seen_ns: last_seen.map(|read| read.invoked_ns),
            last_missed_ns: last_missed.map(|read| read.invoked_ns),
            latency_ns,
        })
    }
}

/// The least, the median, the 95th and the 99th of a hundred, the most.
fn quantiles(mut values: Vec<u64>) -> Option<[u64; 5]> {
    values.sort_unstable();
    let last = values.len().checked_sub(1)?;
    Some([0usize, 50, 95, 99, 100].map(|hundredth| values[last * hundredth / 100]))
}
