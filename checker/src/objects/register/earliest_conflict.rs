//! Which contradiction of a register's steps to show: of all that there are, the one that shows earliest.
//!
//! [`crate::objects::register::exact`] says whether there is one, from the bounds of the blocks alone; this
//! file looks at the steps again.

use std::cmp::Reverse;

use super::blocks::{Block, Flow};
use super::prepare::{INITIAL, NO_STEP, Needed, Prepared, StepId, ValueId, some};
use super::proof::{Proof, prove};
use crate::verdict::Rule;

/// A chain of values tied by cas, by its first value, with the steps that bound it.
struct Bounded {
    root: ValueId,
    /// Whose completion is m; none for the initial value, which was there before everything.
    first_completed: StepId,
    /// Whose invocation is M.
    last_invoked: StepId,
}

#[derive(Clone, Copy)]
enum What {
    /// The first step must come before the second one, but began after that had completed.
    OutOfOrder(StepId, StepId),
    /// These blocks must each come before the other.
    ComesBack(usize, usize),
}

/// The contradictions that were found so far.
struct Contradictions<'a> {
    prepared: &'a Prepared,
    flow: &'a Flow,
    /// In the order of the midpoints.
    blocks: Vec<Bounded>,
    /// The one that shows earliest, and when: with the last invocation among its steps.
    found: Option<(What, u32)>,
}

/// The contradiction among blocks in the order of their midpoints that shows earliest. There must be one.
pub(crate) fn earliest(prepared: &Prepared, needed: &Needed, flow: &Flow, sorted: &[Block]) -> Proof {
    let mut all = Contradictions {
        prepared,
        flow,
        blocks: Vec::with_capacity(sorted.len()),
        found: None,
    };
    for block in sorted {
        let bounded = all.within(block.root);
        all.blocks.push(bounded);
    }
    all.between();
    let (rule, shown, ties) = match all.found {
        Some((What::OutOfOrder(first, then), _)) => (
            Rule::OutOfOrder,
            vec![first, then],
            vec![[all.value(first), all.value(then)]],
        ),
        Some((What::ComesBack(i, j), _)) => {
            let (shown, ties) = all.comes_back(i, j);
            (Rule::ComesBack, shown, ties)
        }
        // The validation will refuse a conflict that shows nothing.
        None => (Rule::ComesBack, Vec::new(), Vec::new()),
    };
    prove(prepared, needed, rule, &shown, &ties)
}

impl Contradictions<'_> {
    /// All steps of a block in forced order.
    fn members(&self, root: ValueId) -> impl Iterator<Item = StepId> {
        self.flow.chain(root).flat_map(|value| {
            let reads = self.flow.reads(value).iter().copied();
            self.flow.writer(value).into_iter().chain(reads)
        })
    }

    /// Looks at the forced order of a block.
    fn within(&mut self, root: ValueId) -> Bounded {
        let (flow, prepared) = (self.flow, self.prepared);
        let chain: Vec<ValueId> = flow.chain(root).collect();
        let (mut first_completed, mut completion) = (NO_STEP, u32::MAX);
        let (mut last_invoked, mut invocation) = (NO_STEP, 0);
        // A writer, or the reads of a value, which may stand in any order.
        let mut group = |steps: &[StepId]| {
            let (after, deadline) = (first_completed, completion);
            for &number in steps {
                let step = prepared.step(number);
                if deadline < step.start {
                    self.keep_earliest(What::OutOfOrder(number, after), step.start);
                }
                if step.finish < completion {
                    (first_completed, completion) = (number, step.finish);
                }
                if step.start >= invocation {
                    (last_invoked, invocation) = (number, step.start);
                }
            }
        };
        for &value in chain.iter().rev() {
            group(flow.reads(value));
            group(flow.writer(value).as_slice());
        }
        Bounded {
            root,
            first_completed: if root == INITIAL { NO_STEP } else { first_completed },
            last_invoked,
        }
    }

    /// Looks at pairs of blocks.
    fn between(&mut self) {
        let mut widest: Option<(usize, u32)> = None;
        for late in 0..self.blocks.len() {
            let block = &self.blocks[late];
            let big_m = self.prepared.step(block.last_invoked).start;
            let m = some(block.first_completed).map(|number| self.prepared.step(number).finish);
            if let (Some((early, wide)), Some(m)) = (widest, m)
                && m < wide
            {
                self.keep_earliest(What::ComesBack(early, late), wide.max(big_m));
            }
            if widest.is_none_or(|(_, wide)| wide < big_m) {
                widest = Some((late, big_m));
            }
        }
    }

    /// What to show of two blocks that must each come before the other: d, c, b and a, where a and d belong
    /// to one block, b and c to the other, a completed before b began, and c completed before d began. And
    /// what ties them.
    fn comes_back(&self, i: usize, j: usize) -> (Vec<StepId>, Vec<[ValueId; 2]>) {
        let step = |number: StepId| self.prepared.step(number);
        let writer_of = |number: StepId| self.flow.writer(self.value(number));
        let show = |i: &Bounded, j: &Bounded| {
            let d = i.last_invoked;
            // Any other operation of the block will do where it stands rightly; writers explain most.
            let until = |o: &StepId| step(*o).finish < step(d).start;
            let c = some(j.first_completed).unwrap_or(d);
            let c = writer_of(c).filter(until).unwrap_or(c);
            let Some(a) = some(i.first_completed) else {
                return (vec![d, c], vec![[INITIAL, self.value(d)]]);
            };
            let completed = step(a).finish;
            let since = |o: &StepId| step(*o).start > completed;
            let b = writer_of(j.last_invoked).filter(since).unwrap_or(j.last_invoked);
            // Best is one that lies wholly between a and d.
            let between = [c, b].into_iter().chain(self.members(j.root));
            let (b, c) = between
                .into_iter()
                .find(|o| since(o) && until(o))
                .map_or((b, c), |o| (o, o));
            let a = writer_of(d)
                .filter(|&writer| step(writer).finish < step(b).start)
                .unwrap_or(a);
            let shown = if b == c { vec![d, c, a] } else { vec![d, c, b, a] };
            (
                shown,
                vec![[self.value(a), self.value(d)], [self.value(b), self.value(c)]],
            )
        };
        let (i, j) = (&self.blocks[i], &self.blocks[j]);
        if i.first_completed == NO_STEP {
            return show(i, j);
        }
        // Either may be said to come back: take the one that fewer operations show, else the later one.
        let (first, second) = (show(i, j), show(j, i));
        let since = |shown: &[StepId]| Reverse(shown.first().map(|&d| step(d).start));
        let first_is_better = (first.0.len(), since(&first.0)) <= (second.0.len(), since(&second.0));
        if first_is_better { first } else { second }
    }

    /// The value whose group a step stands in.
    fn value(&self, number: StepId) -> ValueId {
        let step = self.prepared.step(number);
        step.written().or(step.seen()).unwrap_or(INITIAL)
    }

    fn keep_earliest(&mut self, what: What, since: u32) {
        if self.found.is_none_or(|(_, earliest)| since < earliest) {
            self.found = Some((what, since));
        }
    }
}
