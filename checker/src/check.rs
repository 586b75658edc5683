//! From a history to its analysis: key by key, in parallel.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use history::{History, Key, Value};
use rayon::prelude::*;
use rustc_hash::FxHashMap;

use crate::model::finish;
use crate::models::{self, Entry};
use crate::search::Limits;
use crate::verdict::{Algorithm, Analysis, Decision, MOST_LISTED, Verdict};

/// What to judge by, and how hard to try.
#[derive(Clone, Debug)]
pub struct Options {
    /// What the store is taken for.
    pub model: &'static Entry,
    /// What every object holds at first; the model's own idea of it where there is none.
    pub initial: Option<Value>,
    /// The limits of the search, for each key. Exact procedures need none.
    pub limits: Limits,
    /// Whether searches of other keys end as soon as one key is known not to be linearizable. The verdict is settled
    /// then, but how many keys stay undecided is left to chance.
    pub early_stop: bool,
}

impl Default for Options {
    /// A register with compare-and-set, nil at first.
    fn default() -> Self {
        Options {
            model: &models::MODELS[0],
            initial: None,
            limits: Limits::default(),
            early_stop: false,
        }
    }
}

impl Options {
    /// What every object holds at first.
    pub fn initial(&self) -> Value {
        self.initial.clone().unwrap_or_else(self.model.initial)
    }
}

/// Judges a history, key by key where the model allows it.
///
/// A history without operations is valid; whether it is enough to go by is not judged here. One with operations that the
/// model does not understand is unknown.
pub fn check(history: &History, options: &Options) -> Analysis {
    let mut analysis = Analysis {
        verdict: Verdict::Valid,
        keys: 0,
        operations: history.operations.len(),
        conflicts: Vec::new(),
        conflicts_total: 0,
        unknown: Vec::new(),
        unknown_total: 0,
        model: options.model.name,
        decided_by: BTreeMap::new(),
    };
    if let Some(kind) = options.model.stranger(history) {
        let why = format!("the model {} has no {kind}", options.model.name);
        analysis.add(Key::Nil, Decision::Unknown(why), Algorithm::NONE);
        return analysis;
    }
    let keys: Vec<(Key, Vec<usize>)> = if options.model.per_key {
        partition(history).into_iter().collect()
    } else {
        vec![(Key::Nil, (0..history.operations.len()).collect())]
    };
    analysis.keys = keys.len();
    let settled = Arc::new(AtomicBool::new(false));
    let mut options = options.clone();
    if options.early_stop {
        options.limits.stop.push(settled.clone());
    }
    let decisions: Vec<(Decision, Algorithm)> = keys
        .par_iter()
        .map(|(_, indices)| {
            let (decision, algorithm) = check_key(history, indices, &options);
            if matches!(decision, Decision::Invalid(_)) {
                settled.store(true, Ordering::Relaxed);
            }
            (decision, algorithm)
        })
        .collect();
    for ((key, _), (decision, algorithm)) in keys.into_iter().zip(decisions) {
        analysis.add(key, decision, algorithm);
    }
    analysis
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

/// Judges the operations `indices` of `history`, which must all address one object and be of the kinds that the model
/// understands, and tells which algorithm did.
///
/// # Panics
/// If an index is not one of the history's.
pub fn check_key(history: &History, indices: &[usize], options: &Options) -> (Decision, Algorithm) {
    for &index in indices {
        let operation = &history.operations[index];
        if finish(operation) <= operation.invoked {
            let why = format!("operation {index} of the history ends before it begins");
            return (Decision::Unknown(why), Algorithm::NONE);
        }
    }
    (options.model.decide)(history, indices, options)
}

impl Analysis {
    fn add(&mut self, key: Key, decision: Decision, algorithm: Algorithm) {
        self.verdict = self.verdict.merge(decision.verdict());
        let algorithm = match decision {
            Decision::Unknown(_) => Algorithm::NONE,
            _ => algorithm,
        };
        *self.decided_by.entry(algorithm.0).or_default() += 1;
        match decision {
            Decision::Valid(_) => {}
            Decision::Invalid(conflict) => {
                self.conflicts_total += 1;
                if self.conflicts.len() < MOST_LISTED {
                    self.conflicts.push(*conflict);
                }
            }
            Decision::Unknown(why) => {
                self.unknown_total += 1;
                if self.unknown.len() < MOST_LISTED {
                    self.unknown.push((key, why));
                }
            }
        }
    }
}
