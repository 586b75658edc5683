//! Decides what fsync does in one process and its children: what it should, nothing, fail, or take long.
//!
//! ```text
//!  spawn ─► launcher ─ fork ─► supervisor          holds the listener, reads the control file
//!              │ install the filter, hand over its listener
//!              └ exec the program                  each fsync is answered by the supervisor
//! ```
//!
//! A filter of seccomp(2) sends every `fsync`, `fdatasync`, `msync`, `sync_file_range`, `syncfs` and `sync`
//! of the program to the supervisor (seccomp_unotify(2)). The mode is in a small file that both map: a change
//! takes effect with the next call. Writes through a file that was opened with `O_SYNC` or `O_DSYNC` are out
//! of reach.
//!
//! Invariants:
//! - The process that was spawned is the program itself: signals, states and the end of it mean what they
//!   always did.
//! - The supervisor lives as long as the program: it is in its process group, so that SIGKILL ends both, and
//!   it ends by itself when no process has the filter any more. A program without a supervisor would get
//!   ENOSYS.
//! - A call that waits is never in the way of a signal: its thread stops, is held or ends as it would in any
//!   other wait, and the kernel then begins the call again (`ERESTARTSYS`). The supervisor recognizes it: it
//!   takes as long as it should, and is counted once. With `SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV` it would
//!   not be interrupted, but then a thread that waits could not be stopped: together with its supervisor it
//!   would never stop.
//! - The mode outlives a restart of the program: a node that is killed while its disk lies comes back to a
//!   disk that lies.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::fs::FileExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use nix::libc;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{
    AddressFamily, ControlMessage, ControlMessageOwned, MsgFlags, SockFlag, SockType, recvmsg, sendmsg,
    socketpair,
};
use nix::unistd::{ForkResult, fork};

use super::{FsyncCounts, FsyncMode};
use crate::ControlError;

/// The suffix of control files.
pub(super) const SUFFIX: &str = "fsync";

/// The layout of a control file, eight bytes each, little endian: mode, delay in ms, and the counts in the
/// order of [`FsyncCounts`].
const FIELDS: usize = 6;
const FILE_BYTES: u64 = 8 * FIELDS as u64;

/// The system calls that make data durable.
const CALLS: [i64; 6] = [
    libc::SYS_fsync,
    libc::SYS_fdatasync,
    libc::SYS_msync,
    libc::SYS_sync_file_range,
    libc::SYS_syncfs,
    libc::SYS_sync,
];

/// `AUDIT_ARCH_X86_64` of linux/audit.h.
const ARCH: u32 = 0xc000_003e;

/// The most calls that wait at a time; the next ones are answered at once.
const MOST_WAITING: usize = 10_000;

/// Becomes `program`, whose calls of fsync do what the control file says. Returns only on failure.
pub(super) fn launch(control: &Path, program: &OsString, args: &[OsString]) -> ControlError {
    match prepare(control) {
        Ok(()) => {}
        Err(source) => {
            return ControlError::System {
                what: "cannot intercept the fsync of a program".into(),
                source,
            };
        }
    }
    let source = Command::new(program).args(args).exec();
    ControlError::System {
        what: format!("cannot start {}", program.to_string_lossy()),
        source,
    }
}

/// Sets the mode of every program that was launched with a control file in `directory`, and returns the
/// counts.
pub(super) fn set(directory: &Path, mode: Option<FsyncMode>) -> io::Result<FsyncCounts> {
    let mut sum = FsyncCounts::default();
    for path in control_files(directory)? {
        let file = open(&path)?;
        if let Some(mode) = mode {
            let (number, delay_ms) = mode.numbers();
            file.write_all_at(&[number.to_le_bytes(), delay_ms.to_le_bytes()].concat(), 0)?;
        }
        let mut bytes = [0; FILE_BYTES as usize];
        file.read_exact_at(&mut bytes, 0)?;
        let field = |n: usize| u64::from_le_bytes(bytes[8 * n..8 * n + 8].try_into().expect("eight bytes"));
        sum.mode = FsyncMode::of_numbers(field(0), field(1));
        sum.honest += field(2);
        sum.lied += field(3);
        sum.failed += field(4);
        sum.slowed += field(5);
        sum.programs += 1;
    }
    Ok(sum)
}

fn control_files(directory: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        if path.extension().is_some_and(|suffix| suffix == SUFFIX) {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

/// Opens a control file; a new one says honest.
fn open(path: &Path) -> io::Result<File> {
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(path)?;
    if file.metadata()?.len() < FILE_BYTES {
        file.set_len(FILE_BYTES)?;
    }
    Ok(file)
}

/// Starts the supervisor and installs the filter in this process.
fn prepare(control: &Path) -> io::Result<()> {
    let file = open(control)?;
    let (ours, theirs) = socketpair(
        AddressFamily::Unix,
        SockType::Stream,
        None,
        SockFlag::SOCK_CLOEXEC,
    )?;
    // SAFETY: this process has one thread, so the copy may do whatever the original may.
    match unsafe { fork() }? {
        ForkResult::Child => {
            drop(ours);
            let result = receive(&theirs).and_then(|listener| {
                // Only now may the program go on.
                nix::unistd::write(&theirs, b"!")?;
                drop(theirs);
                supervise(&listener, &file)
            });
            // SAFETY: ends this copy without running what the original has registered.
            unsafe { libc::_exit(i32::from(result.is_err())) }
        }
        ForkResult::Parent { .. } => drop(theirs),
    }
    let listener = install()?;
    let listeners = [listener.as_raw_fd()];
    let message = [ControlMessage::ScmRights(&listeners)];
    sendmsg::<()>(
        ours.as_raw_fd(),
        &[io::IoSlice::new(b"!")],
        &message,
        MsgFlags::empty(),
        None,
    )?;
    let mut leave = [0];
    match nix::unistd::read(&ours, &mut leave)? {
        1 => Ok(()),
        _ => Err(io::Error::other("the supervisor of its fsync has ended")),
    }
}

/// Receives the listener.
fn receive(socket: &OwnedFd) -> io::Result<OwnedFd> {
    let mut byte = [0; 1];
    let mut parts = [io::IoSliceMut::new(&mut byte)];
    let mut space = nix::cmsg_space!(RawFd);
    let message = recvmsg::<()>(
        socket.as_raw_fd(),
        &mut parts,
        Some(&mut space),
        MsgFlags::MSG_CMSG_CLOEXEC,
    )?;
    for part in message.cmsgs()? {
        if let ControlMessageOwned::ScmRights(fds) = part
            && let Some(&fd) = fds.first()
        {
            // SAFETY: a descriptor that was made for this process just now.
            return Ok(unsafe { OwnedFd::from_raw_fd(fd) });
        }
    }
    Err(io::Error::other("no listener arrived"))
}

/// Installs the filter in this process; gives its listener, which is closed by exec.
fn install() -> io::Result<OwnedFd> {
    // Offsets in `struct seccomp_data`.
    const NUMBER: u32 = 0;
    const ARCHITECTURE: u32 = 4;
    let statement = |code: u32, k: u32| libc::sock_filter {
        code: code as u16,
        jt: 0,
        jf: 0,
        k,
    };
    let jump = |k: u32, jt: u8, jf: u8| libc::sock_filter {
        code: (libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K) as u16,
        jt,
        jf,
        k,
    };
    let load = libc::BPF_LD | libc::BPF_W | libc::BPF_ABS;
    let give = libc::BPF_RET | libc::BPF_K;
    let mut filter = vec![
        statement(load, ARCHITECTURE),
        jump(ARCH, 1, 0),
        statement(give, libc::SECCOMP_RET_ALLOW),
    ];
    filter.push(statement(load, NUMBER));
    for (position, call) in CALLS.iter().enumerate() {
        // To the last instruction.
        let left = (CALLS.len() - position) as u8;
        filter.push(jump(*call as u32, left, 0));
    }
    filter.push(statement(give, libc::SECCOMP_RET_ALLOW));
    filter.push(statement(give, libc::SECCOMP_RET_USER_NOTIF));
    let program = libc::sock_fprog {
        len: filter.len() as u16,
        filter: filter.as_mut_ptr(),
    };
    // Without it only root may install filters (prctl(2)). A program that is set-uid loses that; stores are
    // not.
    // SAFETY: plain numbers.
    if unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) } != 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the program outlives the call.
    let listener = unsafe {
        libc::syscall(
            libc::SYS_seccomp,
            libc::SECCOMP_SET_MODE_FILTER,
            libc::SECCOMP_FILTER_FLAG_NEW_LISTENER,
            &raw const program,
        )
    };
    if listener < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: a new descriptor that nothing else owns.
    Ok(unsafe { OwnedFd::from_raw_fd(listener as RawFd) })
}

/// Answers until no process has the filter any more.
fn supervise(listener: &OwnedFd, file: &File) -> io::Result<()> {
    let mut waiting: Vec<Waiting> = Vec::new();
    let mut counts = Counts::read(file)?;
    loop {
        let timeout = waiting
            .iter()
            .map(|call| call.due)
            .min()
            .map_or(PollTimeout::NONE, |due| {
                let left = due.saturating_duration_since(Instant::now());
                PollTimeout::from(u16::try_from(left.as_millis() + 1).unwrap_or(u16::MAX))
            });
        let mut ready = [PollFd::new(listener.as_fd(), PollFlags::POLLIN)];
        match poll(&mut ready, timeout) {
            Ok(_) | Err(nix::errno::Errno::EINTR) => {}
            Err(error) => return Err(error.into()),
        }
        let events = ready[0].revents().unwrap_or(PollFlags::empty());
        let now = Instant::now();
        for due in waiting.extract_if(.., |call| call.due <= now) {
            if !answer(listener, due.call.id, Answer::GoOn) {
                // Its thread is stopped; when it resumes, the call comes again and waits from the start.
                counts.add(file, due.mode, -1)?;
            }
        }
        if events.contains(PollFlags::POLLIN) {
            let Some(call) = take(listener) else { continue };
            if let Some(known) = waiting.iter_mut().find(|known| known.call.comes_again_as(&call)) {
                known.call = call;
                continue;
            }
            let mode = mode(file)?;
            // Before the answer: a caller that has its answer finds it counted.
            counts.add(file, mode, 1)?;
            let answer_now = match mode {
                FsyncMode::Lie => Answer::Result(0),
                FsyncMode::Fail => Answer::Result(-libc::EIO),
                FsyncMode::Slow { delay_ms } if waiting.len() < MOST_WAITING => {
                    let due = now + Duration::from_millis(delay_ms);
                    waiting.push(Waiting { due, mode, call });
                    continue;
                }
                FsyncMode::Honest | FsyncMode::Slow { .. } => Answer::GoOn,
            };
            if !answer(listener, call.id, answer_now) {
                counts.add(file, mode, -1)?;
            }
        } else if events.intersects(PollFlags::POLLHUP | PollFlags::POLLERR) {
            return Ok(());
        }
    }
}

/// A call that is answered later.
struct Waiting {
    due: Instant,
    mode: FsyncMode,
    call: Call,
}

/// A call that was taken.
struct Call {
    /// The answer must carry it.
    id: u64,
    /// The thread, 0 where it cannot be seen from here.
    thread: u32,
    /// The number of the system call.
    number: i32,
    /// Its first argument.
    argument: u64,
}

impl Call {
    /// Whether `other` is this call again, after a signal interrupted it.
    fn comes_again_as(&self, other: &Call) -> bool {
        self.thread != 0
            && (self.thread, self.number, self.argument) == (other.thread, other.number, other.argument)
    }
}

/// What the control file says now.
fn mode(file: &File) -> io::Result<FsyncMode> {
    let mut bytes = [0; 16];
    file.read_exact_at(&mut bytes, 0)?;
    let number = |at: usize| u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes"));
    Ok(FsyncMode::of_numbers(number(0), number(8)))
}

/// How many calls were answered in which way, as recorded in the control file.
struct Counts([u64; 4]);

impl Counts {
    /// Behind the mode and the delay.
    const OFFSET: u64 = 16;

    fn read(file: &File) -> io::Result<Counts> {
        let mut bytes = [0; 32];
        file.read_exact_at(&mut bytes, Counts::OFFSET)?;
        let mut counts = [0; 4];
        for (count, bytes) in counts.iter_mut().zip(bytes.chunks_exact(8)) {
            *count = u64::from_le_bytes(bytes.try_into().expect("eight bytes"));
        }
        Ok(Counts(counts))
    }

    fn add(&mut self, file: &File, mode: FsyncMode, more: i64) -> io::Result<()> {
        let place = match mode {
            FsyncMode::Honest => 0,
            FsyncMode::Lie => 1,
            FsyncMode::Fail => 2,
            FsyncMode::Slow { .. } => 3,
        };
        self.0[place] = self.0[place].saturating_add_signed(more);
        file.write_all_at(&self.0[place].to_le_bytes(), Counts::OFFSET + 8 * place as u64)
    }
}

enum Answer {
    /// The kernel does what was called for.
    GoOn,
    /// This, an errno if negative, and nothing is done.
    Result(i32),
}

/// The next call; `None` if its thread was killed or interrupted meanwhile.
fn take(listener: &OwnedFd) -> Option<Call> {
    // SAFETY: all-zero is a valid structure, and must be (seccomp_unotify(2)).
    let mut call: libc::seccomp_notif = unsafe { std::mem::zeroed() };
    // SAFETY: the kernel writes into the structure, which outlives the call.
    let result = unsafe {
        libc::ioctl(
            listener.as_raw_fd(),
            libc::SECCOMP_IOCTL_NOTIF_RECV,
            &raw mut call,
        )
    };
    (result == 0).then_some(Call {
        id: call.id,
        thread: call.pid,
        number: call.data.nr,
        argument: call.data.args[0],
    })
}

/// Returns whether the answer was delivered. A call whose thread is gone needs none; one that was interrupted
/// comes again.
fn answer(listener: &OwnedFd, id: u64, answer: Answer) -> bool {
    let (error, flags) = match answer {
        Answer::GoOn => (0, libc::SECCOMP_USER_NOTIF_FLAG_CONTINUE as u32),
        Answer::Result(error) => (error, 0),
    };
    let mut response = libc::seccomp_notif_resp {
        id,
        val: 0,
        error,
        flags,
    };
    // SAFETY: the kernel reads the structure, which outlives the call.
    let result = unsafe {
        libc::ioctl(
            listener.as_raw_fd(),
            libc::SECCOMP_IOCTL_NOTIF_SEND,
            &raw mut response,
        )
    };
    result == 0
}
