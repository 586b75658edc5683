//! From contradicting steps to a proof that stands alone: with the cas that tie its values together, and with
//! what shows that its open operations happened.

use rustc_hash::FxHashSet;

use super::prepare::{INITIAL, Needed, Prepared, StepId, ValueId};
use crate::verdict::Rule;

/// A conflict in the making. Operations are indices into the history's operations.
#[derive(Debug)]
pub(crate) struct Proof {
    pub rule: Rule,
    pub operations: Vec<usize>,
    pub links: Vec<usize>,
}

/// How many operations of a circle of cas are named; the others are links.
const MOST_NAMED: usize = 6;

/// Completes a proof: `shown` are the contradicting steps, `ties` pairs of values that belong to one chain of
/// cas.
pub(crate) fn prove(
    prepared: &Prepared,
    needed: &Needed,
    rule: Rule,
    shown: &[StepId],
    ties: &[[ValueId; 2]],
) -> Proof {
    let mut known: FxHashSet<StepId> = FxHashSet::default();
    let mut named: Vec<StepId> = Vec::new();
    let mut add = |named: &mut Vec<StepId>, numbers: &[StepId]| {
        named.extend(numbers.iter().copied().filter(|&number| known.insert(number)));
    };
    // Only a circle of cas is longer than a handful.
    let (first, rest) = shown.split_at(shown.len().min(MOST_NAMED));
    add(&mut named, first);
    let operations = named.len();
    add(&mut named, rest);
    for &[from, to] in ties.iter().filter(|[from, to]| from != to) {
        let chain = chain(prepared, needed, from, to).or_else(|| chain(prepared, needed, to, from));
        add(&mut named, &chain.unwrap_or_default());
    }
    // An open operation happened if someone saw what it wrote; follow that to an operation that has an
    // answer.
    let mut checked = 0;
    while checked < named.len() {
        let step = prepared.step(named[checked]);
        checked += 1;
        if step.is_open()
            && let Some(value) = step.written()
            && let Some(witness) = needed.seen_by(value)
        {
            add(&mut named, &[witness]);
        }
    }
    let indices = |numbers: &[StepId]| -> Vec<usize> {
        let index = |&number: &StepId| prepared.step(number).index as usize;
        numbers.iter().map(index).collect()
    };
    let (operations, links) = named.split_at(operations);
    Proof {
        rule,
        operations: indices(operations),
        links: indices(links),
    }
}

/// The cas that lead from one value to another, walking back from `to`.
fn chain(prepared: &Prepared, needed: &Needed, from: ValueId, to: ValueId) -> Option<Vec<StepId>> {
    let mut before: Vec<Option<(ValueId, StepId)>> = vec![None; prepared.values];
    for (number, step) in prepared.numbered() {
        if needed.keep[number as usize] && step.is_cas() {
            before[step.writes as usize] = Some((step.sees, number));
        }
    }
    let mut links = Vec::new();
    let mut value = to;
    while value != from {
        if value == INITIAL || links.len() > prepared.steps.len() {
            return None;
        }
        let (earlier, number) = before[value as usize]?;
        links.push(number);
        value = earlier;
    }
    Some(links)
}
