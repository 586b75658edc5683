//! Other orders of blocks, for cas that failed without telling what they found.
//!
//! The order of the midpoints ([`crate::objects::register::exact`]) is one of many, and such a cas may find
//! the value that it did not see wherever it looks although another order would do. Taking the cas for a part
//! of some block (in front of the block with that value, or at the end of another one) makes that block begin
//! and end where the cas needs it. If the blocks still fit, their midpoints give an order with room for it.
//!
//! Invariant: bounds only become narrower, so that every order is a linearization, as that of the midpoints
//! was. That none is found says nothing.

use super::blocks::{Block, Flow, by_midpoint, order};
use super::prepare::{INITIAL, Prepared, Step, StepId, ValueId};

/// How many neighbours of the block on either side are tried.
const NEIGHBOURS: usize = 16;

/// An order of all kept steps that wrote or saw something, and what it was made from.
#[derive(Debug)]
pub(crate) struct Arrangement {
    /// Where values come from and go to.
    pub flow: Flow,
    /// A linearization.
    pub order: Vec<StepId>,
    /// The blocks in that order.
    pub sorted: Vec<Block>,
}

impl Arrangement {
    /// Looks for an order with room for `step`, which did not find `value`; whether there is a new one.
    pub fn make_room(&mut self, prepared: &Prepared, step: &Step, value: ValueId) -> bool {
        let root = self.flow.root(value);
        let Some(at) = self.sorted.iter().position(|block| block.root == root) else {
            return false;
        };
        let near = at.saturating_sub(NEIGHBOURS)..self.sorted.len().min(at + NEIGHBOURS + 1);
        let in_front = std::iter::once(at).filter(|_| root != INITIAL);
        let Some((at, block)) = in_front
            .chain(near.filter(|&other| other != at))
            .find_map(|other| Some((other, self.joined(other, other == at, step)?)))
        else {
            return false;
        };
        self.sorted[at] = block;
        self.sorted = by_midpoint(&self.sorted);
        self.order = order(prepared.steps.len(), &self.flow, &self.sorted);
        true
    }

    /// A block with the step in front or at its end, if the blocks fit then.
    fn joined(&self, at: usize, in_front: bool, step: &Step) -> Option<Block> {
        let block = self.sorted[at];
        let keeps_order = match in_front {
            true => block.m > step.start,
            false => block.big_m < step.finish,
        };
        let joined = Block {
            m: block.m.min(step.finish),
            big_m: block.big_m.max(step.start),
            ..block
        };
        // What was there at first comes before everything.
        let comes_first = |one: &Block, other: &Block| one.root == INITIAL || one.m < other.big_m;
        let mut others = self.sorted.iter().enumerate().filter(|(other, _)| *other != at);
        // Where nothing changes, the order was this one.
        let changes = (joined.m, joined.big_m) != (block.m, block.big_m);
        let fits = changes
            && keeps_order
            && others.all(|(_, other)| !(comes_first(&joined, other) && comes_first(other, &joined)));
        fits.then_some(joined)
    }
}
