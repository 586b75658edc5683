//! One key's operations, reduced to what judging a register needs.
//!
//! Invariants:
//! - Steps stand in the order of their invocations.
//! - Operations that had no effect and tell nothing are gone.
//! - Value 0 is the initial value, and value 1 is none at all.
//! - Everything is counted in 32 bits, which halves the memory: positions that need more are replaced by
//!   their ranks, which have the same order.

use history::{Failure, History, OPEN, Op, Operation, Outcome, Value};
use rustc_hash::FxHashMap;

use crate::engine::interner::Interner;
use crate::model::finish;

/// A value of a key, by number.
pub(crate) type ValueId = u32;
/// The initial value.
pub(crate) const INITIAL: ValueId = 0;
/// Stands for no value. It has a place in arrays by value, so that those that count need not ask whether
/// there is one.
pub(crate) const NOTHING: ValueId = 1;
/// The first of the values that are written.
pub(crate) const FIRST_WRITTEN: ValueId = 2;

/// A step of a key, by number.
pub(crate) type StepId = u32;
/// Stands for no step.
pub(crate) const NO_STEP: StepId = u32::MAX;

/// When an open step completes: later than everything. The sum of two times still fits into 32 bits.
pub(crate) const NEVER: u32 = u32::MAX / 2;
/// The longest history whose operations, values and ranks can be counted so.
const MOST_OPERATIONS: usize = (NEVER / 2 - 1) as usize;

/// One operation.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Step {
    /// Index into the history's operations.
    pub index: u32,
    /// When it was invoked: its position, or the rank of that.
    pub start: u32,
    /// When it completed, on the same scale; [`NEVER`] if it never did.
    pub finish: u32,
    /// The value that it saw: a read, a cas that failed and told what it found, or what a successful cas
    /// replaced; or [`NOTHING`].
    pub sees: ValueId,
    /// The value that it wrote, or [`NOTHING`].
    pub writes: ValueId,
    /// The value that was not there: a cas that failed and did not tell what it found; or [`NOTHING`].
    pub lacks: ValueId,
}

/// One key's operations.
#[derive(Debug)]
pub(crate) struct Prepared {
    /// In the order of their invocations.
    pub steps: Vec<Step>,
    /// How many values there are, with [`NOTHING`].
    pub values: usize,
    /// A cas that failed because it found what it expected: a contradiction by itself.
    pub found_expected: Option<usize>,
}

/// What [`Prepared::needed`] finds out.
#[derive(Debug)]
pub(crate) struct Needed {
    /// For each step whether it is kept.
    pub keep: Vec<bool>,
    seen_by: Vec<StepId>,
}

impl Step {
    /// Whether its outcome is unknown.
    pub fn is_open(&self) -> bool {
        self.finish == NEVER
    }

    /// Whether it replaced one value by another.
    pub fn is_cas(&self) -> bool {
        (self.sees != NOTHING) & (self.writes != NOTHING)
    }

    /// The value that it saw.
    pub fn seen(&self) -> Option<ValueId> {
        (self.sees != NOTHING).then_some(self.sees)
    }

    /// The value that it wrote.
    pub fn written(&self) -> Option<ValueId> {
        (self.writes != NOTHING).then_some(self.writes)
    }

    /// The value that it did not find.
    pub fn lacked(&self) -> Option<ValueId> {
        (self.lacks != NOTHING).then_some(self.lacks)
    }
}

/// `None` for [`NO_STEP`].
pub(crate) fn some(number: StepId) -> Option<StepId> {
    (number != NO_STEP).then_some(number)
}

impl Prepared {
    /// Reduces the operations `indices` of one key; `None` if the history is longer than memory ever was.
    pub fn new(history: &History, indices: &[usize], initial: &Value) -> Option<Self> {
        if history.operations.len() > MOST_OPERATIONS {
            return None;
        }
        let small = |position: u64| u32::try_from(position).ok().filter(|time| *time < NEVER);
        Self::timed(history, indices, initial, small).or_else(|| {
            let ranks = Ranks::new(history, indices);
            Self::timed(history, indices, initial, |position| ranks.of(position))
        })
    }

    /// With times as `time` gives them for positions; `None` if it has none for some position.
    fn timed(
        history: &History,
        indices: &[usize],
        initial: &Value,
        time: impl Fn(u64) -> Option<u32>,
    ) -> Option<Self> {
        let operations = || indices.iter().map(|&index| (index, &history.operations[index]));
        let example = operations().find_map(|(_, operation)| written_int(operation));
        let mut numbers = Interner::new(indices.len(), example);
        // The first number is INITIAL, the second one is NOTHING.
        numbers.of(initial);
        numbers.skip();
        let mut prepared = Prepared {
            steps: Vec::with_capacity(indices.len()),
            values: 0,
            found_expected: None,
        };
        for (index, operation) in operations() {
            let (mut sees, mut writes, mut lacks) = (NOTHING, NOTHING, NOTHING);
            match (&operation.op, &operation.outcome) {
                (Op::Read { .. }, Outcome::Ok(answer)) => match &answer.value {
                    Some(value) => sees = numbers.of(value),
                    None => continue,
                },
                (Op::Write { value, .. }, Outcome::Ok(_) | Outcome::Info(_)) => writes = numbers.of(value),
                (Op::Cas { expected, .. }, Outcome::Fail(Failure::Mismatch { current })) => match current {
                    Some(current) if current == expected => {
                        prepared.found_expected = prepared.found_expected.or(Some(index));
                        continue;
                    }
                    Some(current) => sees = numbers.of(current),
                    None => lacks = numbers.of(expected),
                },
                // It changes nothing, and so it is as good as a read.
                (Op::Cas { expected, new, .. }, Outcome::Ok(_)) if expected == new => sees = numbers.of(new),
                (Op::Cas { expected, new, .. }, Outcome::Info(_)) if expected == new => continue,
                (Op::Cas { expected, new, .. }, Outcome::Ok(_) | Outcome::Info(_)) => {
                    (sees, writes) = (numbers.of(expected), numbers.of(new));
                }
                _ => continue,
            }
            prepared.steps.push(Step {
                index: index as u32,
                start: time(operation.invoked)?,
                finish: match finish(operation) {
                    OPEN => NEVER,
                    position => time(position)?,
                },
                sees,
                writes,
                lacks,
            });
        }
        prepared.values = numbers.count();
        if !prepared.steps.is_sorted_by_key(|step| step.start) {
            prepared.steps.sort_by_key(|step| step.start);
        }
        Some(prepared)
    }

    /// The step of that number.
    pub fn step(&self, number: StepId) -> &Step {
        &self.steps[number as usize]
    }

    /// The steps with their numbers.
    pub fn numbered(&self) -> impl Iterator<Item = (StepId, &Step)> {
        (0..).zip(&self.steps)
    }

    /// Which steps must be kept: all definite ones, and an open write or cas if what it wrote was seen by a
    /// definite operation or by an open cas that is itself kept.
    ///
    /// An open cas that expects what no one ever wrote cannot have happened. It is left out where another
    /// operation writes what it brings, so that this is written once; else it explains why no one can have
    /// seen that.
    ///
    /// Leaving out an open operation whose value no one saw is sound: take it out of any linearization, and
    /// nothing that stood behind it can tell. Only a cas that failed without telling what it found
    /// ([`Step::lacks`]) might.
    pub fn needed(&self) -> Needed {
        let mut needed = Needed {
            keep: vec![true; self.steps.len()],
            seen_by: vec![NO_STEP; self.values],
        };
        let mut is_written = vec![false; self.values];
        is_written[INITIAL as usize] = true;
        for step in &self.steps {
            is_written[step.writes as usize] = true;
        }
        let is_impossible = |step: &Step| {
            step.is_open() && step.seen().is_some_and(|expected| !is_written[expected as usize])
        };
        let mut can_be_written = vec![false; self.values];
        for step in &self.steps {
            can_be_written[step.writes as usize] |= !is_impossible(step);
        }
        let mut open_writers: FxHashMap<ValueId, Vec<StepId>> = FxHashMap::default();
        for (number, step) in self.numbered() {
            if !step.is_open() {
                needed.seen_by[step.sees as usize] = number;
                continue;
            }
            needed.keep[number as usize] = false;
            let can_be = !is_impossible(step) || !can_be_written[step.writes as usize];
            if let Some(value) = step.written().filter(|_| can_be) {
                open_writers.entry(value).or_default().push(number);
            }
        }
        needed.seen_by[NOTHING as usize] = NO_STEP;
        // From what a definite step saw on to what the cas that wrote it must have seen, and so on.
        let mut seen: Vec<ValueId> = open_writers.keys().copied().collect();
        seen.retain(|&value| needed.seen_by[value as usize] != NO_STEP);
        while let Some(value) = seen.pop() {
            for number in open_writers.remove(&value).into_iter().flatten() {
                needed.keep[number as usize] = true;
                if let Some(before) = self.step(number).seen()
                    && needed.seen_by[before as usize] == NO_STEP
                {
                    needed.seen_by[before as usize] = number;
                    seen.push(before);
                }
            }
        }
        needed
    }
}

impl Needed {
    /// A kept step that saw the value. Following it from an open step that is kept leads to a definite one.
    pub fn seen_by(&self, value: ValueId) -> Option<StepId> {
        some(self.seen_by[value as usize])
    }
}

/// An integer that a step names, if it is of the kind that brings new ones.
fn written_int(operation: &Operation) -> Option<i64> {
    match &operation.op {
        Op::Write {
            value: Value::Int(int),
            ..
        }
        | Op::Cas {
            new: Value::Int(int), ..
        } => Some(*int),
        _ => None,
    }
}

/// The positions of a key in ascending order.
struct Ranks(Vec<u64>);

impl Ranks {
    fn new(history: &History, indices: &[usize]) -> Self {
        let operations = indices.iter().map(|&index| &history.operations[index]);
        let mut positions: Vec<u64> = operations
            .flat_map(|operation| [operation.invoked, finish(operation)])
            .collect();
        positions.sort_unstable();
        positions.dedup();
        Ranks(positions)
    }

    fn of(&self, position: u64) -> Option<u32> {
        let rank = self.0.binary_search(&position).ok()?;
        u32::try_from(rank).ok().filter(|time| *time < NEVER)
    }
}
