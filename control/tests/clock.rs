//! The clock of a running process is shifted, whichever way the process reads it, and nothing else is.
//!
//! Without a harness of its own: the process whose clock is shifted is this program, started again.

#[path = "../../tests/support/missing.rs"]
mod missing;

use std::io::{BufRead, BufReader, Write};
use std::ops::RangeInclusive;
use std::process::{Child, ChildStdin, Command, ExitCode, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use control::inside::{self, ClockShift};
use nix::libc;

use missing::missing;

/// Set for the child.
const CHILD: &str = "PERJURY_TEST_CLOCK_CHILD";
const SECOND: i64 = 1_000_000_000;

fn main() -> ExitCode {
    if std::env::var_os(CHILD).is_some() {
        child();
        return ExitCode::SUCCESS;
    }
    if let Err(why) = inside::can() {
        missing("tamper", why);
        return ExitCode::SUCCESS;
    }
    type Case = fn(&mut Watched);
    let cases: [(&str, Case); 5] = [
        ("jumps_and_comes_back", jumps_and_comes_back),
        ("drifts", drifts),
        ("changes_by_itself_do_no_harm", busy),
        ("is_told_as_it_was_set", told),
        ("goes_on_afterwards", goes_on),
    ];
    for (name, case) in cases {
        let mut watched = Watched::start();
        case(&mut watched);
        println!("test {name} ... ok");
    }
    refusals();
    println!("test refusals ... ok");
    ExitCode::SUCCESS
}

/// Answers every line with the wall clock as four functions return it and the monotonic one, in nanoseconds,
/// while other threads ask for the time all the while.
fn child() {
    static BAD: AtomicBool = AtomicBool::new(false);
    for _ in 0..2 {
        std::thread::spawn(|| {
            loop {
                let mut time = libc::timespec {
                    tv_sec: 0,
                    tv_nsec: 0,
                };
                // SAFETY: a timespec of our own.
                let result = unsafe { libc::clock_gettime(libc::CLOCK_REALTIME, &raw mut time) };
                if result != 0 || !(0..SECOND).contains(&time.tv_nsec) {
                    BAD.store(true, Ordering::Relaxed);
                }
            }
        });
    }
    for line in std::io::stdin().lines() {
        if line.is_err() {
            return;
        }
        let clock = |id| {
            let mut time = libc::timespec {
                tv_sec: 0,
                tv_nsec: 0,
            };
            // SAFETY: a timespec of our own.
            unsafe { libc::clock_gettime(id, &raw mut time) };
            time.tv_sec * SECOND + time.tv_nsec
        };
        let mut value = libc::timeval {
            tv_sec: 0,
            tv_usec: 0,
        };
        // SAFETY: a timeval of our own.
        unsafe { libc::gettimeofday(&raw mut value, std::ptr::null_mut()) };
        // SAFETY: without a place to store it.
        let whole = unsafe { libc::time(std::ptr::null_mut()) };
        println!(
            "{} {} {} {} {} {}",
            clock(libc::CLOCK_REALTIME),
            clock(libc::CLOCK_REALTIME_COARSE),
            value.tv_sec * SECOND + value.tv_usec * 1000,
            whole * SECOND,
            clock(libc::CLOCK_MONOTONIC),
            i64::from(BAD.load(Ordering::Relaxed)),
        );
    }
}

/// A child, and its stdin and stdout.
struct Watched {
    child: Child,
    ask: ChildStdin,
    answers: BufReader<std::process::ChildStdout>,
}

impl Watched {
    fn start() -> Watched {
        let mut child = Command::new(std::env::current_exe().expect("own path"))
            .env(CHILD, "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("a child");
        let ask = child.stdin.take().expect("piped");
        let answers = BufReader::new(child.stdout.take().expect("piped"));
        let mut watched = Watched { child, ask, answers };
        watched.look();
        watched
    }

    fn pid(&self) -> i32 {
        self.child.id() as i32
    }

    fn set(&self, offset_ns: i64, drift_ppm: i64) {
        let shift = ClockShift { offset_ns, drift_ppm };
        inside::set_clock(self.pid(), shift).expect("the clock of a child can be shifted");
    }

    fn ask(&mut self) -> [i64; 6] {
        self.ask.write_all(b"\n").expect("it listens");
        let mut line = String::new();
        self.answers.read_line(&mut line).expect("it answers");
        let numbers: Vec<i64> = line
            .split_whitespace()
            .map(|word| word.parse().expect("a number"))
            .collect();
        numbers.try_into().expect("six numbers")
    }

    /// What its clocks show, and when that was.
    fn look(&mut self) -> Seen {
        let (from, steady_from) = (wall(), steady());
        let [fine, coarse, micro, whole, steady_shown, is_bad] = self.ask();
        assert_eq!(is_bad, 0, "a thread read a time that was never set");
        assert!(
            (steady_from..=steady()).contains(&steady_shown),
            "the monotonic clock is shifted"
        );
        Seen {
            shown: [fine, coarse, micro, whole],
            at: from..=wall(),
        }
    }

    /// Fails unless all four are ahead by `expected`.
    fn expect(&mut self, expected: i64) {
        let Seen { shown, at } = self.look();
        // How far each may be behind by its nature: the coarse one by a tick, the last one by the fraction of
        // a second.
        let clocks = [
            ("clock_gettime", SLACK),
            ("coarse", 20 * SLACK),
            ("gettimeofday", SLACK),
            ("time", SECOND),
        ];
        for ((name, behind), shown) in clocks.into_iter().zip(shown) {
            let ahead = shown - at.end()..=shown - at.start();
            assert!(
                *ahead.start() <= expected + SLACK && expected <= ahead.end() + behind,
                "{name} is {ahead:?} ns ahead instead of {expected}"
            );
        }
    }
}

/// What the child's clocks showed at some time within `at`, which is by this program's clock; nanoseconds.
struct Seen {
    shown: [i64; 4],
    at: RangeInclusive<i64>,
}

/// How exact the clocks are that are compared.
const SLACK: i64 = SECOND / 1000;

fn wall() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.expect("after 1970").as_nanos() as i64
}

fn steady() -> i64 {
    let time = nix::time::clock_gettime(nix::time::ClockId::CLOCK_MONOTONIC).expect("a clock");
    time.tv_sec() * SECOND + time.tv_nsec()
}

impl Drop for Watched {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn jumps_and_comes_back(watched: &mut Watched) {
    watched.expect(0);
    for seconds in [7200, -7200, 3, -3, 40 * 365 * 86_400] {
        watched.set(seconds * SECOND, 0);
        watched.expect(seconds * SECOND);
    }
    watched.set(0, 0);
    watched.expect(0);
}

fn drifts(watched: &mut Watched) {
    // Twice as fast.
    watched.set(0, 1_000_000);
    let first = watched.look();
    std::thread::sleep(Duration::from_millis(1500));
    let second = watched.look();
    // However long that really took.
    let real = second.at.start() - first.at.end()..=second.at.end() - first.at.start();
    let half = (second.shown[0] - first.shown[0]) / 2;
    assert!(
        (real.start() - SLACK..=real.end() + SLACK).contains(&half),
        "twice {half} ns went by in {real:?} ns"
    );
    // Standing still.
    watched.set(0, -1_000_000);
    let one = watched.ask()[0];
    std::thread::sleep(Duration::from_millis(300));
    let other = watched.ask()[0];
    assert!((other - one).abs() < 20_000_000, "{} ns went by", other - one);
}

/// The busy threads of the child check every time that they read.
fn busy(watched: &mut Watched) {
    for n in 0..300 {
        watched.set((n % 7 - 3) * SECOND, (n % 3) * 1000);
    }
    watched.set(0, 0);
    watched.expect(0);
}

fn told(watched: &mut Watched) {
    let read = |watched: &Watched| inside::clock(watched.pid()).expect("it can be read");
    assert_eq!(read(watched), ClockShift::default());
    for (offset_ns, drift_ppm) in [(5, 0), (-7 * SECOND, 250), (0, 0)] {
        watched.set(offset_ns, drift_ppm);
        assert_eq!(read(watched), ClockShift { offset_ns, drift_ppm });
    }
}

/// Neither stopped nor traced.
fn goes_on(watched: &mut Watched) {
    watched.set(SECOND, 0);
    let status = std::fs::read_to_string(format!("/proc/{}/status", watched.pid())).expect("its status");
    let line = |name: &str| {
        status
            .lines()
            .find(|line| line.starts_with(name))
            .expect("a line")
            .to_owned()
    };
    let state = line("State:");
    // R or S, not T (stopped) or t (traced).
    assert!(
        state
            .split_whitespace()
            .nth(1)
            .is_some_and(|letter| !letter.eq_ignore_ascii_case("t")),
        "{state}"
    );
    assert_eq!(line("TracerPid:").split_whitespace().last(), Some("0"));
    watched.expect(SECOND);
}

fn refusals() {
    let too_much = ClockShift {
        offset_ns: i64::MAX,
        drift_ppm: 0,
    };
    assert!(inside::set_clock(std::process::id() as i32, too_much).is_err());
    // No such process: numbers end before this one.
    let shift = ClockShift {
        offset_ns: 1,
        drift_ppm: 0,
    };
    let error = inside::set_clock(i32::MAX, shift)
        .expect_err("there is no such process")
        .to_string();
    assert!(error.contains("cannot shift the clock of process"), "{error}");
}
