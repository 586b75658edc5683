//! Histories for the tests: by hand, small and random, long by construction.

use history::{ErrorClass, History, Key, OPEN, Op, Operation, Outcome, Value};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

pub fn read(key: i64) -> Op {
    Op::Read { key: Key::Int(key) }
}

pub fn write(key: i64, value: i64) -> Op {
    Op::Write {
        key: Key::Int(key),
        value: Value::Int(value),
    }
}

pub fn cas(key: i64, expected: i64, new: i64) -> Op {
    Op::Cas {
        key: Key::Int(key),
        expected: Value::Int(expected),
        new: Value::Int(new),
    }
}

pub fn saw(value: i64) -> Outcome {
    Outcome::ok_value(Value::Int(value))
}

pub fn info() -> Outcome {
    Outcome::info(ErrorClass::Timeout, "")
}

/// Builds a history event by event; positions are counted, a position takes a millisecond.
#[derive(Default)]
pub struct Builder {
    pub history: History,
    pub position: u64,
}

impl Builder {
    pub fn invoke(&mut self, process: u32, op: Op) -> usize {
        self.history.operations.push(Operation {
            process,
            op,
            outcome: info(),
            invoked: self.position,
            completed: OPEN,
            invoked_ns: self.position * 1_000_000,
            completed_ns: None,
            node: None,
        });
        self.position += 1;
        self.history.operations.len() - 1
    }

    pub fn complete(&mut self, index: usize, outcome: Outcome) {
        let operation = &mut self.history.operations[index];
        if !outcome.is_info() {
            operation.completed = self.position;
            operation.completed_ns = Some((self.position * 1_000_000).into());
        }
        operation.outcome = outcome;
        self.position += 1;
    }

    /// An operation that overlaps no other one.
    pub fn did(&mut self, process: u32, op: Op, outcome: Outcome) -> usize {
        let index = self.invoke(process, op);
        self.complete(index, outcome);
        index
    }
}

/// A history of operations one after the other.
pub fn sequence(operations: &[(u32, Op, Outcome)]) -> History {
    let mut builder = Builder::default();
    for (process, op, outcome) in operations {
        builder.did(*process, op.clone(), outcome.clone());
    }
    builder.history
}

/// A random history of at most 7 operations by 2 or 3 clients on 1 or 2 keys, whose answers are often a
/// little wrong. With `unique` every write and cas of a key writes another value, else 0–2. All registers
/// begin with 0.
pub fn random_history(seed: u64, unique: bool) -> History {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let (clients, keys) = (
        rng.random_range(2..=3usize),
        [rng.random_range(1..=2i64), 2][(seed % 2) as usize],
    );
    let count = [rng.random_range(3..=7), 7][(seed % 2) as usize];
    let (info_share, future_share) = (rng.random_range(0..3), rng.random_range(0..12));
    let mut builder = Builder::default();
    // What each client is in the middle of, and its present process number.
    let mut open: Vec<Option<usize>> = vec![None; clients];
    let mut process: Vec<u32> = (0..clients as u32).collect();
    let mut next_process = clients as u32;
    let mut known: Vec<Vec<i64>> = vec![vec![0]; keys as usize];
    loop {
        let client = rng.random_range(0..clients);
        if let Some(index) = open[client] {
            let op = builder.history.operations[index].op.clone();
            let key = match op.key() {
                Value::Int(key) => *key as usize,
                _ => 0,
            };
            let values = &known[key];
            let current = match rng.random_range(0..10) {
                0 if future_share == 1 => values.last().copied().unwrap_or(0) + 1,
                0..6 => values[rng.random_range(0..values.len())],
                _ => values.last().copied().unwrap_or(0),
            };
            let outcome = match (&op, rng.random_range(0..12)) {
                _ if rng.random_ratio(info_share, 10) => info(),
                (Op::Read { .. }, _) => saw(current),
                (Op::Write { .. }, 0) => Outcome::fail(ErrorClass::Rejected, ""),
                (Op::Cas { .. }, 0) => Outcome::fail(ErrorClass::Rejected, ""),
                (Op::Cas { .. }, 1) => Outcome::mismatch(None),
                (Op::Cas { .. }, 2 | 3) => Outcome::mismatch(Some(Value::Int(current))),
                _ => Outcome::ok(),
            };
            if outcome.is_info() {
                process[client] = next_process;
                next_process += 1;
            }
            builder.complete(index, outcome);
            open[client] = None;
        } else if builder.history.operations.len() < count {
            let key = rng.random_range(0..keys);
            let values = &mut known[key as usize];
            let new = match unique {
                true => values.len() as i64,
                false => rng.random_range(0..=2),
            };
            let expected = match rng.random_range(0..2) {
                0 => values[rng.random_range(0..values.len())],
                _ => values.last().copied().unwrap_or(0),
            };
            let op = match rng.random_range(0..20) {
                0..11 => read(key),
                11..17 => write(key, new),
                _ => cas(key, expected, new),
            };
            if !op.is_read_only() {
                values.push(new);
            }
            open[client] = Some(builder.invoke(process[client], op));
        } else if open.iter().all(Option::is_none) {
            return builder.history;
        }
    }
}

/// One line an operation.
pub fn lines(history: &History) -> String {
    let line = |(index, o): (usize, &Operation)| {
        let outcome = match &o.outcome {
            Outcome::Ok(answer) => format!("ok {:?}", answer.value),
            Outcome::Fail(failure) => format!("fail {failure:?}"),
            Outcome::Info(_) => "info".to_owned(),
        };
        format!(
            "{index}: p{} {} {outcome} [{}, {}]\n",
            o.process, o.op, o.invoked, o.completed as i64
        )
    };
    history.operations.iter().enumerate().map(line).collect()
}

/// What [`replicated`] does with reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reads {
    /// Each process reads a prefix of the one order of all writes, and never an earlier one than before.
    Forward,
    /// The same, but now and then from an earlier prefix than before.
    BackInTime,
}

/// How [`replicated`] makes a history.
#[derive(Clone, Copy, Debug)]
pub struct Replicated {
    pub operations: usize,
    pub clients: usize,
    pub keys: i64,
    /// How many different values; none: each write of a key writes another one.
    pub values: Option<i64>,
    /// How many writes a process may be behind.
    pub lag: usize,
    /// Of a thousand operations so many get no answer.
    pub info_per_mille: u32,
    pub reads: Reads,
}

/// A store like ZooKeeper: all writes and cas have one order, in real time; every process reads from a
/// replica that is behind, but never behind what it wrote itself. Registers begin with 0.
pub fn replicated(seed: u64, plan: Replicated) -> History {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut builder = Builder::default();
    // The versions of each key: since which write it holds which value.
    let mut versions: Vec<Vec<(usize, i64)>> = vec![vec![(0, 0)]; plan.keys as usize];
    let mut writes = 0;
    // For each client: its process, how much it has seen, and what it is in the middle of: whether it took
    // effect.
    let mut process: Vec<u32> = (0..plan.clients as u32).collect();
    let mut seen = vec![0usize; plan.clients];
    let mut open: Vec<Option<(usize, Option<Outcome>)>> = vec![None; plan.clients];
    let mut next_value = 0;
    let mut next_process = plan.clients as u32;
    loop {
        let client = rng.random_range(0..plan.clients);
        match open[client].take() {
            None if builder.history.operations.len() >= plan.operations => {
                if open.iter().all(Option::is_none) {
                    return builder.history;
                }
            }
            None => {
                let key = rng.random_range(0..plan.keys);
                let held = versions[key as usize].last().map_or(0, |version| version.1);
                next_value += 1;
                let new = plan.values.map_or(next_value, |most| rng.random_range(0..most));
                let op = match rng.random_range(0..10) {
                    0..5 => read(key),
                    5..8 => write(key, new),
                    _ => cas(key, held, new),
                };
                open[client] = Some((builder.invoke(process[client], op), None));
            }
            Some((index, None)) => {
                let op = builder.history.operations[index].op.clone();
                let Value::Int(key) = *op.key() else { continue };
                let versions = &mut versions[key as usize];
                let held = versions.last().map_or(0, |version| version.1);
                let outcome = match op {
                    Op::Write {
                        value: Value::Int(value),
                        ..
                    } => {
                        writes += 1;
                        seen[client] = writes;
                        versions.push((writes, value));
                        Outcome::ok()
                    }
                    Op::Cas {
                        expected: Value::Int(expected),
                        new: Value::Int(new),
                        ..
                    } => {
                        // What the leader answers is as new as can be, and so is all that the process sees
                        // then.
                        seen[client] = writes;
                        if expected == held {
                            writes += 1;
                            seen[client] = writes;
                            versions.push((writes, new));
                            Outcome::ok()
                        } else if rng.random_ratio(9, 10) {
                            Outcome::mismatch(Some(Value::Int(held)))
                        } else {
                            Outcome::mismatch(None)
                        }
                    }
                    _ => {
                        let least = seen[client].max(writes.saturating_sub(plan.lag));
                        let mut at = rng.random_range(least..=writes);
                        seen[client] = at;
                        if plan.reads == Reads::BackInTime && rng.random_ratio(1, 50) {
                            at = at.saturating_sub(rng.random_range(0..=plan.lag));
                        }
                        let version = versions.partition_point(|version| version.0 <= at) - 1;
                        saw(versions[version].1)
                    }
                };
                open[client] = Some((index, Some(outcome)));
            }
            Some((index, Some(outcome))) => {
                if rng.random_ratio(plan.info_per_mille, 1000) {
                    // The next process sees no less: it goes on from the same replica.
                    builder.complete(index, info());
                    process[client] = next_process;
                    next_process += 1;
                } else {
                    builder.complete(index, outcome);
                }
            }
        }
    }
}
