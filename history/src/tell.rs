//! How an operation, a value and a node are put into words: one way for every sentence, table and picture.
//!
//! ```text
//! long                                                         short                letters
//! process 12's read of 41 (5201.100–5203.000 ms)               read → 41            r → 41
//! process 3's write of 7 of unknown outcome (from …)           write 7              w 7
//! process 3's failed cas from 1 to 2, which found 4 (…)        cas 1→2 ✗ found 4    cas 1→2 ✗ 4
//! process 3's dequeue that answered 3 (…)                      dequeue → 3          dequeue → 3
//! ```
//!
//! In the short forms `→` leads to what the store answered, `✗` marks a cas that was compared and refused,
//! and `failed` an operation that certainly did not happen.

use std::fmt::{self, Write};
use std::io;

use serde::Serialize;

use crate::units::{exact_time_ms, time_ms};
use crate::{Answer, Failure, MicroOp, OPEN, Op, OpKind, Operation, Outcome, Times, Value};

/// The longest short form, characters.
const SHORT_CHARS: usize = 36;
/// The longest value within a short form, characters.
const SHORT_VALUE_CHARS: usize = 24;

/// An operation as a noun phrase: who, what, with which answer, when (milliseconds since the run's start, or
/// the places of its events where no times are known). It does not name the key.
pub fn long(operation: &Operation, times: Times) -> String {
    let when = match times {
        Times::Recorded => when(operation),
        Times::Places => places(operation),
    };
    format!("process {}'s {} ({when})", operation.process, what(operation))
}

/// An operation and its answer as a label, without its key: `read → 3`.
pub fn short(operation: &Operation) -> String {
    cut(&filled(operation, &SHORT, short_value), SHORT_CHARS)
}

/// The same in full length, with long values as in [`value`].
pub fn uncut(operation: &Operation) -> String {
    filled(operation, &SHORT, value)
}

/// As short as can be understood: `r → 3`.
pub fn letters(operation: &Operation) -> String {
    cut(&filled(operation, &LETTERS, short_value), SHORT_CHARS)
}

/// A transaction with what each of its reads answered, as the short form has it: `txn(read 1→[4], append 2
/// 5)`.
pub fn transaction(micro_ops: &[MicroOp], answer: Option<&Value>) -> String {
    short_transaction(micro_ops, answer, SHORT.verbs, short_value)
}

/// What the operating system says about an error, without its number.
pub fn plain(error: &io::Error) -> String {
    let text = error.to_string();
    match (text.rfind(" (os error "), text.ends_with(')')) {
        (Some(at), true) => text[..at].to_owned(),
        _ => text,
    }
}

/// A value: long lists and texts by their two ends and their length.
pub fn value(value: &Value) -> String {
    /// So many elements or letters are shown at each end of a longer value.
    const SHOWN: usize = 8;
    let list = |values: &[Value]| values.iter().map(self::value).collect::<Vec<_>>().join(" ");
    let pair = |(name, held): &(Value, Value)| format!("{} {}", self::value(name), self::value(held));
    let map = |pairs: &[(Value, Value)]| pairs.iter().map(pair).collect::<Vec<_>>().join(", ");
    let open = if matches!(value, Value::Set(_)) {
        ("#{", '}')
    } else {
        ("[", ']')
    };
    match value {
        Value::List(values) | Value::Set(values) if values.len() > 3 * SHOWN => {
            let (head, tail) = (&values[..SHOWN], &values[values.len() - SHOWN..]);
            let (begin, end) = open;
            format!(
                "{begin}{} … {}{end} ({} elements)",
                list(head),
                list(tail),
                values.len()
            )
        }
        Value::List(values) | Value::Set(values) => format!("{}{}{}", open.0, list(values), open.1),
        Value::Map(pairs) if pairs.len() > 2 * SHOWN => {
            let (head, tail) = (&pairs[..SHOWN], &pairs[pairs.len() - SHOWN..]);
            format!("{{{} … {}}} ({} names)", map(head), map(tail), pairs.len())
        }
        Value::Map(pairs) => format!("{{{}}}", map(pairs)),
        Value::Text(text) if text.chars().count() > 8 * SHOWN => {
            let letters: Vec<char> = text.chars().collect();
            let head: String = letters[..3 * SHOWN].iter().collect();
            let tail: String = letters[letters.len() - 3 * SHOWN..].iter().collect();
            format!("\"{head}…{tail}\" ({} letters)", letters.len())
        }
        _ => value.to_string(),
    }
}

/// The name of a node that events know by its index in the test's list.
pub fn node(nodes: &[String], index: u16) -> String {
    let name = nodes.get(usize::from(index)).cloned();
    name.unwrap_or_else(|| format!("node {index}"))
}

/// The first `most` characters of what something says. The rest is not even written out: a set can hold
/// thousands.
pub fn cut(text: &(impl fmt::Display + ?Sized), most: usize) -> String {
    struct Cut {
        text: String,
        left: usize,
    }
    impl Write for Cut {
        fn write_str(&mut self, text: &str) -> fmt::Result {
            for letter in text.chars() {
                if self.left == 0 {
                    self.text.push('…');
                    return Err(fmt::Error);
                }
                self.left -= 1;
                self.text.push(letter);
            }
            Ok(())
        }
    }
    let mut cut = Cut {
        text: String::new(),
        left: most,
    };
    // It fails as soon as it is full, which is how the rest is left out.
    let _ = write!(cut, "{text}");
    cut.text
}

/// With a capital letter, for the start of a sentence.
pub fn capitalized(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(char::to_uppercase);
    first.into_iter().flatten().chain(letters).collect()
}

fn what(operation: &Operation) -> String {
    let open = if operation.outcome.is_info() {
        " of unknown outcome"
    } else {
        ""
    };
    match (&operation.op, &operation.outcome) {
        (Op::Read { .. }, Outcome::Ok(Answer { value: Some(seen) })) => format!("read of {}", value(seen)),
        (Op::Read { .. }, Outcome::Fail(_)) => "failed read".to_owned(),
        (Op::Read { .. }, _) => format!("read{open}"),
        (Op::Write { value: new, .. }, Outcome::Fail(_)) => format!("failed write of {}", value(new)),
        (Op::Write { value: new, .. }, _) => format!("write of {}{open}", value(new)),
        (Op::Cas { expected, new, .. }, outcome) => {
            let cas = format!("cas from {} to {}", value(expected), value(new));
            match outcome {
                Outcome::Fail(Failure::Mismatch {
                    current: Some(current),
                }) => format!("failed {cas}, which found {}", value(current)),
                Outcome::Fail(_) => format!("failed {cas}"),
                _ => format!("{cas}{open}"),
            }
        }
        (op, outcome) => {
            let failed = if matches!(outcome, Outcome::Fail(_)) {
                "failed "
            } else {
                ""
            };
            let answer = match (op, outcome) {
                // The answers stand at the micro-operations.
                (
                    Op::Txn { micro_ops, .. },
                    Outcome::Ok(Answer {
                        value: Some(Value::List(answers)),
                    }),
                ) => {
                    return long_transaction(micro_ops, answers);
                }
                (_, Outcome::Ok(Answer { value: Some(seen) })) => format!(" that answered {}", value(seen)),
                _ => String::new(),
            };
            format!("{failed}{}{answer}{open}", call(op))
        }
    }
}

/// What is called, without the key.
fn call(op: &Op) -> String {
    match op {
        Op::Append { value: new, .. }
        | Op::Add { value: new, .. }
        | Op::Remove { value: new, .. }
        | Op::Transfer { value: new, .. }
        | Op::Enqueue { value: new, .. } => format!("{} of {}", op.kind(), value(new)),
        Op::Watch { from, .. } => format!("watch from {from}"),
        Op::Txn { micro_ops, .. } => long_transaction(micro_ops, &[]),
        _ => op.kind().to_string(),
    }
}

/// `txn(read 1 → [4], append 2 5)`
fn long_transaction(micro_ops: &[MicroOp], answers: &[Value]) -> String {
    let micro = |(place, micro): (usize, &MicroOp)| {
        let key = value(micro.key());
        let answer = answers
            .get(place)
            .map_or_else(String::new, |seen| format!(" → {}", value(seen)));
        match micro {
            MicroOp::Read { .. } => format!("read {key}{answer}"),
            MicroOp::Version { .. } => format!("version {key}{answer}"),
            MicroOp::Write { value: new, .. } => format!("write {key} {}", value(new)),
            MicroOp::Append { value: new, .. } => format!("append {key} {}", value(new)),
        }
    };
    let words: Vec<String> = micro_ops.iter().enumerate().map(micro).collect();
    format!("txn({})", words.join(", "))
}

fn when(operation: &Operation) -> String {
    /// What takes less than this is not to be told in microseconds.
    const BRIEF_NS: u64 = 1_000;
    let from_ns = operation.invoked_ns;
    match operation.completed_ns.map(u64::from) {
        Some(end_ns) if operation.completed != OPEN => match end_ns.saturating_sub(from_ns) {
            0..BRIEF_NS if end_ns < 1_000_000 => format!("{from_ns}–{end_ns} ns"),
            0..BRIEF_NS => format!("{}–{} ms", exact_time_ms(from_ns), exact_time_ms(end_ns)),
            _ => format!("{}–{} ms", time_ms(from_ns), time_ms(end_ns)),
        },
        _ if (1..BRIEF_NS).contains(&from_ns) => format!("from {from_ns} ns, no answer"),
        _ => format!("from {} ms, no answer", time_ms(from_ns)),
    }
}

/// Between which events it ran.
fn places(operation: &Operation) -> String {
    let from = Times::place(operation.invoked_ns);
    match operation.completed_ns {
        Some(end_ns) if operation.completed != OPEN => {
            format!("events {from}–{}", Times::place(end_ns.get()))
        }
        _ => format!("from event {from}, no answer"),
    }
}

/// How a short form is put together; each `{}` stands for a value. A page with too many operations to carry a
/// label for each fills in the values by itself.
#[derive(Clone, Debug, Serialize)]
pub struct Form {
    /// What is called, in the order of [`OpKind::ALL`], with a `{}` for each argument. The one argument of a
    /// transaction is [all of it](transaction).
    called: [&'static str; OpKind::ALL.len()],
    /// A call with the answer to it.
    answered: &'static str,
    /// A cas that was compared and refused.
    refused: &'static str,
    /// The same with what it found.
    refused_with: &'static str,
    /// A call that certainly did not happen.
    failed: &'static str,
    /// The verbs of reads and writes within a transaction.
    #[serde(skip)]
    verbs: [&'static str; 2],
}

/// The form of [`short`].
pub const SHORT: Form = Form {
    called: [
        "read",
        "write {}",
        "cas {}→{}",
        "append {}",
        "add {}",
        "remove {}",
        "acquire",
        "try-acquire",
        "release",
        "enqueue {}",
        "dequeue",
        "transfer {}",
        "generate",
        "watch from {}",
        "{}",
    ],
    answered: "{} → {}",
    refused: "{} ✗",
    refused_with: "{} ✗ found {}",
    failed: "{} failed",
    verbs: ["read", "write"],
};

/// The form of [`letters`].
pub const LETTERS: Form = Form {
    called: {
        let mut called = SHORT.called;
        (called[OpKind::Read as usize], called[OpKind::Write as usize]) = ("r", "w {}");
        called
    },
    refused_with: "{} ✗ {}",
    verbs: ["r", "w"],
    ..SHORT
};

fn filled(operation: &Operation, form: &Form, say: fn(&Value) -> String) -> String {
    let answer = operation.outcome.answer();
    let arguments = match &operation.op {
        Op::Read { .. }
        | Op::Acquire { .. }
        | Op::TryAcquire { .. }
        | Op::Release { .. }
        | Op::Dequeue { .. }
        | Op::Generate { .. } => Vec::new(),
        Op::Write { value, .. }
        | Op::Append { value, .. }
        | Op::Add { value, .. }
        | Op::Remove { value, .. }
        | Op::Transfer { value, .. }
        | Op::Enqueue { value, .. } => vec![say(value)],
        Op::Cas { expected, new, .. } => vec![say(expected), say(new)],
        Op::Watch { from, .. } => vec![from.to_string()],
        Op::Txn { micro_ops, .. } => vec![short_transaction(micro_ops, answer, form.verbs, say)],
    };
    let called = fill(form.called[operation.op.kind() as usize], &arguments);
    match (&operation.outcome, answer) {
        (Outcome::Fail(Failure::Mismatch { .. }), Some(current)) => {
            fill(form.refused_with, &[called, say(current)])
        }
        (Outcome::Fail(Failure::Mismatch { .. }), None) => fill(form.refused, &[called]),
        (Outcome::Fail(Failure::Error(_)), _) => fill(form.failed, &[called]),
        // The answers are at the micro-operations.
        (Outcome::Ok(_), Some(Value::List(_))) if matches!(operation.op, Op::Txn { .. }) => called,
        (Outcome::Ok(_), Some(value)) => fill(form.answered, &[called, say(value)]),
        (Outcome::Ok(_), None) | (Outcome::Info(_), _) => called,
    }
}

/// Puts the values in place of the `{}`, in order.
fn fill(form: &str, values: &[String]) -> String {
    let mut values = values.iter().map(String::as_str);
    let mut text = String::new();
    for (number, piece) in form.split("{}").enumerate() {
        if number > 0 {
            text.push_str(values.next().unwrap_or_default());
        }
        text.push_str(piece);
    }
    text
}

fn short_transaction(
    micro_ops: &[MicroOp],
    answer: Option<&Value>,
    [read, write]: [&str; 2],
    say: fn(&Value) -> String,
) -> String {
    let answers = match answer {
        Some(Value::List(answers)) => answers.as_slice(),
        _ => &[],
    };
    let micro = |(place, micro): (usize, &MicroOp)| {
        let key = say(micro.key());
        let answer = answers
            .get(place)
            .map_or_else(String::new, |seen| format!("→{}", say(seen)));
        match micro {
            MicroOp::Read { .. } => format!("{read} {key}{answer}"),
            MicroOp::Version { .. } => format!("version {key}{answer}"),
            MicroOp::Write { value, .. } => format!("{write} {key} {}", say(value)),
            MicroOp::Append { value, .. } => format!("append {key} {}", say(value)),
        }
    };
    let words: Vec<String> = micro_ops.iter().enumerate().map(micro).collect();
    format!("txn({})", words.join(", "))
}

fn short_value(value: &Value) -> String {
    cut(value, SHORT_VALUE_CHARS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ErrorClass, Key};

    fn operation(op: Op, outcome: Outcome) -> Operation {
        let completed = if outcome.is_info() { OPEN } else { 1 };
        Operation {
            process: 3,
            op,
            outcome,
            invoked: 0,
            completed,
            invoked_ns: 5_201_100_000,
            completed_ns: Some(5_203_000_000.into()),
            node: None,
        }
    }

    #[test]
    fn every_operation_has_its_words() {
        let check = |op: Op, outcome: Outcome, expected: [&str; 3]| {
            let operation = operation(op, outcome);
            let told = long(&operation, Times::Recorded);
            let what = told.trim_start_matches("process 3's ").split(" (5201.1").next();
            let what = what.and_then(|what| what.split(" (from").next());
            assert_eq!(
                [what.unwrap_or_default(), &short(&operation), &letters(&operation)],
                expected
            );
        };
        let key = || Key::Nil;
        let int = Value::Int;
        let read = || Op::Read { key: key() };
        let write = || Op::Write {
            key: key(),
            value: int(3),
        };
        let cas = || Op::Cas {
            key: key(),
            expected: int(1),
            new: int(2),
        };
        let lost = || Outcome::info(ErrorClass::Timeout, "late");
        let refused = || Outcome::fail(ErrorClass::Rejected, "no");
        check(
            read(),
            Outcome::ok_value(int(3)),
            ["read of 3", "read → 3", "r → 3"],
        );
        check(read(), lost(), ["read of unknown outcome", "read", "r"]);
        check(write(), Outcome::ok(), ["write of 3", "write 3", "w 3"]);
        check(
            write(),
            lost(),
            ["write of 3 of unknown outcome", "write 3", "w 3"],
        );
        check(
            write(),
            refused(),
            ["failed write of 3", "write 3 failed", "w 3 failed"],
        );
        check(cas(), Outcome::ok(), ["cas from 1 to 2", "cas 1→2", "cas 1→2"]);
        check(
            cas(),
            Outcome::mismatch(Some(int(4))),
            [
                "failed cas from 1 to 2, which found 4",
                "cas 1→2 ✗ found 4",
                "cas 1→2 ✗ 4",
            ],
        );
        check(
            cas(),
            Outcome::mismatch(None),
            ["failed cas from 1 to 2", "cas 1→2 ✗", "cas 1→2 ✗"],
        );
        let append = Op::Append {
            key: key(),
            value: Value::text("x"),
        };
        let text = "append \"x\"";
        check(append, Outcome::ok(), ["append of \"x\"", text, text]);
        check(
            Op::Dequeue { key: key() },
            Outcome::ok_value(int(7)),
            ["dequeue that answered 7", "dequeue → 7", "dequeue → 7"],
        );
        check(
            Op::Acquire { key: key() },
            Outcome::ok_value(int(7)),
            ["acquire that answered 7", "acquire → 7", "acquire → 7"],
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
        let answers = Outcome::ok_value(Value::list(vec![int(4), Value::Nil]));
        check(
            txn,
            answers,
            [
                "txn(read 1 → 4, write 2 5)",
                "txn(read 1→4, write 2 5)",
                "txn(r 1→4, w 2 5)",
            ],
        );
        let long_write = Op::Write {
            key: key(),
            value: Value::text(&"y".repeat(60)),
        };
        let shown = format!("write \"{}…", "y".repeat(23));
        let all = format!("write of \"{}\"", "y".repeat(60));
        check(
            long_write,
            Outcome::ok(),
            [&all, &shown, &shown.replace("write", "w")],
        );
    }

    #[test]
    fn forms_call_operations_by_their_names() {
        for kind in OpKind::ALL {
            let called = SHORT.called[kind as usize];
            assert!(kind == OpKind::Txn || called.starts_with(kind.name()), "{called}");
        }
        let values = ["a {} b".to_owned(), "c".to_owned()];
        assert_eq!(fill("{} → {}", &values), "a {} b → c");
    }

    #[test]
    fn the_long_form_says_who_and_when() {
        let mut read = operation(Op::Read { key: Value::Int(9) }, Outcome::ok_value(Value::Int(41)));
        assert_eq!(
            long(&read, Times::Recorded),
            "process 3's read of 41 (5201.100–5203.000 ms)"
        );
        assert_eq!(uncut(&read), "read → 41");
        read.completed_ns = Some(5_201_100_999.into());
        assert_eq!(
            long(&read, Times::Recorded),
            "process 3's read of 41 (5201.100000–5201.100999 ms)"
        );
        (read.invoked_ns, read.completed_ns) = (2, Some(17.into()));
        assert_eq!(long(&read, Times::Recorded), "process 3's read of 41 (2–17 ns)");
        read.completed = OPEN;
        assert_eq!(
            long(&read, Times::Recorded),
            "process 3's read of 41 (from 2 ns, no answer)"
        );
        assert_eq!(
            long(&read, Times::Places),
            "process 3's read of 41 (from event 1, no answer)"
        );
        (read.invoked_ns, read.completed_ns, read.completed) = (4_000_000, Some(6_000_000.into()), 6);
        assert_eq!(long(&read, Times::Places), "process 3's read of 41 (events 5–7)");
    }

    #[test]
    fn long_values_are_told_by_their_ends() {
        let many = Value::list((0..100).map(Value::Int).collect());
        assert_eq!(
            value(&many),
            "[0 1 2 3 4 5 6 7 … 92 93 94 95 96 97 98 99] (100 elements)"
        );
        for text in ["", "a", "abc", "abcd", "äöüß", "a longer text"] {
            for most in [0, 1, 3, 4, 100] {
                let whole = text.chars().count() <= most;
                let start: String = text.chars().take(most).collect();
                assert_eq!(
                    cut(text, most),
                    if whole { start } else { start + "…" },
                    "{text} {most}"
                );
            }
        }
    }

    #[test]
    fn nodes_and_sentences() {
        let nodes = ["n1".to_owned()];
        assert_eq!((node(&nodes, 0), node(&nodes, 4)), ("n1".into(), "node 4".into()));
        assert_eq!(
            (capitalized("process 3"), capitalized("")),
            ("Process 3".into(), String::new())
        );
    }
}
