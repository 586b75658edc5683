//! A process held still by ptrace(2), so that its code can be changed.
//!
//! Invariants:
//! - It is held by seizing and interrupting its threads, which leaves no trace such as a stop signal;
//!   dropped, every thread is released, with the signals that came meanwhile.
//! - Registers are put back as they were, also those by which the kernel begins an interrupted system call
//!   again.

use std::fs;
use std::io;
use std::os::unix::fs::FileExt;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::libc;
use nix::sys::ptrace;
use nix::sys::signal::Signal;
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

/// How long threads may take to stop; one that waits for a disk cannot stop.
const LIMIT: Duration = Duration::from_secs(5);

/// A process whose threads are stopped.
pub(super) struct Attached {
    memory: fs::File,
    /// Each with the signal that arrived while it was held.
    threads: Vec<(Pid, Option<Signal>)>,
}

impl Attached {
    /// Stops every thread of a process.
    pub(super) fn new(pid: i32) -> io::Result<Attached> {
        let memory = fs::OpenOptions::new()
            .read(true)
            .write(true)
            .open(format!("/proc/{pid}/mem"))?;
        let mut attached = Attached {
            memory,
            threads: Vec::new(),
        };
        let deadline = Instant::now() + LIMIT;
        // A thread that is not held yet can start others; once all are held there can be no more.
        loop {
            let mut found = false;
            for entry in fs::read_dir(format!("/proc/{pid}/task"))? {
                let name = entry?.file_name();
                let Some(tid) = name
                    .to_str()
                    .and_then(|name| name.parse().ok())
                    .map(Pid::from_raw)
                else {
                    continue;
                };
                if attached.threads.iter().any(|(other, _)| *other == tid) {
                    continue;
                }
                match ptrace::seize(tid, ptrace::Options::empty()) {
                    Ok(()) => {}
                    // It has ended meanwhile.
                    Err(Errno::ESRCH) => continue,
                    Err(error) => return Err(error.into()),
                }
                attached.threads.push((tid, None));
                found = true;
                ptrace::interrupt(tid)?;
                attached.wait_for(tid, deadline)?;
            }
            if !found {
                break;
            }
        }
        match attached.threads.is_empty() {
            true => Err(io::Error::from(Errno::ESRCH)),
            false => Ok(attached),
        }
    }

    /// Waits until a thread has stopped; a signal that arrives meanwhile is kept for later.
    fn wait_for(&mut self, tid: Pid, deadline: Instant) -> io::Result<()> {
        loop {
            match waitpid(tid, Some(WaitPidFlag::__WALL | WaitPidFlag::WNOHANG))? {
                WaitStatus::StillAlive if Instant::now() < deadline => {
                    std::thread::sleep(Duration::from_micros(50));
                }
                WaitStatus::StillAlive => return Err(io::Error::from(Errno::ETIMEDOUT)),
                WaitStatus::PtraceEvent(..) => return Ok(()),
                WaitStatus::Stopped(_, signal) => {
                    if signal != Signal::SIGTRAP
                        && let Some((_, owed)) = self.threads.iter_mut().find(|(other, _)| *other == tid)
                    {
                        *owed = Some(signal);
                    }
                    return Ok(());
                }
                _ => {
                    self.threads.retain(|(other, _)| *other != tid);
                    return Ok(());
                }
            }
        }
    }

    /// Whether a thread is about to run, or was interrupted in, one of these ranges of addresses.
    pub(super) fn runs_in(&self, ranges: &[std::ops::Range<u64>]) -> io::Result<bool> {
        for (tid, _) in &self.threads {
            let rip = ptrace::getregs(*tid)?.rip;
            if ranges.iter().any(|range| range.contains(&rip)) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Has the process make a system call; `syscall` is the address of such an instruction in it. Returns the
    /// result.
    pub(super) fn call(&mut self, syscall: u64, number: i64, arguments: [u64; 6]) -> io::Result<u64> {
        let tid = self.threads[0].0;
        let before = ptrace::getregs(tid)?;
        let mut registers = before;
        registers.rip = syscall;
        registers.rax = number as u64;
        // "Not in a system call": nothing is begun again at the wrong place.
        registers.orig_rax = u64::MAX;
        [
            registers.rdi,
            registers.rsi,
            registers.rdx,
            registers.r10,
            registers.r8,
            registers.r9,
        ] = arguments;
        ptrace::setregs(tid, registers)?;
        let result = self.step_past(tid, syscall);
        ptrace::setregs(tid, before)?;
        let result = result?;
        match (result as i64) < 0 && (result as i64) > -4096 {
            true => Err(io::Error::from_raw_os_error(-(result as i64) as i32)),
            false => Ok(result),
        }
    }

    fn step_past(&mut self, tid: Pid, syscall: u64) -> io::Result<u64> {
        const SYSCALL_BYTES: u64 = 2;
        let deadline = Instant::now() + LIMIT;
        loop {
            ptrace::step(tid, None)?;
            self.wait_for(tid, deadline)?;
            let registers = ptrace::getregs(tid)?;
            if registers.rip == syscall + SYSCALL_BYTES {
                return Ok(registers.rax);
            }
            if registers.rip != syscall || Instant::now() > deadline {
                return Err(io::Error::other("the process left the place where it was held"));
            }
        }
    }

    /// Reads its memory.
    pub(super) fn read(&self, at: u64, bytes: &mut [u8]) -> io::Result<()> {
        self.memory.read_exact_at(bytes, at)
    }

    /// Writes its memory, also where the process itself may not.
    pub(super) fn write(&self, at: u64, bytes: &[u8]) -> io::Result<()> {
        self.memory.write_all_at(bytes, at)
    }
}

impl Drop for Attached {
    fn drop(&mut self) {
        for (tid, owed) in &self.threads {
            // A thread that ended needs no release.
            let _ = ptrace::detach(*tid, *owed);
        }
    }
}

/// The numbers of the system calls that are made for the process.
pub(super) const MMAP: i64 = libc::SYS_mmap;
pub(super) const MPROTECT: i64 = libc::SYS_mprotect;
