//! Objects that behave, one for each model.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use history::{ErrorClass, Key, MicroOp, Op, Outcome, Value};
use rand::{Rng, RngExt};

use super::{Object, txn};

const KEY: Key = Key::Nil;

fn read() -> Op {
    Op::Read { key: KEY }
}

fn answer(value: Value) -> Option<Outcome> {
    Some(Outcome::ok_value(value))
}

/// How the values of added, enqueued, appended or written things are chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Values {
    /// Every one is new.
    Fresh,
    /// One of a few.
    Few,
    /// New but for one in fifty, which was there not long ago.
    Rarely,
}

impl Values {
    fn next(self, rng: &mut dyn Rng, last: &mut i64) -> i64 {
        *last += 1;
        match self {
            Values::Fresh => *last,
            Values::Few => rng.random_range(1..4),
            Values::Rarely if rng.random_ratio(1, 50) => *last - rng.random_range(1..10),
            Values::Rarely => *last,
        }
    }
}

pub struct Set {
    pub values: Values,
    pub reads: u32,
    pub last: i64,
    pub holds: BTreeSet<i64>,
}

impl Set {
    /// `reads` in a hundred operations are reads.
    pub fn new(values: Values, reads: u32) -> Set {
        Set {
            values,
            reads,
            last: 0,
            holds: BTreeSet::new(),
        }
    }
}

impl Object for Set {
    fn ask(&mut self, rng: &mut dyn Rng, _: u32) -> Op {
        if rng.random_ratio(self.reads, 100) {
            return read();
        }
        let value = Value::Int(self.values.next(rng, &mut self.last));
        Op::Add { key: KEY, value }
    }

    fn apply(&mut self, _: &mut dyn Rng, _: u32, op: &Op) -> Option<Outcome> {
        match op {
            Op::Add {
                value: Value::Int(value),
                ..
            } => {
                self.holds.insert(*value);
                Some(Outcome::ok())
            }
            _ => answer(Value::list(self.holds.iter().copied().map(Value::Int).collect())),
        }
    }
}

pub struct Counter {
    pub amounts: Vec<i64>,
    pub count: i64,
}

impl Object for Counter {
    fn ask(&mut self, rng: &mut dyn Rng, _: u32) -> Op {
        if rng.random_ratio(1, 2) {
            return read();
        }
        let value = Value::Int(self.amounts[rng.random_range(0..self.amounts.len())]);
        Op::Add { key: KEY, value }
    }

    fn apply(&mut self, _: &mut dyn Rng, _: u32, op: &Op) -> Option<Outcome> {
        match op {
            Op::Add {
                value: Value::Int(amount),
                ..
            } => {
                self.count += amount;
                Some(Outcome::ok())
            }
            _ => answer(Value::Int(self.count)),
        }
    }
}

/// Any lock. Without owners anyone releases at any time.
#[derive(Default)]
pub struct Lock {
    pub has_owners: bool,
    pub has_tokens: bool,
    pub holder: Option<u32>,
    pub token: i64,
    pub holding: BTreeSet<u32>,
}

impl Object for Lock {
    fn ask(&mut self, rng: &mut dyn Rng, process: u32) -> Op {
        let releases = if self.has_owners {
            self.holding.contains(&process)
        } else {
            rng.random_ratio(1, 2)
        };
        if releases {
            Op::Release { key: KEY }
        } else {
            Op::Acquire { key: KEY }
        }
    }

    fn apply(&mut self, rng: &mut dyn Rng, process: u32, op: &Op) -> Option<Outcome> {
        match (op, self.holder) {
            (Op::Acquire { .. }, None) => {
                self.holder = Some(process);
                self.token += rng.random_range(1..3);
                if self.has_tokens {
                    answer(Value::Int(self.token))
                } else {
                    Some(Outcome::ok())
                }
            }
            (Op::Release { .. }, Some(holder)) if !self.has_owners || holder == process => {
                self.holder = None;
                Some(Outcome::ok())
            }
            _ => None,
        }
    }

    fn told(&mut self, process: u32, op: &Op) {
        match op {
            Op::Acquire { .. } => self.holding.insert(process),
            _ => self.holding.remove(&process),
        };
    }

    fn may_drift(&self, op: &Op) -> bool {
        !self.has_owners || matches!(op, Op::Release { .. })
    }
}

/// A lock that its holder may lose at any time; tokens are told in `told` of ten cases.
pub struct Lease {
    pub told: u32,
    pub holder: Option<u32>,
    pub token: i64,
    /// Who believes to hold it.
    pub holding: BTreeSet<u32>,
}

impl Lease {
    pub fn new(told: u32) -> Lease {
        Lease {
            told,
            holder: None,
            token: 0,
            holding: BTreeSet::new(),
        }
    }
}

impl Object for Lease {
    fn ask(&mut self, rng: &mut dyn Rng, process: u32) -> Op {
        if self.holding.contains(&process) && rng.random_ratio(3, 4) {
            Op::Release { key: KEY }
        } else {
            Op::Acquire { key: KEY }
        }
    }

    fn apply(&mut self, rng: &mut dyn Rng, process: u32, op: &Op) -> Option<Outcome> {
        match (op, self.holder) {
            // The lease has run out, or not.
            (Op::Acquire { .. }, holder) if holder.is_none() || rng.random_ratio(1, 2) => {
                self.holder = Some(process);
                self.token += rng.random_range(1..3);
                match rng.random_ratio(self.told, 10) {
                    true => answer(Value::Int(self.token)),
                    false => Some(Outcome::ok()),
                }
            }
            (Op::Release { .. }, Some(holder)) if holder == process => {
                self.holder = None;
                Some(Outcome::ok())
            }
            _ => {
                self.holding.remove(&process);
                Some(Outcome::fail(ErrorClass::Rejected, ""))
            }
        }
    }

    fn told(&mut self, process: u32, op: &Op) {
        match op {
            Op::Acquire { .. } => self.holding.insert(process),
            _ => self.holding.remove(&process),
        };
    }
}

pub struct Queue {
    pub is_fifo: bool,
    pub values: Values,
    pub last: i64,
    pub holds: VecDeque<i64>,
}

impl Object for Queue {
    fn ask(&mut self, rng: &mut dyn Rng, _: u32) -> Op {
        if rng.random_ratio(1, 2) {
            return Op::Dequeue { key: KEY };
        }
        let value = Value::Int(self.values.next(rng, &mut self.last));
        Op::Enqueue { key: KEY, value }
    }

    fn apply(&mut self, rng: &mut dyn Rng, _: u32, op: &Op) -> Option<Outcome> {
        match op {
            Op::Enqueue {
                value: Value::Int(value),
                ..
            } => {
                self.holds.push_back(*value);
                Some(Outcome::ok())
            }
            _ => {
                let place = if self.is_fifo {
                    0
                } else {
                    rng.random_range(0..self.holds.len().max(1))
                };
                answer(self.holds.remove(place).map_or(Value::Nil, Value::Int))
            }
        }
    }
}

#[derive(Default)]
pub struct Ids {
    pub last: i64,
}

impl Object for Ids {
    fn ask(&mut self, _: &mut dyn Rng, _: u32) -> Op {
        Op::Generate { key: KEY }
    }

    fn apply(&mut self, _: &mut dyn Rng, _: u32, _: &Op) -> Option<Outcome> {
        self.last += 1;
        answer(Value::Int(self.last))
    }
}

/// A text, which is also written where `writes`. Pieces come again where `few`, and then the same text can be
/// made of them in several ways.
#[derive(Default)]
pub struct Text {
    pub writes: bool,
    pub few: bool,
    pub last: i64,
    pub holds: String,
}

impl Object for Text {
    fn ask(&mut self, rng: &mut dyn Rng, _: u32) -> Op {
        self.last += 1;
        let value = match self.few {
            true => Value::text(["a", "b", "ab", "ba", ""][rng.random_range(0..5)]),
            false => Value::text(&format!("{};", self.last)),
        };
        match rng.random_range(0..6) {
            0..3 => read(),
            3 if self.writes => Op::Write { key: KEY, value },
            _ => Op::Append { key: KEY, value },
        }
    }

    fn apply(&mut self, _: &mut dyn Rng, _: u32, op: &Op) -> Option<Outcome> {
        match op {
            Op::Append {
                value: Value::Text(piece),
                ..
            } => self.holds.push_str(piece),
            Op::Write {
                value: Value::Text(text),
                ..
            } => self.holds.clone_from(text),
            _ => return answer(Value::text(&self.holds)),
        }
        Some(Outcome::ok())
    }
}

/// A register, 0 at first; cas where `cas`.
pub struct Register {
    pub values: Values,
    pub cas: bool,
    pub last: i64,
    pub holds: i64,
}

impl Register {
    pub fn new(values: Values, cas: bool) -> Register {
        Register {
            values,
            cas,
            last: 0,
            holds: 0,
        }
    }
}

impl Object for Register {
    fn ask(&mut self, rng: &mut dyn Rng, _: u32) -> Op {
        let value = Value::Int(self.values.next(rng, &mut self.last));
        match rng.random_range(0..6) {
            0..3 => read(),
            3 | 4 if self.cas => {
                let expected = match rng.random_ratio(1, 4) {
                    true => rng.random_range(0..4),
                    false => self.holds,
                };
                Op::Cas {
                    key: KEY,
                    expected: Value::Int(expected),
                    new: value,
                }
            }
            _ => Op::Write { key: KEY, value },
        }
    }

    fn apply(&mut self, rng: &mut dyn Rng, _: u32, op: &Op) -> Option<Outcome> {
        let holds = Value::Int(self.holds);
        match op {
            Op::Cas { expected, .. } if *expected != holds => {
                let current = rng.random_ratio(1, 2).then_some(holds);
                return Some(Outcome::mismatch(current));
            }
            Op::Write {
                value: Value::Int(new),
                ..
            }
            | Op::Cas {
                new: Value::Int(new), ..
            } => self.holds = *new,
            _ => return answer(holds),
        }
        Some(Outcome::ok())
    }
}

/// A register with versions; cas where `cas`, versions told by writes in `told` of ten cases.
pub struct Versioned {
    pub values: Values,
    pub cas: bool,
    pub told: u32,
    pub last: i64,
    pub holds: Value,
    pub version: i64,
}

impl Versioned {
    pub fn new(values: Values, cas: bool, told: u32) -> Versioned {
        Versioned {
            values,
            cas,
            told,
            last: 0,
            holds: Value::Nil,
            version: 0,
        }
    }
}

impl Object for Versioned {
    fn ask(&mut self, rng: &mut dyn Rng, _: u32) -> Op {
        let value = Value::Int(self.values.next(rng, &mut self.last));
        match rng.random_range(0..6) {
            0..3 => read(),
            3 if self.cas => Op::Cas {
                key: KEY,
                expected: self.holds.clone(),
                new: value,
            },
            _ => Op::Write { key: KEY, value },
        }
    }

    fn apply(&mut self, rng: &mut dyn Rng, _: u32, op: &Op) -> Option<Outcome> {
        match op {
            Op::Cas { expected, .. } if *expected != self.holds => {
                let current = rng.random_ratio(1, 2).then(|| self.holds.clone());
                return Some(Outcome::mismatch(current));
            }
            Op::Write { value: new, .. } | Op::Cas { new, .. } => {
                self.holds = new.clone();
                self.version += rng.random_range(1..3);
            }
            _ if self.version == 0 => return answer(Value::Nil),
            _ => return answer(Value::list(vec![Value::Int(self.version), self.holds.clone()])),
        }
        if rng.random_ratio(self.told, 10) {
            answer(Value::Int(self.version))
        } else {
            Some(Outcome::ok())
        }
    }
}

/// A register whose changes are followed; revisions are told in `told` of ten cases.
pub struct Watched {
    pub values: Values,
    pub told: u32,
    pub last: i64,
    pub revision: i64,
    pub events: Vec<(i64, Value)>,
}

impl Watched {
    pub fn new(values: Values, told: u32) -> Watched {
        Watched {
            values,
            told,
            last: 0,
            revision: 0,
            events: Vec::new(),
        }
    }
}

impl Object for Watched {
    fn ask(&mut self, rng: &mut dyn Rng, _: u32) -> Op {
        if rng.random_ratio(1, 2) {
            let from = (self.revision - rng.random_range(0..6)).max(1);
            return Op::Watch { key: KEY, from };
        }
        let value = Value::Int(self.values.next(rng, &mut self.last));
        Op::Write { key: KEY, value }
    }

    fn apply(&mut self, rng: &mut dyn Rng, _: u32, op: &Op) -> Option<Outcome> {
        // Others write, too.
        self.revision += rng.random_range(0..2);
        match op {
            Op::Write { value, .. } => {
                self.revision += 1;
                self.events.push((self.revision, value.clone()));
                match rng.random_ratio(self.told, 10) {
                    true => answer(Value::Int(self.revision)),
                    false => Some(Outcome::ok()),
                }
            }
            Op::Watch { from, .. } => {
                // Sometimes what came first was dropped.
                let begun = (from + rng.random_range(0..4)).min(self.revision + 1);
                let is_cut = rng.random_ratio(1, 6);
                let least = if is_cut { begun } else { *from };
                let heard = self.events.iter().filter(|(revision, _)| *revision >= least);
                let heard = heard
                    .map(|(revision, value)| Value::list(vec![Value::Int(*revision), value.clone()]))
                    .collect();
                let mut parts = vec![Value::Int(self.revision), Value::list(heard)];
                parts.extend(is_cut.then_some(Value::Int(begun)));
                answer(Value::list(parts))
            }
            _ => None,
        }
    }
}

/// Registers or lists under transactions.
pub struct Objects {
    pub appends: bool,
    pub values: Values,
    pub keys: i64,
    pub steps: usize,
    pub last: i64,
    pub lists: BTreeMap<Key, Vec<Value>>,
    pub registers: BTreeMap<Key, Value>,
    /// Whether lists are asked for their versions.
    pub has_versions: bool,
    pub versions: BTreeMap<Key, (i64, i64)>,
    pub revision: i64,
}

impl Objects {
    pub fn new(appends: bool, values: Values, keys: i64, steps: usize) -> Objects {
        let (lists, registers) = (BTreeMap::new(), BTreeMap::new());
        Objects {
            appends,
            values,
            keys,
            steps,
            last: 0,
            lists,
            registers,
            has_versions: false,
            versions: BTreeMap::new(),
            revision: 0,
        }
    }

    /// Lists of which some transactions also ask for the versions.
    pub fn with_versions(values: Values, keys: i64, steps: usize) -> Objects {
        Objects {
            has_versions: true,
            ..Objects::new(true, values, keys, steps)
        }
    }
}

impl Object for Objects {
    fn ask(&mut self, rng: &mut dyn Rng, _: u32) -> Op {
        let micro = |_| {
            let key = Value::Int(rng.random_range(0..self.keys));
            let value = Value::Int(self.values.next(rng, &mut self.last));
            match (rng.random_ratio(1, 2), self.appends) {
                (true, _) if self.has_versions && rng.random_ratio(1, 2) => MicroOp::Version { key },
                (true, _) => MicroOp::Read { key },
                (false, true) => MicroOp::Append { key, value },
                (false, false) => MicroOp::Write { key, value },
            }
        };
        let mut all: Vec<MicroOp> = (0..self.steps).map(micro).collect();
        let length = rng.random_range(1..=all.len());
        all.truncate(length);
        match &all[..] {
            [MicroOp::Read { key }] if rng.random_ratio(1, 2) => Op::Read { key: key.clone() },
            [MicroOp::Write { key, value }] if rng.random_ratio(1, 2) => Op::Write {
                key: key.clone(),
                value: value.clone(),
            },
            [MicroOp::Append { key, value }] if rng.random_ratio(1, 2) => Op::Append {
                key: key.clone(),
                value: value.clone(),
            },
            _ => txn(all),
        }
    }

    fn apply(&mut self, rng: &mut dyn Rng, _: u32, op: &Op) -> Option<Outcome> {
        if self.has_versions {
            self.revision += rng.random_range(1..3);
        } else {
            self.revision += 1;
        }
        let mut one = |micro: &MicroOp| match micro {
            MicroOp::Read { key } if self.appends => {
                Value::list(self.lists.get(key).cloned().unwrap_or_default())
            }
            MicroOp::Read { key } => self.registers.get(key).cloned().unwrap_or(Value::Int(0)),
            MicroOp::Append { key, value } => {
                self.lists.entry(key.clone()).or_default().push(value.clone());
                let (version, revision) = self.versions.entry(key.clone()).or_default();
                *version += i64::from(*revision != self.revision);
                *revision = self.revision;
                Value::Nil
            }
            MicroOp::Write { key, value } => {
                self.registers.insert(key.clone(), value.clone());
                Value::Nil
            }
            MicroOp::Version { key } => match self.versions.get(key) {
                Some((version, revision)) => Value::list(vec![Value::Int(*version), Value::Int(*revision)]),
                None => Value::Nil,
            },
        };
        match op {
            Op::Txn { micro_ops, .. } => answer(Value::list(micro_ops.iter().map(one).collect())),
            Op::Read { key } => answer(one(&MicroOp::Read { key: key.clone() })),
            Op::Write { key, value } => {
                one(&MicroOp::Write {
                    key: key.clone(),
                    value: value.clone(),
                });
                Some(Outcome::ok())
            }
            Op::Append { key, value } => {
                one(&MicroOp::Append {
                    key: key.clone(),
                    value: value.clone(),
                });
                Some(Outcome::ok())
            }
            _ => None,
        }
    }
}

/// Lists of which some are read together with their versions.
pub struct Versions(pub Objects);

impl Object for Versions {
    fn ask(&mut self, rng: &mut dyn Rng, process: u32) -> Op {
        if rng.random_ratio(1, 3) {
            let key = Value::Int(rng.random_range(0..self.0.keys));
            return txn(vec![MicroOp::Read { key: key.clone() }, MicroOp::Version { key }]);
        }
        self.0.ask(rng, process)
    }

    fn apply(&mut self, rng: &mut dyn Rng, process: u32, op: &Op) -> Option<Outcome> {
        self.0.apply(rng, process, op)
    }
}
