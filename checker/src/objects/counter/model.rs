//! A counter (`counter`).
//!
//! `add(amount)` adds an integer, negative to subtract; what it answers is not looked at. `read` answers with the sum of all
//! that was added so far; nil is 0. An `add` that ended with `info` may take effect at any time after its invocation, or
//! never; a failed one never does. Source: Jepsen's `counter` checker, which only knows bounds; this one is exact.

use history::{History, Op, OpKind, Operation, Outcome, Value};

use crate::Options;
use crate::consistency::sequential;
use crate::engine::frontier::by_frontier;
use crate::model::{Calls, Effect, Model, Recorded};
use crate::objects::{Entry, answer, by_search};
use crate::verdict::{Algorithm, Decision};

pub(crate) const ENTRY: Entry = Entry {
    name: "counter",
    about: "a counter with add and read",
    promise: "linearizable",
    operations: &[OpKind::Add, OpKind::Read],
    per_key: true,
    suits: |_| true,
    initial: || Value::Int(0),
    readable: Some(readable),
    weaken: |history, initial, limits| {
        Ok(sequential(
            &Counter {
                initial: integer(initial).ok_or(WRONG_INITIAL)?,
            },
            true,
            history,
            limits,
        ))
    },
    account: None,
    watch: |initial, limits| {
        let initial = integer(initial).ok_or(WRONG_INITIAL)?;
        Ok(by_frontier(Counter { initial }, limits))
    },
    decide,
};

/// A counter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counter {
    /// Where it begins.
    pub initial: i64,
}

/// What can be done to a [`Counter`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CounterOp {
    /// So much was added.
    Add(i64),
    /// It was seen to stand here.
    Read(i64),
}

impl Model for Counter {
    type Op = CounterOp;
    /// Wide enough for as many additions as a history can hold.
    type State = i128;

    fn init(&self) -> i128 {
        self.initial.into()
    }

    fn apply(&self, state: &mut i128, op: &CounterOp) -> bool {
        match *op {
            CounterOp::Add(amount) => {
                *state += i128::from(amount);
                true
            }
            CounterOp::Read(seen) => *state == i128::from(seen),
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
                Some(CounterOp::Add(integer(value)?))
            }
            (Op::Read { .. }, Outcome::Ok(_)) => Some(CounterOp::Read(integer(answer(operation)?)?)),
            _ => None,
        }
    }
}

fn integer(value: &Value) -> Option<i64> {
    match value {
        Value::Nil => Some(0),
        Value::Int(value) => Some(*value),
        Value::Text(_) | Value::List(_) => None,
    }
}

const WRONG_INITIAL: &str = "a counter begins with an integer";

fn readable(operation: &Operation) -> Result<(), &'static str> {
    let is_readable = match &operation.op {
        Op::Add { value, .. } => integer(value).is_some(),
        _ => answer(operation).is_none_or(|value| integer(value).is_some()),
    };
    is_readable.then_some(()).ok_or("an integer")
}

fn decide(history: &History, indices: &[usize], options: &Options) -> (Decision, Algorithm) {
    let Some(initial) = integer(&options.initial()) else {
        return (Decision::Unknown(WRONG_INITIAL.to_owned()), Algorithm::NONE);
    };
    let counter = Counter { initial };
    let calls = Calls::read(&counter, history, indices);
    if let Some(conflict) = super::exact::out_of_bounds(&counter, history, &calls) {
        return (conflict, Algorithm("counter-bounds"));
    }
    match super::exact::equal_amounts(&counter, history, &calls) {
        Some(decision) => (decision, Algorithm("counter-exact")),
        None => by_search(&counter, history, indices, options),
    }
}
