//! After the last heal: whether the store comes back, and how it was found if it does not.
//!
//! ```text
//!  heal ──► every link open, every node started ──► does the whole store answer?
//!                                                     │ no: start again what ended by itself, look again
//!                                                     ▼ when its time is over
//!                                              a note `not-back`, with what each node was like
//! ```
//!
//! Nothing is judged here: the note holds what a check must know, also what excuses the store. A process that
//! perjury could not start is told apart from one that was started and ended by itself.

use std::time::Duration;

use control::{Db, Node, ProcessState};
use history::{Fact, FoundState, NodeFound, NotBack, Note, NoteKind};
use tokio::time::{Instant, timeout, timeout_at};

use super::{Dispatcher, Runtime};

/// Between two starts of a node that ends by itself.
const START_INTERVAL: Duration = Duration::from_secs(2);
/// Between two looks.
const LOOK_INTERVAL: Duration = Duration::from_millis(100);
/// How long one look may take: meanwhile nothing is started.
const LOOK_LIMIT: Duration = Duration::from_secs(5);
/// How long one call to a node may take.
const CALL_LIMIT: Duration = Duration::from_secs(20);
/// How many lines of a node's log are quoted.
const LINES: usize = 3;

/// A store after the last heal.
pub struct Recovery<'a, R> {
    /// Where notes are recorded.
    pub dispatcher: &'a Dispatcher<R>,
    /// Its processes.
    pub db: &'a dyn Db,
    /// Its nodes.
    pub nodes: &'a [Node],
    /// How long it is given.
    pub limit: Duration,
}

/// What was done about one node.
#[derive(Clone, Default)]
struct Tried {
    ended: u32,
    started: u32,
    not_started: Option<String>,
    last: Option<Instant>,
    /// What it said before it ended the last time.
    said: Vec<String>,
}

impl<R: Runtime> Recovery<'_, R> {
    /// Waits until the store answers, and starts again what ends by itself meanwhile. `false` if it did not
    /// come back, which is recorded then, or if the run is being stopped.
    pub async fn wait(&self) -> bool {
        let deadline = Instant::now() + self.limit;
        let mut tried = vec![Tried::default(); self.nodes.len()];
        let mut why = "it was not asked".to_owned();
        while !self.dispatcher.is_stopping() {
            for node in self.nodes {
                self.start_if_ended(node, &mut tried[node.index]).await;
            }
            let look = timeout(LOOK_LIMIT, self.db.answers());
            match timeout_at(deadline, look).await {
                Ok(Ok(Ok(()))) => return true,
                Ok(Ok(Err(reason))) => why = reason,
                Ok(Err(_)) | Err(_) => {}
            }
            if Instant::now() >= deadline {
                self.note_not_back(why, 0, &tried).await;
                return false;
            }
            tokio::time::sleep(LOOK_INTERVAL).await;
        }
        false
    }

    /// Records that a store that had seemed to be back answered none of so many operations.
    pub async fn note_unanswered(&self, operations: u64) {
        let tried = vec![Tried::default(); self.nodes.len()];
        let why = format!("none of {operations} operations was answered");
        self.note_not_back(why, operations, &tried).await;
    }

    async fn start_if_ended(&self, node: &Node, tried: &mut Tried) {
        if tried.last.is_some_and(|last| last.elapsed() < START_INTERVAL)
            || self.db.is_given_up(node.index).await
            || self.state(node.index).await != FoundState::Gone
        {
            return;
        }
        tried.said = self.last_words(node).await;
        tried.last = Some(Instant::now());
        tried.ended += 1;
        let started = timeout(CALL_LIMIT, self.db.start(node.index)).await;
        tried.not_started = match started {
            Ok(Ok(())) => None,
            Ok(Err(error)) => Some(error.to_string()),
            Err(_) => Some(format!("it did not end within {} s", CALL_LIMIT.as_secs())),
        };
        if tried.not_started.is_none() {
            tried.started += 1;
            let detail = "its process had ended by itself, and was started again".to_owned();
            self.dispatcher.note(NoteKind::Restarted, &node.name, detail);
        }
    }

    async fn note_not_back(&self, why: String, unanswered: u64, tried: &[Tried]) {
        let mut nodes = Vec::new();
        for (node, tried) in self.nodes.iter().zip(tried) {
            let said = match tried.said.as_slice() {
                [] => self.last_words(node).await,
                said => said.to_vec(),
            };
            nodes.push(NodeFound {
                node: node.name.clone(),
                state: self.state(node.index).await,
                given_up: self.db.is_given_up(node.index).await,
                ended: tried.ended,
                started: tried.started,
                not_started: tried.not_started.clone(),
                said,
            });
        }
        let operator = timeout(CALL_LIMIT, self.db.needs_operator()).await;
        self.dispatcher.record_note(Note {
            detail: why,
            fact: Some(Fact::NotBack(NotBack {
                given_ms: self.limit.as_millis() as u64,
                unanswered,
                operator: operator.unwrap_or_default(),
                nodes,
            })),
            ..Note::new(NoteKind::NotBack)
        });
    }

    async fn last_words(&self, node: &Node) -> Vec<String> {
        let words = timeout(CALL_LIMIT, self.db.last_words(node.index, LINES)).await;
        words.unwrap_or_default()
    }

    async fn state(&self, node: usize) -> FoundState {
        match timeout(CALL_LIMIT, self.db.state(node)).await {
            Ok(Ok(ProcessState::Running)) => FoundState::Running,
            Ok(Ok(ProcessState::Stopped)) => FoundState::Stopped,
            Ok(Ok(ProcessState::Gone)) => FoundState::Gone,
            Ok(Err(_)) | Err(_) => FoundState::Unknown,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;
    use std::sync::Mutex;

    use async_trait::async_trait;
    use control::{ControlError, Operators, Pid, Primary};
    use history::{Event, EventKind};

    use super::*;
    use crate::run::{Journal, TokioRuntime};

    /// Three nodes of which some end whenever they are started.
    #[derive(Default)]
    struct Fake {
        /// How many times each one must be started until it stays up.
        starts: Mutex<[u32; 3]>,
        running: Mutex<[bool; 3]>,
        start_fails: bool,
        given_up: Option<usize>,
        /// Nobody answers, whatever runs.
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
}
