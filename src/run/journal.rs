//! The thread that writes `history.jsonl`.
//!
//! Invariants:
//! - Events are written in the order in which they were queued.
//! - The queue is bounded: past [`LIMIT`] events, workers wait until the disk has caught up.
//! - What was queued is in the file within about [`PAUSE`], or the run fails with the error of the disk.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use history::{Event, append_line};

use super::Feed;

/// Past this many unwritten events, workers wait.
const LIMIT: usize = 1 << 18;
/// How long the writer rests when it has nothing to write.
const PAUSE: Duration = Duration::from_millis(1);

/// The queue in front of the journal's file.
pub struct Journal {
    shared: Arc<Shared>,
    /// Taken when the journal is closed.
    writer: Mutex<Option<JoinHandle<std::io::Result<()>>>>,
}

struct Shared {
    queue: Mutex<Vec<Event>>,
    closed: AtomicBool,
    failed: AtomicBool,
}

impl Journal {
    /// Creates the file at `path` and starts its writer, which also passes the events on to the online check.
    ///
    /// # Errors
    /// When the file cannot be created.
    pub fn create(path: &Path, feed: Option<Feed>) -> Result<Journal> {
        let file = File::create_new(path).with_context(|| format!("cannot create {}", path.display()))?;
        Journal::start(file, feed)
    }

    fn start(file: File, feed: Option<Feed>) -> Result<Journal> {
        let shared = Arc::new(Shared {
            queue: Mutex::new(Vec::new()),
            closed: AtomicBool::new(false),
            failed: AtomicBool::new(false),
        });
        let writer = {
            let shared = shared.clone();
            std::thread::Builder::new()
                .name("journal".into())
                .spawn(move || {
                    let result = write_all(&shared, file, feed);
                    shared.failed.store(result.is_err(), Ordering::Release);
                    result
                })
                .context("cannot start the journal's thread")?
        };
        Ok(Journal {
            shared,
            writer: Mutex::new(Some(writer)),
        })
    }

    /// Queues one event.
    pub fn push(&self, event: Event) {
        // After a failed write nothing empties the queue; the run is lost anyway and ends at its next check.
        if !self.has_failed() {
            self.shared
                .queue
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(event);
        }
    }

    /// Whether workers must wait for the disk.
    pub fn is_full(&self) -> bool {
        self.shared
            .queue
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .len()
            >= LIMIT
    }

    /// Whether the disk refused a write.
    pub fn has_failed(&self) -> bool {
        self.shared.failed.load(Ordering::Acquire)
    }

    /// Writes what is queued and closes the file. What is queued afterwards is lost; a second call does
    /// nothing.
    ///
    /// # Errors
    /// When any write of the run failed.
    pub fn close(&self) -> Result<()> {
        self.shared.closed.store(true, Ordering::Release);
        let writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner).take();
        match writer.map(JoinHandle::join) {
            Some(Ok(result)) => result.context("cannot write the journal"),
            Some(Err(_)) => Err(anyhow!("the journal's thread panicked")),
            None => Ok(()),
        }
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        // Only does anything when the run is already failing for another reason, which is the one to report.
        let _ = self.close();
    }
}

fn write_all(shared: &Shared, mut file: File, mut feed: Option<Feed>) -> std::io::Result<()> {
    let mut events = Vec::new();
    let mut bytes = Vec::new();
    loop {
        // Read before the queue is taken: what was queued before the close is then in it.
        let closed = shared.closed.load(Ordering::Acquire);
        std::mem::swap(
            &mut events,
            &mut *shared.queue.lock().unwrap_or_else(PoisonError::into_inner),
        );
        if events.is_empty() {
            if closed {
                return Ok(());
            }
            std::thread::sleep(PAUSE);
            continue;
        }
        if let Some(feed) = &mut feed {
            feed.put(&events);
        }
        bytes.clear();
        for event in events.drain(..) {
            append_line(&mut bytes, event);
        }
        file.write_all(&bytes)?;
    }
}
