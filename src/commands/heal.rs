//! `perjury heal`: undoes what a controller that died left behind.

use anyhow::anyhow;
use control::heal;

use history::units::plural;

use crate::cli::HealArgs;
use crate::exit::{CommandResult, Done, Failure};
use crate::output::say;
use crate::run::directory::with_undo;

/// Heals one run, or every run in the directory of runs, and says what was done.
pub fn run(args: &HealArgs) -> CommandResult {
    let runs = match &args.run {
        Some(run) if !run.is_dir() => {
            return Err(Failure::Usage(format!(
                "{} is not a run directory; give a directory below runs/",
                run.display()
            )));
        }
        // The directory of a hunt or a matrix contains run directories.
        Some(run) if !run.join("undo.jsonl").is_file() && !with_undo(run)?.is_empty() => with_undo(run)?,
        Some(run) => vec![run.clone()],
        // A wrong directory must not look like a clean one.
        None if !args.runs.is_dir() => {
            return Err(Failure::Usage(format!(
                "there is no directory {}; name the directory of runs with --runs, or a run directory",
                args.runs.display()
            )));
        }
        None => with_undo(&args.runs)?,
    };
    let mut remains = 0;
    for run in &runs {
        let report = heal(run)?;
        if args.run.is_some() && report.still_running.is_some() {
            return Err(Failure::Usage(format!(
                "{}: {report}; end the run first",
                run.display()
            )));
        }
        if args.run.is_some() || !report.done.is_empty() || !report.is_clean() {
            say!("{}: {report}", run.display());
        }
        remains += report.left.len();
    }
    if remains > 0 {
        return Err(anyhow!("{remains} things could not be undone; see above").into());
    }
    if args.run.is_none() {
        say!(
            "{} checked: none that has ended left anything behind",
            plural(runs.len() as u64, "run")
        );
    }
    Ok(Done::Fine)
}
