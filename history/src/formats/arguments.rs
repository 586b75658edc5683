//! What the value of a Jepsen operation says: its arguments, its key and, in a completion, what was answered.
//!
//! Sources: as of [`super::jepsen`].

use super::functions::Function;
use super::reasons::name;
use crate::{Key, MicroOp, Op, OpKind, Value};

/// Takes a tuple of `jepsen.independent` apart: the key and the rest, which must suit the operation, so that
/// a cas `[old new]` alone and a transaction of two micro-operations are no tuples. A cas may also be written
/// flat, as `[key old new]`.
pub(crate) fn tuple(f: &Function, value: &Value) -> Option<(Key, Value)> {
    let Value::List(parts) = value else { return None };
    match (f, parts.as_slice()) {
        (Function::Op(OpKind::Cas), [key, old, new]) => {
            Some((key.clone(), Value::list(vec![old.clone(), new.clone()])))
        }
        (Function::Op(OpKind::Cas), [key, rest]) if pair(rest).is_some() => Some((key.clone(), rest.clone())),
        (Function::Op(OpKind::Txn), [key, rest]) if is_transaction(rest) => Some((key.clone(), rest.clone())),
        (Function::Op(OpKind::Cas | OpKind::Txn), _) => None,
        (_, [key, rest]) => Some((key.clone(), rest.clone())),
        _ => None,
    }
}

/// The operation that `f` and its value name, and what it answered if this is its completion.
pub(crate) fn operation(f: OpKind, key: Key, value: Option<Value>) -> Result<(Op, Option<Value>), String> {
    let argument = |value: Option<Value>| value.unwrap_or_default();
    Ok(match f {
        OpKind::Read => (Op::Read { key }, value),
        OpKind::Write => (
            Op::Write {
                key,
                value: argument(value),
            },
            None,
        ),
        OpKind::Append => (
            Op::Append {
                key,
                value: argument(value),
            },
            None,
        ),
        OpKind::Add => (
            Op::Add {
                key,
                value: argument(value),
            },
            None,
        ),
        OpKind::Enqueue => (
            Op::Enqueue {
                key,
                value: argument(value),
            },
            None,
        ),
        OpKind::Dequeue => (Op::Dequeue { key }, Some(argument(value))),
        OpKind::Generate => (Op::Generate { key }, value),
        OpKind::Remove => (
            Op::Remove {
                key,
                value: argument(value),
            },
            None,
        ),
        OpKind::Transfer => (
            Op::Transfer {
                key,
                value: argument(value),
            },
            None,
        ),
        OpKind::TryAcquire => (Op::TryAcquire { key }, value),
        // Only a number is a fencing token; harnesses also put the client or the mode there.
        OpKind::Acquire => (
            Op::Acquire { key },
            value.filter(|value| matches!(value, Value::Int(_))),
        ),
        OpKind::Release => (Op::Release { key }, None),
        // Invoked with [from nil], answered with [from [through changes]].
        OpKind::Watch => match value.as_ref().and_then(pair) {
            Some((&Value::Int(from), heard)) => (Op::Watch { key, from }, Some(heard.clone())),
            _ => {
                let value = argument(value);
                return Err(format!(
                    "the value of a watch must be [from-revision [through-revision changes]], not {value}"
                ));
            }
        },
        OpKind::Cas => match value.as_ref().and_then(pair) {
            Some((expected, new)) => {
                let (expected, new) = (expected.clone(), new.clone());
                (Op::Cas { key, expected, new }, None)
            }
            None => {
                let value = argument(value);
                return Err(format!("the value of a cas must be [expected new], not {value}"));
            }
        },
        OpKind::Txn => {
            let Some(Value::List(steps)) = &value else {
                let value = argument(value);
                return Err(format!(
                    "the value of a txn must be a list of micro-operations, not {value}"
                ));
            };
            let mut micro_ops = Vec::with_capacity(steps.len());
            let mut answers = Vec::with_capacity(steps.len());
            for step in steps.iter() {
                let (micro_op, answer) = micro_operation(step)
                    .ok_or_else(|| format!("unknown micro-operation {step} (known: [r key value], [w key value], [append key value], [version key value])"))?;
                micro_ops.push(micro_op);
                answers.push(answer);
            }
            (Op::Txn { key, micro_ops }, Some(Value::list(answers)))
        }
    })
}

pub(crate) fn pair(value: &Value) -> Option<(&Value, &Value)> {
    match value {
        Value::List(values) => match values.as_slice() {
            [first, second] => Some((first, second)),
            _ => None,
        },
        _ => None,
    }
}

/// A micro-operation and what it answered.
fn micro_operation(step: &Value) -> Option<(MicroOp, Value)> {
    let Value::List(parts) = step else { return None };
    let (Some(name), Some(key), true) = (parts.first().and_then(name), parts.get(1), parts.len() <= 3) else {
        return None;
    };
    let (key, value) = (key.clone(), parts.get(2).cloned());
    match name {
        "r" | "read" => Some((MicroOp::Read { key }, value.unwrap_or_default())),
        "w" | "write" => Some((MicroOp::Write { key, value: value? }, Value::Nil)),
        "version" => Some((MicroOp::Version { key }, value.unwrap_or_default())),
        "append" => Some((MicroOp::Append { key, value: value? }, Value::Nil)),
        _ => None,
    }
}

/// Whether `value` is a list of micro-operations, at least one.
pub(crate) fn is_transaction(value: &Value) -> bool {
    match value {
        Value::List(steps) => !steps.is_empty() && steps.iter().all(|step| micro_operation(step).is_some()),
        _ => false,
    }
}

/// What a completion says beyond its invocation. What was asked counts; only what was left open there is
/// taken from the completion (`knossos.history/complete`). An answer such as "OK", true or a new total is not
/// what was asked.
///
/// `false` if the completion says something else than the invocation.
pub(crate) fn complete(invoked: &mut Op, completed: Option<Op>) -> bool {
    let Some(completed) = completed else { return false };
    let fill = |invoked: &mut Value, told: Value| match invoked.is_nil() {
        true => {
            *invoked = told;
            true
        }
        false => told.is_nil() || *invoked == told,
    };
    match (invoked, completed) {
        (Op::Write { value, .. }, Op::Write { value: told, .. })
        | (Op::Append { value, .. }, Op::Append { value: told, .. })
        | (Op::Add { value, .. }, Op::Add { value: told, .. })
        | (Op::Remove { value, .. }, Op::Remove { value: told, .. })
        | (Op::Transfer { value, .. }, Op::Transfer { value: told, .. })
        | (Op::Enqueue { value, .. }, Op::Enqueue { value: told, .. }) => fill(value, told),
        (
            Op::Cas { expected, new, .. },
            Op::Cas {
                expected: told,
                new: new_told,
                ..
            },
        ) => match expected.is_nil() && new.is_nil() {
            true => {
                (*expected, *new) = (told, new_told);
                true
            }
            false => *expected == told && *new == new_told,
        },
        (Op::Txn { micro_ops, .. }, Op::Txn { micro_ops: told, .. }) => {
            let mut is_same = micro_ops.len() == told.len();
            for (asked, told) in micro_ops.iter_mut().zip(told) {
                let is_same_target = std::mem::discriminant(asked) == std::mem::discriminant(&told)
                    && asked.key() == told.key();
                is_same &= is_same_target
                    && match (asked, told) {
                        (MicroOp::Write { value, .. }, MicroOp::Write { value: told, .. })
                        | (MicroOp::Append { value, .. }, MicroOp::Append { value: told, .. }) => {
                            fill(value, told)
                        }
                        _ => true,
                    };
            }
            is_same
        }
        _ => true,
    }
}
