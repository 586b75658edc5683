//! The keys that are in use: a few at a time, each for a limited number of uses; then a fresh one takes its
//! place.
//!
//! ```text
//!  brief      ├┤├┤├┤├┤├┤├┤├┤├┤├┤├┤├┤├┤├┤├┤├┤ …     what was written last is not written again
//!  short      ├─ 300 uses ─┤├─ 300 uses ─┤├─ …     many operations meet on it: what goes wrong in an instant
//!  longer     ├──────── 8 s, longer than a fault ────────┤├── …     what shows only when a fault is over
//!  the run's  ├─────────────────────────────────────────────────── … ─►   what shows late
//! ```
//!
//! Invariant: a key that lives long is used at intervals, in bursts, so that it is judged as quickly as the
//! others.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use rand::RngExt;
use rand_chacha::ChaCha8Rng;

/// How long a key lives that is to outlast a fault, nanoseconds: faults hold some seconds, and what they part
/// shows when they are over.
const LONGER_NS: u64 = 8_000_000_000;
/// How many more uses than a short one such a key gets.
const LONGER_USES: u64 = 2;
/// One key in so many lives briefly, and how many uses it gets.
const FEW_BRIEF: usize = 6;
const BRIEF_USES: u64 = 5;
/// The time from use to use of a key that lives as long as the run, nanoseconds.
const RUN_PACE_NS: u64 = 25_000_000;
/// How many groups of clients there are, how many keys each must have of its own, and how often a client
/// keeps to them.
pub(crate) const GROUPS: usize = 3;
const FEWEST_OF_GROUP: usize = 2;
const OWN: f64 = 0.8;
/// How many uses may come at once.
const BURST: u64 = 16;

/// Keys in use, each with what its workload remembers of it.
pub(crate) struct Rotation<T> {
    slots: Vec<Slot<T>>,
    uses: u64,
    /// Whether an object gets larger with each use, so that one that lives long must be used less and less.
    grows: bool,
    /// How many keys were begun. They are numbered in the order in which they are, from 0.
    begun: Arc<AtomicI64>,
}

struct Slot<T> {
    key: i64,
    life: Life,
    used: u64,
    /// When it was first asked for, nanoseconds since the run's start.
    since_ns: Option<u64>,
    about: T,
}

/// How long a key lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Life {
    /// A few uses.
    Brief,
    /// A number of uses.
    Short,
    /// Longer than a fault.
    Longer,
    /// As long as the run.
    Run,
}

impl<T: Default> Rotation<T> {
    /// So many keys at a time, at least one, each for so many uses, at least one. The number of keys that
    /// were begun is kept in `begun`.
    pub fn new(keys: usize, uses: u64, begun: Arc<AtomicI64>) -> Rotation<T> {
        let mut rotation = Rotation {
            slots: Vec::new(),
            uses: uses.max(1),
            grows: false,
            begun,
        };
        rotation.slots = (0..keys.max(1)).map(|_| rotation.begin(Life::Short)).collect();
        rotation
    }

    /// The same, but a quarter of the keys lives longer than a fault, and another quarter as long as the run;
    /// and where there are many, some live briefly.
    pub fn with_long_lives(mut self, grows: bool) -> Rotation<T> {
        self.grows = grows;
        let count = self.slots.len();
        // The first ones stay short.
        let each = if count < 3 { 0 } else { (count / 4).max(1) };
        for (place, slot) in self.slots.iter_mut().rev().enumerate() {
            slot.life = match place / each.max(1) {
                0 if each > 0 => Life::Run,
                1 if each > 0 => Life::Longer,
                2 if place < 2 * each + count / FEW_BRIEF => Life::Brief,
                _ => Life::Short,
            };
        }
        self
    }

    /// How many keys there are at a time.
    pub fn len(&self) -> usize {
        self.slots.len()
    }

    /// The place of any of the keys.
    pub fn any(&self, rng: &mut ChaCha8Rng) -> usize {
        rng.random_range(0..self.slots.len())
    }

    /// The place of a key whose time has come, for a client of this group: mostly one of the group's own, so
    /// that operations meet on few keys however many clients are at work.
    pub fn due(&mut self, now_ns: u64, group: usize, rng: &mut ChaCha8Rng) -> usize {
        let of_group = self.slots.len() / GROUPS;
        let place = match of_group >= FEWEST_OF_GROUP && rng.random_bool(OWN) {
            true => group % GROUPS + GROUPS * rng.random_range(0..of_group),
            false => self.any(rng),
        };
        let (uses, grows) = (self.uses, self.grows);
        if self.slots[place].is_due(now_ns, uses, grows) {
            return place;
        }
        let short = self
            .slots
            .iter()
            .take_while(|slot| slot.life == Life::Short)
            .count();
        rng.random_range(0..short.max(1))
    }

    /// The key at a place, and what is remembered of it.
    pub fn get(&mut self, place: usize) -> (i64, &mut T) {
        let slot = &mut self.slots[place];
        (slot.key, &mut slot.about)
    }

    /// Takes one use of the key at a place. Returns whether it was the last one and a fresh key is there now.
    pub fn spend(&mut self, place: usize) -> bool {
        let slot = &mut self.slots[place];
        slot.used += 1;
        let most = match slot.life {
            Life::Brief => self.uses.min(BRIEF_USES),
            Life::Short => self.uses,
            Life::Longer => self.uses.saturating_mul(LONGER_USES),
            Life::Run => u64::MAX,
        };
        let (is_spent, life) = (slot.used >= most, slot.life);
        if is_spent {
            self.slots[place] = self.begin(life);
        }
        is_spent
    }

    /// Does something to what is remembered of each key.
    pub fn each(&mut self, act: impl Fn(&mut T)) {
        self.slots.iter_mut().for_each(|slot| act(&mut slot.about));
    }

    /// What is remembered of a key, if it is still in use.
    pub fn find(&mut self, key: i64) -> Option<&mut T> {
        let slot = self.slots.iter_mut().find(|slot| slot.key == key)?;
        Some(&mut slot.about)
    }

    fn begin(&self, life: Life) -> Slot<T> {
        Slot {
            key: self.begun.fetch_add(1, Ordering::Relaxed),
            life,
            used: 0,
            since_ns: None,
            about: T::default(),
        }
    }
}

impl<T> Slot<T> {
    /// Whether it may be used now, where a short one has so many uses.
    fn is_due(&mut self, now_ns: u64, uses: u64, grows: bool) -> bool {
        let since_ns = *self.since_ns.get_or_insert(now_ns);
        let done = self.used.saturating_sub(BURST);
        let due_ns = match self.life {
            Life::Brief | Life::Short => return true,
            Life::Longer => LONGER_NS / uses.saturating_mul(LONGER_USES).max(1) * done,
            // What a use costs grows with the uses before; so does the time between two.
            Life::Run if grows => {
                let times = u128::from(done) + u128::from(done).pow(2) / u128::from(2 * uses);
                u64::try_from(u128::from(RUN_PACE_NS) * times).unwrap_or(u64::MAX)
            }
            Life::Run => RUN_PACE_NS.saturating_mul(done),
        };
        now_ns.saturating_sub(since_ns) >= due_ns
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;

    #[test]
    fn keys_live_short_long_and_as_long_as_the_run() {
        for grows in [false, true] {
            let begun = Arc::new(AtomicI64::new(0));
            let mut rotation: Rotation<()> = Rotation::new(8, 300, begun).with_long_lives(grows);
            let mut rng = ChaCha8Rng::seed_from_u64(1);
            let mut uses: std::collections::BTreeMap<i64, (u64, u64, u64)> = Default::default();
            // 60 s of 2,000 uses a second.
            for step in 0..120_000_u64 {
                let now_ns = step * 500_000;
                let place = rotation.due(now_ns, step as usize, &mut rng);
                let (key, ()) = rotation.get(place);
                let (count, _, last_ns) = uses.entry(key).or_insert((0, now_ns, now_ns));
                (*count, *last_ns) = (*count + 1, now_ns);
                rotation.spend(place);
            }
            let lives = |least_s: u64| {
                let long =
                    |(_, since_ns, last_ns): &&(u64, u64, u64)| last_ns - since_ns >= least_s * 1_000_000_000;
                uses.values().filter(long).count()
            };
            assert_eq!(lives(55), 2, "as long as the run");
            let brief = uses.values().filter(|(count, ..)| *count == BRIEF_USES).count();
            assert!((2_000..4_000).contains(&brief), "{brief} lived briefly");
            let longer = lives(7) - lives(55);
            assert!((10..=16).contains(&longer), "{longer} lived some 8 s");
            let most = uses.values().map(|(count, ..)| *count).max();
            let bounds = if grows { 900..1000 } else { 2300..2500 };
            assert!(most.is_some_and(|most| bounds.contains(&most)), "{most:?}");
            // What is not due goes to the short ones, so that there is always something to do.
            assert!(uses.len() > 300, "{}", uses.len());
        }
    }

    #[test]
    fn few_keys_are_all_short() {
        for (keys, long, brief) in [(1, 0, 0), (2, 0, 0), (3, 2, 0), (4, 2, 0), (8, 4, 1), (15, 6, 2)] {
            let rotation: Rotation<()> = Rotation::new(keys, 10, Arc::default()).with_long_lives(false);
            let of = |life| rotation.slots.iter().filter(|slot| slot.life == life).count();
            assert_eq!(of(Life::Longer) + of(Life::Run), long, "{keys}");
            assert_eq!(of(Life::Brief), brief, "{keys}");
            assert_eq!(rotation.slots[0].life, Life::Short);
        }
    }
}
