//! The results of a matrix of tests: many runs on one page, in one JUnit file, and as one Markdown table.
//!
//! Invariants:
//! - The page refers to the reports of the runs by relative paths, so that the directory can be moved and
//!   published as it is.
//! - Tests that were planned and not run count as unknown: a matrix that was interrupted is never valid.

use askama::Template;
use checker::Verdict;
use history::units::grouped;

use crate::exporters::junit_xml::{Case, Problem, ProblemKind, Suite};
use crate::format::symbol;
use crate::format::{emoji, markdown};
use crate::results::Results;

/// One run of a matrix.
#[derive(Clone, Debug)]
pub struct MatrixRow {
    /// The system that was tested.
    pub system: String,
    /// The workload that it ran.
    pub workload: String,
    /// The nemeses that acted on it, as requested.
    pub nemesis: String,
    /// The seed.
    pub seed: u64,
    /// The verdict. A run that could not be finished is unknown.
    pub verdict: Verdict,
    /// Why, in one line.
    pub headline: String,
    /// The run directory, relative to the page; empty if there is none.
    pub directory: String,
    /// The run's numbers, if it got that far.
    pub results: Option<Box<Results>>,
    /// How long it took, seconds.
    pub duration_s: f64,
}

impl MatrixRow {
    /// What a reader of the verdict should know.
    pub fn remarks(&self) -> impl Iterator<Item = &String> {
        self.results.iter().flat_map(|results| &results.remarks)
    }
}

/// A matrix, as far as it has been run.
#[derive(Clone, Copy, Debug)]
pub struct MatrixPage<'a> {
    /// What it is called.
    pub title: &'a str,
    /// The tests that were run.
    pub rows: &'a [MatrixRow],
    /// How many tests there are to be.
    pub planned: usize,
}

#[derive(Template)]
#[template(path = "matrix.html")]
struct Page<'a> {
    verdict: Verdict,
    symbol: &'static str,
    title: &'a str,
    counts: Vec<(usize, Verdict)>,
    not_run: Option<String>,
    rows: Vec<Row<'a>>,
}

struct Row<'a> {
    row: &'a MatrixRow,
    symbol: &'static str,
    remarks: &'a [String],
    operations: String,
    rate: String,
    faults: String,
}

impl MatrixPage<'_> {
    /// Invalid beats unknown beats valid; nothing at all is unknown, and so is what was not run.
    pub fn verdict(&self) -> Verdict {
        let first = match self.rows.is_empty() || self.not_run().is_some() {
            true => Verdict::Unknown,
            false => Verdict::Valid,
        };
        self.rows
            .iter()
            .fold(first, |verdict, row| verdict.merge(row.verdict))
    }

    /// Words for the tests that were not run, if there are any.
    fn not_run(&self) -> Option<String> {
        let left = self.planned.saturating_sub(self.rows.len());
        (left > 0).then(|| format!("{left} of {} tests not run", self.planned))
    }
}

/// `index.html`.
///
/// # Errors
/// When it cannot be rendered, which is a bug.
pub fn matrix_html(matrix: MatrixPage) -> Result<String, String> {
    let (verdict, rows) = (matrix.verdict(), matrix.rows);
    let kinds = [Verdict::Invalid, Verdict::Unknown, Verdict::Valid];
    let counted = kinds.map(|kind| (rows.iter().filter(|row| row.verdict == kind).count(), kind));
    let shown = rows.iter().map(|row| {
        let results = row.results.as_deref();
        let number = |of: fn(&Results) -> u64| results.map_or(String::new(), |results| grouped(of(results)));
        let verified =
            |results: &Results| results.faults.iter().filter(|fault| fault.is_verified()).count() as u64;
        Row {
            row,
            symbol: symbol(row.verdict),
            remarks: results.map_or(&[], |results| &results.remarks),
            operations: number(|results| results.operations_total.invoked),
            rate: number(|results| results.ok_ops_per_s.round() as u64),
            faults: number(verified),
        }
    });
    let page = Page {
        verdict,
        symbol: symbol(verdict),
        title: matrix.title,
        not_run: matrix.not_run(),
        counts: counted.into_iter().filter(|(count, _)| *count > 0).collect(),
        rows: shown.collect(),
    };
    page.render().map_err(|error| error.to_string())
}

/// The same table in Markdown.
pub fn matrix_markdown(matrix: MatrixPage) -> String {
    let verdict = matrix.verdict();
    let mut text = format!(
        "### {} {verdict}: perjury test-all {}\n\n",
        emoji(verdict),
        markdown(matrix.title)
    );
    if let Some(words) = matrix.not_run() {
        text.push_str(&format!("**{words}**\n\n"));
    }
    text.push_str("| verdict | system | workload | nemesis | seed | why |\n|---|---|---|---|--:|---|\n");
    for row in matrix.rows {
        text.push_str(&format!(
            "| {} {} | {} | {} | {} | {} | {} |\n",
            emoji(row.verdict),
            row.verdict,
            markdown(&row.system),
            markdown(&row.workload),
            markdown(&row.nemesis),
            row.seed,
            [row.headline.as_str()]
                .into_iter()
                .chain(row.remarks().map(|remark| remark.as_str()))
                .map(markdown)
                .collect::<Vec<_>>()
                .join("<br>note: ")
        ));
    }
    text
}

/// One suite with a test case a run: invalid is a failure, unknown an error.
pub fn matrix_junit(matrix: MatrixPage) -> String {
    let mut cases: Vec<Case> = (matrix.rows.iter())
        .map(|row| Case {
            name: format!("{} --nemesis {} --seed {}", row.workload, row.nemesis, row.seed),
            class: Some(format!("perjury.{}", row.system)),
            seconds: Some(row.duration_s),
            problem: ProblemKind::of(row.verdict)
                .map(|kind| problem(kind, row.verdict, row.headline.clone())),
        })
        .collect();
    cases.extend(matrix.not_run().map(|words| Case {
        name: words.clone(),
        class: None,
        seconds: None,
        problem: Some(problem(ProblemKind::Error, Verdict::Unknown, words)),
    }));
    let suite = Suite {
        name: "perjury test-all".to_owned(),
        seconds: None,
        properties: Vec::new(),
        cases,
        system_out: None,
    };
    suite.to_xml()
}

fn problem(kind: ProblemKind, verdict: Verdict, message: String) -> Problem {
    Problem {
        kind,
        type_: verdict.to_string(),
        message,
        description: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(system: &str, verdict: Verdict) -> MatrixRow {
        MatrixRow {
            system: system.to_owned(),
            workload: "register".to_owned(),
            nemesis: "kill".to_owned(),
            seed: 7,
            verdict,
            headline: "a <b>reason</b>".to_owned(),
            directory: "runs/one".to_owned(),
            results: None,
            duration_s: 1.5,
        }
    }

    #[test]
    fn the_worst_verdict_counts() {
        use Verdict::{Invalid, Unknown, Valid};
        for (verdicts, expected) in [
            (&[][..], Unknown),
            (&[Valid, Valid], Valid),
            (&[Valid, Unknown], Unknown),
            (&[Unknown, Invalid, Valid], Invalid),
        ] {
            let rows: Vec<MatrixRow> = verdicts.iter().map(|verdict| row("etcd", *verdict)).collect();
            let matrix = |planned| MatrixPage {
                title: "m.toml",
                rows: &rows,
                planned,
            };
            assert_eq!(matrix(rows.len()).verdict(), expected, "{verdicts:?}");
            // Interrupted.
            assert_eq!(
                matrix(rows.len() + 1).verdict(),
                expected.merge(Unknown),
                "{verdicts:?}"
            );
        }
    }

    #[test]
    fn every_run_is_there_and_nothing_is_markup() {
        let rows = [row("etcd", Verdict::Valid), row("<i>", Verdict::Invalid)];
        let matrix = |planned| MatrixPage {
            title: "a & b",
            rows: &rows,
            planned,
        };
        let page = matrix_html(matrix(2)).expect("a page");
        assert!(
            page.contains("runs/one/report.html") && page.contains("a &#38; b"),
            "{page}"
        );
        assert!(!page.contains("<i>") && !page.contains("<b>reason"), "{page}");
        let junit = matrix_junit(matrix(2));
        assert_eq!(junit.matches("<testcase").count(), 2);
        assert_eq!(junit.matches("<failure").count(), 1, "{junit}");
        for text in [
            matrix_html(matrix(5)).expect("a page"),
            matrix_junit(matrix(5)),
            matrix_markdown(matrix(5)),
        ] {
            assert!(text.contains("3 of 5 tests not run"), "{text}");
        }
    }
}
