//! Registers whose values are written once each: decided exactly in O(n log n), whatever the concurrency and
//! however many outcomes are unknown.
//!
//! After Gibbons & Korach, "Testing shared memories", SIAM J. Comput. 26(4), 1997 (read-modify-write with a
//! known reads-from relation), extended to operations with unknown outcomes.
//!
//! ```text
//!              m (first completion)      M (last invocation)
//!              v                         v
//!   block 1  |-w1-|  |--r1--|          |-r1-|        block 1 must come before block 2, since m1 < M2,
//!   block 2             |---w2---|  |-r2-|           and after it, since m2 < M1: not linearizable.
//!                                ^  ^
//!                               m2  M2
//! ```
//!
//! A *block* is a chain of values tied by cas, with all reads of these values. Its inner order is forced: a
//! writer, the reads of its value, the cas that replaces it, and so on. Values are unique, so a block is
//! contiguous in every linearization. Let R(i,j) be m_i < M_j: "i must come before j". A linearization exists
//! iff R is acyclic. In a shortest cycle of length 4 or more m_1 < M_2 <= m_3 and m_3 < M_4 <= m_1, a
//! contradiction; length 3 likewise. So only pairs matter. If R(i,j) and not R(j,i), then m_i < M_j and M_i
//! <= m_j, hence m_i + M_i < m_j + M_j: the order of the midpoints is a linearization, if there is one.
//!
//! Invariants:
//! - An open operation is taken to have happened iff someone saw what it wrote ([`Prepared::needed`]).
//! - The first completion of a block fixes m; only M grows with the history. Conflicts can therefore be found
//!   while a history grows, although this file judges complete ones.

use super::blocks::{Blocks, Flow, Uniqueness, by_midpoint, fit, order};
use super::earliest_conflict::earliest;
use super::prepare::{Needed, Prepared, StepId};
use super::proof::{Proof, prove};
use super::rearrange::Arrangement;
use crate::verdict::Rule;

/// What the exact procedure found out.
#[derive(Debug)]
pub(crate) enum Exact {
    /// Linearizable, apart from steps that only say what was not there
    /// ([`Step::lacks`](super::prepare::Step::lacks)): all other kept steps in order.
    Order(Arrangement),
    /// Not linearizable.
    Contradiction(Proof),
    /// A value is written twice, or the initial value is written: not for this procedure.
    Repeated,
}

/// Decides one key, apart from its steps that only say what was not there.
pub(crate) fn decide(prepared: &Prepared, needed: &Needed) -> Exact {
    if let Some(index) = prepared.found_expected {
        return Exact::Contradiction(Proof {
            rule: Rule::FoundExpected,
            operations: vec![index],
            links: Vec::new(),
        });
    }
    let (flow, uniqueness) = Flow::new(prepared, needed);
    // What a definite operation saw someone must have written, however often values repeat.
    if let Some(number) = flow.never_written(prepared, needed, |number| !prepared.step(number).is_open()) {
        return contradiction(prepared, needed, Rule::NeverWritten, &[number]);
    }
    if uniqueness == Uniqueness::Repeated {
        return Exact::Repeated;
    }
    if let Some(number) = flow.never_written(prepared, needed, |_| true) {
        return contradiction(prepared, needed, Rule::NeverWritten, &[number]);
    }
    if let Uniqueness::ReplacedTwice(pair) = uniqueness {
        return contradiction(prepared, needed, Rule::ReplacedTwice, &pair);
    }
    let blocks = Blocks::new(&flow);
    if let Some(circle) = blocks.circle(&flow) {
        return contradiction(prepared, needed, Rule::Circle, &circle);
    }
    let sorted = by_midpoint(&blocks.blocks);
    if blocks.in_order && fit(&sorted) {
        let order = order(prepared.steps.len(), &flow, &sorted);
        Exact::Order(Arrangement { flow, order, sorted })
    } else {
        Exact::Contradiction(earliest(prepared, needed, &flow, &sorted))
    }
}

fn contradiction(prepared: &Prepared, needed: &Needed, rule: Rule, steps: &[StepId]) -> Exact {
    Exact::Contradiction(prove(prepared, needed, rule, steps, &[]))
}
