//! What the kernel says about a process that may or may not be ours.
//!
//! Invariant: a number alone never names a process. Linux reports when a process was started
//! (`/proc/PID/stat`, field 22, proc(5)), other systems only through tools; there the start is 0, "unknown".

use nix::errno::Errno;
use nix::sys::signal::kill;

use crate::{ControlError, Pid, ProcessState, Signal};

/// When the process with this number was started: `None` if there is none or it has ended (a zombie), 0 if
/// this system does not report it.
pub(crate) fn started(pid: i32) -> Option<u64> {
    #[cfg(target_os = "linux")]
    if proc_is_ours() {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        let (state, started) = parse_stat(&stat)?;
        return (!has_ended(pid, state)).then_some(started);
    }
    match kill(nix::unistd::Pid::from_raw(pid), None) {
        Ok(()) | Err(Errno::EPERM) => Some(0),
        Err(_) => None,
    }
}

/// Whether this very process is alive. With an unknown start, the number has to suffice.
pub(crate) fn is_alive(pid: Pid) -> bool {
    match started(pid.pid) {
        None => false,
        Some(started) => started == pid.started || started == 0 || pid.started == 0,
    }
}

/// Whether a process was killed and is not gone yet: its first thread is, or SIGKILL waits for it
/// (proc_pid_status(5)).
pub(crate) fn is_dying(pid: Pid) -> bool {
    const SIGKILL: u64 = 1 << (9 - 1);
    let status = std::fs::read_to_string(format!("/proc/{}/status", pid.pid)).unwrap_or_default();
    let field = |name: &str| {
        status
            .lines()
            .find_map(|line| line.strip_prefix(name))
            .map(str::trim)
    };
    let pending = |name| {
        field(name)
            .and_then(|mask| u64::from_str_radix(mask, 16).ok())
            .unwrap_or(0)
    };
    let has_gone = field("State:").is_some_and(|state| state.starts_with(['Z', 'X']));
    is_alive(pid) && (has_gone || (pending("SigPnd:") | pending("ShdPnd:")) & SIGKILL != 0)
}

/// What a process is doing, also one that perjury did not start; without `/proc` a stopped one counts as
/// running.
pub(crate) fn state(pid: Pid) -> ProcessState {
    if !is_alive(pid) {
        return ProcessState::Gone;
    }
    #[cfg(target_os = "linux")]
    if let Ok(stat) = std::fs::read_to_string(format!("/proc/{}/stat", pid.pid)) {
        return match parse_stat(&stat) {
            Some(('T' | 't', _)) => ProcessState::Stopped,
            Some((state, _)) if !has_ended(pid.pid, state) => ProcessState::Running,
            Some(_) | None => ProcessState::Gone,
        };
    }
    ProcessState::Running
}

/// Sends a signal to a process, and not to its group; to one that is gone, nothing.
pub(crate) fn send(pid: Pid, signal: Signal) -> Result<(), ControlError> {
    if !is_alive(pid) {
        return Ok(());
    }
    match kill(nix::unistd::Pid::from_raw(pid.pid), signal.number()) {
        Ok(()) | Err(Errno::ESRCH) => Ok(()),
        Err(error) => Err(ControlError::System {
            what: format!("cannot send {} to process {}", signal.number().as_str(), pid.pid),
            source: error.into(),
        }),
    }
}

impl Signal {
    /// The system's number for it.
    pub(crate) fn number(self) -> nix::sys::signal::Signal {
        use nix::sys::signal::Signal as Number;
        match self {
            Signal::Term => Number::SIGTERM,
            Signal::Kill => Number::SIGKILL,
            Signal::Stop => Number::SIGSTOP,
            Signal::Cont => Number::SIGCONT,
        }
    }
}

/// Whether anything of this network namespace listens on a TCP port, as far as `/proc` shows it.
pub(crate) fn listens(port: u16) -> bool {
    let tables =
        ["/proc/net/tcp", "/proc/net/tcp6"].map(|table| std::fs::read_to_string(table).unwrap_or_default());
    tables
        .iter()
        .flat_map(|table| table.lines())
        .any(|line| listening(line, port).is_some())
}

/// The socket's number in a line of /proc/net/tcp (proc_pid_net(5)), if it listens on the port.
pub(crate) fn listening(line: &str, port: u16) -> Option<u64> {
    const LISTEN: &str = "0A";
    let fields: Vec<&str> = line.split_ascii_whitespace().collect();
    let (_, local_port) = fields.get(1)?.rsplit_once(':')?;
    let is_it = u16::from_str_radix(local_port, 16).ok()? == port && *fields.get(3)? == LISTEN;
    is_it.then(|| fields.get(9)?.parse().ok()).flatten()
}

/// This process.
pub(crate) fn own() -> Pid {
    let pid = std::process::id() as i32;
    Pid {
        pid,
        started: started(pid).unwrap_or(0),
    }
}

/// Whether `/proc` shows this process' own PID namespace; in a new one it may still show that of the outer
/// one.
#[cfg(target_os = "linux")]
pub(crate) fn proc_is_ours() -> bool {
    std::fs::read_link("/proc/self")
        .is_ok_and(|link| link.as_os_str().to_str() == Some(&std::process::id().to_string()))
}

/// Whether nothing of a process is left: of one that was killed the first thread may be a zombie while
/// another one still waits for a disk, and holds the files and sockets of them all.
#[cfg(target_os = "linux")]
fn has_ended(pid: i32, state: char) -> bool {
    let threads = || std::fs::read_dir(format!("/proc/{pid}/task")).map_or(0, Iterator::count);
    matches!(state, 'Z' | 'X') && threads() <= 1
}

/// State and start from a line of `/proc/PID/stat`; the program's name in it may contain blanks and brackets.
#[cfg(target_os = "linux")]
fn parse_stat(stat: &str) -> Option<(char, u64)> {
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_ascii_whitespace();
    let state = fields.next()?.chars().next()?;
    // The state is field 3, the start field 22.
    let started = fields.nth(18)?.parse().ok()?;
    Some((state, started))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(target_os = "linux")]
    fn stat_lines() {
        let tail = "1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 4711 20 21";
        for (line, expected) in [
            (format!("12 (sleep) S {tail}"), Some(('S', 4711))),
            (format!("12 (a b) T) Z {tail}"), Some(('Z', 4711))),
            ("12 (sleep) S 1 2".to_string(), None),
            (String::new(), None),
        ] {
            assert_eq!(parse_stat(&line), expected, "{line}");
        }
    }

    #[test]
    fn lines_of_the_table_of_sockets() {
        let listens = "0: 0100007F:094B 00000000:0000 0A 00000000:00000000 00:00000000 00000000 0 0 4711 1 0 100 0 0 10 0";
        let connected = listens.replace(" 0A ", " 01 ");
        assert_eq!(listening(listens, 2379), Some(4711));
        assert_eq!(listening(listens, 2380), None);
        assert_eq!(listening(&connected, 2379), None);
        assert_eq!(listening("  sl  local_address rem_address   st", 2379), None);
    }

    #[test]
    fn this_process_is_alive_and_another_start_is_another_process() {
        let own = own();
        assert!(is_alive(own));
        if own.started != 0 {
            assert!(!is_alive(Pid {
                started: own.started + 1,
                ..own
            }));
        }
        assert_eq!(started(i32::MAX), None);
    }
}
