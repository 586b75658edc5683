//! What is done inside a node to its processes, files and filesystem: the work behind `perjury tamper`, which
//! runs there.
//!
//! Invariants of what is done to a process (`attached`, `clock`, `vdso`, `fsync`); the undo of a filesystem
//! (`volume`) is in the undo log:
//! - A process is left running, with all its threads, whatever goes wrong.
//! - Nothing outside the process is changed, and nothing of it outlives the process. So there is nothing to
//!   undo for `perjury heal` but to end the process, which it does anyway.

#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
mod attached;
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
mod clock;
pub mod file_damage;
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
mod fsync;
mod store_files;
mod torn;
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
mod vdso;
pub mod volume;

pub use store_files::is_own;

use std::ffi::OsString;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::ControlError;

/// How the wall clock that a process sees differs from the real one, from the moment when this is set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClockShift {
    /// How many nanoseconds it is ahead (negative: behind) at that moment.
    pub offset_ns: i64,
    /// How many microseconds it gains (negative: loses) per second from then on.
    pub drift_ppm: i64,
}

/// What fsync and its relatives do in a program that was started by [`launch`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FsyncMode {
    /// What they should do.
    #[default]
    Honest,
    /// Nothing, and report success.
    Lie,
    /// Nothing, and report EIO.
    Fail,
    /// What they should, later.
    Slow {
        /// By how many milliseconds.
        delay_ms: u64,
    },
}

/// How often fsync was called since the node's first start, by result; all programs of a node together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FsyncCounts {
    /// The mode now.
    pub mode: FsyncMode,
    /// How many programs of the node were launched.
    pub programs: u64,
    /// Done as called for.
    pub honest: u64,
    /// Not done, but reported as done.
    pub lied: u64,
    /// Failed.
    pub failed: u64,
    /// Done late.
    pub slowed: u64,
}

impl FsyncMode {
    fn numbers(self) -> (u64, u64) {
        match self {
            FsyncMode::Honest => (0, 0),
            FsyncMode::Lie => (1, 0),
            FsyncMode::Fail => (2, 0),
            FsyncMode::Slow { delay_ms } => (3, delay_ms),
        }
    }

    fn of_numbers(mode: u64, delay_ms: u64) -> FsyncMode {
        match mode {
            1 => FsyncMode::Lie,
            2 => FsyncMode::Fail,
            3 => FsyncMode::Slow { delay_ms },
            _ => FsyncMode::Honest,
        }
    }
}

/// Turns a daemon's program and arguments into ones whose fsync can be tampered with: `own_binary` is this
/// program on the node, and the control file is beside the daemon's log.
pub(crate) fn launched(
    own_binary: &Path,
    log: &Path,
    program: OsString,
    args: Vec<OsString>,
) -> (OsString, Vec<OsString>) {
    let mut launcher: Vec<OsString> = vec!["tamper".into(), "launch".into(), "--control".into()];
    launcher.push(log.with_extension("fsync").into());
    launcher.push("--".into());
    launcher.push(program);
    launcher.extend(args);
    (own_binary.into(), launcher)
}

/// Whether this process is a launcher and not yet the program that it was given; `false` where that cannot be
/// seen.
pub(crate) fn is_launcher(pid: crate::Pid) -> bool {
    let command = std::fs::read(format!("/proc/{}/cmdline", pid.pid)).unwrap_or_default();
    let words: Vec<&[u8]> = command.split(|byte| *byte == 0).collect();
    crate::processes::kernel::is_alive(pid)
        && words.windows(2).any(|pair| pair == [&b"tamper"[..], b"launch"])
}

/// Becomes a program whose fsync can be tampered with by [`set_fsync`]. Call it while this program has one
/// thread. Returns only on failure.
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
pub fn launch(control: &Path, program: &OsString, args: &[OsString]) -> ControlError {
    fsync::launch(control, program, args)
}

/// Sets what fsync does in every program that was launched with its control file in `directory` (nothing is
/// changed with `None`), and returns what was done until now.
///
/// # Errors
/// When a control file cannot be read or written.
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
pub fn set_fsync(directory: &Path, mode: Option<FsyncMode>) -> Result<FsyncCounts, ControlError> {
    fsync::set(directory, mode).map_err(|source| ControlError::File {
        path: directory.to_path_buf(),
        source,
    })
}

/// Not available on this platform.
#[cfg(not(all(target_os = "linux", target_arch = "x86_64")))]
pub fn launch(_control: &Path, _program: &OsString, _args: &[OsString]) -> ControlError {
    ControlError::Other(can().err().unwrap_or_default())
}

/// Not available on this platform.
///
/// # Errors
/// Always.
#[cfg(not(all(target_os = "linux", target_arch = "x86_64")))]
pub fn set_fsync(_directory: &Path, _mode: Option<FsyncMode>) -> Result<FsyncCounts, ControlError> {
    can().map_err(ControlError::Other)?;
    Ok(FsyncCounts::default())
}

/// The largest offset: about a hundred years, which overflow nothing.
pub const MOST_OFFSET_NS: i64 = 3_000_000_000_000_000_000;
/// The largest drift: twice as fast, or standing still.
pub const MOST_DRIFT_PPM: i64 = 1_000_000;

/// Whether processes can be tampered with here.
///
/// # Errors
/// Why not, and the remedy, in one line.
pub fn can() -> Result<(), String> {
    if !cfg!(all(target_os = "linux", target_arch = "x86_64")) {
        return Err("single processes can be tampered with only on Linux on x86_64".into());
    }
    Ok(())
}

/// Shifts the wall clock that a process of this machine sees, without touching the machine's own; programs
/// that do not use libc (Go's) included. Takes some 2 ms the first time, microseconds afterwards.
///
/// What is shifted is what the vDSO returns (vdso(7)): `clock_gettime` of `CLOCK_REALTIME` and its coarse
/// variant, `gettimeofday` and `time`. Programs that make the system call themselves, and files' times, see
/// the real clock.
///
/// # Errors
/// When the process is gone, or is not allowed to be traced; it goes on as it was then.
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
pub fn set_clock(pid: i32, shift: ClockShift) -> Result<(), ControlError> {
    if shift.offset_ns.abs() > MOST_OFFSET_NS || shift.drift_ppm.abs() > MOST_DRIFT_PPM {
        return Err(ControlError::Other(format!(
            "{shift:?} is out of a clock's range"
        )));
    }
    clock::set(pid, shift)
}

/// How the clock of a process is shifted now, with the offset that was set; nothing if it never was.
///
/// # Errors
/// When the process is gone or may not be read.
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
pub fn clock(pid: i32) -> Result<ClockShift, ControlError> {
    clock::get(pid)
}

/// Not available on this platform.
///
/// # Errors
/// Always.
#[cfg(not(all(target_os = "linux", target_arch = "x86_64")))]
pub fn set_clock(_pid: i32, _shift: ClockShift) -> Result<(), ControlError> {
    can().map_err(ControlError::Other)
}

/// Not available on this platform.
///
/// # Errors
/// Always.
#[cfg(not(all(target_os = "linux", target_arch = "x86_64")))]
pub fn clock(_pid: i32) -> Result<ClockShift, ControlError> {
    can().map_err(ControlError::Other)?;
    Ok(ClockShift::default())
}
