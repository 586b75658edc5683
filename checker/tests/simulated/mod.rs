//! Histories that are valid by construction, for every model, and ways to spoil them.
#![allow(dead_code, reason = "every test file uses its own part")]

pub mod objects;

use history::{Answer, History, MicroOp, OPEN, Op, Operation, Outcome, Value};
use rand::{Rng, RngExt};

/// An object that takes one operation at a time.
pub trait Object {
    /// What a process asks of it next.
    fn ask(&mut self, rng: &mut dyn Rng, process: u32) -> Op;

    /// Takes effect; `None` if that must wait.
    fn apply(&mut self, rng: &mut dyn Rng, process: u32, op: &Op) -> Option<Outcome>;

    /// A process was told that its operation happened.
    fn told(&mut self, _process: u32, _op: &Op) {}

    /// Whether it can take effect after its process gave up, without harm to the others.
    fn may_drift(&self, _op: &Op) -> bool {
        true
    }
}

/// How a history comes about.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    /// How many operations.
    pub operations: usize,
    /// How many clients at a time.
    pub clients: usize,
    /// How many operations in a thousand end with `info`.
    pub info_per_mille: u32,
    /// How many operations in a thousand fail.
    pub fail_per_mille: u32,
}

/// Runs clients against an object. Each operation takes effect at some moment between its invocation and its
/// completion; one that ends with `info` before it did at any later moment, or never.
pub fn simulate(rng: &mut dyn Rng, shape: Shape, object: &mut dyn Object) -> History {
    let mut operations: Vec<Operation> = Vec::new();
    // For each client its process, and what runs: (index, whether it took effect).
    let mut clients: Vec<(u32, Option<(usize, bool)>)> =
        (0..shape.clients as u32).map(|n| (n, None)).collect();
    let (mut next_process, mut position, mut idle) = (shape.clients as u32, 0u64, 0);
    let mut adrift: Vec<usize> = Vec::new();
    // An object that blocks everybody for long will do so for ever.
    while idle < 1000
        && (operations.len() < shape.operations || clients.iter().any(|(_, runs)| runs.is_some()))
    {
        idle += 1;
        if !adrift.is_empty() && rng.random_ratio(1, 10) {
            let place = rng.random_range(0..adrift.len());
            let operation = operations[adrift[place]].clone();
            if object.apply(rng, operation.process, &operation.op).is_some() {
                adrift.swap_remove(place);
            }
        }
        let client = rng.random_range(0..clients.len());
        let (process, running) = clients[client];
        let gives_up = rng.random_ratio(shape.info_per_mille, 1000);
        match running {
            None if operations.len() < shape.operations => {
                let op = object.ask(rng, process);
                clients[client].1 = Some((operations.len(), false));
                let outcome = crate::common::info();
                operations.push(crate::common::operation(
                    u64::from(process),
                    op,
                    outcome,
                    position,
                    position,
                ));
                position += 1;
                idle = 0;
            }
            None => {}
            Some((index, took_effect)) if gives_up => {
                let may_drift = object.may_drift(&operations[index].op);
                // A failure is known, and a lock whose taker gave up is lost for all.
                let has_failed = matches!(operations[index].outcome, Outcome::Fail(_));
                if took_effect && (has_failed || !may_drift) {
                    continue;
                }
                operations[index].outcome = crate::common::info();
                if !took_effect && may_drift {
                    adrift.push(index);
                }
                clients[client] = (next_process, None);
                next_process += 1;
                idle = 0;
            }
            Some((index, false)) => {
                let fails = rng.random_ratio(shape.fail_per_mille, 1000);
                let op = operations[index].op.clone();
                let outcome = if fails {
                    Some(crate::common::fail())
                } else {
                    object.apply(rng, process, &op)
                };
                if let Some(outcome) = outcome {
                    operations[index].outcome = outcome;
                    clients[client].1 = Some((index, true));
                    idle = 0;
                }
            }
            Some((index, true)) => {
                let operation = &mut operations[index];
                operation.completed = position;
                operation.completed_ns = Some((position * 1_000_000).into());
                if matches!(operation.outcome, Outcome::Ok(_)) {
                    object.told(process, &operation.op.clone());
                }
                position += 1;
                clients[client].1 = None;
                idle = 0;
            }
        }
    }
    for (_, running) in clients {
        if let Some((index, _)) = running {
            operations[index].outcome = crate::common::info();
        }
    }
    crate::common::history(operations)
}

/// Spoils a history a little: changes an answer, swaps two, drops a completed operation, or moves some
/// events.
pub fn spoil(rng: &mut dyn Rng, history: &mut History) {
    let operations = &mut history.operations;
    let answered: Vec<usize> = (0..operations.len())
        .filter(|&index| value(&operations[index]).is_some())
        .collect();
    let pick = |rng: &mut dyn Rng| answered[rng.random_range(0..answered.len())];
    match rng.random_range(0..10) {
        0..3 if !answered.is_empty() => {
            let index = pick(rng);
            let is_txn = matches!(operations[index].op, Op::Txn { .. } | Op::Watch { .. });
            let changed = value(&operations[index]).map(|value| change(rng, value, is_txn));
            operations[index].outcome = Outcome::Ok(Answer { value: changed });
        }
        3..5 if answered.len() > 1 => {
            let (one, other) = (pick(rng), pick(rng));
            let is_txn = matches!(operations[one].op, Op::Txn { .. });
            if operations[one].op.kind() == operations[other].op.kind() && !is_txn {
                let outcome = operations[one].outcome.clone();
                operations[one].outcome = std::mem::replace(&mut operations[other].outcome, outcome);
            }
        }
        5..7 if operations.len() > 1 => {
            let index = rng.random_range(0..operations.len());
            if operations[index].completed != OPEN {
                operations.remove(index);
            }
        }
        _ => (0..8).for_each(|_| move_event(rng, operations)),
    }
    operations.sort_by_key(|operation| operation.invoked);
}

fn value(operation: &Operation) -> Option<&Value> {
    match &operation.outcome {
        Outcome::Ok(Answer { value }) => value.as_ref(),
        _ => None,
    }
}

/// Another value much like it; of a list that keeps its shape only an element changes.
fn change(rng: &mut dyn Rng, value: &Value, keeps_shape: bool) -> Value {
    match value {
        Value::Int(number) => Value::Int(number + [-1, 1, 2][rng.random_range(0..3)]),
        Value::Nil | Value::Set(_) | Value::Map(_) | Value::Form(_) => value.clone(),
        Value::Text(text) => {
            let mut pieces: Vec<&str> = text.split_inclusive(';').collect();
            match rng.random_range(0..4) {
                0 => pieces.push("9;"),
                1 if pieces.len() > 1 => pieces.swap(0, 1),
                2 if !pieces.is_empty() => pieces.push(pieces[0]),
                _ => drop(pieces.pop()),
            }
            Value::text(&pieces.concat())
        }
        Value::List(values) => {
            let mut values = values.to_vec();
            let place = rng.random_range(0..values.len().max(1));
            // The rows of a table keep their shape.
            let is_table = !values.is_empty() && values.iter().all(|row| matches!(row, Value::List(_)));
            match if keeps_shape {
                9
            } else {
                rng.random_range(usize::from(is_table)..6)
            } {
                0 => values.push(Value::Int(rng.random_range(0..9))),
                1 if values.len() > 1 => values.swap(0, place),
                2 if !values.is_empty() => values.push(values[place].clone()),
                3 if !values.is_empty() => drop(values.remove(place)),
                _ if !values.is_empty() => {
                    values[place] = change(rng, &values[place], is_table && !keeps_shape)
                }
                _ => {}
            }
            Value::list(values)
        }
    }
}

/// Swaps two neighbouring events of different processes.
fn move_event(rng: &mut dyn Rng, operations: &mut [Operation]) {
    let mut events: Vec<(u64, usize, bool)> = Vec::new();
    for (index, operation) in operations.iter().enumerate() {
        events.push((operation.invoked, index, false));
        if operation.completed != OPEN {
            events.push((operation.completed, index, true));
        }
    }
    events.sort_unstable();
    if events.len() < 2 {
        return;
    }
    let place = rng.random_range(1..events.len());
    let [(first, one, _), (second, other, _)] = [events[place - 1], events[place]];
    if operations[one].process == operations[other].process {
        return;
    }
    for (index, was, is) in [(one, first, second), (other, second, first)] {
        let operation = &mut operations[index];
        if operation.invoked == was {
            operation.invoked = is;
        } else {
            operation.completed = is;
        }
    }
}

/// A transaction.
pub fn txn(micro_ops: Vec<MicroOp>) -> Op {
    Op::Txn {
        key: Value::Nil,
        micro_ops,
    }
}
