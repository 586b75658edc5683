//! A semaphore (`semaphore`).
//!
//! `acquire` takes a permit for its process while there are any, `release` gives one of its own back. A
//! process may hold several. `try-acquire` that answers `false` found none left. What ended with `info` may
//! take effect at any time after its invocation, or never; what failed never does. Source: the
//! session-aware semaphore of Hazelcast (`ISemaphore`), and the `AcquiredPermitsModel` of Jepsen's tests of
//! it.

use history::{Op, Operation, Outcome, Value};

use crate::engine::publish::Projected;
use crate::model::{Effect, Model, Recorded, array_bytes};
use crate::objects::locks::{Try, tried};

/// A semaphore, all of its permits free at first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Semaphore {
    /// How many permits there are; `None` for any number.
    pub permits: Option<u32>,
}

/// What a process can do to a [`Semaphore`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SemaphoreOp {
    /// It took a permit.
    Acquire(u32),
    /// It gave one back.
    Release(u32),
    /// There was none left.
    Exhausted,
}

impl Model for Semaphore {
    type Op = SemaphoreOp;
    /// Who holds how many, by process; none that holds nothing.
    type State = Vec<(u32, u32)>;

    fn init(&self) -> Self::State {
        Vec::new()
    }

    fn apply(&self, state: &mut Self::State, op: &SemaphoreOp) -> bool {
        let held = |state: &Self::State| state.iter().map(|(_, held)| held).sum::<u32>();
        match *op {
            SemaphoreOp::Acquire(process) => {
                match state.binary_search_by_key(&process, |(holder, _)| *holder) {
                    Ok(place) => state[place].1 += 1,
                    Err(place) => state.insert(place, (process, 1)),
                }
                self.permits.is_none_or(|permits| held(state) <= permits)
            }
            SemaphoreOp::Release(process) => {
                let Ok(place) = state.binary_search_by_key(&process, |(holder, _)| *holder) else {
                    return false;
                };
                state[place].1 -= 1;
                if state[place].1 == 0 {
                    state.remove(place);
                }
                true
            }
            SemaphoreOp::Exhausted => self.permits.is_none_or(|permits| held(state) == permits),
        }
    }

    fn effect(&self, op: &SemaphoreOp) -> Effect {
        match op {
            SemaphoreOp::Exhausted => Effect::Pure,
            SemaphoreOp::Acquire(_) | SemaphoreOp::Release(_) => Effect::Change,
        }
    }

    fn heap_bytes(&self, state: &Self::State) -> usize {
        array_bytes::<(u32, u32)>(state.capacity())
    }

    fn describe(&self, state: &Self::State) -> Option<String> {
        let held: u32 = state.iter().map(|(_, held)| held).sum();
        Some(format!("so many permits are held: {held}"))
    }
}

/// The parts are the processes. Also each taking, with the release that gives it back, is one: without it
/// fewer permits are held. (Not so where some were exhausted.)
impl Projected for Semaphore {
    fn project(&self, op: &SemaphoreOp, parts: &[Value]) -> Option<SemaphoreOp> {
        match *op {
            SemaphoreOp::Acquire(process) | SemaphoreOp::Release(process) => {
                parts.contains(&Value::Int(i64::from(process))).then_some(*op)
            }
            SemaphoreOp::Exhausted => None,
        }
    }
}

impl Recorded for Semaphore {
    fn op(&self, operation: &Operation) -> Option<SemaphoreOp> {
        let process = operation.process;
        match (&operation.op, &operation.outcome) {
            (_, Outcome::Fail(_)) => None,
            (Op::TryAcquire { .. }, _) => match tried(operation) {
                Try::Taken(_) => Some(SemaphoreOp::Acquire(process)),
                Try::Held => Some(SemaphoreOp::Exhausted),
            },
            (Op::Acquire { .. }, _) => Some(SemaphoreOp::Acquire(process)),
            (Op::Release { .. }, _) => Some(SemaphoreOp::Release(process)),
            _ => None,
        }
    }
}
