//! The search: runs, several at a time, until one shows a violation or the time is over.

use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::anyhow;
use checker::Verdict;
use history::units::plural;
use nemeses::{Schedule, Scheduled};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::draw::{Draw, Faults, Kept};
use super::features::reached;
use super::progress::{Line, Progress};
use super::reproduce::Violation;
use super::{Hunt, executed};
use crate::exit::Failure;
use crate::found::Found;
use crate::input::read_history;
use crate::output::say;
use crate::run::child::Ended;

/// After how many failures of the harness in a row the hunt gives up.
const MOST_FAILURES: u32 = 3;

/// Faults that ended so close to each other ended together.
const TOGETHER: Duration = Duration::from_millis(200);

/// What the jobs share.
struct Shared {
    progress: Progress,
    rng: ChaCha8Rng,
    /// How many runs were begun.
    begun: u64,
    /// How many failures there were in a row.
    failures: u32,
    /// How it ended.
    end: Option<Result<Violation, Failure>>,
}

impl Hunt<'_> {
    /// Runs until a violation or until the time is over.
    pub(super) fn search(&self, progress: Progress) -> Result<Option<Violation>, Failure> {
        let (start, before_s) = (Instant::now(), progress.hunted_s);
        let shared = Mutex::new(Shared {
            // Another stream for what comes after an interruption.
            rng: ChaCha8Rng::seed_from_u64(progress.seed ^ progress.runs << 32),
            begun: progress.runs,
            progress,
            failures: 0,
            end: None,
        });
        let jobs = self.args.jobs.map_or_else(default_jobs, usize::from);
        std::thread::scope(|scope| {
            for job in 0..jobs {
                let shared = &shared;
                scope.spawn(move || self.work(job, shared, start, before_s));
            }
        });
        let shared = shared.into_inner().unwrap_or_else(PoisonError::into_inner);
        let progress = &shared.progress;
        if !matches!(shared.end, Some(Ok(_))) {
            let kept = progress.lines.iter().filter(|line| line.kept.is_some()).count();
            let (seen, all) = progress.coverage(&self.pool);
            say!(
                "no violation in {}; {kept} reached much that was new and are kept; {seen} of {all} pairs of faults came \
                 together; see {}",
                plural(progress.runs, "run"),
                self.place.join("coverage.html").display()
            );
        }
        match shared.end {
            Some(Err(_)) if self.children.is_interrupted() => Err(anyhow!(
                "interrupted; go on with perjury hunt --resume {}",
                self.place.display()
            )
            .into()),
            Some(Err(error)) => Err(error),
            Some(Ok(violation)) => Ok(Some(violation)),
            None => Ok(None),
        }
    }

    /// One job: a run after the other.
    fn work(&self, job: usize, shared: &Mutex<Shared>, start: Instant, before_s: f64) {
        loop {
            let (draw, seed) = {
                let mut shared = lock(shared);
                if shared.end.is_some() || start.elapsed() >= self.args.time_limit {
                    return;
                }
                let number = shared.begun;
                shared.begun += 1;
                let Shared { progress, rng, .. } = &mut *shared;
                let draw = self.pool.draw(number, &progress.pairs(), &progress.kept, rng);
                (draw, rng.random::<u64>() >> 16)
            };
            let ran = self.run(&draw.faults, &draw.setting, job, seed);
            let mut shared = lock(shared);
            let ended = match ran {
                // What was cut short by the interrupt says nothing.
                Ok(_) if self.children.is_interrupted() => Err(anyhow!("interrupted").into()),
                Ok(ended) => {
                    let after = Duration::from_secs_f64(before_s) + start.elapsed();
                    self.count(&mut shared, draw, &ended, after)
                }
                Err(error) => Err(error),
            };
            match ended {
                Ok(None) => {}
                Ok(Some(violation)) => {
                    shared.end.get_or_insert(Ok(violation));
                }
                Err(error) => {
                    shared.end.get_or_insert(Err(error));
                }
            }
        }
    }

    /// Takes what came of a run; gives the violation that it shows.
    fn count(
        &self,
        shared: &mut Shared,
        draw: Draw,
        ended: &Ended,
        after: Duration,
    ) -> Result<Option<Violation>, Failure> {
        let progress = &mut shared.progress;
        progress.runs += 1;
        progress.hunted_s = after.as_secs_f64();
        let number = progress.runs;
        let mut line = Line {
            faults: match &draw.faults {
                Faults::Kinds(kinds, _) => kinds.join(", "),
                Faults::Schedule(schedule) => {
                    format!(
                        "a variation with {}",
                        plural(schedule.faults.len() as u64, "fault")
                    )
                }
            },
            setting: draw.setting.clone(),
            verdict: String::new(),
            new: 0,
            new_pairs: Vec::new(),
            kept: None,
        };
        let Some((results, run)) = ended.results.as_ref().zip(ended.run.as_ref()) else {
            shared.failures += 1;
            line.verdict = format!("not finished: {}", ended.message);
            say!(
                "run {number}: {} could not be finished: {}",
                line.faults,
                ended.message
            );
            progress.lines.push(line);
            progress.write(&self.place, &self.pool)?;
            return match shared.failures >= MOST_FAILURES {
                true => Err(anyhow!(
                    "the harness could not finish {MOST_FAILURES} runs in a row; see {}",
                    ended.place.display()
                )
                .into()),
                false => Ok(None),
            };
        };
        shared.failures = 0;
        let history = read_history(&run.join("history.jsonl"))?;
        let reached = reached(results, &history);
        (line.new, line.new_pairs) = progress.count(&reached);
        line.verdict = results.verdict.to_string();
        if results.verdict == Verdict::Invalid {
            line.kept = Some(self.relative(run));
            let found = Found::first(results).map(|found| Found {
                after_s: after.as_secs_f64(),
                ..found
            });
            say!(
                "run {number}: {}: {} after {} s",
                line.faults,
                found.as_ref().map_or("a violation", |found| &found.by),
                after.as_secs()
            );
            progress.lines.push(line);
            progress.found = progress.found.take().or(found);
            progress.write(&self.place, &self.pool)?;
            let executed = executed(run).map(|schedule| gone_on(schedule, self.args.run_time));
            let mut schedules: Vec<_> = executed.into_iter().collect();
            if let Faults::Schedule(drawn) = draw.faults {
                schedules.push(drawn);
            }
            return Ok(Some(Violation {
                schedules,
                setting: draw.setting,
                run: run.clone(),
            }));
        }
        self.keep_or_remove(progress, &mut line, draw, ended, run, reached.situations.len());
        progress.lines.push(line);
        progress.write(&self.place, &self.pool)?;
        Ok(None)
    }

    /// Keeps a run that reached much that was new, to be varied, and removes any other.
    fn keep_or_remove(
        &self,
        progress: &mut Progress,
        line: &mut Line,
        draw: Draw,
        ended: &Ended,
        run: &Path,
        situations: usize,
    ) {
        let is_kept = progress.is_worth_keeping(line.new);
        let (seen, all) = progress.coverage(&self.pool);
        say!(
            "run {}: {}: {}; {} of {situations} situations are new; {seen} of {all} pairs were seen{}",
            progress.runs,
            line.faults,
            line.verdict,
            line.new,
            if is_kept { "; kept" } else { "" }
        );
        if is_kept {
            line.kept = Some(self.relative(run));
            progress.kept.extend(executed(run).map(|schedule| Kept {
                schedule,
                setting: draw.setting,
            }));
        } else if let Err(error) = std::fs::remove_dir_all(&ended.place) {
            eprintln!("perjury: cannot remove {}: {error}", ended.place.display());
        }
    }

    /// A run directory, as the page refers to it.
    fn relative(&self, run: &Path) -> String {
        run.strip_prefix(&self.place).unwrap_or(run).display().to_string()
    }
}

/// A schedule that a violation cut short, with the faults that it ended going on to the end of a run.
fn gone_on(mut schedule: Schedule, run_time: Duration) -> Schedule {
    let end = |fault: &Scheduled| fault.at + fault.lasts;
    let last = schedule.faults.iter().map(end).max().unwrap_or_default();
    for fault in &mut schedule.faults {
        if end(fault) + TOGETHER >= last {
            fault.lasts = fault.lasts.max(run_time.saturating_sub(fault.at));
        }
    }
    schedule
}

/// How many runs there are at a time: each keeps about two processors busy.
fn default_jobs() -> usize {
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    (processors / 2).clamp(1, 8)
}

fn lock(shared: &Mutex<Shared>) -> MutexGuard<'_, Shared> {
    // A job that panicked ends the scope with a panic of its own.
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}
