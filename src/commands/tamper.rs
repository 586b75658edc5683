//! `perjury tamper`: what a nemesis does to a process, done on the node itself. A hidden command: perjury
//! calls it.

use anyhow::{Context, anyhow};
use control::inside::{self, ClockShift, file_damage, volume};

use crate::cli::{DiskAct, TamperWhat};
use crate::exit::{CommandResult, Done};
use crate::output::say;

/// Does it, and prints the resulting state as JSON.
pub fn run(what: &TamperWhat) -> CommandResult {
    match what {
        TamperWhat::Clock {
            pid,
            offset_ns,
            drift_ppm,
        } => {
            let shift = ClockShift {
                offset_ns: *offset_ns,
                drift_ppm: *drift_ppm,
            };
            inside::set_clock(*pid, shift)?;
            say!("{}", serde_json::to_string(&inside::clock(*pid)?)?);
        }
        TamperWhat::Launch { control, program } => {
            // Clap requires one.
            let (program, args) = program.split_first().context("no program")?;
            return Err(inside::launch(control, program, args).into());
        }
        TamperWhat::Damage { what } => {
            say!("{}", file_damage::run(what).map_err(|why| anyhow!(why))?);
        }
        TamperWhat::Disk { directory, act, seed } => match act {
            DiskAct::CutPower => volume::cut_power(directory)?,
            DiskAct::RestorePower => {
                say!(
                    "{}",
                    serde_json::to_string(&volume::restore_power(directory, *seed)?)?
                );
            }
            DiskAct::Fill => {
                volume::fill(directory)?;
                say!("{}", volume::has_room(directory)?);
            }
            DiskAct::MakeRoom => {
                volume::make_room(directory)?;
                say!("{}", volume::has_room(directory)?);
            }
        },
        TamperWhat::Fsync { directory, mode } => {
            say!(
                "{}",
                serde_json::to_string(&inside::set_fsync(directory, *mode)?)?
            );
        }
    }
    Ok(Done::Fine)
}
