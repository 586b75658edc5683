//! How perjury ends: the exit codes, all of them, and the one line that says what went wrong.
//!
//! Which verdict a history gets, the checker decides (`commands/check` makes it unknown where too little was
//! read); which one a run gets, the checks in `reports`.

use std::fmt;
use std::process::ExitCode;

use checker::Verdict;
use control::ControlError;

use crate::output::{grumble, say};

/// The history is valid, or the command judges nothing and did what it should.
pub const VALID: u8 = 0;
/// The history is invalid. Of a hunt: it found a violation; of `compare --fail-if-worse`: something is worse.
pub const INVALID: u8 = 1;
/// It is unknown whether the history is valid, or it says too little.
pub const UNKNOWN: u8 = 2;
/// The user called for something that is impossible.
pub const USAGE: u8 = 254;
/// The harness itself failed.
pub const HARNESS: u8 = 255;

/// The exit code of a verdict.
fn of_verdict(verdict: Verdict) -> u8 {
    match verdict {
        Verdict::Valid => VALID,
        Verdict::Invalid => INVALID,
        Verdict::Unknown => UNKNOWN,
    }
}

/// The verdict that an exit code stands for; `None` for a command that could not do its work.
pub fn verdict_of(code: u8) -> Option<Verdict> {
    [Verdict::Valid, Verdict::Invalid, Verdict::Unknown]
        .into_iter()
        .find(|verdict| of_verdict(*verdict) == code)
}

/// Why a command did not do its work.
#[derive(Debug)]
pub enum Failure {
    /// The user's mistake: one line that says what is wrong and what to do.
    Usage(String),
    /// Anything else.
    Harness(anyhow::Error),
}

/// How a command ended that did its work.
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
                // Most of our errors quote their cause already.
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
    /// An environment that is not available here, or a host that cannot be reached, is no failure of the
    /// harness.
    fn from(error: E) -> Self {
        let error: anyhow::Error = error.into();
        match error.downcast_ref::<ControlError>() {
            Some(ControlError::Unavailable { .. } | ControlError::Unreachable { .. }) => {
                Failure::Usage(format!("{error:#}"))
            }
            _ => Failure::Harness(error),
        }
    }
}

/// Prints what went wrong, if anything, and gives the exit code.
pub fn code(result: CommandResult) -> ExitCode {
    match result {
        Ok(Done::Fine) => ExitCode::SUCCESS,
        Ok(Done::Judged(verdict)) => ExitCode::from(of_verdict(verdict)),
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
            what.join(" ")
                .trim_start_matches("error: ")
                .replace(" tip: ", "; tip: ")
        );
    }
    ExitCode::from(USAGE)
}
