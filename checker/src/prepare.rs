//! One key's operations, reduced to what judging a register needs.
//!
//! Invariants:
//! - Steps stand in the order of their invocations.
//! - Operations that had no effect and tell nothing are gone.
//! - Value 0 is the initial value.

use history::{Failure, History, OPEN, Op, Outcome, Value};
use rustc_hash::FxHashMap;

use crate::model::finish;

/// A value of a key, by number.
pub(crate) type ValueId = u32;
/// The initial value.
pub(crate) const INITIAL: ValueId = 0;

/// What an operation that happened did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// It saw this value: a read, or a cas that failed and told what it found.
    Read(ValueId),
    /// It wrote this value.
    Write(ValueId),
    /// It replaced the first value by the second.
    Cas(ValueId, ValueId),
    /// It saw some other value than this one: a cas that failed and did not tell what it found.
    Not(ValueId),
}

/// One operation.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Step {
    /// Index into the history's operations.
    pub index: usize,
    /// Position of the invocation.
    pub start: u64,
    /// Position of the completion; [`OPEN`] if it never came.
    pub finish: u64,
    /// What it did.
    pub kind: Kind,
}

/// One key's operations.
#[derive(Debug)]
pub(crate) struct Prepared<'a> {
    /// In the order of their invocations.
    pub steps: Vec<Step>,
    /// The values by their numbers.
    pub values: Vec<&'a Value>,
    /// A cas that failed because it found what it expected: a contradiction by itself.
    pub found_expected: Option<usize>,
}

/// What [`Prepared::needed`] finds out.
#[derive(Debug)]
pub(crate) struct Needed {
    /// For each step whether it is kept.
    pub keep: Vec<bool>,
    /// For each value a kept step that saw it. Following it from an open step that is kept leads to a definite one.
    pub seen_by: Vec<Option<usize>>,
}

impl Kind {
    /// The value that it saw.
    pub fn sees(self) -> Option<ValueId> {
        match self {
            Kind::Read(value) | Kind::Cas(value, _) => Some(value),
            Kind::Write(_) | Kind::Not(_) => None,
        }
    }

    /// The value that it wrote.
    pub fn writes(self) -> Option<ValueId> {
        match self {
            Kind::Write(value) | Kind::Cas(_, value) => Some(value),
            Kind::Read(_) | Kind::Not(_) => None,
        }
    }
}

impl Step {
    /// Whether its outcome is unknown.
    pub fn is_open(&self) -> bool {
        self.finish == OPEN
    }
}

impl<'a> Prepared<'a> {
    /// Reduces the operations `indices` of one key.
    pub fn new(history: &'a History, indices: &[usize], initial: &'a Value) -> Self {
        let mut numbers: FxHashMap<&Value, ValueId> = FxHashMap::default();
        let mut values = vec![initial];
        numbers.insert(initial, INITIAL);
        let mut number = |value: &'a Value| {
            *numbers.entry(value).or_insert_with(|| {
                values.push(value);
                // A history of four thousand million operations does not fit into memory.
                (values.len() - 1) as ValueId
            })
        };
        let mut found_expected = None;
        let mut steps = Vec::with_capacity(indices.len());
        for &index in indices {
            let operation = &history.operations[index];
            let kind = match (&operation.op, &operation.outcome) {
                (Op::Read { .. }, Outcome::Ok(answer)) => match &answer.value {
                    Some(value) => Kind::Read(number(value)),
                    None => continue,
                },
                (Op::Write { value, .. }, Outcome::Ok(_) | Outcome::Info(_)) => Kind::Write(number(value)),
                (Op::Cas { expected, .. }, Outcome::Fail(Failure::Mismatch { current })) => match current {
                    Some(current) if current == expected => {
                        found_expected = found_expected.or(Some(index));
                        continue;
                    }
                    Some(current) => Kind::Read(number(current)),
                    None => Kind::Not(number(expected)),
                },
                // It changes nothing, and so it is as good as a read.
                (Op::Cas { expected, new, .. }, Outcome::Ok(_)) if expected == new => Kind::Read(number(new)),
                (Op::Cas { expected, new, .. }, Outcome::Info(_)) if expected == new => continue,
                (Op::Cas { expected, new, .. }, Outcome::Ok(_) | Outcome::Info(_)) => {
                    Kind::Cas(number(expected), number(new))
                }
                _ => continue,
            };
            steps.push(Step {
                index,
                start: operation.invoked,
                finish: finish(operation),
                kind,
            });
        }
        if !steps.is_sorted_by_key(|step| step.start) {
            steps.sort_by_key(|step| step.start);
        }
        Prepared {
            steps,
            values,
            found_expected,
        }
    }

    /// Which steps must be kept: all definite ones, and an open write or cas if what it wrote was seen by a definite
    /// operation or by an open cas that is itself kept.
    ///
    /// Leaving out an open operation whose value nobody saw is sound: take it out of any linearization, and nothing
    /// that stood behind it can tell. Only a cas that failed without telling what it found ([`Kind::Not`]) might.
    pub fn needed(&self) -> Needed {
        let mut open_writers: FxHashMap<ValueId, Vec<usize>> = FxHashMap::default();
        let mut newly_seen = Vec::new();
        for (number, step) in self.steps.iter().enumerate() {
            if !step.is_open() {
                newly_seen.extend(step.kind.sees().map(|value| (value, number)));
            } else if let Some(value) = step.kind.writes() {
                open_writers.entry(value).or_default().push(number);
            }
        }
        let mut needed = Needed {
            keep: self.steps.iter().map(|step| !step.is_open()).collect(),
            seen_by: vec![None; self.values.len()],
        };
        while let Some((value, by)) = newly_seen.pop() {
            if needed.seen_by[value as usize].is_some() {
                continue;
            }
            needed.seen_by[value as usize] = Some(by);
            for &number in open_writers.get(&value).into_iter().flatten() {
                needed.keep[number] = true;
                newly_seen.extend(self.steps[number].kind.sees().map(|value| (value, number)));
            }
        }
        needed
    }
}
