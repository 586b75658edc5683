//! What the kernel says about a process that may or may not be ours.
//!
//! Invariant: a number alone never names a process. Linux tells when a process was started (`/proc/PID/stat`, field
//! 22, proc(5)), other systems do not without help; there the start is 0, "unknown".

use nix::errno::Errno;
use nix::sys::signal::kill;

use crate::Pid;

/// When the process with this number was started: `None` if there is none or it has ended (a zombie), 0 if this
/// system cannot tell.
pub(crate) fn started(pid: i32) -> Option<u64> {
    #[cfg(target_os = "linux")]
    if proc_is_ours() {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        let (state, started) = parse_stat(&stat)?;
        return (state != 'Z' && state != 'X').then_some(started);
    }
    match kill(nix::unistd::Pid::from_raw(pid), None) {
        Ok(()) | Err(Errno::EPERM) => Some(0),
        Err(_) => None,
    }
}

/// Whether this very process is alive. With an unknown start, the number must do.
pub(crate) fn is_alive(pid: Pid) -> bool {
    match started(pid.pid) {
        None => false,
        Some(started) => started == pid.started || started == 0 || pid.started == 0,
    }
}

/// This process.
pub(crate) fn own() -> Pid {
    let pid = std::process::id() as i32;
    Pid {
        pid,
        started: started(pid).unwrap_or(0),
    }
}

/// Whether `/proc` shows this process' own PID namespace; in a new one it may still be that of the outer.
#[cfg(target_os = "linux")]
pub(crate) fn proc_is_ours() -> bool {
    std::fs::read_link("/proc/self")
        .is_ok_and(|link| link.as_os_str().to_str() == Some(&std::process::id().to_string()))
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
