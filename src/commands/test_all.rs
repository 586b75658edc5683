//! `perjury test-all`: a matrix of tests from a TOML file, one after the other, and a page that shows them all.
//!
//! Invariants:
//! - Every test of the matrix is checked before the first one begins: a mistake costs no time.
//! - What a system does not have is left out and said, not failed. A run that could not be finished is unknown.
//! - Invalid beats unknown beats valid.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::Context;
use checker::Verdict;
use clap::Parser;
use reports::{Index, IndexRow, Results};
use serde::Deserialize;

use crate::cli::{Cli, Command as Subcommand, TestAllArgs};
use crate::exit::{CommandResult, Done, Failure, HARNESS};
use crate::github;
use crate::output::{command, say};
use crate::plan::{Plan, has_objects};

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
    std::fs::create_dir_all(&args.runs).map_err(|error| super::heal::unusable(&args.runs, &error))?;
    let place =
        std::fs::canonicalize(&args.runs).map_err(|error| super::heal::unusable(&args.runs, &error))?;
    let stamp = jiff::Timestamp::now().strftime("%Y%m%dT%H%M%S").to_string();
    let place = place.join(format!("{stamp}-all"));
    std::fs::create_dir(&place).map_err(|error| super::heal::unusable(&place, &error))?;
    let title = args
        .matrix
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    let mut rows: Vec<IndexRow> = Vec::new();
    let (mut has_failed, count) = (false, cells.len());
    for (number, (cell, time_limit)) in cells.iter().enumerate() {
        eprintln!(
            "perjury: test {} of {count}: perjury {}",
            number + 1,
            words(&matrix, cell).join(" ")
        );
        let (row, failed) = one(&matrix, cell, &place, *time_limit)?;
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
        // After every test, so that one that is broken off leaves a page of those before.
        write(&place, index(&title, &rows, count))?;
    }
    github::add_to_step_summary(&place.join("summary.md"));
    let verdict = index(&title, &rows, count).verdict();
    say!("verdict: {verdict}");
    say!("report: {}", place.join("index.html").display());
    match (verdict, has_failed) {
        (Verdict::Unknown, true) => Err(Failure::Harness(anyhow::anyhow!(
            "some tests could not be finished; see the page"
        ))),
        _ => Ok(Done::Judged(verdict)),
    }
}

fn read(file: &Path) -> Result<Matrix, Failure> {
    let mistake = |why: String| Failure::Usage(format!("{}: {why}", file.display()));
    let text = std::fs::read_to_string(file).map_err(|error| mistake(error.to_string()))?;
    toml::from_str(&text).map_err(|error| {
        let line = error
            .span()
            .map_or(1, |span| text[..span.start].matches('\n').count() + 1);
        mistake(format!("line {line}: {}", error.message()))
    })
}

/// Every test that makes sense, each with the time of its clients.
fn cells(matrix: &Matrix) -> Result<Vec<(Cell, Duration)>, Failure> {
    let mut cells = Vec::new();
    for system in &matrix.systems {
        for workload in &matrix.workloads {
            if has_objects(system, workload) == Some(false) {
                eprintln!(
                    "perjury: note: `{system}` does not have what the workload `{workload}` needs; left out"
                );
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
        true => Err(Failure::Usage("the matrix has no test".into())),
        false => Ok(cells),
    }
}

/// Whether `perjury test` would take these flags; gives the time of the clients.
fn check(matrix: &Matrix, cell: &Cell) -> Result<Duration, Failure> {
    let line = words(matrix, cell);
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
            "flags: {flag} is said by the matrix itself, or by --runs of test-all"
        )));
    }
    let parsed = Cli::try_parse_from(["perjury"].into_iter().chain(line.iter().map(String::as_str)));
    let cli = parsed.map_err(|error| mistake(error.to_string().lines().next().unwrap_or_default()))?;
    let Subcommand::Test(args) = cli.command else {
        return Err(mistake("that is no test"));
    };
    let time_limit = args.time_limit;
    match Plan::new(*args) {
        Ok(_) => Ok(time_limit),
        Err(Failure::Usage(why)) => Err(mistake(&why)),
        Err(failure) => Err(failure),
    }
}

/// The words after `perjury`.
fn words(matrix: &Matrix, cell: &Cell) -> Vec<String> {
    let mut words = vec!["test".to_owned(), cell.system.clone()];
    words.extend(matrix.flags.iter().cloned());
    for (flag, value) in [
        ("--workload", cell.workload.clone()),
        ("--nemesis", cell.nemesis.clone()),
        ("--seed", cell.seed.to_string()),
    ] {
        words.extend([flag.to_owned(), value]);
    }
    words
}

/// One test, in a process of its own; also whether the harness failed.
fn one(
    matrix: &Matrix,
    cell: &Cell,
    place: &Path,
    time_limit: Duration,
) -> Result<(IndexRow, bool), Failure> {
    let start = Instant::now();
    let runs = tempfile::Builder::new()
        .prefix("run-")
        .tempdir_in(place)
        .context("cannot make a directory for a run")?
        .keep();
    let errors = runs.join("stderr");
    let program = std::env::current_exe().context("cannot find the path of this program")?;
    let mut command = Command::new(program);
    // Who ends this program ends the test too, gently, so that it leaves nothing.
    #[cfg(target_os = "linux")]
    // SAFETY: one system call between fork and exec.
    unsafe {
        std::os::unix::process::CommandExt::pre_exec(&mut command, || {
            nix::sys::prctl::set_pdeathsig(nix::sys::signal::Signal::SIGTERM).map_err(Into::into)
        });
    }
    let mut child = command
        .args(words(matrix, cell))
        .arg("--runs")
        .arg(&runs)
        // The page is for them all.
        .env_remove("GITHUB_STEP_SUMMARY")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(std::fs::File::create(&errors).context("cannot make a file for its errors")?)
        .spawn()
        .context("cannot start a test")?;
    let deadline = Instant::now() + time_limit + OVERHEAD;
    let status = loop {
        if let Some(status) = child.try_wait().context("cannot wait for a test")? {
            break status;
        }
        if Instant::now() > deadline {
            let _ = child.kill();
            break child.wait().context("cannot wait for a test")?;
        }
        std::thread::sleep(Duration::from_millis(20));
    };
    let directory = std::fs::read_dir(&runs)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .find(|path| path.join("results.json").is_file());
    let results: Option<Results> = directory
        .as_ref()
        .and_then(|directory| std::fs::read(directory.join("results.json")).ok())
        .and_then(|bytes| serde_json::from_slice(&bytes).ok());
    let said = std::fs::read_to_string(&errors).unwrap_or_default();
    let last = said
        .trim()
        .lines()
        .last()
        .unwrap_or_default()
        .trim_start_matches("perjury: ");
    let verdict = match status.code() {
        Some(0) => Verdict::Valid,
        Some(1) => Verdict::Invalid,
        _ => Verdict::Unknown,
    };
    let has_failed = !matches!(status.code(), Some(0..=2));
    let headline = match (&results, has_failed) {
        (Some(results), false) => results.headline.clone(),
        _ if status.code() == Some(i32::from(HARNESS)) => format!("the harness failed: {last}"),
        _ => format!("it could not be done: {last}"),
    };
    let row = IndexRow {
        system: cell.system.clone(),
        workload: cell.workload.clone(),
        nemesis: cell.nemesis.clone(),
        seed: cell.seed,
        verdict,
        headline,
        directory: relative(place, directory),
        results: results.filter(|_| !has_failed).map(Box::new),
        duration_s: start.elapsed().as_secs_f64(),
    };
    Ok((row, has_failed))
}

/// As a link of a page in `place`; empty without a directory.
fn relative(place: &Path, directory: Option<PathBuf>) -> String {
    let inside =
        directory.and_then(|directory| Some(directory.strip_prefix(place).ok()?.display().to_string()));
    inside.unwrap_or_default()
}

fn index<'a>(title: &'a str, rows: &'a [IndexRow], planned: usize) -> Index<'a> {
    Index { title, rows, planned }
}

fn write(place: &Path, index: Index) -> Result<(), Failure> {
    let bug = |why: String| Failure::Harness(anyhow::anyhow!("the page cannot be rendered: {why}"));
    let files = [
        ("index.html", reports::index_html(index).map_err(bug)?),
        ("junit.xml", reports::index_junit(index).map_err(bug)?),
        ("summary.md", reports::index_markdown(index)),
    ];
    for (name, text) in files {
        let path = place.join(name);
        std::fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
}
