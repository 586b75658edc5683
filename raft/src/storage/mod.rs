//! What a node remembers across a crash: its term and vote, its log and its last snapshot, in one directory.
//!
//! ```text
//! lock                             held by the process that uses the directory
//! log-00000000000000000007         sealed segments: whole, durable, never written again
//! log-00000000000000000008         the last segment: records are appended to it
//! snapshot-00000000000000004711    the snapshot up to entry 4711: framed by a magic number and a checksum
//! ```
//!
//! Everything but the snapshot goes into one sequence of checksummed records ([`record`]), so that a term, a
//! vote and any number of entries cost one write and one fsync. Nothing is ever overwritten: a conflicting
//! suffix of the log is cut off by the entry that replaces it, and only whole segments are deleted.
//!
//! Invariants:
//! - What [`Storage::sync`] returned `Ok` for is there after any crash.
//! - What recovery finds is the effect of a prefix of the writes. A torn end is cut off; anything else that
//!   is broken is refused with the file and the offset, because a node that silently forgets what it has
//!   acknowledged breaks Raft's promises (§5.2: one vote a term; §5.4: committed entries stay).
//! - After a failed write or sync nothing more is written: what the kernel then holds is unknown (Rebello et
//!   al., Can Applications Recover from fsync Failures?, USENIX ATC '20).

mod files;
mod record;
mod recover;
mod replay;
mod snapshot;
mod writer;

use std::collections::VecDeque;
use std::io::Write;
use std::path::{Path, PathBuf};

use self::record::{Place, Record, SnapshotMark, Start};
use self::recover::{LastSegment, Recovered};
pub use self::writer::{Synced, Writer};
use crate::bug::{Bug, Bugs};
use crate::core::api::{Entry, Index, Persist, PersistSnapshot, Stored};

const SEGMENT: &str = "log";
const SNAPSHOT: &str = "snapshot";
/// Begins every segment; the last byte is the version of the format.
const MAGIC: &[u8; 8] = b"RAFTLOG\x01";
/// What one unusually large write needed is given back.
const KEPT_BUFFER_BYTES: usize = 1 << 20;

/// Why the storage cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum StorageError {
    /// The file system failed.
    #[error("cannot {what} {}: {source}", path.display())]
    Io {
        /// What was tried.
        what: &'static str,
        /// On which file.
        path: PathBuf,
        /// The file system's error.
        source: std::io::Error,
    },
    /// Another process has the directory.
    #[error("{} is in use by another process", directory.display())]
    Locked {
        /// The directory.
        directory: PathBuf,
    },
    /// Something that was once durable cannot be read any more. The node must be wiped and added again.
    #[error("{} is damaged at offset {offset}: {reason}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Where in the file, in bytes.
        offset: u64,
        /// What is wrong there.
        reason: String,
    },
    /// What is to be written could not be read back: a bug of the caller.
    #[error("cannot store this: {0}")]
    Refused(String),
    /// An earlier write failed.
    #[error("an earlier write failed")]
    Failed,
}

impl StorageError {
    fn io(what: &'static str, path: &Path, source: std::io::Error) -> StorageError {
        StorageError::Io {
            what,
            path: path.to_owned(),
            source,
        }
    }

    fn damaged(path: &Path, offset: usize, reason: impl Into<String>) -> StorageError {
        StorageError::Damaged {
            path: path.to_owned(),
            offset: offset as u64,
            reason: reason.into(),
        }
    }
}

/// How the storage is laid out.
#[derive(Debug, Clone)]
pub struct StorageOptions {
    /// A segment that has grown to this many bytes is sealed.
    pub segment_bytes: u32,
    /// The planted bugs that are switched on.
    pub bugs: Bugs,
}

impl Default for StorageOptions {
    fn default() -> StorageOptions {
        StorageOptions {
            segment_bytes: 16 << 20,
            bugs: Bugs::NONE,
        }
    }
}

/// The directory of one node. [`Storage::persist`] collects, [`Storage::sync`] writes and makes durable.
#[derive(Debug)]
pub struct Storage {
    directory: PathBuf,
    options: StorageOptions,
    sealed: VecDeque<Sealed>,
    last: LastSegment,
    /// Records that wait for the next sync.
    buffer: Vec<u8>,
    /// What the log amounts to with the buffer's records.
    state: Start,
    /// Snapshots that the buffer's records make useless.
    old_snapshots: Vec<Index>,
    failed: bool,
    _lock: files::Lock,
}

/// A segment that is never written again.
#[derive(Debug)]
struct Sealed {
    number: u64,
    /// No entry in it has a higher index.
    log_end: Index,
}

impl Storage {
    /// Opens the directory, creating it if needed, and reads what it holds.
    ///
    /// # Errors
    /// When another process has it, when anything in it is damaged, and when the file system fails.
    pub fn open(directory: &Path, options: StorageOptions) -> Result<(Storage, Stored), StorageError> {
        files::create_directory(directory)?;
        let lock = files::lock(directory)?;
        let Recovered {
            stored,
            sealed,
            state,
            last,
        } = recover::recover(directory)?;
        let last = match last {
            Some(last) => last,
            None => create_segment(directory, 1, &state)?,
        };
        let storage = Storage {
            directory: directory.to_owned(),
            options,
            sealed,
            last,
            buffer: Vec::new(),
            state,
            old_snapshots: Vec::new(),
            failed: false,
            _lock: lock,
        };
        Ok((storage, stored))
    }

    /// Takes a write for the next [`Storage::sync`]. Only a snapshot is written, beside the log, at once.
    ///
    /// # Errors
    /// When an entry would leave a gap or is too long, and when the snapshot cannot be written.
    pub fn persist(&mut self, persist: &Persist) -> Result<(), StorageError> {
        let parts = usize::from(persist.hard_state.is_some()) + usize::from(persist.snapshot.is_some());
        // Entries alone may be cut anywhere; with anything beside them it is all or nothing.
        let grouped = parts > 0;
        let mut left = parts + persist.entries.len();
        let mut more = || {
            left -= 1;
            grouped && left > 0
        };
        if let Some(hard_state) = persist.hard_state {
            self.record(&Record::HardState(hard_state), more())?;
            self.state.hard_state = hard_state;
        }
        if let Some(snapshot) = &persist.snapshot {
            self.snapshot(snapshot, more())?;
        }
        for entry in &persist.entries {
            self.check(entry)?;
            self.record(&Record::Entry(entry.clone()), more())?;
            self.state.log_end = entry.index;
        }
        Ok(())
    }

    /// How many bytes wait for the next [`Storage::sync`].
    pub fn waiting_bytes(&self) -> usize {
        self.buffer.len()
    }

    /// Writes everything that waits and makes it durable with one fsync; then deletes what it made useless.
    ///
    /// # Errors
    /// When the file system fails. Nothing more can be written then: the node must stop.
    pub fn sync(&mut self) -> Result<(), StorageError> {
        if self.failed {
            return Err(StorageError::Failed);
        }
        if self.buffer.is_empty() {
            return Ok(());
        }
        let result = self.try_sync();
        self.failed = result.is_err();
        result
    }

    fn try_sync(&mut self) -> Result<(), StorageError> {
        let last = &mut self.last;
        let path = || files::numbered_path(&self.directory, SEGMENT, last.number);
        last.file
            .write_all(&self.buffer)
            .map_err(|source| StorageError::io("write", &path(), source))?;
        if !self.options.bugs.contains(Bug::SkipFsync) {
            last.file
                .sync_data()
                .map_err(|source| StorageError::io("sync", &path(), source))?;
        }
        last.length += self.buffer.len();
        self.buffer.clear();
        self.buffer.shrink_to(KEPT_BUFFER_BYTES);
        if last.length >= self.options.segment_bytes as usize {
            let next = create_segment(&self.directory, last.number + 1, &self.state)?;
            let full = std::mem::replace(&mut self.last, next);
            self.sealed.push_back(Sealed {
                number: full.number,
                log_end: self.state.log_end,
            });
        }
        self.delete_useless()
    }

    fn delete_useless(&mut self) -> Result<(), StorageError> {
        for index in self.old_snapshots.drain(..) {
            files::remove(&files::numbered_path(&self.directory, SNAPSHOT, index))?;
        }
        let discarded = self
            .state
            .snapshot
            .map_or(0, |mark| mark.discard_to.min(mark.last_index));
        while self
            .sealed
            .front()
            .is_some_and(|oldest| oldest.log_end <= discarded)
        {
            if let Some(oldest) = self.sealed.pop_front() {
                files::remove(&files::numbered_path(&self.directory, SEGMENT, oldest.number))?;
            }
        }
        Ok(())
    }

    fn snapshot(&mut self, persist: &PersistSnapshot, more: bool) -> Result<(), StorageError> {
        let PersistSnapshot { snapshot, discard_to } = persist;
        let mark = SnapshotMark {
            last_index: snapshot.last_index,
            last_term: snapshot.last_term,
            discard_to: *discard_to,
        };
        if mark.discard_to > self.state.log_end {
            // The log starts again after the snapshot, and every sealed segment may go.
            self.state.log_end = mark.last_index;
            self.sealed.iter_mut().for_each(|segment| segment.log_end = 0);
        } else if mark.last_index > self.state.log_end {
            let gap = format!(
                "snapshot {} goes beyond entry {}",
                mark.last_index, self.state.log_end
            );
            return Err(self.refuse(gap));
        }
        if let Err(error) = snapshot::write(&self.directory, snapshot) {
            self.failed = true;
            return Err(error);
        }
        self.record(&Record::Snapshot(mark), more)?;
        let old = self.state.snapshot.replace(mark);
        self.old_snapshots.extend(
            old.map(|old| old.last_index)
                .filter(|&old| old != mark.last_index),
        );
        Ok(())
    }

    fn check(&mut self, entry: &Entry) -> Result<(), StorageError> {
        let end = self.state.log_end;
        let covered = self.state.snapshot.map_or(0, |mark| mark.last_index);
        if entry.index > end + 1 || entry.index <= covered {
            let gap = format!(
                "entry {} follows neither entry {end} nor snapshot {covered}",
                entry.index
            );
            return Err(self.refuse(gap));
        }
        Ok(())
    }

    fn record(&mut self, record: &Record, more: bool) -> Result<(), StorageError> {
        if self.failed {
            return Err(StorageError::Failed);
        }
        let offset = self.last.length + self.buffer.len();
        let place = Place {
            segment: self.last.number,
            offset,
        };
        let fits = u32::try_from(offset).is_ok();
        if !fits || !record::encode(&mut self.buffer, place, self.last.length as u32, record, more) {
            return Err(self.refuse("a record is too long".into()));
        }
        Ok(())
    }

    /// Part of a write may be in the buffer by now, so none of it may reach the disk.
    fn refuse(&mut self, why: String) -> StorageError {
        self.failed = true;
        StorageError::Refused(why)
    }
}

fn create_segment(directory: &Path, number: u64, state: &Start) -> Result<LastSegment, StorageError> {
    let mut bytes = MAGIC.to_vec();
    let place = Place {
        segment: number,
        offset: bytes.len(),
    };
    if !record::encode(&mut bytes, place, 0, &Record::Start(state.clone()), false) {
        return Err(StorageError::Refused("a record is too long".into()));
    }
    let path = files::numbered_path(directory, SEGMENT, number);
    let file = files::write_atomically(&path, &[&bytes])?;
    Ok(LastSegment {
        number,
        file,
        length: bytes.len(),
    })
}
