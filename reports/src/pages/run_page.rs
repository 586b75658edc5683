//! `report.html`: one self-contained page. Its words are in `templates/`; everything that has to be computed
//! is computed here.
//!
//! Invariant: every string that comes from outside (values, error messages, names of nodes) is escaped, by
//! askama in the template and by hand in the pictures.

use std::collections::BTreeSet;
use std::path::Path;

use askama::Template;
use checker::Verdict;
use history::units::{grouped, three_digits};
use history::{ErrorClass, OpKind};

use crate::fault_bands::Background;
use crate::format::symbol;
use crate::interactive::{self, Explored, SCRIPT};
use crate::pages::conflict::{Pictured, Told, is_per_key, told};
use crate::results::Recovery;
use crate::results::{CheckName, ErrorRow, FaultHold, Results};
use crate::svg::{Rgb, hex};
use crate::timeline::Subject;
use crate::view::Plot;
use crate::view::Run;

#[derive(Template)]
#[template(path = "run.html")]
struct Page<'a> {
    results: &'a Results,
    symbol: &'static str,
    /// Reasons and remarks, below the headline.
    reasons: Vec<&'a str>,
    facts: Vec<Fact>,
    pictured: Vec<Pictured>,
    told: Vec<Told>,
    untold: usize,
    background: &'a Background,
    /// JSON for the script.
    timeline: String,
    script: &'static str,
    plots: &'a [Plot],
    errors: Vec<ErrorLine<'a>>,
    faults: Vec<FaultLine<'a>>,
    plan: Vec<(&'static str, String)>,
    again: String,
    replay: String,
    check: String,
    directory: String,
}

/// A number that is shown large.
struct Fact {
    value: String,
    unit: &'static str,
}

/// A rule of the system's table of errors with what it was applied to, or errors that no rule names.
struct ErrorLine<'a> {
    name: &'a str,
    class: ErrorClass,
    /// What it makes of an operation that could have changed something.
    counted_as: &'a str,
    fail: u64,
    info: u64,
    kinds: String,
    when: &'a str,
    why: &'a str,
    example: &'a str,
}

struct FaultLine<'a> {
    name: String,
    detail: &'a str,
    start: String,
    end: String,
    hold: &'static str,
    symbol: &'static str,
    why: &'a str,
    gap: String,
    back: String,
    colour: Option<String>,
}

/// The page of a run.
pub(crate) fn render(run: &Run) -> Result<String, String> {
    let results = run.results;
    let background = run.background;
    let subject = Subject {
        history: run.history,
        nodes: &results.test.nodes,
        background,
        per_key: is_per_key(run.analysis),
    };
    let timeline = interactive::data(&Explored {
        subject: &subject,
        analysis: run.analysis,
        faults: &results.faults,
        leaders: &results.leader_changes,
        logs: Some((run.dir, &results.test)),
    })?;
    let pictured = Pictured::first(&subject, run.analysis);
    let told = told(run.history, run.analysis);
    let page = Page {
        symbol: symbol(results.verdict),
        reasons: results
            .further_reasons()
            .chain(results.remarks.iter().map(String::as_str))
            .collect(),
        facts: facts(results),
        untold: results
            .conflicts_total
            .saturating_sub(pictured.len() + told.len()),
        pictured,
        told,
        errors: error_lines(results),
        faults: fault_lines(results, background),
        plan: plan(results),
        again: command(&results.test.command),
        replay: format!(
            "perjury test --replay {}",
            quoted(&run.dir.root().display().to_string())
        ),
        check: format!("perjury check {}", quoted(&run.dir.root().display().to_string())),
        directory: absolute(run.dir.root()),
        timeline,
        script: SCRIPT,
        background,
        plots: run.plots,
        results,
    };
    page.render().map_err(|error| error.to_string())
}

fn facts(results: &Results) -> Vec<Fact> {
    let total = results.operations_total;
    let held = results.faults.iter().filter(|fault| fault.is_verified()).count();
    let slowest = results
        .latency
        .iter()
        .map(|row| row.latency_ms_max)
        .fold(0.0, f64::max);
    let available = results.availability.map_or_else(
        || "–".to_owned(),
        |availability| format!("{:.1} %", availability.share_of_time * 100.0),
    );
    vec![
        Fact {
            value: grouped(results.ok_ops_per_s.round() as u64),
            unit: "ok operations per second",
        },
        Fact {
            value: grouped(total.ok),
            unit: "operations ok",
        },
        Fact {
            value: grouped(total.fail + total.info),
            unit: "failed or unknown (fail, info)",
        },
        Fact {
            value: available,
            unit: "of the time with answers",
        },
        Fact {
            value: format!("{held} of {}", results.faults.len()),
            unit: "faults verified",
        },
        Fact {
            value: grouped(results.changes_of_leader() as u64),
            unit: "leader changes seen",
        },
        Fact {
            value: three_digits(slowest),
            unit: "ms: slowest answer",
        },
    ]
}

/// The whole table of errors in its own order, then the errors that it does not name; those that occurred
/// first.
fn error_lines(results: &Results) -> Vec<ErrorLine<'_>> {
    let by_rule = results.test.error_rules.iter().map(|rule| {
        let rows: Vec<&ErrorRow> = (results.errors.iter())
            .filter(|row| row.rule == rule.name)
            .collect();
        let count = |outcome: &str| -> u64 {
            let rows = rows.iter().filter(|row| row.outcome == outcome);
            rows.map(|row| row.count).sum()
        };
        let kinds: BTreeSet<OpKind> = rows.iter().flat_map(|row| row.f.iter().copied()).collect();
        ErrorLine {
            name: &rule.name,
            class: rule.class,
            counted_as: if rule.is_certain { "fail" } else { "info" },
            fail: count("fail"),
            info: count("info"),
            kinds: names(&kinds),
            when: &rule.when,
            why: &rule.source,
            example: rows.first().map_or("", |row| &row.example),
        }
    });
    let is_named = |row: &&ErrorRow| (results.test.error_rules.iter()).any(|rule| rule.name == row.rule);
    let others = (results.errors.iter()).filter(|row| !is_named(row)).map(|row| {
        let of = |outcome: &str| if row.outcome == outcome { row.count } else { 0 };
        ErrorLine {
            name: &row.rule,
            class: row.class,
            counted_as: &row.outcome,
            fail: of("fail"),
            info: of("info"),
            kinds: names(&row.f.iter().copied().collect()),
            when: "",
            why: why_so(row),
            example: &row.example,
        }
    });
    let mut lines: Vec<ErrorLine> = by_rule.chain(others).collect();
    // Errors that did not occur are of least interest.
    lines.sort_by_key(|line| line.fail + line.info == 0);
    lines
}

fn names(kinds: &BTreeSet<OpKind>) -> String {
    let names: Vec<&str> = kinds.iter().map(|kind| kind.name()).collect();
    names.join(", ")
}

/// Why it is right, or at least safe, to call errors of this class `fail` or `info`.
fn why_so(row: &ErrorRow) -> &'static str {
    let only_reads = row.f.iter().all(|kind| *kind == OpKind::Read);
    match (row.class, row.outcome.as_str()) {
        (ErrorClass::ConnectionRefused, "fail") => "no connection was made, so nothing was sent",
        (ErrorClass::Unavailable | ErrorClass::Rejected, "fail") => {
            "the store says that it did not do it and never will"
        }
        (_, "fail") if only_reads => "a read changes nothing, whether it arrived or not",
        (_, "fail") => {
            "the client says that it certainly did not happen; a wrong fail makes false accusations"
        }
        (ErrorClass::ConnectionLost, _) => "the request may have arrived before the connection broke",
        (ErrorClass::Timeout, _) => "no answer in time: it may have happened, or may yet happen",
        (ErrorClass::Unavailable | ErrorClass::Rejected, _) => {
            "the store gave up on it without saying that it will never happen"
        }
        (ErrorClass::Protocol, _) => "the answer could not be understood, so it proves nothing",
        (ErrorClass::Aborted, _) => "the run ended before the answer came",
        (ErrorClass::ConnectionRefused | ErrorClass::Other, _) => {
            "nothing is known for certain, so the outcome counts as unknown"
        }
    }
}

fn fault_lines<'a>(results: &'a Results, background: &Background) -> Vec<FaultLine<'a>> {
    results
        .faults
        .iter()
        .map(|fault| FaultLine {
            name: fault.name_and_target(),
            detail: &fault.detail,
            start: format!("{:.2}", fault.start_s),
            end: fault
                .end_s
                .map_or_else(|| "–".to_owned(), |end_s| format!("{end_s:.2}")),
            hold: fault.hold.name(),
            symbol: match fault.hold {
                FaultHold::Verified => "✓",
                FaultHold::Failed => "✗",
                FaultHold::Refused | FaultHold::Skipped => "–",
                FaultHold::Unfinished | FaultHold::Unsettled => "…",
            },
            why: fault.why.as_deref().unwrap_or_default(),
            gap: fault
                .recovery
                .map_or_else(String::new, |felt| three_digits(felt.longest_gap_ms)),
            back: fault.recovery.map_or_else(String::new, back),
            colour: background
                .legend
                .iter()
                .find(|(name, _)| *name == fault.nemesis)
                .map(|(_, rgb)| hex(*rgb)),
        })
        .collect()
}

/// When the rate of answers was back, for a table.
fn back(recovery: Recovery) -> String {
    match (recovery.felt, recovery.recovery_ms, recovery.after_end_ms) {
        (None, ..) => "too few answers to say".to_owned(),
        (Some(false), ..) => "not felt".to_owned(),
        (Some(true), None, _) => {
            let least = recovery
                .recovery_at_least_ms
                .map_or_else(String::new, three_digits);
            format!("not seen; {least} ms or more")
        }
        (Some(true), Some(ms), None) => format!("{} ms", three_digits(ms)),
        (Some(true), Some(ms), Some(after)) => {
            format!("{} ms, {} after its end", three_digits(ms), three_digits(after))
        }
    }
}

/// Every field of the plan, human-readable.
fn plan(results: &Results) -> Vec<(&'static str, String)> {
    let test = &results.test;
    let or = |text: &str, otherwise: &str| {
        if text.is_empty() {
            otherwise.to_owned()
        } else {
            text.to_owned()
        }
    };
    vec![
        ("system", or(&test.system, "not recorded")),
        ("system version", or(&test.system_version, "not reported")),
        (
            "reads",
            or(
                test.read_mode.as_deref().unwrap_or_default(),
                "the only way there is",
            ),
        ),
        (
            "started by",
            if test.endpoints.is_empty() {
                "perjury".to_owned()
            } else {
                format!("someone else, at {}", test.endpoints.join(" "))
            },
        ),
        (
            "planted bug",
            test.bug.clone().unwrap_or_else(|| "none".to_owned()),
        ),
        ("nodes", or(&test.nodes.join(" "), "not recorded")),
        ("workload", or(&test.workload, "not recorded")),
        ("model", or(&test.model, "not recorded")),
        ("nemeses", or(&test.nemesis.join(", "), "none")),
        ("client threads", test.concurrency.to_string()),
        (
            "rate",
            test.rate_per_s.map_or_else(
                || "as fast as possible".to_owned(),
                |rate| format!("at most {rate} a second"),
            ),
        ),
        ("time limit", format!("{} s", test.time_limit_s)),
        (
            "operations",
            test.ops.map_or_else(
                || "no limit".to_owned(),
                |ops| format!("at most {}", grouped(ops)),
            ),
        ),
        ("client timeout", format!("{} ms", test.op_timeout_ms)),
        ("client retries", or(&test.client_retries, "not recorded")),
        ("seed", test.seed.to_string()),
        ("environment", or(&test.env, "not recorded")),
        ("links cut by", or(&test.links, "not recorded")),
        ("perjury", or(&test.perjury_version, "not recorded")),
        ("host", or(&test.host, "not recorded")),
        ("started", or(&test.started_at, "not recorded")),
    ]
}

/// The command line that runs the test again, for a shell.
fn command(arguments: &[String]) -> String {
    let words = arguments.iter().map(|argument| quoted(argument));
    std::iter::once("perjury".to_owned())
        .chain(words)
        .collect::<Vec<_>>()
        .join(" ")
}

/// A word as a POSIX shell reads it.
fn quoted(word: &str) -> String {
    let is_plain = |letter: char| letter.is_ascii_alphanumeric() || "-_./:=,@%+".contains(letter);
    if !word.is_empty() && word.chars().all(is_plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

fn absolute(path: &Path) -> String {
    std::path::absolute(path)
        .unwrap_or_else(|_| path.to_owned())
        .display()
        .to_string()
}

/// What templates call.
mod helpers {
    use super::*;

    pub fn check_text(name: CheckName) -> &'static str {
        match name {
            CheckName::Linearizable => "linearizable",
            CheckName::NotRecovered => "recovered after the last heal",
            CheckName::TwoLeaders => "one leader in each term",
            CheckName::Diverged => "same state on all nodes",
            CheckName::Log => "no broken promise in the logs",
            CheckName::FaultsTookHold => "faults took hold",
            CheckName::EnoughOperations => "enough operations",
            CheckName::FailOn => "nothing to fail on",
        }
    }

    pub fn colour(rgb: &Rgb) -> String {
        hex(*rgb)
    }

    pub fn count(number: &u64) -> String {
        grouped(*number)
    }

    pub fn ms(ms: &f64) -> String {
        three_digits(*ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_can_be_pasted_into_a_shell() {
        let check = |arguments: &[&str], expected: &str| {
            let arguments: Vec<String> = arguments.iter().map(|argument| (*argument).to_owned()).collect();
            assert_eq!(command(&arguments), expected);
        };
        check(&["test", "--seed", "7"], "perjury test --seed 7");
        check(&["test", "--runs", "/tmp/a b"], "perjury test --runs '/tmp/a b'");
        check(&["it's", ""], r"perjury 'it'\''s' ''");
        check(
            &["--nemesis", "kill:leader,pause"],
            "perjury --nemesis kill:leader,pause",
        );
    }
}
