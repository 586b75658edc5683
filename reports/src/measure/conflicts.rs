//! The conflicts of an analysis, written out in full: the results stand alone, without the history.

use checker::Conflict;
use history::units::{milliseconds, seconds};
use history::{History, Op, Operation, TestRecord, tell};

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
        text: tell::uncut(operation),
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
