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

use anyhow::Result;
use control::{Db, Node, ProcessState};
use generator::Generator;
use history::{Fact, FoundState, NodeFound, NotBack, Note, NoteKind};
use tokio::time::{Instant, timeout, timeout_at};

use super::{Dispatcher, Runner, Runtime, Totals, probe};

/// Between two starts of a node that ends by itself.
const START_INTERVAL: Duration = Duration::from_secs(2);
/// Between two looks.
const LOOK_INTERVAL: Duration = Duration::from_millis(100);
/// How long one look may take: meanwhile nothing is started.
const LOOK_LIMIT: Duration = Duration::from_secs(5);
/// How long one call to a node may take.
const CALL_LIMIT: Duration = Duration::from_secs(20);
/// How long the final reads may take.
const FINAL_LIMIT: Duration = Duration::from_secs(10);
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

    /// Reads for the last time; if nothing at all is answered, until something is or the store's time is up.
    ///
    /// # Errors
    /// When a worker panicked: a bug.
    pub async fn read_last(&self, runner: &mut Runner<R>, last: Box<dyn Generator>) -> Result<()> {
        let before = self.dispatcher.totals();
        let unanswered = || {
            let now = self.dispatcher.totals();
            let answers = |totals: &Totals| totals.ok + totals.mismatch;
            match answers(&now) == answers(&before) && !self.dispatcher.is_stopping() {
                true => now.invoked - before.invoked,
                false => 0,
            }
        };
        let (last, remembered) = probe::remember(last);
        let limited = generator::time_limit(FINAL_LIMIT.as_nanos() as u64, last);
        runner.run(Box::new(limited), None).await?;
        if unanswered() > 0
            && let Some(again) = probe::probe(&remembered, self.limit)
        {
            tracing::info!("none of the last reads was answered; they are repeated");
            runner.run(again, None).await?;
            if unanswered() > 0 {
                self.note_unanswered(unanswered()).await;
            }
        }
        Ok(())
    }

    /// Records that a store that had seemed to be back answered none of so many operations.
    async fn note_unanswered(&self, operations: u64) {
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
mod tests;
