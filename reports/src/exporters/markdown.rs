//! `summary.md`: the run in Markdown, for the summaries of CI systems (GitHub's job summary, a comment on a merge request).
//!
//! Invariant: nothing that came from the store or the user can be Markdown or HTML here: it stands in [`plain`].

use std::fmt::Write;

use checker::Verdict;

use crate::exporters::Run;
use crate::exporters::terminal::{MOST_CONFLICTS, faults_text, short_ms};
use crate::measure::counts::grouped;
use crate::results::Results;

/// The run as Markdown.
pub(crate) fn render(run: &Run) -> Result<String, String> {
    let mut text = String::new();
    write(run.results, &mut text).map_err(|error| error.to_string())?;
    Ok(text)
}

/// The sign of a verdict.
pub(crate) fn sign(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Valid => "✅",
        Verdict::Invalid => "❌",
        Verdict::Unknown => "❓",
    }
}

fn write(results: &Results, text: &mut String) -> std::fmt::Result {
    let test = &results.test;
    writeln!(
        text,
        "### {} {}: perjury {} {}\n",
        sign(results.verdict),
        results.verdict,
        plain(&test.system),
        plain(&test.workload)
    )?;
    writeln!(text, "{}\n", plain(&results.headline))?;
    for conflict in results.conflicts.iter().take(MOST_CONFLICTS) {
        writeln!(
            text,
            "- key {} ({}): {}",
            plain(&conflict.key.to_string()),
            conflict.rule,
            plain(&conflict.sentences.join(" "))
        )?;
    }
    if let Some(still) = &results.still {
        writeln!(text, "- what it still is: {}", plain(&still.sentence))?;
    }
    for reason in results.unsaid_reasons() {
        writeln!(text, "- because: {}", plain(reason))?;
    }
    for remark in &results.remarks {
        writeln!(text, "- note: {}", plain(remark))?;
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
        plain(&faults_text(results))
    )?;
    if !results.latency.is_empty() {
        writeln!(text, "| latency | p50 ms | p99 ms | max ms |\n|---|--:|--:|--:|")?;
        for row in &results.latency {
            writeln!(
                text,
                "| {} | {} | {} | {} |",
                row.f.name(),
                short_ms(row.latency_ms_p50),
                short_ms(row.latency_ms_p99),
                short_ms(row.latency_ms_max)
            )?;
        }
        writeln!(text)?;
    }
    writeln!(
        text,
        "seed {}, {} nodes ({}), nemesis {}, perjury {}",
        test.seed,
        test.nodes.len(),
        plain(&test.env),
        match test.nemesis.as_slice() {
            [] => "none".to_owned(),
            names => plain(&names.join(", ")),
        },
        plain(&test.perjury_version)
    )
}

/// A text without meaning for Markdown and HTML, on one line.
pub(crate) fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '\\' | '`' | '*' | '_' | '[' | ']' | '|' | '~' | '#' | '!' | '$' | '@' => {
                // An entity rather than a backslash: cells of tables and autolinks do not honour that everywhere.
                let _ = write!(out, "&#{};", u32::from(c));
            }
            c if c.is_control() => out.push(' '),
            c => out.push(c),
        }
    }
    // No bare address becomes a link.
    out.replace("://", "&#58;//").replace("www.", "www&#46;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_the_store_is_markup() {
        for (text, expected) in [
            ("read = 3", "read = 3"),
            (
                "<script>alert(1)</script>",
                "&lt;script&gt;alert(1)&lt;/script&gt;",
            ),
            ("a|b\n# c", "a&#124;b &#35; c"),
            ("[x](http://y)", "&#91;x&#93;(http&#58;//y)"),
            ("`*_", "&#96;&#42;&#95;"),
            ("@team &amp;", "&#64;team &amp;amp;"),
        ] {
            assert_eq!(plain(text), expected);
        }
    }
}
