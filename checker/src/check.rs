//! From a history to its analysis: key by key, in parallel.

use std::collections::BTreeMap;

use history::{History, Key, Value};
use rustc_hash::FxHashMap;

use crate::{Analysis, DecidedBy, Verdict};

/// What to judge by, and how hard to try.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// What every register holds before its first write.
    pub initial: Value,
}

/// Judges a history of registers.
pub fn check(history: &History, _options: &Options) -> Analysis {
    let keys = partition(history);
    Analysis {
        verdict: Verdict::Unknown,
        keys: keys.len(),
        operations: history.operations.len(),
        conflicts: Vec::new(),
        conflicts_total: 0,
        unknown_total: keys.len(),
        unknown: keys
            .into_keys()
            .map(|key| (key, "not judged yet".to_owned()))
            .collect(),
        decided_by: DecidedBy::default(),
    }
}

/// The operations on each key, as indices into [`History::operations`], in their order there.
pub fn partition(history: &History) -> BTreeMap<Key, Vec<usize>> {
    let mut keys: FxHashMap<&Key, Vec<usize>> = FxHashMap::default();
    for (index, operation) in history.operations.iter().enumerate() {
        keys.entry(operation.op.key()).or_default().push(index);
    }
    keys.into_iter()
        .map(|(key, indices)| (key.clone(), indices))
        .collect()
}
