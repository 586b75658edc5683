//! The operations of a history by key.

use std::collections::BTreeMap;

use history::{History, Key};
use rustc_hash::FxHashMap;

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
