//! Faults on a process that perjury did not start are undone here: by the agent beside it, and by `perjury
//! heal`.

use crate::inside;
use crate::processes::kernel;
use crate::{Pid, ProcessState, Signal};

/// Puts a process that perjury did not start back as it was before; returns what was done.
///
/// # Errors
/// When it cannot, or when it was killed and nothing else listens on its port.
pub(crate) fn release(pid: Pid, port: u16) -> Result<Option<String>, String> {
    let mut done = Vec::new();
    match kernel::state(pid) {
        ProcessState::Gone if kernel::listens(port) => return Ok(None),
        ProcessState::Gone => {
            return Err(format!(
                "the store that listened on port {port} was killed and is not running: start it"
            ));
        }
        ProcessState::Stopped => {
            kernel::send(pid, Signal::Cont).map_err(|why| why.to_string())?;
            done.push(format!("resumed process {}", pid.pid));
        }
        ProcessState::Running => {}
    }
    let own = inside::ClockShift::default();
    // Where the clock cannot be read it cannot have been shifted.
    if inside::clock(pid.pid).is_ok_and(|shift| shift != own) {
        inside::set_clock(pid.pid, own).map_err(|why| why.to_string())?;
        done.push(format!("reset the clock of process {}", pid.pid));
    }
    Ok((!done.is_empty()).then(|| done.join("; ")))
}
