//! Places cas that failed without telling what they found into an order of all other operations.
//!
//! Such a cas says only "not this value here". In a given order each is put at the earliest place that its
//! interval allows and where the register holds something else; earliest is best, because it leaves most room
//! to those that must come later. Where that fails, the history is a contradiction if the expected value
//! certainly stood there during the whole operation; otherwise another order might do
//! ([`crate::objects::register::rearrange`]).

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

use super::blocks::Flow;
use super::prepare::{INITIAL, NOTHING, Needed, Prepared, Step, StepId, ValueId};
use super::proof::{Proof, prove};
use crate::verdict::{Linearization, Rule};

/// What came of placing them.
#[derive(Debug)]
pub(crate) enum Placed {
    /// All kept steps in order, by their indices into the history.
    Order(Linearization),
    /// Not linearizable.
    Contradiction(Proof),
    /// This one does not fit into this order; perhaps into another one.
    Misfit(StepId),
}

/// Puts every step that only says what was not there ([`Step::lacks`]) into `order`, a linearization of the
/// other kept ones.
///
/// They are taken in the order of their invocations, so that the earliest place of each is never before that
/// of the one before it: one walk through the order meets them all.
pub(crate) fn place(prepared: &Prepared, needed: &Needed, flow: &Flow, order: &[StepId]) -> Placed {
    let mut walk = Walk::new(prepared, order);
    let completes_from = earliest_completions(prepared, order);
    let mut lowest = 0;
    // Those that had to be put behind their earliest place: by completion, with their gaps. What begins after
    // that completion may not stand before them.
    let mut put_off: BinaryHeap<Reverse<(u32, usize)>> = BinaryHeap::new();
    let mut ahead = walk.gap;
    for (number, step) in prepared.numbered() {
        let Some(value) = step.lacked() else { continue };
        // Behind all steps that completed before it began.
        while completes_from
            .get(lowest)
            .is_some_and(|finish| *finish < step.start)
        {
            lowest += 1;
        }
        while let Some(&Reverse((finish, at))) = put_off.peek()
            && finish < step.start
        {
            lowest = lowest.max(at);
            put_off.pop();
        }
        walk.to(lowest);
        let mut gap = walk.gap;
        if gap.holds == value {
            // The first gap from there on that holds something else, which is known if this one lies before
            // it.
            if ahead.at <= gap.at {
                ahead = gap;
                while ahead.holds == value && ahead.at < order.len() {
                    ahead.pass(prepared.step(order[ahead.at]));
                }
            }
            gap = ahead;
        }
        // Before all steps that began after it had completed.
        if gap.holds == value || gap.last_start > step.finish {
            return match throughout(prepared, needed, flow, number, value) {
                Some(proof) => Placed::Contradiction(proof),
                None => Placed::Misfit(number),
            };
        }
        if gap.at == walk.gap.at {
            walk.placed.push(step.index as usize);
        } else {
            walk.waiting.push_back((gap.at, step.index));
            put_off.push(Reverse((step.finish, gap.at)));
        }
    }
    walk.to(order.len());
    Placed::Order(walk.placed)
}

/// For each place of an order the earliest completion from there on.
fn earliest_completions(prepared: &Prepared, order: &[StepId]) -> Vec<u32> {
    let mut earliest: Vec<u32> = order.iter().map(|&number| prepared.step(number).finish).collect();
    for place in (1..earliest.len()).rev() {
        earliest[place - 1] = earliest[place - 1].min(earliest[place]);
    }
    earliest
}

/// The gap before the step with this place in an order, or behind the last one.
#[derive(Clone, Copy)]
struct Gap {
    at: usize,
    /// What the register holds there.
    holds: ValueId,
    /// The last invocation before it.
    last_start: u32,
}

impl Gap {
    /// Goes on behind the next step.
    fn pass(&mut self, step: &Step) {
        self.at += 1;
        self.holds = if step.writes == NOTHING {
            self.holds
        } else {
            step.writes
        };
        self.last_start = self.last_start.max(step.start);
    }
}

/// A walk through an order that copies it, together with what is placed on the way.
struct Walk<'a> {
    prepared: &'a Prepared,
    order: &'a [StepId],
    gap: Gap,
    placed: Linearization,
    /// What was put into gaps further on, in the order of the gaps: by gap, with the index into the history.
    waiting: VecDeque<(usize, u32)>,
}

impl<'a> Walk<'a> {
    fn new(prepared: &'a Prepared, order: &'a [StepId]) -> Self {
        Walk {
            prepared,
            order,
            gap: Gap {
                at: 0,
                holds: INITIAL,
                last_start: 0,
            },
            placed: Vec::with_capacity(prepared.steps.len()),
            waiting: VecDeque::new(),
        }
    }

    /// Goes on to a gap, if it lies further on.
    fn to(&mut self, at: usize) {
        while self.gap.at < at {
            let until = self.waiting.front().map_or(at, |&(gap, _)| gap.min(at));
            for &number in &self.order[self.gap.at..until] {
                let step = self.prepared.step(number);
                self.placed.push(step.index as usize);
                self.gap.pass(step);
            }
            while let Some(&(gap, index)) = self.waiting.front()
                && gap == self.gap.at
            {
                self.placed.push(index as usize);
                self.waiting.pop_front();
            }
        }
    }
}

/// Whether the register held `value` during the whole of the step `not`: it was there before, and it was
/// still there after. Values are unique, so nothing stands between.
fn throughout(
    prepared: &Prepared,
    needed: &Needed,
    flow: &Flow,
    not: StepId,
    value: ValueId,
) -> Option<Proof> {
    let step = |number: StepId| prepared.step(number);
    let (reads, writer) = (flow.reads(value).iter().copied(), flow.writer(value));
    let before = reads
        .clone()
        .chain(writer)
        .min_by_key(|&number| step(number).finish)
        .filter(|&number| value != INITIAL && step(number).finish < step(not).start);
    if before.is_none() && value != INITIAL {
        return None;
    }
    let after = reads
        .chain(flow.replacer(value))
        .max_by_key(|&number| step(number).start)
        .filter(|&number| step(number).start > step(not).finish)?;
    let shown: Vec<StepId> = [not].into_iter().chain(before).chain([after]).collect();
    Some(prove(prepared, needed, Rule::HeldThroughout, &shown, &[]))
}
