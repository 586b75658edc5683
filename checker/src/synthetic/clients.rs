//! Clients that ask one object at the same time.

use history::{ErrorClass, History, OPEN, Op, Operation, Outcome};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Nanoseconds from one event to the next.
const NS: u64 = 10_000;

/// An object that takes one operation at a time.
pub(super) trait Object {
    /// What a client asks of it next, after so many operations.
    fn ask(&mut self, rng: &mut ChaCha8Rng, operations: usize) -> Op;

    /// Does it, and answers.
    fn apply(&mut self, op: &Op, rng: &mut ChaCha8Rng) -> Outcome;
}

pub(super) struct Client {
    process: u32,
    /// The operation that runs, and whether it took effect.
    pub running: Option<(usize, bool)>,
}

/// An object, its clients, and what has happened so far.
pub(super) struct Clients<O> {
    pub rng: ChaCha8Rng,
    pub object: O,
    pub operations: Vec<Operation>,
    pub clients: Vec<Client>,
    /// How many operations there will be.
    planned: usize,
    position: u64,
    processes: u32,
    /// Open operations that may still take effect.
    adrift: Vec<usize>,
    left_open: usize,
}

impl<O: Object> Clients<O> {
    /// So many clients, of whose operations `open` end with `info`.
    pub fn new(object: O, planned: usize, clients: usize, open: usize, seed: u64) -> Self {
        let client = |process| Client {
            process,
            running: None,
        };
        Clients {
            rng: ChaCha8Rng::seed_from_u64(seed),
            object,
            operations: Vec::with_capacity(planned),
            clients: (0..clients as u32).map(client).collect(),
            planned,
            position: 0,
            processes: clients as u32,
            adrift: Vec::new(),
            left_open: open,
        }
    }

    /// Goes on until there are so many operations.
    pub fn run(&mut self, until: usize) {
        while self.operations.len() < until {
            let client = self.rng.random_range(0..self.clients.len());
            match self.clients[client].running {
                None => {
                    let op = self.object.ask(&mut self.rng, self.operations.len());
                    self.invoke(client, op);
                }
                Some((index, false)) => {
                    // Spread evenly over what is left.
                    let left = self.planned.saturating_sub(self.operations.len()).max(1);
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

    /// Lets everything that runs complete.
    pub fn quiesce(&mut self) {
        (0..self.clients.len()).for_each(|client| self.finish(client));
    }

    /// Lets what a client asked complete.
    pub fn finish(&mut self, client: usize) {
        if let Some((index, took_effect)) = self.clients[client].running {
            if !took_effect {
                self.take_effect(index);
            }
            self.complete(client, index);
        }
    }

    /// One whole operation of a client to which nothing happens, with this answer.
    pub fn perform(&mut self, client: usize, op: Op, outcome: Outcome) {
        let index = self.operations.len();
        self.invoke(client, op);
        self.answer(client, index, outcome);
    }

    /// One whole operation of a client; what it was answered.
    pub fn ask(&mut self, client: usize, op: Op) -> Outcome {
        let index = self.operations.len();
        self.invoke(client, op);
        self.take_effect(index);
        self.complete(client, index);
        self.operations[index].outcome.clone()
    }

    /// Completes an operation that has not taken effect, with this answer.
    pub fn answer(&mut self, client: usize, index: usize, outcome: Outcome) {
        self.operations[index].outcome = outcome;
        self.complete(client, index);
    }

    pub fn invoke(&mut self, client: usize, op: Op) {
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

    /// What has happened, once everything that runs has completed.
    pub fn history(mut self) -> History {
        self.quiesce();
        History {
            end_ns: self.position * NS,
            operations: self.operations,
            ..History::default()
        }
    }

    fn tick(&mut self) -> u64 {
        self.position += 1;
        self.position - 1
    }

    fn take_effect(&mut self, index: usize) {
        let operation = &mut self.operations[index];
        operation.outcome = self.object.apply(&operation.op, &mut self.rng);
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
}

fn open() -> Outcome {
    Outcome::info(ErrorClass::Timeout, "")
}
