//! After a violation: the fewest and shortest faults that show it again.

use std::path::Path;
use std::time::Instant;

use anyhow::Context;
use checker::Verdict;
use history::units::plural;
use nemeses::Schedule;

use super::draw::{Faults, Setting};
use super::{Hunt, shrink};
use crate::exit::Failure;
use crate::output::say;

/// How often a simpler schedule must show the violation to take the place of the one before, and in how many
/// tries: one that shows it now and then is of little use to anyone who looks for the bug.
const MUST_SHOW: u32 = 2;
const TRIES: u32 = 3;
/// How often the smallest schedule is run at the end, to say how often it shows the violation.
const LAST_RUNS: u32 = 5;

/// A violation that a hunt has found.
pub(super) struct Violation {
    /// The faults that there really were, and those that were drawn if they were drawn one by one.
    pub schedules: Vec<Schedule>,
    /// In what setting.
    pub setting: Setting,
    /// The run directory.
    pub run: std::path::PathBuf,
}

impl Hunt<'_> {
    /// Finds the fewest faults that show the violation of `run` again, and prints them and the command that
    /// does it.
    pub(super) fn reproduce(&self, violation: &Violation, seed: u64) -> Result<(), Failure> {
        let Violation { run, setting, .. } = violation;
        let Some(schedule) = self.again(violation, seed)? else {
            say!(
                "its faults did not show it again, so none of them can be left out; {} says what they did to which node",
                run.join("report.html").display()
            );
            say!("perjury test --replay {}", run.display());
            return Ok(());
        };
        let smallest = self.shrink(schedule, setting, seed)?;
        let file = self.place.join("smallest.toml");
        std::fs::write(&file, smallest.to_toml())
            .with_context(|| format!("cannot write {}", file.display()))?;
        say!("counting how often it shows in {LAST_RUNS} runs");
        let mut shown = 0;
        for n in 0..LAST_RUNS {
            shown += u32::from(self.shows(&smallest, setting, seed.wrapping_add(u64::from(n)))?);
        }
        match smallest.faults.len() {
            _ if shown == 0 => {
                say!("it did not show in {LAST_RUNS} further runs, but showed before with these faults:");
            }
            1 => say!("one fault is enough; it shows the violation in {shown} of {LAST_RUNS} runs:"),
            count => {
                say!("{count} faults are enough; they show the violation in {shown} of {LAST_RUNS} runs:")
            }
        }
        say!("{}", smallest.to_toml().trim_end());
        say!("perjury test {}", self.arguments(&file, setting).join(" "));
        Ok(())
    }

    /// The schedule that shows the violation more often, if any shows it at all. On the same nodes the leader
    /// may be another one this time; where nodes are drawn again, the nodes may be others.
    fn again(&self, violation: &Violation, seed: u64) -> Result<Option<Schedule>, Failure> {
        let mut best = (0, None);
        for schedule in &violation.schedules {
            let mut shown = 0;
            for n in 0..TRIES {
                shown +=
                    u32::from(self.shows(schedule, &violation.setting, seed.wrapping_add(u64::from(n)))?);
            }
            say!(
                "with {}: the violation shows again in {shown} of {TRIES} runs",
                plural(schedule.faults.len() as u64, "fault")
            );
            if shown > best.0 {
                best = (shown, Some(schedule.clone()));
            }
            if shown == TRIES {
                break;
            }
        }
        Ok(best.1)
    }

    /// The fewest and shortest faults that show a violation, as far as --shrink-limit allows.
    fn shrink(&self, mut schedule: Schedule, setting: &Setting, seed: u64) -> Result<Schedule, Failure> {
        let start = Instant::now();
        let mut tried: Vec<Schedule> = Vec::new();
        'smaller: loop {
            for simpler in shrink::simpler(&schedule) {
                if tried.contains(&simpler) {
                    continue;
                }
                let (mut shown, mut not_shown) = (0, 0);
                say!(
                    "shrinking: trying {} ({} s of {} s)",
                    plural(simpler.faults.len() as u64, "fault"),
                    start.elapsed().as_secs(),
                    self.args.shrink_limit.as_secs()
                );
                while shown < MUST_SHOW && not_shown <= TRIES - MUST_SHOW {
                    if start.elapsed() > self.args.shrink_limit {
                        say!("shrinking ends: --shrink-limit is reached");
                        return Ok(schedule);
                    }
                    match self.shows(&simpler, setting, seed.wrapping_add(u64::from(shown + not_shown)))? {
                        true => shown += 1,
                        false => not_shown += 1,
                    }
                }
                if shown == MUST_SHOW {
                    let lasts: f64 = simpler.faults.iter().map(|fault| fault.lasts.as_secs_f64()).sum();
                    say!(
                        "shrunk to {}, {lasts:.1} s in all",
                        plural(simpler.faults.len() as u64, "fault")
                    );
                    schedule = simpler;
                    continue 'smaller;
                }
                tried.push(simpler);
            }
            return Ok(schedule);
        }
    }

    /// Whether a run with this schedule shows a violation. Nothing of the run is kept.
    fn shows(&self, schedule: &Schedule, setting: &Setting, seed: u64) -> Result<bool, Failure> {
        let ran = self.run(&Faults::Schedule(schedule.clone()), setting, 0, seed)?;
        let _ = std::fs::remove_dir_all(&ran.place);
        Ok(ran.verdict() == Some(Verdict::Invalid))
    }

    /// The arguments after `perjury test` of a run with this schedule.
    fn arguments(&self, schedule: &Path, setting: &Setting) -> Vec<String> {
        let faults = [("schedule", schedule.display().to_string())];
        self.test_arguments(&faults, setting)
    }
}
