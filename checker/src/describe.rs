//! Operations and times in words.

use history::{Answer, Failure, MicroOp, OPEN, Op, Operation, Outcome, Value};

/// One operation as a noun phrase: who, what, with which answer, when (milliseconds since the run's start).
///
/// For example `process 12's read of 41 (5201.100–5203.000 ms)`.
pub fn describe(operation: &Operation) -> String {
    format!(
        "process {}'s {} ({})",
        operation.process,
        what(operation),
        when(operation)
    )
}

/// A time in milliseconds with the microseconds behind the point.
pub(crate) fn ms(time_ns: u64) -> String {
    format!("{}.{:03} ms", time_ns / 1_000_000, time_ns / 1_000 % 1_000)
}

fn what(operation: &Operation) -> String {
    let open = if operation.outcome.is_info() {
        " of unknown outcome"
    } else {
        ""
    };
    match (&operation.op, &operation.outcome) {
        (Op::Read { .. }, Outcome::Ok(Answer { value: Some(value) })) => format!("read of {}", brief(value)),
        (Op::Read { .. }, Outcome::Fail(_)) => "failed read".to_owned(),
        (Op::Read { .. }, _) => format!("read{open}"),
        (Op::Write { value, .. }, Outcome::Fail(_)) => format!("failed write of {value}"),
        (Op::Write { value, .. }, _) => format!("write of {value}{open}"),
        (
            Op::Cas { expected, new, .. },
            Outcome::Fail(Failure::Mismatch {
                current: Some(current),
            }),
        ) => {
            format!("failed cas from {expected} to {new}, which found {current}")
        }
        (Op::Cas { expected, new, .. }, Outcome::Fail(_)) => format!("failed cas from {expected} to {new}"),
        (Op::Cas { expected, new, .. }, _) => format!("cas from {expected} to {new}{open}"),
        (op, outcome) => {
            let failed = if matches!(outcome, Outcome::Fail(_)) {
                "failed "
            } else {
                ""
            };
            let answer = match outcome {
                // The answers stand at the micro-operations.
                Outcome::Ok(Answer {
                    value: Some(Value::List(answers)),
                }) if matches!(op, Op::Txn { .. }) => return txn(op, answers),
                Outcome::Ok(Answer { value: Some(value) }) => format!(" that answered {}", brief(value)),
                _ => String::new(),
            };
            format!("{failed}{}{answer}{open}", words(op))
        }
    }
}

/// A transaction with what each of its reads answered: `txn(read 1 → [4], append 2 5)`.
fn txn(op: &Op, answers: &[Value]) -> String {
    let Op::Txn { micro_ops, .. } = op else {
        return words(op);
    };
    let micro = |(place, micro): (usize, &MicroOp)| {
        let answer = answers
            .get(place)
            .map_or_else(String::new, |value| format!(" → {}", brief(value)));
        match micro {
            MicroOp::Read { key } => format!("read {key}{answer}"),
            MicroOp::Version { key } => format!("version {key}{answer}"),
            MicroOp::Write { key, value } => format!("write {key} {}", brief(value)),
            MicroOp::Append { key, value } => format!("append {key} {}", brief(value)),
        }
    };
    let words: Vec<String> = micro_ops.iter().enumerate().map(micro).collect();
    format!("txn({})", words.join(", "))
}

/// What is asked, without the key.
fn words(op: &Op) -> String {
    match op {
        Op::Append { value, .. } => format!("append of {value}"),
        Op::Add { value, .. } => format!("add of {value}"),
        Op::Enqueue { value, .. } => format!("enqueue of {value}"),
        Op::Watch { from, .. } => format!("watch from {from}"),
        Op::Txn { .. } => op.to_string(),
        _ => op.kind().to_string(),
    }
}

/// A value in words, however long it is.
pub(crate) fn brief(value: &Value) -> String {
    /// So many elements or letters are shown at each end of a longer value.
    const SHOWN: usize = 8;
    match value {
        Value::List(values) if values.len() > 3 * SHOWN => {
            let show = |values: &[Value]| values.iter().map(brief).collect::<Vec<_>>().join(" ");
            let (head, tail) = (&values[..SHOWN], &values[values.len() - SHOWN..]);
            format!("[{} … {}] ({} elements)", show(head), show(tail), values.len())
        }
        Value::List(values) => {
            format!("[{}]", values.iter().map(brief).collect::<Vec<_>>().join(" "))
        }
        Value::Text(text) if text.chars().count() > 8 * SHOWN => {
            let letters: Vec<char> = text.chars().collect();
            let head: String = letters[..3 * SHOWN].iter().collect();
            let tail: String = letters[letters.len() - 3 * SHOWN..].iter().collect();
            format!("\"{head}…{tail}\" ({} letters)", letters.len())
        }
        _ => value.to_string(),
    }
}

pub(crate) fn when(operation: &Operation) -> String {
    /// What takes less is not to be told in microseconds.
    const SHORT_NS: u64 = 1_000;
    let from_ns = operation.invoked_ns;
    match operation.completed_ns.map(u64::from) {
        Some(end_ns) if operation.completed != OPEN => match end_ns.saturating_sub(from_ns) {
            0..SHORT_NS if end_ns < 1_000_000 => format!("{from_ns}–{end_ns} ns"),
            0..SHORT_NS => {
                let ms = |time_ns: u64| format!("{}.{:06}", time_ns / 1_000_000, time_ns % 1_000_000);
                format!("{}–{} ms", ms(from_ns), ms(end_ns))
            }
            _ => format!("{}–{}", ms(from_ns).trim_end_matches(" ms"), ms(end_ns)),
        },
        _ if (1..SHORT_NS).contains(&from_ns) => format!("from {from_ns} ns, no answer"),
        _ => format!("from {}, no answer", ms(from_ns)),
    }
}
