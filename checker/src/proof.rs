//! From contradicting steps to a proof that stands alone: with the cas that tie its values together, and with what
//! shows that its open operations happened.

use rustc_hash::FxHashSet;

use crate::prepare::{INITIAL, Kind, Needed, Prepared, ValueId};
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

/// Completes a proof: `shown` are the contradicting steps, `ties` pairs of values that belong to one chain of cas.
pub(crate) fn prove(
    prepared: &Prepared,
    needed: &Needed,
    rule: Rule,
    shown: &[usize],
    ties: &[[ValueId; 2]],
) -> Proof {
    let steps = &prepared.steps;
    let mut known: FxHashSet<usize> = FxHashSet::default();
    let mut named: Vec<usize> = Vec::new();
    let mut add = |named: &mut Vec<usize>, numbers: &[usize]| {
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
    // An open operation happened if somebody saw what it wrote; follow that to an operation that has an answer.
    let mut checked = 0;
    while checked < named.len() {
        let step = &steps[named[checked]];
        checked += 1;
        if step.is_open()
            && let Some(value) = step.kind.writes()
            && let Some(witness) = needed.seen_by[value as usize]
        {
            add(&mut named, &[witness]);
        }
    }
    let links = named[operations..]
        .iter()
        .map(|&number| steps[number].index)
        .collect();
    let operations = named[..operations]
        .iter()
        .map(|&number| steps[number].index)
        .collect();
    Proof {
        rule,
        operations,
        links,
    }
}

/// The cas that lead from one value to another, walking back from `to`.
fn chain(prepared: &Prepared, needed: &Needed, from: ValueId, to: ValueId) -> Option<Vec<usize>> {
    let mut before: Vec<Option<(ValueId, usize)>> = vec![None; prepared.values.len()];
    for (number, step) in prepared.steps.iter().enumerate() {
        if let (true, Kind::Cas(a, b)) = (needed.keep[number], step.kind) {
            before[b as usize] = Some((a, number));
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
