//! A lock that its holder can take again (`reentrant-lock`).
//!
//! `acquire` takes the lock for its process when it is free or when the process holds it already; `release`
//! gives back one taking of its own, and the last of them frees the lock. `try-acquire` that answers `false`
//! found it held: by another process, or by its own as often as a lock may allow. Where takings answer with
//! tokens, integers, one that found the lock free gets a greater one than any before, and one by the holder
//! none that is smaller than its last. What ended with `info` may take effect at any time after its
//! invocation, or never; what failed never does. Source: Hazelcast's `FencedLock` and `ReentrantLock`, and
//! the reentrant mutexes of Jepsen's tests of them.

use history::{Op, OpKind, Operation, Outcome, Value};

use crate::engine::publish::Projected;
use crate::model::{Effect, Model, Recorded, answer};
use crate::objects::locks::{Try, is_tried, tried};

/// A lock that its holder can take again; free at first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReentrantLock;

/// What a process can do to a [`ReentrantLock`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ReentrantLockOp {
    /// It took the lock, once more if it held it, and got this token, where it is known.
    Acquire(u32, Option<i64>),
    /// It gave one taking back.
    Release(u32),
    /// The lock was found held.
    Held,
}

impl ReentrantLockOp {
    /// Who holds more or less after it.
    pub(super) fn process(self) -> Option<u32> {
        match self {
            ReentrantLockOp::Acquire(process, _) | ReentrantLockOp::Release(process) => Some(process),
            ReentrantLockOp::Held => None,
        }
    }
}

/// Who holds a [`ReentrantLock`] how many times, and the smallest token that was given out last can have
/// been.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ReentrantLockState {
    holder: Option<(u32, u32)>,
    last_token: i128,
}

impl Model for ReentrantLock {
    type Op = ReentrantLockOp;
    type State = ReentrantLockState;

    fn init(&self) -> ReentrantLockState {
        ReentrantLockState {
            holder: None,
            // Below every token, with room for those that no one saw.
            last_token: i128::MIN,
        }
    }

    fn apply(&self, state: &mut ReentrantLockState, op: &ReentrantLockOp) -> bool {
        match (*op, state.holder) {
            (ReentrantLockOp::Acquire(process, token), None) => {
                let lowest = state.last_token + 1;
                state.holder = Some((process, 1));
                state.last_token = token.map_or(lowest, i128::from);
                state.last_token >= lowest
            }
            (ReentrantLockOp::Acquire(process, token), Some((holder, times))) => {
                let lowest = state.last_token;
                state.holder = Some((holder, times + 1));
                state.last_token = token.map_or(lowest, i128::from);
                holder == process && state.last_token >= lowest
            }
            (ReentrantLockOp::Release(process), Some((holder, times))) => {
                state.holder = (times > 1).then_some((holder, times - 1));
                holder == process
            }
            (ReentrantLockOp::Held, holder) => holder.is_some(),
            (ReentrantLockOp::Release(_), None) => false,
        }
    }

    fn effect(&self, op: &ReentrantLockOp) -> Effect {
        match op {
            ReentrantLockOp::Held => Effect::Pure,
            ReentrantLockOp::Acquire(..) | ReentrantLockOp::Release(_) => Effect::Change,
        }
    }

    fn describe(&self, state: &ReentrantLockState) -> Option<String> {
        Some(match state.holder {
            Some((process, 1)) => format!("process {process} holds the lock"),
            Some((process, times)) => format!("process {process} holds the lock {times} times over"),
            None => "the lock is free".to_owned(),
        })
    }
}

/// The parts are the processes. Also the first taking and the last release of each section are one.
impl Projected for ReentrantLock {
    fn project(&self, op: &ReentrantLockOp, parts: &[Value]) -> Option<ReentrantLockOp> {
        let process = Value::Int(i64::from(op.process()?));
        parts.contains(&process).then_some(*op)
    }
}

impl Recorded for ReentrantLock {
    fn op(&self, operation: &Operation) -> Option<ReentrantLockOp> {
        let process = operation.process;
        match (&operation.op, &operation.outcome) {
            (_, Outcome::Fail(_)) => None,
            (Op::TryAcquire { .. }, _) => match tried(operation) {
                Try::Taken(token) => Some(ReentrantLockOp::Acquire(process, token)),
                Try::Held => Some(ReentrantLockOp::Held),
            },
            (Op::Acquire { .. }, _) => {
                let token = answer(operation).and_then(|token| match token {
                    Value::Int(token) => Some(*token),
                    _ => None,
                });
                Some(ReentrantLockOp::Acquire(process, token))
            }
            (Op::Release { .. }, _) => Some(ReentrantLockOp::Release(process)),
            _ => None,
        }
    }
}

pub(super) fn readable(operation: &Operation) -> Result<(), &'static str> {
    let is_token = operation.op.kind() != OpKind::Acquire
        || answer(operation).is_none_or(|token| matches!(token, Value::Int(_) | Value::Nil));
    is_token.then_some(()).ok_or("an integer token")?;
    is_tried(operation)
}
