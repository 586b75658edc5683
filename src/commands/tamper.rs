//! `perjury tamper`: what a nemesis does to a process from within its node. Not for people.

use control::tamper::{self, ClockShift};

use crate::cli::TamperWhat;
use crate::exit::{CommandResult, Done};
use crate::say::say;

/// Does it, and prints as JSON what is to be seen afterwards.
pub fn run(what: &TamperWhat) -> CommandResult {
    match *what {
        TamperWhat::Clock {
            pid,
            offset_ns,
            drift_ppm,
        } => {
            tamper::set_clock(pid, ClockShift { offset_ns, drift_ppm })?;
            say!("{}", serde_json::to_string(&tamper::clock(pid)?)?);
        }
    }
    Ok(Done::Fine)
}
