//! Registers whose changes are followed: exact where it is known which write had which revision, O(n log n)
//! and the work of reading all answers.
//!
//! An acknowledged write tells its revision, and a watch those of all that it shows; a value that was written
//! once tells its write. So writes are ranked by their revisions, a watch stands behind the last write up to
//! which it heard, and the ranks must respect real time ([`chain`]). What a watch shows must be all that is
//! known in its range. Writes of unknown outcome that no one saw never happened as far as anybody can tell.
//! Where a definite write has no known revision, or the one that was seen may be one of several, a
//! contradiction among the rest is one, but that there is none settles nothing.

use std::collections::BTreeMap;

use history::{History, OPEN, Value};
use rustc_hash::{FxHashMap, FxHashSet};

use super::model::{Watched, WatchedOp};
use crate::engine::chain::{self, Inversion, Ranked};
use crate::engine::publish::{self, Contradiction, Judged};
use crate::model::{Call, Calls};
use crate::sentence::{Sentence, op, sentence};
use crate::verdict::{Algorithm, Decision, Rule};

pub(crate) const ALGORITHM: Algorithm = Algorithm("watch-exact");

/// Judges a register; `None` if the search must help.
pub(crate) fn decide(history: &History, calls: &Calls<WatchedOp>) -> Option<(Decision, Algorithm)> {
    match (Finder { history, calls }).judge() {
        Judged::Order(order) => Some((publish::valid(&Watched, calls, &order), ALGORITHM)),
        Judged::Contradiction(found) if holds(&calls.calls, &found) => Some((
            publish::conflict(history, calls, found, Vec::new(), true),
            ALGORITHM,
        )),
        Judged::Contradiction(found) => {
            let why = format!("internal: the conflict is wrong: {} does not follow", found.rule);
            Some((Decision::unknown(why), ALGORITHM))
        }
        Judged::Other => None,
    }
}

/// A revision at which the register was changed.
struct Change<'a> {
    value: &'a Value,
    /// Who says so: the write itself or a watch.
    by: usize,
    /// Whose it was, where that is certain.
    write: Option<usize>,
}

type Changes<'a> = BTreeMap<i64, Change<'a>>;

struct Finder<'a> {
    history: &'a History,
    calls: &'a Calls<WatchedOp>,
}

impl<'a> Finder<'a> {
    fn judge(&self) -> Judged {
        self.try_judge().unwrap_or_else(Judged::Contradiction)
    }

    fn try_judge(&self) -> Result<Judged, Contradiction> {
        let mut changes = self.changes()?;
        let mut is_certain = self.find_writes(&mut changes)?;
        let order = self.ranked(&changes)?;
        self.all_told(&changes)?;
        let placed: FxHashSet<usize> = order.iter().copied().collect();
        is_certain &= (0..self.calls.calls.len())
            .all(|number| placed.contains(&number) || self.call(number).finish == OPEN);
        Ok(match is_certain {
            true => Judged::Order(order),
            false => Judged::Other,
        })
    }

    fn call(&self, number: usize) -> &'a Call<WatchedOp> {
        &self.calls.calls[number]
    }

    /// The watches, by number.
    fn watches(&self) -> impl Iterator<Item = (usize, i64, i64, &'a [(i64, Value)])> {
        let calls = self.calls.calls.iter().enumerate();
        calls.filter_map(|(number, call)| match &call.op {
            WatchedOp::Watch {
                from,
                through,
                events,
            } => Some((number, *from, *through, &events[..])),
            WatchedOp::Write(..) => None,
        })
    }

    /// All changes of which someone tells.
    fn changes(&self) -> Result<Changes<'a>, Contradiction> {
        let mut changes = Changes::new();
        for (number, call) in self.calls.calls.iter().enumerate() {
            if let WatchedOp::Write(value, Some(revision)) = &call.op {
                let (by, write) = (number, Some(number));
                if let Some(other) = changes.insert(*revision, Change { value, by, write }) {
                    return Err(self.same_revision(other.by, number, *revision));
                }
            }
        }
        for (number, from, through, events) in self.watches() {
            let mut last = None;
            for (revision, value) in events {
                if last.is_some_and(|last| last >= *revision) {
                    return Err(self.not_growing(number, *revision));
                }
                if !(from..=through).contains(revision) {
                    return Err(self.out_of_range(number, *revision));
                }
                last = Some(*revision);
                let known = changes.entry(*revision).or_insert(Change {
                    value,
                    by: number,
                    write: None,
                });
                if known.value != value {
                    return Err(self.same_revision(known.by, number, *revision));
                }
            }
        }
        Ok(changes)
    }

    /// Finds whose the changes are; whether that is certain for all.
    fn find_writes(&self, changes: &mut Changes<'a>) -> Result<bool, Contradiction> {
        let mut writers: FxHashMap<&Value, Vec<usize>> = FxHashMap::default();
        for (number, call) in self.calls.calls.iter().enumerate() {
            if let WatchedOp::Write(value, _) = &call.op {
                writers.entry(value).or_default().push(number);
            }
        }
        let mut found: FxHashMap<usize, (i64, usize)> = FxHashMap::default();
        let mut is_certain = true;
        for (revision, change) in changes.iter_mut() {
            let writers = writers.get(change.value).map_or(&[][..], |writers| writers);
            if change.write.is_none() {
                let before = self.call(change.by).finish;
                let can = |&&number: &&usize| {
                    let call = self.call(number);
                    matches!(call.op, WatchedOp::Write(_, None)) && call.start < before
                };
                let mut possible = writers.iter().filter(can);
                change.write = match (possible.next(), possible.next(), writers) {
                    (Some(&write), None, _) => Some(write),
                    (Some(_), Some(_), _) => {
                        is_certain = false;
                        continue;
                    }
                    (None, _, &[write]) if self.call(write).start < before => {
                        return Err(self.moved(change.by, write, *revision));
                    }
                    _ => return Err(self.phantom(change.by, *revision, change.value)),
                };
            }
            if let Some(write) = change.write
                && let Some((other, by)) = found.insert(write, (*revision, change.by))
            {
                return Err(self.twice([by, change.by], write, [other, *revision], change.value));
            }
        }
        Ok(is_certain)
    }

    /// The order of the writes and watches whose places are known.
    fn ranked(&self, changes: &Changes<'a>) -> Result<Vec<usize>, Contradiction> {
        let mut ranked = Vec::with_capacity(self.calls.calls.len());
        let revisions: Vec<i64> = changes.keys().copied().collect();
        for (place, change) in (1u64..).zip(changes.values()) {
            let rank = 2 * place;
            ranked.extend(change.write.map(|number| Ranked { rank, number }));
        }
        for (number, _, through, _) in self.watches() {
            let before = revisions.partition_point(|revision| *revision <= through);
            let rank = 2 * before as u64 + 1;
            ranked.push(Ranked { rank, number });
        }
        match chain::sort(&self.calls.calls, &mut ranked) {
            Ok(()) => Ok(ranked.into_iter().map(|ranked| ranked.number).collect()),
            Err(inversion) => Err(self.inverted(inversion, changes)),
        }
    }

    /// Whether each watch tells of all changes in its range.
    fn all_told(&self, changes: &Changes<'a>) -> Result<(), Contradiction> {
        let revisions: Vec<i64> = changes.keys().copied().collect();
        for (number, from, through, events) in self.watches() {
            let first = revisions.partition_point(|revision| *revision < from);
            let end = revisions.partition_point(|revision| *revision <= through);
            let known = revisions.get(first..end).unwrap_or_default();
            if known.len() != events.len()
                && let Some(missed) = (0..known.len())
                    .find(|&place| events.get(place).map(|(told, _)| *told) != Some(known[place]))
            {
                let revision = known[missed];
                return Err(self.missed(number, revision, &changes[&revision]));
            }
        }
        Ok(())
    }

    fn contradiction(&self, rule: Rule, shown: Vec<usize>, sentences: Vec<Sentence>) -> Contradiction {
        let mut distinct: Vec<usize> = Vec::new();
        for number in shown {
            if !distinct.contains(&number) {
                distinct.push(number);
            }
        }
        let (about, also) = (Vec::new(), Vec::new());
        Contradiction {
            rule,
            shown: distinct,
            about,
            also,
            sentences,
            stale_by_ns: None,
        }
    }

    fn not_growing(&self, watch: usize, revision: i64) -> Contradiction {
        let why = sentence![
            op(watch),
            format!(" reports revision {revision} after one that is not smaller.")
        ];
        let but = "A watch must report every change once, in the order of the revisions.".into();
        self.contradiction(Rule::OutOfOrder, vec![watch], vec![why, but])
    }

    fn out_of_range(&self, watch: usize, revision: i64) -> Contradiction {
        let WatchedOp::Watch { from, through, .. } = &self.call(watch).op else {
            return self.contradiction(Rule::OutOfBounds, vec![watch], Vec::new());
        };
        let why = sentence![op(watch), format!(" reports revision {revision}.")];
        let but = format!(
            "It tells of what came from revision {from} on, and says that it is complete up to {through}."
        )
        .into();
        self.contradiction(Rule::OutOfBounds, vec![watch], vec![why, but])
    }

    fn same_revision(&self, one: usize, other: usize, revision: i64) -> Contradiction {
        let why = sentence![
            op(one),
            " and ",
            op(other),
            format!(" report different writes at revision {revision}.")
        ];
        let but = "No two writes have the same revision.".into();
        self.contradiction(Rule::WrongRevision, vec![one, other], vec![why, but])
    }

    fn twice(
        &self,
        [one, other]: [usize; 2],
        write: usize,
        [first, second]: [i64; 2],
        value: &Value,
    ) -> Contradiction {
        let why = match one == other {
            true => sentence![
                op(one),
                format!(" reports {value} at revision {first} and at revision {second}.")
            ],
            false => sentence![
                op(one),
                format!(" reports {value} at revision {first}, and "),
                op(other),
                format!(" at revision {second}.")
            ],
        };
        let but = sentence!["But only ", op(write), " can have written it, once."];
        self.contradiction(Rule::WrongRevision, vec![one, other, write], vec![why, but])
    }

    fn moved(&self, watch: usize, write: usize, revision: i64) -> Contradiction {
        let why = sentence![
            op(watch),
            format!(" reports a change at revision {revision} that only "),
            op(write),
            " can have made."
        ];
        let but = match &self.call(write).op {
            WatchedOp::Write(_, Some(told)) => {
                format!("But that one was answered with revision {told}.").into()
            }
            _ => Sentence::default(),
        };
        self.contradiction(Rule::WrongRevision, vec![watch, write], vec![why, but])
    }

    fn phantom(&self, watch: usize, revision: i64, value: &Value) -> Contradiction {
        let why = sentence![
            op(watch),
            format!(" reports a write of {value} at revision {revision}.")
        ];
        let but = "But no operation that had begun by then can have written it there.".into();
        self.contradiction(Rule::NeverWritten, vec![watch], vec![why, but])
    }

    fn missed(&self, watch: usize, revision: i64, change: &Change) -> Contradiction {
        let why = sentence![
            op(watch),
            format!(" does not report revision {revision}, which lies in its range.")
        ];
        let but = match change.write == Some(change.by) {
            true => sentence!["But ", op(change.by), " was answered with that revision."],
            false => sentence![
                "But ",
                op(change.by),
                format!(" reports a write of {} there.", change.value)
            ],
        };
        self.contradiction(Rule::MissedEvent, vec![watch, change.by], vec![why, but])
    }

    /// The first belongs to a smaller revision than the second, and began after that had completed.
    fn inverted(&self, Inversion { first, then }: Inversion, changes: &Changes<'a>) -> Contradiction {
        let (late, early) = (first.number, then.number);
        let order = sentence![op(late), " began after ", op(early), " had completed."];
        let at = |rank: u64| {
            let place = (rank / 2).checked_sub(1)?;
            changes.iter().nth(usize::try_from(place).ok()?)
        };
        let mut shown = vec![late, early];
        let revision_of = |ranked: Ranked, shown: &mut Vec<usize>| match at(ranked.rank) {
            Some((revision, change)) => {
                shown.push(change.by);
                *revision
            }
            None => i64::MIN,
        };
        let (rule, why) = match (&self.call(late).op, &self.call(early).op) {
            (WatchedOp::Write(..), WatchedOp::Write(..)) => {
                let (smaller, greater) = (revision_of(first, &mut shown), revision_of(then, &mut shown));
                let why = format!("But the former has revision {smaller} and the latter {greater}.").into();
                (Rule::OutOfOrder, why)
            }
            (WatchedOp::Write(..), WatchedOp::Watch { through, .. }) => {
                let revision = revision_of(first, &mut shown);
                let why = format!(
                    "But it has revision {revision}, and the latter was already complete up to {through}."
                )
                .into();
                (Rule::OutOfOrder, why)
            }
            (WatchedOp::Watch { through, .. }, _) => {
                // The last change up to which the other came.
                let revision = revision_of(then, &mut shown);
                let why = format!(
                    "But it is complete only up to revision {through}, and the latter reached {revision}."
                )
                .into();
                (Rule::EndedEarly, why)
            }
        };
        let of = |number: usize| &self.history.operations[self.calls.indices[number]];
        let gap_ns = of(early)
            .completed_ns
            .and_then(|end| of(late).invoked_ns.checked_sub(end.get()));
        Contradiction {
            stale_by_ns: gap_ns.filter(|_| rule == Rule::EndedEarly),
            ..self.contradiction(rule, shown, vec![order, why])
        }
    }
}

/// Whether a contradiction follows from the calls shown, looked at again without any order: by what they tell
/// themselves, and by who else can have written a value.
fn holds(calls: &[Call<WatchedOp>], found: &Contradiction) -> bool {
    use WatchedOp::{Watch, Write};
    let shown: Vec<&Call<WatchedOp>> = found.shown.iter().map(|&number| &calls[number]).collect();
    let Some(first) = shown.first() else { return false };
    let told: Vec<(i64, &Value)> = shown.iter().flat_map(|call| tells(&call.op)).collect();
    // Who can have written a value at one of these revisions and before that time.
    let able = |value: &'_ Value, revisions: &[i64], before: u64| {
        let (value, revisions) = (value.clone(), revisions.to_vec());
        calls.iter().filter(move |call| match &call.op {
            Write(other, told) => {
                *other == value && told.is_none_or(|told| revisions.contains(&told)) && call.start < before
            }
            Watch { .. } => false,
        })
    };
    let is_write =
        |call: &&Call<WatchedOp>, value: &Value| matches!(&call.op, Write(other, _) if other == value);
    let writes = |value: &Value| calls.iter().filter(|call| is_write(call, value)).count();
    let watches = shown.iter().filter(|call| matches!(call.op, Watch { .. }));
    let end = watches.map(|call| call.finish).max().unwrap_or(0);
    // The revision of a write: its own answer, or what another tells of its value, which no one else can have
    // written.
    let revision = |call: &Call<WatchedOp>| match &call.op {
        Write(_, Some(revision)) => Some(*revision),
        Write(value, None) => shown.iter().find_map(|teller| {
            let mut told = tells(&teller.op).filter(|(_, other)| *other == value);
            let (revision, _) = told.find(|(revision, _)| {
                let mut able = able(value, &[*revision], teller.finish);
                able.next().is_some_and(|only| std::ptr::eq(only, call)) && able.next().is_none()
            })?;
            Some(revision)
        }),
        Watch { .. } => None,
    };
    // Whether a change at this revision had been made when the call completed.
    let knows = |call: &Call<WatchedOp>, change: i64| match &call.op {
        Watch { through, .. } => *through >= change,
        Write(..) => revision(call) == Some(change),
    };
    let precedes = |x: &Call<WatchedOp>, y: &Call<WatchedOp>| x.finish < y.start;
    match (found.rule, &first.op) {
        (Rule::OutOfOrder, Watch { events, .. }) => events.windows(2).any(|pair| pair[0].0 >= pair[1].0),
        (
            Rule::OutOfBounds,
            Watch {
                from,
                through,
                events,
            },
        ) => events
            .iter()
            .any(|(revision, _)| revision < from || through < revision),
        (Rule::NeverWritten, Watch { events, .. }) => events.iter().any(|(revision, value)| {
            !calls.iter().any(|call| match &call.op {
                Write(other, told) => {
                    other == value && told.is_none_or(|told| told == *revision) && call.start < first.finish
                }
                Watch { .. } => false,
            })
        }),
        (Rule::WrongRevision, _) => {
            let differs = |(one, value): &(i64, &Value)| {
                let other = |(other, is): &(i64, &Value)| {
                    let is_one = || writes(value) == 1 || able(value, &[*one, *other], end).count() == 1;
                    (one == other && value != is) || (one != other && value == is && is_one())
                };
                told.iter().any(other)
            };
            let owns = |call: &&&Call<WatchedOp>| matches!(call.op, Write(_, Some(_)));
            let own: Vec<i64> = shown
                .iter()
                .filter(owns)
                .filter_map(|call| revision(call))
                .collect();
            told.iter().any(differs) || (own.len() == 2 && own[0] == own[1])
        }
        (Rule::MissedEvent, Watch { from, through, .. }) => told.iter().any(|(revision, _)| {
            (from..=through).contains(&revision) && !tells(&first.op).any(|(own, _)| own == *revision)
        }),
        (Rule::EndedEarly, Watch { through, .. }) => told.iter().any(|(change, _)| {
            change > through
                && shown
                    .iter()
                    .any(|call| precedes(call, first) && knows(call, *change))
        }),
        (Rule::OutOfOrder, Write(..)) => revision(first).is_some_and(|own| {
            shown.iter().any(|call| {
                precedes(call, first)
                    && match &call.op {
                        Watch { through, .. } => *through >= own,
                        Write(..) => revision(call).is_some_and(|other| other > own),
                    }
            })
        }),
        _ => false,
    }
}

/// The changes of which a call tells, with their values.
fn tells(op: &WatchedOp) -> impl Iterator<Item = (i64, &Value)> {
    let (own, events) = match op {
        WatchedOp::Write(value, Some(revision)) => (Some((*revision, value)), &[][..]),
        WatchedOp::Write(_, None) => (None, &[][..]),
        WatchedOp::Watch { events, .. } => (None, &events[..]),
    };
    let events = events.iter().map(|(revision, value)| (*revision, value));
    own.into_iter().chain(events)
}
