//! Models: what an object does when nobody else is there.

use std::hash::Hash;

use history::{Answer, Failure, Op, Operation, Outcome, Value};

/// What an operation can do to the state, given its outcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// It did nothing and tells nothing: it takes no part in the judgement.
    None,
    /// It leaves the state unchanged in *every* state in which it is legal.
    ///
    /// A write of the value that a register already holds is not of this kind: it may be needed later, after
    /// another write.
    Pure,
    /// It may change the state.
    Change,
}

/// A sequential object.
///
/// Operations whose outcome is `info` may be left out of a linearization; every other operation that is not
/// [`Effect::None`] stands in it once.
pub trait Model {
    /// What the object holds.
    type State: Clone + Eq + Hash;

    /// What it holds at first.
    fn init(&self) -> Self::State;

    /// What it holds after `operation`, or `None` if the operation's outcome is impossible in `state`. With the
    /// outcome `info` it is what the object holds after the operation took effect; `None` if it would have none.
    fn step(&self, state: &Self::State, operation: &Operation) -> Option<Self::State>;

    /// What `operation` can do, in any state.
    fn effect(&self, operation: &Operation) -> Effect;
}

/// A register with read, write and compare-and-set.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Register {
    /// What it holds before the first write.
    pub initial: Value,
}

impl Model for Register {
    type State = Value;

    fn init(&self) -> Value {
        self.initial.clone()
    }

    fn step(&self, state: &Value, operation: &Operation) -> Option<Value> {
        let keep = |legal: bool| legal.then(|| state.clone());
        match (&operation.op, &operation.outcome) {
            (Op::Read { .. }, Outcome::Ok(Answer { value: Some(value) })) => keep(value == state),
            (Op::Read { .. }, _) => keep(true),
            (Op::Write { value, .. }, Outcome::Ok(_) | Outcome::Info(_)) => Some(value.clone()),
            (Op::Cas { expected, new, .. }, Outcome::Ok(_) | Outcome::Info(_)) => {
                (expected == state).then(|| new.clone())
            }
            (Op::Cas { expected, .. }, Outcome::Fail(Failure::Mismatch { current })) => {
                keep(expected != state && current.as_ref().is_none_or(|current| current == state))
            }
            (Op::Write { .. } | Op::Cas { .. }, Outcome::Fail(_)) => keep(true),
            _ => None,
        }
    }

    fn effect(&self, operation: &Operation) -> Effect {
        match (&operation.op, &operation.outcome) {
            (Op::Read { .. }, Outcome::Ok(Answer { value: Some(_) })) => Effect::Pure,
            // An open read may be left out, and a read without its value says nothing.
            (Op::Read { .. }, _) => Effect::None,
            (Op::Cas { .. }, Outcome::Fail(Failure::Mismatch { .. })) => Effect::Pure,
            (Op::Write { .. } | Op::Cas { .. }, Outcome::Fail(_)) => Effect::None,
            (Op::Cas { expected, new, .. }, Outcome::Ok(_)) if expected == new => Effect::Pure,
            (Op::Cas { expected, new, .. }, Outcome::Info(_)) if expected == new => Effect::None,
            _ => Effect::Change,
        }
    }
}
