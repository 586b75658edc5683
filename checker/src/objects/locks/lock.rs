//! A lock with owner (`lock`).
//!
//! `acquire` takes the lock for its process when it is free; `release` gives it back, which only the process
//! that holds it can do. A process that holds it cannot take it again. `try-acquire` that answers `false`
//! found that someone held it. It is free at first. A lock never
//! frees itself: one with leases that expire is no such lock. A `release` that ended with `info` may take
//! effect at any time after its invocation, or never. An `acquire` that ended with `info` retires its
//! process, so no one could ever give the lock back: it is taken not to have happened unless it is the last.
//! A failed one never happened. Source: the `owner-aware-mutex` of Jepsen's Hazelcast tests.

use history::{Op, Operation, Outcome};

use super::tried::{Try, tried};
use crate::engine::publish::Projected;
use crate::model::{Effect, Model, Recorded};

/// A lock with owner, free at first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lock;

/// What a process can do to a [`Lock`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LockOp {
    /// It took the lock.
    Acquire(u32),
    /// It gave the lock back.
    Release(u32),
    /// Someone was found to hold it.
    Held,
}

impl Model for Lock {
    type Op = LockOp;
    /// Who holds it.
    type State = Option<u32>;

    fn init(&self) -> Option<u32> {
        None
    }

    fn apply(&self, holder: &mut Option<u32>, op: &LockOp) -> bool {
        let (needed, next) = match *op {
            LockOp::Held => return holder.is_some(),
            LockOp::Acquire(process) => (None, Some(process)),
            LockOp::Release(process) => (Some(process), None),
        };
        std::mem::replace(holder, next) == needed
    }

    fn effect(&self, op: &LockOp) -> Effect {
        match op {
            LockOp::Held => Effect::Pure,
            LockOp::Acquire(_) | LockOp::Release(_) => Effect::Change,
        }
    }

    fn describe(&self, holder: &Option<u32>) -> Option<String> {
        Some(match holder {
            Some(process) => format!("process {process} holds the lock"),
            None => "the lock is free".to_owned(),
        })
    }
}

/// The parts are the sections, each with its end.
impl Projected for Lock {}

impl Recorded for Lock {
    fn op(&self, operation: &Operation) -> Option<LockOp> {
        match (&operation.op, &operation.outcome) {
            (_, Outcome::Fail(_)) => None,
            (Op::TryAcquire { .. }, _) => match tried(operation) {
                Try::Taken(_) => Some(LockOp::Acquire(operation.process)),
                Try::Held => Some(LockOp::Held),
            },
            (Op::Acquire { .. }, _) => Some(LockOp::Acquire(operation.process)),
            (Op::Release { .. }, _) => Some(LockOp::Release(operation.process)),
            _ => None,
        }
    }
}
