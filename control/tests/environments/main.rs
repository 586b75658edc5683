//! The environments, tried for real: processes, namespaces, packets.
//!
//! Namespaces must be entered while the program has one thread, so this is a program of its own instead of a
//! libtest harness: it starts itself once a case, as the present user and, if that is root, as an
//! unprivileged user too. Any argument that is not a flag selects the cases whose names contain it. A case
//! that this machine cannot do is reported as skipped, with the reason.

mod cases;
mod death;
#[path = "../../../tests/support/missing.rs"]
mod missing;
mod processes;
mod programs;

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};

use missing::missing;

/// Set in the processes that this program starts from itself: which case or helper program to be.
const CASE: &str = "PERJURY_TEST_CASE";
/// The exit code of a case that cannot be done here.
const SKIPPED: i32 = 77;
/// The number of an unprivileged user.
const UNPRIVILEGED: &str = "65534";

fn main() -> ExitCode {
    if let Ok(name) = std::env::var(CASE) {
        return run_inside(&name);
    }
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let filters: Vec<&String> = arguments
        .iter()
        .filter(|argument| !argument.starts_with('-'))
        .collect();
    // The unprivileged user can reach the program there even if the checkout is in a private home.
    let place = tempfile::tempdir().expect("a temporary directory");
    std::fs::set_permissions(place.path(), PermissionsExt::from_mode(0o755)).expect("permissions");
    let program = place.path().join("environments");
    std::fs::copy(std::env::current_exe().expect("own path"), &program).expect("a copy of this program");

    let mut failures = 0;
    for user in users() {
        let cases = cases::CASES
            .iter()
            .map(|(name, _)| *name)
            .chain(death::CASES.iter().copied());
        for case in cases {
            let name = format!("{user}::{case}");
            if !filters.is_empty() && !filters.iter().any(|filter| name.contains(filter.as_str())) {
                continue;
            }
            let result = if death::CASES.contains(&case) {
                death::run(case, &program, user)
            } else {
                run_outside(case, &program, user)
            };
            match result {
                Ok(notes) => println!("test {name} ... ok{notes}"),
                Err(Ended::Missing(what, why)) => missing(what, why),
                Err(Ended::Skipped(why)) => eprintln!("test {name} ... {why}"),
                Err(Ended::Failed(why)) => {
                    failures += 1;
                    println!("test {name} ... FAILED\n{why}");
                }
            }
        }
    }
    if failures > 0 {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    }
}

/// Why a case is not ok.
pub enum Ended {
    /// This machine cannot do it: what is missing, and why.
    Missing(&'static str, String),
    /// Its own process has said why it was skipped.
    Skipped(String),
    /// It went wrong.
    Failed(String),
}

impl<E: std::error::Error> From<E> for Ended {
    fn from(error: E) -> Ended {
        Ended::Failed(error.to_string())
    }
}

/// As whom the cases are run.
fn users() -> Vec<&'static str> {
    let root = Command::new("id")
        .arg("-u")
        .output()
        .is_ok_and(|output| output.stdout == b"0\n");
    if !root {
        return vec!["self"];
    }
    if Command::new("setpriv").arg("--version").output().is_err() {
        missing(
            "setpriv",
            "it is not on the PATH, so no case runs as an unprivileged user",
        );
        return vec!["self"];
    }
    vec!["self", "unprivileged"]
}

/// This program as `user`, about to be `case`.
pub fn itself(program: &Path, case: &str, user: &str) -> Command {
    let mut command = if user == "unprivileged" {
        let mut command = Command::new("setpriv");
        command
            .args([
                "--reuid",
                UNPRIVILEGED,
                "--regid",
                UNPRIVILEGED,
                "--clear-groups",
                "--",
            ])
            .arg(program);
        command
    } else {
        Command::new(program)
    };
    command.env(CASE, case).stdin(Stdio::null()).current_dir("/");
    command
}

fn run_outside(case: &str, program: &Path, user: &str) -> Result<String, Ended> {
    let output = itself(program, case, user).output()?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim_end().to_string();
    let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
    match output.status.code() {
        Some(0) if stdout.is_empty() => Ok(String::new()),
        Some(0) => Ok(format!(" ({})", stdout.replace('\n', "; "))),
        Some(SKIPPED) => Err(Ended::Skipped(stderr)),
        _ => Err(Ended::Failed(format!("{}\n{stdout}\n{stderr}", output.status))),
    }
}

/// One case in its own process.
fn run_inside(name: &str) -> ExitCode {
    if let Some(code) = programs::run(name) {
        return code;
    }
    let result = match cases::CASES.iter().find(|(case, _)| *case == name) {
        Some((_, case)) => {
            let directory = tempfile::tempdir().expect("a temporary directory");
            case(directory.path())
        }
        // Killed with -9, it could not remove a directory.
        None => death::hold(name),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(Ended::Missing(what, why)) => {
            missing(what, why);
            ExitCode::from(SKIPPED as u8)
        }
        Err(Ended::Skipped(why) | Ended::Failed(why)) => {
            eprintln!("{why}");
            ExitCode::FAILURE
        }
    }
}
