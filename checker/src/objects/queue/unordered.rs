//! A queue without order (`unordered-queue`).
//!
//! As [`fifo-queue`](super::fifo), but `dequeue` takes out any of the values: a bag. The same value may be in
//! it more than once. Source: the `unordered-queue` of Knossos' model.clj.

use std::collections::BTreeMap;

use history::{Operation, Value};

use super::op::{QueueOp, initial_values};
use crate::engine::publish::Projected;
use crate::model::{Effect, Model, Recorded, tree_bytes};

/// A queue without order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UnorderedQueue {
    /// What it holds at first, and how often.
    pub initial: BTreeMap<Value, usize>,
}

impl UnorderedQueue {
    pub(super) fn new(initial: &Value) -> Result<UnorderedQueue, &'static str> {
        let mut queue = UnorderedQueue::default();
        for value in initial_values(initial)? {
            *queue.initial.entry(value.clone()).or_default() += 1;
        }
        Ok(queue)
    }
}

impl Model for UnorderedQueue {
    type Op = QueueOp;
    /// How often each value is in it; never 0.
    type State = BTreeMap<Value, usize>;

    fn init(&self) -> Self::State {
        self.initial.clone()
    }

    fn apply(&self, state: &mut Self::State, op: &QueueOp) -> bool {
        let take = |state: &mut Self::State, value: &Value| match state.get_mut(value) {
            Some(1) => state.remove(value).is_some(),
            Some(count) => {
                *count -= 1;
                true
            }
            None => false,
        };
        match op {
            QueueOp::Enqueue(value) => {
                *state.entry(value.clone()).or_default() += 1;
                true
            }
            QueueOp::Dequeue(value) => take(state, value),
            QueueOp::Empty => state.is_empty(),
            QueueOp::Take => {
                let first = state.keys().next().cloned();
                first.is_none_or(|value| take(state, &value))
            }
        }
    }

    fn branches(&self, op: &QueueOp) -> bool {
        *op == QueueOp::Take
    }

    fn steps(&self, state: &Self::State, op: &QueueOp, next: &mut Vec<Self::State>) {
        if *op != QueueOp::Take || state.is_empty() {
            return next.extend(self.step(state, op));
        }
        for value in state.keys() {
            next.extend(self.step(state, &QueueOp::Dequeue(value.clone())));
        }
    }

    fn effect(&self, op: &QueueOp) -> Effect {
        op.effect()
    }

    fn heap_bytes(&self, state: &Self::State) -> usize {
        tree_bytes::<(Value, usize)>(state.len())
    }
}

/// The parts are the values.
impl Projected for UnorderedQueue {
    fn project(&self, op: &QueueOp, parts: &[Value]) -> Option<QueueOp> {
        op.project(parts)
    }
}

impl Recorded for UnorderedQueue {
    fn op(&self, operation: &Operation) -> Option<QueueOp> {
        QueueOp::recorded(operation)
    }
}
