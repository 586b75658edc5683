//! The storage against a model of a few lines, under random writes, syncs, crashes and restarts.

use std::path::Path;
use std::sync::Arc;

use proptest::prelude::*;
use raft::core::api::{Entry, HardState, Index, Payload, Persist, PersistSnapshot, Snapshot, Stored};
use raft::storage::{Storage, StorageOptions};

#[derive(Debug, Clone)]
enum Step {
    /// Append so many entries, the first replacing one so far before the log's end.
    Append {
        back: u64,
        count: u64,
    },
    Vote {
        node: u64,
    },
    /// A snapshot at so many per cent of the log, keeping so many entries.
    Compact {
        percent: u64,
        keep: u64,
    },
    /// A snapshot from elsewhere, so far beyond the end of the log.
    Install {
        beyond: u64,
    },
    Sync,
    /// Stop without a sync and start again.
    Crash,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..4u64, 1..6u64).prop_map(|(back, count)| Step::Append { back, count }),
        1 => (1..6u64).prop_map(|node| Step::Vote { node }),
        1 => (0..=100u64, 0..5u64).prop_map(|(percent, keep)| Step::Compact { percent, keep }),
        1 => (1..9u64).prop_map(|beyond| Step::Install { beyond }),
        4 => Just(Step::Sync),
        2 => Just(Step::Crash),
    ]
}

/// What must be stored: the whole log since the last discard.
#[derive(Debug, Clone, Default)]
struct Model {
    hard_state: HardState,
    snapshot: Option<Arc<Snapshot>>,
    /// The last entry before `log`.
    before: Index,
    log: Vec<Arc<Entry>>,
}

impl Model {
    fn end(&self) -> Index {
        self.before + self.log.len() as Index
    }

    fn covered(&self) -> Index {
        self.snapshot.as_ref().map_or(0, |snapshot| snapshot.last_index)
    }

    /// The write that a step amounts to; the model has changed accordingly.
    fn write(&mut self, step: &Step) -> Option<Persist> {
        let mut persist = Persist::default();
        match *step {
            Step::Append { back, count } => {
                let first = (self.end() + 1 - back.min(self.end() - self.before)).max(self.covered() + 1);
                self.log.truncate((first - self.before - 1) as usize);
                if back > 0 {
                    self.hard_state.term += 1;
                    persist.hard_state = Some(self.hard_state);
                }
                persist.entries = (first..first + count)
                    .map(|index| Entry {
                        term: self.hard_state.term,
                        index,
                        payload: Payload::Noop,
                    })
                    .map(Arc::new)
                    .collect();
                self.log.extend(persist.entries.iter().cloned());
            }
            Step::Vote { node } => {
                self.hard_state = HardState {
                    term: self.hard_state.term + 1,
                    voted_for: Some(node),
                };
                persist.hard_state = Some(self.hard_state);
            }
            Step::Compact { percent, keep } => {
                let last_index = self.before + (self.end() - self.before) * percent / 100;
                if last_index <= self.covered() || last_index <= self.before {
                    return None;
                }
                let last_term = self.log[(last_index - self.before - 1) as usize].term;
                let discard_to = last_index.saturating_sub(keep);
                persist.snapshot = Some(self.take_snapshot(last_index, last_term, discard_to));
                let gone = discard_to.saturating_sub(self.before);
                self.log.drain(..gone as usize);
                self.before += gone;
            }
            Step::Install { beyond } => {
                let last_index = self.end() + beyond;
                persist.snapshot = Some(self.take_snapshot(last_index, self.hard_state.term, Index::MAX));
                self.log.clear();
                self.before = last_index;
            }
            Step::Sync | Step::Crash => return None,
        }
        Some(persist)
    }

    fn take_snapshot(&mut self, last_index: Index, last_term: u64, discard_to: Index) -> PersistSnapshot {
        let data = last_index.to_le_bytes().to_vec();
        let snapshot = Arc::new(Snapshot {
            last_index,
            last_term,
            data,
            ..Snapshot::default()
        });
        self.snapshot = Some(snapshot.clone());
        PersistSnapshot { snapshot, discard_to }
    }

    fn check(&self, found: &Stored) {
        assert_eq!(found.hard_state, self.hard_state);
        assert_eq!(found.snapshot, self.snapshot);
        assert_eq!(found.entries, self.log);
    }
}

fn open(directory: &Path) -> (Storage, Stored) {
    // Small enough that many segments are sealed and deleted in a run.
    Storage::open(
        directory,
        StorageOptions {
            segment_bytes: 150,
            ..StorageOptions::default()
        },
    )
    .unwrap()
}

proptest! {
    // Every case costs some dozens of fsyncs.
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn the_storage_remembers_what_the_model_remembers(steps in prop::collection::vec(step(), 1..60)) {
        let directory = tempfile::tempdir().unwrap();
        let (mut storage, _) = open(directory.path());
        let mut written = Model::default();
        let mut durable = Model::default();
        for step in &steps {
            match step {
                Step::Sync => {
                    storage.sync().unwrap();
                    durable = written.clone();
                }
                Step::Crash => {
                    drop(storage);
                    let (reopened, found) = open(directory.path());
                    durable.check(&found);
                    storage = reopened;
                    written = durable.clone();
                }
                _ => {
                    if let Some(persist) = written.write(step) {
                        storage.persist(&persist).unwrap();
                    }
                }
            }
        }
    }
}
