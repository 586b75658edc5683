//! The summary that a terminal shows: plain text, no colour, a few lines.

use std::fmt::Write;

use history::OpKind;
use history::units::{grouped, three_digits};

use crate::format::faults_text;
use crate::results::Results;

/// The most conflicts that are described.
pub(crate) const MOST_CONFLICTS: usize = 3;

/// A few plain lines: the verdict, why, what contradicts what, how much was done and which faults took hold.
/// Ends with a newline.
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
        writeln!(text, "\n… and {} more key{s}", grouped(untold as u64))?;
    }
    for sentence in &results.account {
        writeln!(text, "{sentence}")?;
    }
    if let Some(still) = &results.still {
        writeln!(text, "\nweaker models: {}", still.sentence)?;
        if !still.staleness.is_empty() {
            writeln!(text, "  {}", still.staleness)?;
        }
        for row in &still.anomalies {
            writeln!(text, "  {}: {}", row.anomaly, row.example)?;
        }
    }
    for reason in results.further_reasons() {
        writeln!(text, "because: {reason}")?;
    }
    for line in results.told_beside() {
        writeln!(text, "observed: {line}")?;
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
            three_digits(row.latency_ms_p50),
            three_digits(row.latency_ms_p99),
            three_digits(row.latency_ms_max)
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
            "  {:<28} hit {:<9} {} of {} verified; during it {} ok, {} not",
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
