//! From a history to its analysis: key by key, in parallel.
//!
//! Invariant: nothing leaves here that [`crate::validate`] did not accept. A linearization or a conflict that fails
//! there becomes `unknown`, with the word "internal": the checker would rather say nothing than something wrong.

use std::collections::BTreeMap;

use history::{History, Key, Value};
use rayon::prelude::*;
use rustc_hash::FxHashMap;

use crate::exact::{self, Exact};
use crate::mismatch::{Placed, place};
use crate::model::Register;
use crate::prepare::{Kind, Needed, Prepared, finish};
use crate::search::{Limits, Searched, search};
use crate::verdict::{Analysis, Conflict, DecidedBy, Decision, MOST_LISTED, Verdict};
use crate::{sentences, validate};

/// What to judge by, and how hard to try.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// What every register holds before its first write.
    pub initial: Value,
    /// The limits of the search, for each key. The exact procedure needs none.
    pub limits: Limits,
}

/// Which algorithm decided a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// The exact procedure for registers whose values are written once each.
    RegisterExact,
    /// The search.
    Search,
}

/// Judges a history of registers with read, write and compare-and-set, one register a key.
///
/// A history without operations is valid; whether it is enough to go by is not judged here.
pub fn check(history: &History, options: &Options) -> Analysis {
    let keys: Vec<(Key, Vec<usize>)> = partition(history).into_iter().collect();
    let decisions: Vec<(Decision, Algorithm)> = keys
        .par_iter()
        .map(|(_, indices)| check_key(history, indices, options))
        .collect();

    let mut analysis = Analysis {
        verdict: Verdict::Valid,
        keys: keys.len(),
        operations: history.operations.len(),
        conflicts: Vec::new(),
        conflicts_total: 0,
        unknown: Vec::new(),
        unknown_total: 0,
        decided_by: DecidedBy::default(),
    };
    for ((key, _), (decision, algorithm)) in keys.into_iter().zip(decisions) {
        analysis.verdict = analysis.verdict.merge(decision.verdict());
        match (&decision, algorithm) {
            (Decision::Unknown(_), _) => analysis.decided_by.none += 1,
            (_, Algorithm::RegisterExact) => analysis.decided_by.register_exact += 1,
            (_, Algorithm::Search) => analysis.decided_by.search += 1,
        }
        match decision {
            Decision::Valid(_) => {}
            Decision::Invalid(conflict) => {
                analysis.conflicts_total += 1;
                if analysis.conflicts.len() < MOST_LISTED {
                    analysis.conflicts.push(*conflict);
                }
            }
            Decision::Unknown(why) => {
                analysis.unknown_total += 1;
                if analysis.unknown.len() < MOST_LISTED {
                    analysis.unknown.push((key, why));
                }
            }
        }
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

/// Judges the operations `indices` of `history`, which must all address one register, and tells which algorithm did.
///
/// # Panics
/// If an index is not one of the history's.
pub fn check_key(history: &History, indices: &[usize], options: &Options) -> (Decision, Algorithm) {
    for &index in indices {
        let operation = &history.operations[index];
        if finish(operation) <= operation.invoked {
            let why = format!("operation {index} of the history ends before it begins");
            return (Decision::Unknown(why), Algorithm::Search);
        }
    }
    let register = Register {
        initial: options.initial.clone(),
    };
    let (decision, algorithm) = decide(history, indices, options, &register);
    (verified(history, indices, &register, decision), algorithm)
}

fn decide(
    history: &History,
    indices: &[usize],
    options: &Options,
    register: &Register,
) -> (Decision, Algorithm) {
    let prepared = Prepared::new(history, indices, register);
    let needed = prepared.needed();
    let contradiction = |proof| {
        let conflict = sentences::conflict(history, &options.initial, proof);
        (Decision::Invalid(Box::new(conflict)), Algorithm::RegisterExact)
    };
    match exact::decide(&prepared, &needed) {
        (Exact::Contradiction(proof), _) => return contradiction(proof),
        (Exact::Order(order), Some(flow)) => match place(&prepared, &needed, &flow, order) {
            Placed::Order(order) => {
                let order = order
                    .into_iter()
                    .map(|number| prepared.steps[number].index)
                    .collect();
                return (Decision::Valid(order), Algorithm::RegisterExact);
            }
            Placed::Contradiction(proof) => return contradiction(proof),
            Placed::Misfit => {}
        },
        _ => {}
    }
    let decision = match search(register, history, &to_search(&prepared, &needed), &options.limits) {
        Searched::Found(order) => Decision::Valid(order),
        Searched::Stuck(stuck) => Decision::Invalid(Box::new(sentences::no_order(history, stuck))),
        Searched::GaveUp(why) => Decision::Unknown(why),
    };
    (decision, Algorithm::Search)
}

/// The operations that the search must try: those that nobody can have noticed are left out.
fn to_search(prepared: &Prepared, needed: &Needed) -> Vec<usize> {
    // A cas that failed without telling what it found may have been made to fail by any open operation.
    let any_not = prepared
        .steps
        .iter()
        .any(|step| matches!(step.kind, Kind::Not(_)));
    let steps = prepared.steps.iter().enumerate();
    steps
        .filter(|(number, _)| any_not || needed.keep[*number])
        .map(|(_, step)| step.index)
        .collect()
}

/// Lets pass only what the validators accept.
fn verified(history: &History, indices: &[usize], register: &Register, decision: Decision) -> Decision {
    match decision {
        Decision::Valid(order) => match validate::linearization(register, history, indices, &order) {
            Ok(()) => Decision::Valid(order),
            Err(why) => Decision::Unknown(format!("internal: the linearization is wrong: {why}")),
        },
        Decision::Invalid(conflict) => match validate::conflict(register, history, indices, &conflict) {
            Ok(confirmed) => Decision::Invalid(Box::new(Conflict {
                confirmed,
                ..*conflict
            })),
            Err(why) => Decision::Unknown(format!("internal: the conflict is wrong: {why}")),
        },
        Decision::Unknown(why) => Decision::Unknown(why),
    }
}
