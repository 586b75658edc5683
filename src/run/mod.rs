//! One run: from a plan to a verdict. [`perform`] is its story; the files beside it are its parts.
//!
//! ```text
//!  directory     makes the run directory          interrupts    SIGINT and SIGTERM: early, then at once
//!  record        what test.json says              child         a run in its own process (hunt, test-all)
//!  phases        start, main phase, heal, last reads
//!  recovery      whether the store comes back          probe         last reads that nobody answers, again
//!
//!             ┌──────── Dispatcher (one lock) ────────┐
//!  worker 0 ──┤ completion → journal, generator.update│
//!  worker 1 ──┤ generator.next → stamp → journal      ├──► journal thread ──► history.jsonl
//!  nemesis  ──┤ live counts                           │        └► online_check (--stop-on-violation)
//!             └───────────────────────────────────────┘
//!  beside them: progress (the line on the terminal), store_watch (who leads, what crashed, …)
//! ```
//!
//! Workers *pull*: a free worker goes to the dispatcher, hands in the completion of its last operation and
//! takes the next one, all under one lock. No message has to wake any task, so an operation costs one lock
//! and no context switch.
//!
//! Invariants:
//! - Stamps are taken under the lock, so the order of the journal is the order of time. An invocation is
//!   stamped and queued for the journal before its request is sent; a completion after its answer is read.
//! - The journal's lines are written in that order by one thread: whatever is on disk is a prefix of the run.
//! - A process that gets `info` is retired: its worker goes on under a new number with a new connection.
//! - No operation that the generator handed out is lost: it is invoked, and it ends.
//! - Whatever goes wrong after the environment was opened, it is torn down before [`perform`] returns.
//! - The run directory holds the plan before the cluster starts, and the journal what happened up to the last
//!   millisecond: a controller that dies leaves a run that can be checked.

pub mod child;
mod connect;
pub mod directory;
mod dispatcher;
pub mod interrupts;
mod journal;
mod online_check;
mod phases;
mod probe;
mod progress;
mod record;
mod recovery;
mod runtime;
mod store_watch;
#[cfg(test)]
mod tests;
mod worker;

pub use connect::{Connect, SystemConnect};
pub use dispatcher::{Dispatcher, Totals};
pub use journal::Journal;
pub use online_check::{Feed, Shared as Watched, Watcher};
pub use progress::show_progress;
pub use recovery::Recovery;
pub use runtime::{Runtime, TokioRuntime};
pub use store_watch::StoreWatch;
pub use worker::{Breaking, RULES, Runner};

use std::collections::BTreeSet;
use std::sync::{Arc, OnceLock};

use anyhow::{Context, anyhow};
use checker::Verdict;
use control::{Ability, EnvKind, Environment, OpenOptions, Resolved, can, resolve};
use history::{History, RunDir};
use nemeses::Schedule;
use reports::Results;

use crate::exit::{CommandResult, Done, Failure};
use crate::input::read_history;
use crate::judging::judge;
use crate::output::{command, say};
use crate::plan::Plan;
use crate::{github, process};
use interrupts::{interrupted, unless_aborted, watch_interrupts};
use phases::Test;

/// Carries out a plan: prepares, opens the environment, runs the test, tears down, judges, reports.
pub fn perform(plan: &Plan) -> CommandResult {
    let runs = &plan.args.runs;
    // Outside of our own namespaces, where the process numbers of earlier runs still mean something.
    directory::heal_all(runs)?;
    let place = place(plan)?;
    // Refused here rather than inside: a nemesis that this environment cannot do.
    let (planned, _) = plan.nemeses_in(place.kind, |need| can(place.kind, need))?;
    let needs = planned.iter().flat_map(|planned| planned.entry.needs);
    let abilities: BTreeSet<Ability> = needs.copied().collect();
    // Tested here: within a user namespace every user is root over their own files.
    directory::make_writable(runs)?;
    if place.kind == EnvKind::Netns {
        // From here on this is another process, and the first one waits for its exit code.
        control::netns::enter()?;
    }
    process::block_on(async {
        let interrupts = watch_interrupts()?;
        let name = format!("{}-{}-{}", plan.args.system, plan.args.workload, plan.seed);
        let run = RunDir::new(directory::make(runs, &name)?);
        log_to(&run)?;
        let environment = open(plan, &place, abilities, &run)?;
        let test = Test {
            plan,
            run: &run,
            environment: environment.clone(),
            interrupts: interrupts.clone(),
            violation: OnceLock::new(),
            db: OnceLock::new(),
        };
        let ran = unless_aborted(interrupts, test.run()).await;
        test.fetch_logs().await;
        let torn_down = environment.tear_down().await.map_err(Failure::from);
        let Some(ran) = ran else {
            return Err(interrupted());
        };
        let error = ran.and(torn_down).err();
        if !plan.args.keep_data
            && let Ok(record) = run.read_test()
        {
            directory::remove_data(&run, &record);
        }
        if !run.history().is_file() {
            // What the nodes cannot do showed only when they were there: nothing was begun.
            if let Some(Failure::Usage(_)) = &error {
                directory::remove(&run);
            }
            return Err(error.unwrap_or_else(interrupted));
        }
        // A store that lies and then falls over has lied: whatever went wrong later, the journal is judged.
        let results = report(&run)?;
        if let Some(violation) = test.violation.get()
            && results.verdict != Verdict::Invalid
        {
            return Err(Failure::Harness(anyhow!(
                "a violation showed during the run, but judging the whole history did not confirm it: {}",
                violation.plain()
            )));
        }
        match error {
            Some(error) if results.verdict == Verdict::Invalid => {
                eprintln!("perjury: the run did not end well either: {error}");
                Ok(Done::Judged(results.verdict))
            }
            Some(error) => Err(error),
            None => Ok(Done::Judged(results.verdict)),
        }
    })
}

/// The kind of environment that the plan's nodes get.
fn place(plan: &Plan) -> Result<Resolved, Failure> {
    if plan.options.endpoints.is_empty() {
        return Ok(resolve(plan.args.env, &control::netns::try_namespaces())?);
    }
    Ok(Resolved {
        kind: match plan.hosts.is_empty() {
            true => EnvKind::External,
            false => EnvKind::Reached,
        },
        lost: Vec::new(),
    })
}

/// Opens the environment; a run directory in which nothing could begin is removed again.
fn open(
    plan: &Plan,
    place: &Resolved,
    abilities: BTreeSet<Ability>,
    run: &RunDir,
) -> Result<Arc<dyn Environment>, Failure> {
    let options = OpenOptions {
        links: plan.args.links,
        seed: plan.seed,
        abilities,
        image: plan.args.image.clone(),
        hosts: plan.hosts.clone(),
        lost: place.lost.clone(),
        ..OpenOptions::new(plan.nodes(), run.root())
    };
    let opened = control::open(place.kind, &options).inspect_err(|_| {
        // But the undo log stays if something could not be undone.
        if !control::has_something_to_undo(run.root()) {
            directory::remove(run);
        }
    });
    Ok(opened?)
}

/// Judges what the journal holds, and writes and prints the reports.
fn report(run: &RunDir) -> Result<Results, Failure> {
    let record = run.read_test()?;
    let history = read_history(&run.history())?;
    let analysis = judge(&record, &history)?;
    let results = reports::write_all(run, &record, &history, &analysis)?;
    write_schedule(run, &history)?;
    github::add_to_step_summary(&run.summary());
    say!("{}", reports::summary_text(&results).trim_end());
    say!("report: {}", run.report().display());
    if let Some(annotation) = github::annotation(&results) {
        command(&annotation);
    }
    Ok(results)
}

/// Writes down the faults that there really were, to be edited and run again.
fn write_schedule(run: &RunDir, history: &History) -> anyhow::Result<()> {
    let schedule = Schedule::recorded(history);
    if schedule.faults.is_empty() {
        return Ok(());
    }
    let path = run.schedule();
    std::fs::write(&path, schedule.to_toml()).with_context(|| format!("cannot write {}", path.display()))
}

/// Sends the controller's log to `perjury.log`.
fn log_to(run: &RunDir) -> anyhow::Result<()> {
    let path = run.log();
    let file = std::fs::File::create(&path).with_context(|| format!("cannot create {}", path.display()))?;
    process::log_to(std::sync::Mutex::new(file));
    Ok(())
}
