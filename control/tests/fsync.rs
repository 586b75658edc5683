//! What fsync does in a program that was launched so that it can be tampered with.
//!
//! Without a harness of its own: the launched program is this one, started again, and a launcher must have one thread.

use std::ffi::OsString;
use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use control::tamper::{self, FsyncCounts, FsyncMode};
use nix::libc;

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
        let error = tamper::launch(Path::new(&control), &program, &[]);
        eprintln!("{error}");
        return ExitCode::FAILURE;
    }
    if let Err(why) = tamper::can() {
        println!("skipped: {why}");
        return ExitCode::SUCCESS;
    }
    type Case = fn(&Path);
    let cases: [(&str, Case); 4] = [
        ("every_mode_and_back", every_mode_and_back),
        ("others_do_not_wait_for_a_slow_call", others_do_not_wait),
        ("the_mode_outlives_the_program", outlives),
        ("the_supervisor_ends_with_the_program", ends),
    ];
    for (name, case) in cases {
        let directory = tempfile::tempdir().expect("a temporary directory");
        case(directory.path());
        println!("test {name} ... ok");
    }
    ExitCode::SUCCESS
}

/// Answers each line with the errno of an fsync or fdatasync, and how many microseconds it took; `two` does two at once.
fn child() {
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
    child: Child,
    answers: BufReader<std::process::ChildStdout>,
}

impl Launched {
    fn start(directory: &Path) -> Launched {
        use std::os::unix::process::CommandExt;
        let mut child = Command::new(std::env::current_exe().expect("own path"))
            .env(LAUNCHER, directory.join("node.fsync"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .process_group(0)
            .spawn()
            .expect("a child");
        let answers = BufReader::new(child.stdout.take().expect("piped"));
        let mut launched = Launched { child, answers };
        launched.ask("data");
        launched
    }

    /// The errno and the duration of what was asked for.
    fn ask(&mut self, line: &str) -> (i32, Duration) {
        let stdin = self.child.stdin.as_mut().expect("piped");
        writeln!(stdin, "{line}").expect("it listens");
        let mut answer = String::new();
        self.answers.read_line(&mut answer).expect("it answers");
        let (errno, micros) = answer.trim().split_once(' ').expect("two numbers");
        let micros = micros.parse().expect("a number");
        (errno.parse().expect("a number"), Duration::from_micros(micros))
    }

    /// The processes of its group: the program and the supervisor.
    fn group(&self) -> Vec<i32> {
        let group = self.child.id().to_string();
        let mut members = Vec::new();
        for entry in std::fs::read_dir("/proc").expect("/proc").flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            let stat = std::fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
            // After the name in parentheses: state, parent, group.
            let fields: Vec<&str> = stat
                .rsplit(')')
                .next()
                .unwrap_or_default()
                .split_whitespace()
                .collect();
            if fields.get(2) == Some(&group.as_str()) && fields[0] != "Z" {
                members.extend(name.parse::<i32>());
            }
        }
        members
    }
}

impl Drop for Launched {
    fn drop(&mut self) {
        let group = nix::unistd::Pid::from_raw(self.child.id() as i32);
        let _ = nix::sys::signal::killpg(group, nix::sys::signal::SIGKILL);
        let _ = self.child.wait();
    }
}

fn set(directory: &Path, mode: FsyncMode) -> FsyncCounts {
    tamper::set_fsync(directory, Some(mode)).expect("it can be set")
}

fn counts(directory: &Path) -> FsyncCounts {
    tamper::set_fsync(directory, None).expect("it can be read")
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
    assert_eq!(launched.group().len(), 2, "a program and its supervisor");
    // Its input ends, and so it does.
    drop(launched.child.stdin.take());
    launched.child.wait().expect("it ends");
    let deadline = Instant::now() + Duration::from_secs(10);
    while !launched.group().is_empty() {
        assert!(Instant::now() < deadline, "the supervisor is still there");
        std::thread::sleep(Duration::from_millis(5));
    }
}
