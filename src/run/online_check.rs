//! Judges a run while it goes on, so that it can stop at its first violation.
//!
//! Invariants:
//! - The journal never waits for it: what does not fit into the bounded queue makes it give up, and says so.
//! - It only decides when to stop. The verdict is that of the whole history, judged afterwards.

use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use anyhow::{Context, Result};
use checker::stream::{Stream, Violation};
use history::Event;
use tokio::sync::Notify;

/// How many batches of events may wait; the journal makes about one a millisecond.
const MOST_WAITING: usize = 1 << 10;

/// A thread that is fed what the journal writes.
pub struct Watcher {
    shared: Arc<Shared>,
    thread: JoinHandle<()>,
}

/// What a [`Watcher`] has found, for the tasks that wait for it.
#[derive(Default)]
pub struct Shared {
    violation: Mutex<Option<Violation>>,
    /// Why it gave up, if it did.
    lost: Mutex<Option<String>>,
    found: Notify,
}

/// Where the journal puts what it has written.
pub struct Feed {
    sender: Option<SyncSender<Vec<Event>>>,
    shared: Arc<Shared>,
}

impl Watcher {
    /// Starts the thread. It ends when the feed is dropped.
    ///
    /// # Errors
    /// When no thread can be started.
    pub fn start(stream: Stream) -> Result<(Watcher, Feed)> {
        let shared = Arc::new(Shared::default());
        let (sender, receiver) = sync_channel(MOST_WAITING);
        let thread = {
            let shared = shared.clone();
            std::thread::Builder::new()
                .name("watcher".into())
                .spawn(move || watch(stream, &receiver, &shared))
                .context("cannot start the watcher's thread")?
        };
        let feed = Feed {
            sender: Some(sender),
            shared: shared.clone(),
        };
        Ok((Watcher { shared, thread }, feed))
    }

    /// What it finds.
    pub fn shared(&self) -> Arc<Shared> {
        self.shared.clone()
    }

    /// Waits for the thread, whose feed must be gone; the violation that it found, and why it gave up before
    /// the end, if it did.
    pub fn end(self) -> (Option<Violation>, Option<String>) {
        let take = |slot: &Mutex<Option<String>>| slot.lock().unwrap_or_else(PoisonError::into_inner).take();
        if self.thread.join().is_err() {
            return (None, Some("its thread panicked".to_owned()));
        }
        let violation = self.shared.violation().clone();
        (violation, take(&self.shared.lost))
    }
}

impl Shared {
    /// Resolves when there is a violation; never if there is none.
    pub async fn found(&self) -> Violation {
        loop {
            let notified = self.found.notified();
            if let Some(violation) = self.violation().clone() {
                return violation;
            }
            notified.await;
        }
    }

    fn violation(&self) -> std::sync::MutexGuard<'_, Option<Violation>> {
        self.violation.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn give_up(&self, why: String) {
        *self.lost.lock().unwrap_or_else(PoisonError::into_inner) = Some(why);
    }
}

impl Feed {
    /// Hands events over; does nothing once that has failed.
    pub fn put(&mut self, events: &[Event]) {
        let Some(sender) = &self.sender else {
            return;
        };
        match sender.try_send(events.to_vec()) {
            Ok(()) => {}
            // It has found what it looked for.
            Err(TrySendError::Disconnected(_)) => self.sender = None,
            Err(TrySendError::Full(_)) => {
                self.shared
                    .give_up("operations came in faster than they could be judged".to_owned());
                self.sender = None;
            }
        }
    }
}

fn watch(mut stream: Stream, receiver: &Receiver<Vec<Event>>, shared: &Shared) {
    for events in receiver {
        for event in events {
            match stream.push(&event) {
                Ok(None) => {}
                Ok(Some(violation)) => {
                    *shared.violation() = Some(violation.clone());
                    shared.found.notify_waiters();
                    return;
                }
                Err(error) => {
                    shared.give_up(error.to_string());
                    return;
                }
            }
        }
    }
    if let Some((key, why)) = stream.lost().first() {
        shared.give_up(format!(
            "{} of the keys could not be watched to the end; key {key}: {why}",
            stream.lost_total()
        ));
    }
}

#[cfg(test)]
mod tests {
    use checker::Options;
    use history::{EventKind, Key, Op, Outcome, Process, Value};

    use super::*;

    fn events(read: i64) -> Vec<Event> {
        let event = |process, kind| Event {
            time_ns: 0,
            process: Process::Client(process),
            kind,
        };
        let invoke = |op| EventKind::Invoke { op, node: None };
        let write = Op::Write {
            key: Key::Nil,
            value: Value::Int(1),
        };
        vec![
            event(0, invoke(write)),
            event(0, EventKind::Complete(Outcome::ok())),
            event(1, invoke(Op::Read { key: Key::Nil })),
            event(1, EventKind::Complete(Outcome::ok_value(Value::Int(read)))),
        ]
    }

    #[tokio::test]
    async fn a_violation_wakes_the_waiting_task() {
        let (watcher, mut feed) = Watcher::start(Stream::new(&Options::default())).unwrap();
        let shared = watcher.shared();
        let waiting = tokio::spawn(async move { shared.found().await.position });
        feed.put(&events(2));
        assert_eq!(waiting.await.unwrap(), 3);
        drop(feed);
        assert_eq!(watcher.end().0.unwrap().operations, [1]);
    }

    #[test]
    fn a_correct_run_ends_without_a_violation() {
        let (watcher, mut feed) = Watcher::start(Stream::new(&Options::default())).unwrap();
        feed.put(&events(1));
        drop(feed);
        assert_eq!(watcher.end(), (None, None));
    }

    #[test]
    fn a_feed_that_is_too_fast_is_given_up() {
        let shared = Arc::new(Shared::default());
        let (sender, _receiver) = sync_channel(1);
        let mut feed = Feed {
            sender: Some(sender),
            shared: shared.clone(),
        };
        feed.put(&events(1));
        assert_eq!(*shared.lost.lock().unwrap(), None);
        feed.put(&events(1));
        assert!(shared.lost.lock().unwrap().is_some() && feed.sender.is_none());
    }
}
