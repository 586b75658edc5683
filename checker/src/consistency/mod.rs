//! What is it still? For a history of registers that is not linearizable: which weaker models hold, and how
//! stale answers were.
//!
//! The models are [`Guarantee`]s, strongest first. All are judged for the whole history, since processes go
//! from key to key. Operations of unknown outcome may have happened or not; failed ones did not; a cas that
//! failed and told what it found is a read. Real time does not count, except for [`Staleness`] and the
//! [`Anomaly`]s.
//!
//! The session guarantees, for someone who sees nothing but answers (after Terry et al., PDIS 1994): each
//! answer came from a write of its value, and the writes of each key have one order: the initial value first;
//! writes of one process as it made them; a cas after the write that it replaced. No one is answered with
//! what its own process writes only later. A process *sees* a write when it is answered with it or with a
//! later one of that order.
//!
//! | Guarantee           | holds iff sources and orders can be chosen such that |
//! |---------------------|------------------------------------------------------|
//! | read your writes    | a process sees what it wrote itself |
//! | monotonic reads     | a process goes on seeing what it was once answered with |
//! | monotonic writes    | who saw a write then sees all that its process had written before it |
//! | writes follow reads | who saw a write then sees all that its process had seen before it |
//!
//! Of other models than registers only sequential consistency is judged ([`crate::judge`]).
//!
//! Invariants:
//! - What is said to hold was shown to hold, what is said to be violated comes with the operations that
//!   contradict it; everything else is unknown. Values that are written once each leave little unknown.
//! - Limits on work and memory count steps, never time: the same history gets the same answer everywhere.

mod any_model;
mod constraint_graph;
mod evidence;
mod findings;
mod greedy_order;
mod guarantees;
mod happens_before;
mod judge;
mod reads_from;
mod realtime;
mod search;
mod steps;
mod validate;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use history::{History, Times, Value};

pub(crate) use any_model::sequential;
pub use findings::{Anomaly, AnomalyKind, Evidence, Finding, Findings, Guarantee, Judged, Staleness};
pub use validate::explains;

use reads_from::Explanations;
use steps::Trace;

/// How hard to try. What passes a limit is unknown.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Elementary steps for each model.
    pub work: u64,
    /// Numbers of four bytes held at once: operations times processes for causal convergence and the
    /// consequences of sequential consistency, configurations times (processes + keys) for the search.
    pub cells: usize,
    /// Ways in which answers may have come from writes, where values repeat.
    pub explanations: u64,
    /// Configurations of the search for a sequential order.
    pub configurations: usize,
    /// Nothing more is begun, and a search ends, soon after one of these becomes true.
    pub stop: Vec<Arc<AtomicBool>>,
}

impl Limits {
    /// Whether someone wants it to end.
    pub(crate) fn is_stopped(&self) -> bool {
        self.stop.iter().any(|stop| stop.load(Ordering::Relaxed))
    }
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            work: 1_000_000_000,
            cells: 64_000_000,
            explanations: 4_096,
            configurations: 100_000,
            stop: Vec::new(),
        }
    }
}

/// Judges all operations of a history; all registers begin with `initial`.
pub fn weaken(history: &History, initial: &Value, limits: &Limits) -> Findings {
    let all: Vec<usize> = (0..history.operations.len()).collect();
    weaken_part(history, &all, initial, limits)
}

/// Judges the operations `indices` of a history, for example those on one key.
///
/// # Panics
/// If an index is not one of the history's.
pub fn weaken_part(history: &History, indices: &[usize], initial: &Value, limits: &Limits) -> Findings {
    let trace = match Trace::new(history, indices, initial) {
        Ok(trace) => trace,
        Err(why) => return all_models(|_| Finding::Unknown { why: why.clone() }),
    };
    let real_time = realtime::RealTime::new(&trace);
    let (mut staleness, anomalies) = (real_time.staleness(), real_time.anomalies());
    if history.times == Times::Places {
        staleness = Staleness::default();
    }
    drop(real_time);
    let mut still = match judge::unexplained(&trace) {
        Some(evidence) => all_models(|_| Finding::Violated(evidence.clone())),
        None => models(&trace, indices, initial, limits),
    };
    still.keys = trace.keys.len();
    still.staleness = staleness;
    still.anomalies = anomalies;
    still
}

/// Whether the operations `indices` of a history of registers are causally convergent.
pub(crate) fn causal(history: &History, indices: &[usize], initial: &Value, limits: &Limits) -> Finding {
    let trace = match Trace::new(history, indices, initial) {
        Ok(trace) => trace,
        Err(why) => return Finding::Unknown { why },
    };
    if let Some(evidence) = judge::unexplained(&trace) {
        return Finding::Violated(evidence);
    }
    let explanations = Explanations::new(&trace);
    // These are cheaper to refute, and told in fewer words.
    for guarantee in Guarantee::SESSION {
        let finding = judge::session(&trace, &explanations, guarantee, limits);
        if matches!(finding, Finding::Violated(_)) {
            return finding;
        }
    }
    judge::causal(&trace, &explanations, limits)
}

fn models(trace: &Trace, indices: &[usize], initial: &Value, limits: &Limits) -> Findings {
    let explanations = Explanations::new(trace);
    let mut turn = Guarantee::SESSION.to_vec();
    turn.extend([Guarantee::CausalConvergence, Guarantee::SequentialPerKey]);
    // The session guarantees are the cheapest to refute. But where values repeat, one order of everything is
    // often easier to find than a choice of sources, and it shows all the rest.
    let whole = if explanations.is_certain() {
        Guarantee::SESSION.len()
    } else {
        0
    };
    turn.insert(whole, Guarantee::SequentialConsistency);

    let mut found: Vec<(Guarantee, Finding)> = Vec::new();
    let mut witness = Vec::new();
    for guarantee in turn {
        if limits.is_stopped() {
            break;
        }
        let finding = match (implied(&found, guarantee), guarantee) {
            (Some(finding), _) => finding,
            (None, Guarantee::SequentialConsistency) => {
                let (finding, order) = judge::sequential(trace, indices, initial, &explanations, limits);
                witness = order;
                finding
            }
            (None, Guarantee::SequentialPerKey) if trace.keys.len() > 1 => {
                judge::per_key(trace, initial, limits)
            }
            // With one key it is the same question.
            (None, Guarantee::SequentialPerKey) => finding_of(&found, Guarantee::SequentialConsistency),
            (None, Guarantee::CausalConvergence) => judge::causal(trace, &explanations, limits),
            (None, session) => judge::session(trace, &explanations, session, limits),
        };
        found.push((guarantee, finding));
    }
    // What was found later may decide what was left open.
    let mut still = all_models(|guarantee| match finding_of(&found, guarantee) {
        unknown @ Finding::Unknown { .. } => implied(&found, guarantee).unwrap_or(unknown),
        finding => finding,
    });
    still.witness = witness;
    still
}

/// What is weaker than what holds holds; what is stronger than what is violated is violated.
fn implied(found: &[(Guarantee, Finding)], guarantee: Guarantee) -> Option<Finding> {
    found.iter().find_map(|(other, finding)| match finding {
        Finding::Holds if other.implies(guarantee) => Some(Finding::Holds),
        Finding::Violated(_) if guarantee.implies(*other) => Some(finding.clone()),
        _ => None,
    })
}

fn finding_of(found: &[(Guarantee, Finding)], guarantee: Guarantee) -> Finding {
    let judged = found.iter().find(|(other, _)| *other == guarantee);
    judged.map_or_else(
        || Finding::Unknown {
            why: "not judged".to_owned(),
        },
        |(_, finding)| finding.clone(),
    )
}

fn all_models(finding: impl Fn(Guarantee) -> Finding) -> Findings {
    Findings {
        models: Guarantee::ALL
            .into_iter()
            .map(|guarantee| Judged {
                guarantee,
                finding: finding(guarantee),
            })
            .collect(),
        ..Findings::default()
    }
}
