//! From a history and its analysis to [`Results`]: counting, and the rules that make a run less than valid.
//!
//! The rules, beside the checker's verdict:
//! - A fault that was tried and did not take hold, or did not end, makes the run `unknown`: what was meant to be
//!   tested was not. So does a run whose faults were all skipped.
//! - A run with fewer than [`FEWEST_OK`] `ok` operations, or with a kind of operation that the store never answered,
//!   is `unknown`: a store that does nothing makes no mistakes.
//! - Invalid beats both: a contradiction stays one, however little happened around it.

use std::collections::BTreeMap;

use checker::{Analysis, Conflict, Verdict};
use hdrhistogram::Histogram;
use history::{
    Answer, ErrorClass, Failure, History, Key, NoteKind, Op, OpKind, Operation, Outcome, TestRecord, Value,
};

use rustc_hash::FxHashMap;

use crate::measure::coverage::{coverage, missing};
use crate::measure::faults::fault_rows;
use crate::measure::recovery::{Answers, add_recoveries};
use crate::pages::still::still_record;
use crate::results::{
    Check, CheckName, ConflictRecord, Counts, ErrorRow, FaultHold, FaultRow, KindCounts, LatencyRow, NoteRow,
    OperationRecord, OtherNote, Results, SCHEMA_VERSION,
};

/// The fewest `ok` operations on which a run can be called valid.
pub const FEWEST_OK: u64 = 10;
/// The most linking operations that are written out for one conflict.
pub(crate) const MOST_LINKS: usize = 100;
/// The most undecided keys that are named.
const MOST_UNDECIDED: usize = 5;
/// The longest error text that is kept as an example, characters.
pub(crate) const EXAMPLE_CHARS: usize = 500;
/// The longest latency that is told apart, nanoseconds: an hour.
const MOST_LATENCY_NS: u64 = 3_600_000_000_000;

/// Counts what happened and says what the run came to.
///
/// A record without a system (`TestRecord::default()`, for a bare history file) is no run: such a history is judged
/// for what it says, however short it is, as long as anything in it is `ok`.
pub fn summarize(record: &TestRecord, history: &History, analysis: &Analysis) -> Results {
    let operations = count_operations(history);
    let operations_total = operations
        .iter()
        .fold(Counts::default(), |sum, row| sum.plus(row.counts));
    let mut faults = fault_rows(history);
    let answers = Answers::new(record, history);
    add_recoveries(&answers, &mut faults);
    let checks = vec![
        linearizable(record, analysis),
        faults_took_hold(record, &faults),
        enough_operations(record, history, &faults, &operations, operations_total),
    ];
    let verdict = checks
        .iter()
        .fold(Verdict::Valid, |verdict, check| verdict.merge(check.verdict));
    let mut remarks = remarks(record, history, &faults);
    if verdict == Verdict::Invalid {
        // Who is accused is told of every fault that was not what it should have been.
        remarks.extend(faults.iter().filter_map(failed));
    }
    let (leader_changes, notes) = notes(history);
    let (main_phase_s, ok_ops_per_s) = throughput(record, history);
    let mut results = Results {
        schema_version: SCHEMA_VERSION,
        verdict,
        headline: String::new(),
        checks,
        remarks,
        conflicts: analysis
            .conflicts
            .iter()
            .map(|conflict| conflict_record(record, history, conflict))
            .collect(),
        conflicts_total: analysis.conflicts_total,
        still: analysis.still.as_ref().map(still_record),
        account: analysis.account.clone(),
        keys: analysis.keys,
        decided_by: analysis
            .decided_by
            .iter()
            .map(|(name, keys)| ((*name).to_owned(), *keys))
            .collect(),
        operations,
        operations_total,
        errors: errors(history),
        latency: latencies(history),
        main_phase_s,
        ok_ops_per_s,
        availability: answers.availability(),
        duration_s: seconds(history.end_ns),
        coverage: coverage(history, &faults),
        faults,
        leader_changes,
        notes,
        test: record.clone(),
    };
    results.headline = headline(&results);
    results
}

/// Nanoseconds as seconds.
pub(crate) fn seconds(ns: u64) -> f64 {
    ns as f64 / 1e9
}

/// One operation and its answer as people write it, without its key: `write 3`, `cas 3→7`, `read = 3`.
pub(crate) fn operation_text(operation: &Operation) -> String {
    let answer = answer(operation);
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

fn answer(operation: &Operation) -> Option<&Value> {
    match &operation.outcome {
        Outcome::Ok(Answer { value }) => value.as_ref(),
        Outcome::Fail(Failure::Mismatch { current }) => current.as_ref(),
        Outcome::Fail(Failure::Error(_)) | Outcome::Info(_) => None,
    }
}

/// What a valid history of this model is: `linearizable`, or what else the model asks for.
pub(crate) fn promise(model: &str) -> &'static str {
    checker::objects::find(model).map_or("linearizable", |model| model.promise)
}

fn linearizable(record: &TestRecord, analysis: &Analysis) -> Check {
    let mut reasons = Vec::new();
    if analysis.conflicts_total > 0 {
        reasons.push(format!(
            "{} of {} keys {} not {}",
            analysis.conflicts_total,
            analysis.keys,
            if analysis.conflicts_total == 1 {
                "is"
            } else {
                "are"
            },
            promise(&record.model)
        ));
    }
    for (key, why) in analysis.unknown.iter().take(MOST_UNDECIDED) {
        reasons.push(match analysis.keys {
            // Nobody began with it.
            0 => why.clone(),
            _ => format!("key {key} could not be decided: {why}"),
        });
    }
    let named = analysis.unknown.len().min(MOST_UNDECIDED);
    if analysis.unknown_total > named && named > 0 {
        reasons.push(format!(
            "{} further keys could not be decided",
            analysis.unknown_total - named
        ));
    }
    if analysis.verdict != Verdict::Valid && reasons.is_empty() {
        reasons.push(format!(
            "the checker's verdict is {} and it gives no reason",
            analysis.verdict
        ));
    }
    Check {
        name: CheckName::Linearizable,
        verdict: analysis.verdict,
        reasons,
    }
}

fn faults_took_hold(record: &TestRecord, faults: &[FaultRow]) -> Check {
    let mut reasons: Vec<String> = faults.iter().filter_map(failed).collect();
    if !record.nemesis.is_empty() && faults.is_empty() {
        reasons.push(
            "the run ended before the first fault was due; run it longer, or with --nemesis none".to_owned(),
        );
    }
    for nemesis in &record.nemesis {
        let own: Vec<&FaultRow> = faults.iter().filter(|fault| fault.nemesis == *nemesis).collect();
        if !own.is_empty() && own.iter().all(|fault| fault.hold == FaultHold::Skipped) {
            reasons.push(format!("all {} faults of {nemesis} were skipped", own.len()));
        }
    }
    reasons.extend(missing(record, faults));
    Check {
        name: CheckName::FaultsTookHold,
        verdict: valid_unless(&reasons),
        reasons,
    }
}

/// Of a fault that was not what it should have been, in a sentence.
fn failed(fault: &FaultRow) -> Option<String> {
    (fault.hold == FaultHold::Failed).then(|| {
        format!(
            "the fault {} at {:.1} s did not do what it should: {}",
            name_and_target(fault),
            fault.start_s,
            fault.why.as_deref().unwrap_or("no reason is given")
        )
    })
}

/// `partition (halves)`.
pub(crate) fn name_and_target(fault: &FaultRow) -> String {
    match fault.target.as_str() {
        "" => fault.nemesis.clone(),
        target => format!("{} ({target})", fault.nemesis),
    }
}

fn enough_operations(
    record: &TestRecord,
    history: &History,
    faults: &[FaultRow],
    operations: &[KindCounts],
    total: Counts,
) -> Check {
    let is_run = !record.system.is_empty();
    let fewest = if is_run { FEWEST_OK } else { 1 };
    let mut reasons = Vec::new();
    if total.ok < fewest {
        reasons.push(format!(
            "only {} of {} operations were ok; at least {fewest} must be",
            total.ok, total.invoked
        ));
    }
    let silent = operations
        .iter()
        .filter(|row| is_run && row.counts.ok + row.counts.mismatch == 0);
    for row in silent {
        reasons.push(format!(
            "none of {} {} operations was answered",
            row.counts.invoked, row.f
        ));
    }
    // Garbage may be the store's: a value that was cut off is no value that anybody wrote, but no model sees it.
    let garbled = (history.operations.iter())
        .filter_map(|operation| operation.outcome.reason())
        .filter(|reason| reason.class == ErrorClass::Protocol)
        .count();
    if garbled > 0 {
        reasons.push(format!(
            "{garbled} answers could not be understood, so that nobody can say whether they were right"
        ));
    }
    for (_, note) in history
        .notes
        .iter()
        .filter(|(_, note)| note.kind == NoteKind::NotBack)
    {
        reasons.push(format!(
            "the store did not come back after the last heal, and could not be read a last time: {}",
            note.detail
        ));
    }
    reasons.extend(silence(history, faults));
    Check {
        name: CheckName::EnoughOperations,
        verdict: valid_unless(&reasons),
        reasons,
    }
}

fn valid_unless(reasons: &[String]) -> Verdict {
    if reasons.is_empty() {
        Verdict::Valid
    } else {
        Verdict::Unknown
    }
}

/// Reasons to mistrust a store that answered only while nothing was wrong.
fn silence(history: &History, faults: &[FaultRow]) -> Vec<String> {
    let mut reasons = Vec::new();
    let first = faults.iter().find(|fault| fault.hold == FaultHold::Verified);
    if let Some(fault) = first {
        let after = |operation: &Operation| {
            let end_ns = operation.completed_ns.map_or(0, u64::from);
            operation.outcome.is_answer() && seconds(end_ns) > fault.start_s
        };
        let lasts = seconds(history.end_ns) - fault.start_s > 1.0;
        if lasts && !history.operations.iter().any(after) {
            reasons.push("nothing was answered after the first fault began".to_owned());
        }
    }
    let heal_ns = history
        .nemesis
        .iter()
        .filter(|span| span.op.is_heal())
        .filter_map(|span| span.completed_ns)
        .next_back();
    if let Some(heal_ns) = heal_ns {
        let last = || (history.operations.iter()).filter(|operation| operation.invoked_ns > heal_ns);
        // What was lost shows in the last reads; a key of which none succeeded may hide it.
        let mut read: FxHashMap<&Key, bool> = FxHashMap::default();
        for operation in last().filter(|operation| operation.op.is_read_only()) {
            *read.entry(operation.op.key()).or_default() |= operation.outcome.is_answer();
        }
        let unread = read.values().filter(|is_read| !**is_read).count();
        if last().next().is_some() && !last().any(|operation| operation.outcome.is_answer()) {
            reasons.push("no operation after the last heal was answered".to_owned());
        } else if unread > 0 {
            reasons.push(format!(
                "{unread} of {} keys could not be read any more after the last heal, so that nobody knows what is left in \
                 them",
                read.len()
            ));
        }
    }
    reasons
}

fn remarks(record: &TestRecord, history: &History, faults: &[FaultRow]) -> Vec<String> {
    let mut remarks = Vec::new();
    for nemesis in &record.nemesis {
        if !faults.is_empty() && !faults.iter().any(|fault| fault.nemesis == *nemesis) {
            remarks.push(format!(
                "the nemesis {nemesis} never had its turn; a longer run gives it one"
            ));
        }
    }
    let crashes = history
        .notes
        .iter()
        .filter(|(_, note)| note.kind == NoteKind::Crash);
    let mut crashed: BTreeMap<&str, usize> = BTreeMap::new();
    crashes.for_each(|(_, note)| *crashed.entry(&note.node).or_default() += 1);
    if !crashed.is_empty() {
        let words: Vec<String> = (crashed.into_iter())
            .map(|(node, times)| match times {
                1 => format!("{node} once"),
                times => format!("{node} {times} times"),
            })
            .collect();
        remarks.push(format!(
            "processes ended by themselves: {}; see the nodes' logs",
            words.join(", ")
        ));
    }
    for (time_ns, note) in &history.notes {
        if note.kind == NoteKind::Stopped {
            remarks.push(format!(
                "the run was stopped after {:.1} s of {} s: {}",
                seconds(*time_ns),
                record.time_limit_s,
                note.detail
            ));
        }
    }
    if record.nodes.len() == 1 && record.endpoints.is_empty() {
        remarks.push("one node has nobody to agree with: this says nothing about replication".to_owned());
    }
    remarks.extend(
        record
            .left_behind
            .iter()
            .map(|left| format!("left in the store: {left}")),
    );
    let unfinished = faults
        .iter()
        .filter(|fault| fault.hold == FaultHold::Unfinished)
        .count();
    if unfinished > 0 {
        remarks.push(format!(
            "the history ends while {unfinished} of the faults are being applied or undone"
        ));
    }
    let open = history
        .operations
        .iter()
        .filter(|operation| operation.completed_ns.is_none())
        .count();
    if open > 0 {
        remarks.push(format!(
            "without an answer when the history ends, and counted as info: {open}"
        ));
    }
    remarks
}

fn headline(results: &Results) -> String {
    let conflict = results.conflicts.first();
    match (results.verdict, conflict) {
        (Verdict::Valid, _) => format!(
            "Every answer can be explained: all {} operations on {} keys are {}.",
            grouped(results.operations_total.invoked),
            grouped(results.keys as u64),
            promise(&results.test.model)
        ),
        (Verdict::Invalid, Some(_)) => format!(
            "No order of events explains all answers: {} of {} keys {} not {}.",
            grouped(results.conflicts_total as u64),
            grouped(results.keys as u64),
            if results.conflicts_total == 1 { "is" } else { "are" },
            promise(&results.test.model)
        ),
        (Verdict::Invalid, None) => "No order of events explains all answers.".to_owned(),
        (Verdict::Unknown, _) => match results.reasons().next() {
            Some(reason) => format!("Nobody can say: {reason}."),
            None => "Nobody can say.".to_owned(),
        },
    }
}

/// `1,234,567`
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (position, digit) in digits.chars().enumerate() {
        if position > 0 && (digits.len() - position).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

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

impl Counts {
    /// Both together.
    pub(crate) fn plus(self, other: Counts) -> Counts {
        Counts {
            invoked: self.invoked + other.invoked,
            ok: self.ok + other.ok,
            mismatch: self.mismatch + other.mismatch,
            fail: self.fail + other.fail,
            info: self.info + other.info,
        }
    }
}

fn errors(history: &History) -> Vec<ErrorRow> {
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
                example: shortened(&reason.message, EXAMPLE_CHARS),
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

/// At most `most` characters of a text.
pub(crate) fn shortened(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// The beginning of what a value says, of `most` characters at most, without saying the rest: a set can hold thousands.
pub(crate) fn brief(value: &impl std::fmt::Display, most: usize) -> String {
    struct Brief {
        text: String,
        left: usize,
    }
    impl std::fmt::Write for Brief {
        fn write_str(&mut self, text: &str) -> std::fmt::Result {
            for letter in text.chars() {
                if self.left == 0 {
                    self.text.push('…');
                    return Err(std::fmt::Error);
                }
                self.left -= 1;
                self.text.push(letter);
            }
            Ok(())
        }
    }
    let mut brief = Brief {
        text: String::new(),
        left: most,
    };
    // It fails where there is no more room.
    let _ = std::fmt::Write::write_fmt(&mut brief, format_args!("{value}"));
    brief.text
}

fn latencies(history: &History) -> Vec<LatencyRow> {
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
    let ms = |ns: u64| ns as f64 / 1e6;
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

/// The length of the main phase in seconds, and the `ok` operations a second in it. What comes after the time limit
/// (the heal, the final reads) is no load.
fn throughput(record: &TestRecord, history: &History) -> (f64, f64) {
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
            kind => others.push(OtherNote {
                note: kind.name().to_owned(),
                row,
            }),
        }
    }
    (leaders, others)
}

fn conflict_record(record: &TestRecord, history: &History, conflict: &Conflict) -> ConflictRecord {
    let write_out = |indices: &[usize]| -> Vec<OperationRecord> {
        indices
            .iter()
            .filter_map(|&index| Some(operation_record(record, index, history.operations.get(index)?)))
            .collect()
    };
    ConflictRecord {
        key: conflict.key.clone(),
        rule: conflict.rule,
        sentences: conflict.sentences.clone(),
        operations: write_out(&conflict.operations),
        links: write_out(&conflict.links[..conflict.links.len().min(MOST_LINKS)]),
        links_total: conflict.links.len(),
        stale_by_ms: conflict.stale_by_ns.map(|ns| ns as f64 / 1e6),
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
        node: operation.node.map(|node| node_name(&record.nodes, node)),
        text: operation_text(operation),
        f: operation.op.kind(),
        key: operation.op.key().clone(),
        value: value.cloned(),
        expected: expected.cloned(),
        new: new.cloned(),
        answer: answer(operation).cloned(),
        outcome: operation.outcome.name().to_owned(),
        error: operation
            .outcome
            .reason()
            .map(|reason| shortened(&format!("{}: {}", reason.class, reason.message), EXAMPLE_CHARS)),
        invoked_s: seconds(operation.invoked_ns),
        completed_s: operation
            .completed_ns
            .filter(|_| !operation.outcome.is_info())
            .map(|ns| seconds(ns.get())),
    }
}

/// The name of a node that events know by its index.
pub(crate) fn node_name(nodes: &[String], node: u16) -> String {
    nodes
        .get(usize::from(node))
        .cloned()
        .unwrap_or_else(|| format!("node {node}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn brief_is_what_shortened_makes_of_the_whole() {
        for text in ["", "a", "abc", "abcd", "äöüß", "a longer text"] {
            for most in [0, 1, 3, 4, 100] {
                assert_eq!(brief(&text, most), shortened(text, most), "{text} {most}");
            }
        }
    }
}
