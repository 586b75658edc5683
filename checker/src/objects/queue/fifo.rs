//! A queue that is first in, first out (`fifo-queue`).
//!
//! `enqueue(value)` puts a value in at the end; `dequeue` takes the first one out and answers with it, or with nil when the
//! queue is empty. An `enqueue` that ended with `info` may put its value in at any time after its invocation, or never. A
//! `dequeue` that ended with `info` may take the first value out, whichever that is then, or do nothing. What failed did
//! not happen: a `dequeue` that fails because the queue is empty tells nothing, so clients should rather answer nil.
//! Source: Herlihy and Wing 1990, section 1; the `fifo-queue` of Knossos' model.clj.

use std::collections::VecDeque;

use history::{History, Op, OpKind, Operation, Outcome, Value};

use crate::Options;
use crate::consistency::sequential;
use crate::engine::frontier::by_frontier;
use crate::engine::publish::{self, Judged, Projected};
use crate::model::{Calls, Effect, Model, Recorded, array_bytes};
use crate::objects::QueueOp;
use crate::objects::set::elements;
use crate::objects::{Entry, answer, by_search};
use crate::verdict::{Algorithm, Decision};
use history::tell;

pub(crate) const ENTRY: Entry = Entry {
    name: "fifo-queue",
    about: "a queue, first in, first out",
    promise: "linearizable",
    operations: &[OpKind::Enqueue, OpKind::Dequeue],
    per_key: true,
    suits: |_| true,
    initial: || Value::list(Vec::new()),
    readable: Some(readable),
    weaken: |history, initial, limits| Ok(sequential(&FifoQueue::new(initial)?, true, history, limits)),
    account: None,
    watch: |initial, limits| Ok(by_frontier(FifoQueue::new(initial)?, limits)),
    decide,
};

/// A queue that is first in, first out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FifoQueue {
    /// What it holds at first, the first one in front.
    pub initial: VecDeque<Value>,
}

impl FifoQueue {
    fn new(initial: &Value) -> Result<FifoQueue, &'static str> {
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

impl QueueOp {
    /// The operation that was recorded.
    pub(crate) fn recorded(operation: &Operation) -> Option<QueueOp> {
        match (&operation.op, &operation.outcome) {
            (_, Outcome::Fail(_)) => None,
            (Op::Enqueue { value, .. }, _) => Some(QueueOp::Enqueue(value.clone())),
            (Op::Dequeue { .. }, _) => Some(match answer(operation) {
                None => QueueOp::Take,
                Some(Value::Nil) => QueueOp::Empty,
                Some(value) => QueueOp::Dequeue(value.clone()),
            }),
            _ => None,
        }
    }
}

fn decide(history: &History, indices: &[usize], options: &Options) -> (Decision, Algorithm) {
    let queue = match FifoQueue::new(&options.initial()) {
        Ok(queue) => queue,
        Err(why) => return (Decision::Unknown(why.to_owned()), Algorithm::NONE),
    };
    let calls = Calls::read(&queue, history, indices);
    let judged = match queue.initial.is_empty() {
        true => super::exact::judge(&calls, true).judged,
        false => Judged::Other,
    };
    publish::publish(&queue, history, &calls, judged, Algorithm("fifo-queue-exact"))
        .unwrap_or_else(|| by_search(&queue, history, indices, options))
}

/// What a queue holds at first.
pub(crate) fn initial_values(initial: &Value) -> Result<&[Value], &'static str> {
    elements(initial).ok_or("a queue begins with a list of values")
}

/// Nil stands for an empty queue.
pub(crate) fn readable(operation: &Operation) -> Result<(), &'static str> {
    match &operation.op {
        Op::Enqueue { value, .. } if value.is_nil() => Err("a value that is not nil"),
        _ => Ok(()),
    }
}
