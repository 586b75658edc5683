//! What a sequence of records amounts to: pure, so that what recovery believes can be tested without a disk.
//!
//! Invariant: `entries` are contiguous and begin at `start`; what comes before `start` was discarded or was
//! in segments since deleted.

use std::sync::Arc;

use super::record::{Record, SnapshotMark, Start};
use crate::bug::{Bug, Bugs};
use crate::core::api::{Entry, HardState, Index};

/// The state of the log after the records so far.
#[derive(Debug, Default)]
pub(super) struct Replay {
    /// The last term and vote.
    pub hard_state: HardState,
    /// The last snapshot.
    pub snapshot: Option<SnapshotMark>,
    /// The index of the first of `entries`, or where it would be.
    pub start: Index,
    /// The log.
    pub entries: Vec<Arc<Entry>>,
    /// The planted bugs that are switched on.
    pub bugs: Bugs,
    started: bool,
}

impl Replay {
    /// Nothing yet.
    pub(super) fn new(bugs: Bugs) -> Replay {
        Replay {
            bugs,
            ..Replay::default()
        }
    }

    /// The index of the last entry.
    pub(super) fn end(&self) -> Index {
        self.start + self.entries.len() as Index - 1
    }

    /// What the records so far amount to, for the next segment.
    pub(super) fn summary(&self) -> Start {
        Start {
            hard_state: self.hard_state,
            snapshot: self.snapshot,
            log_end: self.end(),
        }
    }

    /// Takes the next record, or returns why it cannot follow those before it.
    pub(super) fn apply(&mut self, record: Record) -> Result<(), String> {
        match record {
            Record::Start(start) => self.begin(start),
            _ if !self.started => Err("the segment does not begin with what came before it".into()),
            Record::HardState(hard_state) => {
                self.hard_state = hard_state;
                Ok(())
            }
            Record::Snapshot(mark) => {
                self.discard(mark);
                Ok(())
            }
            Record::Entry(entry) => self.append(entry),
        }
    }

    /// Whether the log joins the snapshot without a gap.
    pub(super) fn finish(&self) -> Result<(), String> {
        let covered = self.snapshot.map_or(0, |mark| mark.last_index);
        if self.start > covered + 1 {
            return Err(format!(
                "the log begins at {} but the snapshot ends at {covered}",
                self.start
            ));
        }
        if self.end() < covered {
            return Err(format!(
                "the log ends at {}, before the snapshot's end {covered}",
                self.end()
            ));
        }
        Ok(())
    }

    fn begin(&mut self, start: Start) -> Result<(), String> {
        if self.started {
            return match self.summary() {
                before if self.follows(&before, &start) => Ok(()),
                before => Err(format!(
                    "the segment follows on {start:?} but the one before it ends with {before:?}"
                )),
            };
        }
        self.started = true;
        self.start = start.log_end + 1;
        self.hard_state = start.hard_state;
        self.snapshot = start.snapshot;
        Ok(())
    }

    /// A segment begins with what the one before it amounts to.
    fn follows(&self, before: &Start, start: &Start) -> bool {
        if self.bugs.contains(Bug::SegmentStartForgetsVote) {
            return (before.snapshot, before.log_end) == (start.snapshot, start.log_end);
        }
        before == start
    }

    fn append(&mut self, entry: Arc<Entry>) -> Result<(), String> {
        let end = self.end();
        if entry.index == 0 || entry.index > end + 1 {
            return Err(format!("entry {} does not follow entry {end}", entry.index));
        }
        if entry.index < self.start {
            // It replaces entries of segments since deleted.
            self.entries.clear();
            self.start = entry.index;
        }
        self.entries.truncate((entry.index - self.start) as usize);
        self.entries.push(entry);
        Ok(())
    }

    fn discard(&mut self, mark: SnapshotMark) {
        if mark.discard_to > self.end() {
            self.entries.clear();
            self.start = mark.last_index + 1;
        } else if mark.discard_to >= self.start {
            self.entries.drain(..=(mark.discard_to - self.start) as usize);
            self.start = mark.discard_to + 1;
        }
        self.snapshot = Some(mark);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::api::{Payload, Term};

    fn entry(term: Term, index: Index) -> Record {
        Record::Entry(Arc::new(Entry {
            term,
            index,
            payload: Payload::Noop,
        }))
    }

    fn start(log_end: Index) -> Record {
        Record::Start(Start {
            log_end,
            ..Start::default()
        })
    }

    fn mark(last_index: Index, discard_to: Index) -> Record {
        Record::Snapshot(SnapshotMark {
            last_index,
            last_term: 1,
            discard_to,
        })
    }

    /// The (term, index) of the entries that are left, or the complaint.
    fn check(records: Vec<Record>, expected: Result<Vec<(Term, Index)>, &str>) {
        let mut replay = Replay::default();
        let shown = format!("{records:?}");
        let outcome = (records.into_iter().try_for_each(|record| replay.apply(record)))
            .and_then(|()| replay.finish())
            .map(|()| {
                replay
                    .entries
                    .iter()
                    .map(|entry| (entry.term, entry.index))
                    .collect::<Vec<_>>()
            });
        match (outcome, expected) {
            (Ok(entries), Ok(expected)) => assert_eq!(entries, expected, "{shown}"),
            (Err(complaint), Err(expected)) => assert!(complaint.contains(expected), "{complaint}: {shown}"),
            (outcome, expected) => panic!("{outcome:?} instead of {expected:?}: {shown}"),
        }
    }

    #[test]
    fn records_add_up() {
        check(vec![start(0)], Ok(vec![]));
        check(vec![start(0), entry(1, 1), entry(1, 2)], Ok(vec![(1, 1), (1, 2)]));
        // An entry removes what it conflicts with.
        check(
            vec![start(0), entry(1, 1), entry(1, 2), entry(1, 3), entry(2, 2)],
            Ok(vec![(1, 1), (2, 2)]),
        );
        // A snapshot removes what it says, no more.
        check(
            vec![start(0), entry(1, 1), entry(1, 2), mark(2, 1)],
            Ok(vec![(1, 2)]),
        );
        check(
            vec![start(0), entry(1, 1), mark(1, 1), entry(1, 2)],
            Ok(vec![(1, 2)]),
        );
        check(
            vec![start(0), entry(1, 1), mark(9, Index::MAX), entry(2, 10)],
            Ok(vec![(2, 10)]),
        );
        // The segments before were deleted; what they held is known only by its end.
        check(vec![start(60), mark(60, 50), entry(1, 61)], Ok(vec![(1, 61)]));
        check(
            vec![start(60), entry(2, 55), mark(60, 40), entry(2, 56)],
            Err("before the snapshot's end"),
        );
    }

    #[test]
    fn what_does_not_add_up_is_refused() {
        check(vec![entry(1, 1)], Err("does not begin"));
        check(vec![start(0), entry(1, 2)], Err("does not follow"));
        check(vec![start(0), entry(1, 0)], Err("does not follow"));
        check(vec![start(5), entry(1, 6)], Err("begins at 6"));
        check(vec![start(0), entry(1, 1), start(2)], Err("follows on"));
    }
}
