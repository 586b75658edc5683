//! What clients write and watch while faults come and go.

use std::collections::BTreeMap;
use std::sync::atomic::AtomicI64;
use std::sync::{Arc, Mutex, PoisonError};

use generator::{Context, Generator, Next, Thread};
use history::{EventKind, Op, Outcome, Value};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::WorkloadOptions;
use crate::in_flight::InFlight;
use crate::rotation::Rotation;

/// The revision before which a key was certainly not written, for every key that was begun after the first
/// write: all of its writes came after that. Watches that begin there rather than at 1 spare the store the
/// history of the other keys.
pub(super) type Beginnings = BTreeMap<i64, i64>;

/// The first revision for a watch of the whole key.
pub(super) fn beginning(beginnings: &Mutex<Beginnings>, key: i64) -> i64 {
    // Nothing is left half done under this lock.
    let beginnings = beginnings.lock().unwrap_or_else(PoisonError::into_inner);
    beginnings.get(&key).copied().unwrap_or(1)
}

pub(super) fn watch(key: i64, from: i64) -> Op {
    Op::Watch {
        key: Value::Int(key),
        from,
    }
}

/// Writes and watches without end. See the [module above](super).
pub(super) struct Following {
    rng: ChaCha8Rng,
    keys: Rotation<()>,
    /// Threads below this number only watch.
    watchers: usize,
    /// Weights of watch and write for the other threads.
    mix: [u64; 2],
    next_value: i64,
    /// The greatest revision that a write was answered with.
    revision: i64,
    beginnings: Arc<Mutex<Beginnings>>,
    /// The key that each client thread follows, and the first revision that it has not received.
    follows: Vec<Option<(i64, i64)>>,
    in_flight: InFlight,
}

impl Following {
    pub fn new(
        options: &WorkloadOptions,
        begun: Arc<AtomicI64>,
        beginnings: Arc<Mutex<Beginnings>>,
    ) -> Following {
        let [read, write, cas] = options.mix.map(u64::from);
        Following {
            rng: ChaCha8Rng::seed_from_u64(options.seed),
            keys: Rotation::new(options.keys(), options.ops_per_key, begun),
            watchers: options.reader_threads(),
            mix: [read, write + cas],
            next_value: 0,
            revision: 0,
            beginnings,
            follows: Vec::new(),
            in_flight: InFlight::default(),
        }
    }

    fn choose(&mut self, thread: usize) -> Op {
        let [watch, write] = self.mix;
        if thread < self.watchers || write == 0 || self.rng.random_range(0..watch + write) < watch {
            return self.follow(thread);
        }
        let place = self.keys.any(&mut self.rng);
        let key = Value::Int(self.keys.get(place).0);
        if self.keys.spend(place) {
            let (fresh, ()) = self.keys.get(place);
            let mut beginnings = self.beginnings.lock().unwrap_or_else(PoisonError::into_inner);
            beginnings.insert(fresh, self.revision + 1);
        }
        self.next_value += 1;
        Op::Write {
            key,
            value: Value::Int(self.next_value),
        }
    }

    /// The next watch of a thread. Each keeps to one place, so that every key is followed all the time.
    fn follow(&mut self, thread: usize) -> Op {
        let place = thread % self.keys.len();
        let (key, ()) = self.keys.get(place);
        if self.follows.len() <= thread {
            self.follows.resize(thread + 1, None);
        }
        let from = match self.follows[thread] {
            Some((followed, from)) if followed == key => from,
            _ => beginning(&self.beginnings, key),
        };
        self.follows[thread] = Some((key, from));
        watch(key, from)
    }

    fn learn(&mut self, thread: usize, op: &Op, outcome: &Outcome) {
        let Outcome::Ok(answer) = outcome else { return };
        match (op, &answer.value) {
            (Op::Write { .. }, Some(Value::Int(revision))) => self.revision = self.revision.max(*revision),
            (
                Op::Watch {
                    key: Value::Int(key), ..
                },
                Some(Value::List(parts)),
            ) => {
                if let (Some(Value::Int(through)), Some(Some((followed, from)))) =
                    (parts.first(), self.follows.get_mut(thread))
                    && followed == key
                {
                    // Also an answer that makes no sense must not send the watch back or out of range.
                    *from = through.saturating_add(1).max(*from);
                }
            }
            _ => {}
        }
    }
}

impl Generator for Following {
    fn next(&mut self, ctx: &Context) -> Next {
        match ctx.thread {
            Thread::Client(thread) => Next::op(ctx, self.choose(thread)),
            Thread::Nemesis => Next::Done,
        }
    }

    fn update(&mut self, ctx: &Context, event: &EventKind) {
        if let Some((thread, op, outcome)) = self.in_flight.update(ctx, event) {
            self.learn(thread, &op, outcome);
        }
    }
}
