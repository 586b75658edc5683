//! What stands at a bar: the operation and what it saw, in words for the operations of a conflict, with letters for their
//! neighbours.
//!
//! | operation | in words            | with letters   |
//! |-----------|---------------------|----------------|
//! | read      | `read → 3`          | `r → 3`        |
//! | write     | `write 3`           | `w 3`          |
//! | cas       | `cas 1→2 ✗ found 4` | `cas 1→2 ✗ 4`  |
//! | others    | `dequeue → 3`       | the same       |
//!
//! `→` leads to what the store answered, `✗` marks a cas that was compared and refused, `failed` what certainly did
//! not happen.

use history::{Answer, Failure, MicroOp, Op, Operation, Outcome, Value};

use crate::measure::counts::{brief, node_name, shortened};

/// The longest label, characters.
const LABEL_CHARS: usize = 36;
/// The longest value within a label, characters.
const VALUE_CHARS: usize = 24;
/// The longest title, characters.
const TITLE_CHARS: usize = 400;

/// An operation and its answer in words, without its key.
pub(crate) fn in_words(operation: &Operation) -> String {
    label(operation, "read", "write", "found ")
}

/// The same as short as it can be understood.
pub(super) fn with_letters(operation: &Operation) -> String {
    label(operation, "r", "w", "")
}

/// All that is known about an operation, for those who point at its bar.
pub(super) fn title(operation: &Operation, nodes: &[String]) -> String {
    let node = operation.node.map_or_else(String::new, |node| {
        format!(", sent to {}", node_name(nodes, node))
    });
    let key = match operation.op.key() {
        Value::Nil => String::new(),
        key => format!(", key {}", short(key)),
    };
    let ending = match (&operation.outcome, operation.completed_ns) {
        (Outcome::Info(reason), gave_up) => {
            let after = gave_up.map_or_else(String::new, |ns| {
                format!(", the client gave up after {}", took(operation, ns.get()))
            });
            format!("{}: {}{after}", reason.class, reason.message)
        }
        (Outcome::Fail(Failure::Error(reason)), _) => format!("{}: {}", reason.class, reason.message),
        (_, Some(ns)) => format!("answered after {}", took(operation, ns.get())),
        (_, None) => "answered".to_owned(),
    };
    let text = format!(
        "{}{key}{node}: {}, {ending}",
        checker::describe(operation),
        operation.outcome.name()
    );
    shortened(&text, TITLE_CHARS)
}

fn label(operation: &Operation, read: &str, write: &str, found: &str) -> String {
    let answer = match &operation.outcome {
        Outcome::Ok(Answer { value }) => value.as_ref(),
        Outcome::Fail(Failure::Mismatch { current }) => current.as_ref(),
        Outcome::Fail(Failure::Error(_)) | Outcome::Info(_) => None,
    };
    let asked = match &operation.op {
        Op::Read { .. } => read.to_owned(),
        Op::Write { value, .. } => format!("{write} {}", short(value)),
        Op::Cas { expected, new, .. } => format!("cas {}→{}", short(expected), short(new)),
        Op::Append { value, .. } | Op::Add { value, .. } | Op::Enqueue { value, .. } => {
            format!("{} {}", operation.op.kind(), short(value))
        }
        Op::Watch { from, .. } => format!("watch from {from}"),
        Op::Txn { micro_ops, .. } => transaction(micro_ops, answer, read, write),
        Op::Acquire { .. } | Op::Release { .. } | Op::Dequeue { .. } | Op::Generate { .. } => {
            operation.op.kind().to_string()
        }
    };
    let text = match (&operation.outcome, answer) {
        (Outcome::Fail(Failure::Mismatch { .. }), Some(current)) => {
            format!("{asked} ✗ {found}{}", short(current))
        }
        (Outcome::Fail(Failure::Mismatch { .. }), None) => format!("{asked} ✗"),
        (Outcome::Fail(Failure::Error(_)), _) => format!("{asked} failed"),
        // The answers stand at the micro-operations.
        (Outcome::Ok(_), Some(Value::List(_))) if matches!(operation.op, Op::Txn { .. }) => asked,
        (Outcome::Ok(_), Some(value)) => format!("{asked} → {}", short(value)),
        (Outcome::Ok(_), None) | (Outcome::Info(_), _) => asked,
    };
    shortened(&text, LABEL_CHARS)
}

/// `txn(read 1→[4], append 2 5)`
pub(crate) fn transaction(micro_ops: &[MicroOp], answer: Option<&Value>, read: &str, write: &str) -> String {
    let answers = match answer {
        Some(Value::List(answers)) => answers.as_slice(),
        _ => &[],
    };
    let words: Vec<String> = micro_ops
        .iter()
        .enumerate()
        .map(|(place, op)| match (op, answers.get(place)) {
            (MicroOp::Read { key }, Some(value)) => format!("{read} {}→{}", short(key), short(value)),
            (MicroOp::Read { key }, None) => format!("{read} {}", short(key)),
            (MicroOp::Write { key, value }, _) => format!("{write} {} {}", short(key), short(value)),
            (MicroOp::Version { key }, Some(value)) => format!("version {}→{}", short(key), short(value)),
            (MicroOp::Version { key }, None) => format!("version {}", short(key)),
            (MicroOp::Append { key, value }, _) => format!("append {} {}", short(key), short(value)),
        })
        .collect();
    format!("txn({})", words.join(", "))
}

fn short(value: &Value) -> String {
    brief(value, VALUE_CHARS)
}

fn took(operation: &Operation, end_ns: u64) -> String {
    super::axis::duration(end_ns.saturating_sub(operation.invoked_ns) as f64)
}

#[cfg(test)]
mod tests {
    use history::{ErrorClass, Key, OPEN};

    use super::*;

    #[test]
    fn every_operation_has_its_words() {
        let check = |op: Op, outcome: Outcome, words: &str, letters: &str| {
            let operation = Operation {
                process: 3,
                op,
                outcome,
                invoked: 0,
                completed: OPEN,
                invoked_ns: 0,
                completed_ns: None,
                node: None,
            };
            assert_eq!(
                (in_words(&operation), with_letters(&operation)),
                (words.into(), letters.into())
            );
        };
        let key = || Key::Nil;
        let int = Value::Int;
        let cas = || Op::Cas {
            key: key(),
            expected: int(1),
            new: int(2),
        };
        let lost = || Outcome::info(ErrorClass::Timeout, "late");
        let refused = || Outcome::fail(ErrorClass::Rejected, "no");
        check(
            Op::Read { key: key() },
            Outcome::ok_value(int(3)),
            "read → 3",
            "r → 3",
        );
        check(Op::Read { key: key() }, lost(), "read", "r");
        check(
            Op::Write {
                key: key(),
                value: int(3),
            },
            lost(),
            "write 3",
            "w 3",
        );
        check(
            Op::Write {
                key: key(),
                value: int(3),
            },
            refused(),
            "write 3 failed",
            "w 3 failed",
        );
        check(cas(), Outcome::ok(), "cas 1→2", "cas 1→2");
        check(
            cas(),
            Outcome::mismatch(Some(int(4))),
            "cas 1→2 ✗ found 4",
            "cas 1→2 ✗ 4",
        );
        check(cas(), Outcome::mismatch(None), "cas 1→2 ✗", "cas 1→2 ✗");
        let append = Op::Append {
            key: key(),
            value: Value::text("x"),
        };
        check(append, Outcome::ok(), "append \"x\"", "append \"x\"");
        check(
            Op::Dequeue { key: key() },
            Outcome::ok_value(int(7)),
            "dequeue → 7",
            "dequeue → 7",
        );
        check(
            Op::Acquire { key: key() },
            Outcome::ok_value(int(7)),
            "acquire → 7",
            "acquire → 7",
        );
        let txn = Op::Txn {
            key: key(),
            micro_ops: vec![
                MicroOp::Read { key: int(1) },
                MicroOp::Write {
                    key: int(2),
                    value: int(5),
                },
            ],
        };
        let answer = Outcome::ok_value(Value::list(vec![int(4), Value::Nil]));
        check(txn, answer, "txn(read 1→4, write 2 5)", "txn(r 1→4, w 2 5)");
        let long = Op::Write {
            key: key(),
            value: Value::text(&"y".repeat(1000)),
        };
        let shown = format!("write \"{}…", "y".repeat(23));
        check(long, Outcome::ok(), &shown, &shown.replace("write", "w"));
    }
}
