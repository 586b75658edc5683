//! Bursts and lulls: a load that rests now and then.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::{Context, Generator, Next, Thread};

/// How long there is load between two lulls, nanoseconds.
const LOAD_NS: std::ops::Range<u64> = 4_000_000_000..9_000_000_000;
/// How long a lull is.
const LULL_NS: std::ops::Range<u64> = 300_000_000..900_000_000;
/// One thread in so many goes on during a lull, at this pace, nanoseconds.
const AWAKE: usize = 6;
const PACE_NS: u64 = 25_000_000;

/// The operations of `inner`, with a short lull every few seconds, in which one thread in six goes on, and
/// slowly: what a store does only when the next request comes shows then, and so does what it owes its
/// clients when many come at once after it.
pub fn lulls<G: Generator>(seed: u64, inner: G) -> Lulls<G> {
    Lulls {
        inner,
        begins_ns: 0,
        ends_ns: 0,
        rng: ChaCha8Rng::seed_from_u64(seed ^ 0x6c75_6c6c),
    }
}

/// See [`lulls`].
pub struct Lulls<G> {
    inner: G,
    /// The lull that is to come, or goes on.
    begins_ns: u64,
    ends_ns: u64,
    rng: ChaCha8Rng,
}

impl<G: Generator> Generator for Lulls<G> {
    fn next(&mut self, ctx: &Context) -> Next {
        let Thread::Client(thread) = ctx.thread else {
            return self.inner.next(ctx);
        };
        while self.ends_ns <= ctx.now_ns {
            self.begins_ns = self.ends_ns + self.rng.random_range(LOAD_NS);
            self.ends_ns = self.begins_ns + self.rng.random_range(LULL_NS);
        }
        if ctx.now_ns < self.begins_ns {
            return self.inner.next(ctx);
        }
        if !thread.is_multiple_of(AWAKE) {
            return Next::pending_until(self.ends_ns);
        }
        match self.inner.next(ctx) {
            Next::Do { at_ns, action } => Next::Do {
                at_ns: at_ns.max(ctx.now_ns + PACE_NS),
                action,
            },
            other => other,
        }
    }

    fn update(&mut self, ctx: &Context, event: &history::EventKind) {
        self.inner.update(ctx, event);
    }
}
