//! The undo log: what a controller that died left behind, and how it is ended.
//!
//! `undo.jsonl` in the run directory has one JSON line for the controller, one before each thing that would outlive
//! it, and one when such a thing is gone. A frozen process needs no line of its own: SIGKILL ends it frozen or not.
//!
//! Invariants:
//! - A process is ended only if its number *and* its start match; never by name. Where the system cannot tell starts,
//!   its command line must name the run directory.
//! - What left the process group in which it was started is found by its mark (`strays`).
//! - Processes in a PID namespace of their own are never signalled from outside: their numbers mean others there, and
//!   the kernel ends them with the namespace.
//! - While the controller lives, nothing is touched.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use history::RunDir;
use nix::errno::Errno;
use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::getpgid;
use serde::{Deserialize, Serialize};

use crate::inside::{self, volume};
use crate::processes::kernel;
use crate::processes::strays::Mark;
use crate::{ControlError, EnvKind, Pid, ProcessState, SshAccess};

/// How long a process that got SIGKILL may take to end.
const END_LIMIT: Duration = Duration::from_secs(15);

/// Where a process number means something.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Place {
    /// Linux' boot id; empty elsewhere.
    boot: String,
    /// The PID namespace, as `/proc/self/ns/pid` names it; empty elsewhere.
    pid_namespace: String,
}

/// One line of `undo.jsonl`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Line {
    /// The first line: who wrote this file. In `netns` the supervisor, which lives as long as the controller.
    Controller { pid: Pid, place: Place, env: String },
    /// A process is about to run. `inner`: in a PID namespace that ends with the controller.
    Process {
        id: u64,
        node: String,
        program: String,
        pid: Pid,
        inner: bool,
    },
    /// A filesystem is about to be mounted on the data of a node. `inner`: in a mount namespace that ends with the
    /// controller.
    Volume {
        id: u64,
        node: String,
        directory: PathBuf,
        inner: bool,
    },
    /// The chain of perjury is about to be made in this host's own tables.
    Chain { id: u64 },
    /// Faults are about to be made to a process that somebody else started and that listens on this port.
    Adopted { id: u64, pid: Pid, port: u16 },
    /// Containers, a network and an image with this label are about to be made.
    Containers { id: u64, label: String },
    /// An agent is about to be started on a host.
    Host {
        id: u64,
        node: String,
        host: Box<HostRecord>,
    },
    /// The thing with this id is gone.
    Undone { id: u64 },
}

/// How a host is reached again, and where an agent worked there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct HostRecord {
    pub(crate) access: SshAccess,
    pub(crate) directory: PathBuf,
    /// The command that starts this program there.
    pub(crate) program: Vec<String>,
}

/// The undo log of a live controller.
#[derive(Debug)]
pub(crate) struct UndoLog {
    path: PathBuf,
    file: Mutex<File>,
    next: AtomicU64,
    inner: bool,
    mark: Mark,
}

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

/// Undoes what the dead controller of a run left behind. May be called again; a run that ended well has nothing left.
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
    let Some((Line::Controller { pid, place, .. }, things)) = lines.split_first() else {
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
    // Of one that was killed a thread may still wait for a disk.
    while kernel::is_dying(*pid) && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(10));
    }
    if kernel::is_alive(*pid) {
        report.still_running = Some(*pid);
        return Ok(report);
    }
    let mut file = open_to_append(&path)?;
    if !text.is_empty() && !text.ends_with('\n') {
        // Keep the torn line apart from ours.
        let _ = file.write_all(b"\n");
    }
    // What neither ended with the controller's namespaces nor was undone by it. Filesystems come after the processes that use
    // them.
    let is_left = |thing: &&Line| match thing.left() {
        Some(id) => !things.contains(&Line::Undone { id }),
        None => false,
    };
    let (mounts, others): (Vec<&Line>, Vec<&Line>) =
        (things.iter().filter(is_left)).partition(|thing| matches!(thing, Line::Volume { .. }));
    let mut undo_each = |things: Vec<&Line>, report: &mut HealReport| {
        for (thing, undone) in things.iter().zip(undo_hosts_at_once(&things, run_dir)) {
            let Some(id) = thing.left() else { continue };
            match undone.unwrap_or_else(|| undo(thing, run_dir)) {
                Ok(done) => {
                    report.done.extend(done);
                    append(&mut file, &path, &Line::Undone { id })?;
                }
                Err(why) => report.left.push(why),
            }
        }
        Ok::<(), ControlError>(())
    };
    undo_each(others, &mut report)?;
    match Mark::of_log(&path, *pid).end(END_LIMIT) {
        Ok(0) => {}
        Ok(1) => (report.done).push("ended a further process that the store had started".into()),
        Ok(count) => (report.done).push(format!(
            "ended {count} further processes that the store had started"
        )),
        Err(why) => report.left.push(why.to_string()),
    }
    undo_each(mounts, &mut report)?;
    Ok(report)
}

/// Undoes what is on hosts, on all of them at once: each may take long to say that it is not there. Nothing for other things.
fn undo_hosts_at_once(things: &[&Line], run_dir: &Path) -> Vec<Option<Result<Option<String>, String>>> {
    std::thread::scope(|scope| {
        let asked: Vec<_> = (things.iter())
            .map(|thing| matches!(thing, Line::Host { .. }).then(|| scope.spawn(|| undo(thing, run_dir))))
            .collect();
        let answer = |asked: std::thread::ScopedJoinHandle<'_, _>| {
            asked
                .join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        };
        asked.into_iter().map(|asked| asked.map(answer)).collect()
    })
}

/// Whether the undo log of a run names something that was not undone yet, by whomever.
pub fn has_something_to_undo(run_dir: &Path) -> bool {
    let text = std::fs::read(RunDir::new(run_dir).undo()).unwrap_or_default();
    let lines = read_lines(&String::from_utf8_lossy(&text), &mut Vec::new());
    let mut ids = lines.iter().filter_map(Line::left);
    ids.any(|id| !lines.contains(&Line::Undone { id }))
}

/// Undoes one thing; gives words for what was done, if there was anything to do, or for why it could not be.
fn undo(thing: &Line, run_dir: &Path) -> Result<Option<String>, String> {
    match thing {
        Line::Process {
            node, program, pid, ..
        } => {
            let what = format!("{program} of {node} (process {})", pid.pid);
            match end(*pid, run_dir) {
                Ok(was_there) => Ok(was_there.then(|| format!("ended {what}"))),
                Err(why) => Err(format!("{what}: {why}")),
            }
        }
        Line::Volume { node, directory, .. } => {
            let was_there = volume::is_mounted(&volume::data(directory));
            match volume::unmount(directory) {
                Ok(()) => Ok(was_there.then(|| format!("unmounted the disk of {node}"))),
                Err(why) => Err(format!("the disk of {node}: {why}")),
            }
        }
        Line::Adopted { pid, port, .. } => release(*pid, *port),
        #[cfg(target_os = "linux")]
        Line::Chain { .. } => match crate::agent::host_chain::remove_left() {
            Ok(was_there) => Ok(was_there.then(|| "removed the chain PERJURY".into())),
            Err(why) => Err(format!("the chain PERJURY: {why}")),
        },
        #[cfg(target_os = "linux")]
        Line::Containers { label, .. } => crate::environments::docker::remove(label)
            .map_err(|why| format!("the containers of the run: {why}")),
        #[cfg(target_os = "linux")]
        Line::Host { node, host, .. } => crate::agent::heal_host(node, host)
            .map_err(|why| format!("{node} ({}): {why}", host.access.destination)),
        #[cfg(not(target_os = "linux"))]
        Line::Chain { .. } | Line::Containers { .. } | Line::Host { .. } => {
            Err("it was made on Linux".into())
        }
        Line::Controller { .. } | Line::Undone { .. } => Ok(None),
    }
}

impl Line {
    /// The id of a thing that outlives its controller.
    fn left(&self) -> Option<u64> {
        match self {
            Line::Process { id, inner, .. } | Line::Volume { id, inner, .. } => (!inner).then_some(*id),
            Line::Chain { id }
            | Line::Adopted { id, .. }
            | Line::Containers { id, .. }
            | Line::Host { id, .. } => Some(*id),
            Line::Controller { .. } | Line::Undone { .. } => None,
        }
    }
}

/// Lets a process of somebody else's be as it was before; gives words for what was done.
///
/// # Errors
/// When it cannot, or when it was killed and nothing else listens on its port.
pub(crate) fn release(pid: Pid, port: u16) -> Result<Option<String>, String> {
    let mut done = Vec::new();
    match kernel::state(pid) {
        ProcessState::Gone if kernel::listens(port) => return Ok(None),
        ProcessState::Gone => {
            return Err(format!(
                "the store that listened on port {port} was killed and does not run: start it"
            ));
        }
        ProcessState::Stopped => {
            kernel::send(pid, crate::Signal::Cont).map_err(|why| why.to_string())?;
            done.push(format!("let process {} go on", pid.pid));
        }
        ProcessState::Running => {}
    }
    let own = inside::ClockShift::default();
    // Where it cannot be asked it cannot have been set.
    if inside::clock(pid.pid).is_ok_and(|shift| shift != own) {
        inside::set_clock(pid.pid, own).map_err(|why| why.to_string())?;
        done.push(format!("set the clock of process {} right", pid.pid));
    }
    Ok((!done.is_empty()).then(|| done.join("; ")))
}

/// Ends a process that an earlier controller started; says whether it was there.
fn end(pid: Pid, run_dir: &Path) -> Result<bool, String> {
    if !kernel::is_alive(pid) || !is_that_one(pid, run_dir) {
        return Ok(false);
    }
    let number = nix::unistd::Pid::from_raw(pid.pid);
    // Daemons lead a group of their own; where this one does not (yet), only itself is meant.
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
            return Err(format!(
                "got SIGKILL and is still there after {} s",
                END_LIMIT.as_secs()
            ));
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    Ok(true)
}

/// With a known start the number was compared already; without one, the command line must name the run directory.
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

/// The lines that can be understood, in order. A torn last line is normal after a crash; others are reported.
fn read_lines(text: &str, left: &mut Vec<String>) -> Vec<Line> {
    let mut lines = Vec::new();
    for (number, line) in text.split_inclusive('\n').enumerate() {
        match serde_json::from_str(line) {
            Ok(line) => lines.push(line),
            Err(_) if !line.ends_with('\n') || line.trim().is_empty() => {}
            Err(_) => left.push(format!("line {} of the undo log cannot be read", number + 1)),
        }
    }
    lines
}

fn open_to_append(path: &Path) -> Result<File, ControlError> {
    OpenOptions::new()
        .create(true)
        .append(true)
        .open(path)
        .map_err(|source| ControlError::File {
            path: path.to_path_buf(),
            source,
        })
}

/// One write a line, so that lines of two writers never mix. No fsync: processes do not survive a power cut either.
fn append(file: &mut File, path: &Path, line: &Line) -> Result<(), ControlError> {
    let mut bytes = serde_json::to_vec(line).map_err(|error| ControlError::Other(error.to_string()))?;
    bytes.push(b'\n');
    file.write_all(&bytes).map_err(|source| ControlError::File {
        path: path.to_path_buf(),
        source,
    })
}

impl UndoLog {
    /// Starts the log of a run whose controller is `controller` at `place`. `inner`: the processes are in a PID
    /// namespace that ends with the controller.
    pub(crate) fn create(
        run_dir: &Path,
        env: EnvKind,
        controller: Pid,
        place: Place,
        inner: bool,
    ) -> Result<UndoLog, ControlError> {
        let path = RunDir::new(run_dir).undo();
        let mut file = open_to_append(&path)?;
        if file.metadata().is_ok_and(|meta| meta.len() > 0) {
            return Err(ControlError::Other(format!(
                "{} exists: a run directory is for one run",
                path.display()
            )));
        }
        let first = Line::Controller {
            pid: controller,
            place,
            env: env.name().into(),
        };
        append(&mut file, &path, &first)?;
        Ok(UndoLog {
            mark: Mark::of_log(&path, controller),
            path,
            file: Mutex::new(file),
            next: AtomicU64::new(1),
            inner,
        })
    }

    /// The mark of every process that is noted here.
    pub(crate) fn mark(&self) -> &Mark {
        &self.mark
    }

    /// Notes a process that is about to run; gives the id for [`UndoLog::undone`].
    pub(crate) fn process(&self, node: &str, program: &str, pid: Pid) -> Result<u64, ControlError> {
        self.note(|id| Line::Process {
            id,
            node: node.into(),
            program: program.into(),
            pid,
            inner: self.inner,
        })
    }

    /// Notes a filesystem that is about to be mounted; gives the id for [`UndoLog::undone`].
    pub(crate) fn volume(&self, node: &str, directory: &Path) -> Result<u64, ControlError> {
        self.note(|id| Line::Volume {
            id,
            node: node.into(),
            directory: directory.to_path_buf(),
            inner: self.inner,
        })
    }

    /// Notes that the chain is about to be made; gives the id for [`UndoLog::undone`].
    pub(crate) fn chain(&self) -> Result<u64, ControlError> {
        self.note(|id| Line::Chain { id })
    }

    /// Notes a process of somebody else's to which faults are about to be made; gives the id for [`UndoLog::undone`].
    pub(crate) fn adopted(&self, pid: Pid, port: u16) -> Result<u64, ControlError> {
        self.note(|id| Line::Adopted { id, pid, port })
    }

    /// Notes containers with this label that are about to be made; gives the id for [`UndoLog::undone`].
    pub(crate) fn containers(&self, label: &str) -> Result<u64, ControlError> {
        self.note(|id| Line::Containers {
            id,
            label: label.into(),
        })
    }

    /// Notes an agent that is about to be started; gives the id for [`UndoLog::undone`].
    #[cfg(all(target_os = "linux", feature = "ssh"))]
    pub(crate) fn host(&self, node: &str, host: HostRecord) -> Result<u64, ControlError> {
        self.note(|id| Line::Host {
            id,
            node: node.into(),
            host: Box::new(host),
        })
    }

    fn note(&self, line: impl FnOnce(u64) -> Line) -> Result<u64, ControlError> {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        self.append(&line(id))?;
        Ok(id)
    }

    /// Notes that a thing is gone.
    pub(crate) fn undone(&self, id: u64) -> Result<(), ControlError> {
        self.append(&Line::Undone { id })
    }

    fn append(&self, line: &Line) -> Result<(), ControlError> {
        let mut file = self.file.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        append(&mut file, &self.path, line)
    }
}

impl Place {
    /// Linux' boot id.
    #[cfg(target_os = "linux")]
    pub(crate) fn boot(&self) -> &str {
        &self.boot
    }

    /// Where this process is.
    pub(crate) fn here() -> Place {
        let read = |path: &str| {
            std::fs::read_to_string(path)
                .unwrap_or_default()
                .trim()
                .to_string()
        };
        let link = std::fs::read_link("/proc/self/ns/pid").unwrap_or_default();
        Place {
            boot: read("/proc/sys/kernel/random/boot_id"),
            pid_namespace: link.to_string_lossy().into_owned(),
        }
    }
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
            return write!(
                f,
                "the run is still going on (process {}): nothing was done",
                pid.pid
            );
        }
        if self.done.is_empty() && self.left.is_empty() {
            return write!(f, "nothing was left behind");
        }
        let lines = self.done.iter().cloned();
        let left = self.left.iter().map(|line| format!("not undone: {line}"));
        write!(f, "{}", lines.chain(left).collect::<Vec<_>>().join("\n"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn torn_and_foreign_lines() {
        let undone = r#"{"undone":{"id":1}}"#;
        for (text, understood, left) in [
            (String::new(), 0, 0),
            (format!("{undone}\n"), 1, 0),
            (format!("{undone}\n{{\"proc"), 1, 0),
            (format!("{undone}\n\n{undone}\n"), 2, 0),
            (format!("{{\"chain\":{{}}}}\n{undone}\n"), 1, 1),
            (format!("{undone}\n{undone}"), 2, 0),
        ] {
            let mut complaints = Vec::new();
            assert_eq!(read_lines(&text, &mut complaints).len(), understood, "{text}");
            assert_eq!(complaints.len(), left, "{text}");
        }
    }

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
        // Whoever ends it, it must not stay a zombie: heal waits for its end, and a zombie has ended.
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
    fn heal_ends_orphans_and_no_strangers() {
        type Change = fn(&mut Pid, &mut Place, &mut Pid, &mut bool);
        let cases: [(&str, Change, bool, usize, usize); 6] = [
            ("an orphan", |_, _, _, _| {}, false, 1, 0),
            (
                "a stranger with its number",
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
    fn a_run_directory_is_for_one_run() {
        let run_dir = tempfile::tempdir().expect("a directory");
        let create = || {
            UndoLog::create(
                run_dir.path(),
                EnvKind::Local,
                kernel::own(),
                Place::here(),
                false,
            )
        };
        let log = create().expect("the first");
        assert!(create().is_err());
        let id = log
            .process(
                "n1",
                "gone",
                Pid {
                    pid: i32::MAX,
                    started: 5,
                },
            )
            .expect("a line");
        log.undone(id).expect("a line");
        assert_eq!(
            heal(Path::new("/no/such/run")).expect("nothing to do"),
            HealReport::default()
        );
    }
}
