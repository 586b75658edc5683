//! Histories of a register made by a seed: valid by construction, or with one planted violation.
//!
//! For benchmarks and tests, of this checker and of others. A register takes one operation at a time; each
//! takes effect at some moment between its invocation and its completion, or, if its outcome is unknown, at
//! any later moment or never.

use history::{ErrorClass, Failure, History, Key, OPEN, Op, Operation, Outcome, Value};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// What a history shall be like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Synthetic {
    /// How many operations.
    pub operations: usize,
    /// How many clients ask at the same time.
    pub clients: usize,
    /// How many operations end with `info`: writes and cas only, since an open read says nothing.
    pub open: usize,
    /// Written values are 0 up to this number, without it; `None` for a value of its own for every write.
    pub values: Option<i64>,
    /// What is wrong with it.
    pub violation: Option<Violation>,
    /// The seed of everything random.
    pub seed: u64,
}

/// What can be wrong with a history.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Violation {
    /// A read of a value that no one wrote.
    NeverWritten,
    /// A read of a value that was certainly overwritten before.
    Overwritten,
    /// A value is seen to come back more often than there are operations that can have brought it.
    TooManyUses,
}

impl Violation {
    /// All of them.
    pub const ALL: [Violation; 3] = [
        Violation::NeverWritten,
        Violation::Overwritten,
        Violation::TooManyUses,
    ];

    /// The name used in tables.
    pub fn name(self) -> &'static str {
        match self {
            Violation::NeverWritten => "never-written",
            Violation::Overwritten => "overwritten",
            Violation::TooManyUses => "too-many-uses",
        }
    }
}

/// Makes a history of one register that holds 0 at first.
pub fn register(spec: &Synthetic) -> History {
    let mut maker = Maker {
        rng: ChaCha8Rng::seed_from_u64(spec.seed),
        spec: *spec,
        operations: Vec::with_capacity(spec.operations),
        position: 0,
        value: 0,
        last_written: 0,
        processes: spec.clients as u32,
        clients: (0..spec.clients as u32)
            .map(|process| Client {
                process,
                running: None,
            })
            .collect(),
        adrift: Vec::new(),
        left_open: spec.open,
    };
    // The violation comes behind three quarters, so that there is something before it and something after it.
    maker.run(spec.operations / 4 * 3);
    match spec.violation {
        None => {}
        Some(Violation::NeverWritten) => maker.never_written(),
        Some(Violation::Overwritten) => maker.overwritten(),
        Some(Violation::TooManyUses) => maker.too_many_uses(),
    }
    maker.run(spec.operations);
    maker.quiesce();
    History {
        end_ns: maker.position * NS,
        operations: maker.operations,
        ..History::default()
    }
}

/// Nanoseconds from one event to the next.
const NS: u64 = 10_000;

struct Client {
    process: u32,
    /// The operation that runs, and whether it took effect.
    running: Option<(usize, bool)>,
}

struct Maker {
    rng: ChaCha8Rng,
    spec: Synthetic,
    operations: Vec<Operation>,
    position: u64,
    value: i64,
    last_written: i64,
    processes: u32,
    clients: Vec<Client>,
    /// Open operations that may still take effect.
    adrift: Vec<usize>,
    left_open: usize,
}

impl Maker {
    fn run(&mut self, until: usize) {
        while self.operations.len() < until {
            let client = self.rng.random_range(0..self.clients.len());
            match self.clients[client].running {
                None => {
                    let op = self.draw();
                    self.invoke(client, op);
                }
                Some((index, false)) => {
                    // Spread evenly over what is left.
                    let left = self.spec.operations.saturating_sub(self.operations.len()).max(1);
                    let may_open = !matches!(self.operations[index].op, Op::Read { .. });
                    if may_open && self.left_open > 0 && self.rng.random_range(0..left) < 2 * self.left_open {
                        self.abandon(client, index);
                    } else {
                        self.take_effect(index);
                        self.clients[client].running = Some((index, true));
                    }
                }
                Some((index, true)) => self.complete(client, index),
            }
            if !self.adrift.is_empty() && self.rng.random_range(0..200) == 0 {
                let place = self.rng.random_range(0..self.adrift.len());
                let index = self.adrift.swap_remove(place);
                self.take_effect(index);
                self.operations[index].outcome = open();
            }
        }
    }

    fn fresh(&mut self) -> i64 {
        match self.spec.values {
            Some(values) => self.rng.random_range(0..values),
            None => {
                self.last_written += 1;
                self.last_written
            }
        }
    }

    fn draw(&mut self) -> Op {
        let key = Key::Nil;
        match self.rng.random_range(0..3) {
            0 => Op::Read { key },
            1 => Op::Write {
                key,
                value: Value::Int(self.fresh()),
            },
            _ => {
                let expected = match self.spec.values {
                    Some(values) => self.rng.random_range(0..values),
                    None => self.value,
                };
                let new = self.fresh();
                Op::Cas {
                    key,
                    expected: Value::Int(expected),
                    new: Value::Int(new),
                }
            }
        }
    }

    fn tick(&mut self) -> u64 {
        self.position += 1;
        self.position - 1
    }

    fn invoke(&mut self, client: usize, op: Op) {
        let position = self.tick();
        self.clients[client].running = Some((self.operations.len(), false));
        self.operations.push(Operation {
            process: self.clients[client].process,
            op,
            outcome: open(),
            invoked: position,
            completed: OPEN,
            invoked_ns: position * NS,
            completed_ns: None,
            node: None,
        });
    }

    fn take_effect(&mut self, index: usize) {
        let operation = &mut self.operations[index];
        operation.outcome = match &operation.op {
            Op::Write {
                value: Value::Int(value),
                ..
            } => {
                self.value = *value;
                Outcome::ok()
            }
            Op::Cas {
                expected: Value::Int(expected),
                new: Value::Int(new),
                ..
            } => {
                if *expected == self.value {
                    self.value = *new;
                    Outcome::ok()
                } else {
                    let tells = self.rng.random_bool(0.5);
                    Outcome::mismatch(tells.then_some(Value::Int(self.value)))
                }
            }
            _ => Outcome::ok_value(Value::Int(self.value)),
        };
    }

    fn complete(&mut self, client: usize, index: usize) {
        let position = self.tick();
        let operation = &mut self.operations[index];
        operation.completed = position;
        operation.completed_ns = Some((position * NS).into());
        self.clients[client].running = None;
    }

    /// The client gives up, and goes on as a new process.
    fn abandon(&mut self, client: usize, index: usize) {
        self.left_open -= 1;
        self.adrift.push(index);
        self.clients[client] = Client {
            process: self.processes,
            running: None,
        };
        self.processes += 1;
    }

    /// Lets everything that runs complete.
    fn quiesce(&mut self) {
        for client in 0..self.clients.len() {
            if let Some((index, took_effect)) = self.clients[client].running {
                if !took_effect {
                    self.take_effect(index);
                }
                self.complete(client, index);
            }
        }
    }

    /// One whole operation of the first client, with this answer.
    fn perform(&mut self, op: Op, outcome: Outcome) {
        let index = self.operations.len();
        self.invoke(0, op);
        self.operations[index].outcome = outcome;
        self.complete(0, index);
    }

    fn see(&mut self, value: i64) {
        self.perform(Op::Read { key: Key::Nil }, Outcome::ok_value(Value::Int(value)));
    }

    fn write(&mut self, value: i64) {
        let op = Op::Write {
            key: Key::Nil,
            value: Value::Int(value),
        };
        self.perform(op, Outcome::ok());
        self.value = value;
    }

    fn finish_first_client(&mut self) {
        if let Some((index, took_effect)) = self.clients[0].running {
            if !took_effect {
                self.take_effect(index);
            }
            self.complete(0, index);
        }
    }

    fn never_written(&mut self) {
        self.finish_first_client();
        self.see(-1);
    }

    /// Where no operation that runs or is open can bring some usual value back, that one is read; else one of
    /// its own.
    fn overwritten(&mut self) {
        self.finish_first_client();
        let brought = self.suppliers();
        let usual = self.spec.values.unwrap_or(0);
        let old = (0..usual)
            .find(|value| !brought.contains(value))
            .unwrap_or(usual + 1_000_000_000);
        self.write(old);
        let other = (0..usual.max(1)).find(|value| *value != old).unwrap_or(0);
        let other = if self.spec.values.is_some() {
            other
        } else {
            self.fresh()
        };
        self.write(other);
        self.see(old);
    }

    /// The values that running or open operations can still write.
    fn suppliers(&self) -> Vec<i64> {
        let running = self.clients.iter().filter_map(|client| Some(client.running?.0));
        let open = (0..self.operations.len()).filter(|&index| self.operations[index].completed == OPEN);
        running
            .chain(open)
            .filter_map(
                |index| match (&self.operations[index].op, &self.operations[index].outcome) {
                    (_, Outcome::Fail(Failure::Mismatch { .. }))
                        if self.operations[index].completed != OPEN =>
                    {
                        None
                    }
                    (
                        Op::Write {
                            value: Value::Int(value),
                            ..
                        }
                        | Op::Cas {
                            new: Value::Int(value),
                            ..
                        },
                        _,
                    ) => Some(*value),
                    _ => None,
                },
            )
            .collect()
    }

    /// While writes of other values run, one value is seen again and again with something else in between.
    fn too_many_uses(&mut self) {
        self.quiesce();
        let Some(values) = self.spec.values else {
            return self.overwritten();
        };
        let brought = self.suppliers();
        let supply = |value: i64| brought.iter().filter(|brought| **brought == value).count();
        let rare = (0..values).min_by_key(|&value| supply(value)).unwrap_or(0);
        let uses = supply(rare) + 2;
        let other = |rng: &mut ChaCha8Rng| (rare + rng.random_range(1..values.max(2))) % values.max(2);
        let mut running = 1;
        for _ in 0..uses {
            self.see(rare);
            let value = other(&mut self.rng);
            if running < self.clients.len() {
                let op = Op::Write {
                    key: Key::Nil,
                    value: Value::Int(value),
                };
                self.invoke(running, op);
                running += 1;
                self.see(value);
            } else {
                self.write(value);
            }
        }
        self.value = rare;
    }
}

fn open() -> Outcome {
    Outcome::info(ErrorClass::Timeout, "")
}
