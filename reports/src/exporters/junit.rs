//! `junit.xml`: one test suite a run, one test case a check, for CI systems.
//!
//! `invalid` is a failure: the store is wrong. `unknown` is an error: the test could not tell, and somebody should
//! look at the test rather than at the store.

use std::time::Duration;

use checker::Verdict;
use quick_junit::{NonSuccessKind, Property, Report, TestCase, TestCaseStatus, TestSuite};

use crate::exporters::terminal::{MOST_CONFLICTS, summary_text};
use crate::results::{Check, CheckName, Results};
use crate::view::Run;

/// The run as JUnit XML.
pub(crate) fn render(run: &Run) -> Result<String, String> {
    let results = run.results;
    let test = &results.test;
    let mut name = format!("perjury {} {}", test.system, test.workload);
    if let Some(bug) = &test.bug {
        name = format!("{name} bug={bug}");
    }
    let time = Duration::try_from_secs_f64(results.duration_s).unwrap_or_default();
    let mut suite = TestSuite::new(name);
    suite.set_time(time);
    let properties = [
        ("seed", test.seed.to_string()),
        ("nemesis", test.nemesis.join(",")),
        ("env", test.env.clone()),
        ("system_version", test.system_version.clone()),
        ("perjury_version", test.perjury_version.clone()),
        ("started_at", test.started_at.clone()),
        ("command", test.command.join(" ")),
    ];
    suite.add_properties(properties.map(|(name, value)| Property::new(name, value)));
    for check in &results.checks {
        let mut case = TestCase::new(check.name.name(), status(check, results));
        case.set_classname(format!("perjury.{}.{}", test.system, test.workload));
        if check.name == CheckName::Linearizable {
            case.set_time(time);
        }
        suite.add_test_case(case);
    }
    suite.set_system_out(format!(
        "{}report: {}\n",
        summary_text(results),
        run.dir.report().display()
    ));
    let mut report = Report::new("perjury");
    report.set_time(time);
    report.add_test_suite(suite);
    report.to_string().map_err(|error| error.to_string())
}

fn status(check: &Check, results: &Results) -> TestCaseStatus {
    let (kind, word) = match check.verdict {
        Verdict::Valid => return TestCaseStatus::success(),
        Verdict::Invalid => (NonSuccessKind::Failure, "invalid"),
        Verdict::Unknown => (NonSuccessKind::Error, "unknown"),
    };
    let mut status = TestCaseStatus::non_success(kind);
    status.set_type(word);
    status.set_message(check.reasons.first().unwrap_or(&results.headline).as_str());
    let mut lines = check.reasons.clone();
    if check.name == CheckName::Linearizable {
        let told = results.conflicts.iter().take(MOST_CONFLICTS);
        lines.extend(told.map(|conflict| format!("key {}: {}", conflict.key, conflict.sentences.join(" "))));
    }
    status.set_description(lines.join("\n"));
    status
}
