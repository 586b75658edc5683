//! Which nemeses take part, and at what they are aimed.
//!
//! Invariant: every target is read once, here. A nemesis that the user named either takes part or is a usage
//! error; one that takes part by default gives way, with a line that says why. Those that the seed draws
//! beside them are drawn from what the environment can do.
//!
//! Why some are drawn: a test with few kinds of faults has many of each, and several tests still see them all
//! (Groce, Zhang, Eide, Chen and Regehr, "Swarm testing", ISSTA 2012).

use std::time::Duration;

use control::{Ability, EnvKind};
use nemeses::{Entry, FaultOptions, Planned, Schedule};
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use super::unknown;
use crate::exit::Failure;

/// How many nemeses the seed draws beside those that take part by default.
const DRAWN: usize = 3;

/// The nemeses of a test.
pub struct FaultPlan {
    /// Those that take part, if the environment can do them.
    planned: Vec<Planned>,
    /// The first [`DRAWN`] of these that the environment can do take part as well.
    drawn: Vec<Planned>,
    /// A line for each that gives way already.
    pub left_out: Vec<String>,
    /// Whether the user named them.
    is_named: bool,
}

impl FaultPlan {
    /// No nemesis at all.
    pub fn none() -> FaultPlan {
        FaultPlan {
            planned: Vec::new(),
            drawn: Vec::new(),
            left_out: Vec::new(),
            is_named: false,
        }
    }

    /// What `--nemesis` says, or else those that take part by default: without what cannot be done to the
    /// system, and without those under which it is known to fail; and some that the seed draws from those
    /// that it is known to stand.
    pub fn new(
        list: Option<&str>,
        system: &systems::Entry,
        nodes: usize,
        interval: Duration,
        seed: u64,
    ) -> Result<FaultPlan, Failure> {
        let plan = |entry: &'static Entry, targets| {
            entry.plan(&FaultOptions {
                nodes,
                targets,
                interval,
            })
        };
        let mut faults = FaultPlan {
            is_named: list.is_some(),
            ..FaultPlan::none()
        };
        let Some(list) = list else {
            let can_be_had = |entry: &&Entry| !entry.needs.iter().any(|need| system.lacks(*need));
            for entry in (nemeses::ALL.iter())
                .filter(|entry| entry.by_default)
                .filter(can_be_had)
            {
                let known = system.fails_under.iter().find(|(name, _)| *name == entry.name);
                match (known, plan(entry, Vec::new())) {
                    (Some((_, why)), _) => faults.leave_out(entry, why),
                    (None, Ok(planned)) => faults.planned.push(planned),
                    (None, Err(why)) => faults.leave_out(entry, &why),
                }
            }
            let may_be_drawn = |entry: &&Entry| system.stands.contains(&entry.name);
            let drawn = nemeses::ALL.iter().filter(may_be_drawn);
            faults.drawn = drawn.filter_map(|entry| plan(entry, Vec::new()).ok()).collect();
            faults.drawn.shuffle(&mut ChaCha8Rng::seed_from_u64(seed));
            return Ok(faults);
        };
        if list != "none" {
            let named =
                nemeses::parse(list).map_err(|why| Failure::Usage(format!("--nemesis {list}: {why}")))?;
            for (name, targets) in named {
                let planned = plan(find(&name)?, targets).map_err(Failure::Usage)?;
                faults.planned.push(planned);
            }
        }
        Ok(faults)
    }

    /// The nemeses of a schedule, each of whose targets makes sense.
    pub fn of_schedule(schedule: &Schedule, nodes: usize) -> Result<FaultPlan, Failure> {
        let mut faults = FaultPlan {
            is_named: true,
            ..FaultPlan::none()
        };
        for fault in &schedule.faults {
            let options = FaultOptions {
                nodes,
                targets: vec![fault.target.to_string()],
                ..FaultOptions::default()
            };
            let planned = find(&fault.nemesis)?
                .plan(&options)
                .map_err(|why| Failure::Usage(format!("the schedule: {why}")))?;
            if faults.entries().all(|entry| entry.name != planned.entry.name) {
                faults.planned.push(planned);
            }
        }
        Ok(faults)
    }

    /// Their entries in the list of nemeses.
    pub fn entries(&self) -> impl Iterator<Item = &'static Entry> {
        self.planned.iter().map(|planned| planned.entry)
    }

    /// Those that this environment can do (`can` says what), and a line for each that is left out.
    pub fn in_environment(
        &self,
        kind: EnvKind,
        can: impl Fn(Ability) -> Result<(), String>,
    ) -> Result<(Vec<Planned>, Vec<String>), Failure> {
        if kind == EnvKind::External {
            let why = "no faults: perjury did not start the cluster, and knows only its endpoints";
            return Ok((Vec::new(), vec![why.to_owned()]));
        }
        let mut taken = FaultPlan {
            left_out: self.left_out.clone(),
            ..FaultPlan::none()
        };
        if kind == EnvKind::Reached && self.planned.is_empty() {
            taken.left_out.push("no faults: --nemesis names none".to_owned());
        }
        for planned in &self.planned {
            let entry = planned.entry;
            match entry.needs.iter().try_for_each(|&need| can(need)) {
                Ok(()) => taken.planned.push(planned.clone()),
                Err(why) if self.is_named => return Err(cannot_work(entry, kind, &why)),
                Err(why) => taken.leave_out(entry, &why),
            }
        }
        let can_be_had = |planned: &&Planned| planned.entry.needs.iter().all(|&need| can(need).is_ok());
        let drawn = self.drawn.iter().filter(can_be_had).take(DRAWN);
        taken.planned.extend(drawn.cloned());
        Ok((taken.planned, taken.left_out))
    }

    fn leave_out(&mut self, entry: &Entry, why: &str) {
        self.left_out
            .push(format!("the nemesis `{}` is left out: {why}", entry.name));
    }
}

fn find(name: &str) -> Result<&'static Entry, Failure> {
    nemeses::find(name).ok_or_else(|| unknown("nemesis", name, nemeses::ALL.iter().map(|entry| entry.name)))
}

fn cannot_work(entry: &Entry, kind: EnvKind, why: &str) -> Failure {
    Failure::Usage(format!(
        "the nemesis `{}` cannot work with --env {}: {why}",
        entry.name,
        kind.name()
    ))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    const ALWAYS: [&str; 6] = ["kill", "pause", "partition", "power", "transfer", "compact"];

    /// What takes part beside what always does.
    fn drawn(
        list: Option<&str>,
        seed: u64,
        can: impl Fn(Ability) -> Result<(), String>,
    ) -> Vec<&'static str> {
        let system = systems::find("bundled").unwrap();
        let plan = FaultPlan::new(list, system, 5, Duration::from_secs(1), seed).unwrap();
        let (planned, left_out) = plan.in_environment(EnvKind::Netns, can).unwrap();
        assert!(left_out.is_empty(), "{left_out:?}");
        let names = planned.iter().map(|planned| planned.entry.name);
        names.filter(|name| !ALWAYS.contains(name)).collect()
    }

    #[test]
    fn some_more_are_drawn_from_what_can_be_done() {
        let (mut all, mut without_clock) = (BTreeSet::new(), BTreeSet::new());
        for seed in 0..50 {
            let names = drawn(None, seed, |_| Ok(()));
            assert_eq!(names.len(), DRAWN);
            assert_eq!(names, drawn(None, seed, |_| Ok(())), "the seed decides");
            all.extend(names);
            let no_clock = |need| match need {
                Ability::Clock => Err("no clock".to_owned()),
                _ => Ok(()),
            };
            let names = drawn(None, seed, no_clock);
            assert_eq!(names.len(), DRAWN);
            without_clock.extend(names);
        }
        assert_eq!(
            all,
            BTreeSet::from(["clock", "disk-full", "fsync", "membership", "packet"])
        );
        assert_eq!(
            without_clock,
            BTreeSet::from(["disk-full", "fsync", "membership", "packet"])
        );
        assert!(
            drawn(Some("kill,pause"), 1, |_| Ok(())).is_empty(),
            "the user names them"
        );
    }
}
