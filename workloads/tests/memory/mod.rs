//! A store in memory, honest or not.

use std::collections::BTreeMap;

use generator::Action;
use history::{ErrorClass, EventKind, Op, Outcome, Value};

/// A linearizable store in which every operation takes effect at its invocation.
#[derive(Default)]
pub struct Store {
    /// What the registers hold.
    pub registers: BTreeMap<Value, Value>,
    /// How many operations there were.
    pub operations: u64,
    /// One operation in so many times out, with effect; 0 for none.
    pub timeout_every: u64,
    /// At this operation all registers are emptied; 0 for never.
    pub forgets_at: u64,
}

impl Store {
    pub fn perform(&mut self, action: &Action) -> (u64, EventKind) {
        let Action::Op(op) = action else {
            panic!("a workload has nothing to do for the nemesis");
        };
        self.operations += 1;
        if self.operations == self.forgets_at {
            self.registers.clear();
        }
        let register = self.registers.entry(op.key().clone()).or_default();
        let outcome = match op {
            Op::Read { .. } => Outcome::ok_value(register.clone()),
            Op::Write { value, .. } => {
                *register = value.clone();
                Outcome::ok()
            }
            Op::Cas { expected, new, .. } if register == expected => {
                *register = new.clone();
                Outcome::ok()
            }
            Op::Cas { .. } => Outcome::mismatch(None),
            other => panic!("a register has no {}", other.kind()),
        };
        // Latencies between 0.1 and 1 ms.
        let latency_ns = 100_000 + self.operations * 7_919 % 900_000;
        if self.timeout_every > 0 && self.operations.is_multiple_of(self.timeout_every) {
            return (
                50_000_000,
                EventKind::Complete(Outcome::info(ErrorClass::Timeout, "")),
            );
        }
        (latency_ns, EventKind::Complete(outcome))
    }
}
