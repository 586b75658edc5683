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

use crate::prepare::{INITIAL, Needed, Prepared, Step, ValueId};
use crate::proof::{Proof, prove};
use crate::verdict::Rule;

/// What the exact procedure found out.
#[derive(Debug)]
pub(crate) enum Exact {
    /// Linearizable, apart from steps of kind [`crate::prepare::Kind::Not`]: numbers of all other kept steps in order.
    Order(Vec<usize>),
    /// Not linearizable.
    Contradiction(Proof),
    /// A value is written twice, or the initial value is written: not for this procedure.
    Repeated,
}

/// Where the values of one key come from and go to.
#[derive(Debug)]
pub(crate) struct Flow {
    /// The step that wrote a value.
    pub writer: Vec<Option<usize>>,
    /// The cas that replaced a value.
    pub replacer: Vec<Option<usize>>,
    /// `reads[first_read[v]..first_read[v + 1]]` are the reads of v, in the order of their invocations.
    reads: Vec<usize>,
    first_read: Vec<usize>,
}

/// A chain of values tied by cas.
struct Block {
    /// Its steps are `order[from..to]`.
    from: usize,
    to: usize,
    /// The first completion; -1 for the initial value, which was there before everything.
    m: i128,
    /// Whose completion that is; none for the initial value.
    first_completed: Option<usize>,
    /// The last invocation.
    big_m: i128,
    last_invoked: usize,
}

/// A contradiction that was found.
#[derive(Clone, Copy)]
struct Found {
    what: What,
    /// The last invocation among its steps: from there on the history is not linearizable.
    since: u64,
}

#[derive(Clone, Copy)]
enum What {
    /// The first step must come before the second one, but began after that had completed.
    OutOfOrder(usize, usize),
    /// The blocks with these places must each come before the other.
    ComesBack(usize, usize),
}

/// Decides one key, apart from its steps of kind [`crate::prepare::Kind::Not`].
pub(crate) fn decide(prepared: &Prepared, needed: &Needed) -> (Exact, Option<Flow>) {
    let steps = &prepared.steps;
    if let Some(index) = prepared.found_expected {
        let proof = Proof {
            rule: Rule::FoundExpected,
            operations: vec![index],
            links: Vec::new(),
        };
        return (Exact::Contradiction(proof), None);
    }
    let never_written = |written: &[bool], only_definite: bool| {
        let mut seers = (0..steps.len()).filter(|&number| needed.keep[number]);
        seers.find(|&number| {
            let seen = steps[number].kind.sees();
            seen.is_some_and(|value| value != INITIAL && !written[value as usize])
                && !(only_definite && steps[number].is_open())
        })
    };
    let mut written = vec![false; prepared.values.len()];
    for value in kept(steps, needed).filter_map(|(_, step)| step.kind.writes()) {
        written[value as usize] = true;
    }
    // What a definite operation saw somebody must have written, however often values repeat.
    if let Some(number) = never_written(&written, true) {
        return (
            contradiction(prepared, needed, Rule::NeverWritten, &[number]),
            None,
        );
    }
    let (flow, replaced_twice) = match Flow::new(prepared, needed) {
        Some(flow) => flow,
        None => return (Exact::Repeated, None),
    };
    if let Some(number) = never_written(&written, false) {
        return (
            contradiction(prepared, needed, Rule::NeverWritten, &[number]),
            None,
        );
    }
    if let Some(pair) = replaced_twice {
        return (contradiction(prepared, needed, Rule::ReplacedTwice, &pair), None);
    }
    let exact = Blocks::new(prepared, &flow).decide(needed);
    (exact, Some(flow))
}

fn kept<'a>(steps: &'a [Step], needed: &'a Needed) -> impl Iterator<Item = (usize, &'a Step)> {
    steps
        .iter()
        .enumerate()
        .filter(|(number, _)| needed.keep[*number])
}

fn contradiction(prepared: &Prepared, needed: &Needed, rule: Rule, steps: &[usize]) -> Exact {
    Exact::Contradiction(prove(prepared, needed, rule, steps, &[]))
}

impl Flow {
    /// Where values come from and go to, with two cas that replaced the same value, if there are; `None` if a value
    /// is not unique.
    fn new(prepared: &Prepared, needed: &Needed) -> Option<(Flow, Option<[usize; 2]>)> {
        let count = prepared.values.len();
        let mut writer = vec![None; count];
        let mut replacer: Vec<Option<usize>> = vec![None; count];
        let mut first_read = vec![0; count + 1];
        let mut replaced_twice = None;
        for (number, step) in kept(&prepared.steps, needed) {
            if let Some(value) = step.kind.writes()
                && (value == INITIAL || writer[value as usize].replace(number).is_some())
            {
                return None;
            }
            if let Some(value) = step.kind.sees() {
                match step.kind.writes() {
                    None => first_read[value as usize + 1] += 1,
                    Some(_) => {
                        if let Some(other) = replacer[value as usize].replace(number) {
                            replaced_twice = replaced_twice.or(Some([other, number]));
                        }
                    }
                }
            }
        }
        for value in 0..count {
            first_read[value + 1] += first_read[value];
        }
        let mut reads = vec![0; first_read[count]];
        let mut place = first_read.clone();
        for (number, step) in kept(&prepared.steps, needed) {
            if let (Some(value), None) = (step.kind.sees(), step.kind.writes()) {
                reads[place[value as usize]] = number;
                place[value as usize] += 1;
            }
        }
        Some((
            Flow {
                writer,
                replacer,
                reads,
                first_read,
            },
            replaced_twice,
        ))
    }

    /// The reads of a value, in the order of their invocations.
    pub fn reads(&self, value: ValueId) -> &[usize] {
        &self.reads[self.first_read[value as usize]..self.first_read[value as usize + 1]]
    }
}

struct Blocks<'a> {
    prepared: &'a Prepared<'a>,
    flow: &'a Flow,
    /// All kept steps, block by block in forced order.
    order: Vec<usize>,
    blocks: Vec<Block>,
    /// For each value whether it belongs to a block.
    placed: Vec<bool>,
    /// The contradiction that shows earliest.
    found: Option<Found>,
}

impl<'a> Blocks<'a> {
    fn new(prepared: &'a Prepared<'a>, flow: &'a Flow) -> Self {
        let mut blocks = Blocks {
            prepared,
            flow,
            order: Vec::with_capacity(prepared.steps.len()),
            blocks: Vec::new(),
            placed: vec![false; prepared.values.len()],
            found: None,
        };
        blocks.add(INITIAL);
        for value in 1..prepared.values.len() as ValueId {
            let writer = flow.writer[value as usize].map(|number| prepared.steps[number].kind);
            if writer.is_some_and(|kind| kind.sees().is_none()) {
                blocks.add(value);
            }
        }
        blocks
    }

    /// Adds the block that begins with `root`, and checks its forced order.
    fn add(&mut self, root: ValueId) {
        let (flow, steps) = (self.flow, &self.prepared.steps);
        let from = self.order.len();
        // Where a new writer or the reads of a value begin: steps of the same group may stand in any order.
        let mut groups = Vec::new();
        let mut next = Some(root);
        while let Some(value) = next {
            self.placed[value as usize] = true;
            groups.push(self.order.len());
            self.order.extend(flow.writer[value as usize]);
            groups.push(self.order.len());
            self.order.extend_from_slice(flow.reads(value));
            next = flow.replacer[value as usize].and_then(|number| steps[number].kind.writes());
        }
        let to = self.order.len();
        if from == to {
            return;
        }

        let mut end = to;
        let mut earliest_after: Option<usize> = None;
        for &begin in groups.iter().rev() {
            for position in begin..end {
                let number = self.order[position];
                if let Some(after) = earliest_after
                    && steps[after].finish < steps[number].start
                {
                    self.keep_earliest(What::OutOfOrder(number, after), steps[number].start);
                }
            }
            earliest_after = self.order[begin..end]
                .iter()
                .copied()
                .chain(earliest_after)
                .min_by_key(|&number| steps[number].finish);
            end = begin;
        }

        let last_invoked = self.order[from..to]
            .iter()
            .copied()
            .max_by_key(|&number| steps[number].start)
            .unwrap_or(from);
        let first_completed = if root == INITIAL { None } else { earliest_after };
        self.blocks.push(Block {
            from,
            to,
            m: first_completed.map_or(-1, |number| i128::from(steps[number].finish)),
            first_completed,
            big_m: i128::from(steps[last_invoked].start),
            last_invoked,
        });
    }

    fn decide(mut self, needed: &Needed) -> Exact {
        if let Some(circle) = self.circle() {
            return contradiction(self.prepared, needed, Rule::Circle, &circle);
        }
        // Midpoints; what was there at first comes first.
        self.blocks.sort_by_key(|block| {
            if block.first_completed.is_none() {
                i128::MIN
            } else {
                block.m + block.big_m
            }
        });
        let mut widest: Option<usize> = None;
        for late in 0..self.blocks.len() {
            if let Some(early) = widest
                && self.blocks[late].m < self.blocks[early].big_m
            {
                let last = |place: usize| self.prepared.steps[self.blocks[place].last_invoked].start;
                self.keep_earliest(What::ComesBack(early, late), last(early).max(last(late)));
            }
            if widest.is_none_or(|early| self.blocks[early].big_m < self.blocks[late].big_m) {
                widest = Some(late);
            }
        }
        if let Some(found) = self.found {
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
            return Exact::Contradiction(prove(self.prepared, needed, rule, &shown, &ties));
        }
        let mut order = Vec::with_capacity(self.order.len());
        for block in &self.blocks {
            order.extend_from_slice(&self.order[block.from..block.to]);
        }
        Exact::Order(order)
    }

    /// Values that are in no block were written by cas that wait for each other in a circle.
    fn circle(&self) -> Option<Vec<usize>> {
        let steps = &self.prepared.steps;
        let replaced_by = |value: ValueId| self.flow.writer[value as usize];
        let lost = (1..self.placed.len() as ValueId)
            .find(|&value| !self.placed[value as usize] && replaced_by(value).is_some())?;
        let before = |value: ValueId| replaced_by(value).and_then(|number| steps[number].kind.sees());
        // No value is replaced twice and every one that is seen was written: walking back ends where it began.
        let mut circle = Vec::new();
        let mut value = lost;
        loop {
            circle.extend(replaced_by(value));
            value = before(value)?;
            if value == lost {
                return Some(circle);
            }
            if circle.len() > steps.len() {
                return None;
            }
        }
    }

    /// What to show of two blocks that must each come before the other: d, c, b and a, where a and d belong to one
    /// block, b and c to the other, a completed before b began, and c completed before d began. And what ties them.
    fn comes_back(&self, i: usize, j: usize) -> (Vec<usize>, Vec<[ValueId; 2]>) {
        let steps = &self.prepared.steps;
        let writer_of = |number: usize| self.flow.writer[self.value(number) as usize];
        let show = |i: &Block, j: &Block| {
            let d = i.last_invoked;
            // Any other operation of the block will do where it stands rightly; writers explain most.
            let until = |o: &usize| steps[*o].finish < steps[d].start;
            let c = j.first_completed.unwrap_or(d);
            let c = writer_of(c).filter(until).unwrap_or(c);
            let Some(a) = i.first_completed else {
                return (vec![d, c], vec![[INITIAL, self.value(d)]]);
            };
            let completed = steps[a].finish;
            let since = |o: &usize| steps[*o].start > completed;
            let b = writer_of(j.last_invoked).filter(since).unwrap_or(j.last_invoked);
            // Best is one that lies wholly between a and d.
            let between = [c, b].into_iter().chain(self.order[j.from..j.to].iter().copied());
            let (b, c) = between
                .into_iter()
                .find(|o| since(o) && until(o))
                .map_or((b, c), |o| (o, o));
            let a = writer_of(d)
                .filter(|&writer| steps[writer].finish < steps[b].start)
                .unwrap_or(a);
            let shown = if b == c { vec![d, c, a] } else { vec![d, c, b, a] };
            (
                shown,
                vec![[self.value(a), self.value(d)], [self.value(b), self.value(c)]],
            )
        };
        let (i, j) = (&self.blocks[i], &self.blocks[j]);
        if i.first_completed.is_none() {
            return show(i, j);
        }
        // Either may be said to come back: take the one that fewer operations show, else the later one.
        let (first, second) = (show(i, j), show(j, i));
        let since = |shown: &[usize]| Reverse(shown.first().map(|&d| steps[d].start));
        let first_is_better = (first.0.len(), since(&first.0)) <= (second.0.len(), since(&second.0));
        if first_is_better { first } else { second }
    }

    /// The value whose group a step stands in.
    fn value(&self, number: usize) -> ValueId {
        let kind = self.prepared.steps[number].kind;
        kind.writes().or(kind.sees()).unwrap_or(INITIAL)
    }

    fn keep_earliest(&mut self, what: What, since: u64) {
        if self.found.is_none_or(|found| since < found.since) {
            self.found = Some(Found { what, since });
        }
    }
}
