//! Objects whose histories are hard to judge in one way or another, and what can be wrong with them.

use std::collections::{BTreeSet, VecDeque};

use history::{Key, Op, Outcome, Value};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use super::clients::{Clients, Object};

/// How clients use an object.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Use {
    /// How many operations in a hundred read.
    pub reads: u32,
    /// How many of those that write, in a hundred, replace all that is there.
    pub puts: u32,
    /// How many of those that write, in a hundred, write one value again and again.
    pub repeats: u32,
    /// How many operations in a hundred end with `info`.
    pub open: usize,
    /// Whether the second half of the operations does not read.
    pub unread: bool,
}

impl Use {
    fn reads(&self, rng: &mut ChaCha8Rng, operations: usize, planned: usize) -> bool {
        let may_read = !self.unread || operations < planned / 2;
        rng.random_range(0..100) < self.reads && may_read
    }
}

/// Numbers that were not used before, and what the clients do.
pub(super) struct Asked {
    pub usage: Use,
    pub planned: usize,
    last: i64,
}

impl Asked {
    pub fn new(usage: Use, planned: usize) -> Self {
        Asked {
            usage,
            planned,
            last: 0,
        }
    }

    /// A number of its own, or the one that repeats.
    fn value(&mut self, rng: &mut ChaCha8Rng) -> i64 {
        match rng.random_range(0..100) < self.usage.repeats {
            true => 0,
            false => self.fresh(),
        }
    }

    fn fresh(&mut self) -> i64 {
        self.last += 1;
        self.last
    }

    fn reads(&self, rng: &mut ChaCha8Rng, operations: usize) -> bool {
        self.usage.reads(rng, operations, self.planned)
    }
}

fn read() -> Op {
    Op::Read { key: Key::Nil }
}

/// Something with one violation of its own.
pub(super) trait Spoilt: Sized {
    /// Something happens that no order explains, whatever else runs.
    fn spoil(clients: &mut Clients<Self>);
}

/// A text, with pieces that are appended and texts that replace it.
pub(super) struct Text {
    pub asked: Asked,
    pub text: String,
}

fn piece(number: i64) -> Value {
    Value::text(format!("x {number} y").as_str())
}

fn append(value: Value) -> Op {
    let key = Key::Nil;
    Op::Append { key, value }
}

fn write(value: Value) -> Op {
    let key = Key::Nil;
    Op::Write { key, value }
}

impl Object for Text {
    fn ask(&mut self, rng: &mut ChaCha8Rng, operations: usize) -> Op {
        if self.asked.reads(rng, operations) {
            return read();
        }
        match rng.random_range(0..100) < self.asked.usage.puts {
            true => write(piece(self.asked.fresh())),
            false => append(piece(self.asked.value(rng))),
        }
    }

    fn apply(&mut self, op: &Op, _: &mut ChaCha8Rng) -> Outcome {
        match op {
            Op::Write {
                value: Value::Text(text),
                ..
            } => self.text.clone_from(text),
            Op::Append {
                value: Value::Text(text),
                ..
            } => self.text.push_str(text),
            _ => return Outcome::ok_value(Value::text(self.text.as_str())),
        }
        Outcome::ok()
    }
}

impl Spoilt for Text {
    /// A text that was replaced is read again; where nothing is, an appended piece is lacking.
    fn spoil(clients: &mut Clients<Text>) {
        clients.finish(0);
        let (old, new) = (clients.object.asked.fresh(), clients.object.asked.fresh());
        let stale = if clients.object.asked.usage.puts > 0 {
            clients.ask(0, write(piece(old)));
            let stale = clients.ask(0, read());
            clients.ask(0, write(piece(new)));
            stale
        } else {
            let stale = Outcome::ok_value(Value::text(clients.object.text.as_str()));
            clients.ask(0, append(piece(old)));
            stale
        };
        clients.perform(0, read(), stale);
    }
}

/// A list that elements are appended to.
pub(super) struct List {
    pub asked: Asked,
    pub list: Vec<Value>,
}

impl Object for List {
    fn ask(&mut self, rng: &mut ChaCha8Rng, operations: usize) -> Op {
        match self.asked.reads(rng, operations) {
            true => read(),
            false => append(Value::Int(self.asked.value(rng))),
        }
    }

    fn apply(&mut self, op: &Op, _: &mut ChaCha8Rng) -> Outcome {
        match op {
            Op::Append { value, .. } => self.list.push(value.clone()),
            _ => return Outcome::ok_value(Value::list(self.list.clone())),
        }
        Outcome::ok()
    }
}

impl Spoilt for List {
    /// An element is lacking that had been appended.
    fn spoil(clients: &mut Clients<List>) {
        clients.finish(0);
        let stale = Outcome::ok_value(Value::list(clients.object.list.clone()));
        let element = clients.object.asked.fresh();
        clients.ask(0, append(Value::Int(element)));
        clients.perform(0, read(), stale);
    }
}

/// A queue, first in, first out.
pub(super) struct Queue {
    pub asked: Asked,
    pub held: VecDeque<i64>,
}

fn enqueue(value: i64) -> Op {
    let (key, value) = (Key::Nil, Value::Int(value));
    Op::Enqueue { key, value }
}

fn dequeue() -> Op {
    Op::Dequeue { key: Key::Nil }
}

impl Object for Queue {
    fn ask(&mut self, rng: &mut ChaCha8Rng, operations: usize) -> Op {
        match self.asked.reads(rng, operations) {
            true => dequeue(),
            false => enqueue(self.asked.value(rng)),
        }
    }

    fn apply(&mut self, op: &Op, _: &mut ChaCha8Rng) -> Outcome {
        match op {
            Op::Enqueue {
                value: Value::Int(value),
                ..
            } => {
                self.held.push_back(*value);
                Outcome::ok()
            }
            _ => Outcome::ok_value(self.held.pop_front().map_or(Value::Nil, Value::Int)),
        }
    }
}

impl Spoilt for Queue {
    /// A value comes out after another one that was put in later.
    fn spoil(clients: &mut Clients<Queue>) {
        clients.finish(0);
        let (first, second) = (clients.object.asked.fresh(), clients.object.asked.fresh());
        clients.perform(0, enqueue(first), Outcome::ok());
        clients.ask(0, enqueue(second));
        clients.run(clients.operations.len() + clients.object.asked.planned / 10);
        clients.quiesce();
        while clients.object.held.contains(&second) {
            clients.ask(0, dequeue());
        }
        clients.perform(0, dequeue(), Outcome::ok_value(Value::Int(first)));
    }
}

/// A counter to which different amounts are added.
pub(super) struct Counter {
    pub asked: Asked,
    pub falls: bool,
    pub count: i64,
}

/// All amounts are multiples of this, so that a lost one that is not cannot be made up by others.
const UNIT: i64 = 16;

fn add(value: i64) -> Op {
    let (key, value) = (Key::Nil, Value::Int(value));
    Op::Add { key, value }
}

impl Object for Counter {
    fn ask(&mut self, rng: &mut ChaCha8Rng, operations: usize) -> Op {
        if self.asked.reads(rng, operations) {
            return read();
        }
        let amount = UNIT * rng.random_range(1..100);
        match self.falls && rng.random_bool(0.5) {
            true => add(-amount),
            false => add(amount),
        }
    }

    fn apply(&mut self, op: &Op, _: &mut ChaCha8Rng) -> Outcome {
        match op {
            Op::Add {
                value: Value::Int(amount),
                ..
            } => {
                self.count += amount;
                Outcome::ok()
            }
            _ => Outcome::ok_value(Value::Int(self.count)),
        }
    }
}

impl Spoilt for Counter {
    /// An addition is not in what is read next.
    fn spoil(clients: &mut Clients<Counter>) {
        clients.finish(0);
        let stale = Outcome::ok_value(Value::Int(clients.object.count));
        clients.ask(0, add(50 * UNIT + 1));
        clients.perform(0, read(), stale);
    }
}

/// A set from which elements are taken out.
pub(super) struct Set {
    pub asked: Asked,
    pub held: BTreeSet<i64>,
    /// Elements that no one takes out.
    pub kept: BTreeSet<i64>,
}

fn add_or_remove(adds: bool, element: i64) -> Op {
    let (key, value) = (Key::Nil, Value::Int(element));
    match adds {
        true => Op::Add { key, value },
        false => Op::Remove { key, value },
    }
}

impl Set {
    fn with(&self, more: &[i64]) -> Outcome {
        let elements = self.held.iter().chain(more);
        Outcome::ok_value(Value::list(
            elements.map(|&element| Value::Int(element)).collect(),
        ))
    }
}

impl Object for Set {
    fn ask(&mut self, rng: &mut ChaCha8Rng, operations: usize) -> Op {
        if self.asked.reads(rng, operations) {
            return read();
        }
        let there = self.held.len() - self.kept.len();
        let removable = self.held.iter().filter(|element| !self.kept.contains(element));
        // It does not grow for ever.
        let removes = there > 0 && rng.random_range(0..40) < there.min(30);
        let removed = match removes {
            true => removable.copied().nth(rng.random_range(0..there)),
            false => None,
        };
        match removed {
            Some(element) => add_or_remove(false, element),
            // Now and then what was there before.
            None if self.asked.last > 0 && rng.random_range(0..100) < self.asked.usage.repeats => {
                let element = rng.random_range(1..=self.asked.last);
                add_or_remove(true, element)
            }
            None => add_or_remove(true, self.asked.fresh()),
        }
    }

    fn apply(&mut self, op: &Op, _: &mut ChaCha8Rng) -> Outcome {
        match op {
            Op::Add {
                value: Value::Int(element),
                ..
            } => drop(self.held.insert(*element)),
            Op::Remove {
                value: Value::Int(element),
                ..
            } => drop(self.held.remove(element)),
            _ => return self.with(&[]),
        }
        Outcome::ok()
    }
}

impl Spoilt for Set {
    /// Two elements are added at the same time and never taken out; of two reads each shows only one of them.
    fn spoil(clients: &mut Clients<Set>) {
        (0..4).for_each(|client| clients.finish(client));
        let elements = [clients.object.asked.fresh(), clients.object.asked.fresh()];
        clients.object.kept.extend(elements);
        let first = clients.operations.len();
        for (client, element) in elements.into_iter().enumerate() {
            clients.invoke(client, add_or_remove(true, element));
        }
        clients.invoke(2, read());
        clients.invoke(3, read());
        for (client, element) in (2..).zip(elements) {
            let answer = clients.object.with(&[element]);
            clients.answer(client, first + client, answer);
        }
        clients.finish(0);
        clients.finish(1);
    }
}
