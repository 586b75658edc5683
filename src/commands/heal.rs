//! `perjury heal`: undoes what a controller that died has left behind.

use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow};
use control::heal;

use crate::cli::HealArgs;
use crate::exit::{CommandResult, Done, Failure};

/// Heals one run, or every run in the directory of runs, and says what was done.
pub fn run(args: &HealArgs) -> CommandResult {
    let runs = match &args.run {
        Some(run) if !run.is_dir() => {
            return Err(Failure::Usage(format!(
                "{} is not a run directory",
                run.display()
            )));
        }
        Some(run) => vec![run.clone()],
        None => all(&args.runs)?,
    };
    let mut remains = 0;
    for run in &runs {
        let report = heal(run)?;
        println!("{}: {report}", run.display());
        remains += report.left.len();
    }
    if remains > 0 {
        return Err(anyhow!("{remains} things could not be undone, see above").into());
    }
    println!("nothing is left behind by {} runs", runs.len());
    Ok(Done::Fine)
}

/// Heals what earlier runs have left in the directory of runs, before a new run begins.
pub fn heal_all(runs: &Path) -> anyhow::Result<()> {
    for run in all(runs)? {
        let report = heal(&run)?;
        if !report.done.is_empty() || !report.left.is_empty() {
            eprintln!("perjury: {}: {report}", run.display());
        }
    }
    Ok(())
}

/// The run directories in the directory of runs.
fn all(runs: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let entries = match std::fs::read_dir(runs) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error).with_context(|| format!("cannot read {}", runs.display())),
    };
    let mut found = Vec::new();
    for entry in entries {
        let path = entry?.path();
        if path.join("undo.jsonl").is_file() {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}
