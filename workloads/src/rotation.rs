//! The keys that are in use: a few at a time, each for a limited number of uses; then a fresh one takes its
//! place.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use rand::RngExt;
use rand_chacha::ChaCha8Rng;

/// Keys in use, each with what its workload remembers of it.
pub(crate) struct Rotation<T> {
    slots: Vec<Slot<T>>,
    uses: u64,
    /// How many keys were begun. They are numbered in the order in which they are, from 0.
    begun: Arc<AtomicI64>,
}

struct Slot<T> {
    key: i64,
    /// How many uses are left.
    left: u64,
    about: T,
}

impl<T: Default> Rotation<T> {
    /// So many keys at a time, at least one, each for so many uses, at least one. The number of keys that
    /// were begun is kept in `begun`.
    pub fn new(keys: usize, uses: u64, begun: Arc<AtomicI64>) -> Rotation<T> {
        let mut rotation = Rotation {
            slots: Vec::new(),
            uses: uses.max(1),
            begun,
        };
        rotation.slots = (0..keys.max(1)).map(|_| rotation.begin()).collect();
        rotation
    }

    /// How many keys there are at a time.
    pub fn len(&self) -> usize {
        self.slots.len()
    }

    /// The place of any of the keys.
    pub fn any(&self, rng: &mut ChaCha8Rng) -> usize {
        rng.random_range(0..self.slots.len())
    }

    /// The key at a place, and what is remembered of it.
    pub fn get(&mut self, place: usize) -> (i64, &mut T) {
        let slot = &mut self.slots[place];
        (slot.key, &mut slot.about)
    }

    /// Takes one use of the key at a place. Returns whether it was the last one and a fresh key is there now.
    pub fn spend(&mut self, place: usize) -> bool {
        self.slots[place].left -= 1;
        let is_spent = self.slots[place].left == 0;
        if is_spent {
            self.slots[place] = self.begin();
        }
        is_spent
    }

    /// What is remembered of a key, if it is still in use.
    pub fn find(&mut self, key: i64) -> Option<&mut T> {
        let slot = self.slots.iter_mut().find(|slot| slot.key == key)?;
        Some(&mut slot.about)
    }

    fn begin(&self) -> Slot<T> {
        Slot {
            key: self.begun.fetch_add(1, Ordering::Relaxed),
            left: self.uses,
            about: T::default(),
        }
    }
}
