//! What is done to single running processes from within their node: the work behind `perjury tamper`, which runs there.
//!
//! Invariants:
//! - A process is left running, with all its threads, whatever goes wrong.
//! - Nothing outside the process is changed, and nothing of it outlives the process. So there is nothing to undo for
//!   `perjury heal` but to end the process, which it does anyway.

#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
mod attached;
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
mod clock;
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
mod vdso;

use serde::{Deserialize, Serialize};

use crate::ControlError;

/// How the wall clock that a process sees differs from the real one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClockShift {
    /// By so many nanoseconds it is ahead (or, negative, behind) when this is set.
    pub offset_ns: i64,
    /// So many microseconds a second it gains from then on (or loses).
    pub drift_ppm: i64,
}

/// The largest offset: a hundred years or so must not overflow anything.
pub const MOST_OFFSET_NS: i64 = 3_000_000_000_000_000_000;
/// The largest drift: twice as fast, or standing still.
pub const MOST_DRIFT_PPM: i64 = 1_000_000;

/// Whether processes can be tampered with here.
///
/// # Errors
/// Why not, and the remedy, in one line.
pub fn can() -> Result<(), String> {
    if !cfg!(all(target_os = "linux", target_arch = "x86_64")) {
        return Err("the clock of a single process can be shifted only on Linux on x86_64".into());
    }
    Ok(())
}

/// Shifts the wall clock that a process of this machine sees, without touching the machine's own; programs that make no use
/// of libc (Go's) included. Takes some 2 ms the first time, microseconds afterwards.
///
/// What is shifted is what the vDSO tells (vdso(7)): `clock_gettime` of `CLOCK_REALTIME` and its coarse sister,
/// `gettimeofday` and `time`. Programs that make the system call themselves, and files' times, see the real clock.
///
/// # Errors
/// When the process is gone, or is not allowed to be traced; it goes on as it was then.
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
pub fn set_clock(pid: i32, shift: ClockShift) -> Result<(), ControlError> {
    if shift.offset_ns.abs() > MOST_OFFSET_NS || shift.drift_ppm.abs() > MOST_DRIFT_PPM {
        return Err(ControlError::Other(format!("{shift:?} is too much for a clock")));
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

/// Not here.
///
/// # Errors
/// Always.
#[cfg(not(all(target_os = "linux", target_arch = "x86_64")))]
pub fn set_clock(_pid: i32, _shift: ClockShift) -> Result<(), ControlError> {
    can().map_err(ControlError::Other)
}

/// Not here.
///
/// # Errors
/// Always.
#[cfg(not(all(target_os = "linux", target_arch = "x86_64")))]
pub fn clock(_pid: i32) -> Result<ClockShift, ControlError> {
    can().map_err(ControlError::Other)?;
    Ok(ClockShift::default())
}
