//! Schedules to try: new ones, and variations of those that reached something new. Pure, from one seed.

use std::time::Duration;

use nemeses::{Schedule, Scheduled};
use rand::RngExt;
use rand::SeedableRng;
use rand::seq::IndexedRandom;
use rand_chacha::ChaCha8Rng;

/// The most faults of a new schedule.
const MOST_NEW: usize = 4;
/// The most faults that a schedule may grow to.
const MOST: usize = 8;
/// The share of new schedules once there are others to change.
const NEW: f64 = 0.35;
/// The shortest fault, milliseconds.
const SHORTEST_MS: f64 = 50.0;

/// The faults to draw from, each with its targets.
#[derive(Debug, Default)]
pub(super) struct Pool(Vec<(&'static str, Vec<String>)>);

impl Pool {
    pub fn add(&mut self, nemesis: &'static str, targets: Vec<String>) {
        if !targets.is_empty() {
            self.0.push((nemesis, targets));
        }
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Draws schedules.
pub(super) struct Mix {
    pool: Pool,
    run_ms: f64,
    kept: Vec<Schedule>,
    rng: ChaCha8Rng,
}

impl Mix {
    pub fn new(pool: Pool, run_time: Duration, seed: u64) -> Mix {
        Mix {
            pool,
            run_ms: run_time.as_secs_f64() * 1e3,
            kept: Vec::new(),
            rng: ChaCha8Rng::seed_from_u64(seed ^ 0x6875_6e74),
        }
    }

    /// A schedule that reached something new: others are made of it.
    pub fn keep(&mut self, schedule: Schedule) {
        self.kept.push(schedule);
    }

    /// The next one to try. It has at least one fault, all of which begin within the run.
    pub fn next(&mut self) -> Schedule {
        let mut schedule = match self.kept.choose(&mut self.rng).cloned() {
            Some(kept) if !self.rng.random_bool(NEW) => self.changed(kept),
            _ => {
                let count = self.rng.random_range(1..=MOST_NEW);
                Schedule {
                    faults: (0..count).map(|_| self.fault()).collect(),
                }
            }
        };
        schedule.faults.sort_by_key(|fault| fault.at);
        schedule
    }

    fn fault(&mut self) -> Scheduled {
        let (nemesis, targets) = self
            .pool
            .0
            .choose(&mut self.rng)
            .expect("the pool is not empty")
            .clone();
        let target = targets.choose(&mut self.rng).expect("each has targets").clone();
        Scheduled {
            at: self.beginning(),
            lasts: self.duration(),
            nemesis: nemesis.to_owned(),
            target: target.as_str().into(),
        }
    }

    /// Not at the very beginning, where no data can be lost yet, nor at the end, where no operation would
    /// notice.
    fn beginning(&mut self) -> Duration {
        ms(self.run_ms * self.rng.random_range(0.05..0.8))
    }

    /// As often between 0.1 and 0.2 s as between 1 and 2 s.
    fn duration(&mut self) -> Duration {
        let most = (self.run_ms * 0.6).max(SHORTEST_MS * 2.0);
        ms(SHORTEST_MS * (most / SHORTEST_MS).powf(self.rng.random()))
    }

    fn changed(&mut self, mut schedule: Schedule) -> Schedule {
        for _ in 0..self.rng.random_range(1..=3) {
            let count = schedule.faults.len();
            let which = self.rng.random_range(0..count);
            match self.rng.random_range(0..5) {
                0 if count < MOST => {
                    let fault = self.fault();
                    schedule.faults.push(fault);
                }
                1 if count > 1 => drop(schedule.faults.remove(which)),
                2 => schedule.faults[which].at = self.beginning(),
                3 => schedule.faults[which].lasts = self.duration(),
                // Begins while another one holds.
                _ => {
                    let other = self.rng.random_range(0..count);
                    let (at, lasts) = (schedule.faults[other].at, schedule.faults[other].lasts);
                    let within = at + lasts.mul_f64(self.rng.random());
                    schedule.faults[which].at = within.min(ms(self.run_ms * 0.9));
                }
            }
        }
        schedule
    }
}

fn ms(ms: f64) -> Duration {
    Duration::from_millis(ms as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mix(seed: u64) -> Mix {
        let mut pool = Pool::default();
        pool.add("kill", vec!["one".into(), "all".into()]);
        pool.add("partition", vec!["leader".into()]);
        pool.add("nothing", Vec::new());
        Mix::new(pool, Duration::from_secs(8), seed)
    }

    #[test]
    fn schedules_make_sense_and_differ() {
        let mut mix = mix(1);
        let mut seen: Vec<Schedule> = Vec::new();
        for n in 0..300 {
            let schedule = mix.next();
            assert!((1..=MOST).contains(&schedule.faults.len()));
            assert!(schedule.faults.is_sorted_by_key(|fault| fault.at));
            for fault in &schedule.faults {
                assert!(
                    fault.at < Duration::from_secs(8) && fault.lasts >= Duration::from_millis(50),
                    "{fault:?}"
                );
                let known = [("kill", "one"), ("kill", "all"), ("partition", "leader")];
                assert!(
                    known.contains(&(fault.nemesis.as_str(), fault.target.as_str())),
                    "{fault:?}"
                );
            }
            assert!(Schedule::parse(&schedule.to_toml()).is_ok());
            if n % 10 == 0 {
                mix.keep(schedule.clone());
            }
            seen.push(schedule);
        }
        let mut distinct = seen.clone();
        distinct.dedup();
        assert!(distinct.len() > 280, "{}", distinct.len());
    }

    #[test]
    fn equal_seeds_give_equal_schedules() {
        let (mut one, mut other) = (mix(7), mix(7));
        for _ in 0..50 {
            assert_eq!(one.next(), other.next());
        }
    }
}
