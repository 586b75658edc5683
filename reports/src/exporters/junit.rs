//! `junit.xml`: one test suite per run, one test case per check, for CI systems.
//!
//! `invalid` is a failure: the store is wrong. `unknown` is an error: the test could not decide, and it is
//! the test rather than the store that needs attention.

use crate::exporters::junit_xml::{Case, Problem, ProblemKind, Suite};
use crate::exporters::terminal::{MOST_CONFLICTS, summary_text};
use crate::results::{Check, CheckName, Results};
use crate::view::Run;

/// The run as JUnit XML.
pub(crate) fn render(run: &Run) -> String {
    let results = run.results;
    let test = &results.test;
    let mut name = format!("perjury {} {}", test.system, test.workload);
    if let Some(bug) = &test.bug {
        name = format!("{name} bug={bug}");
    }
    let suite = Suite {
        name,
        seconds: Some(results.duration_s),
        properties: vec![
            ("seed", test.seed.to_string()),
            ("nemesis", test.nemesis.join(",")),
            ("env", test.env.clone()),
            ("system_version", test.system_version.clone()),
            ("perjury_version", test.perjury_version.clone()),
            ("started_at", test.started_at.clone()),
            ("command", test.command.join(" ")),
        ],
        cases: results.checks.iter().map(|check| case(check, results)).collect(),
        system_out: Some(format!(
            "{}report: {}\n",
            summary_text(results),
            run.dir.report().display()
        )),
    };
    suite.to_xml()
}

fn case(check: &Check, results: &Results) -> Case {
    let is_whole_run = check.name == CheckName::Linearizable;
    Case {
        name: check.name.name().to_owned(),
        class: Some(format!(
            "perjury.{}.{}",
            results.test.system, results.test.workload
        )),
        seconds: is_whole_run.then_some(results.duration_s),
        problem: ProblemKind::of(check.verdict).map(|kind| Problem {
            kind,
            type_: check.verdict.to_string(),
            message: check.reasons.first().unwrap_or(&results.headline).clone(),
            description: Some(description(check, results)),
        }),
    }
}

fn description(check: &Check, results: &Results) -> String {
    let mut lines = check.reasons.clone();
    if check.name == CheckName::Linearizable {
        let conflicts = results.conflicts.iter().take(MOST_CONFLICTS);
        lines.extend(
            conflicts.map(|conflict| format!("key {}: {}", conflict.key, conflict.sentences.join(" "))),
        );
    }
    lines.join("\n")
}
