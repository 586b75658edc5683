//! A lock without owner (`mutex`).
//!
//! `acquire` takes the lock when it is free, `release` gives it back when it is taken, whichever process took
//! it. It is free at first. Either may, after `info`, take effect at any time after its invocation, or never;
//! a failed one never does. Source: the `mutex` of Knossos' model.clj.

use history::{Op, Operation, Outcome};

use crate::model::{Model, Recorded};

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
}

impl Model for Mutex {
    type Op = MutexOp;
    /// Whether it is taken.
    type State = bool;

    fn init(&self) -> bool {
        false
    }

    fn apply(&self, is_taken: &mut bool, op: &MutexOp) -> bool {
        let is_legal = *is_taken == (*op == MutexOp::Release);
        *is_taken = !*is_taken;
        is_legal
    }
}

impl Recorded for Mutex {
    fn op(&self, operation: &Operation) -> Option<MutexOp> {
        match (&operation.op, &operation.outcome) {
            (_, Outcome::Fail(_)) => None,
            (Op::Acquire { .. }, _) => Some(MutexOp::Acquire),
            (Op::Release { .. }, _) => Some(MutexOp::Release),
            _ => None,
        }
    }
}
