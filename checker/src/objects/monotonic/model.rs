//! A source of growing numbers (`monotonic`).
//!
//! `generate` answers with an integer that is greater than every one that was given out or read before it, in
//! real time; `read` with the latest, which is none that is smaller. Numbers need not be consecutive, and the
//! first may be any that is greater than the initial one. What ended with `info` or without an answer tells
//! nothing. Source: the timestamp oracle of D. Peng and F. Dabek, "Large-scale incremental processing using
//! distributed transactions and notifications", OSDI 2010, section 2.3, and the `monotonic` workloads of
//! Jepsen's tests of CockroachDB and FaunaDB.

use history::{Op, Operation, Value};

use crate::model::{Model, Recorded, answer, is_integer};

/// A source of growing numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Monotonic {
    /// What all that is given out exceeds; `None` for nothing.
    pub initial: Option<i128>,
}

/// What a [`Monotonic`] answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MonotonicOp {
    /// A new number.
    Generate(i128),
    /// The latest one.
    Read(i128),
}

impl MonotonicOp {
    pub(super) fn number(self) -> i128 {
        match self {
            MonotonicOp::Generate(number) | MonotonicOp::Read(number) => number,
        }
    }
}

impl Model for Monotonic {
    type Op = MonotonicOp;
    /// The greatest number so far.
    type State = Option<i128>;

    fn init(&self) -> Option<i128> {
        self.initial
    }

    fn apply(&self, state: &mut Option<i128>, op: &MonotonicOp) -> bool {
        let last = state.replace(op.number());
        last.is_none_or(|last| match *op {
            MonotonicOp::Generate(number) => last < number,
            MonotonicOp::Read(number) => last <= number,
        })
    }

    fn describe(&self, state: &Option<i128>) -> Option<String> {
        state.map(|last| format!("the latest number is {last}"))
    }
}

/// Every operation is a part of its own: what is left of numbers that grow grows.
impl crate::engine::publish::Projected for Monotonic {}

impl Recorded for Monotonic {
    fn op(&self, operation: &Operation) -> Option<MonotonicOp> {
        let number = number(answer(operation)?)?;
        match operation.op {
            Op::Generate { .. } => Some(MonotonicOp::Generate(number)),
            Op::Read { .. } => Some(MonotonicOp::Read(number)),
            _ => None,
        }
    }
}

/// An integer of whatever size, as far as there is room for it.
pub(super) fn number(value: &Value) -> Option<i128> {
    match value {
        Value::Int(number) => Some(i128::from(*number)),
        Value::Form(form) if is_integer(value) => form.parse().ok(),
        _ => None,
    }
}

pub(super) fn readable(operation: &Operation) -> Result<(), &'static str> {
    let is_readable = answer(operation).is_none_or(|value| value.is_nil() || number(value).is_some());
    is_readable.then_some(()).ok_or("an integer")
}
