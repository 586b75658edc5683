//! `perjury compare`: availability, times to recover and latencies of runs, compared with those of a
//! baseline.

use std::collections::BTreeSet;
use std::path::PathBuf;

use history::RunDir;
use reports::{Group, Results};

use crate::cli::CompareArgs;
use crate::exit::{CommandResult, Done, Failure};
use crate::output::{grumble, say};
use crate::versions::{by_version, version};

/// Prints the comparison.
pub fn run(args: &CompareArgs) -> CommandResult {
    let read = |paths: &[PathBuf]| -> Result<Vec<(String, Results)>, Failure> {
        paths.iter().map(read_results).collect()
    };
    let (own, against) = (runs_of(&args.runs), runs_of(&args.against));
    no_twins(own.iter().chain(&against))?;
    let runs = read(&own)?;
    let baseline = read(&against)?;
    let groups = match baseline.is_empty() {
        true => by_version(&runs),
        false => vec![group(label(&baseline), &baseline), group(label(&runs), &runs)],
    };
    if groups.len() < 2 {
        return Err(Failure::Usage(
            "there is only one run; name two or more, or the baseline with --against".into(),
        ));
    }
    let groups = distinct(groups);
    let comparisons = reports::compare(&groups);
    say!("{}", reports::compare_text(&groups, &comparisons).trim_end());
    let all_few = |one: &reports::Comparison| {
        one.changes
            .iter()
            .all(|change| *change == reports::Change::TooFew)
    };
    if args.fail_if_worse && comparisons.iter().all(all_few) {
        grumble!(
            "perjury: note: no figure has {} samples on both sides, so none can be called worse; compare more runs",
            reports::FEWEST_SAMPLES
        );
    }
    let worse = reports::worse(&groups, &comparisons);
    if args.fail_if_worse && !worse.is_empty() {
        // The last line says why the exit code is 1.
        say!("clearly worse: {}", worse.join("; "));
        return Ok(Done::Judged(checker::Verdict::Invalid));
    }
    Ok(Done::Fine)
}

/// The named paths that are runs: `runs/*` names hunts and matrices, too.
fn runs_of(paths: &[PathBuf]) -> Vec<PathBuf> {
    let is_other = |path: &PathBuf| {
        let run = RunDir::new(path);
        path.is_dir() && !run.results().exists() && !run.history().exists()
    };
    let (others, runs): (Vec<PathBuf>, Vec<PathBuf>) = paths.iter().cloned().partition(is_other);
    if runs.is_empty() {
        return others;
    }
    for other in &others {
        grumble!(
            "perjury: note: {} is left out: it is not a run directory",
            other.display()
        );
    }
    runs
}

/// Refuses a run that is named twice: it would make the intervals narrower than they are.
fn no_twins<'a>(paths: impl Iterator<Item = &'a PathBuf>) -> Result<(), Failure> {
    let mut seen = BTreeSet::new();
    for path in paths {
        let directory = std::fs::canonicalize(path).unwrap_or_else(|_| path.clone());
        let directory = match directory.is_dir() {
            true => RunDir::new(directory).results(),
            false => directory,
        };
        if !seen.insert(directory) {
            return Err(Failure::Usage(format!(
                "{} is named twice; name each run only once",
                path.display()
            )));
        }
    }
    Ok(())
}

fn group(name: String, runs: &[(String, Results)]) -> Group<'_> {
    Group {
        name,
        runs: runs.iter().map(|(_, results)| results).collect(),
    }
}

/// What the runs tested, or how many there are if they tested different things.
fn label(runs: &[(String, Results)]) -> String {
    let first = runs
        .first()
        .map_or_else(String::new, |(_, results)| version(results));
    match runs.iter().all(|(_, results)| version(results) == first) {
        true => first,
        false => format!("{} runs", runs.len()),
    }
}

/// Renames the first of two groups that have the same name.
fn distinct(mut groups: Vec<Group<'_>>) -> Vec<Group<'_>> {
    if let [first, second] = groups.as_mut_slice()
        && first.name == second.name
    {
        first.name.push_str(" (against)");
    }
    groups
}

/// A run directory, or its `results.json`.
fn read_results(path: &PathBuf) -> Result<(String, Results), Failure> {
    let file = match path.is_dir() {
        true => RunDir::new(path).results(),
        false => path.clone(),
    };
    let bytes = std::fs::read(&file).map_err(|error| {
        Failure::Usage(format!(
            "cannot read {}: {error}; name run directories that were judged (`perjury report RUN` does it)",
            file.display()
        ))
    })?;
    let results: Results = serde_json::from_slice(&bytes).map_err(|error| {
        Failure::Usage(format!(
            "{} is not a results.json: {error}; `perjury report RUN` writes it again",
            file.display()
        ))
    })?;
    let name = path
        .file_name()
        .unwrap_or(path.as_os_str())
        .to_string_lossy()
        .into_owned();
    Ok((name, results))
}
