//! What is known of a file after one pass over it, however long it is.
//!
//! Invariant: of every shape of operations that is in the file, there is one in the sample. A shape is the
//! kind of operation, how it ended, and of which sort its values are; what a history looks like, by which
//! its model is found, is told by shapes alone.

use std::hash::{Hash, Hasher};

use rustc_hash::{FxHashSet, FxHasher};

use crate::units::plural;
use crate::{History, Op, Operation, Outcome, Value};

/// How deep values are looked into.
const DEPTH: usize = 3;
/// How many operations of different shapes are kept at most.
const MOST_KEPT: usize = 1 << 14;

/// No run waits that long for its first event: thirty days.
const LONGEST_WAIT_NS: u64 = 30 * 24 * 3_600 * 1_000_000_000;

/// What is known of a file.
#[derive(Debug, Default)]
pub struct Survey {
    /// How many operations there are.
    pub operations: u64,
    /// How many of them were answered.
    pub answered: u64,
    /// How many end with no outcome.
    pub open: u64,
    /// How many reads are ok without a value.
    pub silent_reads: u64,
    /// When the first operation began, nanoseconds.
    pub first_ns: u64,
    sample: Vec<Operation>,
    seen: FxHashSet<u64>,
}

impl Survey {
    /// Looks at one more operation.
    pub fn add(&mut self, operation: &Operation) {
        self.first_ns = match self.operations {
            0 => operation.invoked_ns,
            _ => self.first_ns.min(operation.invoked_ns),
        };
        self.operations += 1;
        self.answered += u64::from(operation.outcome.is_answer());
        self.open += u64::from(operation.outcome.is_info() && operation.completed_ns.is_none());
        if let (Op::Read { .. }, Outcome::Ok(answer)) = (&operation.op, &operation.outcome) {
            self.silent_reads += u64::from(answer.value.is_none());
        }
        if self.seen.insert(shape(operation)) && self.sample.len() < MOST_KEPT {
            self.sample.push(operation.clone());
        }
    }

    /// The time from which times are shown: the beginning of the file where they do not count from the
    /// start of a run, but from 1970 or so.
    pub fn shown_from_ns(&self) -> u64 {
        match self.first_ns < LONGEST_WAIT_NS {
            true => 0,
            false => self.first_ns,
        }
    }

    /// What is no mistake, but should be known to the person who made the file.
    pub fn remarks(&self) -> Vec<String> {
        let mut remarks = Vec::new();
        if self.shown_from_ns() > 0 {
            remarks.push("times are shown relative to the first event".to_owned());
        }
        if self.open > 0 {
            let open = plural(self.open, "operation");
            remarks.push(format!("{open} without a completion: they count as info"));
        }
        if self.silent_reads > 0 {
            let reads = self.silent_reads;
            remarks.push(format!(
                "reads that are ok without a value: {reads}; they claim nothing"
            ));
        }
        remarks
    }

    /// Operations of all shapes: what the history looks like, and no history to be judged.
    pub fn sample(&self) -> History {
        History {
            operations: self.sample.clone(),
            ..History::default()
        }
    }
}

/// What operations of one shape have in common.
fn shape(operation: &Operation) -> u64 {
    let mut hasher = FxHasher::default();
    operation.op.kind().hash(&mut hasher);
    operation.outcome.name().len().hash(&mut hasher);
    hash_sort(operation.outcome.answer(), &mut hasher);
    match &operation.op {
        Op::Write { value, .. }
        | Op::Append { value, .. }
        | Op::Add { value, .. }
        | Op::Enqueue { value, .. } => hash_sort(Some(value), &mut hasher),
        Op::Cas { expected, new, .. } => {
            hash_sort(Some(expected), &mut hasher);
            hash_sort(Some(new), &mut hasher);
        }
        // There are many ways to put steps together, and each may be a shape of its own.
        Op::Txn { micro_ops, .. } => micro_ops.hash(&mut hasher),
        Op::Read { .. }
        | Op::Acquire { .. }
        | Op::Release { .. }
        | Op::Dequeue { .. }
        | Op::Generate { .. }
        | Op::Watch { .. } => {}
    }
    hasher.finish()
}

fn hash_sort(value: Option<&Value>, hasher: &mut FxHasher) {
    hasher.write_u64(value.map_or(0, |value| sort(value, DEPTH)));
}

/// Of which sort a value is: equal sorts mean that a model that can read one can read the other.
fn sort(value: &Value, depth: usize) -> u64 {
    let of = |tag: u64, parts: &mut dyn Iterator<Item = u64>, length: usize| {
        let mut sorts: Vec<u64> = if depth == 0 { Vec::new() } else { parts.collect() };
        sorts.sort_unstable();
        sorts.dedup();
        let mut hasher = FxHasher::default();
        (tag, length.min(4), sorts).hash(&mut hasher);
        hasher.finish()
    };
    let below = depth.saturating_sub(1);
    match value {
        Value::Nil => 1,
        Value::Int(number) => 2 + u64::from(*number < 0),
        Value::Text(_) => 4,
        // A keyword, a truth value, an integer of many digits, another number, or anything else.
        Value::Form(form) => {
            let digits = form.strip_prefix('-').unwrap_or(form);
            let is_integer = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
            5 + 2 * u64::from(is_integer) + u64::from(form.starts_with(':'))
        }
        Value::List(values) => {
            // What a list begins with may be another thing than what follows.
            let first = values.first().map_or(0, |first| sort(first, below));
            of(
                16 + first,
                &mut values.iter().map(|value| sort(value, below)),
                values.len(),
            )
        }
        Value::Set(values) => of(
            9,
            &mut values.iter().map(|value| sort(value, below)),
            values.len(),
        ),
        Value::Map(pairs) => {
            let sorts = pairs
                .iter()
                .map(|(name, value)| sort(name, below) ^ sort(value, below).rotate_left(8));
            of(10, &mut { sorts }, pairs.len())
        }
    }
}

/// How many bytes of its own an operation's values take, beside the operation itself. What is shared counts
/// each time.
pub fn heap_bytes(operation: &Operation) -> u64 {
    let answer = operation.outcome.answer().map_or(0, heap_of);
    let asked = match &operation.op {
        Op::Write { value, .. }
        | Op::Append { value, .. }
        | Op::Add { value, .. }
        | Op::Enqueue { value, .. } => heap_of(value),
        Op::Cas { expected, new, .. } => heap_of(expected) + heap_of(new),
        Op::Txn { micro_ops, .. } => micro_ops.len() as u64 * 64,
        Op::Read { .. }
        | Op::Acquire { .. }
        | Op::Release { .. }
        | Op::Dequeue { .. }
        | Op::Generate { .. }
        | Op::Watch { .. } => 0,
    };
    answer + asked + heap_of(operation.op.key())
}

fn heap_of(value: &Value) -> u64 {
    // A shared pointer has two counters, and what it points to a length and a capacity.
    const SHARED: u64 = 48;
    match value {
        Value::Nil | Value::Int(_) => 0,
        Value::Text(text) | Value::Form(text) => SHARED + text.len() as u64,
        Value::List(values) | Value::Set(values) => {
            SHARED + values.iter().map(|value| 16 + heap_of(value)).sum::<u64>()
        }
        Value::Map(pairs) => {
            let parts = pairs
                .iter()
                .map(|(name, value)| 32 + heap_of(name) + heap_of(value));
            SHARED + parts.sum::<u64>()
        }
    }
}
