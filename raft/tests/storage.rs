//! What the storage promises: nothing acknowledged is lost, nothing torn is believed, nothing damaged is
//! accepted.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use raft::core::api::{Entry, HardState, Index, Payload, Persist, PersistSnapshot, Snapshot, Stored, Term};
use raft::machine::{Command, Value};
use raft::storage::{Storage, StorageError, StorageOptions, Writer};

fn entry(term: Term, index: Index) -> Arc<Entry> {
    let command = Command::Write {
        key: format!("key-{index}"),
        value: Value::Int(term as i64),
    };
    Arc::new(Entry {
        term,
        index,
        payload: Payload::Apply {
            session: None,
            command,
        },
    })
}

fn entries(term: Term, indexes: std::ops::RangeInclusive<Index>) -> Persist {
    Persist {
        entries: indexes.map(|index| entry(term, index)).collect(),
        ..Persist::default()
    }
}

fn hard_state(term: Term, vote: u64) -> Persist {
    Persist {
        hard_state: Some(HardState {
            term,
            voted_for: Some(vote),
        }),
        ..Persist::default()
    }
}

fn snapshot(last_index: Index, last_term: Term, discard_to: Index) -> Persist {
    let snapshot = Snapshot {
        last_index,
        last_term,
        data: vec![last_index as u8; 40],
        ..Snapshot::default()
    };
    Persist {
        snapshot: Some(PersistSnapshot {
            snapshot: Arc::new(snapshot),
            discard_to,
        }),
        ..Persist::default()
    }
}

fn both(mut one: Persist, other: Persist) -> Persist {
    one.entries.extend(other.entries);
    one.snapshot = one.snapshot.or(other.snapshot);
    one
}

fn open(directory: &Path) -> Result<(Storage, Stored), StorageError> {
    Storage::open(directory, StorageOptions::default())
}

fn open_small(directory: &Path) -> Result<(Storage, Stored), StorageError> {
    Storage::open(
        directory,
        StorageOptions {
            segment_bytes: 200,
            ..StorageOptions::default()
        },
    )
}

fn write(storage: &mut Storage, persist: &Persist) {
    storage.persist(persist).unwrap();
    storage.sync().unwrap();
}

/// (term, index) of the stored entries.
fn log(stored: &Stored) -> Vec<(Term, Index)> {
    stored
        .entries
        .iter()
        .map(|entry| (entry.term, entry.index))
        .collect()
}

fn files(directory: &Path, prefix: &str) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = fs::read_dir(directory)
        .unwrap()
        .map(|file| file.unwrap().path())
        .filter(|path| path.file_name().unwrap().to_str().unwrap().starts_with(prefix))
        .collect();
    files.sort();
    files
}

#[test]
fn what_was_synced_is_there_again() {
    let directory = tempfile::tempdir().unwrap();
    let nested = directory.path().join("a/b");
    let (mut storage, stored) = open(&nested).unwrap();
    assert_eq!(stored, Stored::default());
    write(&mut storage, &both(hard_state(3, 2), entries(3, 1..=4)));
    write(&mut storage, &entries(3, 5..=6));
    write(&mut storage, &both(hard_state(4, 1), entries(4, 5..=5)));
    drop(storage);

    let (_storage, stored) = open(&nested).unwrap();
    assert_eq!(
        stored.hard_state,
        HardState {
            term: 4,
            voted_for: Some(1)
        }
    );
    assert_eq!(log(&stored), [(3, 1), (3, 2), (3, 3), (3, 4), (4, 5)]);
    assert_eq!(stored.entries[0], entry(3, 1));
}

#[test]
fn what_was_not_synced_is_not_there() {
    let directory = tempfile::tempdir().unwrap();
    let (mut storage, _) = open(directory.path()).unwrap();
    storage.persist(&entries(1, 1..=1)).unwrap();
    drop(storage);
    assert_eq!(open(directory.path()).unwrap().1, Stored::default());
}

#[test]
fn two_nodes_never_share_a_directory() {
    let directory = tempfile::tempdir().unwrap();
    let first = open(directory.path()).unwrap();
    let error = open(directory.path()).unwrap_err();
    assert!(matches!(error, StorageError::Locked { .. }), "{error}");
    drop(first);
    open(directory.path()).unwrap();
}

#[test]
fn a_log_cut_anywhere_recovers_a_prefix_of_its_writes() {
    let directory = tempfile::tempdir().unwrap();
    let (mut storage, _) = open(directory.path()).unwrap();
    let path = files(directory.path(), "log-").pop().unwrap();
    let length = || fs::metadata(&path).unwrap().len() as usize;
    // How long the file is when a state is reached.
    let mut states = vec![(length(), Stored::default())];
    let writes = [
        hard_state(1, 1),
        entries(1, 1..=2),
        both(hard_state(2, 3), entries(2, 2..=4)),
        entries(2, 5..=5),
        hard_state(5, 2),
    ];
    let mut stored = Stored::default();
    for persist in &writes {
        write(&mut storage, persist);
        if let Some(hard_state) = persist.hard_state {
            stored.hard_state = hard_state;
        }
        for entry in &persist.entries {
            stored.entries.truncate(entry.index as usize - 1);
            stored.entries.push(entry.clone());
        }
        states.push((length(), stored.clone()));
    }
    drop(storage);
    let whole = fs::read(&path).unwrap();

    for cut in states[0].0..=whole.len() {
        fs::write(&path, &whole[..cut]).unwrap();
        let (mut storage, found) =
            open(directory.path()).unwrap_or_else(|error| panic!("cut at {cut}: {error}"));
        let reached = states.iter().rposition(|(length, _)| *length <= cut).unwrap();
        let (_, before) = &states[reached];
        let partly = writes
            .get(reached)
            .filter(|next| next.hard_state.is_none())
            .map(|next| {
                let mut state = before.clone();
                state.entries.push(next.entries[0].clone());
                state
            });
        assert!(
            found == *before || partly == Some(found.clone()),
            "cut at {cut}: {found:?}"
        );
        // What is left can be written on.
        let next = found.entries.last().map_or(1, |last| last.index + 1);
        write(&mut storage, &entries(9, next..=next));
        drop(storage);
        assert_eq!(
            log(&open(directory.path()).unwrap().1).last(),
            Some(&(9, next)),
            "cut at {cut}"
        );
    }
    for cut in 0..states[0].0 {
        fs::write(&path, &whole[..cut]).unwrap();
        let error = open(directory.path()).unwrap_err();
        assert!(
            matches!(error, StorageError::Damaged { .. }),
            "cut at {cut}: {error}"
        );
    }
}

#[test]
fn a_flipped_bit_is_refused_where_it_was_acknowledged_for_sure() {
    let directory = tempfile::tempdir().unwrap();
    let (mut storage, _) = open(directory.path()).unwrap();
    let path = files(directory.path(), "log-").pop().unwrap();
    write(&mut storage, &both(hard_state(1, 1), entries(1, 1..=3)));
    write(&mut storage, &entries(1, 4..=5));
    let proven = fs::metadata(&path).unwrap().len() as usize;
    write(&mut storage, &entries(1, 6..=7));
    drop(storage);
    let whole = fs::read(&path).unwrap();

    for offset in 0..whole.len() {
        let mut flipped = whole.clone();
        flipped[offset] ^= 1 << (offset % 8);
        fs::write(&path, &flipped).unwrap();
        match open(directory.path()) {
            Err(error) => {
                assert!(offset < proven, "{offset}: {error}");
                let StorageError::Damaged {
                    path: named,
                    offset: at,
                    ..
                } = &error
                else {
                    panic!("{offset}: {error}");
                };
                assert_eq!(named, &path);
                assert!(*at <= offset as u64, "{offset}: {error}");
                assert_eq!(
                    fs::read(&path).unwrap(),
                    flipped,
                    "a damaged file is left as it is"
                );
            }
            // After the last write there is nothing that tells a torn one from a damaged one.
            Ok((_, stored)) => {
                assert!(offset >= proven, "the flip at {offset} went unnoticed");
                assert!(
                    log(&stored).starts_with(&[(1, 1), (1, 2), (1, 3), (1, 4), (1, 5)]),
                    "{offset}"
                );
                assert!(stored.entries.len() < 7, "the flip at {offset} went unnoticed");
            }
        }
    }
}

#[test]
fn the_pages_of_one_torn_write_may_arrive_in_any_order() {
    let directory = tempfile::tempdir().unwrap();
    let (mut storage, _) = open(directory.path()).unwrap();
    let path = files(directory.path(), "log-").pop().unwrap();
    write(&mut storage, &entries(1, 1..=2));
    let durable = fs::metadata(&path).unwrap().len() as usize;
    write(&mut storage, &entries(1, 3..=9));
    drop(storage);
    // The first part of the last write is missing, the rest has arrived.
    let mut bytes = fs::read(&path).unwrap();
    bytes[durable..durable + 50].fill(0);
    fs::write(&path, &bytes).unwrap();
    assert_eq!(log(&open(directory.path()).unwrap().1), [(1, 1), (1, 2)]);
}

#[test]
fn a_damaged_or_missing_segment_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let (mut storage, _) = open_small(directory.path()).unwrap();
    for index in 1..=40 {
        write(&mut storage, &entries(1, index..=index));
    }
    drop(storage);
    let segments = files(directory.path(), "log-");
    assert!(segments.len() > 3, "{segments:?}");
    for path in &segments[..segments.len() - 1] {
        let whole = fs::read(path).unwrap();
        for damaged in [
            &whole[..whole.len() - 1],
            &whole[..whole.len() / 2],
            &[],
            &[&whole[..], b"x"].concat(),
        ] {
            fs::write(path, damaged).unwrap();
            let error = open_small(directory.path()).unwrap_err();
            assert!(error.to_string().contains(path.to_str().unwrap()), "{error}");
        }
        fs::remove_file(path).unwrap();
        let error = open_small(directory.path()).unwrap_err();
        assert!(
            matches!(error, StorageError::Damaged { .. }),
            "{}: {error}",
            path.display()
        );
        fs::write(path, whole).unwrap();
    }
    // A segment under another's name is damage too.
    let (one, other) = (fs::read(&segments[1]).unwrap(), fs::read(&segments[2]).unwrap());
    fs::write(&segments[1], &other).unwrap();
    assert!(open_small(directory.path()).is_err());
    fs::write(&segments[1], &one).unwrap();
    assert_eq!(open_small(directory.path()).unwrap().1.entries.len(), 40);
}

#[test]
fn a_snapshot_lets_old_segments_go() {
    let directory = tempfile::tempdir().unwrap();
    let (mut storage, _) = open_small(directory.path()).unwrap();
    write(&mut storage, &hard_state(1, 3));
    for index in 1..=40 {
        write(&mut storage, &entries(1, index..=index));
    }
    let before = files(directory.path(), "log-").len();
    write(&mut storage, &snapshot(30, 1, 25));
    write(&mut storage, &snapshot(35, 1, 32));
    assert!(files(directory.path(), "log-").len() < before);
    assert_eq!(files(directory.path(), "snapshot-").len(), 1);
    drop(storage);

    let (mut storage, stored) = open_small(directory.path()).unwrap();
    assert_eq!(
        stored.hard_state,
        HardState {
            term: 1,
            voted_for: Some(3)
        }
    );
    assert_eq!(stored.snapshot.as_ref().unwrap().last_index, 35);
    assert_eq!(
        log(&stored),
        (33..=40).map(|index| (1, index)).collect::<Vec<_>>()
    );

    // One from a leader that is far ahead replaces the whole log, and the log goes on after it.
    write(
        &mut storage,
        &both(snapshot(90, 2, Index::MAX), entries(2, 91..=92)),
    );
    for index in 93..=120 {
        write(&mut storage, &entries(2, index..=index));
    }
    drop(storage);
    let (_storage, stored) = open_small(directory.path()).unwrap();
    assert_eq!(stored.snapshot.unwrap().data, vec![90; 40]);
    assert_eq!(stored.entries.first().unwrap().index, 91);
    assert_eq!(stored.entries.last().unwrap().index, 120);
}

#[test]
fn a_snapshot_counts_only_with_its_record() {
    let directory = tempfile::tempdir().unwrap();
    let (mut storage, _) = open(directory.path()).unwrap();
    write(&mut storage, &entries(1, 1..=9));
    write(&mut storage, &snapshot(4, 1, 2));
    let path = files(directory.path(), "log-").pop().unwrap();
    let durable = fs::metadata(&path).unwrap().len();
    let old = files(directory.path(), "snapshot-").pop().unwrap();
    let old_bytes = fs::read(&old).unwrap();
    write(&mut storage, &snapshot(8, 1, 8));
    drop(storage);
    // A crash between the snapshot file and its record: the old one is still there, the record is torn.
    fs::write(&old, old_bytes).unwrap();
    fs::OpenOptions::new()
        .write(true)
        .open(&path)
        .unwrap()
        .set_len(durable + 3)
        .unwrap();

    let (_storage, stored) = open(directory.path()).unwrap();
    assert_eq!(stored.snapshot.as_ref().unwrap().last_index, 4);
    assert_eq!(log(&stored).first(), Some(&(1, 3)));
    assert_eq!(files(directory.path(), "snapshot-"), [old]);
}

#[test]
fn a_damaged_or_missing_snapshot_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let (mut storage, _) = open(directory.path()).unwrap();
    write(&mut storage, &entries(1, 1..=9));
    write(&mut storage, &snapshot(8, 1, 8));
    drop(storage);
    let path = files(directory.path(), "snapshot-").pop().unwrap();
    let whole = fs::read(&path).unwrap();
    for offset in 0..whole.len() {
        let mut flipped = whole.clone();
        flipped[offset] ^= 0x10;
        fs::write(&path, flipped).unwrap();
        let error = open(directory.path()).unwrap_err();
        assert!(matches!(error, StorageError::Damaged { .. }), "{offset}: {error}");
    }
    fs::remove_file(&path).unwrap();
    assert!(matches!(
        open(directory.path()).unwrap_err(),
        StorageError::Io { .. }
    ));
}

#[test]
fn what_could_not_be_read_back_is_not_written() {
    for wrong in [entries(1, 3..=3), entries(1, 0..=0), snapshot(9, 1, 1)] {
        let directory = tempfile::tempdir().unwrap();
        let (mut storage, _) = open(directory.path()).unwrap();
        write(&mut storage, &entries(1, 1..=1));
        assert!(
            matches!(storage.persist(&wrong), Err(StorageError::Refused(_))),
            "{wrong:?}"
        );
        assert!(matches!(storage.sync(), Err(StorageError::Failed)), "{wrong:?}");
        drop(storage);
        assert_eq!(log(&open(directory.path()).unwrap().1), [(1, 1)]);
    }
}

#[test]
fn the_writer_reports_what_is_durable_in_order() {
    let directory = tempfile::tempdir().unwrap();
    let (storage, _) = open(directory.path()).unwrap();
    let (report, reports) = std::sync::mpsc::channel();
    let writer = Writer::start(storage, move |synced| {
        report.send(synced.map(|synced| synced.up_to)).unwrap()
    });
    let writer = writer.unwrap();
    for id in 1..=500 {
        writer.persist(Persist {
            id,
            ..entries(1, id..=id)
        });
    }
    drop(writer);
    let reports: Vec<u64> = reports.iter().collect::<Result<_, _>>().unwrap();
    assert_eq!(reports.last(), Some(&500));
    assert!(reports.is_sorted_by(|a, b| a < b), "{reports:?}");
    assert_eq!(open(directory.path()).unwrap().1.entries.len(), 500);
}

#[test]
fn the_writer_stops_at_the_first_error() {
    let directory = tempfile::tempdir().unwrap();
    let (storage, _) = open(directory.path()).unwrap();
    let (report, reports) = std::sync::mpsc::channel();
    let writer = Writer::start(storage, move |synced| report.send(synced.is_ok()).unwrap()).unwrap();
    writer.persist(Persist {
        id: 1,
        ..entries(1, 7..=7)
    });
    assert_eq!(reports.recv(), Ok(false));
    writer.persist(Persist {
        id: 2,
        ..entries(1, 1..=1)
    });
    drop(writer);
    assert_eq!(reports.iter().count(), 0);
}
