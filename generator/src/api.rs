//! The contract between a generator and the runner that pulls operations from it.
//!
//! ```text
//!  free thread ── next(ctx) ──► Do { at_ns, action } ── sleep to at_ns ──► update(invocation)
//!       ▲                                                                        │ perform
//!       └──────────────────────────── update(completion) ◄──────────────────────┘
//! ```
//!
//! Rules for the runner:
//! 1. Calls are serialized (one lock), and `now_ns` never goes backwards from call to call.
//! 2. A thread asks only while it is free: no operation of its is waiting or in flight.
//! 3. What [`Next::Do`] hands out is performed, at `at_ns` or later: [`Generator::update`] is called with its
//!    invocation and later with its completion, both with the thread that it belongs to. The one exception is
//!    a run that is stopped from outside (Ctrl-C), after which no thread asks any more.
//! 4. After [`Next::Pending`] a thread asks again at `until_ns` at the latest, and after every call of
//!    `update`. Asking earlier than needed is harmless.
//! 5. After [`Next::Done`] a thread never asks again.
//!
//! Rules for a generator:
//! 1. No clock, no I/O, no randomness but that of its seed: the same calls give the same answers.
//! 2. A client thread is given [`Action::Op`], the nemesis [`Action::Nemesis`], never the other way round.
//! 3. **No operation is lost**: a combinator that asks several children keeps what it does not pick, one slot
//!    a child and thread. Only a limit throws operations away, those that come after its end.
//! 4. A `Pending` without `until_ns` is allowed only while some operation is in flight or handed out; else
//!    nothing would ever wake the thread.
//! 5. Having said `Done` to a thread, it says `Done` whenever that thread asks again.

use history::{EventKind, NemesisOp, Op};

/// A thread, which asks for operations. It is not a process: a thread stays, processes come and go with
/// `info`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Thread {
    /// A client thread, counted from 0.
    Client(usize),
    /// The thread that performs faults. There is at most one.
    Nemesis,
}

/// What a generator may know when it is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Context {
    /// Nanoseconds since the start of the run.
    pub now_ns: u64,
    /// The thread that asks, or to which the event belongs.
    pub thread: Thread,
    /// How many client threads there are.
    pub clients: usize,
}

/// Something to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// For a client thread.
    Op(Op),
    /// For the nemesis.
    Nemesis(NemesisOp),
}

/// The answer to a thread that asks for its next operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// Do this.
    Do {
        /// Not before this time, nanoseconds since the run's start. The present or the past means at once.
        at_ns: u64,
        /// What to do.
        action: Action,
    },
    /// Nothing now. Ask again at `until_ns`, and after every call of [`Generator::update`].
    Pending {
        /// Nanoseconds since the run's start; `None` to wait for an event alone.
        until_ns: Option<u64>,
    },
    /// Nothing more for this thread, ever.
    Done,
}

/// Says what to do next. See the [crate] for the rules of both sides.
pub trait Generator: Send {
    /// The next operation of the free thread `ctx.thread`.
    fn next(&mut self, ctx: &Context) -> Next;

    /// Hears of every invocation and completion, with the thread that it belongs to.
    fn update(&mut self, ctx: &Context, event: &EventKind) {
        let _ = (ctx, event);
    }
}

impl Generator for Box<dyn Generator> {
    fn next(&mut self, ctx: &Context) -> Next {
        (**self).next(ctx)
    }

    fn update(&mut self, ctx: &Context, event: &EventKind) {
        (**self).update(ctx, event);
    }
}

impl Next {
    /// At once, for a client.
    pub fn op(ctx: &Context, op: Op) -> Next {
        Next::Do {
            at_ns: ctx.now_ns,
            action: Action::Op(op),
        }
    }

    /// The sooner of two answers, neither of which is [`Next::Do`]; something pending comes before being
    /// done.
    pub(crate) fn sooner(self, other: Next) -> Next {
        match (self, other) {
            (Next::Pending { until_ns: a }, Next::Pending { until_ns: b }) => Next::Pending {
                until_ns: match (a, b) {
                    (Some(a), Some(b)) => Some(a.min(b)),
                    (one, other) => one.or(other),
                },
            },
            (Next::Done, other) => other,
            (pending, _) => pending,
        }
    }

    /// Nothing before `until_ns`.
    pub fn pending_until(until_ns: u64) -> Next {
        Next::Pending {
            until_ns: Some(until_ns),
        }
    }
}
