//! `perjury hunt`: many short runs with different faults each time, until one shows a violation; then the
//! fewest faults that show it.
//!
//! ```text
//!  mix        a schedule: new, or a variation of one that reached something new
//!  (a run)    a child process, `perjury test … --schedule FILE`
//!  features   what the run reached: role × fault, errors, elections; what is new is kept
//!  shrink     after a violation: which faults can be left out or shortened, tried by running again
//! ```
//!
//! Invariants:
//! - Each run is a child process, as if the user had started it: the command that is printed shows the
//!   violation again.
//! - Runs that reached nothing new are removed; those that did, and every violation, are kept.
//! - The schedules and the seeds of the runs come from one seed; what happens in the runs does not.

mod features;
mod mix;
mod shrink;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow};
use checker::Verdict;
use control::{EnvChoice, EnvKind, can};
use nemeses::{ByDefault, Schedule};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use history::units::plural;

use crate::cli::{Command, HuntArgs, TestArgs};
use crate::exit::{CommandResult, Done, Failure, USAGE};
use crate::found::{Found, Hunted};
use crate::output::say;
use crate::plan::{Plan, flags};
use crate::run::child::{Children, Ended};
use crate::run::directory;
use features::features;
use mix::{Mix, Pool};

/// How much longer a run may take than its clients are active: start, heal, the time to recover (twice, if
/// the last reads are repeated), final reads, judging.
const OVERHEAD: Duration = Duration::from_secs(270);
/// After how many failures of the harness in a row the hunt gives up.
const MOST_FAILURES: u32 = 3;
/// How often a simpler schedule must show the violation to take the place of the one before, and in how many
/// tries: one that shows it now and then is of little use to anyone who looks for the bug.
const MUST_SHOW: u32 = 2;
const TRIES: u32 = 3;
/// How often the smallest schedule is run at the end, to say how often it shows the violation.
const LAST_RUNS: u32 = 5;

/// Hunts.
pub fn run(args: &HuntArgs) -> CommandResult {
    let test = parse(&args.test)?;
    // A mistake in these flags is told before anything is made.
    Plan::new(test.clone())?;
    let pool = pool(args, &test)?;
    let seed = args.seed.unwrap_or_else(|| rand::random::<u64>() >> 16);
    let hunt = Hunt {
        args,
        place: directory::make(&args.runs, "hunt")?,
        children: Children::new()?,
    };
    say!("hunting with seed {seed} in {}", hunt.place.display());
    let Some((schedules, run)) = hunt.search(Mix::new(pool, args.run_time, seed), seed)? else {
        return Ok(Done::Fine);
    };
    say!("violation in {}", run.display());
    if args.only_find {
        return Ok(Done::Judged(Verdict::Invalid));
    }
    match hunt.reproduce(schedules, &run, seed) {
        // The violation counts, although the search for its fewest faults was interrupted.
        Err(_) if hunt.children.is_interrupted() => {
            say!("interrupted; its faults can be replayed with");
            say!("perjury test --replay {}", run.display());
        }
        reproduced => reproduced?,
    }
    Ok(Done::Judged(Verdict::Invalid))
}

/// The flags of the runs, which say what there is to aim at.
fn parse(arguments: &[String]) -> Result<TestArgs, Failure> {
    let line = ["perjury", "test"]
        .into_iter()
        .chain(arguments.iter().map(String::as_str));
    let cli = flags::parse(line)
        .map_err(|error| Failure::Usage(format!("after `--`: {}", flags::first_line(&error))))?;
    let Command::Test(test) = cli.command else {
        return Err(Failure::Usage(
            "after `--` come the flags of `perjury test`".into(),
        ));
    };
    if test.nemesis.is_some() || test.schedule.is_some() || test.replay.is_some() {
        return Err(Failure::Usage(
            "after `--`: the hunt chooses the faults itself; name nemeses with --nemesis before the `--`"
                .into(),
        ));
    }
    if !test.endpoints.is_empty() {
        return Err(Failure::Usage(
            "after `--`: --endpoints has no meaning in a hunt, because it needs faults".into(),
        ));
    }
    Ok(*test)
}

/// The faults that can be drawn, each with its targets.
fn pool(args: &HuntArgs, test: &TestArgs) -> Result<Pool, Failure> {
    let kind = match (test.env, control::netns::try_namespaces()) {
        (EnvChoice::Docker, _) => EnvKind::Docker,
        (EnvChoice::Ssh, _) => EnvKind::Ssh,
        (EnvChoice::Local, _) | (EnvChoice::Auto, Err(_)) => EnvKind::Local,
        _ => EnvKind::Netns,
    };
    let named: Vec<&str> = args.nemesis.iter().flat_map(|list| list.split(',')).collect();
    let mut pool = Pool::default();
    for entry in nemeses::ALL {
        let can_be_had = entry.needs.iter().try_for_each(|&need| can(kind, need));
        match (named.contains(&entry.name), can_be_had) {
            (true, Err(why)) => return Err(Failure::Usage(format!("--nemesis {}: {why}", entry.name))),
            (true, Ok(())) => {}
            (false, Ok(())) if named.is_empty() && entry.by_default != ByDefault::Nowhere => {}
            (false, _) => continue,
        }
        let targets = entry.targets.drawable(usize::from(test.nodes));
        pool.add(entry.name, targets.map(str::to_owned).collect());
    }
    if let Some(unknown) = named.iter().find(|name| nemeses::find(name).is_none()) {
        return Err(Failure::Usage(format!(
            "there is no nemesis `{unknown}`; see `perjury list`"
        )));
    }
    match pool.is_empty() {
        true => Err(Failure::Usage(
            "no nemesis works here; see `perjury doctor`".into(),
        )),
        false => Ok(pool),
    }
}

struct Hunt<'a> {
    args: &'a HuntArgs,
    /// Where its runs and schedules are.
    place: PathBuf,
    children: Children,
}

impl Hunt<'_> {
    /// Runs until a violation or until the time is over; returns the faults that really happened, those that
    /// were drawn, and the run.
    fn search(&self, mut mix: Mix, seed: u64) -> Result<Option<([Schedule; 2], PathBuf)>, Failure> {
        let start = Instant::now();
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut known: BTreeSet<String> = BTreeSet::new();
        let (mut runs, mut kept, mut failures) = (0, 0, 0);
        while start.elapsed() < self.args.time_limit {
            let schedule = mix.next();
            let ran = self.run(&schedule, rng.random::<u64>() >> 16)?;
            runs += 1;
            let Some(results) = &ran.results else {
                failures += 1;
                if failures >= MOST_FAILURES {
                    return Err(anyhow!(
                        "the harness could not finish {failures} runs in a row; see {}",
                        ran.place.display()
                    )
                    .into());
                }
                continue;
            };
            failures = 0;
            if results.verdict == Verdict::Invalid {
                say!("run {runs}: a violation after {} s", start.elapsed().as_secs());
                let found = Found::first(results).map(|found| Found {
                    after_s: start.elapsed().as_secs_f64(),
                    ..found
                });
                Hunted { runs, found }.write(&self.place)?;
                let run = ran.run.unwrap_or(ran.place);
                let executed = executed(&run).unwrap_or_else(|| schedule.clone());
                return Ok(Some(([executed, schedule], run)));
            }
            let reached = features(results);
            let new = reached.difference(&known).count();
            say!(
                "run {runs}: {}, {}; {new} of the {} situations it reached are new",
                results.verdict,
                plural(schedule.faults.len() as u64, "fault"),
                reached.len()
            );
            if new > 0 {
                kept += 1;
                known.extend(reached);
                mix.keep(schedule);
            } else if let Err(error) = std::fs::remove_dir_all(&ran.place) {
                eprintln!("perjury: cannot remove {}: {error}", ran.place.display());
            }
        }
        Hunted { runs, found: None }.write(&self.place)?;
        say!(
            "no violation in {runs} runs; {kept} reached something new and are kept, {} situations in all",
            known.len()
        );
        Ok(None)
    }

    /// Finds the fewest faults that show the violation of `run` again, and prints them and the command that
    /// does it.
    fn reproduce(&self, schedules: [Schedule; 2], run: &Path, seed: u64) -> Result<(), Failure> {
        let Some(schedule) = self.again(schedules, seed)? else {
            say!(
                "its faults did not show it again, so none of them can be left out; {} says what they did to which node",
                run.join("report.html").display()
            );
            say!("perjury test --replay {}", run.display());
            return Ok(());
        };
        let smallest = self.shrink(schedule, seed)?;
        let file = self.place.join("smallest.toml");
        std::fs::write(&file, smallest.to_toml())
            .with_context(|| format!("cannot write {}", file.display()))?;
        say!("counting how often it shows in {LAST_RUNS} runs");
        let mut shown = 0;
        for n in 0..LAST_RUNS {
            let ended = self.run(&smallest, seed.wrapping_add(u64::from(n)))?;
            shown += u32::from(ended.verdict() == Some(Verdict::Invalid));
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
        say!("perjury test {}", self.arguments(&file).join(" "));
        Ok(())
    }

    /// The schedule that shows the violation more often, if any shows it at all. On the same nodes the leader
    /// may be another one this time; where nodes are drawn again, the nodes may be others.
    fn again(&self, schedules: [Schedule; 2], seed: u64) -> Result<Option<Schedule>, Failure> {
        let mut best = (0, None);
        for schedule in schedules {
            let mut shown = 0;
            for n in 0..TRIES {
                shown += u32::from(self.shows(&schedule, seed.wrapping_add(u64::from(n)))?);
            }
            say!(
                "with {}: the violation shows again in {shown} of {TRIES} runs",
                plural(schedule.faults.len() as u64, "fault")
            );
            if shown > best.0 {
                best = (shown, Some(schedule));
            }
            if shown == TRIES {
                break;
            }
        }
        Ok(best.1)
    }

    /// The fewest and shortest faults that show a violation, as far as --shrink-limit allows.
    fn shrink(&self, mut schedule: Schedule, seed: u64) -> Result<Schedule, Failure> {
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
                    match self.shows(&simpler, seed.wrapping_add(u64::from(shown + not_shown)))? {
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
    fn shows(&self, schedule: &Schedule, seed: u64) -> Result<bool, Failure> {
        let ran = self.run(schedule, seed)?;
        let _ = std::fs::remove_dir_all(&ran.place);
        Ok(ran.verdict() == Some(Verdict::Invalid))
    }

    /// The arguments after `perjury test` of a run with this schedule.
    fn arguments(&self, schedule: &Path) -> Vec<String> {
        let own = [
            ("schedule", schedule.display().to_string()),
            ("time-limit", flags::time(self.args.run_time)),
        ];
        flags::with(self.args.test.clone(), &own)
    }

    /// One run, in a child process.
    fn run(&self, schedule: &Schedule, seed: u64) -> Result<Ended, Failure> {
        let file = self.place.join("schedule.toml");
        std::fs::write(&file, schedule.to_toml())
            .with_context(|| format!("cannot write {}", file.display()))?;
        let mut arguments = vec!["test".to_owned()];
        arguments.extend(flags::with(self.arguments(&file), &[("seed", seed.to_string())]));
        let ended = self
            .children
            .run(&arguments, &self.place, self.args.run_time + OVERHEAD)?;
        match ended.code {
            Some(USAGE) => Err(Failure::Usage(ended.message)),
            _ => Ok(ended),
        }
    }
}

/// The faults that a run really had.
fn executed(run: &Path) -> Option<Schedule> {
    let text = std::fs::read_to_string(run.join("schedule.toml")).ok()?;
    Schedule::parse(&text).ok()
}
