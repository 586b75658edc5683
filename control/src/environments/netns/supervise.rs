//! Moves this program into namespaces of its own, watched by two tiny processes that stay behind.
//!
//! Invariants:
//! - Called while the program has one thread: `fork` copies only the calling one, and a process with threads
//!   cannot get a user namespace (unshare(2)).
//! - The supervisor outside holds nothing but its child; it passes on signals and the exit code.
//! - Init is PID 1 of the new PID namespace: it reaps orphans, passes on signals and the exit code, and gets
//!   SIGKILL when the supervisor dies. When it ends, the kernel ends every process of the namespace
//!   (pid_namespaces(7)) before the supervisor's wait returns.

use std::fs;
use std::io::{self, Write};
use std::os::fd::{AsFd, OwnedFd};

use nix::errno::Errno;
use nix::libc;
use nix::mount::{MsFlags, mount};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sched::{CloneFlags, unshare};
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, SigmaskHow, Signal, kill, sigaction};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{ForkResult, Pid as NixPid, fork, getegid, geteuid, setpgid};

use super::try_namespaces::try_namespaces;
use super::user_map::{Entered, entered, map_to_root, note};
use crate::environments::Means;
use crate::inside::volume;
use crate::processes::kernel;
use crate::undo::Place;
use crate::{ControlError, EnvKind};

/// Signals that are passed on to the controller.
const HANDED_ON: [Signal; 6] = [
    Signal::SIGHUP,
    Signal::SIGINT,
    Signal::SIGQUIT,
    Signal::SIGTERM,
    Signal::SIGUSR1,
    Signal::SIGUSR2,
];

/// The exit code when the controller did not end by itself: the harness failed.
const HARNESS_FAILED: i32 = 255;

/// Moves this program into network, mount and PID namespaces of its own (and a user namespace unless root).
///
/// Call it first thing in `main`, before any thread or runtime exists. It returns in a grandchild of the
/// process that called it, with the same arguments, environment, files and working directory; the caller
/// itself stays outside, passes on SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1 and SIGUSR2, and exits with the
/// grandchild's exit code, 255 if a signal ended it. The grandchild is not in the terminal's foreground
/// process group: Ctrl-C reaches it once, by way of the supervisor. A second call does nothing.
///
/// # Errors
/// [`ControlError::Unavailable`] when namespaces are not available, with the remedy; nothing was changed
/// then.
pub fn enter() -> Result<(), ControlError> {
    if entered().is_some() {
        return Ok(());
    }
    let means = try_namespaces().map_err(|refusal| ControlError::Unavailable {
        env: EnvKind::Netns.name(),
        why: refusal.why,
        remedy: refusal.remedy,
    })?;
    let threads = fs::read_dir("/proc/self/task").map_or(1, Iterator::count);
    if threads != 1 {
        return Err(ControlError::Other(format!(
            "namespaces must be entered before any thread is started, but there are {threads}"
        )));
    }
    let outside = Entered {
        supervisor: kernel::own(),
        place: Place::here(),
        means,
    };
    // What is still buffered would be written by every copy of this process.
    let _ = io::stdout().flush();
    let old_mask = take_signals()?;
    // The supervisor keeps the writing end open and never writes: the end of the pipe is the end of the
    // supervisor.
    let (alive, supervisor_end) = io::pipe().map_err(system("cannot make a pipe"))?;
    own_namespaces(means)?;

    // SAFETY: this process has one thread, so the copy may do whatever the original may.
    match unsafe { fork() }.map_err(from_errno("cannot start an init"))? {
        ForkResult::Parent { child } => {
            drop(alive);
            watch(child, "the init of the namespaces")
        }
        ForkResult::Child => drop(supervisor_end),
    }
    if !tie_to_supervisor(&alive.into()) {
        exit_now(HARNESS_FAILED);
    }
    // Init and the controller are not in the terminal's foreground group, and yet may write to the terminal.
    let ignore = SigAction::new(SigHandler::SigIgn, SaFlags::empty(), SigSet::empty());
    // SAFETY: no handler function is installed.
    unsafe { sigaction(Signal::SIGTTOU, &ignore) }.map_err(from_errno("cannot ignore SIGTTOU"))?;
    // SAFETY: as for the first fork.
    match unsafe { fork() }.map_err(from_errno("cannot start the controller"))? {
        ForkResult::Parent { child } => watch(child, "the controller"),
        ForkResult::Child => {}
    }
    old_mask
        .thread_set_mask()
        .map_err(from_errno("cannot restore the signals"))?;
    own_mounts().map_err(from_errno("cannot make mounts of its own"))?;
    // The first call in this process, as checked above.
    note(outside);
    Ok(())
}

/// Moves this process into new namespaces; its children also into a new PID namespace.
fn own_namespaces(means: Means) -> Result<(), ControlError> {
    let mut flags = CloneFlags::CLONE_NEWNET | CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_NEWPID;
    let (uid, gid) = (geteuid(), getegid());
    if means == Means::UserNamespace {
        flags |= CloneFlags::CLONE_NEWUSER;
    }
    unshare(flags).map_err(from_errno("cannot get namespaces"))?;
    if means == Means::UserNamespace {
        map_to_root(uid, gid).map_err(system("cannot map the user into its namespace"))?;
    }
    Ok(())
}

/// Mounts made here stay here, and `/proc` shows the new PID namespace.
fn own_mounts() -> nix::Result<()> {
    let none: Option<&str> = None;
    mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none)?;
    volume::let_go_of_others();
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    // Containers that mask parts of /proc refuse this (mount_namespaces(7), "mount point locked"). Then
    // starts of processes are unknown inside, which costs nothing: children are watched by waiting for them.
    if let Err(error) = mount(Some("proc"), "/proc", Some("proc"), flags, none) {
        tracing::debug!("the new PID namespace gets no /proc: {error}");
    }
    Ok(())
}

/// Blocks what [`watch`] waits for; returns the mask that was in force.
fn take_signals() -> Result<SigSet, ControlError> {
    // If it were inherited as ignored, children would vanish without a report.
    let default = SigAction::new(SigHandler::SigDfl, SaFlags::empty(), SigSet::empty());
    // SAFETY: no handler function is installed.
    unsafe { sigaction(Signal::SIGCHLD, &default) }.map_err(from_errno("cannot reset SIGCHLD"))?;
    let mut blocked = watched_signals();
    // Ctrl-Z would stop the supervisor alone while the run goes on.
    blocked.add(Signal::SIGTSTP);
    blocked
        .thread_swap_mask(SigmaskHow::SIG_BLOCK)
        .map_err(from_errno("cannot block signals"))
}

fn watched_signals() -> SigSet {
    let mut set = SigSet::empty();
    for signal in HANDED_ON {
        set.add(signal);
    }
    set.add(Signal::SIGCHLD);
    set
}

/// Init's side: die with the supervisor, and leave its process group so that the terminal's signals come one
/// way only. False if the supervisor is dead already.
fn tie_to_supervisor(alive: &OwnedFd) -> bool {
    if nix::sys::prctl::set_pdeathsig(Signal::SIGKILL).is_err()
        || setpgid(NixPid::from_raw(0), NixPid::from_raw(0)).is_err()
    {
        return false;
    }
    let mut end = [PollFd::new(alive.as_fd(), PollFlags::empty())];
    matches!(poll(&mut end, PollTimeout::ZERO), Ok(0))
}

/// Waits for `child`, passing on signals and reaping orphans; exits with its exit code.
fn watch(child: NixPid, name: &str) -> ! {
    let signals = watched_signals();
    loop {
        match signals.wait() {
            Ok(Signal::SIGCHLD) => {
                if let Some(code) = reap(child, name) {
                    exit_now(code);
                }
            }
            Ok(signal) => {
                // It may have ended just now; then SIGCHLD comes next.
                let _ = kill(child, signal);
            }
            Err(_) => {}
        }
    }
}

/// Reaps whatever has ended; the exit code if `child` was among it.
fn reap(child: NixPid, name: &str) -> Option<i32> {
    loop {
        match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
            Ok(WaitStatus::Exited(pid, code)) if pid == child => return Some(code),
            Ok(WaitStatus::Signaled(pid, signal, _)) if pid == child => {
                // Not `eprintln!`: it panics where the terminal is gone, as after SIGHUP.
                let _ = writeln!(
                    io::stderr(),
                    "perjury: {name} was killed by {signal}; its nodes and their networks ended with it"
                );
                return Some(HARNESS_FAILED);
            }
            Ok(WaitStatus::StillAlive) => return None,
            Ok(_) | Err(Errno::EINTR) => {}
            Err(_) => return Some(HARNESS_FAILED),
        }
    }
}

/// Ends a copy of the program without running what the original registered for its end.
fn exit_now(code: i32) -> ! {
    // SAFETY: always sound; nothing of this process is used afterwards.
    unsafe { libc::_exit(code) }
}

fn system(what: &str) -> impl FnOnce(io::Error) -> ControlError + use<'_> {
    move |source| ControlError::System {
        what: what.into(),
        source,
    }
}

fn from_errno(what: &str) -> impl FnOnce(Errno) -> ControlError + use<'_> {
    move |errno| system(what)(errno.into())
}
