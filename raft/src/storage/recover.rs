//! Reading a directory back: what is torn is cut off, what is damaged is refused. See [`super`].

use std::collections::VecDeque;
use std::fs::{File, OpenOptions};
use std::path::Path;

use super::record::{self, Place, Start};
use super::replay::Replay;
use super::{MAGIC, SEGMENT, SNAPSHOT, Sealed, StorageError, files, snapshot};
use crate::bug::{Bug, Bugs};
use crate::core::api::Stored;

/// The segment that records are appended to.
#[derive(Debug)]
pub(super) struct LastSegment {
    pub number: u64,
    pub file: File,
    /// How much of it is written and durable.
    pub length: usize,
}

/// What a directory holds.
#[derive(Debug)]
pub(super) struct Recovered {
    pub stored: Stored,
    pub sealed: VecDeque<Sealed>,
    pub state: Start,
    /// Missing in a new directory.
    pub last: Option<LastSegment>,
}

/// Reads the directory, cuts off what a crash tore and removes what it left behind.
pub(super) fn recover(directory: &Path, bugs: Bugs) -> Result<Recovered, StorageError> {
    let segments = files::numbered(directory, SEGMENT)?;
    let snapshots = files::numbered(directory, SNAPSHOT)?;
    let Some(((last_number, last_path), before)) = segments.split_last() else {
        return match snapshots.first() {
            None => Ok(Recovered {
                stored: Stored::default(),
                sealed: VecDeque::new(),
                state: Start::default(),
                last: None,
            }),
            Some((_, path)) => Err(StorageError::damaged(path, 0, "there is a snapshot but no log")),
        };
    };

    let mut replay = Replay::new(bugs);
    let mut sealed = VecDeque::new();
    let mut expected = segments[0].0;
    for (number, path) in before {
        check_number(expected, *number, path)?;
        let bytes = files::read(path)?;
        if let Some(broken) = replay_segment(&mut replay, *number, path, &bytes)? {
            return Err(StorageError::damaged(path, broken.offset, broken.reason));
        }
        sealed.push_back(Sealed {
            number: *number,
            log_end: replay.end(),
        });
        expected += 1;
    }
    check_number(expected, *last_number, last_path)?;
    let last = recover_last(&mut replay, *last_number, last_path, bugs)?;
    replay
        .finish()
        .map_err(|reason| StorageError::damaged(last_path, last.length, reason))?;

    let state = replay.summary();
    let snapshot = match &state.snapshot {
        Some(mark) => Some(snapshot::read(directory, mark)?),
        None => None,
    };
    // A snapshot that no record names is one whose record was torn, or one that was about to be deleted.
    for (index, path) in snapshots {
        if state.snapshot.is_none_or(|mark| mark.last_index != index) {
            files::remove(&path)?;
        }
    }
    let stored = Stored {
        hard_state: state.hard_state,
        snapshot,
        entries: replay.entries,
    };
    Ok(Recovered {
        stored,
        sealed,
        state,
        last: Some(last),
    })
}

fn check_number(expected: u64, number: u64, path: &Path) -> Result<(), StorageError> {
    if number == expected {
        return Ok(());
    }
    let missing = files::numbered_path(Path::new(""), SEGMENT, expected);
    Err(StorageError::damaged(
        path,
        0,
        format!("the segment before it, {}, is missing", missing.display()),
    ))
}

/// Reads the last segment, the only one that a crash can have torn.
fn recover_last(
    replay: &mut Replay,
    number: u64,
    path: &Path,
    bugs: Bugs,
) -> Result<LastSegment, StorageError> {
    let bytes = files::read(path)?;
    let mut length = bytes.len();
    let file = (OpenOptions::new().append(true).open(path))
        .map_err(|source| StorageError::io("open", path, source))?;
    if let Some(broken) = replay_segment(replay, number, path, &bytes)? {
        let place = Place {
            segment: number,
            offset: broken.offset,
        };
        if let Some(witness) = record::proof_of_damage(&bytes, place, bugs) {
            let reason = format!(
                "{}, and the intact record at offset {witness} shows it was whole",
                broken.reason
            );
            return Err(StorageError::damaged(path, broken.offset, reason));
        }
        length = broken.intact;
        tracing::warn!(
            file = %path.display(),
            at = length,
            bytes = bytes.len() - length,
            "cutting a torn write off the end of the log"
        );
        cut_off(&file, length, bugs).map_err(|source| StorageError::io("truncate", path, source))?;
    }
    // What was read may have come from the kernel's cache only; whatever is answered from now on rests on it.
    file.sync_all()
        .map_err(|source| StorageError::io("sync", path, source))?;
    Ok(LastSegment { number, file, length })
}

/// Removes a torn end, so that what is appended next lies where its records say.
fn cut_off(file: &File, length: usize, bugs: Bugs) -> std::io::Result<()> {
    if bugs.contains(Bug::TornTailMisplaced) {
        return Ok(());
    }
    file.set_len(length as u64)
}

/// Where and why reading a segment stopped.
struct Broken {
    offset: usize,
    reason: &'static str,
    /// Up to here there are whole groups of intact records.
    intact: usize,
}

/// Applies the segment's records group by group, up to the first that is broken.
fn replay_segment(
    replay: &mut Replay,
    number: u64,
    path: &Path,
    bytes: &[u8],
) -> Result<Option<Broken>, StorageError> {
    if !bytes.starts_with(MAGIC) {
        return Err(StorageError::damaged(
            path,
            0,
            "it does not begin like a log segment of this version",
        ));
    }
    let mut offset = MAGIC.len();
    let mut intact = offset;
    let mut group = Vec::new();
    while offset < bytes.len() {
        let decoded = match record::decode(
            bytes,
            Place {
                segment: number,
                offset,
            },
            replay.bugs,
        ) {
            Ok(decoded) => decoded,
            // A segment gets its name only once its first record is durable, so that one cannot be torn.
            Err(reason) if intact == MAGIC.len() => return Err(StorageError::damaged(path, offset, reason)),
            Err(reason) => {
                return Ok(Some(Broken {
                    offset,
                    reason,
                    intact,
                }));
            }
        };
        group.push((offset, decoded.record));
        offset += decoded.bytes;
        if !decoded.more {
            intact = offset;
            for (offset, record) in group.drain(..) {
                replay
                    .apply(record)
                    .map_err(|reason| StorageError::damaged(path, offset, reason))?;
            }
        }
    }
    if intact == MAGIC.len() {
        return Err(StorageError::damaged(path, intact, "it has no first record"));
    }
    let unfinished = Broken {
        offset,
        reason: "incomplete group of records",
        intact,
    };
    Ok(if group.is_empty() { None } else { Some(unfinished) })
}
