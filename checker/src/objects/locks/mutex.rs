//! A lock without owner (`mutex`).
//!
//! `acquire` takes the lock when it is free, `release` gives it back when it is taken, whichever process took
//! it. `try-acquire` that answers `false` found it taken. It is free at first. Any of them may, after `info`,
//! take effect at any time after its invocation, or never; a failed one never does. Source: the `mutex` of
//! Knossos' model.clj.

use history::{Op, Operation, Outcome};

use super::tried::{Try, tried};
use crate::model::{Effect, Model, Recorded};

/// A lock without owner, free at first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Mutex;

/// What can be done to a [`Mutex`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MutexOp {
    /// It was taken.
    Acquire,
    /// It was given back.
    Release,
    /// It was found taken.
    Held,
}

impl Model for Mutex {
    type Op = MutexOp;
    /// Whether it is taken.
    type State = bool;

    fn init(&self) -> bool {
        false
    }

    fn apply(&self, is_taken: &mut bool, op: &MutexOp) -> bool {
        let was_taken = *is_taken;
        *is_taken = *op != MutexOp::Release;
        was_taken == (*op != MutexOp::Acquire)
    }

    fn effect(&self, op: &MutexOp) -> Effect {
        match op {
            MutexOp::Held => Effect::Pure,
            MutexOp::Acquire | MutexOp::Release => Effect::Change,
        }
    }
}

impl Recorded for Mutex {
    fn op(&self, operation: &Operation) -> Option<MutexOp> {
        match (&operation.op, &operation.outcome) {
            (_, Outcome::Fail(_)) => None,
            (Op::TryAcquire { .. }, _) => match tried(operation) {
                Try::Taken(_) => Some(MutexOp::Acquire),
                Try::Held => Some(MutexOp::Held),
            },
            (Op::Acquire { .. }, _) => Some(MutexOp::Acquire),
            (Op::Release { .. }, _) => Some(MutexOp::Release),
            _ => None,
        }
    }
}
