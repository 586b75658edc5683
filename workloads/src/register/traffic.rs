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
use crate::readers::Readers;
use crate::rotation::Rotation;

/// How many of the values last seen in a register are remembered.
const RECENT: usize = 4;
/// One register in so many is written once and then only changed by cas. A blind write makes all nodes agree
/// again, whatever they held before; in such a chain every value depends on the one before.
const CHAINS: i64 = 4;
/// How often a thread that writes reads such a register instead, so that the others expect what is there.
const CHAIN_READS: f64 = 0.5;
/// So long without an acknowledged update, and others than before may decide, nanoseconds: every register is
/// read then before a write can hide what became of it.
const STALL_NS: u64 = 100_000_000;
/// The share of cas that expect the value seen last; the others expect an older one and mostly fail, as they
/// must.
const EXPECT_LAST: f64 = 0.9;

/// In one register in so many a cas sometimes expects what no one ever wrote, and brings what was seen last.
/// It must fail; a store that takes it for the repetition of a cas that has happened says that it succeeded.
/// There, values are no longer unique while such a cas is open, which makes judging while the run goes on
/// harder.
const REPEATS: i64 = 8;
/// The share of such cas among those on these registers.
const REPEATED_CAS: f64 = 0.1;

/// Reads, writes and cas without end. See the [module above](super).
pub(super) struct Traffic {
    rng: ChaCha8Rng,
    registers: Rotation<Register>,
    /// The threads that only read.
    readers: Readers,
    /// Weights of read, write and cas for the other threads.
    mix: [u32; 3],
    next_value: i64,
    options: WorkloadOptions,
    in_flight: InFlight,
    /// When the last update was acknowledged, nanoseconds since the run's start.
    acknowledged_ns: u64,
}

/// What is known of a register that is in use.
#[derive(Default)]
struct Register {
    /// Values that were read or written, the last one at the back.
    recent: VecDeque<i64>,
    /// Whether updates stood still since it was read.
    in_doubt: bool,
    /// Whether it was written, as far as anyone knows.
    is_begun: bool,
}

impl Traffic {
    pub fn new(options: &WorkloadOptions, begun: Arc<AtomicI64>) -> Traffic {
        Traffic {
            rng: ChaCha8Rng::seed_from_u64(options.seed),
            registers: Rotation::new(options.keys(), options.ops_per_key, begun).with_long_lives(false),
            readers: Readers::new(options.reader_threads()),
            mix: options.mix,
            next_value: 0,
            options: options.clone(),
            in_flight: InFlight::default(),
            acknowledged_ns: 0,
        }
    }

    fn choose(&mut self, now_ns: u64, thread: usize) -> Op {
        let group = self.options.group(thread);
        let place = self.registers.due(now_ns, group, &mut self.rng);
        let (number, register) = self.registers.get(place);
        let key = Value::Int(number);
        let expected = register.expectation(&mut self.rng);
        let seen_last = register.recent.back().copied().unwrap_or_default();
        let is_chain = number % CHAINS == 1;
        let may_write = !is_chain || !register.is_begun;
        let in_doubt = std::mem::take(&mut register.in_doubt);
        let reads_first = in_doubt || is_chain && self.rng.random_bool(CHAIN_READS);
        self.registers.spend(place);
        let [read, write, cas] = self.mix.map(u64::from);
        let total = read + write + cas;
        let only_reads = total == 0 || self.readers.only_reads(thread);
        let drawn = match only_reads {
            true => 0,
            false => self.rng.random_range(0..total),
        };
        if only_reads || drawn < read || reads_first {
            return Op::Read { key };
        }
        let is_cas = drawn >= read + write || !may_write;
        let new = Value::Int(self.next_value + 1);
        let is_repeat = number % REPEATS == REPEATS - 2 && self.rng.random_bool(REPEATED_CAS);
        let op = match expected {
            Some(_) if is_cas && is_repeat => Op::Cas {
                key,
                expected: new,
                new: Value::Int(seen_last),
            },
            Some(expected) if is_cas => Op::Cas {
                key,
                expected: Value::Int(expected),
                new,
            },
            // A cas on a register of which nothing is known would only fail.
            _ if may_write => {
                if let Some(register) = self.registers.find(number) {
                    register.is_begun = true;
                }
                Op::Write { key, value: new }
            }
            _ => return Op::Read { key },
        };
        self.next_value += 1;
        op
    }

    /// Remembers what an operation revealed about its register.
    fn learn(&mut self, op: Op, outcome: &Outcome) {
        let seen = match (&op, outcome) {
            (Op::Read { .. }, Outcome::Ok(answer)) => answer.value.as_ref(),
            (Op::Write { value: new, .. } | Op::Cas { new, .. }, Outcome::Ok(_)) => Some(new),
            (Op::Cas { .. }, Outcome::Fail(Failure::Mismatch { current })) => current.as_ref(),
            _ => None,
        };
        let Value::Int(key) = op.key() else { return };
        let Some(register) = self.registers.find(*key) else {
            return;
        };
        match seen {
            Some(&Value::Int(value)) => register.remember(value),
            // The one write of a chain may have come to nothing.
            None if matches!(op, Op::Write { .. }) => register.is_begun = !register.recent.is_empty(),
            _ => {}
        }
    }
}

impl Generator for Traffic {
    fn next(&mut self, ctx: &Context) -> Next {
        match ctx.thread {
            Thread::Client(thread) => Next::op(ctx, self.choose(ctx.now_ns, thread)),
            Thread::Nemesis => Next::Done,
        }
    }

    fn update(&mut self, ctx: &Context, event: &EventKind) {
        self.readers.update(ctx, event);
        if let Some((_, op, outcome)) = self.in_flight.update(ctx, event) {
            if !op.is_read_only() && matches!(outcome, Outcome::Ok(_)) {
                if ctx.now_ns.saturating_sub(self.acknowledged_ns) > STALL_NS {
                    self.registers.each(|register| register.in_doubt = true);
                }
                self.acknowledged_ns = ctx.now_ns;
            }
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
