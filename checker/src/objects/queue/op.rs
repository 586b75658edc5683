//! What can be done to a queue, whether it has an order or not.

use history::{Op, Operation, Outcome, Value};

use crate::model::{Effect, answer};
use crate::objects::set::elements;

/// What can be done to a queue.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum QueueOp {
    /// This was put in.
    Enqueue(Value),
    /// This was taken out.
    Dequeue(Value),
    /// It was seen to be empty.
    Empty,
    /// Something was taken out, if there was something: no one knows what.
    Take,
}

impl QueueOp {
    pub(crate) fn effect(&self) -> Effect {
        match self {
            QueueOp::Empty => Effect::Pure,
            _ => Effect::Change,
        }
    }

    /// What remains if nothing but `parts` is ever put in. What was taken out may have been anything.
    pub(crate) fn project(&self, parts: &[Value]) -> Option<QueueOp> {
        match self {
            QueueOp::Enqueue(value) | QueueOp::Dequeue(value) => parts.contains(value).then(|| self.clone()),
            QueueOp::Empty | QueueOp::Take => Some(self.clone()),
        }
    }

    /// The operation that was recorded.
    pub(crate) fn recorded(operation: &Operation) -> Option<QueueOp> {
        match (&operation.op, &operation.outcome) {
            (_, Outcome::Fail(_)) => None,
            (Op::Enqueue { value, .. }, _) => Some(QueueOp::Enqueue(value.clone())),
            (Op::Dequeue { .. }, _) => Some(match answer(operation) {
                None => QueueOp::Take,
                Some(Value::Nil) => QueueOp::Empty,
                Some(value) => QueueOp::Dequeue(value.clone()),
            }),
            _ => None,
        }
    }
}

/// What a queue holds at first.
pub(super) fn initial_values(initial: &Value) -> Result<&[Value], &'static str> {
    elements(initial).ok_or("a queue begins with a list of values")
}

/// Nil stands for an empty queue.
pub(super) fn readable(operation: &Operation) -> Result<(), &'static str> {
    match &operation.op {
        Op::Enqueue { value, .. } if value.is_nil() => Err("a value that is not nil"),
        _ => Ok(()),
    }
}
