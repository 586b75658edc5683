//! Histories of a register.

use history::{Failure, History, Key, OPEN, Op, Outcome, Value};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use super::clients::{Clients, Object};

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
    let object = Register {
        values: spec.values,
        value: 0,
        last_written: 0,
    };
    let mut clients = Clients::new(object, spec.operations, spec.clients, spec.open, spec.seed);
    // The violation comes behind three quarters, so that there is something before it and something after it.
    clients.run(spec.operations / 4 * 3);
    match spec.violation {
        None => {}
        Some(Violation::NeverWritten) => clients.never_written(),
        Some(Violation::Overwritten) => clients.overwritten(),
        Some(Violation::TooManyUses) => clients.too_many_uses(),
    }
    clients.run(spec.operations);
    clients.history()
}

struct Register {
    values: Option<i64>,
    value: i64,
    last_written: i64,
}

impl Register {
    fn fresh(&mut self, rng: &mut ChaCha8Rng) -> i64 {
        match self.values {
            Some(values) => rng.random_range(0..values),
            None => {
                self.last_written += 1;
                self.last_written
            }
        }
    }
}

impl Object for Register {
    fn ask(&mut self, rng: &mut ChaCha8Rng, _operations: usize) -> Op {
        let key = Key::Nil;
        match rng.random_range(0..3) {
            0 => Op::Read { key },
            1 => Op::Write {
                key,
                value: Value::Int(self.fresh(rng)),
            },
            _ => {
                let expected = match self.values {
                    Some(values) => rng.random_range(0..values),
                    None => self.value,
                };
                let new = self.fresh(rng);
                Op::Cas {
                    key,
                    expected: Value::Int(expected),
                    new: Value::Int(new),
                }
            }
        }
    }

    fn apply(&mut self, op: &Op, rng: &mut ChaCha8Rng) -> Outcome {
        match op {
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
                    let tells = rng.random_bool(0.5);
                    Outcome::mismatch(tells.then_some(Value::Int(self.value)))
                }
            }
            _ => Outcome::ok_value(Value::Int(self.value)),
        }
    }
}

impl Clients<Register> {
    fn see(&mut self, value: i64) {
        self.perform(
            0,
            Op::Read { key: Key::Nil },
            Outcome::ok_value(Value::Int(value)),
        );
    }

    fn write(&mut self, value: i64) {
        let op = Op::Write {
            key: Key::Nil,
            value: Value::Int(value),
        };
        self.perform(0, op, Outcome::ok());
        self.object.value = value;
    }

    fn never_written(&mut self) {
        self.finish(0);
        self.see(-1);
    }

    /// Where no operation that runs or is open can bring some usual value back, that one is read; else one of
    /// its own.
    fn overwritten(&mut self) {
        self.finish(0);
        let brought = self.suppliers();
        let usual = self.object.values.unwrap_or(0);
        let old = (0..usual)
            .find(|value| !brought.contains(value))
            .unwrap_or(usual + 1_000_000_000);
        self.write(old);
        let other = (0..usual.max(1)).find(|value| *value != old).unwrap_or(0);
        let other = if self.object.values.is_some() {
            other
        } else {
            self.object.fresh(&mut self.rng)
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
        let Some(values) = self.object.values else {
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
        self.object.value = rare;
    }
}
