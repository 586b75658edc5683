//! Objects that no operation connects are judged by themselves (Herlihy and Wing 1990, theorem 1), also where
//! operations address several at a time.
//!
//! Invariant: the merged order respects real time. The orders of the components and real time together have
//! no cycle, so there always is a first operation left that may come next, and if any, the one that began
//! first.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use history::{History, Key};
use petgraph::unionfind::UnionFind;
use rustc_hash::FxHashMap;

use crate::engine::search::Limits;
use crate::engine::slices;
use crate::model::finish;
use crate::verdict::{Algorithm, Decision, Linearization};

/// Judges the components of the operations at `indices`, each by `decide`, in slices ([`slices`]), and merges
/// the decisions. `keys` calls back with every key that an operation addresses.
pub(crate) fn decide(
    history: &History,
    indices: &[usize],
    limits: &Limits,
    keys: impl Fn(usize, &mut dyn FnMut(&Key)),
    decide: impl Fn(&[usize], &Limits) -> (Decision, Algorithm) + Sync,
) -> (Decision, Algorithm) {
    let components = components(indices, keys);
    let decisions = slices::judge(&components, limits, true, |indices, limits| {
        decide(indices, limits)
    });
    let mut algorithms: Vec<Algorithm> = decisions.iter().map(|(_, algorithm)| *algorithm).collect();
    algorithms.dedup();
    let mut orders = Vec::with_capacity(decisions.len());
    let mut unknown = None;
    for (decision, algorithm) in decisions {
        match decision {
            Decision::Invalid(_) => return (decision, algorithm),
            Decision::Unknown(_) => unknown = unknown.or(Some((decision, algorithm))),
            Decision::Valid(order) => orders.push(order),
        }
    }
    let together = match algorithms[..] {
        [only] => only,
        _ => Algorithm::COMPONENTS,
    };
    unknown.unwrap_or_else(|| (Decision::Valid(merge(history, orders)), together))
}

/// The operations by component, in the order of their first ones.
fn components(indices: &[usize], keys: impl Fn(usize, &mut dyn FnMut(&Key))) -> Vec<Vec<usize>> {
    let mut numbers: FxHashMap<Key, usize> = FxHashMap::default();
    let mut connected: UnionFind<usize> = UnionFind::new_empty();
    let mut first_keys = Vec::with_capacity(indices.len());
    for &index in indices {
        let mut first = None;
        keys(index, &mut |key| {
            let number = match numbers.get(key) {
                Some(&number) => number,
                None => {
                    let number = connected.new_set();
                    numbers.insert(key.clone(), number);
                    number
                }
            };
            connected.union(*first.get_or_insert(number), number);
        });
        first_keys.extend(first.map(|number| (index, number)));
    }
    let mut places: FxHashMap<usize, usize> = FxHashMap::default();
    let mut components: Vec<Vec<usize>> = Vec::new();
    for (index, number) in first_keys {
        let place = *places
            .entry(connected.find_mut(number))
            .or_insert(components.len());
        if place == components.len() {
            components.push(Vec::new());
        }
        components[place].push(index);
    }
    components
}

/// One order of all.
fn merge(history: &History, orders: Vec<Linearization>) -> Linearization {
    if orders.len() < 2 {
        return orders.into_iter().flatten().collect();
    }
    let count = orders.iter().map(Vec::len).sum();
    let mut orders: Vec<_> = orders.into_iter().map(Vec::into_iter).collect();
    let mut heads = BinaryHeap::new();
    for (number, order) in orders.iter_mut().enumerate() {
        heads.extend(
            order
                .next()
                .map(|index| Reverse((history.operations[index].invoked, index, number))),
        );
    }
    let mut merged = Vec::with_capacity(count);
    while let Some(Reverse((_, index, number))) = heads.pop() {
        merged.push(index);
        let next = orders[number].next();
        heads.extend(next.map(|index| Reverse((history.operations[index].invoked, index, number))));
    }
    debug_assert!(respects_real_time(history, &merged));
    merged
}

fn respects_real_time(history: &History, order: &[usize]) -> bool {
    let mut latest = 0;
    order.iter().all(|&index| {
        let operation = &history.operations[index];
        let is_in_time = finish(operation) >= latest;
        latest = latest.max(operation.invoked);
        is_in_time
    })
}
