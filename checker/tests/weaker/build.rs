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
    pub fn invoke(&mut self, process: u64, op: Op) -> usize {
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
            operation.completed_ns = Some(self.position * 1_000_000);
        }
        operation.outcome = outcome;
        self.position += 1;
    }

    /// An operation that overlaps no other one.
    pub fn did(&mut self, process: u64, op: Op, outcome: Outcome) -> usize {
        let index = self.invoke(process, op);
        self.complete(index, outcome);
        index
    }
}

/// A history of operations one after the other.
pub fn sequence(operations: &[(u64, Op, Outcome)]) -> History {
    let mut builder = Builder::default();
    for (process, op, outcome) in operations {
        builder.did(*process, op.clone(), outcome.clone());
    }
    builder.history
}

/// A random history of at most 7 operations by 2 or 3 clients on 1 or 2 keys, whose answers are often a little wrong. With
/// `unique` every write and cas of a key writes another value, else 0–2. All registers begin with 0.
pub fn random_history(seed: u64, unique: bool) -> History {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let (clients, keys) = (rng.random_range(2..=3usize), rng.random_range(1..=2i64));
    let count = rng.random_range(2..=7);
    let (info_share, future_share) = (rng.random_range(0..3), rng.random_range(0..2));
    let mut builder = Builder::default();
    // What each client is in the middle of, and its present process number.
    let mut open: Vec<Option<usize>> = vec![None; clients];
    let mut process: Vec<u64> = (0..clients as u64).collect();
    let mut next_process = clients as u64;
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
                0..5 => values[rng.random_range(0..values.len())],
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
