//! Configurations: what has been linearized so far, and the state that this led to.
//!
//! A configuration is a row of words: state and spent open calls, the tip of its trace, and two bits for
//! every slot:
//! - `gone`: the call has been used to change the state, so that it cannot be used any more;
//! - `free`: nothing is owed to the call any more. It was used, or it was legal at some moment at which it
//!   changed nothing, or it overwrites and another overwriting call was used while it ran: it can always
//!   stand immediately before that one.
//!
//! Invariants:
//! - `gone` is within `free`, and both are 0 in slots where nothing runs.
//! - One configuration is as good as another one (*dominates* it) if both have the same state, and it has
//!   lost less and owes less: its `gone` is within the other's, its `free` contains the other's, its spent
//!   calls are among the other's.

use hashbrown::HashTable;
use rustc_hash::FxHashMap;

use super::table::{Spent, SpentId, StateId};

/// How many configurations with the same state a new one is compared with, at most.
const MOST_COMPARED: usize = 64;

/// A list of configurations, each one row of words.
#[derive(Clone)]
pub(super) struct Configurations {
    /// Words a bit set takes.
    pub width: usize,
    words: Vec<u64>,
}

/// One configuration.
#[derive(Clone, Copy)]
pub(super) struct Row<'a>(&'a [u64]);

impl Configurations {
    pub fn new(slots: usize) -> Self {
        Configurations {
            width: slots.div_ceil(64).max(1),
            words: Vec::new(),
        }
    }

    pub fn stride(&self) -> usize {
        2 + 2 * self.width
    }

    pub fn len(&self) -> usize {
        self.words.len() / self.stride()
    }

    pub fn bytes(&self) -> usize {
        self.words.capacity() * 8
    }

    pub fn clear(&mut self) {
        self.words.clear();
    }

    pub fn row(&self, number: usize) -> Row<'_> {
        let stride = self.stride();
        Row(&self.words[number * stride..(number + 1) * stride])
    }

    pub fn push(&mut self, row: &[u64]) {
        self.words.extend_from_slice(row);
    }

    /// The tips of all traces.
    pub fn tips(&mut self) -> impl Iterator<Item = &mut u64> {
        let stride = self.stride();
        self.words.iter_mut().skip(1).step_by(stride)
    }
}

impl<'a> Row<'a> {
    pub fn of(words: &'a [u64]) -> Self {
        Row(words)
    }

    pub fn words(self) -> &'a [u64] {
        self.0
    }

    pub fn state(self) -> StateId {
        self.0[0] as u32
    }

    pub fn spent(self) -> SpentId {
        (self.0[0] >> 32) as u32
    }

    pub fn tip(self) -> u32 {
        self.0[1] as u32
    }

    fn width(self) -> usize {
        (self.0.len() - 2) / 2
    }

    pub fn gone(self) -> &'a [u64] {
        &self.0[2..2 + self.width()]
    }

    pub fn free(self) -> &'a [u64] {
        &self.0[2 + self.width()..]
    }

    pub fn is_gone(self, slot: u32) -> bool {
        has(self.gone(), slot)
    }

    pub fn is_free(self, slot: u32) -> bool {
        has(self.free(), slot)
    }

    fn same(self, other: Row) -> bool {
        self.0[0] == other.0[0] && self.0[2..] == other.0[2..]
    }

    fn hash(self) -> u64 {
        let mut hash = self.0[0];
        for &word in &self.0[2..] {
            hash = (hash.rotate_left(23) ^ word).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        }
        hash ^ (hash >> 29)
    }

    /// Whether it is as good as `other` with the same state.
    pub fn dominates(self, other: Row, spent: &Spent) -> bool {
        within(self.gone(), other.gone())
            && within(other.free(), self.free())
            && spent.is_within(self.spent(), other.spent())
    }
}

pub(super) fn has(bits: &[u64], slot: u32) -> bool {
    bits[slot as usize / 64] >> (slot % 64) & 1 == 1
}

pub(super) fn set(bits: &mut [u64], slot: u32) {
    bits[slot as usize / 64] |= 1 << (slot % 64);
}

pub(super) fn unset(bits: &mut [u64], slot: u32) {
    bits[slot as usize / 64] &= !(1 << (slot % 64));
}

fn within(a: &[u64], b: &[u64]) -> bool {
    a.iter().zip(b).all(|(a, b)| a & !b == 0)
}

/// How a [`Pool`] is kept small.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Keep {
    /// Everything that is not dominated.
    All,
    /// At most so many with the same state: others are joined into one that dominates both.
    Joined(usize),
}

/// Configurations without those that others dominate.
pub(super) struct Pool {
    pub rows: Configurations,
    /// Rows that others came to dominate.
    dead: Vec<bool>,
    seen: HashTable<u32>,
    by_state: FxHashMap<StateId, Vec<u32>>,
    keep: Keep,
    /// Whether any two were joined.
    pub joined: bool,
}

impl Pool {
    pub fn new(slots: usize, keep: Keep) -> Self {
        Pool {
            rows: Configurations::new(slots),
            dead: Vec::new(),
            seen: HashTable::new(),
            by_state: FxHashMap::default(),
            keep,
            joined: false,
        }
    }

    pub fn clear(&mut self) {
        self.rows.clear();
        self.dead.clear();
        self.seen.clear();
        self.by_state.clear();
    }

    pub fn bytes(&self) -> usize {
        self.rows.bytes() + self.dead.capacity() + 12 * self.seen.capacity()
    }

    /// Forgets which were dominated: all are to be looked at once more.
    pub fn revive(&mut self) {
        self.dead.fill(false);
    }

    pub fn is_dead(&self, number: usize) -> bool {
        self.dead[number]
    }

    /// Adds a configuration unless it is dominated. What it dominates dies.
    pub fn insert(&mut self, words: &[u64], spent: &mut Spent) {
        let row = Row(words);
        let hash = row.hash();
        if self
            .seen
            .find(hash, |&number| self.rows.row(number as usize).same(row))
            .is_some()
        {
            return;
        }
        let peers = self.by_state.entry(row.state()).or_default();
        let compared = peers.len().saturating_sub(MOST_COMPARED);
        let mut place = peers.len();
        while place > compared {
            place -= 1;
            let peer = peers[place] as usize;
            if self.rows.row(peer).dominates(row, spent) {
                return;
            }
            if row.dominates(self.rows.row(peer), spent) {
                self.dead[peer] = true;
                peers.swap_remove(place);
            }
        }
        if let Keep::Joined(most) = self.keep
            && peers.len() >= most
        {
            self.join(words, spent);
            return;
        }
        peers.push(self.dead.len() as u32);
        self.add(words, hash);
    }

    fn add(&mut self, words: &[u64], hash: u64) {
        let number = self.dead.len() as u32;
        self.rows.push(words);
        self.dead.push(false);
        let rows = &self.rows;
        self.seen
            .insert_unique(hash, number, |&number| rows.row(number as usize).hash());
    }

    /// Puts one in place of the nearest with the same state that dominates both.
    fn join(&mut self, words: &[u64], spent: &mut Spent) {
        let row = Row(words);
        let distance = |peer: u32| -> u32 {
            let other = self.rows.row(peer as usize);
            row.0[2..]
                .iter()
                .zip(&other.0[2..])
                .map(|(a, b)| (a ^ b).count_ones())
                .sum::<u32>()
                + spent.size(row.spent()).abs_diff(spent.size(other.spent()))
        };
        let peers = &self.by_state[&row.state()];
        let Some(place) = (0..peers.len()).min_by_key(|&place| distance(peers[place])) else {
            return;
        };
        let peer = peers[place] as usize;
        let other = self.rows.row(peer);
        let common = spent.common(row.spent(), other.spent());
        let mut joined = vec![
            u64::from(row.state()) | u64::from(common) << 32,
            u64::from(super::trace::ROOT),
        ];
        joined.extend(row.gone().iter().zip(other.gone()).map(|(a, b)| a & b));
        joined.extend(row.free().iter().zip(other.free()).map(|(a, b)| a | b));
        self.joined = true;
        self.dead[peer] = true;
        if let Some(peers) = self.by_state.get_mut(&row.state()) {
            peers[place] = self.dead.len() as u32;
        }
        self.add(&joined, Row(&joined).hash());
    }
}
