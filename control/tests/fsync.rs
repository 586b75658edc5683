//! What fsync does in a program that was launched so that it can be tampered with.
//!
//! Without a harness of its own: the launched program is this one, started again, and a launcher must have
//! one thread.

#[path = "../../tests/support/missing.rs"]
mod missing;

use std::ffi::OsString;
use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use control::inside::{self, FsyncCounts, FsyncMode};
use nix::libc;
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

use missing::missing;

/// Set for the launcher: the control file. And for the program that it becomes.
const LAUNCHER: &str = "PERJURY_TEST_FSYNC_LAUNCHER";
const CHILD: &str = "PERJURY_TEST_FSYNC_CHILD";

fn main() -> ExitCode {
    if std::env::var_os(CHILD).is_some() {
        child();
        return ExitCode::SUCCESS;
    }
    if let Some(control) = std::env::var_os(LAUNCHER) {
        // SAFETY: there is one thread.
        unsafe { std::env::set_var(CHILD, "1") };
        let program: OsString = std::env::current_exe().expect("own path").into();
        let error = inside::launch(Path::new(&control), &program, &[]);
        eprintln!("{error}");
        return ExitCode::FAILURE;
    }
    if let Err(why) = inside::can() {
        missing("tamper", why);
        return ExitCode::SUCCESS;
    }
    type Case = fn(&Path);
    let cases: [(&str, Case); 6] = [
        ("every_mode_and_back", every_mode_and_back),
        ("others_do_not_wait_for_a_slow_call", others_do_not_wait),
        ("the_mode_outlives_the_program", outlives),
        ("the_supervisor_ends_with_the_program", ends),
        ("a_program_stops_while_a_call_waits", stops),
        ("signals_neither_shorten_nor_repeat_a_call", signals),
    ];
    for (name, case) in cases {
        let directory = tempfile::tempdir().expect("a temporary directory");
        case(directory.path());
        println!("test {name} ... ok");
    }
    ExitCode::SUCCESS
}

/// Answers each line with the errno of an fsync or fdatasync, and how many microseconds it took; `two` does
/// two at once.
fn child() {
    extern "C" fn nothing(_: libc::c_int) {}
    let action = SigAction::new(SigHandler::Handler(nothing), SaFlags::SA_RESTART, SigSet::empty());
    // SAFETY: the handler does nothing.
    unsafe { sigaction(Signal::SIGUSR1, &action) }.expect("a handler");
    let file = tempfile::tempfile().expect("a file");
    let sync = |file: &File, data: bool| {
        use std::os::fd::AsRawFd;
        let start = Instant::now();
        // SAFETY: an open descriptor.
        let result = unsafe {
            match data {
                true => libc::fdatasync(file.as_raw_fd()),
                false => libc::fsync(file.as_raw_fd()),
            }
        };
        let errno = match result {
            0 => 0,
            _ => std::io::Error::last_os_error().raw_os_error().unwrap_or(-1),
        };
        format!("{errno} {}", start.elapsed().as_micros())
    };
    for line in std::io::stdin().lines() {
        let Ok(line) = line else { return };
        let answer = match line.as_str() {
            "two" => std::thread::scope(|scope| {
                let start = Instant::now();
                let other = scope.spawn(|| sync(&file, false));
                sync(&file, true);
                let _ = other.join();
                format!("0 {}", start.elapsed().as_micros())
            }),
            "data" => sync(&file, true),
            _ => sync(&file, false),
        };
        println!("{answer}");
    }
}

struct Launched {
    control: PathBuf,
    child: Child,
    answers: BufReader<std::process::ChildStdout>,
}

impl Launched {
    fn start(directory: &Path) -> Launched {
        use std::os::unix::process::CommandExt;
        let control = directory.join("node.fsync");
        let mut child = Command::new(std::env::current_exe().expect("own path"))
            .env(LAUNCHER, &control)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .process_group(0)
            .spawn()
            .expect("a child");
        let answers = BufReader::new(child.stdout.take().expect("piped"));
        let mut launched = Launched {
            control,
            child,
            answers,
        };
        launched.ask("data");
        launched
    }

    /// The errno and the duration of what was asked for.
    fn ask(&mut self, line: &str) -> (i32, Duration) {
        self.begin(line);
        self.answer()
    }

    fn begin(&mut self, line: &str) {
        let stdin = self.child.stdin.as_mut().expect("piped");
        writeln!(stdin, "{line}").expect("it listens");
    }

    fn answer(&mut self) -> (i32, Duration) {
        let mut answer = String::new();
        self.answers.read_line(&mut answer).expect("it answers");
        let (errno, micros) = answer.trim().split_once(' ').expect("two numbers");
        let micros = micros.parse().expect("a number");
        (errno.parse().expect("a number"), Duration::from_micros(micros))
    }

    /// The program and the supervisor, as far as they are alive: the processes that were started with this
    /// control file.
    fn both(&self) -> Vec<i32> {
        let control = format!("{LAUNCHER}={}", self.control.display());
        let carries = |pid: &i32| {
            let environment = std::fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
            environment
                .split(|byte| *byte == 0)
                .any(|entry| entry == control.as_bytes())
        };
        let entries = std::fs::read_dir("/proc").expect("/proc").flatten();
        let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        pids.filter(carries).collect()
    }

    /// Sends a signal to the program's process group.
    fn signal(&self, signal: Signal) {
        let group = Pid::from_raw(self.child.id() as i32);
        let _ = nix::sys::signal::killpg(group, signal);
    }

    /// Whether the program, all of it, stops within `limit`.
    fn stops_within(&self, limit: Duration) -> bool {
        let deadline = Instant::now() + limit;
        let flags = WaitPidFlag::WNOHANG | WaitPidFlag::WUNTRACED;
        while Instant::now() < deadline {
            let pid = Pid::from_raw(self.child.id() as i32);
            if matches!(waitpid(pid, Some(flags)), Ok(WaitStatus::Stopped(..))) {
                return true;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        false
    }
}

impl Drop for Launched {
    fn drop(&mut self) {
        self.signal(Signal::SIGKILL);
        let _ = self.child.wait();
    }
}

fn set(directory: &Path, mode: FsyncMode) -> FsyncCounts {
    inside::set_fsync(directory, Some(mode)).expect("it can be set")
}

fn counts(directory: &Path) -> FsyncCounts {
    inside::set_fsync(directory, None).expect("it can be read")
}

fn every_mode_and_back(directory: &Path) {
    let mut launched = Launched::start(directory);
    assert_eq!(counts(directory).honest, 1);
    let slow = FsyncMode::Slow { delay_ms: 120 };
    for (mode, errno, least_ms) in [
        (FsyncMode::Lie, 0, 0),
        (FsyncMode::Fail, libc::EIO, 0),
        (slow, 0, 120),
        (FsyncMode::Honest, 0, 0),
    ] {
        assert_eq!(set(directory, mode).mode, mode);
        for what in ["whole", "data"] {
            let (found, took) = launched.ask(what);
            assert_eq!(found, errno, "{mode:?} {what}");
            assert!(
                took >= Duration::from_millis(least_ms),
                "{mode:?} {what}: {took:?}"
            );
        }
    }
    let expected = FsyncCounts {
        mode: FsyncMode::Honest,
        programs: 1,
        honest: 3,
        lied: 2,
        failed: 2,
        slowed: 2,
    };
    assert_eq!(counts(directory), expected);
}

fn others_do_not_wait(directory: &Path) {
    let mut launched = Launched::start(directory);
    set(directory, FsyncMode::Slow { delay_ms: 300 });
    let (_, took) = launched.ask("two");
    assert!((300..590).contains(&took.as_millis()), "{took:?}");
}

fn outlives(directory: &Path) {
    drop(Launched::start(directory));
    set(directory, FsyncMode::Lie);
    let mut again = Launched::start(directory);
    again.ask("whole");
    let counts = counts(directory);
    assert_eq!((counts.honest, counts.lied), (1, 2));
}

fn ends(directory: &Path) {
    let mut launched = Launched::start(directory);
    assert_eq!(launched.both().len(), 2, "a program and its supervisor");
    // Its input ends, and so it does.
    drop(launched.child.stdin.take());
    launched.child.wait().expect("it ends");
    let deadline = Instant::now() + Duration::from_secs(10);
    while !launched.both().is_empty() {
        assert!(Instant::now() < deadline, "the supervisor is still there");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn stops(directory: &Path) {
    let mut launched = Launched::start(directory);
    set(directory, FsyncMode::Slow { delay_ms: 300 });
    for _ in 0..5 {
        let taken = counts(directory).slowed + 1;
        launched.begin("whole");
        while counts(directory).slowed < taken {
            std::thread::sleep(Duration::from_millis(1));
        }
        launched.signal(Signal::SIGSTOP);
        assert!(
            launched.stops_within(Duration::from_secs(10)),
            "it does not stop while a call waits"
        );
        launched.signal(Signal::SIGCONT);
        assert_eq!(launched.answer().0, 0);
        assert_eq!(counts(directory).slowed, taken, "it was counted once");
    }
}

fn signals(directory: &Path) {
    let mut launched = Launched::start(directory);
    let before = counts(directory).honest;
    for (mode, errno, least_ms) in [
        (FsyncMode::Slow { delay_ms: 300 }, 0, 300),
        (FsyncMode::Fail, libc::EIO, 0),
        (FsyncMode::Lie, 0, 0),
    ] {
        set(directory, mode);
        let program = Pid::from_raw(launched.child.id() as i32);
        let ended = AtomicBool::new(false);
        let (found, took) = std::thread::scope(|scope| {
            scope.spawn(|| {
                while !ended.load(Ordering::Relaxed) {
                    nix::sys::signal::kill(program, Signal::SIGUSR1).expect("it is there");
                    std::thread::sleep(Duration::from_millis(5));
                }
            });
            let answered = launched.ask("whole");
            ended.store(true, Ordering::Relaxed);
            answered
        });
        assert_eq!(found, errno, "{mode:?}");
        // If it began again with each signal, it would never end.
        assert!(took >= Duration::from_millis(least_ms), "{mode:?}: {took:?}");
    }
    let counts = counts(directory);
    assert_eq!(counts.honest, before);
    // Were each of some sixty interruptions counted, there would be as many. The kernel takes an answer also
    // in the moment in which its thread was woken by a signal, and then that call, too, comes again.
    for count in [counts.slowed, counts.failed, counts.lied] {
        assert!((1..=2).contains(&count), "{counts:?}");
    }
}
