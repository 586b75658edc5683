//! The operations on registers while faults come and go.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::AtomicI64;

use generator::{Context, Generator, Next, Thread};
use history::{EventKind, Failure, Op, Outcome, Value};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::WorkloadOptions;
use crate::in_flight::InFlight;
use crate::rotation::Rotation;

/// How many of the values last seen in a register are remembered.
const RECENT: usize = 4;
/// The share of cas that expect the value seen last; the others expect an older one and mostly fail, as they
/// must.
const EXPECT_LAST: f64 = 0.85;

/// Reads, writes and cas without end. See the [module above](super).
pub(super) struct Traffic {
    rng: ChaCha8Rng,
    registers: Rotation<Register>,
    /// Threads below this number only read.
    readers: usize,
    /// Weights of read, write and cas for the other threads.
    mix: [u32; 3],
    next_value: i64,
    in_flight: InFlight,
}

/// What is known of a register that is in use.
#[derive(Default)]
struct Register {
    /// Values that were read or written, the last one at the back.
    recent: VecDeque<i64>,
}

impl Traffic {
    pub fn new(options: &WorkloadOptions, begun: Arc<AtomicI64>) -> Traffic {
        Traffic {
            rng: ChaCha8Rng::seed_from_u64(options.seed),
            registers: Rotation::new(options.keys(), options.ops_per_key, begun),
            readers: options.reader_threads(),
            mix: options.mix,
            next_value: 0,
            in_flight: InFlight::default(),
        }
    }

    fn choose(&mut self, thread: usize) -> Op {
        let place = self.registers.any(&mut self.rng);
        let (key, register) = self.registers.get(place);
        let key = Value::Int(key);
        let expected = register.expectation(&mut self.rng);
        self.registers.spend(place);
        let [read, write, cas] = self.mix.map(u64::from);
        let total = read + write + cas;
        let drawn = if thread < self.readers || total == 0 {
            0
        } else {
            self.rng.random_range(0..total)
        };
        if thread < self.readers || total == 0 || drawn < read {
            return Op::Read { key };
        }
        self.next_value += 1;
        let new = Value::Int(self.next_value);
        match expected {
            Some(expected) if drawn >= read + write => Op::Cas {
                key,
                expected: Value::Int(expected),
                new,
            },
            // A cas on a register of which nothing is known would only fail.
            _ => Op::Write { key, value: new },
        }
    }

    /// Remembers what an operation revealed about its register.
    fn learn(&mut self, op: Op, outcome: &Outcome) {
        let seen = match (&op, outcome) {
            (Op::Read { .. }, Outcome::Ok(answer)) => answer.value.as_ref(),
            (Op::Write { value: new, .. } | Op::Cas { new, .. }, Outcome::Ok(_)) => Some(new),
            (Op::Cas { .. }, Outcome::Fail(Failure::Mismatch { current })) => current.as_ref(),
            _ => None,
        };
        let (Value::Int(key), Some(&Value::Int(value))) = (op.key(), seen) else {
            return;
        };
        if let Some(register) = self.registers.find(*key) {
            register.remember(value);
        }
    }
}

impl Generator for Traffic {
    fn next(&mut self, ctx: &Context) -> Next {
        match ctx.thread {
            Thread::Client(thread) => Next::op(ctx, self.choose(thread)),
            Thread::Nemesis => Next::Done,
        }
    }

    fn update(&mut self, ctx: &Context, event: &EventKind) {
        if let Some((_, op, outcome)) = self.in_flight.update(ctx, event) {
            self.learn(op, outcome);
        }
    }
}

impl Register {
    fn remember(&mut self, value: i64) {
        if self.recent.back() == Some(&value) {
            return;
        }
        if self.recent.len() == RECENT {
            self.recent.pop_front();
        }
        self.recent.push_back(value);
    }

    /// What a cas may expect to find.
    fn expectation(&self, rng: &mut ChaCha8Rng) -> Option<i64> {
        let last = *self.recent.back()?;
        if rng.random_bool(EXPECT_LAST) {
            return Some(last);
        }
        self.recent.get(rng.random_range(0..self.recent.len())).copied()
    }
}
