//! A lock whose holder may lose it, with fencing tokens (`lease`).
//!
//! A lock that lives on a lease, a session or an ephemeral node frees itself when these end, so that someone
//! else may take it while its holder still believes it has it. What remains promised is this:
//! - `acquire` answers with an integer, the token, which is greater than every token that was given out
//!   before, whether or not someone held the lock then. It takes the lock over.
//! - `release` succeeds only for the process that took the lock last, and only once: a release that succeeds
//!   although a greater token had been given out before it began is a lie. Afterwards no one holds the lock.
//!
//! Tokens need not be consecutive, and the first may be any. An `acquire` that answers without a token is
//! taken to have got one that no one saw. A failed operation tells nothing, nor does a `try-acquire` that
//! answers `false`: the lock may just have been lost. Nor does one that ended with
//! `info`: it retires its process, which therefore gives nothing back any more; and without it, less was
//! taken over and fewer tokens were given out, so that whatever has an order with it has one without. Source:
//! M. Kleppmann, "How to do distributed locking", 2016; the sequencers of M. Burrows, "The Chubby lock
//! service for loosely-coupled distributed systems", OSDI 2006, section 2.4.

use history::{Op, OpKind, Operation, Outcome, Value};

use super::tried::{Try, is_tried, tried};
use crate::engine::publish::Projected;
use crate::model::{Model, Recorded, answer};

/// A lock that its holder may lose; free at first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lease;

/// What a process can do to a [`Lease`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LeaseOp {
    /// It took the lock and got this token, where it is known.
    Acquire(u32, Option<i64>),
    /// It gave the lock back.
    Release(u32),
}

/// Who took a [`Lease`] last and did not give it back, and the smallest token that was given out last can
/// have been.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct LeaseState {
    holder: Option<u32>,
    last_token: i128,
}

impl Model for Lease {
    type Op = LeaseOp;
    type State = LeaseState;

    fn init(&self) -> LeaseState {
        LeaseState {
            holder: None,
            // Below every token, with room for those that no one saw.
            last_token: i128::MIN,
        }
    }

    fn apply(&self, state: &mut LeaseState, op: &LeaseOp) -> bool {
        match *op {
            LeaseOp::Acquire(process, token) => {
                let lowest = state.last_token + 1;
                state.last_token = token.map_or(lowest, i128::from);
                state.holder = Some(process);
                state.last_token >= lowest
            }
            LeaseOp::Release(process) => state.holder.take() == Some(process),
        }
    }
}

/// The parts are the processes. Also each taking, with its release, is one: without it the rest remains
/// legal.
impl Projected for Lease {
    fn project(&self, op: &LeaseOp, parts: &[Value]) -> Option<LeaseOp> {
        let (LeaseOp::Acquire(process, _) | LeaseOp::Release(process)) = *op;
        parts.contains(&Value::Int(i64::from(process))).then_some(*op)
    }
}

impl Recorded for Lease {
    fn op(&self, operation: &Operation) -> Option<LeaseOp> {
        match (&operation.op, &operation.outcome) {
            (_, Outcome::Fail(_) | Outcome::Info(_)) => None,
            (Op::TryAcquire { .. }, _) => match tried(operation) {
                Try::Taken(token) => Some(LeaseOp::Acquire(operation.process, token)),
                Try::Held => None,
            },
            (Op::Acquire { .. }, _) => {
                let token = answer(operation).and_then(|token| match token {
                    Value::Int(token) => Some(*token),
                    _ => None,
                });
                Some(LeaseOp::Acquire(operation.process, token))
            }
            (Op::Release { .. }, _) => Some(LeaseOp::Release(operation.process)),
            _ => None,
        }
    }
}

pub(super) fn readable(operation: &Operation) -> Result<(), &'static str> {
    let is_readable = operation.op.kind() != OpKind::Acquire
        || answer(operation).is_none_or(|token| matches!(token, Value::Int(_) | Value::Nil));
    is_readable.then_some(()).ok_or("an integer token")?;
    is_tried(operation)
}
