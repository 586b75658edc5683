//! The blocks of a register's operations: chains of values tied by cas, each with its writer and its reads.
//!
//! What m and M are, and why the order of the midpoints decides, is argued in [`super::exact`].

use super::prepare::{
    FIRST_WRITTEN, INITIAL, NEVER, NO_STEP, NOTHING, Needed, Prepared, Step, StepId, ValueId, some,
};
use crate::engine::radix;

/// Where the values of one key come from and go to.
#[derive(Debug)]
pub(super) struct Flow {
    /// By value, with one more behind the last.
    values: Vec<Traffic>,
    /// The reads of all values, value by value, each in the order of their invocations.
    reads: Vec<StepId>,
}

/// One value's share of a [`Flow`], with all that the bounds of blocks are made from.
#[derive(Clone, Copy, Debug)]
struct Traffic {
    writer: StepId,
    /// The value that its writer replaced, if that was a cas, or [`NOTHING`].
    before: ValueId,
    /// The value by which a cas replaced it, or [`NOTHING`].
    next: ValueId,
    /// When its writer was invoked and completed; for a value without one, before and after everything.
    written: [u32; 2],
    /// The last invocation and the first completion among its reads; without any, before and after
    /// everything.
    seen: [u32; 2],
    /// Where its reads begin; they end where those of the next value begin.
    reads: u32,
}

/// Of no step: invoked before everything, completed after everything, even later than [`NEVER`].
const NO_TIMES: [u32; 2] = [0, u32::MAX];

/// A chain of values tied by cas, by its first value.
#[derive(Clone, Copy, Debug)]
pub(super) struct Block {
    pub root: ValueId,
    /// The first completion; that of the initial value, which was there before everything, is not asked for.
    pub m: u32,
    /// The last invocation.
    pub big_m: u32,
}

fn kept<'a>(prepared: &'a Prepared, needed: &'a Needed) -> impl Iterator<Item = (StepId, &'a Step)> {
    prepared
        .numbered()
        .zip(&needed.keep)
        .filter(|(_, keep)| **keep)
        .map(|(numbered, _)| numbered)
}

/// How often the values of a key were written and replaced.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Uniqueness {
    Unique,
    /// Some value was written twice, or the initial value was written.
    Repeated,
    /// Two cas replaced a value that was written once.
    ReplacedTwice([StepId; 2]),
}

impl Flow {
    pub fn new(prepared: &Prepared, needed: &Needed) -> (Flow, Uniqueness) {
        let nothing = Traffic {
            writer: NO_STEP,
            before: NOTHING,
            next: NOTHING,
            written: NO_TIMES,
            seen: NO_TIMES,
            reads: 0,
        };
        // Histories are so random that asking what a step is costs more than counting what does not matter:
        // steps that are no reads count as reads of NOTHING, and what writes nothing writes NOTHING.
        let mut values = vec![nothing; prepared.values + 1];
        let (mut repeated, mut replaced_twice) = (false, None);
        for (number, step) in kept(prepared, needed) {
            let value = &mut values[step.writes as usize];
            repeated |= (step.writes != NOTHING) & (value.writer != NO_STEP);
            value.writer = number;
            value.before = step.sees;
            value.written = [step.start, step.finish];
            if step.is_cas() {
                let next = std::mem::replace(&mut values[step.sees as usize].next, step.writes);
                if next != NOTHING {
                    replaced_twice = replaced_twice.or(Some([values[next as usize].writer, number]));
                }
            }
            let value = &mut values[read_by(step) as usize];
            value.reads += 1;
            // Steps stand in the order of their invocations.
            value.seen = [step.start, value.seen[1].min(step.finish)];
        }
        repeated |= values[INITIAL as usize].writer != NO_STEP;
        values[NOTHING as usize] = Traffic {
            reads: values[NOTHING as usize].reads,
            ..nothing
        };

        // From how many reads there are to where they end; filling in from behind leaves where they begin.
        let mut end = 0;
        for traffic in &mut values {
            end += traffic.reads;
            traffic.reads = end;
        }
        let mut reads = vec![0; end as usize];
        for (number, step) in prepared.steps.iter().enumerate().rev() {
            if needed.keep[number] {
                let place = &mut values[read_by(step) as usize].reads;
                *place -= 1;
                reads[*place as usize] = number as StepId;
            }
        }
        let uniqueness = match replaced_twice {
            _ if repeated => Uniqueness::Repeated,
            Some(pair) => Uniqueness::ReplacedTwice(pair),
            None => Uniqueness::Unique,
        };
        (Flow { values, reads }, uniqueness)
    }

    /// The step that wrote a value.
    pub fn writer(&self, value: ValueId) -> Option<StepId> {
        some(self.values[value as usize].writer)
    }

    /// The cas that replaced a value.
    pub fn replacer(&self, value: ValueId) -> Option<StepId> {
        self.writer(self.next(value)?)
    }

    /// The reads of a value, in the order of their invocations.
    pub fn reads(&self, value: ValueId) -> &[StepId] {
        let [this, next] = [value, value + 1].map(|value| self.values[value as usize].reads as usize);
        &self.reads[this..next]
    }

    /// The value by which a cas replaced this one.
    pub fn next(&self, value: ValueId) -> Option<ValueId> {
        let next = self.values[value as usize].next;
        (next != NOTHING).then_some(next)
    }

    /// The first value of the block that a value belongs to.
    pub fn root(&self, value: ValueId) -> ValueId {
        let before =
            |&value: &ValueId| Some(self.values[value as usize].before).filter(|before| *before != NOTHING);
        std::iter::successors(Some(value), before).last().unwrap_or(value)
    }

    /// The values of a block, by its first one.
    pub fn chain(&self, root: ValueId) -> impl Iterator<Item = ValueId> {
        std::iter::successors(Some(root), |&value| self.next(value))
    }

    /// The values that were written.
    fn written(&self) -> impl Iterator<Item = ValueId> {
        let values = FIRST_WRITTEN..self.values.len() as ValueId;
        values.filter(|&value| self.writer(value).is_some())
    }

    /// The first of the kept steps of some sort that saw a value that no one wrote.
    pub fn never_written(
        &self,
        prepared: &Prepared,
        needed: &Needed,
        sort: impl Fn(StepId) -> bool,
    ) -> Option<StepId> {
        let is_lost = |value: ValueId| value != INITIAL && self.writer(value).is_none();
        let is_seen = |value: ValueId| self.replacer(value).is_some() || !self.reads(value).is_empty();
        // Nearly always there is no such value at all, and there are fewer values than steps.
        (FIRST_WRITTEN..prepared.values as ValueId).find(|&value| is_lost(value) && is_seen(value))?;
        kept(prepared, needed)
            .find(|&(number, step)| step.seen().is_some_and(is_lost) && sort(number))
            .map(|(number, _)| number)
    }
}

/// The value that a step saw without writing another one.
fn read_by(step: &Step) -> ValueId {
    if step.writes == NOTHING {
        step.sees
    } else {
        NOTHING
    }
}

pub(super) struct Blocks {
    pub blocks: Vec<Block>,
    /// How many values they have that were written.
    placed: usize,
    /// Whether no operation began after one had completed that its block wants behind it.
    pub in_order: bool,
}

impl Blocks {
    pub fn new(flow: &Flow) -> Self {
        let mut blocks = Blocks {
            blocks: Vec::new(),
            placed: 0,
            in_order: true,
        };
        let mut chain = Vec::new();
        blocks.add(flow, INITIAL, &mut chain);
        for value in flow.written() {
            if flow.values[value as usize].before == NOTHING {
                blocks.add(flow, value, &mut chain);
            }
        }
        blocks
    }

    /// Adds the block that begins with `root`, and checks its forced order. `chain` is room to work in.
    fn add(&mut self, flow: &Flow, root: ValueId, chain: &mut Vec<ValueId>) {
        chain.clear();
        chain.extend(flow.chain(root));
        self.placed += chain.len() - usize::from(root == INITIAL);
        let [mut big_m, mut m] = NO_TIMES;
        for &value in chain.iter().rev() {
            let traffic = &flow.values[value as usize];
            // The reads of a value may stand in any order, but all behind its writer.
            for [last_invocation, first_completion] in [traffic.seen, traffic.written] {
                self.in_order &= last_invocation <= m;
                m = m.min(first_completion);
                big_m = big_m.max(last_invocation);
            }
        }
        // The initial value may have been left alone.
        if m <= NEVER {
            self.blocks.push(Block { root, m, big_m });
        }
    }

    /// Values that are in no block were written by cas that wait for each other in a circle.
    pub fn circle(&self, flow: &Flow) -> Option<Vec<StepId>> {
        if flow.written().count() == self.placed {
            return None;
        }
        let mut placed = vec![false; flow.values.len()];
        for block in &self.blocks {
            flow.chain(block.root)
                .for_each(|value| placed[value as usize] = true);
        }
        let lost = flow.written().find(|&value| !placed[value as usize])?;
        // No value is replaced twice and every one that is seen was written: walking back ends where it
        // began.
        let before =
            |&value: &ValueId| Some(flow.values[value as usize].before).filter(|before| *before != lost);
        let circle = std::iter::successors(Some(lost), before).take(flow.values.len());
        circle.map(|value| flow.writer(value)).collect()
    }
}

/// The blocks in the order of their midpoints; what was there at first comes first.
pub(super) fn by_midpoint(blocks: &[Block]) -> Vec<Block> {
    // Twice the midpoint, with the place behind it.
    const _: () = assert!(NEVER <= u32::MAX / 2);
    let twice = |block: &Block| {
        if block.root == INITIAL {
            0
        } else {
            block.m + block.big_m
        }
    };
    let keys = blocks.iter().zip(0u64..);
    let keys = keys
        .map(|(block, place)| u64::from(twice(block)) << 32 | place)
        .collect();
    radix::sorted(keys)
        .into_iter()
        .map(|key| blocks[key as u32 as usize])
        .collect()
}

/// Whether no two of the blocks, by midpoints, must each come before the other.
pub(super) fn fit(sorted: &[Block]) -> bool {
    let mut widest = 0;
    sorted.iter().all(|block| {
        let fits = block.root == INITIAL || block.m >= widest;
        widest = widest.max(block.big_m);
        fits
    })
}

/// All kept steps, block by block, each in its forced order.
pub(super) fn order(steps: usize, flow: &Flow, sorted: &[Block]) -> Vec<StepId> {
    let mut order = Vec::with_capacity(steps);
    for value in sorted.iter().flat_map(|block| flow.chain(block.root)) {
        order.extend(flow.writer(value));
        order.extend(flow.reads(value).iter().copied());
    }
    order
}
