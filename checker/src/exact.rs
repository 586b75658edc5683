//! Registers whose values are written once each: decided exactly in O(n log n), whatever the concurrency and however
//! many outcomes are unknown.
//!
//! After Gibbons & Korach, "Testing shared memories", SIAM J. Comput. 26(4), 1997 (read-modify-write with a known
//! reads-from relation), extended to operations with unknown outcomes.
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
//! A *block* is a chain of values tied by cas, with all reads of these values. Its inner order is forced: a writer,
//! the reads of its value, the cas that replaces it, and so on. Values are unique, so a block is contiguous in every
//! linearization. Let R(i,j) be m_i < M_j: "i must come before j". A linearization exists iff R is acyclic. In a
//! shortest cycle of length 4 or more m_1 < M_2 <= m_3 and m_3 < M_4 <= m_1, a contradiction; length 3 likewise. So only
//! pairs matter. If R(i,j) and not R(j,i), then m_i < M_j and M_i <= m_j, hence m_i + M_i < m_j + M_j: the order of the
//! midpoints is a linearization, if there is one.
//!
//! Invariants:
//! - An open operation is taken to have happened iff somebody saw what it wrote ([`Prepared::needed`]).
//! - The first completion of a block fixes m; only M grows with the history. Conflicts can therefore be found while
//!   a history grows, although this file judges complete ones.

use std::cmp::Reverse;

use crate::prepare::{INITIAL, Kind, NEVER, NO_STEP, Needed, Prepared, StepId, ValueId, some};
use crate::proof::{Proof, prove};
use crate::verdict::Rule;

/// What the exact procedure found out.
#[derive(Debug)]
pub(crate) enum Exact {
    /// Linearizable, apart from steps of kind [`Kind::Not`]: all other kept steps in order.
    Order(Vec<StepId>, Flow),
    /// Not linearizable.
    Contradiction(Proof),
    /// A value is written twice, or the initial value is written: not for this procedure.
    Repeated,
}

/// Where the values of one key come from and go to.
#[derive(Debug)]
pub(crate) struct Flow {
    /// By value, with one more behind the last.
    values: Vec<Traffic>,
    /// The reads of all values, value by value, each in the order of their invocations.
    reads: Vec<StepId>,
}

#[derive(Clone, Copy, Debug)]
struct Traffic {
    writer: StepId,
    replacer: StepId,
    /// Where its reads begin; they end where those of the next value begin.
    reads: u32,
}

/// A chain of values tied by cas, by its first value.
struct Block {
    root: ValueId,
    /// Whose completion is m; none for the initial value, which was there before everything.
    first_completed: StepId,
    /// Whose invocation is M.
    last_invoked: StepId,
}

/// A contradiction that was found.
#[derive(Clone, Copy)]
struct Found {
    what: What,
    /// The last invocation among its steps: from there on the history is not linearizable.
    since: u32,
}

#[derive(Clone, Copy)]
enum What {
    /// The first step must come before the second one, but began after that had completed.
    OutOfOrder(StepId, StepId),
    /// These blocks must each come before the other.
    ComesBack(usize, usize),
}

/// Decides one key, apart from its steps of kind [`Kind::Not`].
pub(crate) fn decide(prepared: &Prepared, needed: &Needed) -> Exact {
    if let Some(index) = prepared.found_expected {
        return Exact::Contradiction(Proof {
            rule: Rule::FoundExpected,
            operations: vec![index],
            links: Vec::new(),
        });
    }
    let (flow, uniqueness) = Flow::new(prepared, needed);
    // What a definite operation saw somebody must have written, however often values repeat.
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
    let decided = Blocks::new(prepared, &flow).decide(needed);
    match decided {
        Ok(order) => Exact::Order(order, flow),
        Err(proof) => Exact::Contradiction(proof),
    }
}

fn contradiction(prepared: &Prepared, needed: &Needed, rule: Rule, steps: &[StepId]) -> Exact {
    Exact::Contradiction(prove(prepared, needed, rule, steps, &[]))
}

fn kept<'a>(prepared: &'a Prepared, needed: &'a Needed) -> impl Iterator<Item = (StepId, Kind)> + 'a {
    prepared
        .numbered()
        .zip(&needed.keep)
        .filter(|(_, keep)| **keep)
        .map(|((number, step), _)| (number, step.kind))
}

/// How often the values of a key were written and replaced.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Uniqueness {
    Unique,
    /// Some value was written twice, or the initial value was written.
    Repeated,
    /// Two cas replaced a value that was written once.
    ReplacedTwice([StepId; 2]),
}

impl Flow {
    fn new(prepared: &Prepared, needed: &Needed) -> (Flow, Uniqueness) {
        let nothing = Traffic {
            writer: NO_STEP,
            replacer: NO_STEP,
            reads: 0,
        };
        let mut values = vec![nothing; prepared.values + 1];
        let mut uniqueness = Uniqueness::Unique;
        for (number, kind) in kept(prepared, needed) {
            if let Some(value) = kind.writes() {
                let writer = &mut values[value as usize].writer;
                if value == INITIAL || *writer != NO_STEP {
                    uniqueness = Uniqueness::Repeated;
                }
                *writer = number;
            }
            match kind {
                Kind::Read(value) => values[value as usize].reads += 1,
                Kind::Cas(value, _) => {
                    let replacer = &mut values[value as usize].replacer;
                    if *replacer != NO_STEP && uniqueness == Uniqueness::Unique {
                        uniqueness = Uniqueness::ReplacedTwice([*replacer, number]);
                    }
                    *replacer = number;
                }
                Kind::Write(_) | Kind::Not(_) => {}
            }
        }
        // From how many reads there are to where they end; filling in from behind leaves where they begin.
        let mut end = 0;
        for traffic in &mut values {
            end += traffic.reads;
            traffic.reads = end;
        }
        let mut reads = vec![0; end as usize];
        for (number, step) in prepared.steps.iter().enumerate().rev() {
            if let (Kind::Read(value), true) = (step.kind, needed.keep[number]) {
                let place = &mut values[value as usize].reads;
                *place -= 1;
                reads[*place as usize] = number as StepId;
            }
        }
        (Flow { values, reads }, uniqueness)
    }

    /// The step that wrote a value.
    pub fn writer(&self, value: ValueId) -> Option<StepId> {
        some(self.values[value as usize].writer)
    }

    /// The cas that replaced a value.
    pub fn replacer(&self, value: ValueId) -> Option<StepId> {
        some(self.values[value as usize].replacer)
    }

    /// The reads of a value, in the order of their invocations.
    pub fn reads(&self, value: ValueId) -> &[StepId] {
        let [this, next] = [value, value + 1].map(|value| self.values[value as usize].reads as usize);
        &self.reads[this..next]
    }

    /// The first of the kept steps of some sort that saw a value that nobody wrote.
    fn never_written(
        &self,
        prepared: &Prepared,
        needed: &Needed,
        sort: impl Fn(StepId) -> bool,
    ) -> Option<StepId> {
        let is_lost = |value: ValueId| value != INITIAL && self.writer(value).is_none();
        let is_seen = |value: ValueId| self.replacer(value).is_some() || !self.reads(value).is_empty();
        // Nearly always there is no such value at all, and there are fewer values than steps.
        (0..prepared.values as ValueId).find(|&value| is_lost(value) && is_seen(value))?;
        kept(prepared, needed)
            .find(|&(number, kind)| kind.sees().is_some_and(is_lost) && sort(number))
            .map(|(number, _)| number)
    }
}

struct Blocks<'a> {
    prepared: &'a Prepared,
    flow: &'a Flow,
    blocks: Vec<Block>,
    /// For each value whether it belongs to a block.
    placed: Vec<bool>,
    /// The contradiction that shows earliest.
    found: Option<Found>,
}

impl<'a> Blocks<'a> {
    fn new(prepared: &'a Prepared, flow: &'a Flow) -> Self {
        let mut blocks = Blocks {
            prepared,
            flow,
            blocks: Vec::new(),
            placed: vec![false; prepared.values],
            found: None,
        };
        let mut chain = Vec::new();
        blocks.add(INITIAL, &mut chain);
        for value in 1..prepared.values as ValueId {
            let writer = flow.writer(value).map(|number| prepared.step(number).kind);
            if writer.is_some_and(|kind| kind.sees().is_none()) {
                blocks.add(value, &mut chain);
            }
        }
        blocks
    }

    /// The value by which a cas replaced this one.
    fn next(&self, value: ValueId) -> Option<ValueId> {
        let replacer = self.flow.replacer(value)?;
        self.prepared.step(replacer).kind.writes()
    }

    /// All steps of a block in forced order.
    fn members(&self, root: ValueId) -> impl Iterator<Item = StepId> {
        let values = std::iter::successors(Some(root), |&value| self.next(value));
        values.flat_map(|value| {
            let reads = self.flow.reads(value).iter().copied();
            self.flow.writer(value).into_iter().chain(reads)
        })
    }

    /// Adds the block that begins with `root`, and checks its forced order. `chain` is room to work in.
    fn add(&mut self, root: ValueId, chain: &mut Vec<ValueId>) {
        let (flow, prepared) = (self.flow, self.prepared);
        chain.clear();
        let mut next = Some(root);
        while let Some(value) = next {
            self.placed[value as usize] = true;
            chain.push(value);
            next = self.next(value);
        }

        let (mut earliest_after, mut earliest_finish) = (NO_STEP, u32::MAX);
        let (mut last_invoked, mut last_start) = (NO_STEP, 0);
        let mut group = |steps: &[StepId]| {
            // Steps of the same group may stand in any order.
            let (after, deadline) = (earliest_after, earliest_finish);
            for &number in steps {
                let step = prepared.step(number);
                if deadline < step.start {
                    self.keep_earliest(What::OutOfOrder(number, after), step.start);
                }
                if step.finish < earliest_finish {
                    (earliest_after, earliest_finish) = (number, step.finish);
                }
                if last_invoked == NO_STEP || step.start > last_start {
                    (last_invoked, last_start) = (number, step.start);
                }
            }
        };
        for &value in chain.iter().rev() {
            group(flow.reads(value));
            if let Some(writer) = flow.writer(value) {
                group(&[writer]);
            }
        }
        if last_invoked == NO_STEP {
            return;
        }
        self.blocks.push(Block {
            root,
            first_completed: if root == INITIAL { NO_STEP } else { earliest_after },
            last_invoked,
        });
    }

    /// The first completion of a block; none for the initial value.
    fn m(&self, block: &Block) -> Option<u32> {
        some(block.first_completed).map(|number| self.prepared.step(number).finish)
    }

    /// The last invocation of a block.
    fn big_m(&self, block: &Block) -> u32 {
        self.prepared.step(block.last_invoked).start
    }

    fn decide(mut self, needed: &Needed) -> Result<Vec<StepId>, Proof> {
        if let Some(circle) = self.circle() {
            return Err(prove(self.prepared, needed, Rule::Circle, &circle, &[]));
        }
        let sorted = self.by_midpoint();
        let mut widest: Option<(usize, u32)> = None;
        for &late in &sorted {
            let (m, big_m) = (
                self.m(&self.blocks[late as usize]),
                self.big_m(&self.blocks[late as usize]),
            );
            if let Some((early, wide)) = widest
                && m.is_some_and(|m| m < wide)
            {
                self.keep_earliest(What::ComesBack(early, late as usize), wide.max(big_m));
            }
            if widest.is_none_or(|(_, wide)| wide < big_m) {
                widest = Some((late as usize, big_m));
            }
        }
        let Some(found) = self.found else {
            return Ok(self.order(&sorted));
        };
        let (rule, shown, ties) = match found.what {
            What::OutOfOrder(first, then) => (
                Rule::OutOfOrder,
                vec![first, then],
                vec![[self.value(first), self.value(then)]],
            ),
            What::ComesBack(i, j) => {
                let (shown, ties) = self.comes_back(i, j);
                (Rule::ComesBack, shown, ties)
            }
        };
        Err(prove(self.prepared, needed, rule, &shown, &ties))
    }

    /// The blocks in the order of their midpoints; what was there at first comes first.
    fn by_midpoint(&self) -> Vec<u32> {
        // One number, the sum in its upper half, is sorted faster than a pair.
        const _: () = assert!(NEVER <= u32::MAX / 2);
        let sum = |block| self.m(block).map_or(0, |m| m + self.big_m(block));
        let mut keys: Vec<u64> = (0u64..)
            .zip(&self.blocks)
            .map(|(place, block)| u64::from(sum(block)) << 32 | place)
            .collect();
        keys.sort_unstable();
        keys.into_iter().map(|key| key as u32).collect()
    }

    /// All kept steps, block by block.
    fn order(&self, sorted: &[u32]) -> Vec<StepId> {
        let mut order = Vec::with_capacity(self.prepared.steps.len());
        for &block in sorted {
            let mut next = Some(self.blocks[block as usize].root);
            while let Some(value) = next {
                order.extend(self.flow.writer(value));
                order.extend_from_slice(self.flow.reads(value));
                next = self.next(value);
            }
        }
        order
    }

    /// Values that are in no block were written by cas that wait for each other in a circle.
    fn circle(&self) -> Option<Vec<StepId>> {
        let prepared = self.prepared;
        let replaced_by = |value: ValueId| self.flow.writer(value);
        let lost = (1..self.placed.len() as ValueId)
            .find(|&value| !self.placed[value as usize] && replaced_by(value).is_some())?;
        let before = |value: ValueId| prepared.step(replaced_by(value)?).kind.sees();
        // No value is replaced twice and every one that is seen was written: walking back ends where it began.
        let mut circle = Vec::new();
        let mut value = lost;
        loop {
            circle.extend(replaced_by(value));
            value = before(value)?;
            if value == lost {
                return Some(circle);
            }
            if circle.len() > prepared.steps.len() {
                return None;
            }
        }
    }

    /// What to show of two blocks that must each come before the other: d, c, b and a, where a and d belong to one
    /// block, b and c to the other, a completed before b began, and c completed before d began. And what ties them.
    fn comes_back(&self, i: usize, j: usize) -> (Vec<StepId>, Vec<[ValueId; 2]>) {
        let step = |number: StepId| self.prepared.step(number);
        let writer_of = |number: StepId| self.flow.writer(self.value(number));
        let show = |i: &Block, j: &Block| {
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
        let kind = self.prepared.step(number).kind;
        kind.writes().or(kind.sees()).unwrap_or(INITIAL)
    }

    fn keep_earliest(&mut self, what: What, since: u32) {
        if self.found.is_none_or(|found| since < found.since) {
            self.found = Some(Found { what, since });
        }
    }
}
