//! `perjury heal`: undoes what a controller that died has left behind.

use std::path::{Path, PathBuf};

use anyhow::anyhow;
use control::heal;

use history::units::plural;

use crate::cli::HealArgs;
use crate::exit::{CommandResult, Done, Failure};
use crate::output::{grumble, say};

/// Heals one run, or every run in the directory of runs, and says what was done.
pub fn run(args: &HealArgs) -> CommandResult {
    let runs = match &args.run {
        Some(run) if !run.is_dir() => {
            return Err(Failure::Usage(format!(
                "{} is not a run directory; give a directory below runs/",
                run.display()
            )));
        }
        // Or that of a hunt or a matrix.
        Some(run) if !run.join("undo.jsonl").is_file() && !all(run)?.is_empty() => all(run)?,
        Some(run) => vec![run.clone()],
        // Somebody who heals looks for something: a wrong place must not look like a clean one.
        None if !args.runs.is_dir() => {
            return Err(Failure::Usage(format!(
                "there is no directory of runs {} here; give the right one with --runs, or a run directory",
                args.runs.display()
            )));
        }
        None => all(&args.runs)?,
    };
    let mut remains = 0;
    for run in &runs {
        let report = heal(run)?;
        if args.run.is_some() && report.still_running.is_some() {
            return Err(Failure::Usage(format!(
                "{}: {report}; end it first",
                run.display()
            )));
        }
        if args.run.is_some() || !report.done.is_empty() || !report.is_clean() {
            say!("{}: {report}", run.display());
        }
        remains += report.left.len();
    }
    if remains > 0 {
        return Err(anyhow!("{remains} things could not be undone, see above").into());
    }
    if args.run.is_none() {
        say!(
            "{} looked at; nothing of those that have ended is left behind now",
            plural(runs.len() as u64, "run")
        );
    }
    Ok(Done::Fine)
}

/// Heals what earlier runs have left in the directory of runs, before a new run begins.
pub fn heal_all(runs: &Path) -> Result<(), Failure> {
    for run in all(runs)? {
        let report = heal(&run)?;
        if !report.done.is_empty() || !report.left.is_empty() {
            grumble!("perjury: {}: {report}", run.display());
        }
    }
    Ok(())
}

/// The directory of runs cannot be read or written.
pub fn unusable(runs: &Path, error: &std::io::Error) -> Failure {
    Failure::Usage(format!(
        "cannot use the directory of runs {}: {error}; give another one with --runs",
        runs.display()
    ))
}

/// The run directories in the directory of runs, those of hunts and of `test-all` among them.
fn all(runs: &Path) -> Result<Vec<PathBuf>, Failure> {
    /// A hunt has a directory, in which each run has one for its run directory.
    const DEEPEST: u32 = 3;
    let mut found = Vec::new();
    let mut places = vec![(runs.to_path_buf(), 1)];
    while let Some((place, depth)) = places.pop() {
        let entries = match std::fs::read_dir(&place) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
            Err(error) if depth == 1 => return Err(unusable(runs, &error)),
            // Somebody else's.
            Err(_) => continue,
        };
        for entry in entries {
            let entry = entry?;
            let path = entry.path();
            if path.join("undo.jsonl").is_file() {
                found.push(path);
            } else if depth < DEEPEST && entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                places.push((path, depth + 1));
            }
        }
    }
    found.sort();
    Ok(found)
}
