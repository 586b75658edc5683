//! The summary that a terminal shows: plain text, no colour, a few lines.

use std::fmt::Write;

use history::OpKind;

use crate::measure::counts::grouped;
use crate::results::{FaultHold, Results};

/// The most conflicts that are told in words.
pub(crate) const MOST_CONFLICTS: usize = 3;

/// A few plain lines: the verdict, why, what contradicts what, how much was done and which faults took hold. Ends
/// with a newline.
pub fn summary_text(results: &Results) -> String {
    let mut text = String::new();
    write(results, &mut text).expect("writing to a string does not fail");
    text
}

fn write(results: &Results, text: &mut String) -> std::fmt::Result {
    writeln!(text, "verdict: {}", results.verdict)?;
    writeln!(text, "{}", results.headline)?;
    for conflict in results.conflicts.iter().take(MOST_CONFLICTS) {
        writeln!(text, "\nkey {} ({}):", conflict.key, conflict.rule)?;
        for sentence in &conflict.sentences {
            writeln!(text, "  {sentence}")?;
        }
    }
    let untold = results
        .conflicts_total
        .saturating_sub(results.conflicts.len().min(MOST_CONFLICTS));
    if untold > 0 {
        let s = if untold == 1 { "" } else { "s" };
        writeln!(text, "\n… and {} further key{s}", grouped(untold as u64))?;
    }
    for sentence in &results.account {
        writeln!(text, "{sentence}")?;
    }
    if let Some(still) = &results.still {
        writeln!(text, "\nwhat it still is: {}", still.sentence)?;
        if !still.staleness.is_empty() {
            writeln!(text, "  {}", still.staleness)?;
        }
        for row in &still.anomalies {
            writeln!(text, "  {}: {}", row.anomaly, row.example)?;
        }
    }
    for reason in results.unsaid_reasons() {
        writeln!(text, "because: {reason}")?;
    }
    for remark in &results.remarks {
        writeln!(text, "note: {remark}")?;
    }
    writeln!(text)?;
    let total = results.operations_total;
    writeln!(
        text,
        "operations: {} ({} ok, {}{} fail, {} info){}; {} ok/s over {:.1} s",
        grouped(total.invoked),
        grouped(total.ok),
        match (
            results.operations.iter().any(|row| row.f == OpKind::Cas),
            total.mismatch
        ) {
            (true, mismatch) => format!("{} cas without a match, ", grouped(mismatch)),
            (false, 0) => String::new(),
            (false, mismatch) => format!("{} without a match, ", grouped(mismatch)),
        },
        grouped(total.fail),
        grouped(total.info),
        match results.keys {
            0 => String::new(),
            1 => " on 1 key".to_owned(),
            keys => format!(" on {} keys", grouped(keys as u64)),
        },
        grouped(results.ok_ops_per_s.round() as u64),
        results.main_phase_s
    )?;
    for row in &results.latency {
        writeln!(
            text,
            "  {:<6} p50 {} ms, p99 {} ms, max {} ms",
            row.f.name(),
            short_ms(row.latency_ms_p50),
            short_ms(row.latency_ms_p99),
            short_ms(row.latency_ms_max)
        )?;
    }
    writeln!(text, "faults: {}", faults_text(results))?;
    for row in &results.coverage {
        let target = match row.target.as_str() {
            "" => String::new(),
            target => format!(" ({target})"),
        };
        writeln!(
            text,
            "  {:<28} hit {:<9} {} of {} verified, meanwhile {} ok, {} not",
            format!("{}{target}", row.nemesis),
            row.role.name(),
            row.verified,
            row.faults,
            grouped(row.ok),
            grouped(row.not_ok)
        )?;
    }
    Ok(())
}

/// `12 verified, 1 skipped; 4 changes of leader`
pub(crate) fn faults_text(results: &Results) -> String {
    let kinds = [
        FaultHold::Verified,
        FaultHold::Failed,
        FaultHold::Skipped,
        FaultHold::Unfinished,
    ];
    let mut parts: Vec<String> = kinds
        .iter()
        .map(|kind| {
            (
                kind,
                results.faults.iter().filter(|fault| fault.hold == *kind).count(),
            )
        })
        .filter(|(_, count)| *count > 0)
        .map(|(kind, count)| format!("{count} {}", kind.name()))
        .collect();
    if parts.is_empty() {
        parts.push("none".to_owned());
    }
    let elections = match results.changes_of_leader() {
        1 => "1 change of leader".to_owned(),
        count => format!("{count} changes of leader"),
    };
    format!("{}; {elections}", parts.join(", "))
}

/// Three digits or so: `0.42`, `7.3`, `128`.
pub(crate) fn short_ms(ms: f64) -> String {
    match ms {
        ms if ms < 10.0 => format!("{ms:.2}"),
        ms if ms < 100.0 => format!("{ms:.1}"),
        ms => format!("{ms:.0}"),
    }
}
