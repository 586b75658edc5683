//! Every planted bug of the storage is armed: what it makes the storage do, and a healthy one does not.

use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::sync::Arc;

use super::*;
use crate::core::api::{Payload, Snapshot, Term};

fn options(bugs: Bugs) -> StorageOptions {
    StorageOptions {
        segment_bytes: 200,
        bugs,
    }
}

fn entries(indexes: std::ops::RangeInclusive<Index>) -> Persist {
    let entry = |index| {
        Arc::new(Entry {
            term: 1,
            index,
            payload: Payload::Noop,
        })
    };
    Persist {
        entries: indexes.map(entry).collect(),
        ..Persist::default()
    }
}

fn vote(term: Term) -> Persist {
    Persist {
        hard_state: Some(HardState {
            term,
            voted_for: Some(2),
        }),
        ..Persist::default()
    }
}

fn snapshot(last_index: Index) -> Arc<Snapshot> {
    Arc::new(Snapshot {
        last_index,
        last_term: 1,
        ..Snapshot::default()
    })
}

fn write(storage: &mut Storage, persist: &Persist) {
    storage.persist(persist).unwrap();
    storage.sync().unwrap();
}

/// Changes the file of the log of a storage that is not open.
fn damage(directory: &Path, change: impl FnOnce(&mut Vec<u8>)) {
    let path = files::numbered_path(directory, SEGMENT, 1);
    let mut bytes = std::fs::read(&path).unwrap();
    change(&mut bytes);
    std::fs::write(&path, bytes).unwrap();
}

/// Whether a write waits for the disk.
fn syncs(bugs: Bugs, persist: &Persist) -> bool {
    let directory = tempfile::tempdir().unwrap();
    let (mut storage, _) = Storage::open(directory.path(), options(bugs)).unwrap();
    storage.persist(persist).unwrap();
    storage.must_sync()
}

fn ignores(bugs: Bugs, what: &'static str) -> bool {
    let directory = tempfile::tempdir().unwrap();
    let (storage, _) = Storage::open(directory.path(), options(bugs)).unwrap();
    let failed = || std::io::Error::from(ErrorKind::StorageFull);
    assert!(storage.must_succeed(what, Ok(())).unwrap());
    storage.must_succeed(what, Err(failed())).is_ok()
}

type Armed = (Bug, fn(Bugs) -> bool);

const ARMED: &[Armed] = &[
    (Bug::SkipFsync, |bugs| !syncs(bugs, &entries(1..=1))),
    (Bug::LazyFsync, |bugs| {
        let directory = tempfile::tempdir().unwrap();
        let (mut storage, _) = Storage::open(directory.path(), options(bugs)).unwrap();
        let at_once = storage.must_sync();
        storage.synced_at = Instant::now().checked_sub(LAZY_INTERVAL).unwrap();
        assert!(storage.must_sync(), "in the end it does");
        !at_once
    }),
    (Bug::VoteUnsynced, |bugs| {
        assert!(syncs(bugs, &entries(1..=1)));
        !syncs(bugs, &vote(1))
    }),
    (Bug::WriteErrorIgnored, |bugs| ignores(bugs, "write")),
    (Bug::FsyncErrorIgnored, |bugs| ignores(bugs, "sync")),
    (Bug::TornTailMisplaced, |bugs| {
        let directory = tempfile::tempdir().unwrap();
        let open = || Storage::open(directory.path(), options(bugs)).unwrap();
        write(&mut open().0, &entries(1..=1));
        damage(directory.path(), |bytes| bytes.extend([7; 5]));
        write(&mut open().0, &entries(2..=2));
        let (_, stored) = open();
        stored.entries.len() == 1
    }),
    (Bug::NoChecksum, |bugs| {
        let directory = tempfile::tempdir().unwrap();
        let open = || Storage::open(directory.path(), options(bugs)).unwrap();
        write(&mut open().0, &vote(3));
        // The last byte is the vote itself.
        damage(directory.path(), |bytes| *bytes.last_mut().unwrap() ^= 1);
        open().1.hard_state.voted_for == Some(3)
    }),
    (Bug::DamageTakenForTorn, |bugs| {
        let directory = tempfile::tempdir().unwrap();
        let (mut storage, _) = Storage::open(directory.path(), options(bugs)).unwrap();
        let before = storage.last.length;
        write(&mut storage, &entries(1..=1));
        write(&mut storage, &entries(2..=2));
        drop(storage);
        damage(directory.path(), |bytes| bytes[before + 5] ^= 1);
        let opened = Storage::open(directory.path(), options(bugs));
        opened.is_ok_and(|(_, stored)| stored.entries.is_empty())
    }),
    (Bug::SnapshotNotSynced, |bugs| {
        let directory = tempfile::tempdir().unwrap();
        let path = files::numbered_path(directory.path(), SNAPSHOT, 1);
        std::fs::write(&path, "").unwrap();
        let before = std::fs::metadata(&path).unwrap().ino();
        snapshot::write(directory.path(), &snapshot(1), bugs).unwrap();
        let mark = SnapshotMark {
            last_index: 1,
            last_term: 1,
            discard_to: 1,
        };
        snapshot::read(directory.path(), &mark).unwrap();
        // A file that is synced before it gets its name is another file.
        std::fs::metadata(&path).unwrap().ino() == before
    }),
    (Bug::SegmentStartForgetsVote, |bugs| {
        let directory = tempfile::tempdir().unwrap();
        let open = || Storage::open(directory.path(), options(bugs)).unwrap();
        let (mut storage, _) = open();
        write(&mut storage, &vote(3));
        write(&mut storage, &entries(1..=20));
        drop(storage);
        assert_eq!(open().1.hard_state.term, 3, "the old segments still tell");
        let (mut storage, _) = open();
        let save = PersistSnapshot {
            snapshot: snapshot(20),
            discard_to: 20,
        };
        let save = Persist {
            snapshot: Some(save),
            ..Persist::default()
        };
        write(&mut storage, &save);
        assert!(storage.sealed.is_empty(), "the old segments are gone");
        drop(storage);
        open().1.hard_state.term == 0
    }),
];

#[test]
fn every_planted_bug_is_armed() {
    for (bug, makes_mistake) in ARMED {
        assert!(!makes_mistake(Bugs::NONE), "{} without it", bug.name());
        assert!(makes_mistake((*bug).into()), "{} with it", bug.name());
    }
}
