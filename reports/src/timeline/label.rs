//! All that is known about an operation, for those who point at its bar.

use history::tell::{self, cut};
use history::units::duration;
use history::{Failure, Operation, Outcome, Times, Value};

/// The longest key within a title, characters.
const KEY_CHARS: usize = 24;
/// The longest title, characters.
const TITLE_CHARS: usize = 400;

/// All that is known about an operation, for those who point at its bar.
pub(super) fn title(operation: &Operation, nodes: &[String], times: Times) -> String {
    let node = operation.node.map_or_else(String::new, |node| {
        format!(", sent to {}", tell::node(nodes, node))
    });
    let key = match operation.op.key() {
        Value::Nil => String::new(),
        key => format!(", key {}", cut(key, KEY_CHARS)),
    };
    let ending = match (&operation.outcome, operation.completed_ns) {
        (Outcome::Info(reason), gave_up) => {
            let after = gave_up
                .filter(|_| times == Times::Recorded)
                .map_or_else(String::new, |ns| {
                    format!(", the client gave up after {}", took(operation, ns.get()))
                });
            format!("{}: {}{after}", reason.class, reason.message)
        }
        (Outcome::Fail(Failure::Error(reason)), _) => format!("{}: {}", reason.class, reason.message),
        (_, Some(ns)) if times == Times::Recorded => format!("answered after {}", took(operation, ns.get())),
        (_, _) => "answered".to_owned(),
    };
    let text = format!(
        "{}{key}{node}: {}, {ending}",
        tell::long(operation, times),
        operation.outcome.name()
    );
    cut(&text, TITLE_CHARS)
}

fn took(operation: &Operation, end_ns: u64) -> String {
    duration(end_ns.saturating_sub(operation.invoked_ns))
}
