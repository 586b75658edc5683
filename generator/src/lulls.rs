//! Bursts and lulls: a load that is now heavy, now light, and rests now and then.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::{Context, Generator, Next, Thread};

/// How long a heavy or a light load goes on, nanoseconds.
const LOAD_NS: std::ops::Range<u64> = 2_500_000_000..5_000_000_000;
/// How long a lull is.
const LULL_NS: std::ops::Range<u64> = 300_000_000..900_000_000;
/// Of the threads of a node, one in so many goes on under a light load, and one in so many during a lull.
const LIGHT: usize = 3;
const AWAKE: usize = 6;
/// The pace of those, nanoseconds.
const PACE_NS: u64 = 25_000_000;

/// The operations of `inner`, under a load that changes every few seconds: all threads, one in three, and for
/// a moment one in six, and slowly. A store that is busy answers many requests together, which hides what
/// goes wrong in an instant; one that is not has little under way when a fault comes. And what it does only
/// when the next request comes shows in a lull. Thread i talks to node i mod `nodes`, and each node has its
/// share of the load.
pub fn lulls<G: Generator>(seed: u64, nodes: usize, inner: G) -> Lulls<G> {
    Lulls {
        inner,
        nodes: nodes.max(1),
        load: Load::Lull,
        ends_ns: 0,
        rng: ChaCha8Rng::seed_from_u64(seed ^ 0x6c75_6c6c),
    }
}

/// See [`lulls`].
pub struct Lulls<G> {
    inner: G,
    nodes: usize,
    load: Load,
    /// When another load follows.
    ends_ns: u64,
    rng: ChaCha8Rng,
}

#[derive(Clone, Copy)]
enum Load {
    Heavy,
    Light,
    Lull,
}

impl<G: Generator> Generator for Lulls<G> {
    fn next(&mut self, ctx: &Context) -> Next {
        let Thread::Client(thread) = ctx.thread else {
            return self.inner.next(ctx);
        };
        while self.ends_ns <= ctx.now_ns {
            let (load, lasts_ns) = match self.load {
                Load::Lull => (Load::Light, LOAD_NS),
                Load::Light => (Load::Heavy, LOAD_NS),
                Load::Heavy => (Load::Lull, LULL_NS),
            };
            self.load = load;
            self.ends_ns += self.rng.random_range(lasts_ns);
        }
        let place = thread / self.nodes;
        let not_before_ns = match self.load {
            Load::Heavy => ctx.now_ns,
            Load::Light if place.is_multiple_of(LIGHT) => ctx.now_ns,
            Load::Lull if place.is_multiple_of(AWAKE) => ctx.now_ns + PACE_NS,
            Load::Light | Load::Lull => self.ends_ns,
        };
        // Handed out at once, to be done later: a thread that waits for nothing but a time is not woken by
        // what the others do.
        match self.inner.next(ctx) {
            Next::Do { at_ns, action } => Next::Do {
                at_ns: at_ns.max(not_before_ns),
                action,
            },
            other => other,
        }
    }

    fn update(&mut self, ctx: &Context, event: &history::EventKind) {
        self.inner.update(ctx, event);
    }
}
