//! A queue that is first in, first out (`fifo-queue`).
//!
//! `enqueue(value)` puts a value in at the end; `dequeue` takes the first one out and answers with it, or
//! with nil when the queue is empty. An `enqueue` that ended with `info` may put its value in at any time
//! after its invocation, or never. A `dequeue` that ended with `info` may take the first value out, whichever
//! that is then, or do nothing. What failed did not happen: a `dequeue` that fails because the queue is empty
//! tells nothing, so clients should rather answer nil. Source: Herlihy and Wing 1990, section 1; the
//! `fifo-queue` of Knossos' model.clj.

use std::collections::VecDeque;

use history::tell;
use history::{Operation, Value};

use super::op::{QueueOp, initial_values};
use crate::engine::publish::Projected;
use crate::model::{Effect, Model, Recorded, array_bytes};

/// A queue that is first in, first out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FifoQueue {
    /// What it holds at first, the first one in front.
    pub initial: VecDeque<Value>,
}

impl FifoQueue {
    pub(super) fn new(initial: &Value) -> Result<FifoQueue, &'static str> {
        let initial = initial_values(initial)?.iter().cloned().collect();
        Ok(FifoQueue { initial })
    }
}

impl Model for FifoQueue {
    type Op = QueueOp;
    type State = VecDeque<Value>;

    fn init(&self) -> Self::State {
        self.initial.clone()
    }

    fn apply(&self, state: &mut Self::State, op: &QueueOp) -> bool {
        match op {
            QueueOp::Enqueue(value) => {
                state.push_back(value.clone());
                true
            }
            QueueOp::Dequeue(value) => state.pop_front().as_ref() == Some(value),
            QueueOp::Empty => state.is_empty(),
            QueueOp::Take => {
                state.pop_front();
                true
            }
        }
    }

    fn effect(&self, op: &QueueOp) -> Effect {
        op.effect()
    }

    fn heap_bytes(&self, state: &Self::State) -> usize {
        array_bytes::<Value>(state.capacity())
    }

    fn describe(&self, state: &Self::State) -> Option<String> {
        let values: Vec<Value> = state.iter().cloned().collect();
        Some(format!("the queue holds {}", tell::value(&Value::list(values))))
    }
}

/// The parts are the values.
impl Projected for FifoQueue {
    fn project(&self, op: &QueueOp, parts: &[Value]) -> Option<QueueOp> {
        op.project(parts)
    }
}

impl Recorded for FifoQueue {
    fn op(&self, operation: &Operation) -> Option<QueueOp> {
        QueueOp::recorded(operation)
    }
}
