//! A counter (`counter`).
//!
//! `add(amount)` adds an integer, negative to subtract; what it answers is not looked at. `read` answers with
//! the sum of all that was added so far; nil is 0. An `add` that ended with `info` may take effect at any
//! time after its invocation, or never; a failed one never does. Source: Jepsen's `counter` checker, which
//! only knows bounds; this one is exact.

use history::{Op, Operation, Outcome, Value};

use crate::model::{Effect, Model, Recorded, answer, is_integer};

/// A counter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counter {
    /// Where it begins.
    pub initial: i128,
}

/// What can be done to a [`Counter`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CounterOp {
    /// So much was added.
    Add(i64),
    /// It was seen to stand here.
    Read(i128),
}

impl Model for Counter {
    type Op = CounterOp;
    /// Wide enough for as many additions as a history can hold.
    type State = i128;

    fn init(&self) -> i128 {
        self.initial
    }

    fn apply(&self, state: &mut i128, op: &CounterOp) -> bool {
        match *op {
            CounterOp::Add(amount) => {
                *state += i128::from(amount);
                true
            }
            CounterOp::Read(seen) => *state == seen,
        }
    }

    fn effect(&self, op: &CounterOp) -> Effect {
        match op {
            CounterOp::Add(0) | CounterOp::Read(_) => Effect::Pure,
            CounterOp::Add(_) => Effect::Change,
        }
    }

    fn describe(&self, state: &Self::State) -> Option<String> {
        Some(format!("the count is {state}"))
    }
}

impl Recorded for Counter {
    fn op(&self, operation: &Operation) -> Option<CounterOp> {
        match (&operation.op, &operation.outcome) {
            (Op::Add { value, .. }, Outcome::Ok(_) | Outcome::Info(_)) => {
                Some(CounterOp::Add(amount(value)?))
            }
            (Op::Read { .. }, Outcome::Ok(_)) => Some(CounterOp::Read(count(answer(operation)?)?)),
            _ => None,
        }
    }
}

/// What can be added at once.
pub(crate) fn amount(value: &Value) -> Option<i64> {
    match value {
        Value::Nil => Some(0),
        Value::Int(value) => Some(*value),
        _ => None,
    }
}

/// Where a counter can stand. Many additions of 64 bits go beyond 64 bits; none go as far as [`FARTHEST`],
/// which stands for everything beyond it.
pub(crate) fn count(value: &Value) -> Option<i128> {
    let Value::Form(form) = value else {
        return amount(value).map(i128::from);
    };
    if !is_integer(value) {
        return None;
    }
    let farthest = if form.starts_with('-') {
        -FARTHEST
    } else {
        FARTHEST
    };
    Some(form.parse().unwrap_or(farthest).clamp(-FARTHEST, FARTHEST))
}

/// Farther than as many additions of 64 bits go as memory holds.
const FARTHEST: i128 = 1 << 120;

pub(crate) const WRONG_INITIAL: &str = "a counter begins with an integer";

pub(super) fn readable(operation: &Operation) -> Result<(), &'static str> {
    let is_readable = match &operation.op {
        Op::Add { value, .. } => amount(value).is_some(),
        _ => answer(operation).is_none_or(|value| count(value).is_some()),
    };
    is_readable.then_some(()).ok_or("an integer")
}
