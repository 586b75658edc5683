//! `perjury hunt`: many short runs with different faults each time, until one shows a violation; then the
//! fewest faults that show it.
//!
//! ```text
//!  draw        kinds of faults that were never together, or a variation of a run that was kept
//!  (a run)     a child process, `perjury test …`; several at a time where there are processors for it
//!  features    what the run reached: roles, pairs, how far nodes fell behind, errors
//!  progress    how far the hunt has come; which runs are kept; the page of pairs
//!  reproduce   after a violation: tried again, and shrunk to what is needed
//!  shrink      which simpler schedules there are
//! ```
//!
//! Invariants:
//! - Each run is a child process, as if the user had started it: the command that is printed shows the
//!   violation again.
//! - Runs that reached little that was new are removed; those that reached most, and every violation, are
//!   kept.
//! - What is drawn comes from one seed, and from what was reached; what happens in the runs does not.
//! - A hunt that was interrupted can go on: all that it knows is in its directory.

mod draw;
mod features;
mod progress;
mod reproduce;
mod search;
mod shrink;

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use checker::Verdict;
use control::{EnvChoice, EnvKind, can};
use nemeses::Schedule;

use crate::cli::{Command, HuntArgs, TestArgs};
use crate::exit::{CommandResult, Done, Failure, USAGE};
use crate::output::say;
use crate::plan::{Plan, flags, unknown};
use crate::run::child::{Children, Ended};
use crate::run::directory;
use draw::{Faults, Pool, Setting};
use progress::Progress;

/// How much longer a run may take than its clients are active: start, heal, the time to recover (twice, if
/// the last reads are repeated), final reads, judging.
const OVERHEAD: Duration = Duration::from_secs(270);
/// The workloads of a hunt, if the user names none, as often as they stand here. Locks are not among them:
/// what they promise depends on clocks, and is for a user to ask.
const WORKLOADS: [&str; 7] = [
    "register",
    "counter",
    "register",
    "set",
    "append",
    "counter",
    "exactly-once",
];

/// Hunts.
pub fn run(args: &HuntArgs) -> CommandResult {
    let (progress, place) = match &args.resume {
        Some(place) => (Progress::read(place)?, Some(place.clone())),
        None => {
            let seed = args.seed.unwrap_or_else(|| rand::random::<u64>() >> 16);
            (Progress::new(seed, args.test.clone(), args.nemesis.clone()), None)
        }
    };
    let test = parse(&progress.test)?;
    // A mistake in these flags is told before anything is made.
    Plan::new(test.clone())?;
    let pool = pool(args, progress.nemesis.as_deref(), &test)?;
    let hunt = Hunt {
        args,
        test: progress.test.clone(),
        place: match place {
            Some(place) => place,
            None => directory::make(&args.runs, "hunt")?,
        },
        children: Children::new()?,
        pool,
    };
    let seed = progress.seed;
    if let Some(found) = &progress.found {
        say!(
            "this hunt has found something already: {} after {:.0} s; see {}",
            found.by,
            found.after_s,
            hunt.place.join("coverage.html").display()
        );
        return Ok(Done::Judged(Verdict::Invalid));
    }
    say!("hunting with seed {seed} in {}", hunt.place.display());
    let Some(violation) = hunt.search(progress)? else {
        return Ok(Done::Fine);
    };
    say!("violation in {}", violation.run.display());
    if args.only_find {
        return Ok(Done::Judged(Verdict::Invalid));
    }
    match hunt.reproduce(&violation, seed) {
        // The violation counts, although the search for its fewest faults was interrupted.
        Err(_) if hunt.children.is_interrupted() => {
            say!("interrupted; its faults can be replayed with");
            say!("perjury test --replay {}", violation.run.display());
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
    if test.given.iter().any(|flag| flag.id == "runs") {
        return Err(Failure::Usage(
            "after `--`: --runs is the hunt's; write it before the `--`".into(),
        ));
    }
    if !test.endpoints.is_empty() {
        return Err(Failure::Usage(
            "after `--`: --endpoints has no meaning in a hunt, because it needs faults".into(),
        ));
    }
    Ok(*test)
}

/// What there is to draw from.
fn pool(args: &HuntArgs, list: Option<&str>, test: &TestArgs) -> Result<Pool, Failure> {
    let kind = match (test.env, control::netns::try_namespaces()) {
        (EnvChoice::Docker, _) => EnvKind::Docker,
        (EnvChoice::Ssh, _) => EnvKind::Ssh,
        (EnvChoice::Local, _) | (EnvChoice::Auto, Err(_)) => EnvKind::Local,
        _ => EnvKind::Netns,
    };
    let usage = |why: String| Failure::Usage(format!("--nemesis {}: {why}", list.unwrap_or_default()));
    let named = list.map(nemeses::parse).transpose().map_err(usage)?;
    let system = systems::find(&test.system);
    let can_be_had = |entry: &nemeses::Entry| {
        entry
            .needs
            .iter()
            .try_for_each(|need| match system.is_some_and(|system| system.lacks(*need)) {
                true => Err(format!(
                    "perjury does not know how to do that to `{}`",
                    test.system
                )),
                false => can(kind, *need),
            })
    };
    let mut kinds = Vec::new();
    for (name, targets) in named.iter().flatten() {
        let entry = nemeses::find(name)
            .ok_or_else(|| unknown("nemesis", name, nemeses::ALL.iter().map(|entry| entry.name)))?;
        can_be_had(entry).map_err(|why| usage(format!("{name}: {why}")))?;
        kinds.push((entry, targets.clone()));
    }
    if named.is_none() {
        let all = nemeses::ALL.iter().filter(|entry| can_be_had(entry).is_ok());
        kinds.extend(all.map(|entry| (entry, Vec::new())));
    }
    let nodes = usize::from(test.nodes);
    kinds.retain(|(entry, _)| entry.targets.drawable(nodes).next().is_some());
    if kinds.is_empty() {
        return Err(Failure::Usage(
            "no nemesis works here; see `perjury doctor`".into(),
        ));
    }
    let is_given = |id: &str| test.given.iter().any(|flag| flag.id == id);
    let suits = |name: &&str| {
        let found = workloads::find(name);
        system.zip(found).is_some_and(|(system, workload)| {
            let made = (workload.make)(&workloads::WorkloadOptions::default());
            system.objects.contains(&made.object)
        })
    };
    Ok(Pool {
        kinds: kinds
            .into_iter()
            .map(|(entry, targets)| match targets.is_empty() {
                true => (
                    entry.name,
                    entry.targets.drawable(nodes).map(str::to_owned).collect(),
                ),
                false => (entry.name, targets),
            })
            .collect(),
        named: named.into_iter().flatten().collect(),
        workloads: match is_given("workload") {
            true => Vec::new(),
            false => WORKLOADS.into_iter().filter(suits).collect(),
        },
        any_nodes: !is_given("nodes") && matches!(kind, EnvKind::Netns | EnvKind::Local),
        nodes: test.nodes,
        any_concurrency: !is_given("concurrency"),
        run_time: args.run_time,
    })
}

struct Hunt<'a> {
    args: &'a HuntArgs,
    /// The flags of every run.
    test: Vec<String>,
    /// Where its runs and schedules are.
    place: PathBuf,
    children: Children,
    pool: Pool,
}

impl Hunt<'_> {
    /// The arguments after `perjury test` of a run with these faults.
    fn test_arguments(&self, faults: &[(&str, String)], setting: &Setting) -> Vec<String> {
        let mut own = faults.to_vec();
        own.push(("time-limit", flags::time(self.args.run_time)));
        own.extend(setting.workload.clone().map(|workload| ("workload", workload)));
        own.extend(setting.nodes.map(|nodes| ("nodes", nodes.to_string())));
        own.extend((setting.concurrency.clone()).map(|count| ("concurrency", count)));
        flags::with(self.test.clone(), &own)
    }

    /// One run, in a child process; `job` tells those that run at a time apart.
    fn run(&self, faults: &Faults, setting: &Setting, job: usize, seed: u64) -> Result<Ended, Failure> {
        let faults = match faults {
            Faults::Kinds(kinds, interval_ms) => vec![
                ("nemesis", self.pool.list(kinds)),
                ("fault-interval", format!("{interval_ms}ms")),
            ],
            Faults::Schedule(schedule) => {
                let file = self.place.join(format!("schedule-{job}.toml"));
                std::fs::write(&file, schedule.to_toml())
                    .with_context(|| format!("cannot write {}", file.display()))?;
                vec![("schedule", file.display().to_string())]
            }
        };
        let mut arguments = vec!["test".to_owned()];
        let own = flags::with(
            self.test_arguments(&faults, setting),
            &[("seed", seed.to_string())],
        );
        arguments.extend(own);
        arguments.push("--stop-on-violation".to_owned());
        let limit = self.args.run_time + OVERHEAD;
        let ended = self.children.run(&arguments, &self.place, limit)?;
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
