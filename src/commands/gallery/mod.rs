//! `perjury gallery`: how many planted bugs perjury finds, how soon, and by what; and how often it accuses
//! where there is none.
//!
//! ```text
//!  record      one trial: a bug (or none), a way to look for it, what came of it; a line of gallery.jsonl
//!  table       the table of all trials: found k of n with its interval, medians, what spoke first
//!  statistics  intervals and medians
//! ```
//!
//! Invariants:
//! - A trial is a child process, as if the user had started it: `perjury test …` or `perjury hunt …`, with no
//!   flag that an ordinary user who does not know the bug would not give, but in the way called `own`.
//! - Every trial is written down as soon as it is over; one that is written down is not done again, so that a
//!   gallery can be interrupted and goes on where it was.
//! - Trials without a bug are judged by the same measure.

mod record;
mod statistics;
mod table;

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, anyhow};
use history::units::plural;
use systems::PlantedBug;

use crate::cli::{GalleryArgs, Way};
use crate::exit::{CommandResult, Done, Failure};
use crate::output::say;
use crate::plan::{flags, unknown};
use crate::run::child::Children;
use record::{Record, Trial};

/// The system whose bugs these are.
const SYSTEM: &str = "bundled";
/// What a trial may take beyond its time.
const OVERHEAD: Duration = Duration::from_secs(240);
/// What else counts as found, beside what proves a broken promise: the same for trials without a bug.
const FAIL_ON: &str = "log,crash,election,growth,slow-recovery,stall,silent-node";
/// The workloads of trials without a bug, beside the usual one, in turn.
const CLEAN_WORKLOADS: [&str; 3] = ["set", "counter", "exactly-once"];

/// Tries every planted bug in every way, and writes the table.
pub fn run(args: &GalleryArgs) -> CommandResult {
    let all = systems_bugs()?;
    let bugs = bugs(args, &all)?;
    std::fs::create_dir_all(&args.out)
        .map_err(|error| Failure::Usage(format!("--out {}: cannot be made: {error}", args.out.display())))?;
    let mut records = record::read(&args.out)?;
    let mut trials = Vec::new();
    for trial in self::trials(args, &bugs) {
        let bug = bugs.iter().find(|bug| Some(bug.name) == trial.bug.as_deref());
        let (arguments, limit) = arguments(args, &trial, bug)?;
        // What could not be finished, or was done with other flags, is done again.
        let counts = |record: &Record| record.verdict.is_some() && record.command == arguments;
        match records.iter().position(|record| record.trial == trial) {
            Some(place) if counts(&records[place]) => continue,
            Some(place) => drop(records.remove(place)),
            None => {}
        }
        trials.push((trial, arguments, limit));
    }
    if !trials.is_empty() {
        say!(
            "{} in {}",
            plural(trials.len() as u64, "trial"),
            args.out.display()
        );
        let children = Children::new()?;
        let all = trials.len();
        for (number, (trial, arguments, limit)) in trials.into_iter().enumerate() {
            let record = perform(args, &children, &trial, arguments, limit)?;
            say!("{} of {all}: {record}", number + 1);
            record::append(&args.out, &record)?;
            records.push(record);
        }
    }
    let table = table::markdown(&all, &records);
    let file = args.out.join("gallery.md");
    std::fs::write(&file, &table).with_context(|| format!("cannot write {}", file.display()))?;
    if let Some(page) = &args.into {
        table::put_into(page, &table)?;
    }
    say!("{}", table::summary(&records));
    say!("the table: {}", file.display());
    Ok(Done::Fine)
}

fn systems_bugs() -> Result<Vec<PlantedBug>, Failure> {
    let system = systems::find(SYSTEM).ok_or_else(|| anyhow!("there is no system `{SYSTEM}`"))?;
    Ok((system.bugs)())
}

/// The bugs that are to be tried.
fn bugs(args: &GalleryArgs, all: &[PlantedBug]) -> Result<Vec<PlantedBug>, Failure> {
    if args.only.is_empty() {
        return Ok(all.to_vec());
    }
    for name in &args.only {
        if !all.iter().any(|bug| bug.name == name || bug.family == name) {
            return Err(unknown("planted bug", name, all.iter().map(|bug| bug.name)));
        }
    }
    let is_wanted = |bug: &PlantedBug| {
        args.only
            .iter()
            .any(|name| bug.name == name || bug.family == name)
    };
    Ok(all.iter().filter(|bug| is_wanted(bug)).cloned().collect())
}

/// All trials, the first of every bug before the second of any: an interrupted gallery has something of each.
fn trials(args: &GalleryArgs, bugs: &[PlantedBug]) -> Vec<Trial> {
    let mut trials = Vec::new();
    for run in 0..args.trials {
        for &way in &args.by {
            for bug in bugs {
                trials.push(Trial {
                    bug: Some(bug.name.to_owned()),
                    way,
                    run,
                });
            }
        }
    }
    // By every way that a user who does not know a bug has.
    for &way in args.by.iter().filter(|way| **way != Way::Own) {
        trials.extend((0..args.clean).map(|run| Trial { bug: None, way, run }));
    }
    trials
}

/// One trial, in a child process. What it leaves in the file system is removed unless it is kept.
fn perform(
    args: &GalleryArgs,
    children: &Children,
    trial: &Trial,
    arguments: Vec<String>,
    limit: Duration,
) -> Result<Record, Failure> {
    let ended = children.run(&arguments, &args.out, limit + OVERHEAD)?;
    if children.is_interrupted() {
        // What was cut short says nothing.
        let _ = std::fs::remove_dir_all(&ended.place);
        return Err(anyhow!("interrupted; the same command goes on where it was").into());
    }
    let record = match trial.way {
        Way::Hunt => record::of_hunt(trial, arguments, &ended),
        Way::Default | Way::Own => record::of_test(trial, arguments, &ended),
    };
    let is_worth_keeping = args.keep || record.is_false_alarm() || record.went_wrong.is_some();
    if !is_worth_keeping && let Err(error) = std::fs::remove_dir_all(&ended.place) {
        eprintln!("perjury: cannot remove {}: {error}", ended.place.display());
    }
    Ok(record)
}

/// The arguments of a trial, and how long its clients are active at most.
fn arguments(
    args: &GalleryArgs,
    trial: &Trial,
    bug: Option<&PlantedBug>,
) -> Result<(Vec<String>, Duration), Failure> {
    let time = |time: Duration| flags::time(time);
    let seed = trial.seed(args.seed).to_string();
    let mut test = vec![SYSTEM.to_owned(), format!("--fail-on={FAIL_ON}")];
    test.extend(bug.map(|bug| format!("--bug={}", bug.name)));
    if trial.way == Way::Hunt {
        let mut hunt = vec![
            "hunt".to_owned(),
            format!("--time-limit={}", time(args.hunt_limit)),
            format!("--seed={seed}"),
            "--only-find".to_owned(),
            // The tests' own flags come last, and `--runs` must come before them.
        ];
        hunt.push("--".to_owned());
        hunt.extend(test);
        return Ok((hunt, args.hunt_limit));
    }
    let mut arguments = vec!["test".to_owned()];
    arguments.extend(test);
    arguments.push(format!("--time-limit={}", time(args.time_limit)));
    arguments.push(format!("--seed={seed}"));
    arguments.push("--stop-on-violation".to_owned());
    match (trial.way, bug) {
        (Way::Own, Some(bug)) => {
            let file = schedule(&args.out, bug)?;
            arguments.extend(bug.arguments(&file.display().to_string()));
        }
        // Every other one is what it is with a bug; the others have the other workloads.
        (_, None) if trial.run % 2 == 1 => {
            let workload = CLEAN_WORKLOADS[trial.run as usize / 2 % CLEAN_WORKLOADS.len()];
            arguments.push(format!("--workload={workload}"));
        }
        _ => {}
    }
    Ok((arguments, args.time_limit))
}

/// The file for the schedule of a bug, written if it has one.
fn schedule(out: &Path, bug: &PlantedBug) -> Result<PathBuf, Failure> {
    let folder = out.join("schedules");
    let file = folder.join(format!("{}.toml", bug.name));
    if let Some(text) = bug.schedule {
        std::fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
        std::fs::write(&file, text).with_context(|| format!("cannot write {}", file.display()))?;
    }
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::SYSTEM;

    #[test]
    fn what_suits_a_bug_is_a_test_that_can_be_run() {
        let system = systems::find(SYSTEM).unwrap();
        for bug in (system.bugs)() {
            let line = ["perjury", "test", SYSTEM, "--time-limit=60s"].map(str::to_owned);
            let line = line.into_iter().chain(bug.arguments("a-schedule.toml"));
            let refused = crate::plan::flags::parse(line).err();
            assert!(refused.is_none(), "{}: {}", bug.name, refused.unwrap());
        }
    }
}
