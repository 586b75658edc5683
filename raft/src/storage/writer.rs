//! The thread that writes, so that no other thread waits for a disk. Group commit: whatever came in while the
//! last fsync ran shares the next one.

use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::{Storage, StorageError};
use crate::core::api::{Persist, PersistId};

/// One write and fsync stops taking in more when it has so many bytes, so that early ones need not wait for
/// all.
const BATCH_BYTES: usize = 4 << 20;

/// What one fsync made durable.
#[derive(Debug, Clone, Copy)]
pub struct Synced {
    /// Every [`Persist`] up to this one.
    pub up_to: PersistId,
    /// How long the write and the fsync took.
    pub took: Duration,
    /// How many bytes it wrote.
    pub bytes: usize,
}

/// Hands writes to a thread of its own. Dropping it waits until everything handed in is durable.
///
/// The queue has no limit of its own: what a core has open is limited by the core.
#[derive(Debug)]
pub struct Writer {
    queue: Option<mpsc::Sender<Persist>>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    /// Starts the thread. It calls `report` after each fsync, and with an error once, as its last act.
    ///
    /// # Errors
    /// When the operating system gives no thread.
    pub fn start(
        storage: Storage,
        report: impl FnMut(Result<Synced, StorageError>) + Send + 'static,
    ) -> std::io::Result<Writer> {
        let (queue, waiting) = mpsc::channel();
        let thread = std::thread::Builder::new()
            .name("log-writer".into())
            .spawn(move || run(storage, &waiting, report))?;
        Ok(Writer {
            queue: Some(queue),
            thread: Some(thread),
        })
    }

    /// Hands in the next write. After an error was reported nothing is accepted any more.
    pub fn persist(&self, persist: Persist) {
        if let Some(queue) = &self.queue {
            // The thread has reported its error already if it no longer listens.
            let _ = queue.send(persist);
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.queue = None;
        if let Some(thread) = self.thread.take() {
            // A panic there was shown when it happened.
            let _ = thread.join();
        }
    }
}

fn run(
    mut storage: Storage,
    waiting: &mpsc::Receiver<Persist>,
    mut report: impl FnMut(Result<Synced, StorageError>),
) {
    while let Ok(first) = waiting.recv() {
        let outcome = write(&mut storage, first, waiting);
        let failed = outcome.is_err();
        report(outcome);
        if failed {
            return;
        }
    }
}

fn write(
    storage: &mut Storage,
    first: Persist,
    waiting: &mpsc::Receiver<Persist>,
) -> Result<Synced, StorageError> {
    let started = Instant::now();
    let mut next = Some(first);
    let mut up_to = 0;
    while let Some(persist) = next {
        storage.persist(&persist)?;
        up_to = persist.id;
        next = if storage.waiting_bytes() < BATCH_BYTES {
            waiting.try_recv().ok()
        } else {
            None
        };
    }
    let bytes = storage.waiting_bytes();
    storage.sync()?;
    Ok(Synced {
        up_to,
        took: started.elapsed(),
        bytes,
    })
}
