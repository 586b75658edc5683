//! From flags to a plan: everything about a test that can be checked before anything is started.
//!
//! Invariant: nothing here touches the world, so every mistake found here leaves nothing behind.

pub mod faults;
pub mod flags;
pub mod hosts;
pub mod replay_flags;
mod system_options;

use std::path::Path;
use std::time::Duration;

use control::{Ability, EnvChoice, EnvKind, LinkChoice, SshAccess, SystemOptions, can};
use history::tell::plain;
use history::units::plural;
use nemeses::{Planned, Schedule};
use workloads::WorkloadOptions;

use self::faults::FaultPlan;
use crate::cli::TestArgs;
use crate::exit::Failure;

/// A test that makes sense.
pub struct Plan {
    /// The flags.
    pub args: TestArgs,
    /// The system.
    pub system: &'static systems::Entry,
    /// The workload.
    pub workload: &'static workloads::Entry,
    /// The nemeses with their targets.
    pub faults: FaultPlan,
    /// When which fault comes, if that is not drawn.
    pub schedule: Option<Schedule>,
    /// Client threads.
    pub concurrency: usize,
    /// The seed of everything random.
    pub seed: u64,
    /// About how long a fault lasts.
    pub fault_interval: Duration,
    /// What is set for the system.
    pub options: SystemOptions,
    /// The hosts of the nodes, where they are hosts.
    pub hosts: Vec<SshAccess>,
}

/// The most client threads; each holds a connection and its buffers.
const MOST_CLIENTS: usize = 10_000;

impl Plan {
    /// Checks the flags against the lists and against each other.
    pub fn new(args: TestArgs) -> Result<Plan, Failure> {
        let system = systems::find(&args.system)
            .ok_or_else(|| unknown("system", &args.system, systems::ALL.iter().map(|e| e.name)))?;
        let workload = workloads::find(&args.workload)
            .ok_or_else(|| unknown("workload", &args.workload, workloads::ALL.iter().map(|e| e.name)))?;
        if let Some(bug) = &args.bug {
            let bugs = (system.bugs)();
            if bugs.is_empty() {
                return Err(Failure::Usage(format!(
                    "--bug {bug}: `{}` has no planted bugs; only the bundled cluster has",
                    system.name
                )));
            }
            let is_known = |bug: &&str| bugs.iter().any(|known| known.name == *bug);
            if let Some(bug) = bug.split(',').find(|bug| !is_known(bug)) {
                return Err(unknown("planted bug", bug, bugs.iter().map(|known| known.name)));
            }
        }
        check_workload(&args, system, workload)?;
        let mut options = system_options::system_options(&args, system)?;
        let hosts = hosts::of_test(&args)?;
        check_env(&args, system)?;
        let nodes = node_count(&args, &options, &hosts);
        let mut schedule = match (&args.schedule, &args.replay) {
            (Some(file), _) => Some(read_schedule(file)?),
            (None, Some(run)) => Some(replay_flags::schedule(run)?),
            (None, None) => None,
        };
        let mut left_out = None;
        if let Some(schedule) = &mut schedule {
            match args.replay {
                Some(_) => left_out = cut_off(&args, schedule),
                None => check_times(&args, schedule)?,
            }
        }
        let seed = args.seed.unwrap_or_else(|| rand::random::<u64>() >> 16);
        let fault_interval = args.fault_interval.unwrap_or(system.fault_interval);
        let list = args.nemesis.as_deref();
        let mut faults = match (&schedule, !options.endpoints.is_empty(), hosts.is_empty()) {
            (Some(schedule), true, true) => system_options::no_nemeses(schedule.nemeses().first().copied())?,
            (Some(schedule), _, _) => FaultPlan::of_schedule(schedule, nodes)?,
            (None, true, true) => system_options::no_nemeses(list)?,
            // A cluster that perjury did not start suffers only the faults that the user names.
            (None, true, false) => {
                let named = list.unwrap_or("none");
                FaultPlan::new(Some(named), system, nodes, fault_interval, seed)?
            }
            (None, false, _) => FaultPlan::new(list, system, nodes, fault_interval, seed)?,
        };
        faults.left_out.extend(left_out);
        if args.env == EnvChoice::Local && args.links != LinkChoice::Auto {
            return Err(Failure::Usage(
                "--links has no meaning with --env local: there are no links to cut; drop one of the two"
                    .into(),
            ));
        }
        options.seed = seed;
        let concurrency = parse_concurrency(&args.concurrency, nodes)?;
        if let Some(rate) = args.rate
            && !(rate.is_finite() && rate > 0.0)
        {
            return Err(Failure::Usage(format!(
                "--rate {rate}: give more than 0 operations a second"
            )));
        }
        if args.ops == Some(0) {
            return Err(Failure::Usage(
                "--ops 0: a test needs at least one operation".into(),
            ));
        }
        if args.time_limit > Duration::from_secs(7 * 24 * 3600) {
            return Err(Failure::Usage("--time-limit: at most a week".into()));
        }
        for entry in faults.entries() {
            if entry.needs.iter().any(|need| system.lacks(*need)) {
                return Err(Failure::Usage(format!(
                    "the nemesis `{}`: perjury does not know how to do that to `{}`",
                    entry.name, system.name
                )));
            }
        }
        let plan = Plan {
            args,
            system,
            workload,
            faults,
            schedule,
            concurrency,
            seed,
            fault_interval,
            options,
            hosts,
        };
        if plan.args.env == EnvChoice::Local {
            // Known already; what another environment can do shows only when it is opened.
            plan.nemeses_in(EnvKind::Local, |need| can(EnvKind::Local, need))?;
        }
        Ok(plan)
    }

    /// The number of nodes.
    pub fn nodes(&self) -> usize {
        node_count(&self.args, &self.options, &self.hosts)
    }

    /// The nemeses that this environment can do (`can` says what), and a line for each that is left out.
    ///
    /// # Errors
    /// When it cannot do one that the user named.
    pub fn nemeses_in(
        &self,
        kind: EnvKind,
        can: impl Fn(Ability) -> Result<(), String>,
    ) -> Result<(Vec<Planned>, Vec<String>), Failure> {
        self.faults.in_environment(kind, |need| match (need, kind) {
            (Ability::Restart, EnvKind::Reached) if self.options.start_command.is_none() => Err(
                "perjury does not know how to start the store again; give --start-command (`true` if something else \
                 restarts it)"
                    .to_owned(),
            ),
            _ => can(need),
        })
    }

    /// The arguments that run this test again.
    pub fn command(&self) -> Vec<String> {
        let is_program_on_nodes = matches!(self.args.env, EnvChoice::Docker | EnvChoice::Ssh);
        flags::recorded(
            &self.args.given,
            &self.args.system,
            self.seed,
            &self.hosts,
            is_program_on_nodes,
        )
    }
}

/// Whether a system has the objects of a workload; `None` if there is no system or no workload of that name.
pub fn has_objects(system: &str, workload: &str) -> Option<bool> {
    let system = systems::find(system)?;
    let workload = (workloads::find(workload)?.make)(&WorkloadOptions::default());
    Some(system.objects.contains(&workload.object))
}

/// Refuses a workload whose objects the system does not have, or that cannot be judged while it runs although
/// it is to be.
fn check_workload(args: &TestArgs, system: &systems::Entry, entry: &workloads::Entry) -> Result<(), Failure> {
    // Only a workload that was made says which objects it needs.
    let workload = (entry.make)(&WorkloadOptions::default());
    if !system.objects.contains(&workload.object) {
        let known: Vec<&str> = system.objects.iter().map(|object| object.name()).collect();
        return Err(Failure::Usage(format!(
            "the workload `{}` needs a {}, which `{}` does not have; it has: {}",
            entry.name,
            workload.object,
            system.name,
            known.join(", ")
        )));
    }
    if args.stop_on_violation && workload.stream.is_none() {
        return Err(Failure::Usage(format!(
            "the workload `{}` cannot be judged while it runs; leave out --stop-on-violation",
            entry.name
        )));
    }
    Ok(())
}

/// How many nodes there are: those that are started, or those behind the endpoints.
fn node_count(args: &TestArgs, options: &SystemOptions, hosts: &[SshAccess]) -> usize {
    match (options.endpoints.len(), hosts.len()) {
        (0, 0) => usize::from(args.nodes),
        (0, hosts) => hosts,
        (endpoints, _) => endpoints,
    }
}

/// What containers and hosts need, and what has no meaning there.
fn check_env(args: &TestArgs, system: &systems::Entry) -> Result<(), Failure> {
    let elsewhere = matches!(args.env, EnvChoice::Docker | EnvChoice::Ssh);
    if elsewhere && args.links == LinkChoice::Switch {
        return Err(Failure::Usage(format!(
            "--links switch has no meaning with --env {}: links are cut by iptables there",
            args.env
        )));
    }
    match (args.env, &args.image) {
        (EnvChoice::Docker, None) if system.locate.is_some() => Err(Failure::Usage(format!(
            "--env docker: name an image that contains `{}` with --image; perjury's own contains only the bundled cluster",
            system.name
        ))),
        (EnvChoice::Docker, _) | (_, None) => Ok(()),
        (_, Some(_)) => Err(Failure::Usage(
            "--image has no meaning without --env docker".into(),
        )),
    }
}

fn read_schedule(file: &Path) -> Result<Schedule, Failure> {
    let mistake = |why: String| Failure::Usage(format!("--schedule {}: {why}", file.display()));
    let text = std::fs::read_to_string(file).map_err(|error| {
        mistake(format!(
            "cannot read it: {}; name a TOML file such as the schedule.toml of a run directory",
            plain(&error)
        ))
    })?;
    Schedule::parse(&text).map_err(mistake)
}

/// Leaves out of a replay the faults that come after its end; a line that says so.
fn cut_off(args: &TestArgs, schedule: &mut Schedule) -> Option<String> {
    let count = schedule.faults.len();
    schedule.faults.retain(|fault| fault.at < args.time_limit);
    let late = count - schedule.faults.len();
    (late > 0).then(|| {
        format!(
            "{} of the replayed run left out: the test ends before",
            plural(late as u64, "fault")
        )
    })
}

/// Refuses faults that would never come.
fn check_times(args: &TestArgs, schedule: &Schedule) -> Result<(), Failure> {
    let late = schedule.faults.iter().find(|fault| fault.at >= args.time_limit);
    late.map_or(Ok(()), |fault| {
        Err(Failure::Usage(format!(
            "the schedule's fault `{}:{}` begins at {} s, but the test ends after {} s; give a longer --time-limit, or \
             remove it",
            fault.nemesis,
            fault.target,
            fault.at.as_secs_f64(),
            args.time_limit.as_secs_f64()
        )))
    })
}

/// `12` or `2n`.
fn parse_concurrency(text: &str, nodes: usize) -> Result<usize, Failure> {
    let number = match text.strip_suffix('n') {
        Some("") => Some(nodes),
        Some(factor) => factor
            .parse::<usize>()
            .ok()
            .and_then(|factor| factor.checked_mul(nodes)),
        None => text.parse().ok(),
    };
    match number {
        Some(number) if (1..=MOST_CLIENTS).contains(&number) => Ok(number),
        _ => Err(Failure::Usage(format!(
            "--concurrency {text}: give a number from 1 to {MOST_CLIENTS}, or a multiple of the nodes such as `2n`"
        ))),
    }
}

pub fn unknown(what: &str, name: &str, known: impl Iterator<Item = &'static str>) -> Failure {
    let known: Vec<&str> = known.collect();
    Failure::Usage(format!(
        "there is no {what} `{name}`; choose {}",
        known.join(", ")
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::Command;

    fn plan(line: &str) -> Result<Plan, String> {
        let line = ["perjury", "test"].into_iter().chain(line.split_whitespace());
        let Command::Test(args) = flags::parse(line).map_err(|error| error.to_string())?.command else {
            unreachable!("the line begins with `test`")
        };
        Plan::new(*args).map_err(|failure| match failure {
            Failure::Usage(line) => line,
            Failure::Harness(error) => panic!("{error:#}"),
        })
    }

    #[test]
    fn mistakes_get_one_line_that_names_them() {
        let cases = [
            ("etcdd", "no system `etcdd`"),
            ("--workload bank", "no workload `bank`"),
            ("--nemesis kil", "kil"),
            ("--bug hurry", "no planted bug `hurry`; choose stale-read"),
            ("--concurrency 0", "--concurrency 0: give a number"),
            ("--concurrency 2m", "--concurrency 2m: give a number"),
            ("--concurrency 99999999999999999999n", "give a number"),
            ("--rate 0", "--rate 0: give more than 0"),
            ("--rate -5", "--rate -5: give more than 0"),
            ("etcd --endpoints http://", "--endpoints http://: "),
            (
                "etcd --endpoints http://a:1,http://a:1/",
                "http://a:1 is named twice",
            ),
            ("--rate nan", "give more than 0"),
            ("--ops 0", "at least one operation"),
            ("--time-limit 0s", "more than 0"),
            ("--time-limit soon", "30s"),
            ("--nodes 0", "0 is not in 1..=64"),
            ("--nodes 2 --nemesis partition:majority", "at least 3 nodes"),
            (
                "--env local --links switch",
                "--links has no meaning with --env local",
            ),
            (
                "--env local --nemesis partition",
                "the nemesis `partition` cannot work with --env local",
            ),
        ];
        for (line, expected) in cases {
            let message = plan(line)
                .err()
                .unwrap_or_else(|| panic!("`{line}` was accepted"));
            assert!(message.contains(expected), "`{line}` says: {message}");
        }
    }

    #[test]
    fn the_command_of_a_plan_makes_the_same_plan() {
        let lines = [
            "",
            "--seed 7 --ops 100 --rate 12.5 --concurrency 3n --nodes 3 --time-limit 90s",
            "--nemesis kill:leader,pause --bug stale-read --op-timeout 250ms --links switch",
            "--nemesis none --env local --stop-on-violation",
        ];
        for line in lines {
            let first = plan(line).unwrap();
            let again = plan(&first.command()[1..].join(" ")).unwrap();
            assert_eq!(first.command(), again.command(), "`{line}`");
            assert_eq!(first.args.stop_on_violation, again.args.stop_on_violation);
            assert_eq!(first.seed, again.seed);
            assert_eq!(first.concurrency, again.concurrency);
        }
    }

    #[test]
    fn concurrency_counts_by_nodes() {
        for (text, expected) in [("7", 7), ("n", 5), ("2n", 10), ("40n", 200)] {
            assert_eq!(parse_concurrency(text, 5).unwrap_or(0), expected, "{text}");
        }
    }
}
