//! `perjury test-all`: a matrix of tests from a TOML file, one after the other, and a page that shows them
//! all.
//!
//! Invariants:
//! - Every test of the matrix is checked before the first one begins: a mistake costs no time.
//! - A workload that a system does not support is left out with a note, and is no failure. A run that could
//!   not be finished is unknown.
//! - Invalid beats unknown beats valid.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::Context;
use checker::Verdict;
use history::tell::plain;
use reports::{MatrixPage, MatrixRow};
use serde::Deserialize;

use crate::cli::{Command, TestAllArgs};
use crate::exit::{CommandResult, Done, Failure, HARNESS};
use crate::github;
use crate::output::{command, say};
use crate::plan::{Plan, flags, has_objects};
use crate::run::child::Children;
use crate::run::directory;

/// The most tests of a matrix.
const MOST_TESTS: usize = 10_000;
/// What a run may take beyond the time of its clients: starting, healing, judging, reporting.
const OVERHEAD: Duration = Duration::from_secs(600);

/// The file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Matrix {
    /// Flags of every test.
    #[serde(default)]
    flags: Vec<String>,
    #[serde(default = "bundled")]
    systems: Vec<String>,
    #[serde(default = "register")]
    workloads: Vec<String>,
    /// Each as written after `--nemesis`.
    #[serde(default = "usual_nemeses")]
    nemeses: Vec<String>,
    #[serde(default = "one_seed")]
    seeds: Vec<u64>,
    /// What is left out: all tests that match every field that is given.
    #[serde(default)]
    exclude: Vec<Exclude>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Exclude {
    system: Option<String>,
    workload: Option<String>,
    nemesis: Option<String>,
}

fn bundled() -> Vec<String> {
    vec!["bundled".to_owned()]
}

fn register() -> Vec<String> {
    vec!["register".to_owned()]
}

fn usual_nemeses() -> Vec<String> {
    vec!["kill,pause,partition".to_owned()]
}

fn one_seed() -> Vec<u64> {
    vec![1]
}

/// One test of the matrix.
#[derive(Clone, Debug)]
struct Cell {
    system: String,
    workload: String,
    nemesis: String,
    seed: u64,
}

/// Runs them all.
pub fn run(args: &TestAllArgs) -> CommandResult {
    let matrix = read(&args.matrix)?;
    let cells = cells(&matrix)?;
    let place = directory::make(&args.runs, "all")?;
    let children = Children::new()?;
    let title = args
        .matrix
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    let mut rows: Vec<MatrixRow> = Vec::new();
    let (mut has_failed, count) = (false, cells.len());
    for (number, (cell, time_limit)) in cells.iter().enumerate() {
        let arguments = arguments(&matrix, cell);
        eprintln!(
            "perjury: test {} of {count}: perjury {}",
            number + 1,
            arguments.join(" ")
        );
        let (row, failed) = one(&children, &arguments, cell, &place, *time_limit)?;
        has_failed |= failed;
        say!(
            "{:<7} {} {} --nemesis {} --seed {}: {}",
            row.verdict.to_string(),
            row.system,
            row.workload,
            row.nemesis,
            row.seed,
            row.headline
        );
        for remark in row.remarks() {
            say!("        note: {remark}");
        }
        if let Some(annotation) = row.results.as_deref().and_then(github::annotation) {
            command(&annotation);
        }
        rows.push(row);
        // After every test, so that an interrupted matrix leaves a page of the tests before.
        write(&place, page(&title, &rows, count))?;
        if children.is_interrupted() {
            break;
        }
    }
    github::add_to_step_summary(&place.join("summary.md"));
    let verdict = page(&title, &rows, count).verdict();
    say!("verdict: {verdict}");
    say!("report: {}", place.join("index.html").display());
    if children.is_interrupted() && verdict != Verdict::Invalid {
        let why = anyhow::anyhow!("interrupted; {} of {count} tests were run", rows.len());
        return Err(Failure::Harness(why));
    }
    match (verdict, has_failed) {
        (Verdict::Unknown, true) => Err(Failure::Harness(anyhow::anyhow!(
            "some tests could not be finished; see the report"
        ))),
        _ => Ok(Done::Judged(verdict)),
    }
}

fn read(file: &Path) -> Result<Matrix, Failure> {
    let mistake = |why: String| Failure::Usage(format!("{}: {why}", file.display()));
    let text = std::fs::read_to_string(file).map_err(|error| {
        let why = plain(&error);
        mistake(format!(
            "cannot read it: {why}; name a TOML file as `perjury test-all --help` shows it"
        ))
    })?;
    toml::from_str(&text).map_err(|error| {
        let line = error
            .span()
            .map_or(1, |span| text[..span.start].matches('\n').count() + 1);
        mistake(format!("line {line}: {}", error.message()))
    })
}

/// Every test that makes sense, each with the time that its clients are active.
fn cells(matrix: &Matrix) -> Result<Vec<(Cell, Duration)>, Failure> {
    let mut cells = Vec::new();
    for system in &matrix.systems {
        for workload in &matrix.workloads {
            if has_objects(system, workload) == Some(false) {
                eprintln!("perjury: note: `{system}` does not support the workload `{workload}`; left out");
                continue;
            }
            for nemesis in &matrix.nemeses {
                let is_meant =
                    |wanted: &Option<String>, is: &str| wanted.as_deref().is_none_or(|wanted| wanted == is);
                let is_excluded = matrix.exclude.iter().any(|exclude| {
                    is_meant(&exclude.system, system)
                        && is_meant(&exclude.workload, workload)
                        && is_meant(&exclude.nemesis, nemesis)
                });
                if is_excluded {
                    continue;
                }
                for &seed in &matrix.seeds {
                    let cell = Cell {
                        system: system.clone(),
                        workload: workload.clone(),
                        nemesis: nemesis.clone(),
                        seed,
                    };
                    let time_limit = check(matrix, &cell)?;
                    cells.push((cell, time_limit));
                    if cells.len() > MOST_TESTS {
                        return Err(Failure::Usage(format!("more than {MOST_TESTS} tests")));
                    }
                }
            }
        }
    }
    match cells.is_empty() {
        true => Err(Failure::Usage(
            "the matrix contains no test; every combination is excluded or unsupported".into(),
        )),
        false => Ok(cells),
    }
}

/// Whether `perjury test` would accept these flags; returns the time that the clients are active.
fn check(matrix: &Matrix, cell: &Cell) -> Result<Duration, Failure> {
    let line = arguments(matrix, cell);
    let mistake = |why: &str| Failure::Usage(format!("`perjury {}`: {why}", line.join(" ")));
    if let Some(flag) = matrix.flags.iter().find(|flag| {
        let name = flag.split('=').next().unwrap_or_default();
        [
            "--runs",
            "--seed",
            "--nemesis",
            "--workload",
            "--schedule",
            "--replay",
        ]
        .contains(&name)
    }) {
        return Err(Failure::Usage(format!(
            "flags: leave out {flag}: the matrix says it, or --runs of test-all"
        )));
    }
    let parsed = flags::parse(["perjury"].into_iter().chain(line.iter().map(String::as_str)));
    let cli = parsed.map_err(|error| mistake(&flags::first_line(&error)))?;
    let Command::Test(args) = cli.command else {
        return Err(mistake("that is not `perjury test`"));
    };
    let time_limit = args.time_limit;
    match Plan::new(*args) {
        Ok(_) => Ok(time_limit),
        Err(Failure::Usage(why)) => Err(mistake(&why)),
        Err(failure) => Err(failure),
    }
}

/// The arguments after `perjury`.
fn arguments(matrix: &Matrix, cell: &Cell) -> Vec<String> {
    let mut arguments = vec!["test".to_owned(), cell.system.clone()];
    arguments.extend(matrix.flags.iter().cloned());
    let own = [
        ("workload", cell.workload.clone()),
        ("nemesis", cell.nemesis.clone()),
        ("seed", cell.seed.to_string()),
    ];
    flags::with(arguments, &own)
}

/// Runs one test; also returns whether it could not be finished.
fn one(
    children: &Children,
    arguments: &[String],
    cell: &Cell,
    place: &Path,
    time_limit: Duration,
) -> Result<(MatrixRow, bool), Failure> {
    let start = Instant::now();
    let ended = children.run(arguments, place, time_limit + OVERHEAD)?;
    let verdict = ended.verdict();
    let headline = match (&ended.results, ended.code) {
        (Some(results), _) => results.headline.clone(),
        (None, Some(HARNESS)) => format!("the harness failed: {}", ended.message),
        (None, _) => format!("it could not be done: {}", ended.message),
    };
    let row = MatrixRow {
        system: cell.system.clone(),
        workload: cell.workload.clone(),
        nemesis: cell.nemesis.clone(),
        seed: cell.seed,
        verdict: verdict.unwrap_or(Verdict::Unknown),
        headline,
        directory: relative(place, ended.run.filter(|_| ended.results.is_some())),
        results: ended.results.map(Box::new),
        duration_s: start.elapsed().as_secs_f64(),
    };
    Ok((row, verdict.is_none()))
}

/// As a link of a page in `place`; empty without a directory.
fn relative(place: &Path, directory: Option<PathBuf>) -> String {
    let inside =
        directory.and_then(|directory| Some(directory.strip_prefix(place).ok()?.display().to_string()));
    inside.unwrap_or_default()
}

fn page<'a>(title: &'a str, rows: &'a [MatrixRow], planned: usize) -> MatrixPage<'a> {
    MatrixPage { title, rows, planned }
}

fn write(place: &Path, page: MatrixPage) -> Result<(), Failure> {
    let bug = |why: String| Failure::Harness(anyhow::anyhow!("the page cannot be rendered: {why}"));
    let files = [
        ("index.html", reports::matrix_html(page).map_err(bug)?),
        ("junit.xml", reports::matrix_junit(page)),
        ("summary.md", reports::matrix_markdown(page)),
    ];
    for (name, text) in files {
        let path = place.join(name);
        std::fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
}
