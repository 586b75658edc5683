//! What to try next. Pure, from one seed.
//!
//! ```text
//!  pairs       kinds of faults that rarely came together, the rarest first, three kinds a run; those that
//!              come more often in any test (partitions, kills) count as rare for longer
//!  varied      and between them variations of the schedules that were kept
//! ```
//!
//! A run of drawn kinds is an ordinary test with `--nemesis`: the faults overlap as they do there, by the
//! rules that the nemeses state.

use std::collections::BTreeMap;
use std::time::Duration;

use nemeses::{Schedule, Scheduled, is_sensible, may_meet};
use rand::RngExt;
use rand::seq::{IndexedRandom, SliceRandom};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

/// How many kinds a run has: three pairs of them.
const KINDS: usize = 3;
/// The share of variations once there is something to vary.
const VARIED: f64 = 0.25;
/// How often a variation is drawn that keeps to the rules, before a schedule is tried as it was.
const TRIES: usize = 20;
/// The most faults that a schedule may grow to.
const MOST: usize = 24;
/// The shortest fault, milliseconds.
const SHORTEST_MS: f64 = 50.0;
/// About how long faults last, milliseconds: short ones meet elections, long ones outlast time-outs.
const INTERVALS_MS: [u64; 3] = [700, 1200, 2000];
/// How many nodes a run has, where the user did not say; fewer are quicker to go wrong, and an even number is
/// a case of its own.
const NODES: [u16; 6] = [3, 5, 3, 4, 5, 3];

/// How many clients a run has, where the user did not say: many leave a long tail at a leader that is cut
/// off, and few leave the machine the time in which things go wrong.
const CONCURRENCY: [&str; 5] = ["6n", "2n", "6n", "10n", "4n"];

/// A nemesis that can be drawn, with its targets.
pub type Kind = (&'static str, Vec<String>);

/// Two kinds, the one in whose time the other began first.
pub type Pair = (String, String);

/// What there is to draw from.
#[derive(Debug, Default)]
pub struct Pool {
    /// The kinds of faults.
    pub kinds: Vec<Kind>,
    /// Those that the user named, with the targets that the user named.
    pub named: Vec<(String, Vec<String>)>,
    /// The workloads; none where the user named one.
    pub workloads: Vec<&'static str>,
    /// Whether the number of nodes may differ from run to run.
    pub any_nodes: bool,
    /// How many there are otherwise.
    pub nodes: u16,
    /// Whether the number of clients may differ from run to run.
    pub any_concurrency: bool,
    /// How long the clients of a run are active.
    pub run_time: Duration,
}

/// A run to try.
#[derive(Clone, Debug, PartialEq)]
pub struct Draw {
    /// Its faults.
    pub faults: Faults,
    /// Its workload and its number of nodes, where the user left them open.
    pub setting: Setting,
}

/// The faults of a run.
#[derive(Clone, Debug, PartialEq)]
pub enum Faults {
    /// These nemeses, about so long each, milliseconds.
    Kinds(Vec<&'static str>, u64),
    /// These, in one of the ways of a run that was kept.
    Schedule(Schedule),
}

/// What else differs from run to run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Setting {
    /// As after `--workload`.
    pub workload: Option<String>,
    /// As after `--nodes`.
    pub nodes: Option<u16>,
    /// As after `--concurrency`.
    #[serde(default)]
    pub concurrency: Option<String>,
}

/// A schedule that is worth varying.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Kept {
    /// What the run did.
    pub schedule: Schedule,
    /// In what setting.
    pub setting: Setting,
}

impl Pool {
    /// The list of these kinds as after `--nemesis`, at the targets that the user named.
    pub fn list(&self, kinds: &[&str]) -> String {
        let with_targets = |name: &&str| {
            let targets = self
                .named
                .iter()
                .find(|(named, _)| named == name)
                .map(|(_, targets)| targets);
            match targets {
                Some(targets) if !targets.is_empty() => targets
                    .iter()
                    .map(|target| format!("{name}:{target}"))
                    .collect::<Vec<_>>()
                    .join(","),
                _ => (*name).to_owned(),
            }
        };
        kinds.iter().map(with_targets).collect::<Vec<_>>().join(",")
    }

    /// Every two kinds that can overlap, in both orders.
    pub fn pairs(&self) -> Vec<(&'static str, &'static str)> {
        let entry = |name| nemeses::find(name);
        let mut pairs = Vec::new();
        for (one, _) in &self.kinds {
            for (other, _) in &self.kinds {
                if let (Some(first), Some(second)) = (entry(one), entry(other))
                    && may_meet(first, second)
                {
                    pairs.push((*one, *other));
                }
            }
        }
        pairs
    }

    /// Draws the run of this number, counted from 0. `seen` says how often pairs came together so far.
    pub fn draw(&self, number: u64, seen: &BTreeMap<Pair, u64>, kept: &[Kept], rng: &mut ChaCha8Rng) -> Draw {
        if let Some(kept) = kept.choose(rng)
            && rng.random_bool(VARIED)
        {
            let nodes = usize::from(kept.setting.nodes.unwrap_or(self.nodes));
            let varied = (0..TRIES)
                .map(|_| self.varied(kept.schedule.clone(), rng))
                .find(|schedule| is_sensible(schedule, nodes));
            return Draw {
                faults: Faults::Schedule(varied.unwrap_or_else(|| kept.schedule.clone())),
                setting: kept.setting.clone(),
            };
        }
        let interval_ms = *INTERVALS_MS.choose(rng).unwrap_or(&1500);
        Draw {
            faults: Faults::Kinds(self.together(seen, rng), interval_ms),
            setting: self.setting(number),
        }
    }

    /// Workloads and numbers of nodes in turn, so that each meets each.
    fn setting(&self, number: u64) -> Setting {
        let at = |count: usize| usize::try_from(number).unwrap_or(0) % count.max(1);
        Setting {
            workload: self
                .workloads
                .get(at(self.workloads.len()))
                .map(|&name| name.to_owned()),
            nodes: self.any_nodes.then(|| NODES[at(NODES.len())]),
            concurrency: (self.any_concurrency).then(|| CONCURRENCY[at(CONCURRENCY.len())].to_owned()),
        }
    }

    /// The kinds whose pairs came together least often.
    fn together(&self, seen: &BTreeMap<Pair, u64>, rng: &mut ChaCha8Rng) -> Vec<&'static str> {
        let count = |one: &str, other: &str| {
            let times = |one: &str, other: &str| seen.get(&(one.to_owned(), other.to_owned())).copied();
            times(one, other).unwrap_or(0) + times(other, one).unwrap_or(0)
        };
        let pairs = self.pairs();
        let often = |name: &str| nemeses::find(name).map_or(1, |entry| entry.often) as f64;
        // Of those that are equally rare, any.
        let rarity = |(one, other): &(&'static str, &'static str), luck: f64| {
            (count(one, other) as f64 + luck) / (often(one) * often(other))
        };
        let weighed = pairs.iter().map(|pair| (pair, rarity(pair, rng.random())));
        let Some((&(one, other), _)) = weighed.min_by(|(_, one), (_, other)| one.total_cmp(other)) else {
            return self.kinds.iter().map(|(name, _)| *name).collect();
        };
        let mut chosen = vec![one, other];
        while chosen.len() < KINDS.min(self.kinds.len()) {
            let mut rest: Vec<&str> = self.kinds.iter().map(|(name, _)| *name).collect();
            rest.retain(|name| !chosen.contains(name));
            rest.shuffle(rng);
            // How often it met those that are chosen; what cannot meet one of them comes last.
            let times = |name: &str| -> u64 {
                let met = |other: &&str| match pairs.contains(&(name_of(name), name_of(other))) {
                    true => count(name, other),
                    false => u64::from(u32::MAX),
                };
                chosen.iter().map(met).sum()
            };
            let name_at = rest.iter().min_by_key(|name| times(name)).copied();
            chosen.extend(name_at.map(name_of));
        }
        chosen
    }

    /// A few changes: a fault more or less, sooner, longer, elsewhere, or within another.
    fn varied(&self, mut schedule: Schedule, rng: &mut ChaCha8Rng) -> Schedule {
        let run_ms = self.run_time.as_secs_f64() * 1e3;
        for _ in 0..rng.random_range(1..=3) {
            let count = schedule.faults.len();
            if count == 0 {
                schedule.faults.extend(self.fault(rng));
                continue;
            }
            let which = rng.random_range(0..count);
            match rng.random_range(0..5) {
                0 if count < MOST => schedule.faults.extend(self.fault(rng)),
                1 if count > 1 => drop(schedule.faults.remove(which)),
                2 => schedule.faults[which].at = beginning(run_ms, rng),
                3 => schedule.faults[which].lasts = duration(run_ms, rng),
                // Begins while another one holds.
                _ => {
                    let other = rng.random_range(0..count);
                    let (at, lasts) = (schedule.faults[other].at, schedule.faults[other].lasts);
                    let within = at + lasts.mul_f64(rng.random());
                    schedule.faults[which].at = within.min(ms(run_ms * 0.9));
                }
            }
        }
        schedule.faults.sort_by_key(|fault| fault.at);
        schedule
    }

    fn fault(&self, rng: &mut ChaCha8Rng) -> Option<Scheduled> {
        let run_ms = self.run_time.as_secs_f64() * 1e3;
        let (nemesis, targets) = self.kinds.choose(rng)?;
        Some(Scheduled {
            at: beginning(run_ms, rng),
            lasts: duration(run_ms, rng),
            nemesis: (*nemesis).to_owned(),
            target: targets.choose(rng)?.as_str().into(),
        })
    }
}

/// The name as the list of nemeses has it.
fn name_of(name: &str) -> &'static str {
    nemeses::find(name).map_or("", |entry| entry.name)
}

/// Not at the very beginning, where no data can be lost yet, nor at the end, where no operation would notice.
fn beginning(run_ms: f64, rng: &mut ChaCha8Rng) -> Duration {
    ms(run_ms * rng.random_range(0.05..0.8))
}

/// As often between 0.1 and 0.2 s as between 1 and 2 s.
fn duration(run_ms: f64, rng: &mut ChaCha8Rng) -> Duration {
    let most = (run_ms * 0.6).max(SHORTEST_MS * 2.0);
    ms(SHORTEST_MS * (most / SHORTEST_MS).powf(rng.random()))
}

fn ms(ms: f64) -> Duration {
    Duration::from_millis(ms as u64)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use rand::SeedableRng;

    use super::*;

    /// The pairs that were never together.
    fn never_seen(pool: &Pool, seen: &BTreeMap<Pair, u64>) -> BTreeSet<Pair> {
        let pairs = pool.pairs().into_iter();
        pairs
            .map(|(one, other)| (one.to_owned(), other.to_owned()))
            .filter(|pair| !seen.contains_key(pair))
            .collect()
    }

    fn pool() -> Pool {
        let kinds = ["kill", "partition", "pause", "power", "disk-full", "membership"];
        let targets =
            |name| nemeses::find(name).map(|entry| entry.targets.drawable(5).map(str::to_owned).collect());
        Pool {
            kinds: kinds
                .map(|name| (name_of(name), targets(name).unwrap_or_default()))
                .to_vec(),
            named: vec![("kill".to_owned(), vec!["one".to_owned(), "n1".to_owned()])],
            workloads: vec!["register", "set"],
            any_nodes: true,
            nodes: 5,
            any_concurrency: true,
            run_time: Duration::from_secs(8),
        }
    }

    #[test]
    fn pairs_that_were_never_seen_come_first() {
        let pool = pool();
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let mut seen = BTreeMap::new();
        let all = pool.pairs().len();
        // 6 kinds, of which power and disk-full never meet.
        assert_eq!(all, 6 * 5 - 2);
        let mut runs = 0;
        while !never_seen(&pool, &seen).is_empty() {
            let draw = pool.draw(runs, &seen, &[], &mut rng);
            let Faults::Kinds(kinds, _) = draw.faults else {
                panic!("nothing was kept");
            };
            assert_eq!(kinds.len(), 3);
            for one in &kinds {
                for other in kinds.iter().filter(|other| *other != one) {
                    if pool.pairs().contains(&(one, other)) {
                        *seen.entry(((*one).to_owned(), (*other).to_owned())).or_insert(0) += 1;
                    }
                }
            }
            runs += 1;
        }
        assert!(runs <= 10, "{runs} runs for {all} ordered pairs");
    }

    #[test]
    fn variations_make_sense_and_differ() {
        let pool = pool();
        let mut rng = ChaCha8Rng::seed_from_u64(2);
        let fault = |at_s, nemesis: &str, target: &str| Scheduled {
            at: Duration::from_secs(at_s),
            lasts: Duration::from_millis(700),
            nemesis: nemesis.into(),
            target: target.into(),
        };
        let kept = Kept {
            schedule: Schedule {
                faults: vec![
                    fault(1, "kill", "one"),
                    fault(2, "partition", "leader"),
                    fault(4, "power", "all"),
                ],
            },
            setting: Setting {
                workload: Some("set".into()),
                nodes: Some(3),
                concurrency: Some("2n".into()),
            },
        };
        let mut varied = 0;
        for number in 0..200 {
            let draw = pool.draw(number, &BTreeMap::new(), std::slice::from_ref(&kept), &mut rng);
            let Faults::Schedule(schedule) = draw.faults else {
                continue;
            };
            varied += 1;
            assert_eq!(draw.setting, kept.setting);
            assert_ne!(schedule, Schedule::default());
            assert!(schedule.faults.is_sorted_by_key(|fault| fault.at));
            assert!(
                schedule
                    .faults
                    .iter()
                    .all(|fault| fault.at < Duration::from_secs(8))
            );
            assert!(Schedule::parse(&schedule.to_toml()).is_ok() && is_sensible(&schedule, 3));
        }
        assert!((40..90).contains(&varied), "{varied}");
    }

    #[test]
    fn targets_that_the_user_named_stay() {
        assert_eq!(pool().list(&["pause", "kill"]), "pause,kill:one,kill:n1");
    }

    #[test]
    fn equal_seeds_draw_the_same() {
        let draws = |seed| {
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            let pool = pool();
            (0..20)
                .map(|number| pool.draw(number, &BTreeMap::new(), &[], &mut rng))
                .collect::<Vec<_>>()
        };
        assert_eq!(draws(7), draws(7));
        assert_ne!(draws(7), draws(8));
    }
}
