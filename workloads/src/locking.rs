//! The operations on locks while faults come and go.
//!
//! ```text
//!  acquire ── ok ──► hold for a while ── release ── ok, info, or no longer held ──► rest ──► acquire …
//!     │ fail, info                          │ refused by a node that cannot act: again, a little later
//!     └──► rest ──► acquire …               └──► release …
//! ```
//!
//! Invariant: a thread that may still hold a lock does nothing but release it. Some stores let a client
//! acquire again what it holds, and then it would look as if two held it. After an `info` the thread goes on
//! as a new process with a new session, which holds nothing; what the old one held comes free when its
//! session ends.

use generator::{Action, Context, Generator, Next, Thread, each_thread, nothing};
use history::{ErrorClass, EventKind, Failure, ObjectKind, Op, Outcome, Value};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::in_flight::InFlight;
use crate::{Workload, WorkloadOptions, judge_by};

const MS: u64 = 1_000_000;
/// How long a lock is held, nanoseconds.
const HOLD_NS: [u64; 2] = [0, 100 * MS];
/// How long it is held now and then: long enough for a fault to come in between.
const LONG_HOLD_NS: [u64; 2] = [100 * MS, 1_000 * MS];
/// The share of long holds.
const LONG_HOLDS: f64 = 0.05;
/// How long it is held just as seldom: longer than a lease lives and a fault lasts, so that a holder whose
/// lease ran out meanwhile still believes that it holds it while another client takes the lock. Most of the
/// time of a lock is spent in these.
const OUTLASTING_HOLD_NS: [u64; 2] = [1_000 * MS, 6_000 * MS];
/// The share of outlasting holds.
const OUTLASTING_HOLDS: f64 = 0.05;
/// The rest after a release, and between two tries of a release.
const REST_NS: [u64; 2] = [0, 20 * MS];
/// The rest after an acquire that failed.
const FAILED_NS: [u64; 2] = [10 * MS, 50 * MS];
/// There is one lock for so many clients: some wait for each, and some are held through the node that a fault
/// hits.
const CLIENTS_A_LOCK: usize = 3;

/// How often a thread tries to get its last lock, and the rest in between, nanoseconds.
const LAST_TRIES: u32 = 5;
const LAST_REST_NS: u64 = 200 * MS;

/// A workload of these operations, judged by a model of the checker.
pub(crate) fn workload(model: &'static str, options: &WorkloadOptions) -> Workload {
    Workload {
        generator: Box::new(Locking::new(options)),
        final_generator: Some(Box::new(last_locks(options))),
        object: ObjectKind::Lock,
        model,
        stream: Some(checker::stream::Stream::new(&judge_by(model))),
    }
}

/// Acquires and releases without end.
struct Locking {
    rng: ChaCha8Rng,
    locks: i64,
    threads: Vec<State>,
    in_flight: InFlight,
}

/// What a client thread is about.
#[derive(Clone, Copy, Debug)]
enum State {
    /// Holds nothing, and acquires at this time.
    Free(u64),
    /// May hold the lock of this key, and releases it at this time.
    Holding(i64, u64),
}

/// What clients do after the heal: each acquires and releases a lock that was never used before, which shows
/// that the store answers again. The others may be held for clients that are gone: those of the main phase
/// ended with it, and so did their sessions. Acquiring such a lock as soon as it is free is correct, but no
/// release would precede it.
fn last_locks(options: &WorkloadOptions) -> impl Generator + use<> {
    let locks = locks(options);
    each_thread(move |thread| match thread {
        Thread::Client(thread) => Box::new(LastLock {
            key: i64::try_from(thread).unwrap_or(i64::MAX).saturating_add(locks),
            stage: Stage::Takes {
                left: LAST_TRIES,
                at_ns: 0,
            },
            in_flight: InFlight::default(),
        }),
        Thread::Nemesis => Box::new(nothing()),
    })
}

/// How many locks there are in the main phase.
fn locks(options: &WorkloadOptions) -> i64 {
    match options.keys_at_once {
        0 => i64::try_from((options.clients / CLIENTS_A_LOCK).max(1)).unwrap_or(i64::MAX),
        keys => i64::try_from(keys).unwrap_or(i64::MAX),
    }
}

/// The last lock of one thread.
struct LastLock {
    key: i64,
    stage: Stage,
    in_flight: InFlight,
}

enum Stage {
    Takes { left: u32, at_ns: u64 },
    GivesBack,
    Done,
}

impl Generator for LastLock {
    fn next(&mut self, ctx: &Context) -> Next {
        let key = Value::Int(self.key);
        match self.stage {
            Stage::Takes { at_ns, .. } => Next::Do {
                at_ns: at_ns.max(ctx.now_ns),
                action: Action::Op(Op::Acquire { key }),
            },
            Stage::GivesBack => Next::op(ctx, Op::Release { key }),
            Stage::Done => Next::Done,
        }
    }

    fn update(&mut self, ctx: &Context, event: &EventKind) {
        let Some((_, _, outcome)) = self.in_flight.update(ctx, event) else {
            return;
        };
        self.stage = match (&self.stage, outcome) {
            (Stage::Takes { .. }, Outcome::Ok(_)) => Stage::GivesBack,
            (Stage::Takes { left, .. }, _) if *left > 1 => Stage::Takes {
                left: left - 1,
                at_ns: ctx.now_ns.saturating_add(LAST_REST_NS),
            },
            _ => Stage::Done,
        };
    }
}

impl Locking {
    pub fn new(options: &WorkloadOptions) -> Locking {
        Locking {
            rng: ChaCha8Rng::seed_from_u64(options.seed),
            locks: locks(options),
            threads: Vec::new(),
            in_flight: InFlight::default(),
        }
    }

    fn state(&mut self, thread: usize) -> &mut State {
        if self.threads.len() <= thread {
            self.threads.resize(thread + 1, State::Free(0));
        }
        &mut self.threads[thread]
    }

    /// A time that lies ahead.
    fn later(&mut self, now_ns: u64, [least_ns, most_ns]: [u64; 2]) -> u64 {
        now_ns.saturating_add(self.rng.random_range(least_ns..=most_ns))
    }

    /// What to be about after this outcome.
    fn after(&mut self, now_ns: u64, op: &Op, outcome: &Outcome) -> Option<State> {
        Some(match (op, outcome) {
            (Op::Acquire { key: Value::Int(key) }, Outcome::Ok(_)) => {
                let hold_ns = match self.rng.random::<f64>() {
                    share if share < OUTLASTING_HOLDS => OUTLASTING_HOLD_NS,
                    share if share < OUTLASTING_HOLDS + LONG_HOLDS => LONG_HOLD_NS,
                    _ => HOLD_NS,
                };
                State::Holding(*key, self.later(now_ns, hold_ns))
            }
            (Op::Release { key: Value::Int(key) }, Outcome::Fail(failure)) if was_not_heard(failure) => {
                State::Holding(*key, self.later(now_ns, REST_NS))
            }
            (Op::Release { .. }, _) => State::Free(self.later(now_ns, REST_NS)),
            (Op::Acquire { .. }, _) => State::Free(self.later(now_ns, FAILED_NS)),
            _ => return None,
        })
    }
}

/// Whether a release failed without telling anything about the lock: the client holds it as before.
fn was_not_heard(failure: &Failure) -> bool {
    match failure {
        Failure::Mismatch { .. } => false,
        Failure::Error(reason) => matches!(
            reason.class,
            ErrorClass::ConnectionRefused | ErrorClass::Unavailable
        ),
    }
}

impl Generator for Locking {
    fn next(&mut self, ctx: &Context) -> Next {
        let Thread::Client(thread) = ctx.thread else {
            return Next::Done;
        };
        let (at_ns, op) = match *self.state(thread) {
            State::Free(at_ns) => {
                let key = Value::Int(self.rng.random_range(0..self.locks));
                (at_ns, Op::Acquire { key })
            }
            State::Holding(key, at_ns) => (at_ns, Op::Release { key: Value::Int(key) }),
        };
        Next::Do {
            at_ns: at_ns.max(ctx.now_ns),
            action: Action::Op(op),
        }
    }

    fn update(&mut self, ctx: &Context, event: &EventKind) {
        if let Some((thread, op, outcome)) = self.in_flight.update(ctx, event)
            && let Some(state) = self.after(ctx.now_ns, &op, outcome)
        {
            *self.state(thread) = state;
        }
    }
}
