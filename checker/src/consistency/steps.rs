//! A whole history of registers, reduced to what judging weaker models needs.
//!
//! Invariants:
//! - Steps stand in the order of their invocations; the steps of one process follow each other in it without
//!   overlap.
//! - What certainly had no effect and told nothing is gone: failed operations, open reads. A cas that failed
//!   and told what it found is a read; so is a cas to the value that it expects.
//! - An open step is the last one of its process.

use history::{Failure, History, Key, OPEN, Op, Outcome, Value};
use rustc_hash::FxHashMap;

/// In place of a step or a value: there is none, or it is not known.
pub(super) const NONE: u32 = u32::MAX;
/// In place of a step that wrote a value: no one did, it is the initial value.
pub(super) const INITIAL: u32 = u32::MAX - 1;
/// More steps than this are not judged: their numbers must stay below the two above, with room for helper
/// nodes.
const MOST_STEPS: usize = 1 << 29;

/// One operation.
#[derive(Clone, Copy, Debug)]
pub(super) struct Step {
    /// Index into the history's operations.
    pub index: u32,
    /// Whose, by number.
    pub process: u32,
    /// Its place among the steps of its process, from 0.
    pub place: u32,
    /// The register, by number.
    pub key: u32,
    /// The value that it saw, or [`NONE`].
    pub sees: u32,
    /// The value that it wrote, or [`NONE`].
    pub writes: u32,
    /// A value that it did *not* find (a cas that failed without telling what it found), or [`NONE`].
    pub not: u32,
    /// Position of the invocation.
    pub start: u64,
    /// Position of the completion; [`OPEN`] if it never came.
    pub finish: u64,
}

impl Step {
    pub fn is_open(&self) -> bool {
        self.finish == OPEN
    }
}

/// All operations that count.
#[derive(Debug)]
pub(super) struct Trace<'a> {
    pub history: &'a History,
    pub steps: Vec<Step>,
    /// The steps of each process, in order.
    pub by_process: Vec<Vec<u32>>,
    /// The registers, by their numbers.
    pub keys: Vec<&'a Key>,
    /// The values by their numbers. Each value of each register has its own.
    pub values: Vec<&'a Value>,
    /// The number of the initial value of each register.
    pub initial: Vec<u32>,
    /// The steps that may have written a value, for each value, in the order of their invocations.
    pub writers: Vec<Vec<u32>>,
    /// A cas that failed because it found the very value that it expected: index into the history's
    /// operations.
    pub found_expected: Option<usize>,
}

impl<'a> Trace<'a> {
    /// Reduces the operations `indices` of `history`.
    ///
    /// # Errors
    /// In words, if they are not operations on registers or a process overlaps itself.
    pub fn new(history: &'a History, indices: &[usize], initial: &'a Value) -> Result<Self, String> {
        if indices.len() > MOST_STEPS {
            return Err(format!("more than {MOST_STEPS} operations"));
        }
        let mut trace = Trace {
            history,
            steps: Vec::with_capacity(indices.len()),
            by_process: Vec::new(),
            keys: Vec::new(),
            values: Vec::new(),
            initial: Vec::new(),
            writers: Vec::new(),
            found_expected: None,
        };
        let mut numbers = Numbers::default();
        for &index in indices {
            trace.add(index, initial, &mut numbers)?;
        }
        if !trace.steps.is_sorted_by_key(|step| step.start) {
            trace.steps.sort_by_key(|step| step.start);
        }
        trace.line_up()?;
        trace.drop_impossible();
        Ok(trace)
    }

    fn add(&mut self, index: usize, initial: &'a Value, numbers: &mut Numbers<'a>) -> Result<(), String> {
        let operation = &self.history.operations[index];
        let open = operation.outcome.is_info();
        let (sees, writes, not) = match (&operation.op, &operation.outcome) {
            (Op::Read { .. }, Outcome::Ok(answer)) => (answer.value.as_ref(), None, None),
            (Op::Read { .. }, _) => (None, None, None),
            (Op::Write { value, .. }, Outcome::Ok(_) | Outcome::Info(_)) => (None, Some(value), None),
            (Op::Write { .. }, Outcome::Fail(_)) => (None, None, None),
            (Op::Cas { expected, .. }, Outcome::Fail(Failure::Mismatch { current })) => {
                if current.as_ref() == Some(expected) {
                    self.found_expected = self.found_expected.or(Some(index));
                }
                match current {
                    Some(current) => (Some(current), None, None),
                    None => (None, None, Some(expected)),
                }
            }
            (Op::Cas { .. }, Outcome::Fail(Failure::Error(_))) => (None, None, None),
            (Op::Cas { expected, new, .. }, _) if expected == new => {
                // It changes nothing; with an unknown outcome it tells nothing either.
                ((!open).then_some(expected), None, None)
            }
            (Op::Cas { expected, new, .. }, _) => (Some(expected), Some(new), None),
            (op, _) => return Err(format!("operation {index} is no read, write or cas: {op}")),
        };
        let finish = if open { OPEN } else { operation.completed };
        if finish <= operation.invoked {
            return Err(format!("operation {index} of the history ends before it begins"));
        }
        let key = *numbers.keys.entry(operation.op.key()).or_insert_with(|| {
            self.keys.push(operation.op.key());
            (self.keys.len() - 1) as u32
        });
        if self.initial.len() < self.keys.len() {
            let number = numbers.value(&mut self.values, key, initial);
            self.initial.push(number);
        }
        if sees.is_none() && writes.is_none() && not.is_none() {
            return Ok(());
        }
        let process = *numbers.processes.entry(operation.process).or_insert_with(|| {
            self.by_process.push(Vec::new());
            (self.by_process.len() - 1) as u32
        });
        let mut value = |value: Option<&'a Value>| match value {
            Some(value) => numbers.value(&mut self.values, key, value),
            None => NONE,
        };
        let (sees, writes, not) = (value(sees), value(writes), value(not));
        self.steps.push(Step {
            index: index as u32,
            process,
            place: 0,
            key,
            sees,
            writes,
            not,
            start: operation.invoked,
            finish,
        });
        Ok(())
    }

    /// Gives each step its place in its process, and each value its writers.
    fn line_up(&mut self) -> Result<(), String> {
        self.writers = vec![Vec::new(); self.values.len()];
        for (number, step) in (0u32..).zip(&mut self.steps) {
            let process = &mut self.by_process[step.process as usize];
            step.place = process.len() as u32;
            process.push(number);
            if step.writes != NONE {
                self.writers[step.writes as usize].push(number);
            }
        }
        for steps in &self.by_process {
            for pair in steps.windows(2) {
                let (x, y) = (&self.steps[pair[0] as usize], &self.steps[pair[1] as usize]);
                if x.finish > y.start {
                    let process = self.history.operations[x.index as usize].process;
                    return Err(format!(
                        "process {process} overlaps itself (operations {} and {})",
                        x.index, y.index
                    ));
                }
            }
        }
        Ok(())
    }

    /// An open cas that expects what no one can have written did not happen, so it wrote nothing either.
    fn drop_impossible(&mut self) {
        let mut open_seers: FxHashMap<u32, Vec<u32>> = FxHashMap::default();
        for (number, step) in (0u32..).zip(&self.steps) {
            if step.is_open() && step.sees != NONE {
                open_seers.entry(step.sees).or_default().push(number);
            }
        }
        let mut doubtful: Vec<u32> = open_seers.values().flatten().copied().collect();
        doubtful.sort_unstable();
        while let Some(number) = doubtful.pop() {
            if self.candidates(number).next().is_some() {
                continue;
            }
            let value = self.steps[number as usize].writes;
            let writers = &mut self.writers[value as usize];
            let before = writers.len();
            writers.retain(|&writer| writer != number);
            if writers.len() < before {
                doubtful.extend(open_seers.get(&value).into_iter().flatten());
            }
        }
    }

    /// The steps that may have written what `number` saw, [`INITIAL`] among them, in the order of their
    /// invocations. A process cannot see what it writes only later.
    pub fn candidates(&self, number: u32) -> impl Iterator<Item = u32> + '_ {
        let reader = &self.steps[number as usize];
        let value = reader.sees;
        let initial = value != NONE && self.initial[reader.key as usize] == value;
        let writers = if value == NONE {
            &[][..]
        } else {
            &self.writers[value as usize]
        };
        let possible = writers.iter().copied().filter(move |&writer| {
            let writer = &self.steps[writer as usize];
            writer.process != reader.process || writer.place < reader.place
        });
        initial.then_some(INITIAL).into_iter().chain(possible)
    }

    /// A definite step that saw what it cannot have seen: a value that no one, or only its own process later,
    /// wrote.
    pub fn unexplained(&self) -> Option<u32> {
        let mut numbers = (0u32..).zip(&self.steps);
        numbers
            .find(|&(number, step)| {
                step.sees != NONE && !step.is_open() && self.candidates(number).next().is_none()
            })
            .map(|(number, _)| number)
    }
}

#[derive(Default)]
struct Numbers<'a> {
    processes: FxHashMap<u32, u32>,
    keys: FxHashMap<&'a Key, u32>,
    values: FxHashMap<(u32, &'a Value), u32>,
}

impl<'a> Numbers<'a> {
    fn value(&mut self, values: &mut Vec<&'a Value>, key: u32, value: &'a Value) -> u32 {
        *self.values.entry((key, value)).or_insert_with(|| {
            values.push(value);
            (values.len() - 1) as u32
        })
    }
}
