//! Sets from which nothing is taken out, read as a whole: exact, in time close to that of reading all
//! answers.
//!
//! What reads saw grows, so the answers form a chain under inclusion, or two of them contradict each other.
//! The chain ranks everything: the reads with the k-th smallest answer, before them the elements that are new
//! in it; elements that no read saw come behind all reads. An element that was added more than once came in
//! by one of its adds; let it be the one that began first: it binds least, and the others may stand anywhere
//! behind it ([`chain`] does the rest).

use history::{History, OPEN, Value};
use rustc_hash::FxHashMap;

use super::model::{Set, SetOp};
use crate::engine::chain::{self, Inversion, Ranked};
use crate::engine::publish::{Contradiction, Judged};
use crate::model::{Call, Calls};
use crate::sentence::{op, sentence};
use crate::verdict::Rule;

/// Where an element comes in.
struct Element {
    /// Its adds, definite or open.
    adds: Vec<usize>,
    /// The rank of the adds; [`UNSEEN`] if no read saw it.
    rank: u64,
}

const UNSEEN: u64 = u64::MAX;

pub(crate) fn judge(set: &Set, history: &History, calls: &Calls<SetOp>) -> Judged {
    let found = Finder { set, history, calls };
    match found.judge() {
        Ok(order) => Judged::Order(order),
        Err(contradiction) => Judged::Contradiction(contradiction),
    }
}

struct Finder<'a> {
    set: &'a Set,
    history: &'a History,
    calls: &'a Calls<SetOp>,
}

impl Finder<'_> {
    fn judge(&self) -> Result<Vec<usize>, Contradiction> {
        let calls = &self.calls.calls;
        let mut elements: FxHashMap<&Value, Element> = FxHashMap::default();
        let mut reads: Vec<(usize, &[Value])> = Vec::new();
        for (number, call) in calls.iter().enumerate() {
            match &call.op {
                SetOp::Add(value) => {
                    let adds = Vec::new();
                    elements
                        .entry(value)
                        .or_insert(Element { adds, rank: UNSEEN })
                        .adds
                        .push(number);
                }
                SetOp::Read(seen) => reads.push((number, seen)),
                // Judged elsewhere (`removals`).
                SetOp::Remove(_) => {}
            }
        }
        reads.sort_by_key(|(number, seen)| (seen.len(), *number));
        let mut ranked = self.rank(&reads, &mut elements)?;
        let mut again = Vec::new();
        let behind = 2 * reads.len() as u64 + 2;
        for (value, element) in &mut elements {
            element.adds.sort_unstable_by_key(|&number| calls[number].start);
            let definite = |number: &&usize| calls[**number].finish != OPEN;
            if self.set.initial.contains(*value) {
                again.extend(
                    element
                        .adds
                        .iter()
                        .filter(definite)
                        .map(|&number| Ranked { rank: 0, number }),
                );
            } else if element.rank == UNSEEN {
                let rank = behind;
                ranked.extend(
                    element
                        .adds
                        .iter()
                        .filter(definite)
                        .map(|&number| Ranked { rank, number }),
                );
            } else {
                let rank = element.rank;
                ranked.push(Ranked {
                    rank,
                    number: element.adds[0],
                });
                again.extend(
                    element.adds[1..]
                        .iter()
                        .filter(definite)
                        .map(|&number| Ranked { rank, number }),
                );
            }
        }
        chain::sort(calls, &mut ranked).map_err(|inversion| self.inverted(inversion))?;
        self.insert(&mut ranked, again)?;
        Ok(ranked.into_iter().map(|ranked| ranked.number).collect())
    }

    /// Ranks the reads and the elements that they saw.
    fn rank<'b>(
        &self,
        reads: &[(usize, &'b [Value])],
        elements: &mut FxHashMap<&'b Value, Element>,
    ) -> Result<Vec<Ranked>, Contradiction> {
        let mut ranked = Vec::with_capacity(2 * reads.len());
        let mut before: Option<(usize, &[Value])> = None;
        let initial: Vec<Value> = self.set.initial.iter().cloned().collect();
        let mut rank = 1;
        for &(number, seen) in reads {
            if let Some(pair) = seen.windows(2).find(|pair| pair[0] == pair[1]) {
                return Err(self.twice(number, &pair[0]));
            }
            let smaller = before.map_or(&initial[..], |(_, smaller)| smaller);
            let (lacks, news) = compare(smaller, seen);
            match (lacks, before) {
                (Some(lacking), None) => return Err(self.lost_initial(number, lacking)),
                (Some(lacking), Some((other, _))) => {
                    // The larger answer lacks something of the smaller one, so it has something of its own,
                    // or names an element twice.
                    let news = news.first().copied().unwrap_or(lacking);
                    return Err(self.diverged(other, number, lacking, news));
                }
                (None, _) => {}
            }
            if before.is_none_or(|_| !news.is_empty()) {
                rank += 2;
            }
            for &element in &news {
                match elements.get_mut(element) {
                    Some(found) => found.rank = rank - 1,
                    None => return Err(self.phantom(number, element)),
                }
            }
            ranked.push(Ranked { rank, number });
            before = Some((number, seen));
        }
        Ok(ranked)
    }

    /// Inserts adds of elements that are there already, each at the last rank at which it may have stood.
    fn insert(&self, ranked: &mut Vec<Ranked>, again: Vec<Ranked>) -> Result<(), Contradiction> {
        if again.is_empty() {
            return Ok(());
        }
        let calls = &self.calls.calls;
        // The latest start up to each place.
        let mut latest: Vec<Ranked> = Vec::with_capacity(ranked.len());
        let start = |ranked: Ranked| calls[ranked.number].start;
        for &one in ranked.iter() {
            latest.push(
                latest
                    .last()
                    .copied()
                    .filter(|&last| start(last) > start(one))
                    .unwrap_or(one),
            );
        }
        let mut placed = Vec::with_capacity(again.len());
        for one in again {
            let finish = calls[one.number].finish;
            // It stands behind everything that began before it ended, up to the first that did not.
            let place = latest.partition_point(|&last| start(last) < finish);
            let rank = match ranked.get(place) {
                Some(barrier) if barrier.rank < one.rank => {
                    let first = *barrier;
                    return Err(self.inverted(Inversion { first, then: one }));
                }
                Some(barrier) => barrier.rank,
                None => UNSEEN,
            };
            placed.push(Ranked {
                rank,
                number: one.number,
            });
        }
        ranked.extend(placed);
        chain::sort(calls, ranked).map_err(|inversion| self.inverted(inversion))
    }

    fn call(&self, number: usize) -> &Call<SetOp> {
        &self.calls.calls[number]
    }

    fn twice(&self, number: usize, element: &Value) -> Contradiction {
        Contradiction {
            rule: Rule::Duplicate,
            shown: vec![number],
            about: vec![element.clone()],
            also: Vec::new(),
            sentences: vec![sentence![op(number), format!(" lists {element} twice.")]],
            stale_by_ns: None,
        }
    }

    fn lost_initial(&self, number: usize, element: &Value) -> Contradiction {
        Contradiction {
            rule: Rule::Lost,
            shown: vec![number],
            about: vec![element.clone()],
            also: Vec::new(),
            sentences: vec![sentence![
                op(number),
                format!(" lacks {element}, which was there from the start.")
            ]],
            stale_by_ns: None,
        }
    }

    fn phantom(&self, number: usize, element: &Value) -> Contradiction {
        Contradiction {
            rule: Rule::NeverWritten,
            shown: vec![number],
            about: vec![element.clone()],
            also: Vec::new(),
            sentences: vec![sentence![
                op(number),
                format!(" shows {element}, which no operation can have added.")
            ]],
            stale_by_ns: None,
        }
    }

    fn diverged(&self, one: usize, other: usize, of_one: &Value, of_other: &Value) -> Contradiction {
        Contradiction {
            rule: Rule::Diverged,
            shown: vec![one, other],
            about: vec![of_one.clone(), of_other.clone()],
            also: Vec::new(),
            sentences: vec![
                sentence![op(one), format!(" shows {of_one} and lacks {of_other}.")],
                sentence![op(other), format!(" shows {of_other} and lacks {of_one}.")],
                "Nothing is ever removed, so neither can have come first.".into(),
            ],
            stale_by_ns: None,
        }
    }

    fn inverted(&self, Inversion { first, then }: Inversion) -> Contradiction {
        let (first, then) = (first.number, then.number);
        let had_completed = sentence![op(first), " began after ", op(then), " had completed."];
        let mut shown = vec![first, then];
        let stale_by_ns = matches!(self.call(first).op, SetOp::Read(_))
            .then(|| self.gap_ns(first, then))
            .flatten();
        let (rule, about, why) = match (&self.call(first).op, &self.call(then).op) {
            (SetOp::Read(_), SetOp::Add(added) | SetOp::Remove(added)) => (
                Rule::Lost,
                vec![added.clone()],
                format!("Yet it lacks {added}.").into(),
            ),
            (SetOp::Read(smaller), SetOp::Read(larger)) => {
                let (_, news) = compare(smaller, larger);
                let about: Vec<Value> = news.first().map(|&value| value.clone()).into_iter().collect();
                let lacking = news.first().map(|value| value.to_string()).unwrap_or_default();
                (
                    Rule::Lost,
                    about,
                    format!("Yet it lacks {lacking}, which that one shows.").into(),
                )
            }
            (SetOp::Add(added) | SetOp::Remove(added), SetOp::Read(_)) => {
                let why = format!("Yet {added} was seen before any operation began to add it.").into();
                (Rule::OutOfOrder, vec![added.clone()], why)
            }
            (SetOp::Add(added) | SetOp::Remove(added), SetOp::Add(before) | SetOp::Remove(before)) => {
                let between = self.between(added, before);
                shown.extend(between);
                let lacks = format!(" shows {added} and lacks {before}.");
                let why = sentence!["Yet ", between.map(op), lacks];
                (Rule::OutOfOrder, vec![added.clone(), before.clone()], why)
            }
        };
        let sentences = vec![had_completed, why];
        Contradiction {
            rule,
            shown,
            about,
            also: Vec::new(),
            sentences,
            stale_by_ns,
        }
    }

    /// A read that saw one element and not the other.
    fn between(&self, with: &Value, without: &Value) -> Option<usize> {
        self.calls.calls.iter().position(|call| match &call.op {
            SetOp::Read(seen) => {
                let has = |value| seen.binary_search(value).is_ok();
                has(with) && !has(without)
            }
            SetOp::Add(_) | SetOp::Remove(_) => false,
        })
    }

    fn gap_ns(&self, late: usize, early: usize) -> Option<u64> {
        let of = |number: usize| &self.history.operations[self.calls.indices[number]];
        of(late).invoked_ns.checked_sub(of(early).completed_ns?.get())
    }
}

/// Something of the first that the second lacks, and all of the second that the first lacks; both are
/// ascending.
fn compare<'a>(first: &'a [Value], second: &'a [Value]) -> (Option<&'a Value>, Vec<&'a Value>) {
    let (mut lacking, mut news) = (None, Vec::new());
    let mut rest = first.iter().peekable();
    for value in second {
        while let Some(&smaller) = rest.peek().filter(|&&other| other < value) {
            lacking = lacking.or(Some(smaller));
            rest.next();
        }
        match rest.peek() {
            Some(&other) if other == value => {
                rest.next();
            }
            _ => news.push(value),
        }
    }
    (lacking.or(rest.next()), news)
}
