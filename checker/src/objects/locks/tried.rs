//! What trying to take a lock was answered.

use history::{Op, Operation, Value};

use crate::model::answer;

/// The answer to a `try-acquire`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Try {
    /// The lock was taken, with this token if one was told.
    Taken(Option<i64>),
    /// Someone held it.
    Held,
}

/// What an attempt that did not fail was answered. One of unknown outcome that took nothing changed nothing
/// either, so it stands for a taking that may have happened.
pub(crate) fn tried(operation: &Operation) -> Try {
    match answer(operation) {
        Some(Value::Int(token)) => Try::Taken(Some(*token)),
        Some(value) if *value == Value::boolean(false) => Try::Held,
        _ => Try::Taken(None),
    }
}

/// Whether an attempt says whether it took the lock.
pub(crate) fn is_tried(operation: &Operation) -> Result<(), &'static str> {
    let is_readable = match (&operation.op, operation.outcome.is_answer()) {
        (Op::TryAcquire { .. }, true) => answer(operation).is_some_and(|value| {
            matches!(value, Value::Int(_)) || [true, false].map(Value::boolean).contains(value)
        }),
        _ => true,
    };
    is_readable.then_some(()).ok_or("true, false or a token")
}
