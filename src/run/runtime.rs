//! The runner's clock and its way of starting tasks, as parameters: the same test can run in simulated time.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::Instant;

/// A clock that counts nanoseconds since the start of the run, and a way of starting tasks.
pub trait Runtime: Send + Sync + 'static {
    /// Nanoseconds since the start of the run; never goes back.
    fn now_ns(&self) -> u64;

    /// Resolves at `at_ns` or later.
    fn sleep_until(&self, at_ns: u64) -> Pin<Box<dyn Future<Output = ()> + Send + '_>>;

    /// Starts a task.
    fn spawn(&self, task: Pin<Box<dyn Future<Output = ()> + Send>>) -> JoinHandle<()>;
}

/// Tokio's clock and scheduler. With tokio's paused clock it runs in simulated time.
#[derive(Clone, Copy, Debug)]
pub struct TokioRuntime {
    start: Instant,
}

impl TokioRuntime {
    /// A runtime whose time starts now.
    pub fn start() -> Arc<TokioRuntime> {
        Arc::new(TokioRuntime {
            start: Instant::now(),
        })
    }
}

impl Runtime for TokioRuntime {
    fn now_ns(&self) -> u64 {
        // A u64 of nanoseconds lasts 584 years.
        self.start.elapsed().as_nanos() as u64
    }

    fn sleep_until(&self, at_ns: u64) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(tokio::time::sleep_until(self.start + Duration::from_nanos(at_ns)))
    }

    fn spawn(&self, task: Pin<Box<dyn Future<Output = ()> + Send>>) -> JoinHandle<()> {
        tokio::spawn(task)
    }
}
