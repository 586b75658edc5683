//! The reads after the heal: each key is read once more, which shows whether anything acknowledged was lost.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use generator::{Context, Generator, Next, Thread};
use history::{EventKind, Op, Outcome};

use crate::WorkloadOptions;

/// How often a key is read, at most, until a read succeeds.
const TRIES: u32 = 5;

/// Reads each key until one read succeeds, then ends.
pub(crate) struct LastReads<F> {
    begun: Arc<AtomicI64>,
    most_keys: usize,
    /// The read of a key.
    ask: F,
    /// The keys to read, and how often each was tried; `None` before the first question, since the keys are
    /// not all begun when this is made.
    queue: Option<VecDeque<(i64, u32)>>,
    /// What each client thread is reading.
    reading: Vec<Option<(i64, u32)>>,
}

impl<F: Fn(i64) -> Op + Send> LastReads<F> {
    /// Reads each of the keys that were in use by the first call, with the operation that `ask` makes.
    pub fn new(options: &WorkloadOptions, begun: Arc<AtomicI64>, ask: F) -> LastReads<F> {
        LastReads {
            begun,
            most_keys: options.final_keys,
            ask,
            queue: None,
            reading: vec![None; options.clients],
        }
    }
}

impl<F: Fn(i64) -> Op + Send> Generator for LastReads<F> {
    fn next(&mut self, ctx: &Context) -> Next {
        let Thread::Client(thread) = ctx.thread else {
            return Next::Done;
        };
        let queue = self.queue.get_or_insert_with(|| {
            let begun = self.begun.load(Ordering::Relaxed);
            sample(begun, self.most_keys)
                .into_iter()
                .map(|key| (key, 0))
                .collect()
        });
        if let Some((key, tries)) = queue.pop_front() {
            if self.reading.len() <= thread {
                self.reading.resize(thread + 1, None);
            }
            self.reading[thread] = Some((key, tries + 1));
            return Next::op(ctx, (self.ask)(key));
        }
        if self.reading.iter().any(Option::is_some) {
            // A read that is under way may fail and come back into the queue.
            return Next::Pending { until_ns: None };
        }
        Next::Done
    }

    fn update(&mut self, ctx: &Context, event: &EventKind) {
        let (Thread::Client(thread), EventKind::Complete(outcome)) = (ctx.thread, event) else {
            return;
        };
        let Some((key, tries)) = self.reading.get_mut(thread).and_then(Option::take) else {
            return;
        };
        if !matches!(outcome, Outcome::Ok(_))
            && tries < TRIES
            && let Some(queue) = &mut self.queue
        {
            queue.push_back((key, tries));
        }
    }
}

/// At most `most` of the keys `0..begun`, the latest first: if not all, half of them the latest ones and half
/// spread over the others.
fn sample(begun: i64, most: usize) -> Vec<i64> {
    let most = i64::try_from(most).unwrap_or(i64::MAX);
    if begun <= most {
        return (0..begun).rev().collect();
    }
    let latest = most - most / 2;
    let others = begun - latest;
    let spread = most / 2;
    let evenly = (0..spread)
        .rev()
        .map(|i| (i128::from(i) * i128::from(others) / i128::from(spread)) as i64);
    (others..begun).rev().chain(evenly).collect()
}

#[cfg(test)]
mod tests {
    use super::sample;

    #[test]
    fn samples() {
        // (begun, at most, sample)
        let cases: [(i64, usize, &[i64]); 7] = [
            (0, 10, &[]),
            (3, 10, &[2, 1, 0]),
            (3, 3, &[2, 1, 0]),
            (10, 4, &[9, 8, 4, 0]),
            (10, 5, &[9, 8, 7, 3, 0]),
            (10, 1, &[9]),
            (10, 0, &[]),
        ];
        for (begun, most, expected) in cases {
            assert_eq!(sample(begun, most), expected, "{most} of {begun}");
        }
    }
}
