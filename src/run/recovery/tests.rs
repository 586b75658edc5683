//! What becomes of stores that do not come back, with fakes and in simulated time.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use control::{Client, ControlError, Operators, Pid, Primary};
use history::{ErrorClass, Event, EventKind, Op, Outcome};

use super::*;
use crate::run::{Connect, Journal, TokioRuntime};

/// Three nodes of which some end whenever they are started.
#[derive(Default)]
struct Fake {
    /// How many times each one must be started until it stays up.
    starts: Mutex<[u32; 3]>,
    running: Mutex<[bool; 3]>,
    start_fails: bool,
    given_up: Option<usize>,
    /// None answers, whatever runs.
    is_mute: bool,
}

impl Operators for Fake {}

#[async_trait]
impl Db for Fake {
    async fn start(&self, node: usize) -> Result<(), ControlError> {
        if self.start_fails {
            return Err(ControlError::Other("no space left on device".into()));
        }
        let left = &mut self.starts.lock().unwrap()[node];
        *left = left.saturating_sub(1);
        self.running.lock().unwrap()[node] = *left == 0;
        Ok(())
    }

    async fn kill(&self, _: usize) -> Result<(), ControlError> {
        Ok(())
    }

    async fn stop(&self, _: usize) -> Result<(), ControlError> {
        Ok(())
    }

    async fn pause(&self, _: usize) -> Result<(), ControlError> {
        Ok(())
    }

    async fn resume(&self, _: usize) -> Result<(), ControlError> {
        Ok(())
    }

    async fn wipe(&self, _: usize) -> Result<(), ControlError> {
        Ok(())
    }

    async fn state(&self, node: usize) -> Result<ProcessState, ControlError> {
        Ok(match self.running.lock().unwrap()[node] {
            true => ProcessState::Running,
            false => ProcessState::Gone,
        })
    }

    async fn processes(&self, _: usize) -> Vec<Pid> {
        Vec::new()
    }

    fn data_dir(&self, _: usize) -> PathBuf {
        PathBuf::new()
    }

    async fn is_given_up(&self, node: usize) -> bool {
        self.given_up == Some(node)
    }

    async fn answers(&self) -> Result<(), String> {
        let running = *self.running.lock().unwrap();
        let missing = (0..3).find(|&node| !running[node] && self.given_up != Some(node));
        match missing {
            None if !self.is_mute => Ok(()),
            None => std::future::pending().await,
            Some(node) => Err(format!("no answer from n{}", node + 1)),
        }
    }

    async fn needs_operator(&self) -> Option<String> {
        self.is_mute.then(|| "alarm NOSPACE".to_owned())
    }

    async fn last_words(&self, node: usize, _: usize) -> Vec<String> {
        vec![format!("last words of n{}", node + 1)]
    }

    async fn ready(&self, _: Duration) -> Result<(), ControlError> {
        Ok(())
    }

    async fn primaries(&self) -> Vec<Primary> {
        Vec::new()
    }

    async fn version(&self) -> String {
        String::new()
    }

    fn log_files(&self, _: usize) -> Vec<PathBuf> {
        Vec::new()
    }
}

/// Whether it came back, and the notes.
async fn recover(fake: Fake) -> (bool, Vec<Note>) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("history.jsonl");
    let journal = Journal::create(&path, None).unwrap();
    let dispatcher = Dispatcher::new(TokioRuntime::start(), journal, 1);
    let recovery = Recovery {
        dispatcher: &dispatcher,
        db: &fake,
        nodes: &Node::numbered(3),
        limit: Duration::from_secs(60),
    };
    let is_back = recovery.wait().await;
    dispatcher.close().unwrap();
    let text = std::fs::read_to_string(&path).unwrap();
    let notes = text.lines().map(|line| {
        let event: Event = serde_json::from_str(line).unwrap();
        match event.kind {
            EventKind::Note(note) => *note,
            other => panic!("{other:?}"),
        }
    });
    (is_back, notes.collect())
}

fn found(notes: &[Note]) -> &NotBack {
    match notes.last().and_then(|note| note.fact.as_ref()) {
        Some(Fact::NotBack(found)) => found,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn what_ends_by_itself_is_started_again() {
    // How many starts each node needs, and how many restarts that makes.
    for (starts, restarts) in [([0, 0, 0], 0), ([1, 0, 0], 1), ([2, 5, 0], 7)] {
        let running = starts.map(|starts| starts == 0);
        let (is_back, notes) = recover(Fake {
            starts: Mutex::new(starts),
            running: Mutex::new(running),
            ..Fake::default()
        })
        .await;
        assert!(is_back, "{starts:?}");
        assert_eq!(notes.len(), restarts, "{notes:?}");
        assert!(notes.iter().all(|note| note.kind == NoteKind::Restarted));
    }
}

#[tokio::test(start_paused = true)]
async fn a_store_that_does_not_come_back_is_described() {
    let (is_back, notes) = recover(Fake {
        starts: Mutex::new([1000, 1000, 0]),
        running: Mutex::new([false, false, true]),
        given_up: Some(1),
        ..Fake::default()
    })
    .await;
    assert!(!is_back);
    let found = found(&notes);
    assert_eq!(notes.last().unwrap().detail, "no answer from n1");
    assert_eq!((found.given_ms, found.unanswered), (60_000, 0));
    let [first, second, third] = &found.nodes[..] else {
        panic!("{found:?}")
    };
    // As often as it was tried, and not more often than every two seconds.
    assert_eq!(first.started, first.ended);
    assert!((20..=31).contains(&first.started), "{first:?}");
    assert_eq!(
        (first.state, &*first.said[0]),
        (FoundState::Gone, "last words of n1")
    );
    assert_eq!((second.given_up, second.started), (true, 0));
    assert_eq!((third.state, third.ended), (FoundState::Running, 0));
}

#[tokio::test(start_paused = true)]
async fn what_perjury_cannot_start_is_told_apart() {
    let (is_back, notes) = recover(Fake {
        start_fails: true,
        running: Mutex::new([false, true, true]),
        ..Fake::default()
    })
    .await;
    assert!(!is_back);
    let first = &found(&notes).nodes[0];
    assert_eq!(first.started, 0);
    assert_eq!(first.not_started.as_deref(), Some("no space left on device"));
}

#[tokio::test(start_paused = true)]
async fn a_store_that_runs_and_never_answers_is_not_waited_for_without_end() {
    let (is_back, notes) = recover(Fake {
        running: Mutex::new([true; 3]),
        is_mute: true,
        ..Fake::default()
    })
    .await;
    assert!(!is_back);
    assert_eq!(found(&notes).operator.as_deref(), Some("alarm NOSPACE"));
    assert!(
        found(&notes)
            .nodes
            .iter()
            .all(|node| node.state == FoundState::Running)
    );
}

/// A store that answers no read before the `n`th.
struct Silent {
    asked: Arc<AtomicU64>,
    until: u64,
}

#[async_trait]
impl Connect for Silent {
    async fn connect(&self, _: usize, _: Duration) -> Result<Box<dyn Client>, ControlError> {
        Ok(Box::new(Silent {
            asked: self.asked.clone(),
            until: self.until,
        }))
    }
}

#[async_trait]
impl Client for Silent {
    async fn invoke(&mut self, _: &Op) -> Outcome {
        match self.asked.fetch_add(1, Ordering::SeqCst) >= self.until {
            true => Outcome::ok_value(1.into()),
            false => Outcome::fail(ErrorClass::Unavailable, "no leader"),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_store_that_seems_to_be_back_must_answer_something() {
    // From which read on it answers; whether it is noted that it does not.
    for (until, is_noted) in [(0, false), (2, false), (20, false), (u64::MAX, true)] {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("history.jsonl");
        let journal = Journal::create(&path, None).unwrap();
        let dispatcher = Arc::new(Dispatcher::new(TokioRuntime::start(), journal, 2));
        let asked = Arc::new(AtomicU64::new(0));
        let connect = Arc::new(Silent {
            asked: asked.clone(),
            until,
        });
        let mut runner = Runner::new(dispatcher.clone(), connect, 2, Duration::from_secs(1));
        let fake = Fake {
            running: Mutex::new([true; 3]),
            ..Fake::default()
        };
        let recovery = Recovery {
            dispatcher: &*dispatcher,
            db: &fake,
            nodes: &Node::numbered(3),
            limit: Duration::from_secs(60),
        };
        let reads = (1..=5).map(|key| generator::Action::Op(Op::Read { key: key.into() }));
        let last = Box::new(generator::clients(generator::list(reads)));
        recovery.read_last(&mut runner, last).await.unwrap();
        dispatcher.close().unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        let last: Event = serde_json::from_str(text.lines().last().unwrap()).unwrap();
        let noted = match &last.kind {
            EventKind::Note(note) => match &note.fact {
                Some(Fact::NotBack(found)) => Some(found.unanswered),
                other => panic!("{other:?}"),
            },
            _ => None,
        };
        assert_eq!(noted.is_some(), is_noted, "{last:?}");
        let asked = asked.load(Ordering::SeqCst);
        match noted {
            // The five of the last reads, and ten a second for a minute.
            Some(unanswered) => assert!(unanswered == asked && (500..=606).contains(&asked), "{asked}"),
            None => assert!(asked < 50, "{asked}"),
        }
    }
}
