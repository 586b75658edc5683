//! The analysis of a whole history: the decisions on its keys together.
//!
//! Invariant: its lists are in the order in which the keys were added, and counts are of all keys, whatever
//! is listed.

use std::collections::BTreeMap;

use history::{Key, Value};

use crate::consistency::Findings;
use crate::objects::Entry;
use crate::verdict::{Algorithm, Conflict, Decision, Linearization, MOST_LISTED, Verdict};

/// What was found out about a whole history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Analysis {
    /// The keys' verdicts, merged.
    pub verdict: Verdict,
    /// How many keys there are.
    pub keys: usize,
    /// How many client operations there are, whatever their outcome.
    pub operations: usize,
    /// The orders that explain the answers of valid keys, in key order, if they were to be kept
    /// ([`crate::Options::keep_orders`]).
    pub orders: Vec<(Key, Linearization)>,
    /// Conflicts, one a key, in key order; the first [`MOST_LISTED`].
    pub conflicts: Vec<Conflict>,
    /// How many keys are not linearizable.
    pub conflicts_total: usize,
    /// Undecided keys and why, in key order; the first [`MOST_LISTED`].
    pub unknown: Vec<(Key, String)>,
    /// How many keys are undecided.
    pub unknown_total: usize,
    /// The model by which it was judged.
    pub model: &'static Entry,
    /// What every object held at first, by that judgement.
    pub initial: Value,
    /// How many keys each algorithm decided; `none` for those that are unknown.
    pub decided_by: BTreeMap<&'static str, usize>,
    /// What it still is if it is invalid, as far as that was asked for ([`crate::judge`]).
    pub still: Option<Findings>,
    /// What became of what was written, in sentences, where the model has more to tell than its verdict
    /// ([`crate::judge`]).
    pub account: Vec<String>,
}

impl Analysis {
    /// The analysis of a history of so many operations before any of its keys is judged.
    pub(crate) fn empty(operations: usize, model: &'static Entry, initial: Value) -> Analysis {
        Analysis {
            verdict: Verdict::Valid,
            keys: 0,
            operations,
            orders: Vec::new(),
            conflicts: Vec::new(),
            conflicts_total: 0,
            unknown: Vec::new(),
            unknown_total: 0,
            model,
            initial,
            decided_by: BTreeMap::new(),
            still: None,
            account: Vec::new(),
        }
    }

    /// Adds what was found out about one more key.
    pub(crate) fn add(&mut self, key: Key, decision: Decision, algorithm: Algorithm) {
        self.verdict = self.verdict.merge(decision.verdict());
        let algorithm = match decision {
            Decision::Unknown(_) => Algorithm::NONE,
            _ => algorithm,
        };
        *self.decided_by.entry(algorithm.0).or_default() += 1;
        match decision {
            Decision::Valid(order) if order.is_empty() => {}
            Decision::Valid(order) => self.orders.push((key, order)),
            Decision::Invalid(conflict) => {
                self.conflicts_total += 1;
                if self.conflicts.len() < MOST_LISTED {
                    self.conflicts.push(*conflict);
                }
            }
            Decision::Unknown(why) => {
                self.unknown_total += 1;
                if self.unknown.len() < MOST_LISTED {
                    self.unknown.push((key, why.to_string()));
                }
            }
        }
    }
}
