//! Processes that left the process group in which they were started, as a store does that makes itself a
//! daemon (setsid(2)): signals to the group do not reach them.
//!
//! Invariants:
//! - They are recognized by an environment variable that every process started here gets and passes on to
//!   what it starts (proc_pid_environ(5)); never by name. Its value names one start of one run, even where
//!   several hosts share process numbers but not files.
//! - Where `/proc` is not there, or is that of another PID namespace, none is found: no process is signalled
//!   on a guess.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::processes::kernel;
use crate::{ControlError, Pid, ProcessState, Signal};

/// The variable. Its value: the process that wrote the run's undo log (number and start), where that log is,
/// and the number of the start.
pub(crate) const MARK: &str = "PERJURY_START";

/// The mark of one start, or of all starts of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mark {
    text: String,
}

impl Mark {
    /// The mark of all starts that this controller noted in this undo log; the file exists.
    pub(crate) fn of_log(path: &Path, controller: Pid) -> Mark {
        let path = path.canonicalize().unwrap_or_else(|_| path.to_path_buf());
        Mark {
            text: format!("{}.{}:{}:", controller.pid, controller.started, path.display()),
        }
    }

    /// The mark of one start.
    pub(crate) fn start(&self, number: u64) -> Mark {
        Mark {
            text: format!("{}{number};", self.text),
        }
    }

    pub(crate) fn value(&self) -> &str {
        &self.text
    }

    /// The living processes that carry it and are not in the process group `group`.
    pub(crate) fn outside(&self, group: Option<i32>) -> Vec<Pid> {
        #[cfg(target_os = "linux")]
        if kernel::proc_is_ours() {
            let wanted = format!("{MARK}={}", self.text);
            let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
            return entries
                .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
                .filter(|pid| carries(*pid, wanted.as_bytes()))
                .filter(|pid| group.is_none_or(|group| !is_in(*pid, group)))
                .filter_map(|pid| Some((pid, kernel::started(pid)?)))
                .map(|(pid, started)| Pid { pid, started })
                .collect();
        }
        let _ = group;
        Vec::new()
    }

    /// Ends all that carry it with SIGKILL and waits until they are gone; returns how many there were.
    /// Blocks.
    ///
    /// # Errors
    /// When one cannot be signalled, or does not end within `limit`.
    pub(crate) fn end(&self, limit: Duration) -> Result<usize, ControlError> {
        let deadline = Instant::now() + limit;
        let mut ended = BTreeSet::new();
        loop {
            let left = self.outside(None);
            if left.is_empty() {
                return Ok(ended.len());
            }
            if Instant::now() > deadline {
                let left: Vec<String> = left.iter().map(|pid| pid.pid.to_string()).collect();
                return Err(ControlError::Deadline {
                    what: format!("the end of the processes {} after SIGKILL", left.join(", ")),
                    limit,
                    hint: String::new(),
                });
            }
            self.signal(None, Signal::Kill)?;
            ended.extend(left.into_iter().map(|pid| pid.pid));
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// Sends a signal to those outside `group` on which it has not taken effect yet; returns how many there
    /// were.
    pub(crate) fn signal(&self, group: Option<i32>, signal: Signal) -> Result<usize, ControlError> {
        let mut reached = 0;
        for pid in self.outside(group) {
            if !signal.holds(kernel::state(pid)) {
                kernel::send(pid, signal)?;
                reached += 1;
            }
        }
        Ok(reached)
    }
}

/// Whether the environment of a process has a variable that begins like this.
#[cfg(target_os = "linux")]
fn carries(pid: i32, variable: &[u8]) -> bool {
    let environment = std::fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
    environment
        .split(|byte| *byte == 0)
        .any(|entry| entry.starts_with(variable))
}

#[cfg(target_os = "linux")]
fn is_in(pid: i32, group: i32) -> bool {
    nix::unistd::getpgid(Some(nix::unistd::Pid::from_raw(pid))).is_ok_and(|found| found.as_raw() == group)
}

impl Signal {
    /// Whether a process on which this signal has taken effect may be in that state.
    pub(crate) fn holds(self, state: ProcessState) -> bool {
        match self {
            Signal::Term => true,
            Signal::Kill => state == ProcessState::Gone,
            Signal::Stop => state != ProcessState::Running,
            Signal::Cont => state != ProcessState::Stopped,
        }
    }
}
