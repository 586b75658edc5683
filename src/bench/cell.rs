//! One cell of a grid of hard histories: judged within limits of time and memory.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use checker::{Analysis, Options, check};
use history::History;

/// What a cell may take.
pub const CELL_TIME: Duration = Duration::from_secs(10);
pub const CELL_BYTES: usize = 2 << 30;

/// Judges a history within the limits; how many seconds that took.
pub fn judge(history: &History, mut options: Options) -> (Analysis, f64) {
    let stop = Arc::new(AtomicBool::new(false));
    options.limits.memory_bytes = CELL_BYTES / 2;
    options.limits.steps = u64::MAX;
    options.limits.stop.push(stop.clone());
    let (done, is_done) = mpsc::channel::<()>();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let is_done = is_done;
            if is_done.recv_timeout(CELL_TIME) == Err(mpsc::RecvTimeoutError::Timeout) {
                stop.store(true, Ordering::Relaxed);
            }
        });
        let began = Instant::now();
        let analysis = check(history, &options);
        drop(done);
        (analysis, began.elapsed().as_secs_f64())
    })
}
