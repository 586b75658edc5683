//! A queue without order (`unordered-queue`).
//!
//! As [`fifo-queue`](super::fifo), but `dequeue` takes out any of the values: a bag. The same value may be in it more
//! than once. Source: the `unordered-queue` of Knossos' model.clj.

use std::collections::BTreeMap;

use history::{History, OpKind, Operation, Value};

use super::fifo::{initial_values, readable};
use crate::Options;
use crate::consistency::sequential;
use crate::engine::frontier::by_frontier;
use crate::engine::publish::{self, Judged, Projected};
use crate::model::{Calls, Effect, Model, Recorded, tree_bytes};
use crate::objects::{Entry, by_search};
use crate::verdict::{Algorithm, Decision};

pub(crate) const ENTRY: Entry = Entry {
    name: "unordered-queue",
    about: "a queue that gives its values out in any order",
    promise: "linearizable",
    operations: &[OpKind::Enqueue, OpKind::Dequeue],
    per_key: true,
    suits: |_| true,
    initial: || Value::list(Vec::new()),
    readable: Some(readable),
    weaken: |history, initial, limits| Ok(sequential(&UnorderedQueue::new(initial)?, true, history, limits)),
    account: None,
    watch: |initial, limits| Ok(by_frontier(UnorderedQueue::new(initial)?, limits)),
    decide,
};

/// A queue without order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UnorderedQueue {
    /// What it holds at first, and how often.
    pub initial: BTreeMap<Value, usize>,
}

/// What can be done to a queue.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum QueueOp {
    /// This was put in.
    Enqueue(Value),
    /// This was taken out.
    Dequeue(Value),
    /// It was seen to be empty.
    Empty,
    /// Something was taken out, if there was something: nobody knows what.
    Take,
}

impl QueueOp {
    pub(crate) fn effect(&self) -> Effect {
        match self {
            QueueOp::Empty => Effect::Pure,
            _ => Effect::Change,
        }
    }

    /// What remains if nothing but `parts` is ever put in. What was taken out may have been anything.
    pub(crate) fn project(&self, parts: &[Value]) -> Option<QueueOp> {
        match self {
            QueueOp::Enqueue(value) | QueueOp::Dequeue(value) => parts.contains(value).then(|| self.clone()),
            QueueOp::Empty | QueueOp::Take => Some(self.clone()),
        }
    }
}

impl UnorderedQueue {
    fn new(initial: &Value) -> Result<UnorderedQueue, &'static str> {
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

fn decide(history: &History, indices: &[usize], options: &Options) -> (Decision, Algorithm) {
    let queue = match UnorderedQueue::new(&options.initial()) {
        Ok(queue) => queue,
        Err(why) => return (Decision::Unknown(why.to_owned()), Algorithm::NONE),
    };
    let mut calls = Calls::read(&queue, history, indices);
    let mut judged = Judged::Other;
    if queue.initial.is_empty() {
        let found = super::exact::judge(&calls, false);
        // Say what was taken, so that there is only one way to replay it.
        for (number, value) in found.taken {
            calls.calls[number].op = QueueOp::Dequeue(value);
        }
        judged = found.judged;
    }
    publish::publish(
        &queue,
        history,
        &calls,
        judged,
        Algorithm("unordered-queue-exact"),
    )
    .unwrap_or_else(|| by_search(&queue, history, indices, options))
}
