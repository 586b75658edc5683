//! A lock whose holders get tokens that grow (`fenced-lock`).
//!
//! As [`lock`](super::lock), and `acquire` answers with an integer, the token, which is greater than every
//! token that was given out before: so a store can tell a late request of a former holder. Tokens need not be
//! consecutive, and the first may be any. A lock that answers without a token is taken to have given one that
//! no one saw. Source: Hazelcast's `FencedLock`, and M. Kleppmann, "How to do distributed locking", 2016.

use history::{Op, OpKind, Operation, Outcome, Value};

use super::tried::{Try, is_tried, tried};
use crate::engine::publish::Projected;
use crate::model::{Effect, Model, Recorded, answer};

/// A lock whose holders get tokens that grow; free at first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FencedLock;

/// What a process can do to a [`FencedLock`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FencedLockOp {
    /// It took the lock and got this token, where it is known.
    Acquire(u32, Option<i64>),
    /// It gave the lock back.
    Release(u32),
    /// Someone was found to hold it.
    Held,
}

/// Who holds a [`FencedLock`], and the smallest token that the last holder can have got.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FencedLockState {
    holder: Option<u32>,
    last_token: i128,
}

impl Model for FencedLock {
    type Op = FencedLockOp;
    type State = FencedLockState;

    fn init(&self) -> FencedLockState {
        FencedLockState {
            holder: None,
            // Below every token, with room for those that no one saw.
            last_token: i128::MIN,
        }
    }

    fn apply(&self, state: &mut FencedLockState, op: &FencedLockOp) -> bool {
        match *op {
            FencedLockOp::Acquire(process, token) => {
                let lowest = state.last_token + 1;
                state.last_token = token.map_or(lowest, i128::from);
                state.holder.replace(process).is_none() && state.last_token >= lowest
            }
            FencedLockOp::Release(process) => state.holder.take() == Some(process),
            FencedLockOp::Held => state.holder.is_some(),
        }
    }

    fn effect(&self, op: &FencedLockOp) -> Effect {
        match op {
            FencedLockOp::Held => Effect::Pure,
            FencedLockOp::Acquire(..) | FencedLockOp::Release(_) => Effect::Change,
        }
    }
}

/// The parts are the sections, each with its end.
impl Projected for FencedLock {}

impl Recorded for FencedLock {
    fn op(&self, operation: &Operation) -> Option<FencedLockOp> {
        match (&operation.op, &operation.outcome) {
            (_, Outcome::Fail(_)) => None,
            (Op::TryAcquire { .. }, _) => match tried(operation) {
                Try::Taken(token) => Some(FencedLockOp::Acquire(operation.process, token)),
                Try::Held => Some(FencedLockOp::Held),
            },
            (Op::Acquire { .. }, _) => {
                let token = answer(operation).and_then(|token| match token {
                    Value::Int(token) => Some(*token),
                    _ => None,
                });
                Some(FencedLockOp::Acquire(operation.process, token))
            }
            (Op::Release { .. }, _) => Some(FencedLockOp::Release(operation.process)),
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
