//! One register with read, write and compare-and-set (`register`, `cas-register`).

use history::tell;
use history::{Answer, Failure, Op, Operation, Outcome, Value};

use crate::model::{Effect, Model, Recorded};

/// A register.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Register {
    /// What it holds before the first write.
    pub initial: Value,
}

/// What can be done to a [`Register`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum RegisterOp {
    /// It was seen to hold this: by a read, or by a cas that failed and told what it found.
    Read(Value),
    /// It was seen to hold something else: by a cas that failed and did not tell what it found.
    Not(Value),
    /// It was seen to hold the first value and not the second: impossible where they are equal.
    Found(Value, Value),
    /// It was set to this.
    Write(Value),
    /// It held the first value and was set to the second.
    Cas(Value, Value),
}

impl RegisterOp {
    pub(super) fn values(&self) -> impl Iterator<Item = &Value> {
        let (first, second) = match self {
            RegisterOp::Read(value) | RegisterOp::Not(value) | RegisterOp::Write(value) => (value, None),
            RegisterOp::Found(value, other) | RegisterOp::Cas(value, other) => (value, Some(other)),
        };
        [Some(first), second].into_iter().flatten()
    }
}

impl Model for Register {
    type Op = RegisterOp;
    type State = Value;

    fn init(&self) -> Value {
        self.initial.clone()
    }

    fn apply(&self, state: &mut Value, op: &RegisterOp) -> bool {
        match self.step(state, op) {
            Some(next) => {
                *state = next;
                true
            }
            None => false,
        }
    }

    /// Without a copy of a state that is only looked at: the search asks for nothing as often as for this.
    fn step(&self, state: &Value, op: &RegisterOp) -> Option<Value> {
        let keep = |legal: bool| legal.then(|| state.clone());
        match op {
            RegisterOp::Read(value) => keep(state == value),
            RegisterOp::Not(value) => keep(state != value),
            RegisterOp::Found(value, not) => keep(state == value && state != not),
            RegisterOp::Write(value) => Some(value.clone()),
            RegisterOp::Cas(expected, new) => (state == expected).then(|| new.clone()),
        }
    }

    fn effect(&self, op: &RegisterOp) -> Effect {
        match op {
            RegisterOp::Read(_) | RegisterOp::Not(_) | RegisterOp::Found(..) => Effect::Pure,
            RegisterOp::Write(_) => Effect::Overwrite,
            RegisterOp::Cas(..) => Effect::Change,
        }
    }

    fn describe(&self, state: &Value) -> Option<String> {
        Some(format!("the value is {}", tell::value(state)))
    }
}

impl Recorded for Register {
    fn op(&self, operation: &Operation) -> Option<RegisterOp> {
        match (&operation.op, &operation.outcome) {
            (Op::Read { .. }, Outcome::Ok(Answer { value: Some(value) })) => {
                Some(RegisterOp::Read(value.clone()))
            }
            (Op::Write { value, .. }, Outcome::Ok(_) | Outcome::Info(_)) => {
                Some(RegisterOp::Write(value.clone()))
            }
            (Op::Cas { expected, .. }, Outcome::Fail(Failure::Mismatch { current })) => Some(match current {
                Some(current) if current == expected => RegisterOp::Found(current.clone(), expected.clone()),
                Some(current) => RegisterOp::Read(current.clone()),
                None => RegisterOp::Not(expected.clone()),
            }),
            // It changed nothing, and so it is as good as a read; open it tells nothing.
            (Op::Cas { expected, new, .. }, Outcome::Ok(_)) if expected == new => {
                Some(RegisterOp::Read(new.clone()))
            }
            (Op::Cas { expected, new, .. }, Outcome::Info(_)) if expected == new => None,
            (Op::Cas { expected, new, .. }, Outcome::Ok(_) | Outcome::Info(_)) => {
                Some(RegisterOp::Cas(expected.clone(), new.clone()))
            }
            // An open read may be left out, a read without its value says nothing, and what failed did not
            // happen.
            _ => None,
        }
    }
}
