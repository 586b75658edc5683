//! How perjury ends: exit codes and the one line that says what went wrong.
//!
//! 0 valid, 1 invalid, 2 unknown, 254 usage error, 255 the harness itself failed.

use crate::output::{grumble, say};
use std::fmt;
use std::process::ExitCode;

use checker::Verdict;
use control::ControlError;

/// The user asked for something that cannot be.
pub const USAGE: u8 = 254;
/// The harness itself failed.
pub const HARNESS: u8 = 255;

/// Why a command did not do what it was asked.
#[derive(Debug)]
pub enum Failure {
    /// The user's mistake: one line that says what is wrong and what to do.
    Usage(String),
    /// Anything else.
    Harness(anyhow::Error),
}

/// What a command comes to.
pub enum Done {
    /// It did what it should, and there is nothing to judge.
    Fine,
    /// It judged a history.
    Judged(Verdict),
}

/// The result of a command.
pub type CommandResult = Result<Done, Failure>;

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Usage(line) => f.write_str(line),
            Failure::Harness(error) => {
                let mut last = String::new();
                // Most of our errors quote their cause.
                for cause in error.chain().map(ToString::to_string) {
                    if last.is_empty() {
                        f.write_str(&cause)?;
                    } else if !last.ends_with(&cause) {
                        write!(f, ": {cause}")?;
                    }
                    last = cause;
                }
                Ok(())
            }
        }
    }
}

impl<E: Into<anyhow::Error>> From<E> for Failure {
    /// An environment that cannot be had here is named with its remedy, and is no failure of the harness.
    fn from(error: E) -> Self {
        let error: anyhow::Error = error.into();
        match error.downcast_ref::<ControlError>() {
            Some(ControlError::Unavailable { .. }) => Failure::Usage(format!("{error:#}")),
            _ => Failure::Harness(error),
        }
    }
}

/// Prints what went wrong, if anything, and gives the exit code.
pub fn code(result: CommandResult) -> ExitCode {
    match result {
        Ok(Done::Fine) => ExitCode::SUCCESS,
        Ok(Done::Judged(verdict)) => ExitCode::from(verdict.exit_code()),
        Err(failure) => {
            grumble!("perjury: {failure}");
            ExitCode::from(match failure {
                Failure::Usage(_) => USAGE,
                Failure::Harness(_) => HARNESS,
            })
        }
    }
}

/// Prints help and versions in full, and a mistake in the arguments as one line.
pub fn usage(error: &clap::Error) -> ExitCode {
    if !error.use_stderr() {
        say!("{error}");
        return ExitCode::SUCCESS;
    }
    let text = error.to_string();
    let what: Vec<&str> = text
        .lines()
        .take_while(|line| !line.starts_with("Usage:") && !line.starts_with("For more information"))
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .collect();
    if error.kind() == clap::error::ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        eprint!("{error}");
    } else {
        grumble!(
            "perjury: {} (see --help)",
            what.join(" ").trim_start_matches("error: ")
        );
    }
    ExitCode::from(USAGE)
}
