//! What real time tells: how stale answers were, and anomalies that no register shows.
//!
//! ```text
//!   v   |--write--|f        f: from here on v was certainly there (or since someone saw it)
//!   v2                 |--write--|f2   begins after f, so it comes after v, gone since f2
//!   r                                       |--read of v--|     stale by at least its invocation minus f2
//! ```
//!
//! Invariants:
//! - Everything is certain: where several writes may have written a value, the latest counts, and an open one
//!   counts as not yet done. Staleness is a lower bound.
//! - Order is decided by positions; time stamps only measure.

use history::units;
use rustc_hash::FxHashMap;

use super::evidence::name;
use super::findings::{Anomaly, AnomalyKind, Staleness};
use super::steps::{NONE, Trace};
use crate::sentence::{Sentence, sentence};
use crate::sentence::{found_expected, phantom};

/// A position before all others: the initial value was there.
const BEFORE_ALL: i128 = -1;

/// What is known of each value.
pub(super) struct RealTime<'a> {
    trace: &'a Trace<'a>,
    /// Written by one operation only, and not an initial value.
    unique: Vec<bool>,
    /// For each writing step the position from which on its value was certainly there, and the step that
    /// shows it.
    shown: Vec<(u64, u32)>,
    /// For each register its writing steps by invocation: `(start, the smallest shown from here on)`.
    writes: Vec<Vec<(u64, (u64, u32))>>,
    /// For each value the earliest shown of a cas that replaced it, if the value is unique or initial.
    replaced: Vec<(u64, u32)>,
    /// For each value and each of its writers, by invocation, the largest finish up to there.
    finishes: FxHashMap<u32, Vec<u64>>,
}

impl<'a> RealTime<'a> {
    pub fn new(trace: &'a Trace<'a>) -> Self {
        let initial = |value: u32, key: u32| trace.initial[key as usize] == value;
        let mut unique = vec![false; trace.values.len()];
        for step in trace.steps.iter().filter(|step| step.writes != NONE) {
            unique[step.writes as usize] =
                trace.writers[step.writes as usize].len() == 1 && !initial(step.writes, step.key);
        }
        let mut shown: Vec<(u64, u32)> = (0u32..)
            .zip(&trace.steps)
            .map(|(n, step)| (step.finish, n))
            .collect();
        for (number, step) in (0u32..).zip(&trace.steps) {
            if step.sees != NONE && unique[step.sees as usize] {
                let writer = trace.writers[step.sees as usize][0] as usize;
                if step.finish > trace.steps[writer].start {
                    shown[writer] = shown[writer].min((step.finish, number));
                }
            }
        }
        let mut writes = vec![Vec::new(); trace.keys.len()];
        let mut replaced = vec![(u64::MAX, NONE); trace.values.len()];
        for (number, step) in (0u32..).zip(&trace.steps) {
            if step.writes == NONE {
                continue;
            }
            let of = shown[number as usize];
            writes[step.key as usize].push((step.start, of));
            let once = |value: u32| {
                unique[value as usize]
                    || (initial(value, step.key) && trace.writers[value as usize].is_empty())
            };
            // What an open cas replaced is certain too once its value was shown.
            if step.sees != NONE && once(step.sees) && unique[step.writes as usize] {
                let replaced = &mut replaced[step.sees as usize];
                *replaced = (*replaced).min(of);
            }
        }
        for list in &mut writes {
            let mut least = (u64::MAX, NONE);
            for (_, of) in list.iter_mut().rev() {
                least = least.min(*of);
                *of = least;
            }
        }
        let mut finishes = FxHashMap::default();
        for (value, writers) in (0u32..).zip(&trace.writers) {
            if writers.len() > 1 {
                let mut most = 0;
                let finish = |&writer: &u32| {
                    most = trace.steps[writer as usize].finish.max(most);
                    most
                };
                finishes.insert(value, writers.iter().map(finish).collect());
            }
        }
        RealTime {
            trace,
            unique,
            shown,
            writes,
            replaced,
            finishes,
        }
    }

    /// The position from which on what `number` saw was certainly there, taking its latest writer that may
    /// have been it; none if no writer had begun before it was seen, or it may still be on its way.
    fn there_since(&self, number: u32) -> Option<i128> {
        let step = &self.trace.steps[number as usize];
        let value = step.sees as usize;
        let writers = &self.trace.writers[value];
        let begun = writers.partition_point(|&writer| self.trace.steps[writer as usize].start < step.finish);
        let since = match begun.checked_sub(1) {
            None if self.trace.initial[step.key as usize] == step.sees => return Some(BEFORE_ALL),
            None => return None,
            Some(_) if self.unique[value] => self.shown[writers[0] as usize].0,
            Some(last) => match self.finishes.get(&step.sees) {
                Some(finishes) => finishes[last],
                None => self.trace.steps[writers[0] as usize].finish,
            },
        };
        (since != u64::MAX).then_some(since.into())
    }

    /// From which position on what `number` saw was certainly gone, and the step that shows it.
    fn gone_since(&self, number: u32) -> (u64, u32) {
        let step = &self.trace.steps[number as usize];
        let Some(since) = self.there_since(number) else {
            return (u64::MAX, NONE);
        };
        let list = &self.writes[step.key as usize];
        let later = list.partition_point(|&(start, _)| i128::from(start) <= since);
        let gone = list.get(later).map_or((u64::MAX, NONE), |&(_, least)| least);
        gone.min(self.replaced[step.sees as usize])
    }

    /// The definite steps that saw a value.
    fn sights(&self) -> impl Iterator<Item = u32> + '_ {
        let steps = (0u32..).zip(&self.trace.steps);
        steps
            .filter(|(_, step)| step.sees != NONE && !step.is_open())
            .map(|(number, _)| number)
    }

    /// How stale answers were.
    pub fn staleness(&self) -> Staleness {
        let mut staleness = Staleness::default();
        let mut all: Vec<u64> = Vec::new();
        let operation =
            |step: u32| &self.trace.history.operations[self.trace.steps[step as usize].index as usize];
        for number in self.sights() {
            staleness.answers += 1;
            let (gone, by) = self.gone_since(number);
            if gone >= self.trace.steps[number as usize].start {
                continue;
            }
            let gone_ns = operation(by).completed_ns.map_or(u64::MAX, history::Ns::get);
            let stale_ns = operation(number).invoked_ns.saturating_sub(gone_ns);
            if staleness.worst.is_none() || stale_ns > staleness.max_ns {
                staleness.max_ns = stale_ns;
                staleness.worst = Some(self.trace.steps[number as usize].index as usize);
                staleness.overwritten_by = Some(self.trace.steps[by as usize].index as usize);
            }
            all.push(stale_ns);
        }
        all.sort_unstable();
        staleness.stale = all.len();
        // The smallest that at least so many per cent do not exceed.
        let rank = |percent: usize| (all.len() * percent).div_ceil(100).saturating_sub(1);
        staleness.median_ns = all.get(rank(50)).copied().unwrap_or(0);
        staleness.p99_ns = all.get(rank(99)).copied().unwrap_or(0);
        if let (Some(worst), Some(by)) = (staleness.worst, staleness.overwritten_by) {
            let stale = format!(
                " was stale by at least {}: its value had been overwritten when ",
                units::at_least(staleness.max_ns)
            );
            let (worst, by) = (name(self.trace, worst), name(self.trace, by));
            staleness.sentence = Some(sentence![worst, stale, by, " completed."]);
        }
        staleness
    }

    /// The anomalies, each kind at most once.
    pub fn anomalies(&self) -> Vec<Anomaly> {
        let mut found = Found::default();
        if let Some(index) = self.trace.found_expected {
            found.add_sentence(AnomalyKind::FoundExpected, vec![index], || {
                found_expected(name(self.trace, index))
            });
        }
        self.unwritten(&mut found);
        self.back_in_time(&mut found);
        self.lost(&mut found);
        found.anomalies
    }

    fn unwritten(&self, found: &mut Found) {
        for number in self.sights() {
            let step = &self.trace.steps[number as usize];
            if self.trace.initial[step.key as usize] == step.sees {
                continue;
            }
            let value = self.trace.values[step.sees as usize];
            match self.trace.writers[step.sees as usize].first() {
                None => found.add(self.trace, AnomalyKind::NeverWritten, &[number], |names| {
                    phantom(names[0].clone(), value)
                }),
                Some(&writer) if self.trace.steps[writer as usize].start > step.finish => {
                    found.add(
                        self.trace,
                        AnomalyKind::FromTheFuture,
                        &[number, writer],
                        |names| {
                            sentence![
                                names[0].clone(),
                                " had ended before ",
                                names[1].clone(),
                                " began, which wrote its value."
                            ]
                        },
                    );
                }
                Some(_) => {}
            }
        }
    }

    fn back_in_time(&self, found: &mut Found) {
        // For each process and register the latest invocation of a writer that it was answered with, and
        // where.
        let mut latest: FxHashMap<(u32, u32), (u64, u32)> = FxHashMap::default();
        for number in self.sights() {
            let step = &self.trace.steps[number as usize];
            let at = (step.process, step.key);
            if let Some(&(newest, seen_at)) = latest.get(&at)
                && self
                    .there_since(number)
                    .is_some_and(|since| since < newest.into())
            {
                found.add(self.trace, AnomalyKind::BackInTime, &[seen_at, number], |names| {
                    sentence![
                        names[1].clone(),
                        " came after ",
                        names[0].clone(),
                        ", but returned an older value."
                    ]
                });
            }
            if self.unique[step.sees as usize] {
                let writer = self.trace.writers[step.sees as usize][0];
                let seen = (self.trace.steps[writer as usize].start, number);
                let newest = latest.entry(at).or_insert(seen);
                *newest = (*newest).max(seen);
            }
        }
    }

    fn lost(&self, found: &mut Found) {
        // For each register, by invocation: the newest that any answer from here on shows; the oldest that a
        // cas from here on replaced. An answer that may be of any age counts as the newest.
        let mut newest: Vec<Vec<(u64, i128)>> = vec![Vec::new(); self.trace.keys.len()];
        let mut cas: Vec<Vec<(u64, (i128, u32))>> = vec![Vec::new(); self.trace.keys.len()];
        let mut last_sight: FxHashMap<(u32, u32), u32> = FxHashMap::default();
        let mut last_seen: FxHashMap<u32, u64> = FxHashMap::default();
        for number in self.sights() {
            let step = &self.trace.steps[number as usize];
            let since = self.there_since(number).unwrap_or(i128::MAX);
            newest[step.key as usize].push((step.start, since));
            if step.writes != NONE {
                cas[step.key as usize].push((step.start, (since, number)));
            }
            last_sight.insert((step.process, step.key), number);
            last_seen.insert(step.sees, step.start);
        }
        for list in &mut newest {
            let mut most = BEFORE_ALL;
            for (_, since) in list.iter_mut().rev() {
                most = most.max(*since);
                *since = most;
            }
        }
        for list in &mut cas {
            let mut least = (i128::MAX, NONE);
            for (_, since) in list.iter_mut().rev() {
                least = least.min(*since);
                *since = least;
            }
        }
        for (number, step) in (0u32..).zip(&self.trace.steps) {
            if step.writes == NONE || step.is_open() || !self.unique[step.writes as usize] {
                continue;
            }
            let key = step.key as usize;
            let after = cas[key].partition_point(|&(start, _)| start <= step.finish);
            if let Some(&(_, (since, by))) = cas[key].get(after)
                && since < step.start.into()
                && last_seen
                    .get(&step.writes)
                    .is_none_or(|&seen| seen < self.trace.steps[by as usize].finish)
            {
                found.add(self.trace, AnomalyKind::LostWrite, &[number, by], |names| {
                    sentence![
                        names[0].clone(),
                        " was acknowledged, but ",
                        names[1].clone(),
                        " still replaced an older value."
                    ]
                });
                continue;
            }
            let after = newest[key].partition_point(|&(start, _)| start <= step.finish);
            let all_older = newest[key]
                .get(after)
                .is_some_and(|&(_, since)| since < step.start.into());
            if let Some(&own) = last_sight.get(&(step.process, step.key))
                && all_older
                && self.trace.steps[own as usize].start > step.finish
            {
                found.add(self.trace, AnomalyKind::LostWrite, &[number, own], |names| {
                    sentence![
                        names[0].clone(),
                        " was acknowledged, but all answers from then to the end show older values, even ",
                        names[1].clone(),
                        "."
                    ]
                });
            }
        }
    }
}

#[derive(Default)]
struct Found {
    anomalies: Vec<Anomaly>,
}

impl Found {
    fn add(
        &mut self,
        trace: &Trace,
        kind: AnomalyKind,
        steps: &[u32],
        sentence: impl Fn(&[Sentence]) -> Sentence,
    ) {
        let operations: Vec<usize> = steps
            .iter()
            .map(|&step| trace.steps[step as usize].index as usize)
            .collect();
        self.add_sentence(kind, operations.clone(), || {
            let names: Vec<Sentence> = operations.iter().map(|&index| name(trace, index)).collect();
            sentence(&names)
        });
    }

    fn add_sentence(&mut self, kind: AnomalyKind, operations: Vec<usize>, sentence: impl Fn() -> Sentence) {
        match self.anomalies.iter_mut().find(|anomaly| anomaly.kind == kind) {
            Some(anomaly) => anomaly.count += 1,
            None => self.anomalies.push(Anomaly {
                kind,
                count: 1,
                operations,
                sentence: sentence(),
            }),
        }
    }
}
