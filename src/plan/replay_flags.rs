//! `perjury test --replay RUN`: the recorded run's own flags, before those of the user, and its faults instead of new ones.
//!
//! Invariant: what the user names wins over what was recorded. Not replayed: the nemeses and their interval, because the
//! schedule that was really executed takes their place.

use std::ffi::OsString;
use std::path::Path;

use clap::parser::ValueSource;
use clap::{CommandFactory, Parser};
use history::RunDir;
use nemeses::Schedule;

use crate::cli::{Cli, Command};
use crate::exit::Failure;
use crate::input::read_history;

/// Recorded flags that say how faults were drawn, each with one value.
const NOT_REPLAYED: [&str; 4] = ["--nemesis", "--fault-interval", "--schedule", "--replay"];

/// The command line with the flags of the run that is to be replayed; as it is where nothing is.
///
/// # Errors
/// When the run cannot be read.
pub fn expand(cli: Cli, argv: &[OsString]) -> Result<Cli, Failure> {
    let run = match &cli.command {
        Command::Test(args) => args.replay.clone(),
        _ => None,
    };
    let Some(run) = run else { return Ok(cli) };
    let record = RunDir::new(&run).read_test().map_err(|error| {
        Failure::Usage(format!(
            "--replay {}: {error}; name a run directory with test.json and history.jsonl",
            run.display()
        ))
    })?;
    if !record.endpoints.is_empty() {
        return Err(Failure::Usage(format!(
            "--replay {}: that run had no faults, for its cluster was somebody else's",
            run.display()
        )));
    }
    let line = merged(argv, &record.command);
    // Both halves were accepted once, but perhaps by another version.
    Cli::try_parse_from(line).map_err(|error| {
        let first = error.to_string().lines().next().unwrap_or_default().to_owned();
        Failure::Usage(format!("--replay {}: {first}", run.display()))
    })
}

/// The recorded command and then the user's.
fn merged(argv: &[OsString], recorded: &[String]) -> Vec<OsString> {
    let names_system = Cli::command()
        .try_get_matches_from(argv)
        .ok()
        .and_then(|matches| {
            let test = matches.subcommand_matches("test")?;
            Some(test.value_source("system") == Some(ValueSource::CommandLine))
        })
        .unwrap_or(false);
    let mut line: Vec<OsString> = vec!["perjury".into(), "test".into()];
    // `test SYSTEM --flag value …`
    let mut rest = recorded.iter().skip(1);
    if let Some(system) = rest.next()
        && !names_system
    {
        line.push(system.into());
    }
    while let Some(word) = rest.next() {
        if NOT_REPLAYED.contains(&word.as_str()) {
            rest.next();
        } else {
            line.push(word.into());
        }
    }
    line.extend(
        argv.iter()
            .skip(1)
            .skip_while(|word| *word != "test")
            .skip(1)
            .cloned(),
    );
    line
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
    fn the_users_words_come_last() {
        let recorded = [
            "test",
            "etcd",
            "--env",
            "netns",
            "--nemesis",
            "kill",
            "--fault-interval",
            "1s",
            "--seed",
            "7",
        ];
        let recorded: Vec<String> = recorded.map(str::to_owned).to_vec();
        let cases = [
            ("--replay r", "etcd --env netns --seed 7 --replay r"),
            (
                "--replay r --seed 8",
                "etcd --env netns --seed 7 --replay r --seed 8",
            ),
            ("bundled --replay r", "--env netns --seed 7 bundled --replay r"),
        ];
        for (user, expected) in cases {
            let argv: Vec<OsString> = format!("perjury test {user}")
                .split(' ')
                .map(Into::into)
                .collect();
            let line: Vec<String> = (merged(&argv, &recorded).into_iter())
                .map(|word| word.into_string().expect("plain words"))
                .collect();
            assert_eq!(line.join(" "), format!("perjury test {expected}"), "{user}");
            let Command::Test(args) = Cli::try_parse_from(&line).expect("it parses").command else {
                unreachable!("the line begins with `test`")
            };
            assert_eq!(args.seed, Some(if user.contains('8') { 8 } else { 7 }));
        }
    }
}
