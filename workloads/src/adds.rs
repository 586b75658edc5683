//! The operations on sets and counters while faults come and go: adds and reads, a few keys at a time.

use std::sync::Arc;
use std::sync::atomic::AtomicI64;

use generator::{Context, Generator, Next, Thread};
use history::{Op, Value};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::WorkloadOptions;
use crate::rotation::Rotation;

/// Adds and reads without end.
pub(crate) struct Adds {
    rng: ChaCha8Rng,
    keys: Rotation<()>,
    /// Threads below this number only read.
    readers: usize,
    /// Weights of read and add for the other threads.
    mix: [u64; 2],
    options: WorkloadOptions,
    /// How many adds there were.
    added: i64,
    what: fn(key: i64, number: i64) -> i64,
}

impl Adds {
    /// The add that comes as `number` (1, 2, …) and goes to `key` adds what `what` says.
    /// `grows` says whether an object gets larger with each add.
    pub fn new(
        options: &WorkloadOptions,
        begun: Arc<AtomicI64>,
        grows: bool,
        what: fn(i64, i64) -> i64,
    ) -> Adds {
        let [read, write, cas] = options.mix.map(u64::from);
        Adds {
            rng: ChaCha8Rng::seed_from_u64(options.seed),
            keys: Rotation::new(options.keys(), options.ops_per_key, begun).with_long_lives(grows),
            readers: options.reader_threads(),
            mix: [read, write + cas],
            options: options.clone(),
            added: 0,
            what,
        }
    }

    fn choose(&mut self, now_ns: u64, thread: usize) -> Op {
        let group = self.options.group(thread);
        let place = self.keys.due(now_ns, group, &mut self.rng);
        let (key, ()) = self.keys.get(place);
        self.keys.spend(place);
        let [read, add] = self.mix;
        if thread < self.readers || add == 0 || self.rng.random_range(0..read + add) < read {
            return Op::Read { key: Value::Int(key) };
        }
        self.added += 1;
        Op::Add {
            key: Value::Int(key),
            value: Value::Int((self.what)(key, self.added)),
        }
    }
}

impl Generator for Adds {
    fn next(&mut self, ctx: &Context) -> Next {
        match ctx.thread {
            Thread::Client(thread) => Next::op(ctx, self.choose(ctx.now_ns, thread)),
            Thread::Nemesis => Next::Done,
        }
    }
}
