//! A simulated disk: one fsync at a time, each for all that was written before it began; a crash keeps some
//! prefix of what was not yet synced, perhaps torn.

use std::collections::VecDeque;
use std::sync::Arc;

use raft::core::api::{Entry, HardState, Index, Persist, PersistId, Snapshot, Stored};
use rand::{Rng, RngExt};

#[derive(Debug, Default)]
pub struct Disk {
    hard_state: HardState,
    snapshot: Option<Arc<Snapshot>>,
    entries: Vec<Arc<Entry>>,
    written: VecDeque<Persist>,
    syncing: Option<PersistId>,
    /// Syncs do nothing: everything waits for the next crash.
    skips_sync: bool,
    /// The last write that was reported durable by a sync that did nothing.
    told: PersistId,
}

impl Disk {
    /// An empty disk, perhaps one whose syncs do nothing.
    pub fn new(skips_sync: bool) -> Disk {
        Disk {
            skips_sync,
            ..Disk::default()
        }
    }

    /// Takes a write. True when the disk was idle and a sync of it begins.
    pub fn write(&mut self, persist: Persist) -> bool {
        self.written.push_back(persist);
        self.begin_sync()
    }

    /// Begins to sync what is written, unless a sync is under way or nothing is.
    pub fn begin_sync(&mut self) -> bool {
        if self.syncing.is_some() || self.written.is_empty() {
            return false;
        }
        self.syncing = self
            .written
            .back()
            .map(|persist| persist.id)
            .filter(|&id| id > self.told);
        self.syncing.is_some()
    }

    /// The sync under way is done: everything up to the returned id is durable.
    pub fn end_sync(&mut self) -> Option<PersistId> {
        let id = self.syncing.take()?;
        if self.skips_sync {
            self.told = id;
            return Some(id);
        }
        while self.written.front().is_some_and(|persist| persist.id <= id)
            && let Some(persist) = self.written.pop_front()
        {
            self.apply(persist);
        }
        Some(id)
    }

    /// Power fails: of what was not synced, a prefix may have reached the disk.
    pub fn crash(&mut self, rng: &mut impl Rng) {
        self.syncing = None;
        self.told = 0;
        let mut written = std::mem::take(&mut self.written);
        written.truncate(rng.random_range(0..=written.len()));
        if let Some(last) = written.back_mut()
            && last.hard_state.is_none()
            && last.snapshot.is_none()
        {
            let keep = rng.random_range(1..=last.entries.len().max(1));
            last.entries.truncate(keep);
        }
        for persist in written {
            self.apply(persist);
        }
    }

    pub fn stored(&self) -> Stored {
        let entries = self.entries.clone();
        Stored {
            hard_state: self.hard_state,
            snapshot: self.snapshot.clone(),
            entries,
        }
    }

    fn apply(&mut self, persist: Persist) {
        self.hard_state = persist.hard_state.unwrap_or(self.hard_state);
        if let Some(save) = persist.snapshot {
            if save.discard_to == Index::MAX {
                self.entries.clear();
            } else {
                let covered = self.snapshot.as_ref().map_or(0, |snapshot| snapshot.last_index);
                let end = self.entries.last().map_or(covered, |entry| entry.index);
                assert!(
                    save.snapshot.last_index <= end,
                    "the log on disk ends at {end}, before the snapshot of it up to {}",
                    save.snapshot.last_index
                );
                self.entries.retain(|entry| entry.index > save.discard_to);
            }
            self.snapshot = Some(save.snapshot);
        }
        if let Some(first) = persist.entries.first() {
            self.entries.retain(|entry| entry.index < first.index);
            let base = self.snapshot.as_ref().map_or(0, |snapshot| snapshot.last_index);
            let end = self.entries.last().map_or(base, |entry| entry.index);
            assert!(
                first.index <= end + 1,
                "the log on disk would have a gap: {end} then {}",
                first.index
            );
        }
        self.entries.extend(persist.entries);
    }
}
