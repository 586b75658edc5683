//! A test in a child process, for the commands that run many: `hunt` and `test-all`.
//!
//! Invariants:
//! - When this process is interrupted, or dies, the test is interrupted too: it undoes its faults, judges
//!   what it has and ends. It has a process group of its own, so that Ctrl-C reaches it once, through this
//!   process.
//! - A test that does not end within its limit is killed, and what it left behind is undone.

use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context, anyhow};
use checker::Verdict;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use reports::Results;
use tokio::process::{Child, Command};
use tokio::runtime::Runtime;
use tokio::time::Instant;

use super::directory;
use super::interrupts::{Interrupts, watch_interrupts};
use crate::exit::{self, Failure};

/// How long an interrupted test may take to undo its faults, to judge and to report.
const STOP_LIMIT: Duration = Duration::from_secs(120);

/// Runs tests, one after the other.
pub struct Children {
    runtime: Runtime,
    interrupts: Interrupts,
}

/// How a test ended.
pub struct Ended {
    /// Its exit code; `None` if a signal ended it.
    pub code: Option<u8>,
    /// The directory that was made for it.
    pub place: PathBuf,
    /// Its run directory in there, if it made one.
    pub run: Option<PathBuf>,
    /// Its results, if it was judged.
    pub results: Option<Results>,
    /// The last thing that it said on standard error.
    pub message: String,
}

impl Ended {
    /// What its exit code says of the store; `None` where it could not be finished.
    pub fn verdict(&self) -> Option<Verdict> {
        self.code.and_then(exit::verdict_of)
    }
}

impl Children {
    /// From now on interrupts end the tests, and no longer this process.
    ///
    /// # Errors
    /// When signals cannot be caught.
    pub fn new() -> Result<Children, Failure> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .context("cannot start the async runtime")?;
        let interrupts = runtime.block_on(async { watch_interrupts() })?;
        Ok(Children { runtime, interrupts })
    }

    /// Whether this process was interrupted.
    pub fn is_interrupted(&self) -> bool {
        *self.interrupts.borrow() > 0
    }

    /// Runs `perjury` with these arguments, a subcommand and its flags, in a new directory below `place`, for
    /// at most `limit`.
    ///
    /// # Errors
    /// When no process can be started, or this one was interrupted before.
    pub fn run(&self, arguments: &[String], place: &Path, limit: Duration) -> Result<Ended, Failure> {
        if self.is_interrupted() {
            return Err(anyhow!("interrupted; the runs so far are in {}", place.display()).into());
        }
        let place = tempfile::Builder::new()
            .prefix("run-")
            .tempdir_in(place)
            .context("cannot make a directory for a run")?
            .keep();
        let errors = place.join("stderr");
        let status = self.runtime.block_on(async {
            let child = start(arguments, &place, &errors)?;
            self.wait(child, limit).await.context("cannot wait for a test")
        })?;
        if status.code().is_none() {
            // It was killed: it had no time to undo its faults itself.
            directory::heal_all(&place)?;
        }
        let run = run_in(&place);
        let results = run.as_ref().and_then(|run| {
            let bytes = std::fs::read(run.join("results.json")).ok()?;
            serde_json::from_slice(&bytes).ok()
        });
        let said = std::fs::read_to_string(&errors).unwrap_or_default();
        let last = said.trim().lines().last().unwrap_or_default();
        let mut ended = Ended {
            code: status.code().and_then(|code| u8::try_from(code).ok()),
            place,
            run,
            results,
            message: last.trim_start_matches("perjury: ").to_owned(),
        };
        if ended.verdict().is_none() {
            ended.results = None;
        }
        Ok(ended)
    }

    /// Waits for the end of a test; hands interrupts on, and kills it when its time is over.
    async fn wait(&self, mut child: Child, limit: Duration) -> std::io::Result<ExitStatus> {
        let mut interrupts = self.interrupts.clone();
        let mut handed_on = 0;
        let mut deadline = Instant::now() + limit;
        loop {
            tokio::select! {
                status = child.wait() => return status,
                Ok(count) = interrupts.wait_for(|count| *count > handed_on) => {
                    handed_on = *count;
                    deadline = deadline.min(Instant::now() + STOP_LIMIT);
                    interrupt(&child);
                }
                () = tokio::time::sleep_until(deadline) => {
                    child.start_kill()?;
                    return child.wait().await;
                }
            }
        }
    }
}

fn start(arguments: &[String], place: &Path, errors: &Path) -> anyhow::Result<Child> {
    let program = std::env::current_exe().context("cannot find the path of this program")?;
    let mut command = Command::new(program);
    #[cfg(target_os = "linux")]
    // SAFETY: one system call between fork and exec.
    unsafe {
        command.pre_exec(|| nix::sys::prctl::set_pdeathsig(Signal::SIGTERM).map_err(Into::into));
    }
    command
        .args(&arguments[..1])
        .arg("--runs")
        .arg(place)
        // Behind, because the flags of the tests of a hunt come last.
        .args(&arguments[1..])
        // The summary of a CI job is written once, for all tests together.
        .env_remove("GITHUB_STEP_SUMMARY")
        .process_group(0)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(std::fs::File::create(errors).context("cannot make a file for its errors")?)
        .spawn()
        .context("cannot start a test")
}

fn interrupt(child: &Child) {
    if let Some(pid) = child.id().and_then(|pid| i32::try_from(pid).ok()) {
        // If it has just ended, there is nothing left to interrupt.
        let _ = kill(Pid::from_raw(pid), Signal::SIGTERM);
    }
}

/// The run directory in the directory of one test.
fn run_in(place: &Path) -> Option<PathBuf> {
    let mut entries = std::fs::read_dir(place).ok()?.flatten();
    entries
        .find(|entry| entry.path().is_dir())
        .map(|entry| entry.path())
}
