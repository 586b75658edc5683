//! The conflicts of an analysis, written out in full: the results stand alone, without the history.

use checker::Conflict;
use history::units::{milliseconds, seconds};
use history::{Failure, History, Op, Operation, Outcome, TestRecord, tell};

use crate::results::{ConflictRecord, EXAMPLE_CHARS, MOST_LINKS, OperationRecord};

/// One conflict.
pub(crate) fn conflict_record(record: &TestRecord, history: &History, conflict: &Conflict) -> ConflictRecord {
    let write_out = |indices: &[usize]| -> Vec<OperationRecord> {
        indices
            .iter()
            .filter_map(|&index| Some(operation_record(record, index, history.operations.get(index)?)))
            .collect()
    };
    ConflictRecord {
        key: conflict.key.clone(),
        rule: conflict.rule,
        sentences: (conflict.sentences.iter())
            .map(|sentence| sentence.plain(history))
            .collect(),
        pieces: conflict.sentences.clone(),
        operations: write_out(&conflict.operations),
        links: write_out(&conflict.links[..conflict.links.len().min(MOST_LINKS)]),
        links_total: conflict.links.len(),
        stale_by_ms: conflict.stale_by_ns.map(milliseconds),
        confirmed: conflict.confirmed,
    }
}

fn operation_record(record: &TestRecord, index: usize, operation: &Operation) -> OperationRecord {
    let (value, expected, new) = match &operation.op {
        Op::Write { value, .. }
        | Op::Append { value, .. }
        | Op::Add { value, .. }
        | Op::Enqueue { value, .. } => (Some(value), None, None),
        Op::Cas { expected, new, .. } => (None, Some(expected), Some(new)),
        _ => (None, None, None),
    };
    OperationRecord {
        index,
        process: operation.process,
        node: operation.node.map(|node| tell::node(&record.nodes, node)),
        text: operation_text(operation),
        f: operation.op.kind(),
        key: operation.op.key().clone(),
        value: value.cloned(),
        expected: expected.cloned(),
        new: new.cloned(),
        answer: operation.outcome.answer().cloned(),
        outcome: operation.outcome.name().to_owned(),
        error: operation
            .outcome
            .reason()
            .map(|reason| tell::cut(&format!("{}: {}", reason.class, reason.message), EXAMPLE_CHARS)),
        invoked_s: seconds(operation.invoked_ns),
        completed_s: operation
            .completed_ns
            .filter(|_| !operation.outcome.is_info())
            .map(|ns| seconds(ns.get())),
    }
}

/// One operation and its answer as people write it, without its key: `write 3`, `cas 3→7`, `read = 3`.
fn operation_text(operation: &Operation) -> String {
    let answer = operation.outcome.answer();
    match &operation.op {
        Op::Read { .. } => match answer {
            Some(value) => format!("read = {value}"),
            None => "read".to_owned(),
        },
        Op::Write { value, .. } => format!("write {value}"),
        Op::Cas { expected, new, .. } => match (&operation.outcome, answer) {
            (Outcome::Fail(Failure::Mismatch { .. }), Some(found)) => {
                format!("cas {expected}→{new}, found {found}")
            }
            (Outcome::Fail(Failure::Mismatch { .. }), None) => format!("cas {expected}→{new}, no match"),
            _ => format!("cas {expected}→{new}"),
        },
        op => {
            let argument = match op {
                Op::Append { value, .. } | Op::Add { value, .. } | Op::Enqueue { value, .. } => {
                    format!(" {value}")
                }
                Op::Txn { .. } => {
                    return format!(
                        "{op}{}",
                        answer.map(|value| format!(" = {value}")).unwrap_or_default()
                    );
                }
                _ => String::new(),
            };
            let found = answer.map(|value| format!(" = {value}")).unwrap_or_default();
            format!("{}{argument}{found}", op.kind())
        }
    }
}
