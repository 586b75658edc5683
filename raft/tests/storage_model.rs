//! The storage against a model of a few lines, under random writes, syncs, crashes and restarts.
//!
//! A crash comes in the middle of a sync: a part of what was written has arrived, torn anywhere, perhaps with
//! a sector missing that lies before what did arrive. What is found is then what some prefix of the writes
//! amounts to, and no shorter one than what was synced.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
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
    /// Stop in the middle of a sync and start again: so many thousandths of what was to be written have
    /// arrived, and one of their sectors has not, if they take more than one.
    Crash {
        kept: usize,
        hole: Option<usize>,
    },
}

/// What a disk writes at once: small, as the segments here are.
const SECTOR: usize = 16;

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..4u64, 1..6u64).prop_map(|(back, count)| Step::Append { back, count }),
        1 => (1..6u64).prop_map(|node| Step::Vote { node }),
        1 => (0..=100u64, 0..5u64).prop_map(|(percent, keep)| Step::Compact { percent, keep }),
        1 => (1..9u64).prop_map(|beyond| Step::Install { beyond }),
        4 => Just(Step::Sync),
        2 => (0..=1000usize, prop::option::of(any::<usize>()))
            .prop_map(|(kept, hole)| Step::Crash { kept, hole }),
    ]
}

/// What must be stored: the whole log since the last discard.
#[derive(Debug, Clone, Default, PartialEq)]
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
            Step::Sync | Step::Crash { .. } => return None,
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

    /// What is stored when of a write that is nothing but entries only so many have arrived.
    fn without_entries(&self, missing: usize) -> Model {
        let mut fewer = self.clone();
        fewer.log.truncate(self.log.len() - missing);
        fewer
    }

    fn is(&self, found: &Stored) -> bool {
        (&found.hard_state, &found.snapshot, &found.entries) == (&self.hard_state, &self.snapshot, &self.log)
    }
}

/// The states that a crash may leave: one for each prefix of the writes since the last sync.
#[derive(Debug, Default)]
struct States(Vec<Model>);

impl States {
    fn after(&mut self, persist: &Persist, written: &Model) {
        // Entries alone may be cut anywhere; with anything beside them it is all or nothing.
        if persist.hard_state.is_none() && persist.snapshot.is_none() {
            let missing = (1..persist.entries.len()).rev();
            self.0
                .extend(missing.map(|missing| written.without_entries(missing)));
        }
        self.0.push(written.clone());
    }
}

/// The files of a directory.
fn files(directory: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let paths = std::fs::read_dir(directory)
        .unwrap()
        .map(|file| file.unwrap().path());
    paths
        .map(|path| (path.clone(), std::fs::read(path).unwrap()))
        .collect()
}

/// Crashes in the middle of a sync. Gives whether all of it has arrived, or nothing.
fn crash(mut storage: Storage, directory: &Path, kept: usize, hole: Option<usize>) -> (bool, bool) {
    let before = files(directory);
    let is_segment = |path: &&PathBuf| path.file_name().unwrap().to_string_lossy().starts_with("log-");
    let last = before.keys().rfind(is_segment).unwrap().clone();
    let durable = before[&last].len();
    storage.sync().unwrap();
    drop(storage);
    // A segment that was begun and whatever was deleted comes after the write. If the segment itself was
    // deleted, what was written is not known any more: then nothing arrives.
    let mut arrived = std::fs::read(&last).unwrap_or_else(|_| before[&last].clone());
    let written = arrived.len();
    for path in files(directory)
        .into_keys()
        .filter(|path| !before.contains_key(path))
    {
        std::fs::remove_file(path).unwrap();
    }
    for (path, bytes) in &before {
        std::fs::write(path, bytes).unwrap();
    }
    arrived.truncate(durable + (written - durable) * kept / 1000);
    let sectors = durable / SECTOR..arrived.len().saturating_sub(1) / SECTOR;
    let hole = hole.filter(|_| !sectors.is_empty());
    if let Some(hole) = hole {
        let sector = sectors.start + hole % sectors.len();
        arrived[(sector * SECTOR).max(durable)..(sector + 1) * SECTOR].fill(0);
    }
    std::fs::write(last, &arrived).unwrap();
    (
        hole.is_none() && arrived.len() == written,
        arrived.len() == durable,
    )
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
        let mut unsynced = States::default();
        for step in &steps {
            match step {
                Step::Sync => {
                    storage.sync().unwrap();
                    durable = written.clone();
                    unsynced = States::default();
                }
                Step::Crash { kept, hole } => {
                    let (all, nothing) = crash(storage, directory.path(), *kept, *hole);
                    let (reopened, found) = open(directory.path());
                    let mut possible = std::mem::take(&mut unsynced).0;
                    possible.insert(0, durable);
                    if nothing {
                        possible.truncate(1);
                    } else if all {
                        possible = vec![written];
                    }
                    let state = possible.iter().find(|state| state.is(&found));
                    prop_assert!(state.is_some(), "{:?} is none of {:?}", found, possible);
                    durable = state.unwrap().clone();
                    written = durable.clone();
                    storage = reopened;
                }
                _ => {
                    if let Some(persist) = written.write(step) {
                        storage.persist(&persist).unwrap();
                        unsynced.after(&persist, &written);
                    }
                }
            }
        }
    }
}
