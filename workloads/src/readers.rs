//! Which threads only read.
//!
//! They go on reading where a write would block. A thread that gets no answer is, as far as it can tell, on a
//! side without a majority: there it writes like the others, because what a leader that is cut off appends,
//! and no other node has, is what goes wrong when it comes back. Not for counters, where an add of which it
//! is unknown whether it was done explains one that was lost.

use generator::{Context, Thread};
use history::{EventKind, Failure, Outcome};

/// So many threads, those with the lowest numbers, as long as they are answered.
pub(crate) struct Readers {
    /// Whether the last operation of each was left without an answer.
    unanswered: Vec<bool>,
}

impl Readers {
    pub fn new(count: usize) -> Readers {
        Readers {
            unanswered: vec![false; count],
        }
    }

    /// Whether this thread only reads.
    pub fn only_reads(&self, thread: usize) -> bool {
        self.unanswered.get(thread) == Some(&false)
    }

    /// Takes every event.
    pub fn update(&mut self, ctx: &Context, event: &EventKind) {
        if let (Thread::Client(thread), EventKind::Complete(outcome)) = (ctx.thread, event)
            && let Some(unanswered) = self.unanswered.get_mut(thread)
        {
            *unanswered = !matches!(outcome, Outcome::Ok(_) | Outcome::Fail(Failure::Mismatch { .. }));
        }
    }
}

#[cfg(test)]
mod tests {
    use history::ErrorClass;

    use super::*;

    #[test]
    fn those_that_get_no_answer_write_until_they_get_one() {
        let mut readers = Readers::new(2);
        let mut ends = |thread, outcome| {
            let ctx = Context {
                now_ns: 1,
                thread: Thread::Client(thread),
                clients: 3,
            };
            readers.update(&ctx, &EventKind::Complete(outcome));
            [0, 1, 2].map(|thread| readers.only_reads(thread))
        };
        let no_answer = || Outcome::info(ErrorClass::Timeout, "");
        assert_eq!(ends(0, Outcome::ok()), [true, true, false]);
        assert_eq!(ends(1, no_answer()), [true, false, false]);
        assert_eq!(ends(2, no_answer()), [true, false, false]);
        assert_eq!(ends(1, Outcome::mismatch(None)), [true, true, false]);
    }
}
