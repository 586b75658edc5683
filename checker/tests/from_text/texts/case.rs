//! A small history in memory: what people's files are then made of.

use std::collections::BTreeSet;

use checker::objects::{Entry, find};
use history::{Answer, Failure, History, Key, MicroOp, Op, Operation, Outcome, Value};
use rand::{Rng, RngExt};

use super::values::{Family, Keys};
use crate::simulated::objects::{self, Objects, Values};
use crate::simulated::{Object, Shape, simulate, spoil, txn};

/// The distance of two events: between them there is room for what a drain takes, and for other lines.
pub const STEP: u64 = 1000;

/// The objects whose histories are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum What {
    CasRegister,
    Register,
    Versioned,
    Lists,
    Registers,
    Text,
    Fenced,
    Mutex,
    Lock,
    Lease,
    Set,
    Counter,
    Queue,
    Fifo,
    Ids,
    Watched,
}

impl What {
    pub const ALL: [What; 16] = [
        What::CasRegister,
        What::Register,
        What::Versioned,
        What::Lists,
        What::Registers,
        What::Text,
        What::Fenced,
        What::Mutex,
        What::Lock,
        What::Lease,
        What::Set,
        What::Counter,
        What::Queue,
        What::Fifo,
        What::Ids,
        What::Watched,
    ];

    /// The model that judges it.
    pub fn entry(self) -> &'static Entry {
        let name = match self {
            What::CasRegister => "cas-register",
            What::Register => "register",
            What::Versioned => "versioned-register",
            What::Lists => "list-append",
            What::Registers => "multi-register",
            What::Text => "kv-append",
            What::Fenced => "fenced-lock",
            What::Mutex => "mutex",
            What::Lock => "lock",
            What::Lease => "lease",
            What::Set => "set",
            What::Counter => "counter",
            What::Queue => "unordered-queue",
            What::Fifo => "fifo-queue",
            What::Ids => "unique-ids",
            What::Watched => "watch",
        };
        find(name).expect("the model is listed")
    }

    pub fn is_lock(self) -> bool {
        matches!(self, What::Fenced | What::Mutex | What::Lock | What::Lease)
    }

    pub fn is_queue(self) -> bool {
        matches!(self, What::Queue | What::Fifo)
    }

    pub fn has_transactions(self) -> bool {
        matches!(self, What::Lists | What::Registers)
    }

    /// Whether what it holds at first is not settled by its model.
    pub fn is_register(self) -> bool {
        matches!(self, What::CasRegister | What::Register | What::Registers)
    }

    /// Whether its values may be anything.
    fn has_any_values(self) -> bool {
        !self.is_lock() && !matches!(self, What::Counter | What::Text | What::Watched)
    }

    fn object(self, rng: &mut dyn Rng) -> Box<dyn Object> {
        let values = [Values::Fresh, Values::Few][rng.random_range(0..2)];
        match self {
            What::CasRegister => Box::new(objects::Register::new(values, true)),
            What::Register => Box::new(objects::Register::new(values, false)),
            What::Versioned => Box::new(objects::Versioned::new(values, rng.random_ratio(1, 3), 0)),
            What::Lists | What::Registers => {
                let (keys, steps) = (rng.random_range(1..4), rng.random_range(1..4));
                Box::new(Objects::new(self == What::Lists, values, keys, steps))
            }
            What::Text => Box::new(objects::Text {
                writes: rng.random_ratio(1, 3),
                few: values == Values::Few,
                ..objects::Text::default()
            }),
            What::Fenced | What::Mutex | What::Lock => Box::new(objects::Lock {
                has_owners: self != What::Mutex,
                has_tokens: self == What::Fenced,
                ..objects::Lock::default()
            }),
            What::Lease => Box::new(objects::Lease::new([10, 8, 0][rng.random_range(0..3)])),
            What::Set => Box::new(objects::Set::new(values, 50)),
            What::Counter => {
                let amounts = [vec![1], vec![1, 2, -1], vec![-5, -1], vec![0, 3]];
                let amounts = amounts[rng.random_range(0..amounts.len())].clone();
                Box::new(objects::Counter { amounts, count: 0 })
            }
            What::Queue | What::Fifo => Box::new(objects::Queue {
                is_fifo: self == What::Fifo,
                values,
                last: 0,
                holds: Default::default(),
            }),
            What::Ids => Box::new(objects::Ids::default()),
            // A file does not tell which revision a write became.
            What::Watched => Box::new(objects::Watched::new(values, 0)),
        }
    }
}

/// Objects with keys 0, 1, …
struct Keyed(Vec<Box<dyn Object>>);

impl Keyed {
    /// Which object an operation is about. The keys of a single one are its own.
    fn place(&self, op: &Op) -> usize {
        match op.key() {
            Value::Int(number) if self.0.len() > 1 => *number as usize,
            _ => 0,
        }
    }
}

impl Object for Keyed {
    fn ask(&mut self, rng: &mut dyn Rng, process: u32) -> Op {
        let number = rng.random_range(0..self.0.len());
        let mut op = self.0[number].ask(rng, process);
        if let Some(key) = key_of(&mut op).filter(|_| self.0.len() > 1) {
            *key = Value::Int(number as i64);
        }
        op
    }

    fn apply(&mut self, rng: &mut dyn Rng, process: u32, op: &Op) -> Option<Outcome> {
        let place = self.place(op);
        self.0[place].apply(rng, process, op)
    }

    fn told(&mut self, process: u32, op: &Op) {
        let place = self.place(op);
        self.0[place].told(process, op);
    }

    fn may_drift(&self, op: &Op) -> bool {
        self.0[self.place(op)].may_drift(op)
    }
}

/// The key of an operation, to be changed.
pub fn key_of(op: &mut Op) -> Option<&mut Key> {
    match op {
        Op::Read { key }
        | Op::Write { key, .. }
        | Op::Cas { key, .. }
        | Op::Append { key, .. }
        | Op::Add { key, .. }
        | Op::Acquire { key }
        | Op::Release { key }
        | Op::Enqueue { key, .. }
        | Op::Dequeue { key }
        | Op::Generate { key }
        | Op::Remove { key, .. }
        | Op::TryAcquire { key }
        | Op::Transfer { key, .. }
        | Op::Watch { key, .. } => Some(key),
        Op::Txn { .. } => None,
    }
}

/// A drain: the process that drains, what it found, and between which positions.
#[derive(Clone, Debug)]
pub struct Drain {
    pub key: Key,
    pub process: u32,
    /// `None` if it did not end.
    pub took: Option<Vec<Value>>,
    pub invoked: u64,
    pub completed: u64,
    /// Its process dequeues within it, and it only answers that it is done.
    pub is_name: bool,
}

/// What was recorded, before it is written down.
#[derive(Clone, Debug)]
pub struct Case {
    pub what: What,
    /// The positions of events are multiples of [`STEP`].
    pub history: History,
    pub drains: Vec<Drain>,
    /// What registers hold at first.
    pub initial: Value,
    /// The keys, unless there is one object without a name.
    pub keys: Option<Vec<Value>>,
}

/// What the format of the file can hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holds {
    /// All of EDN.
    Edn,
    Json,
    /// Keys and values are texts, and there is no cas.
    Texts,
}

impl Case {
    /// A history of at most `most` operations, spoilt in most cases.
    pub fn new(rng: &mut dyn Rng, what: What, holds: Holds, most: usize) -> Case {
        let count = match what.has_transactions() || holds != Holds::Texts && rng.random_ratio(1, 2) {
            true => 1,
            false => rng.random_range(1..=3),
        };
        let shape = Shape {
            operations: rng.random_range(2..=most),
            clients: rng.random_range(1..=4),
            info_per_mille: [0, 50, 200][rng.random_range(0..3)],
            fail_per_mille: [0, 100][rng.random_range(0..2)],
        };
        let mut object = Keyed((0..count).map(|_| what.object(rng)).collect());
        let mut history = simulate(rng, shape, &mut object);
        for _ in 0..rng.random_range(0..9) {
            spoil(rng, &mut history);
        }
        if what.has_transactions() {
            history.operations.iter_mut().for_each(alone_in_a_transaction);
        }
        let family = match (what.has_any_values(), holds) {
            (false, _) => Family::Int,
            (true, Holds::Texts) => Family::Text,
            (true, holds) => Family::draw(rng, holds == Holds::Json),
        };
        let (family, initial) = match what {
            What::Registers if rng.random_ratio(1, 2) => (Family::Int, Value::Int(0)),
            _ if holds == Holds::Texts => (family, Value::text("")),
            _ => (family, Value::Nil),
        };
        let first = what.is_register().then_some(&initial);
        let rename = |number: i64| match (number, first) {
            (0, Some(initial)) => initial.clone(),
            _ => family.value(number),
        };
        for operation in &mut history.operations {
            rename_values(what, operation, &rename);
            operation.invoked *= STEP;
            operation.completed = operation.completed.saturating_mul(STEP);
        }
        let is_keyed =
            count > 1 || !what.has_transactions() && rng.random_ratio(1, 5) || holds == Holds::Texts;
        let keys = (what.has_transactions() || is_keyed).then(|| Keys::draw(rng, holds, 4));
        let rename_key = |key: &mut Key| {
            let number = if let Value::Int(number) = key { *number } else { 0 };
            if let Some(keys) = &keys {
                *key = keys[number as usize].clone();
            }
        };
        for operation in &mut history.operations {
            match &mut operation.op {
                Op::Txn { micro_ops, .. } => micro_ops.iter_mut().map(key_of_step).for_each(rename_key),
                op => key_of(op).into_iter().for_each(rename_key),
            }
        }
        let mut case = Case {
            what,
            history,
            drains: Vec::new(),
            initial,
            keys: keys.filter(|_| is_keyed),
        };
        if what.is_queue() && rng.random_ratio(1, 2) {
            case.drain(rng);
        }
        case
    }

    /// Ends a queue's history with drains, which may already begin among its last operations.
    fn drain(&mut self, rng: &mut dyn Rng) {
        let operations = &self.history.operations;
        let ends = operations
            .iter()
            .flat_map(|operation| [operation.invoked, operation.completed]);
        let end = ends.filter(|end| *end != history::OPEN).max().unwrap_or(0) + STEP;
        let process = operations
            .iter()
            .map(|operation| operation.process + 1)
            .max()
            .unwrap_or(0);
        let keys: BTreeSet<Key> = operations
            .iter()
            .map(|operation| operation.op.key().clone())
            .collect();
        for (number, key) in (0u32..).zip(keys) {
            let mut left: Vec<Value> = Vec::new();
            for operation in operations.iter().filter(|operation| *operation.op.key() == key) {
                match (&operation.op, &operation.outcome) {
                    (Op::Enqueue { value, .. }, Outcome::Ok(_)) => left.push(value.clone()),
                    (Op::Dequeue { .. }, Outcome::Ok(Answer { value: Some(value) })) => {
                        if let Some(place) = left.iter().position(|other| other == value) {
                            left.remove(place);
                        }
                    }
                    _ => {}
                }
            }
            if !left.is_empty() && rng.random_ratio(1, 4) {
                left.remove(rng.random_range(0..left.len()));
            }
            let is_name = !left.is_empty();
            let begin = end + u64::from(number) * 2 * STEP;
            let begin =
                begin.saturating_sub(STEP * rng.random_range(0..3) + STEP / 2) + 50 * u64::from(number);
            self.drains.push(Drain {
                key,
                process: process + number,
                took: (!rng.random_ratio(1, 8)).then_some(left),
                invoked: begin,
                completed: begin + 2 * STEP,
                is_name: is_name && rng.random_ratio(1, 4),
            });
        }
    }

    /// The history with what drains took: each took all there was, and found nothing more.
    pub fn with_drains(&self) -> History {
        let mut history = self.history.clone();
        for drain in &self.drains {
            let took = drain.took.iter().flatten().cloned();
            let nothing = drain.took.is_some().then_some(Value::Nil);
            for (number, value) in (0u64..).zip(took.chain(nothing)) {
                let key = drain.key.clone();
                let outcome = Outcome::ok_value(value);
                let mut one = crate::common::operation(0, Op::Dequeue { key }, outcome, 0, 0);
                // Dequeues within a drain come one after the other.
                let (invoked, completed) = match drain.is_name {
                    true => (drain.invoked + 1 + 2 * number, drain.invoked + 2 + 2 * number),
                    false => (drain.invoked + number, drain.completed + number),
                };
                one.process = drain.process;
                (one.invoked, one.completed) = (invoked, completed);
                if drain.is_name && one.outcome == Outcome::ok_value(Value::Nil) {
                    (one.invoked, one.completed) = (drain.invoked, drain.completed);
                }
                history.operations.push(one);
            }
        }
        history.operations.sort_by_key(|operation| operation.invoked);
        history
    }
}

/// Where there are transactions, everything is one.
fn alone_in_a_transaction(operation: &mut Operation) {
    let step = match operation.op.clone() {
        Op::Read { key } => MicroOp::Read { key },
        Op::Write { key, value } => MicroOp::Write { key, value },
        Op::Append { key, value } => MicroOp::Append { key, value },
        _ => return,
    };
    operation.op = txn(vec![step]);
    if let Outcome::Ok(answer) = &mut operation.outcome {
        *answer = Answer {
            value: Some(Value::list(vec![answer.value.take().unwrap_or_default()])),
        };
    }
}

pub fn key_of_step(step: &mut MicroOp) -> &mut Key {
    match step {
        MicroOp::Read { key }
        | MicroOp::Write { key, .. }
        | MicroOp::Append { key, .. }
        | MicroOp::Version { key } => key,
    }
}

/// Gives what was written and seen other values, unlike ones unlike values.
fn rename_values(what: What, operation: &mut Operation, rename: &dyn Fn(i64) -> Value) {
    if !what.has_any_values() {
        return;
    }
    let one = |value: &mut Value| {
        if let Value::Int(number) = value {
            *value = rename(*number);
        }
    };
    let each = |value: &mut Value| match value {
        Value::List(values) => {
            let mut values = values.to_vec();
            values.iter_mut().for_each(one);
            *value = Value::list(values);
        }
        other => one(other),
    };
    match &mut operation.op {
        Op::Write { value, .. } | Op::Add { value, .. } | Op::Enqueue { value, .. } => one(value),
        Op::Cas { expected, new, .. } => [expected, new].into_iter().for_each(one),
        Op::Txn { micro_ops, .. } => {
            for step in micro_ops {
                if let MicroOp::Write { value, .. } | MicroOp::Append { value, .. } = step {
                    one(value);
                }
            }
        }
        _ => {}
    }
    let answer = match &mut operation.outcome {
        Outcome::Ok(Answer { value: Some(value) })
        | Outcome::Fail(Failure::Mismatch { current: Some(value) }) => value,
        _ => return,
    };
    let steps = match &*answer {
        Value::List(steps) => steps.to_vec(),
        _ => Vec::new(),
    };
    let within = |change: &dyn Fn(usize, &mut Value)| {
        let mut steps = steps.clone();
        steps
            .iter_mut()
            .enumerate()
            .for_each(|(number, step)| change(number, step));
        Value::list(steps)
    };
    match what {
        What::Set => each(answer),
        What::Versioned if !steps.is_empty() => {
            *answer = within(&|number, part| {
                if number > 0 {
                    one(part);
                }
            });
        }
        What::Lists | What::Registers => *answer = within(&|_, step| each(step)),
        _ => one(answer),
    }
}
