//! `perjury heal`: ends and undoes what a controller that died left behind, as its undo log has it.
//!
//! Invariants:
//! - A process is ended only if its number *and* its start match; never by name. Where the system does not
//!   report starts, its command line must name the run directory.
//! - Processes that left the process group in which they were started are found by their mark (`strays`).
//! - Processes in a PID namespace of their own are never signalled from outside: their numbers mean other
//!   processes there, and the kernel ends them with the namespace.
//! - While the controller lives, nothing is touched.

use std::fmt;
use std::io::{self, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use history::RunDir;
use nix::errno::Errno;
use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::getpgid;

use super::log::{Place, STILL_RUNNING, UndoLine, append, open_to_append, read_lines};
use super::release::release;
#[cfg(all(target_os = "linux", feature = "ssh"))]
use crate::environments::ssh::heal as heal_host;
use crate::inside::volume;
use crate::processes::kernel;
use crate::processes::strays::Mark;
use crate::{ControlError, Pid};

/// How long a process that got SIGKILL may take to end.
const END_LIMIT: Duration = Duration::from_secs(15);

/// What [`heal`] found and did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HealReport {
    /// The controller of the run, if it is still alive; then nothing was done.
    pub still_running: Option<Pid>,
    /// What was ended, one line each.
    pub done: Vec<String>,
    /// What could not be undone and why, one line each.
    pub left: Vec<String>,
}

/// Undoes what the dead controller of a run left behind. May be called again; a run that ended normally left
/// nothing.
///
/// # Errors
/// When the undo log cannot be read or written. A run without one has nothing to undo.
pub fn heal(run_dir: &Path) -> Result<HealReport, ControlError> {
    let path = RunDir::new(run_dir).undo();
    let text = match std::fs::read(&path) {
        Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(HealReport::default()),
        Err(source) => return Err(ControlError::File { path, source }),
    };
    let mut report = HealReport::default();
    let lines = read_lines(&text, &mut report.left);
    let Some((UndoLine::Controller { pid, place, .. }, things)) = lines.split_first() else {
        return Ok(report);
    };
    let here = Place::here();
    if place.boot != here.boot {
        // Another boot, or another machine: none of these processes exists.
        return Ok(report);
    }
    if place.pid_namespace != here.pid_namespace {
        report
            .left
            .push("the run was started in another container: heal it there".into());
        return Ok(report);
    }
    let deadline = Instant::now() + END_LIMIT;
    // A thread of a killed controller may still wait for a disk.
    while kernel::is_dying(*pid) && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(10));
    }
    if kernel::is_alive(*pid) {
        report.still_running = Some(*pid);
        return Ok(report);
    }
    let mut file = open_to_append(&path)?;
    if !text.is_empty() && !text.ends_with('\n') {
        // Keeps the torn line apart from what is appended now.
        let _ = file.write_all(b"\n");
    }
    // What neither ended with the controller's namespaces nor was undone by it. Filesystems come after the
    // processes that use them.
    let is_left = |thing: &&UndoLine| match thing.left() {
        Some(id) => !things.contains(&UndoLine::Undone { id }),
        None => false,
    };
    let (mounts, others): (Vec<&UndoLine>, Vec<&UndoLine>) =
        (things.iter().filter(is_left)).partition(|thing| matches!(thing, UndoLine::Volume { .. }));
    let mut undo_each = |things: Vec<&UndoLine>, report: &mut HealReport| {
        for (thing, undone) in things.iter().zip(undo_hosts_at_once(&things, run_dir)) {
            let Some(id) = thing.left() else { continue };
            match undone.unwrap_or_else(|| undo(thing, run_dir)) {
                Ok(done) => {
                    report.done.extend(done);
                    append(&mut file, &path, &UndoLine::Undone { id })?;
                }
                Err(why) => report.left.push(why),
            }
        }
        Ok::<(), ControlError>(())
    };
    undo_each(others, &mut report)?;
    match Mark::of_log(&path, *pid).end(END_LIMIT) {
        Ok(0) => {}
        Ok(1) => (report.done).push("ended one more process that the store had started".into()),
        Ok(count) => (report.done).push(format!("ended {count} more processes that the store had started")),
        Err(why) => report.left.push(why.to_string()),
    }
    undo_each(mounts, &mut report)?;
    Ok(report)
}

/// Undoes what is on hosts, on all of them at once, because a host that is down takes long to time out.
/// `None` for other things.
fn undo_hosts_at_once(things: &[&UndoLine], run_dir: &Path) -> Vec<Option<Result<Option<String>, String>>> {
    std::thread::scope(|scope| {
        let asked: Vec<_> = (things.iter())
            .map(|thing| matches!(thing, UndoLine::Host { .. }).then(|| scope.spawn(|| undo(thing, run_dir))))
            .collect();
        let answer = |asked: std::thread::ScopedJoinHandle<'_, _>| {
            asked
                .join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        };
        asked.into_iter().map(|asked| asked.map(answer)).collect()
    })
}

/// Whether the undo log of a run names something that was not undone yet, in any process.
pub fn has_something_to_undo(run_dir: &Path) -> bool {
    let text = std::fs::read(RunDir::new(run_dir).undo()).unwrap_or_default();
    let lines = read_lines(&String::from_utf8_lossy(&text), &mut Vec::new());
    let mut ids = lines.iter().filter_map(UndoLine::left);
    ids.any(|id| !lines.contains(&UndoLine::Undone { id }))
}

/// Undoes one thing; returns what was done, if there was anything to do, or why it could not be done.
fn undo(thing: &UndoLine, run_dir: &Path) -> Result<Option<String>, String> {
    match thing {
        UndoLine::Process {
            node, program, pid, ..
        } => {
            let what = format!("{program} of {node} (process {})", pid.pid);
            match end(*pid, run_dir) {
                Ok(was_there) => Ok(was_there.then(|| format!("ended {what}"))),
                Err(why) => Err(format!("{what}: {why}")),
            }
        }
        UndoLine::Volume { node, directory, .. } => {
            let was_there = volume::is_mounted(&volume::data(directory));
            match volume::unmount(directory) {
                Ok(()) => Ok(was_there.then(|| format!("unmounted the disk of {node}"))),
                Err(why) => Err(format!("the disk of {node}: {why}")),
            }
        }
        UndoLine::Adopted { pid, port, .. } => release(*pid, *port),
        #[cfg(target_os = "linux")]
        UndoLine::Chain { .. } => match crate::agent::host_chain::remove_left() {
            Ok(was_there) => Ok(was_there.then(|| "removed the chain PERJURY".into())),
            Err(why) => Err(format!("the chain PERJURY: {why}")),
        },
        #[cfg(target_os = "linux")]
        UndoLine::Containers { label, .. } => crate::environments::docker::remove(label)
            .map_err(|why| format!("the containers of the run: {why}")),
        #[cfg(target_os = "linux")]
        UndoLine::Host { node, host, .. } => {
            heal_host(node, host).map_err(|why| format!("{node} ({}): {why}", host.access.destination))
        }
        #[cfg(not(target_os = "linux"))]
        UndoLine::Chain { .. } | UndoLine::Containers { .. } | UndoLine::Host { .. } => {
            Err("it can only be undone on Linux".into())
        }
        UndoLine::Controller { .. } | UndoLine::Undone { .. } => Ok(None),
    }
}

#[cfg(all(target_os = "linux", not(feature = "ssh")))]
fn heal_host(_node: &str, _host: &super::log::HostRecord) -> Result<Option<String>, String> {
    Err("this perjury was built without SSH".into())
}

/// Ends a process that an earlier controller started; says whether it was there.
fn end(pid: Pid, run_dir: &Path) -> Result<bool, String> {
    if !kernel::is_alive(pid) || !is_that_one(pid, run_dir) {
        return Ok(false);
    }
    let number = nix::unistd::Pid::from_raw(pid.pid);
    // Daemons lead a group of their own; one that does not (yet) is signalled alone.
    let sent = match getpgid(Some(number)) {
        Ok(group) if group == number => killpg(number, Signal::SIGKILL),
        _ => kill(number, Signal::SIGKILL),
    };
    match sent {
        Ok(()) => {}
        Err(Errno::ESRCH) => return Ok(false),
        Err(error) => return Err(format!("cannot be ended: {}", error.desc())),
    }
    let deadline = Instant::now() + END_LIMIT;
    while kernel::is_alive(pid) {
        if Instant::now() > deadline {
            return Err(format!("is still there {} s after SIGKILL", END_LIMIT.as_secs()));
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    Ok(true)
}

/// With a known start the number was compared already; without one, the command line must name the run
/// directory.
fn is_that_one(pid: Pid, run_dir: &Path) -> bool {
    if pid.started != 0 {
        return kernel::started(pid.pid) == Some(pid.started);
    }
    let output = std::process::Command::new("ps")
        .args(["-o", "command=", "-p", &pid.pid.to_string()])
        .output();
    let run_dir = std::path::absolute(run_dir).unwrap_or_else(|_| run_dir.to_path_buf());
    output.is_ok_and(|output| String::from_utf8_lossy(&output.stdout).contains(&*run_dir.to_string_lossy()))
}

impl HealReport {
    /// Whether nothing of the run is left.
    pub fn is_clean(&self) -> bool {
        self.still_running.is_none() && self.left.is_empty()
    }
}

impl fmt::Display for HealReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(pid) = self.still_running {
            return write!(f, "{STILL_RUNNING} (process {}): nothing was done", pid.pid);
        }
        if self.done.is_empty() && self.left.is_empty() {
            return write!(f, "nothing to undo");
        }
        let lines = self.done.iter().cloned();
        let left = self.left.iter().map(|line| format!("not undone: {line}"));
        write!(f, "{}", lines.chain(left).collect::<Vec<_>>().join("\n"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::EnvKind;
    use crate::undo::log::UndoLog;

    /// A child of this test in a group of its own, as daemons are.
    fn sleeper() -> (std::process::Child, Pid) {
        use std::os::unix::process::CommandExt;
        let child = std::process::Command::new("sleep")
            .arg("1000")
            .process_group(0)
            .spawn()
            .expect("sleep is on PATH");
        let pid = child.id() as i32;
        let started = kernel::started(pid).expect("it runs");
        (child, Pid { pid, started })
    }

    /// What heal does to the process in an undo log; says whether the process survived.
    #[cfg(target_os = "linux")]
    fn healed(change: impl FnOnce(&mut Pid, &mut Place, &mut Pid, &mut bool)) -> (HealReport, bool) {
        let run_dir = tempfile::tempdir().expect("a directory");
        let (mut child, real) = sleeper();
        let (mut pid, mut place, mut inner) = (real, Place::here(), false);
        // A controller that is gone: this process' number with another start.
        let mut controller = kernel::own();
        controller.started += 1;
        change(&mut pid, &mut place, &mut controller, &mut inner);
        let log = UndoLog::create(run_dir.path(), EnvKind::Local, controller, place, inner).expect("a log");
        log.process("n1", "sleep", pid).expect("a line");
        // It becomes a zombie when heal kills it, which counts as ended.
        let report = heal(run_dir.path()).expect("healing");
        let survived = kernel::is_alive(real);
        if survived {
            child.kill().expect("the sleeper is ours");
        }
        child.wait().expect("the sleeper is ours");
        (report, survived)
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn heal_ends_orphans_and_no_other_processes() {
        type Change = fn(&mut Pid, &mut Place, &mut Pid, &mut bool);
        let cases: [(&str, Change, bool, usize, usize); 6] = [
            ("an orphan", |_, _, _, _| {}, false, 1, 0),
            (
                "another process with its number",
                |pid, _, _, _| pid.started += 1,
                true,
                0,
                0,
            ),
            (
                "a number of an inner namespace",
                |_, _, _, inner| *inner = true,
                true,
                0,
                0,
            ),
            ("another boot", |_, place, _, _| place.boot.push('x'), true, 0, 0),
            (
                "another container",
                |_, place, _, _| place.pid_namespace.push('x'),
                true,
                0,
                1,
            ),
            (
                "a living controller",
                |_, _, controller, _| controller.started -= 1,
                true,
                0,
                0,
            ),
        ];
        for (name, change, survives, done, left) in cases {
            let (report, survived) = healed(change);
            assert_eq!(survived, survives, "{name}: {report}");
            assert_eq!(report.done.len(), done, "{name}: {report}");
            assert_eq!(report.left.len(), left, "{name}: {report}");
            assert_eq!(
                report.still_running.is_some(),
                name == "a living controller",
                "{name}"
            );
        }
    }

    #[test]
    fn with_an_unknown_start_the_command_line_must_name_the_run() {
        let (mut child, pid) = sleeper();
        let unknown = Pid { started: 0, ..pid };
        assert!(!is_that_one(unknown, Path::new("/the/run/of/another")));
        child.kill().expect("the sleeper is ours");
        child.wait().expect("the sleeper is ours");
    }

    #[test]
    fn a_run_without_an_undo_log_has_nothing_to_undo() {
        let healed = heal(Path::new("/no/such/run")).expect("nothing to do");
        assert_eq!(healed, HealReport::default());
    }
}
