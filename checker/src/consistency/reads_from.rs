//! Which write each answer came from: certain where values are written once, a matter of choice where they
//! repeat.
//!
//! Invariants:
//! - An open step is kept iff a kept step saw what it wrote. Leaving the others out loses nothing: they are
//!   the last ones of their processes and no one saw them.
//! - In a complete explanation every kept step that saw a value has a source; in a partial one only where
//!   there is no choice. A partial one can show that a model is violated, never that it holds.

use rustc_hash::FxHashMap;

use super::steps::{INITIAL, NONE, Trace};

/// An answer with more possible sources makes for more explanations than anybody could try.
const MOST_COUNTED: usize = 64;

/// A source for the answers.
#[derive(Clone, Debug)]
pub(super) struct Explanation {
    /// The step that wrote what a step saw, or [`INITIAL`]; [`NONE`] if it saw nothing or there is a choice.
    pub source: Vec<u32>,
    /// Whether a step is taken to have happened.
    pub kept: Vec<bool>,
    /// For a kept open step, a kept step that saw what it wrote. Going on from there leads to a definite one.
    pub seen_by: FxHashMap<u32, u32>,
}

/// All explanations of a trace.
#[derive(Debug)]
pub(super) struct Explanations {
    /// What holds in all of them.
    pub certain: Explanation,
    /// The steps with a choice.
    pub choices: Vec<u32>,
    /// How many explanations there are, if not more than a number that fits.
    pub count: u64,
}

impl Explanations {
    /// Finds out what is certain. Every definite step must have an explanation ([`Trace::unexplained`]).
    pub fn new(trace: &Trace) -> Self {
        let mut source = vec![NONE; trace.steps.len()];
        let (mut choices, mut count) = (Vec::new(), 1u64);
        for (number, step) in (0u32..).zip(&trace.steps) {
            if step.sees == NONE {
                continue;
            }
            let mut candidates = trace.candidates(number);
            match (candidates.next(), candidates.next()) {
                (Some(only), None) => source[number as usize] = only,
                (Some(_), Some(_)) => {
                    choices.push(number);
                    let more = candidates.take(MOST_COUNTED).count();
                    let ways = if more < MOST_COUNTED {
                        2 + more as u64
                    } else {
                        u64::MAX
                    };
                    count = count.saturating_mul(ways);
                }
                (None, _) => {}
            }
        }
        Explanations {
            certain: Explanation::new(trace, source),
            choices,
            count,
        }
    }

    /// Whether every answer has one source only.
    pub fn is_certain(&self) -> bool {
        self.choices.is_empty()
    }

    /// The explanation in which every answer is as fresh as it can be in real time.
    pub fn freshest(&self, trace: &Trace) -> Explanation {
        let mut source = self.certain.source.clone();
        for &number in &self.choices {
            let reader = &trace.steps[number as usize];
            let writers = &trace.writers[reader.sees as usize];
            let begun = writers.partition_point(|&writer| trace.steps[writer as usize].start < reader.finish);
            let possible = |&writer: &u32| {
                let writer = &trace.steps[writer as usize];
                writer.process != reader.process || writer.place < reader.place
            };
            let latest = writers[..begun].iter().rev().copied().find(possible);
            let choice = latest.or_else(|| trace.candidates(number).next());
            source[number as usize] = choice.unwrap_or(NONE);
        }
        Explanation::new(trace, source)
    }

    /// The explanation with this number, below `count`.
    pub fn nth(&self, trace: &Trace, mut number: u64) -> Explanation {
        let mut source = self.certain.source.clone();
        for &step in &self.choices {
            let candidates: Vec<u32> = trace.candidates(step).collect();
            let base = candidates.len() as u64;
            source[step as usize] = candidates[(number % base) as usize];
            number /= base;
        }
        Explanation::new(trace, source)
    }
}

impl Explanation {
    fn new(trace: &Trace, source: Vec<u32>) -> Self {
        let mut kept: Vec<bool> = trace.steps.iter().map(|step| !step.is_open()).collect();
        let mut look: Vec<u32> = (0..trace.steps.len() as u32)
            .filter(|&number| kept[number as usize])
            .collect();
        let mut seen_by = FxHashMap::default();
        while let Some(number) = look.pop() {
            let writer = source[number as usize];
            if writer < INITIAL && !kept[writer as usize] {
                kept[writer as usize] = true;
                seen_by.insert(writer, number);
                look.push(writer);
            }
        }
        Explanation {
            source,
            kept,
            seen_by,
        }
    }

    /// The kept steps that write, for each register and process, as `(place, step)` in order. Processes
    /// ascend.
    pub fn writes_by_key(&self, trace: &Trace) -> Vec<ByProcess> {
        self.by_key(trace, |number| trace.steps[number as usize].writes != NONE)
    }

    /// The kept steps whose source is known, likewise.
    pub fn sights_by_key(&self, trace: &Trace) -> Vec<ByProcess> {
        self.by_key(trace, |number| self.source[number as usize] != NONE)
    }

    fn by_key(&self, trace: &Trace, wanted: impl Fn(u32) -> bool) -> Vec<ByProcess> {
        let mut keys: Vec<ByProcess> = Vec::new();
        keys.resize_with(trace.keys.len(), Vec::new);
        for (process, steps) in (0u32..).zip(&trace.by_process) {
            for &number in steps {
                if !self.kept[number as usize] || !wanted(number) {
                    continue;
                }
                let step = &trace.steps[number as usize];
                let lists = &mut keys[step.key as usize];
                match lists.last_mut() {
                    Some((last, list)) if *last == process => list.push((step.place, number)),
                    _ => lists.push((process, vec![(step.place, number)])),
                }
            }
        }
        keys
    }
}

/// For each process, ascending, some of its steps as `(place, step)`, in order.
pub(super) type ByProcess = Vec<(u32, Vec<(u32, u32)>)>;

/// The last step of `list` whose place is below `before`.
pub(super) fn last_before(list: &[(u32, u32)], before: u32) -> Option<u32> {
    let count = list.partition_point(|&(place, _)| place < before);
    count.checked_sub(1).map(|last| list[last].1)
}

/// The node of what a step saw.
pub(super) fn source_node(trace: &Trace, source: u32, key: u32) -> u32 {
    match source {
        INITIAL => trace.steps.len() as u32 + key,
        step => step,
    }
}
