//! What can be there at all: of each thing no more than was put there by operations that had begun.
//!
//! A refuter in linear time for histories whose values repeat, tried before any search. A. Bouajjani et al.,
//! "On reducing linearizability to state reachability", ICALP 2015, section 4.2, and K. Kingsbury and P.
//! Alvaro, "Elle", VLDB 2020, section 4.3.1 (garbage reads) have it for values that are written once.

use std::hash::Hash;

use history::units::plural;
use rustc_hash::FxHashMap;

/// When operations began that put things there, thing by thing.
pub(crate) struct Supply<K> {
    begun: FxHashMap<K, Vec<u64>>,
}

impl<K: Hash + Eq> Supply<K> {
    /// From each thing and the start of the operation that puts it there; 0 for what was there at first.
    pub fn new(puts: impl IntoIterator<Item = (K, u64)>) -> Self {
        let mut begun: FxHashMap<K, Vec<u64>> = FxHashMap::default();
        for (thing, start) in puts {
            begun.entry(thing).or_default().push(start);
        }
        begun.values_mut().for_each(|starts| starts.sort_unstable());
        Supply { begun }
    }

    /// How many of a thing can be there before `time`.
    pub fn before(&self, thing: &K, time: u64) -> usize {
        let begun = self.begun.get(thing);
        begun.map_or(0, |starts| starts.partition_point(|&start| start < time))
    }
}

/// How often something can be there, in words: `once`, `twice`, `3 times`.
pub(crate) fn how_often(count: usize) -> String {
    match count {
        1 => "once".to_owned(),
        2 => "twice".to_owned(),
        count => plural(count as u64, "time"),
    }
}
