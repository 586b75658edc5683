//! The flags of `perjury test` as data: read from the command line once, recorded in the run directory,
//! replayed, and put together by the commands that run tests.
//!
//! Invariants:
//! - The flags that were given are recorded, so a new flag cannot be forgotten; [`FLAGS`] says how each is
//!   recorded, and a test fails if one is missing there.
//! - A recorded command means the same in another directory, and holds no secret.

use std::ffi::{OsStr, OsString};
use std::time::Duration;

use clap::parser::ValueSource;
use clap::{ArgMatches, CommandFactory, FromArgMatches};
use control::SshAccess;

use crate::cli::{Cli, Command, Given};

/// How a flag gets into the record of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Recorded {
    /// As it was given.
    Plain,
    /// Made absolute: a file of this machine.
    Path,
    /// `name:password` without the password.
    WithoutSecret,
    /// As the plan understood it, whether given or not: the seed that was drawn, the hosts of a file.
    Resolved,
    /// Not at all: it says where the run is kept, not what it does.
    Never,
}

use Recorded::{Never, Path, Plain, Resolved, WithoutSecret};

/// Every flag of `perjury test`, by its name in [`crate::cli::TestArgs`].
const FLAGS: &[(&str, Recorded)] = &[
    ("system", Plain),
    ("env", Plain),
    ("links", Plain),
    ("node", Resolved),
    ("nodes_file", Resolved),
    ("ssh_key", Path),
    ("known_hosts", Path),
    ("ssh_no_host_key_check", Plain),
    ("sudo", Plain),
    ("start_command", Plain),
    ("image", Plain),
    ("nodes", Plain),
    ("workload", Plain),
    ("nemesis", Plain),
    ("schedule", Path),
    ("replay", Path),
    ("fault_interval", Plain),
    ("faults_at_once", Plain),
    ("min_faults", Plain),
    ("bug", Plain),
    ("binary", Path),
    ("read_mode", Plain),
    ("endpoints", Plain),
    ("user", WithoutSecret),
    ("password_file", Path),
    ("token_file", Path),
    ("ca_file", Path),
    ("cert_file", Path),
    ("key_file", Path),
    ("concurrency", Plain),
    ("rate", Plain),
    ("time_limit", Plain),
    ("ops", Plain),
    ("op_timeout", Plain),
    ("fail_on", Plain),
    ("recovery_limit", Plain),
    ("seed", Resolved),
    ("runs", Never),
    ("stop_on_violation", Plain),
    ("keep_data", Never),
];

/// The system is the only argument without a name.
const SYSTEM: &str = "system";

/// Reads a command line, whose first word is the program, and notes which flags of a test it gives.
///
/// # Errors
/// When clap refuses it.
pub fn parse(line: impl IntoIterator<Item = impl Into<OsString> + Clone>) -> Result<Cli, clap::Error> {
    let mut definition = Cli::command();
    let matches = definition.try_get_matches_from_mut(line)?;
    let mut cli = Cli::from_arg_matches(&matches).map_err(|error| error.format(&mut definition))?;
    if let Command::Test(args) = &mut cli.command
        && let Some(("test", test)) = matches.subcommand()
    {
        args.given = given(test);
    }
    Ok(cli)
}

/// The first line of a refusal, for a command line that the user did not write as such.
pub fn first_line(error: &clap::Error) -> String {
    let text = error.to_string();
    let first = text.lines().next().unwrap_or_default();
    first.trim_start_matches("error: ").to_owned()
}

/// The flags that the user gave, in their order; defaults are not among them.
fn given(test: &ArgMatches) -> Vec<Given> {
    // The ids of groups are no flags.
    let is_flag = |id: &str| FLAGS.iter().any(|(name, _)| *name == id);
    let ids = test.ids().map(clap::Id::as_str);
    let given = ids.filter(|id| is_flag(id) && test.value_source(id) == Some(ValueSource::CommandLine));
    given
        .map(|id| Given {
            id: id.to_owned(),
            values: match takes_value(id) {
                true => test
                    .get_raw(id)
                    .into_iter()
                    .flatten()
                    .map(OsStr::to_owned)
                    .collect(),
                false => Vec::new(),
            },
        })
        .collect()
}

fn takes_value(id: &str) -> bool {
    let definition = Cli::command();
    let mut arguments = definition
        .find_subcommand("test")
        .into_iter()
        .flat_map(clap::Command::get_arguments);
    arguments.any(|argument| argument.get_id() == id && argument.get_action().takes_values())
}

/// The words after `perjury` that run a test again: on another day, from another directory, without its
/// secrets.
pub fn recorded(
    given: &[Given],
    system: &str,
    seed: u64,
    hosts: &[SshAccess],
    is_program_on_nodes: bool,
) -> Vec<String> {
    let mut words = vec!["test".to_owned(), system.to_owned()];
    for flag in given.iter().filter(|flag| flag.id != SYSTEM) {
        let value = || joined(&flag.values).to_string_lossy().into_owned();
        let value = match how(&flag.id) {
            Never | Resolved => continue,
            Plain => value(),
            Path if flag.id == "binary" && is_program_on_nodes => value(),
            Path => absolute(&value()),
            WithoutSecret => value().split(':').next().unwrap_or_default().to_owned(),
        };
        push(&mut words, &flag.id, (!flag.values.is_empty()).then_some(value));
    }
    for host in hosts {
        push(&mut words, "node", Some(host.destination.clone()));
    }
    push(&mut words, "seed", Some(seed.to_string()));
    words
}

/// The command line of a test with the flags `own`, and those of `others` that `own` does not give.
pub fn merged(own: &[Given], others: &[Given]) -> Vec<OsString> {
    let is_new = |other: &&Given| own.iter().all(|flag| flag.id != other.id);
    let mut line: Vec<OsString> = vec!["perjury".into(), "test".into()];
    for flag in others.iter().filter(is_new).chain(own) {
        let value = joined(&flag.values);
        if flag.id == SYSTEM {
            line.push(value);
        } else {
            push(&mut line, &flag.id, (!flag.values.is_empty()).then_some(value));
        }
    }
    line
}

/// Adds flags to the words of a command line.
pub fn with(mut words: Vec<String>, flags: &[(&str, String)]) -> Vec<String> {
    for (id, value) in flags {
        push(&mut words, id, Some(value.clone()));
    }
    words
}

/// A time as the command line reads it.
pub fn time(duration: Duration) -> String {
    humantime::format_duration(duration).to_string().replace(' ', "")
}

/// A path that means the same from another directory.
pub fn absolute(path: &str) -> String {
    std::path::absolute(path).map_or_else(|_| path.to_owned(), |path| path.display().to_string())
}

fn how(id: &str) -> Recorded {
    let found = FLAGS.iter().find(|(name, _)| *name == id);
    found.map_or(Plain, |(_, how)| *how)
}

/// The values of a list are written with commas between them.
fn joined(values: &[OsString]) -> OsString {
    values.join(OsStr::new(","))
}

fn push<W: From<String>>(words: &mut Vec<W>, id: &str, value: Option<W>) {
    words.push(W::from(format!("--{}", id.replace('_', "-"))));
    words.extend(value);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flags_of(line: &str) -> Vec<Given> {
        let line = ["perjury", "test"].into_iter().chain(line.split_whitespace());
        let Command::Test(args) = parse(line).expect("it parses").command else {
            unreachable!("the line begins with `test`")
        };
        args.given
    }

    fn record_of(line: &str) -> String {
        let words = recorded(&flags_of(line), "etcd", 7, &[], false);
        words.join(" ")
    }

    #[test]
    fn every_flag_is_recorded_in_one_way() {
        let definition = Cli::command();
        let test = definition.find_subcommand("test").expect("a subcommand");
        let mut defined: Vec<&str> = test
            .get_arguments()
            .map(|argument| argument.get_id().as_str())
            .collect();
        defined.retain(|id| *id != "help");
        let mut listed: Vec<&str> = FLAGS.iter().map(|(id, _)| *id).collect();
        defined.sort_unstable();
        listed.sort_unstable();
        assert_eq!(
            listed, defined,
            "FLAGS is to name every flag of `perjury test` once"
        );
        for argument in test
            .get_arguments()
            .filter(|argument| argument.get_id() != "help")
        {
            let id = argument.get_id().as_str();
            let name = argument.get_long().unwrap_or("system");
            assert_eq!(name, id.replace('_', "-"), "a flag is called as its field is");
            // Every path is made absolute, unless the plan reads the file or it is not recorded.
            let is_path =
                argument.get_value_parser().type_id() == clap::value_parser!(std::path::PathBuf).type_id();
            let is_right = match how(id) {
                Path => is_path,
                Plain | WithoutSecret => !is_path,
                Resolved | Never => true,
            };
            assert!(is_right, "--{name} is recorded in the wrong way");
        }
    }

    #[test]
    fn a_record_holds_what_was_given() {
        let here = std::env::current_dir().expect("a directory");
        let here = here.display();
        for (line, expected) in [
            ("", "test etcd --seed 7".to_owned()),
            (
                "bundled --sudo --nodes 3",
                "test etcd --sudo --nodes 3 --seed 7".to_owned(),
            ),
            (
                "--seed 8 --runs elsewhere --keep-data",
                "test etcd --seed 7".to_owned(),
            ),
            (
                "--binary bin/etcd",
                format!("test etcd --binary {here}/bin/etcd --seed 7"),
            ),
            (
                "--ca-file /ca.pem",
                "test etcd --ca-file /ca.pem --seed 7".to_owned(),
            ),
            (
                "--endpoints http://a:1,http://b:1 --user root:secret",
                "test etcd --endpoints http://a:1,http://b:1 --user root --seed 7".to_owned(),
            ),
        ] {
            assert_eq!(record_of(line), expected, "{line}");
        }
    }

    #[test]
    fn a_program_on_the_nodes_is_left_as_it_is() {
        let words = recorded(&flags_of("--env docker --binary etcd"), "etcd", 7, &[], true);
        assert_eq!(words.join(" "), "test etcd --env docker --binary etcd --seed 7");
    }

    #[test]
    fn own_flags_win() {
        let recorded = flags_of("etcd --env netns --seed 7 --node a,b");
        for (own, expected) in [
            ("--replay r", "etcd --env netns --seed 7 --node a,b --replay r"),
            (
                "--replay r --seed=8",
                "etcd --env netns --node a,b --replay r --seed 8",
            ),
            ("bundled --node c", "--env netns --seed 7 bundled --node c"),
        ] {
            let line = merged(&flags_of(own), &recorded);
            let words: Vec<String> = (line.into_iter())
                .map(|word| word.into_string().expect("plain words"))
                .collect();
            assert_eq!(words.join(" "), format!("perjury test {expected}"), "{own}");
        }
    }
}
