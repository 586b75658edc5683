//! The controller's end of the line to an agent: questions and answers, each with a deadline.
//!
//! Invariant: a question is sent once. When the line breaks, every caller that waits gets an error, and so
//! does every later one.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::sync::{mpsc, oneshot};

use super::PING_INTERVAL;
use super::protocol::{Answer, Ask, Hello, LINE_LIMIT, Question, Reply};
use crate::ControlError;

/// How many questions may wait to be sent.
const QUEUE: usize = 256;
/// The most that an answer may take that does not wait for anything else.
pub(crate) const ANSWER_LIMIT: Duration = Duration::from_secs(30);

type Waiting = Arc<Mutex<State>>;

#[derive(Default)]
struct State {
    waiting: HashMap<u64, oneshot::Sender<Result<Answer, String>>>,
    /// Why no answers come any more.
    broken: Option<String>,
}

/// A line to the agent of one node.
pub(crate) struct Session {
    node: String,
    state: Waiting,
    next: AtomicU64,
    /// `None` once it was closed.
    outgoing: Mutex<Option<mpsc::Sender<Vec<u8>>>>,
}

impl Session {
    /// Talks over a pair of streams; `last_words` returns what else the other side printed, for the error
    /// when it ends. Must be called within a tokio runtime.
    pub(crate) fn start(
        node: &str,
        input: impl AsyncRead + Send + Unpin + 'static,
        output: impl AsyncWrite + Send + Unpin + 'static,
        last_words: impl Fn() -> String + Send + 'static,
    ) -> Arc<Session> {
        let state = Waiting::default();
        let (sender, receiver) = mpsc::channel(QUEUE);
        tokio::spawn(read(Arc::clone(&state), input, last_words));
        tokio::spawn(write(receiver, output));
        let session = Arc::new(Session {
            node: node.into(),
            state,
            next: AtomicU64::new(1),
            outgoing: Mutex::new(Some(sender)),
        });
        let pinging = Arc::downgrade(&session);
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(PING_INTERVAL).await;
                let Some(session) = pinging.upgrade() else { return };
                if session.ask(Ask::Hello, ANSWER_LIMIT).await.is_err() && session.is_broken() {
                    return;
                }
            }
        });
        session
    }

    fn is_broken(&self) -> bool {
        lock(&self.state).broken.is_some()
    }

    /// Asks, and waits for the answer until `limit`.
    pub(crate) async fn ask(&self, ask: Ask, limit: Duration) -> Result<Answer, ControlError> {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let failed = |why: &str| ControlError::Other(format!("{}: {why}", self.node));
        let mut line =
            serde_json::to_vec(&Question { id, ask }).map_err(|error| failed(&error.to_string()))?;
        line.push(b'\n');
        let (sender, receiver) = oneshot::channel();
        {
            let mut state = lock(&self.state);
            if let Some(why) = &state.broken {
                return Err(failed(why));
            }
            state.waiting.insert(id, sender);
        }
        let outgoing = lock(&self.outgoing).clone();
        let answer = async {
            match outgoing {
                // If the line is broken, the reader has noted why.
                Some(outgoing) => drop(outgoing.send(line).await),
                None => return Err("the line was closed".to_owned()),
            }
            receiver.await.unwrap_or_else(|_| Err(self.why_broken()))
        };
        let answer = tokio::time::timeout(limit, answer).await;
        lock(&self.state).waiting.remove(&id);
        match answer {
            Ok(answer) => answer.map_err(|why| failed(&why)),
            Err(_) => Err(ControlError::Deadline {
                what: format!("an answer of the agent on {}", self.node),
                limit,
                hint: String::new(),
            }),
        }
    }

    fn why_broken(&self) -> String {
        lock(&self.state)
            .broken
            .clone()
            .unwrap_or_else(|| "the line was closed".into())
    }

    /// The agent's introduction.
    pub(crate) async fn hello(&self, limit: Duration) -> Result<Hello, ControlError> {
        match self.ask(Ask::Hello, limit).await? {
            Answer::Hello(hello) => Ok(hello),
            other => Err(self.strange(&other)),
        }
    }

    /// The error for an answer that does not fit the question.
    pub(crate) fn strange(&self, answer: &Answer) -> ControlError {
        ControlError::Other(format!(
            "the agent on {} sent an answer that does not fit the question: {answer:?}",
            self.node
        ))
    }

    /// Ends the agent's input, upon which it undoes everything and ends.
    pub(crate) fn close(&self) {
        lock(&self.outgoing).take();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn read(state: Waiting, input: impl AsyncRead + Unpin, last_words: impl Fn() -> String) {
    let mut input = BufReader::new(input);
    let why = loop {
        let mut line = Vec::new();
        let mut limited = (&mut input).take(LINE_LIMIT as u64);
        match limited.read_until(b'\n', &mut line).await {
            Ok(_) if line.ends_with(b"\n") => {}
            Ok(_) => break "it closed the connection".to_owned(),
            Err(error) => break error.to_string(),
        }
        match serde_json::from_slice::<Reply>(&line) {
            Ok(reply) => {
                if let Some(waiting) = lock(&state).waiting.remove(&reply.id) {
                    let _ = waiting.send(reply.answer);
                }
            }
            Err(_) => {
                let words = String::from_utf8_lossy(&line);
                break format!("it sent `{}`", words.trim().chars().take(200).collect::<String>());
            }
        }
    };
    // What it prints about its end comes on another stream, perhaps a moment later.
    tokio::time::sleep(Duration::from_millis(50)).await;
    let why = match last_words().trim() {
        "" => format!("lost the agent there: {why}"),
        words => format!(
            "lost the agent there: {}",
            words.lines().last().unwrap_or_default()
        ),
    };
    let mut state = lock(&state);
    state.broken = Some(why.clone());
    for (_, waiting) in state.waiting.drain() {
        let _ = waiting.send(Err(why.clone()));
    }
}

async fn write(mut outgoing: mpsc::Receiver<Vec<u8>>, mut output: impl AsyncWrite + Unpin) {
    while let Some(line) = outgoing.recv().await {
        // The reader sees the other side close and notes why.
        if output.write_all(&line).await.is_err() || output.flush().await.is_err() {
            return;
        }
    }
    let _ = output.shutdown().await;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ProcessState;

    fn echo(answers: &'static [&'static str]) -> Arc<Session> {
        let (ours, theirs) = tokio::io::duplex(1 << 16);
        let (input, output) = tokio::io::split(ours);
        tokio::spawn(async move {
            let (input, mut output) = tokio::io::split(theirs);
            let mut lines = BufReader::new(input).lines();
            for answer in answers {
                let _ = lines.next_line().await;
                let _ = output.write_all(answer.as_bytes()).await;
            }
        });
        Session::start("n1", input, output, || {
            "sudo: a password is required\n".to_owned()
        })
    }

    #[tokio::test]
    async fn each_gets_its_own_answer_and_the_end_is_told() {
        const BOTH: &str =
            "{\"id\":2,\"answer\":{\"Ok\":\"Done\"}}\n{\"id\":1,\"answer\":{\"Ok\":{\"State\":\"Gone\"}}}\n";
        let session = echo(&["", "", BOTH]);
        let ask = |port| session.ask(Ask::Listener { port, address: None }, ANSWER_LIMIT);
        let (first, second, third) = tokio::join!(ask(1), ask(2), ask(3));
        assert!(
            matches!(first, Ok(Answer::State(ProcessState::Gone))),
            "{first:?}"
        );
        assert!(matches!(second, Ok(Answer::Done)), "{second:?}");
        for lost in [third, ask(4).await] {
            let why = lost.expect_err("the agent is gone").to_string();
            assert!(
                why.contains("n1: ") && why.contains("a password is required"),
                "{why}"
            );
        }
    }

    #[tokio::test]
    async fn silence_has_a_limit() {
        let (ours, theirs) = tokio::io::duplex(1 << 16);
        let (input, output) = tokio::io::split(ours);
        let session = Session::start("n1", input, output, String::new);
        let why = session.ask(Ask::Hello, Duration::from_millis(50)).await;
        assert!(matches!(why, Err(ControlError::Deadline { .. })), "{why:?}");
        drop(theirs);
    }
}
