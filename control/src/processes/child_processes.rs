//! The processes that this controller started: start, signal, watch and reap them. Any Unix.
//!
//! Invariants:
//! - A child is in the undo log before its program runs: between fork and exec it sends its number and waits
//!   for permission.
//! - Only this table waits for these children, and signals are sent under its lock: a number cannot have been
//!   given to another process, because a child that was not waited for still holds it.
//! - Every child leads a process group of its own; signals go to the group, so that a wrapper script and its
//!   store are one thing, and Ctrl-C at the terminal reaches none of them. Processes that have left the group
//!   get them too (`strays`).

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::libc;
use nix::sys::signal::killpg;
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};

use crate::processes::kernel;
use crate::processes::strays::{MARK, Mark};
use crate::undo::UndoLog;
use crate::{ControlError, Pid, ProcessState, Signal};

/// How long processes may take to end after SIGKILL at the end of a run.
const END_LIMIT: Duration = Duration::from_secs(15);

/// The processes that were started here and not yet reaped.
pub(crate) struct ChildProcesses {
    undo: Arc<UndoLog>,
    /// One spawn at a time: two children between fork and exec would hold each other's pipes open.
    spawning: Mutex<()>,
    table: Mutex<BTreeMap<i32, Child>>,
    starts: AtomicU64,
}

struct Child {
    pid: Pid,
    mark: Mark,
    state: ProcessState,
    undo_id: u64,
}

impl ChildProcesses {
    pub(crate) fn new(undo: Arc<UndoLog>) -> ChildProcesses {
        ChildProcesses {
            starts: AtomicU64::new(1),
            undo,
            spawning: Mutex::new(()),
            table: Mutex::new(BTreeMap::new()),
        }
    }

    /// Starts a program in a process group of its own. Blocks until it was executed.
    pub(crate) fn spawn(&self, node: &str, mut command: Command) -> Result<Pid, ControlError> {
        let program = command.get_program().to_string_lossy().into_owned();
        let failed = |source| ControlError::Spawn {
            node: node.into(),
            program: program.clone(),
            source,
        };
        let _alone = self
            .spawning
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner());
        let (tell_read, tell_write) = cloexec_pipe().map_err(failed)?;
        let (leave_read, leave_write) = cloexec_pipe().map_err(failed)?;
        let (tell, leave, leave_end) = (
            tell_write.as_raw_fd(),
            leave_read.as_raw_fd(),
            leave_write.as_raw_fd(),
        );
        let mark = self
            .undo
            .mark()
            .start(self.starts.fetch_add(1, Ordering::Relaxed));
        command.env(MARK, mark.value());
        command.process_group(0);
        // SAFETY: only system calls between fork and exec; the descriptors are open there, being copies of
        // those that live until `spawn` below has returned.
        unsafe { command.pre_exec(move || wait_for_leave(tell, leave, leave_end)) };

        // `Command::spawn` returns only after the exec, so another thread must give the permission.
        let (spawned, noted) = std::thread::scope(|scope| {
            let clerk = scope.spawn(|| self.note(node, &program, tell_read, leave_write));
            let spawned = command.spawn();
            // If there was no fork, these are the last open ends, and the clerk sees the end of the pipe.
            drop((tell_write, leave_read));
            (spawned, clerk.join())
        });
        let noted = noted.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        match (spawned, noted) {
            (Ok(_child), Ok(Some((pid, undo_id)))) => {
                let state = ProcessState::Running;
                let child = Child {
                    pid,
                    mark,
                    state,
                    undo_id,
                };
                self.lock().insert(pid.pid, child);
                Ok(pid)
            }
            (Err(source), Ok(Some((_, undo_id)))) => {
                self.undo.undone(undo_id)?;
                Err(failed(source))
            }
            (_, Err(error)) => Err(error),
            (Err(source), Ok(None)) => Err(failed(source)),
            (Ok(_), Ok(None)) => Err(failed(io::Error::other("it ran without permission"))),
        }
    }

    /// Reads the child's number, notes it in the undo log and gives permission. `None` if there was no child.
    fn note(
        &self,
        node: &str,
        program: &str,
        tell: OwnedFd,
        leave: OwnedFd,
    ) -> Result<Option<(Pid, u64)>, ControlError> {
        let mut number = [0; 4];
        if std::fs::File::from(tell).read_exact(&mut number).is_err() {
            return Ok(None);
        }
        let pid = i32::from_ne_bytes(number);
        let pid = Pid {
            pid,
            started: kernel::started(pid).unwrap_or(0),
        };
        let undo_id = self.undo.process(node, program, pid)?;
        // If this fails the child sees the end of the pipe and gives up.
        let _ = std::fs::File::from(leave).write_all(b"!");
        Ok(Some((pid, undo_id)))
    }

    /// Sends a signal to a child's group; nothing if it is gone.
    pub(crate) fn signal(&self, pid: Pid, signal: Signal) -> Result<(), ControlError> {
        let mut table = self.lock();
        self.sweep(&mut table);
        if table.get(&pid.pid).is_none_or(|child| child.pid != pid) {
            return Ok(());
        }
        let raw = signal.number();
        match killpg(nix::unistd::Pid::from_raw(pid.pid), raw) {
            Ok(()) | Err(Errno::ESRCH) => Ok(()),
            Err(error) => Err(ControlError::System {
                what: format!("cannot send {} to process {}", raw.as_str(), pid.pid),
                source: error.into(),
            }),
        }
    }

    /// Whether it is a child that has not been seen to end.
    pub(crate) fn is_child(&self, pid: Pid) -> bool {
        self.lock().get(&pid.pid).is_some_and(|child| child.pid == pid)
    }

    /// What a child is doing.
    pub(crate) fn state(&self, pid: Pid) -> ProcessState {
        let mut table = self.lock();
        self.sweep(&mut table);
        match table.get(&pid.pid) {
            Some(child) if child.pid == pid => child.state,
            _ => ProcessState::Gone,
        }
    }

    /// The mark that finds what a child started and what then left its group; `None` if the child is gone.
    pub(crate) fn mark(&self, pid: Pid) -> Option<Mark> {
        let table = self.lock();
        let child = table.get(&pid.pid).filter(|child| child.pid == pid);
        child.map(|child| child.mark.clone())
    }

    /// Ends all children, and everything they started, with SIGKILL and waits until they are gone. Blocks.
    pub(crate) fn end_all(&self) -> Result<(), ControlError> {
        let deadline = Instant::now() + END_LIMIT;
        let pids: Vec<Pid> = self.lock().values().map(|child| child.pid).collect();
        for pid in pids {
            self.signal(pid, Signal::Kill)?;
        }
        loop {
            let mut table = self.lock();
            self.sweep(&mut table);
            if table.is_empty() {
                break;
            }
            if Instant::now() > deadline {
                let left: Vec<String> = table.keys().map(ToString::to_string).collect();
                return Err(ControlError::Deadline {
                    what: format!("the end of the processes {} after SIGKILL", left.join(", ")),
                    limit: END_LIMIT,
                    hint: String::new(),
                });
            }
            drop(table);
            std::thread::sleep(Duration::from_millis(2));
        }
        self.undo.mark().end(END_LIMIT).map(drop)
    }

    /// Finds out what became of every child and forgets those that ended.
    fn sweep(&self, table: &mut BTreeMap<i32, Child>) {
        let flags = WaitPidFlag::WNOHANG | WaitPidFlag::WUNTRACED | WaitPidFlag::WCONTINUED;
        let mut ended = Vec::new();
        for (&number, child) in table.iter_mut() {
            // Consumes every report of the kernel; the last one counts.
            loop {
                match waitpid(nix::unistd::Pid::from_raw(number), Some(flags)) {
                    Ok(WaitStatus::Stopped(..)) => child.state = ProcessState::Stopped,
                    Ok(WaitStatus::Continued(_)) => child.state = ProcessState::Running,
                    Err(Errno::EINTR) => {}
                    // ECHILD cannot happen while this table is the only one that waits; the child is gone
                    // either way.
                    Ok(WaitStatus::Exited(..) | WaitStatus::Signaled(..)) | Err(_) => {
                        child.state = ProcessState::Gone;
                        ended.push((number, child.undo_id));
                        break;
                    }
                    Ok(_) => break,
                }
            }
        }
        for (number, undo_id) in ended {
            table.remove(&number);
            // For example on a full disk. Harmless: heal will not find the process.
            if let Err(error) = self.undo.undone(undo_id) {
                tracing::warn!("the end of process {number} is not in the undo log: {error}");
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<i32, Child>> {
        self.table.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

impl Drop for ChildProcesses {
    /// For a controller that ended without a tear-down.
    fn drop(&mut self) {
        if let Err(error) = self.end_all() {
            tracing::warn!("{error}");
        }
    }
}

/// The child's side, between fork and exec: send the own number, wait for one byte. Async-signal-safe.
fn wait_for_leave(tell: i32, leave: i32, leave_end: i32) -> io::Result<()> {
    // SAFETY: plain system calls on descriptors that the fork copied and on a local buffer.
    unsafe {
        // The child's own copy would keep the pipe open after the controller's death.
        libc::close(leave_end);
        let number = libc::getpid().to_ne_bytes();
        if libc::write(tell, number.as_ptr().cast(), number.len()) != number.len() as isize {
            return Err(io::Error::last_os_error());
        }
        let mut byte = [0_u8; 1];
        loop {
            match libc::read(leave, byte.as_mut_ptr().cast(), 1) {
                1 => return Ok(()),
                0 => return Err(io::Error::from_raw_os_error(libc::ECANCELED)),
                _ if Errno::last() == Errno::EINTR => {}
                _ => return Err(io::Error::last_os_error()),
            }
        }
    }
}

fn cloexec_pipe() -> io::Result<(OwnedFd, OwnedFd)> {
    let (reader, writer) = io::pipe()?;
    Ok((reader.into(), writer.into()))
}
