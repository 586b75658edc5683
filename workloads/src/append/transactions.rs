//! The transactions while faults come and go.

use std::sync::Arc;
use std::sync::atomic::AtomicI64;

use generator::{Context, Generator, Next, Thread};
use history::{EventKind, MicroOp, Op, Value};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::WorkloadOptions;
use crate::readers::Readers;
use crate::rotation::Rotation;

/// How many appends a list gets, at most.
const APPENDS_PER_KEY: u64 = 48;
/// How many micro-operations a transaction has, at most.
const MOST_STEPS: usize = 4;
/// Of the transactions that only read, the share that also requests versions.
const VERSIONS: f64 = 0.4;

/// Transactions without end. See the [module above](super).
pub(super) struct Transactions {
    rng: ChaCha8Rng,
    lists: Rotation<()>,
    /// The threads that only read.
    readers: Readers,
    /// Weights of transactions that only read and of others, for the other threads.
    mix: [u64; 2],
    next_element: i64,
    options: WorkloadOptions,
}

impl Transactions {
    pub fn new(options: &WorkloadOptions, begun: Arc<AtomicI64>) -> Transactions {
        let [read, write, cas] = options.mix.map(u64::from);
        let appends = options.ops_per_key.min(APPENDS_PER_KEY);
        Transactions {
            rng: ChaCha8Rng::seed_from_u64(options.seed),
            lists: Rotation::new(options.keys(), appends, begun).with_long_lives(true),
            readers: Readers::new(options.reader_threads()),
            mix: [read, write + cas],
            next_element: 0,
            options: options.clone(),
        }
    }

    fn choose(&mut self, now_ns: u64, thread: usize) -> Op {
        let [read, append] = self.mix;
        let only_reads =
            self.readers.only_reads(thread) || append == 0 || self.rng.random_range(0..read + append) < read;
        let micro_ops = match only_reads {
            true => self.reads(),
            false => self.reads_and_appends(now_ns, thread),
        };
        Op::Txn {
            key: Value::Nil,
            micro_ops,
        }
    }

    /// Reads of several lists, no list twice; each with its version behind it, or none.
    fn reads(&mut self) -> Vec<MicroOp> {
        let with_versions = self.rng.random_bool(VERSIONS);
        let most = if with_versions { MOST_STEPS / 2 } else { MOST_STEPS };
        let count = self.rng.random_range(1..=most.min(self.lists.len()));
        let places = rand::seq::index::sample(&mut self.rng, self.lists.len(), count);
        let mut micro_ops = Vec::with_capacity(MOST_STEPS);
        for place in places {
            let key = Value::Int(self.lists.get(place).0);
            micro_ops.push(MicroOp::Read { key: key.clone() });
            if with_versions {
                micro_ops.push(MicroOp::Version { key });
            }
        }
        micro_ops
    }

    /// Reads and at least one append; a read may see what its own transaction appended before.
    fn reads_and_appends(&mut self, now_ns: u64, thread: usize) -> Vec<MicroOp> {
        let count = self.rng.random_range(1..=MOST_STEPS);
        let surely = self.rng.random_range(0..count);
        let mut micro_ops: Vec<MicroOp> = Vec::with_capacity(count);
        for step in 0..count {
            let group = self.options.group(thread);
            let place = self.lists.due(now_ns, group, &mut self.rng);
            let key = Value::Int(self.lists.get(place).0);
            let has_one = micro_ops
                .iter()
                .any(|op| matches!(op, MicroOp::Append { key: other, .. } if *other == key));
            let appends = step == surely || self.rng.random_bool(0.5);
            if has_one || !appends {
                micro_ops.push(MicroOp::Read { key });
                continue;
            }
            self.next_element += 1;
            self.lists.spend(place);
            micro_ops.push(MicroOp::Append {
                key,
                value: Value::Int(self.next_element),
            });
        }
        micro_ops
    }
}

impl Generator for Transactions {
    fn next(&mut self, ctx: &Context) -> Next {
        match ctx.thread {
            Thread::Client(thread) => Next::op(ctx, self.choose(ctx.now_ns, thread)),
            Thread::Nemesis => Next::Done,
        }
    }

    fn update(&mut self, ctx: &Context, event: &EventKind) {
        self.readers.update(ctx, event);
    }
}
