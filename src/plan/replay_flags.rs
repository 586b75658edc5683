//! `perjury test --replay RUN`: the recorded run's own flags, where the user gives no others, and its faults
//! instead of new ones.
//!
//! Invariant: what the user gives wins over what was recorded. Not replayed: the nemeses and their interval,
//! because the schedule that was really executed takes their place.

use std::path::Path;

use history::RunDir;
use nemeses::Schedule;

use super::flags;
use crate::cli::{Cli, Command};
use crate::exit::Failure;
use crate::input::read_history;

/// Recorded flags that say how faults were drawn.
const NOT_REPLAYED: [&str; 5] = [
    "nemesis",
    "fault_interval",
    "faults_at_once",
    "schedule",
    "replay",
];

/// The command line with the flags of the run that is to be replayed; as it is where nothing is.
///
/// # Errors
/// When the run cannot be read.
pub fn expand(cli: Cli) -> Result<Cli, Failure> {
    let Command::Test(args) = &cli.command else {
        return Ok(cli);
    };
    let Some(run) = &args.replay else {
        return Ok(cli);
    };
    let refuse = |why: String| Failure::Usage(format!("--replay {}: {why}", run.display()));
    let record = RunDir::new(run).read_test().map_err(|error| {
        refuse(format!(
            "{error}; name a run directory with test.json and history.jsonl"
        ))
    })?;
    if !record.endpoints.is_empty() {
        return Err(refuse(
            "that run had no faults, because perjury had not started its cluster".to_owned(),
        ));
    }
    // Both were accepted once, but perhaps by another version.
    let line = std::iter::once("perjury").chain(record.command.iter().map(String::as_str));
    let recorded = flags::parse(line).map_err(|error| refuse(flags::first_line(&error)))?;
    let Command::Test(recorded) = recorded.command else {
        return Err(refuse("its test.json does not record a test".to_owned()));
    };
    let mut others = recorded.given;
    others.retain(|flag| !NOT_REPLAYED.contains(&flag.id.as_str()));
    let line = flags::merged(&args.given, &others);
    flags::parse(line).map_err(|error| refuse(flags::first_line(&error)))
}

/// The faults of a recorded run.
///
/// # Errors
/// When it cannot be read, or had none.
pub fn schedule(run: &Path) -> Result<Schedule, Failure> {
    let history = read_history(&RunDir::new(run).history())?;
    let schedule = Schedule::recorded(&history);
    if schedule.faults.is_empty() {
        return Err(Failure::Usage(format!(
            "--replay {}: no fault took hold in that run",
            run.display()
        )));
    }
    Ok(schedule)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_replay_has_the_flags_of_the_run_but_not_its_way_of_drawing_faults() {
        let run = tempfile::tempdir().expect("a directory");
        let words = "test etcd --nodes 3 --nemesis kill --fault-interval 1s --seed 7";
        let record = history::TestRecord {
            command: words.split(' ').map(str::to_owned).collect(),
            ..Default::default()
        };
        RunDir::new(run.path())
            .write_test(&record)
            .expect("it is written");
        for (own, system, seed) in [("", "etcd", 7), ("bundled --seed 8", "bundled", 8)] {
            let path = run.path().to_str().expect("a plain path");
            let line = ["perjury", "test", "--replay", path];
            let cli = flags::parse(line.into_iter().chain(own.split_whitespace())).expect("it parses");
            let Command::Test(args) = expand(cli).expect("it is a run").command else {
                unreachable!("the line begins with `test`")
            };
            assert_eq!(
                (args.system.as_str(), args.seed, args.nodes),
                (system, Some(seed), 3),
                "{own}"
            );
            assert_eq!(
                (args.nemesis, args.replay.as_deref()),
                (None, Some(run.path())),
                "{own}"
            );
        }
    }
}
