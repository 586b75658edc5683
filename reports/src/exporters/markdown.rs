//! `summary.md`: the run in Markdown, for the summaries of CI systems (GitHub's job summary, a comment on a
//! merge request).
//!
//! Invariant: nothing that came from the store or the user can be Markdown or HTML here: it goes through
//! [`markdown`].

use std::fmt::Write;

use history::units::{grouped, three_digits};

use crate::exporters::terminal::MOST_CONFLICTS;
use crate::format::{emoji, faults_text, markdown};
use crate::results::Results;
use crate::view::Run;

/// The run as Markdown.
pub(crate) fn render(run: &Run) -> Result<String, String> {
    let mut text = String::new();
    write(run.results, &mut text).map_err(|error| error.to_string())?;
    Ok(text)
}

fn write(results: &Results, text: &mut String) -> std::fmt::Result {
    let test = &results.test;
    writeln!(
        text,
        "### {} {}: perjury {} {}\n",
        emoji(results.verdict),
        results.verdict,
        markdown(&test.system),
        markdown(&test.workload)
    )?;
    writeln!(text, "{}\n", markdown(&results.headline))?;
    for conflict in results.conflicts.iter().take(MOST_CONFLICTS) {
        writeln!(
            text,
            "- key {} ({}): {}",
            markdown(&conflict.key.to_string()),
            conflict.rule,
            markdown(&conflict.sentences.join(" "))
        )?;
    }
    if let Some(still) = &results.still {
        writeln!(text, "- weaker models: {}", markdown(&still.sentence))?;
    }
    for reason in results.further_reasons() {
        writeln!(text, "- because: {}", markdown(reason))?;
    }
    for line in results.told_beside() {
        writeln!(text, "- observed: {}", markdown(&line))?;
    }
    for remark in &results.remarks {
        writeln!(text, "- note: {}", markdown(remark))?;
    }
    let total = results.operations_total;
    writeln!(
        text,
        "\n| operations | ok | no match | fail | info | ok/s | faults |\n|--:|--:|--:|--:|--:|--:|---|"
    )?;
    writeln!(
        text,
        "| {} | {} | {} | {} | {} | {} | {} |\n",
        grouped(total.invoked),
        grouped(total.ok),
        grouped(total.mismatch),
        grouped(total.fail),
        grouped(total.info),
        grouped(results.ok_ops_per_s.round() as u64),
        markdown(&faults_text(results))
    )?;
    if !results.latency.is_empty() {
        writeln!(text, "| latency | p50 ms | p99 ms | max ms |\n|---|--:|--:|--:|")?;
        for row in &results.latency {
            writeln!(
                text,
                "| {} | {} | {} | {} |",
                row.f.name(),
                three_digits(row.latency_ms_p50),
                three_digits(row.latency_ms_p99),
                three_digits(row.latency_ms_max)
            )?;
        }
        writeln!(text)?;
    }
    writeln!(
        text,
        "seed {}, {} nodes ({}), nemesis {}, perjury {}",
        test.seed,
        test.nodes.len(),
        markdown(&test.env),
        match test.nemesis.as_slice() {
            [] => "none".to_owned(),
            names => markdown(&names.join(", ")),
        },
        markdown(&test.perjury_version)
    )
}
