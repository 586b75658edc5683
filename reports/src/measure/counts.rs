//! Operations, errors, latencies, throughput and notes of a history, counted.

use std::collections::BTreeMap;

use hdrhistogram::Histogram;
use history::tell::cut;
use history::units::{milliseconds, seconds};
use history::{ErrorClass, Failure, History, NoteKind, OpKind, Outcome, TestRecord};

use crate::results::{Counts, EXAMPLE_CHARS, ErrorRow, KindCounts, LatencyRow, NoteRow, OtherNote};

/// The longest latency that is distinguished, nanoseconds: an hour.
const MOST_LATENCY_NS: u64 = 3_600_000_000_000;

/// Operations by kind and outcome.
pub(crate) fn count_operations(history: &History) -> Vec<KindCounts> {
    let mut kinds: BTreeMap<OpKind, Counts> = BTreeMap::new();
    for operation in &history.operations {
        let counts = kinds.entry(operation.op.kind()).or_default();
        counts.invoked += 1;
        match &operation.outcome {
            Outcome::Ok(_) => counts.ok += 1,
            Outcome::Fail(Failure::Mismatch { .. }) => counts.mismatch += 1,
            Outcome::Fail(Failure::Error(_)) => counts.fail += 1,
            Outcome::Info(_) => counts.info += 1,
        }
    }
    kinds
        .into_iter()
        .map(|(f, counts)| KindCounts { f, counts })
        .collect()
}

/// Errors by rule, class and outcome, the most frequent first.
pub(crate) fn errors(history: &History) -> Vec<ErrorRow> {
    let mut rows: BTreeMap<(&str, ErrorClass, &str), ErrorRow> = BTreeMap::new();
    for operation in &history.operations {
        let Some(reason) = operation.outcome.reason() else {
            continue;
        };
        let outcome = operation.outcome.name();
        let row = rows
            .entry((&reason.rule, reason.class, outcome))
            .or_insert_with(|| ErrorRow {
                rule: reason.rule.clone(),
                class: reason.class,
                outcome: outcome.to_owned(),
                f: Vec::new(),
                count: 0,
                example: cut(&reason.message, EXAMPLE_CHARS),
            });
        row.count += 1;
        let kind = operation.op.kind();
        if let Err(place) = row.f.binary_search(&kind) {
            row.f.insert(place, kind);
        }
    }
    let mut rows: Vec<ErrorRow> = rows.into_values().collect();
    rows.sort_by_key(|row| std::cmp::Reverse(row.count));
    rows
}

/// Latencies of the operations that the store answered, by kind.
pub(crate) fn latencies(history: &History) -> Vec<LatencyRow> {
    let mut kinds: BTreeMap<OpKind, Histogram<u64>> = BTreeMap::new();
    for operation in history
        .operations
        .iter()
        .filter(|operation| operation.outcome.is_answer())
    {
        let Some(completed_ns) = operation.completed_ns else {
            continue;
        };
        let histogram = kinds.entry(operation.op.kind()).or_insert_with(|| {
            Histogram::new_with_max(MOST_LATENCY_NS, 3)
                .expect("the bounds and precision are constants that fit")
        });
        histogram.saturating_record(completed_ns.get().saturating_sub(operation.invoked_ns));
    }
    let ms = milliseconds;
    kinds
        .into_iter()
        .map(|(f, histogram)| LatencyRow {
            f,
            count: histogram.len(),
            latency_ms_p50: ms(histogram.value_at_quantile(0.5)),
            latency_ms_p90: ms(histogram.value_at_quantile(0.9)),
            latency_ms_p99: ms(histogram.value_at_quantile(0.99)),
            latency_ms_p999: ms(histogram.value_at_quantile(0.999)),
            latency_ms_max: ms(histogram.max()),
        })
        .collect()
}

/// The length of the main phase in seconds, and the `ok` operations a second in it. What comes after the time
/// limit (the heal, the final reads) is no load.
pub(crate) fn throughput(record: &TestRecord, history: &History) -> (f64, f64) {
    let Some(first) = history.operations.first() else {
        return (0.0, 0.0);
    };
    let mut end_s = seconds(history.end_ns);
    if record.time_limit_s > 0.0 {
        end_s = end_s.min(record.time_limit_s);
    }
    let length_s = end_s - seconds(first.invoked_ns);
    if length_s <= 0.0 {
        return (0.0, 0.0);
    }
    let ok = history
        .operations
        .iter()
        .filter(|operation| matches!(operation.outcome, Outcome::Ok(_)))
        .filter(|operation| {
            operation
                .completed_ns
                .is_some_and(|ns| seconds(ns.get()) <= end_s)
        })
        .count();
    (length_s, ok as f64 / length_s)
}

/// The changes of leader, and all other notes.
pub(crate) fn notes(history: &History) -> (Vec<NoteRow>, Vec<OtherNote>) {
    let mut leaders = Vec::new();
    let mut others = Vec::new();
    for (time_ns, note) in &history.notes {
        let row = NoteRow {
            time_s: seconds(*time_ns),
            node: note.node.clone(),
            term: note.term,
            detail: note.detail.clone(),
        };
        match &note.kind {
            NoteKind::Leader => leaders.push(row),
            kind if kind.is_measurement() => {}
            kind => others.push(OtherNote {
                note: kind.name().to_owned(),
                row,
            }),
        }
    }
    (leaders, others)
}
