//! What the checker's tests share: building histories, brute force over all orders, random histories.
#![allow(dead_code, reason = "every test file uses its own part")]

use checker::model::{Calls, Model};
use checker::objects::{Register, RegisterOp};
use checker::{Call, Conflict, Decision, Options, Rule, Sentence, engine::validate, objects::register};
use history::{ErrorClass, History, Key, OPEN, Op, OpKind, Operation, Outcome, Value};
use rand::RngExt;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

/// An operation on the only key: who, what, how it ended, and from when to when; `info` ends never.
pub fn operation(process: u64, op: Op, outcome: Outcome, invoked: u64, completed: u64) -> Operation {
    let open = outcome.is_info();
    Operation {
        process: process.try_into().expect("tests have few processes"),
        op,
        outcome,
        invoked,
        completed: if open { OPEN } else { completed },
        invoked_ns: invoked * 1_000_000,
        completed_ns: (!open).then(|| (completed * 1_000_000).into()),
        node: None,
    }
}

pub fn history(operations: Vec<Operation>) -> History {
    History {
        operations,
        ..History::default()
    }
}

pub fn write(value: i64) -> Op {
    Op::Write {
        key: Key::Nil,
        value: Value::Int(value),
    }
}

pub fn read() -> Op {
    Op::Read { key: Key::Nil }
}

pub fn cas(expected: i64, new: i64) -> Op {
    Op::Cas {
        key: Key::Nil,
        expected: Value::Int(expected),
        new: Value::Int(new),
    }
}

pub fn saw(value: i64) -> Outcome {
    Outcome::ok_value(Value::Int(value))
}

pub fn ok() -> Outcome {
    Outcome::ok()
}

pub fn info() -> Outcome {
    Outcome::info(ErrorClass::Timeout, "")
}

pub fn fail() -> Outcome {
    Outcome::fail(ErrorClass::Rejected, "")
}

pub fn found(value: i64) -> Outcome {
    Outcome::mismatch(Some(Value::Int(value)))
}

pub fn found_other() -> Outcome {
    Outcome::mismatch(None)
}

/// Registers that begin with 0.
pub fn options() -> Options {
    Options {
        initial: Some(Value::Int(0)),
        ..Options::default()
    }
}

pub fn register() -> Register {
    Register {
        initial: Value::Int(0),
    }
}

pub fn all(history: &History) -> Vec<usize> {
    (0..history.operations.len()).collect()
}

/// Tries all orders: nothing but the definition of linearizability.
pub fn brute_force<M: Model>(model: &M, calls: &[Call<M::Op>]) -> bool {
    fn any_order<M: Model>(
        model: &M,
        calls: &[Call<M::Op>],
        left: &mut Vec<usize>,
        state: &M::State,
    ) -> bool {
        if left.iter().all(|&number| calls[number].finish == OPEN) {
            return true;
        }
        (0..left.len()).any(|place| {
            let number = left[place];
            if left
                .iter()
                .any(|&other| calls[other].finish < calls[number].start)
            {
                return false;
            }
            let mut next = Vec::new();
            model.steps(state, &calls[number].op, &mut next);
            left.remove(place);
            let found = next.iter().any(|after| any_order(model, calls, left, after));
            left.insert(place, number);
            found
        })
    }
    any_order(model, calls, &mut (0..calls.len()).collect(), &model.init())
}

/// The calls of a register's history.
pub fn calls(history: &History) -> Calls<RegisterOp> {
    Calls::read(&register(), history, &all(history))
}

/// A random history of at most `most` operations by few processes on one key. With `unique` every write and
/// cas writes another value. Answers are random but likely: about half of the histories are valid.
pub fn random_history(seed: u64, most: usize, unique: bool) -> History {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let count = rng.random_range(1..=most);
    let (info_share, not_share) = (rng.random_range(0..4), rng.random_range(0..3));
    let width: u64 = rng.random_range(1..6);
    let mut operations = Vec::new();
    let mut now = 0;
    let values = if unique {
        count as i64
    } else {
        rng.random_range(1..4)
    };
    // Some register that behaves, from whose contents most answers are taken.
    let mut state = 0;
    let mut known = vec![0];
    for process in 0..count as u64 {
        now += 10 * rng.random_range(1..=2);
        let completed = now + 5 + 10 * rng.random_range(0..=2 * width);
        let old = match rng.random_range(0..12) {
            0 => rng.random_range(0..=values),
            1..5 => known[rng.random_range(0..known.len())],
            _ => state,
        };
        let new = match unique {
            true => known.len() as i64,
            false => rng.random_range(0..=values),
        };
        let is_info = rng.random_ratio(info_share, 10);
        let (op, outcome) = match rng.random_range(0..10) {
            0..4 => (read(), if is_info { info() } else { saw(old) }),
            4..7 => {
                let outcome = match rng.random_range(0..12) {
                    _ if is_info => info(),
                    0 => fail(),
                    _ => ok(),
                };
                if rng.random_ratio(2, 3) && outcome != fail() {
                    state = new;
                }
                (write(new), outcome)
            }
            _ => {
                let outcome = match rng.random_range(0..6) {
                    _ if is_info => info(),
                    0 => found(known[rng.random_range(0..known.len())]),
                    1 | 2 if rng.random_ratio(not_share, 3) => found_other(),
                    3 if rng.random_ratio(1, 4) => fail(),
                    _ => ok(),
                };
                if matches!(outcome, Outcome::Ok(_) | Outcome::Info(_)) && rng.random_ratio(2, 3) {
                    state = new;
                }
                (cas(old, new), outcome)
            }
        };
        if op.kind() != OpKind::Read {
            known.push(new);
        }
        operations.push(operation(process, op, outcome, now, completed));
    }
    spread(&mut operations);
    history(operations)
}

/// Gives every invocation and completion a position of its own, in the order of their rough positions.
pub fn spread(operations: &mut [Operation]) {
    let mut events: Vec<(u64, bool, usize)> = Vec::new();
    for (index, operation) in operations.iter().enumerate() {
        events.push((operation.invoked, false, index));
        if operation.completed != OPEN {
            events.push((operation.completed, true, index));
        }
    }
    events.sort_unstable();
    for (position, (_, ends, index)) in (0u64..).zip(events) {
        let operation = &mut operations[index];
        if ends {
            operation.completed = position;
            operation.completed_ns = Some((position * 1_000_000).into());
        } else {
            operation.invoked = position;
            operation.invoked_ns = position * 1_000_000;
        }
    }
}

/// A decision must carry what shows it. Checked here again, so that a checker that forgets to do so is found
/// out.
pub fn assert_shown(history: &History, decision: &Decision) {
    match decision {
        Decision::Valid(order) => {
            let calls = calls(history);
            validate::linearization(&register(), &calls.calls, &calls.numbers(order)).unwrap();
        }
        Decision::Invalid(conflict) => {
            let confirmed = confirm(history, conflict).unwrap();
            assert_eq!(confirmed, conflict.confirmed);
            assert_readable(history, conflict);
        }
        Decision::Unknown(_) => {}
    }
}

/// What the validators say to a conflict.
pub fn confirm(history: &History, conflict: &Conflict) -> Result<bool, String> {
    match conflict.rule {
        Rule::NoOrder => validate::no_order(&register(), &calls(history), conflict),
        _ => register::validate::conflict(&Value::Int(0), history, &all(history), conflict).map(|()| true),
    }
}

/// The sentences as they are read.
pub fn plain(history: &History, sentences: &[Sentence]) -> Vec<String> {
    sentences.iter().map(|sentence| sentence.plain(history)).collect()
}

fn assert_readable(history: &History, conflict: &Conflict) {
    assert!((1..=6).contains(&conflict.operations.len()), "{conflict:?}");
    assert!((1..=3).contains(&conflict.sentences.len()), "{conflict:?}");
    let is_sentence = |text: &String| text.ends_with('.') && text.starts_with(char::is_uppercase);
    assert!(
        plain(history, &conflict.sentences).iter().all(is_sentence),
        "{conflict:?}"
    );
}

/// How [`long_history`] comes about.
#[derive(Clone, Copy, Debug)]
pub struct Long {
    /// How many operations.
    pub operations: usize,
    /// How many clients at a time.
    pub clients: usize,
    /// Written values are 0 to this one; `None` for a fresh value every time.
    pub values: Option<i64>,
    /// How many operations in a thousand end with `info`.
    pub info_per_mille: u32,
    /// How many failed cas in ten tell what they found.
    pub telling: u32,
}

/// A long history that is valid by construction: a register that takes one operation at a time, each at some
/// moment between its invocation and its completion; operations that end with `info` at any later moment, or
/// never.
pub fn long_history(seed: u64, long: Long) -> History {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut operations: Vec<Operation> = Vec::new();
    let (mut state, mut last_written, mut position) = (0, 0, 0);
    // Running operations by their indices: (client, whether it took effect).
    let mut running: Vec<Option<(usize, bool)>> = vec![None; long.clients];
    let mut adrift: Vec<usize> = Vec::new();
    let mut apply = |operation: &mut Operation, rng: &mut ChaCha8Rng| {
        operation.outcome = match operation.op {
            Op::Read { .. } => saw(state),
            Op::Write {
                value: Value::Int(value),
                ..
            } => {
                state = value;
                ok()
            }
            Op::Cas {
                expected: Value::Int(expected),
                new: Value::Int(new),
                ..
            } if expected == state => {
                state = new;
                ok()
            }
            _ if rng.random_ratio(long.telling, 10) => found(state),
            _ => found_other(),
        };
        state
    };
    let mut seen = 0;
    while operations.len() < long.operations || running.iter().any(Option::is_some) {
        if !adrift.is_empty() && rng.random_ratio(1, 20) {
            let index = adrift.swap_remove(rng.random_range(0..adrift.len()));
            let mut ghost = operations[index].clone();
            seen = apply(&mut ghost, &mut rng);
        }
        let client = rng.random_range(0..long.clients);
        match running[client] {
            None if operations.len() < long.operations => {
                last_written += 1;
                let new = long
                    .values
                    .map_or(last_written, |values| rng.random_range(0..=values));
                let op = match rng.random_range(0..5) {
                    0 | 1 => read(),
                    2 | 3 => cas(seen, new),
                    _ => write(new),
                };
                running[client] = Some((operations.len(), false));
                operations.push(operation(client as u64, op, info(), position, position));
                position += 1;
            }
            None => {}
            Some((index, false)) if rng.random_ratio(long.info_per_mille, 1000) => {
                adrift.push(index);
                running[client] = None;
            }
            Some((index, false)) => {
                seen = apply(&mut operations[index], &mut rng);
                running[client] = Some((index, true));
            }
            Some((index, true)) => {
                operations[index].completed = position;
                operations[index].completed_ns = Some((position * 1_000_000).into());
                position += 1;
                running[client] = None;
            }
        }
    }
    history(operations)
}
