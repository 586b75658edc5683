//! Places cas that failed without telling what they found into an order of all other operations.
//!
//! Such a cas says only "not this value here". In a given order each is put at the earliest place that its interval
//! allows and where the register holds something else; earliest is best, because it leaves most room to those that
//! must come later. Where that fails, the history is a contradiction if the expected value certainly stood there during
//! the whole operation; otherwise another order might do, and the search must tell.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::exact::Flow;
use crate::prepare::{INITIAL, Kind, Needed, Prepared, ValueId};
use crate::proof::{Proof, prove};
use crate::verdict::Rule;

/// What came of placing them.
#[derive(Debug)]
pub(crate) enum Placed {
    /// Numbers of all kept steps, in order.
    Order(Vec<usize>),
    /// Not linearizable.
    Contradiction(Proof),
    /// They do not fit into this order; perhaps into another one.
    Misfit,
}

/// Puts every step of kind [`Kind::Not`] into `order`, a linearization of the other kept ones.
pub(crate) fn place(prepared: &Prepared, needed: &Needed, flow: &Flow, order: Vec<usize>) -> Placed {
    let steps = &prepared.steps;
    let nots = || (0..steps.len()).filter(|&number| matches!(steps[number].kind, Kind::Not(_)));
    if nots().next().is_none() {
        return Placed::Order(order);
    }

    // Gap g is the place before the g-th step of the order. What the register holds there, and where that ends.
    let mut held = Vec::with_capacity(order.len() + 1);
    held.push(INITIAL);
    for &number in &order {
        let before = held[held.len() - 1];
        held.push(steps[number].kind.writes().unwrap_or(before));
    }
    let mut next_change = vec![held.len(); held.len()];
    for gap in (0..order.len()).rev() {
        next_change[gap] = if held[gap] == held[gap + 1] {
            next_change[gap + 1]
        } else {
            gap + 1
        };
    }

    let bounds = Bounds::new(prepared, &order);
    // Pairs of gap and number. Those that completed before the next one begins push it to their own gap at least.
    let mut placed: Vec<(usize, usize)> = Vec::new();
    let mut running: BinaryHeap<Reverse<(u64, usize)>> = BinaryHeap::new();
    let mut pushed = 0;
    for number in nots() {
        let step = &steps[number];
        let Kind::Not(value) = step.kind else { continue };
        while let Some(Reverse((finish, gap))) = running.peek().copied()
            && finish < step.start
        {
            pushed = pushed.max(gap);
            running.pop();
        }
        let mut gap = bounds.lowest(step.start).max(pushed);
        if held[gap] == value {
            gap = next_change[gap];
        }
        if gap > bounds.highest(step.finish) {
            return match throughout(prepared, needed, flow, number, value) {
                Some(proof) => Placed::Contradiction(proof),
                None => Placed::Misfit,
            };
        }
        running.push(Reverse((step.finish, gap)));
        placed.push((gap, number));
    }

    placed.sort_unstable();
    let mut all = Vec::with_capacity(order.len() + placed.len());
    let mut placed = placed.into_iter().peekable();
    for (gap, &number) in order.iter().enumerate() {
        while let Some((_, not)) = placed.next_if(|(at, _)| *at <= gap) {
            all.push(not);
        }
        all.push(number);
    }
    all.extend(placed.map(|(_, not)| not));
    Placed::Order(all)
}

/// Which gaps of an order an interval allows.
struct Bounds {
    /// By completion: the latest place among steps that completed until then.
    completed: Vec<(u64, usize)>,
    /// By invocation, descending: the earliest place among steps invoked since then.
    invoked: Vec<(u64, usize)>,
}

impl Bounds {
    fn new(prepared: &Prepared, order: &[usize]) -> Self {
        let steps = &prepared.steps;
        let mut completed: Vec<(u64, usize)> = order
            .iter()
            .enumerate()
            .map(|(place, &number)| (steps[number].finish, place))
            .collect();
        let mut invoked: Vec<(u64, usize)> = order
            .iter()
            .enumerate()
            .map(|(place, &number)| (steps[number].start, place))
            .collect();
        completed.sort_unstable();
        invoked.sort_unstable_by(|a, b| b.cmp(a));
        for i in 1..order.len() {
            completed[i].1 = completed[i].1.max(completed[i - 1].1);
            invoked[i].1 = invoked[i].1.min(invoked[i - 1].1);
        }
        Bounds { completed, invoked }
    }

    /// The first gap behind all steps that completed before `start`.
    fn lowest(&self, start: u64) -> usize {
        let count = self.completed.partition_point(|(finish, _)| *finish < start);
        if count == 0 {
            0
        } else {
            self.completed[count - 1].1 + 1
        }
    }

    /// The last gap before all steps that began after `finish`.
    fn highest(&self, finish: u64) -> usize {
        let count = self.invoked.partition_point(|(start, _)| *start > finish);
        if count == 0 {
            self.invoked.len()
        } else {
            self.invoked[count - 1].1
        }
    }
}

/// Whether the register held `value` during the whole of the step `not`: it was there before, and it was still there
/// after. Values are unique, so nothing stands between.
fn throughout(
    prepared: &Prepared,
    needed: &Needed,
    flow: &Flow,
    not: usize,
    value: ValueId,
) -> Option<Proof> {
    let steps = &prepared.steps;
    let (reads, writer) = (flow.reads(value).iter().copied(), flow.writer[value as usize]);
    let before = reads
        .clone()
        .chain(writer)
        .min_by_key(|&number| steps[number].finish)
        .filter(|&number| value != INITIAL && steps[number].finish < steps[not].start);
    if before.is_none() && value != INITIAL {
        return None;
    }
    let after = reads
        .chain(flow.replacer[value as usize])
        .max_by_key(|&number| steps[number].start)
        .filter(|&number| steps[number].start > steps[not].finish)?;
    let shown: Vec<usize> = [not].into_iter().chain(before).chain([after]).collect();
    Some(prove(prepared, needed, Rule::HeldThroughout, &shown, &[]))
}
