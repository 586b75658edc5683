//! From a history and its analysis to [`Results`]: what was counted and measured, and what the [`checks`]
//! make of it.

use checker::{Analysis, Verdict};
use history::units::{grouped, plural, seconds};
use history::{History, TestRecord};

use crate::checks::{self, Judged};
use crate::format::promise;
use crate::measure::conflicts::conflict_record;
use crate::measure::counts::{count_operations, errors, latencies, notes, throughput};
use crate::measure::coverage::coverage;
use crate::measure::faults::fault_rows;
use crate::measure::recovery::{Answers, add_recoveries};
use crate::node_logs::NodeLogs;
use crate::observe::{Looked, observe};
use crate::pages::still::still_record;
use crate::remarks::remarks;
use crate::results::{Counts, Results, SCHEMA_VERSION};

/// Counts what happened and judges the run; `logs` is what stands in its nodes' logs.
pub fn summarize(record: &TestRecord, history: &History, analysis: &Analysis, logs: &NodeLogs) -> Results {
    let operations = count_operations(history);
    let operations_total = operations
        .iter()
        .fold(Counts::default(), |sum, row| sum.plus(row.counts));
    let mut faults = fault_rows(history);
    let answers = Answers::new(record, history);
    add_recoveries(&answers, &mut faults);
    let latency = latencies(history);
    let looked = Looked {
        record,
        history,
        faults: &faults,
        logs,
        availability: answers.availability(),
        latency: &latency,
    };
    let observations = observe(&looked);
    let availability = looked.availability;
    let checks = checks::judge(&Judged {
        looked: &looked,
        observations: &observations,
        record,
        history,
        analysis,
        faults: &faults,
        operations: &operations,
        total: operations_total,
    });
    let verdict = checks::merge(&checks);
    let remarks = remarks(record, history, &faults, verdict);
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
        still: (analysis.still.as_ref()).map(|still| still_record(history, still)),
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
        latency,
        main_phase_s,
        ok_ops_per_s,
        availability,
        duration_s: seconds(history.end_ns),
        coverage: coverage(history, &faults),
        faults,
        leader_changes,
        notes,
        observations,
        test: record.clone(),
    };
    results.headline = headline(&results);
    results
}

fn headline(results: &Results) -> String {
    let promise = promise(&results.test.model);
    match (results.verdict, results.reasons().next()) {
        (Verdict::Valid, _) => format!(
            "Every answer can be explained: all {} on {} are {promise}.",
            plural(results.operations_total.invoked, "operation"),
            plural(results.keys as u64, "key"),
        ),
        (Verdict::Invalid, _) if results.conflicts_total == 0 => broken(results),
        (Verdict::Invalid, _) => format!(
            "No order of events explains all answers: {} of {} {} not {promise}.",
            grouped(results.conflicts_total as u64),
            plural(results.keys as u64, "key"),
            if results.conflicts_total == 1 { "is" } else { "are" },
        ),
        (Verdict::Unknown, Some(reason)) => format!("The verdict is unknown: {reason}."),
        (Verdict::Unknown, None) => "The verdict is unknown, and no reason is given.".to_owned(),
    }
}

/// Of a run whose answers break no rule, but what was observed of the store does.
fn broken(results: &Results) -> String {
    let mut checks = results.checks.iter();
    let reason = checks
        .find(|check| check.verdict == Verdict::Invalid)
        .and_then(|check| Some((check.name, check.reasons.first()?)));
    match reason {
        Some((name, reason)) => format!("The store failed ({}): {reason}.", name.name()),
        None => "The verdict is invalid, and no reason is given.".to_owned(),
    }
}
