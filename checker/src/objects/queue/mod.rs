//! Queues: first in, first out (`fifo-queue`), and without an order (`unordered-queue`).

mod exact;
mod fifo;
mod op;
mod seen;
mod unordered;

use history::{History, OpKind, Value};

use crate::consistency::sequential;
use crate::engine::by_search::{by_search, no_order_of_all, searched};
use crate::engine::frontier::by_frontier;
use crate::engine::publish::{self, Judged};
use crate::engine::search::{Limits, Searched, search};
use crate::model::Calls;
use crate::objects::entry::Entry;
use crate::sentence::{op, sentence};
use crate::verdict::{Algorithm, Decision};
use op::{initial_values, readable};
use seen::SeenFifo;

pub use fifo::FifoQueue;
pub use op::QueueOp;
pub use unordered::UnorderedQueue;

const FIFO_EXACT: Algorithm = Algorithm("fifo-queue-exact");

pub(crate) const FIFO: Entry = Entry {
    name: "fifo-queue",
    about: "a queue, first in, first out",
    promise: "linearizable",
    operations: &[OpKind::Enqueue, OpKind::Dequeue],
    per_key: true,
    suits: |_| true,
    initial: || Value::list(Vec::new()),
    initial_is: |initial| Ok(initial_values(initial).map(drop)?),
    owned: false,
    readable: Some(readable),
    weaken: |history, initial, limits| Ok(sequential(&FifoQueue::new(initial)?, true, history, limits)),
    account: None,
    monitor: |initial, limits| Ok(by_frontier(FifoQueue::new(initial)?, limits)),
    ways: &[FIFO_EXACT, Algorithm::SEARCH],
    decide: decide_fifo,
};

fn decide_fifo(
    history: &History,
    indices: &[usize],
    initial: &Value,
    limits: &Limits,
) -> (Decision, Algorithm) {
    let queue = match FifoQueue::new(initial) {
        Ok(queue) => queue,
        Err(why) => return (Decision::unknown(why.to_owned()), Algorithm::NONE),
    };
    let calls = Calls::read(&queue, history, indices);
    let judged = match queue.initial.is_empty() {
        true => exact::judge(&calls, true).judged,
        false => Judged::Other,
    };
    publish::publish(&queue, history, &calls, judged, FIFO_EXACT).unwrap_or_else(|| {
        let decision = search_fifo(&queue, history, &calls, limits);
        (decision, Algorithm::SEARCH)
    })
}

/// Searches without what the dequeues rule out. That ends sooner, and may end before the operations do that
/// contradict each other, so it is not always known where.
fn search_fifo(queue: &FifoQueue, history: &History, calls: &Calls<QueueOp>, limits: &Limits) -> Decision {
    /// How many steps it may take to say it better.
    const STEPS: u64 = 1 << 18;
    let (seen, seen_calls) = SeenFifo::new(queue, &calls.calls);
    let stuck = match search(&seen, &seen_calls, limits) {
        Searched::Stuck(stuck) => stuck,
        found => return searched(queue, history, calls, found),
    };
    let few = Limits {
        steps: limits.steps.min(STEPS),
        ..limits.clone()
    };
    match search(queue, &calls.calls, &few) {
        Searched::GaveUp(_) => {
            let why = sentence![
                "No order explains ",
                op(stuck.operation),
                " together with all that was taken out."
            ];
            no_order_of_all(queue, history, calls, vec![stuck.operation], why)
        }
        found => searched(queue, history, calls, found),
    }
}

const UNORDERED_EXACT: Algorithm = Algorithm("unordered-queue-exact");

pub(crate) const UNORDERED: Entry = Entry {
    name: "unordered-queue",
    about: "a queue that gives its values out in any order",
    promise: "linearizable",
    operations: &[OpKind::Enqueue, OpKind::Dequeue],
    per_key: true,
    suits: |_| true,
    initial: || Value::list(Vec::new()),
    initial_is: |initial| Ok(initial_values(initial).map(drop)?),
    owned: false,
    readable: Some(readable),
    weaken: |history, initial, limits| Ok(sequential(&UnorderedQueue::new(initial)?, true, history, limits)),
    account: None,
    monitor: |initial, limits| Ok(by_frontier(UnorderedQueue::new(initial)?, limits)),
    ways: &[UNORDERED_EXACT, Algorithm::SEARCH],
    decide: decide_unordered,
};

fn decide_unordered(
    history: &History,
    indices: &[usize],
    initial: &Value,
    limits: &Limits,
) -> (Decision, Algorithm) {
    let queue = match UnorderedQueue::new(initial) {
        Ok(queue) => queue,
        Err(why) => return (Decision::unknown(why.to_owned()), Algorithm::NONE),
    };
    let mut calls = Calls::read(&queue, history, indices);
    let mut judged = Judged::Other;
    if queue.initial.is_empty() {
        let found = exact::judge(&calls, false);
        // Say what was taken, so that there is only one way to replay it.
        for (number, value) in found.taken {
            calls.calls[number].op = QueueOp::Dequeue(value);
        }
        judged = found.judged;
    }
    publish::publish(&queue, history, &calls, judged, UNORDERED_EXACT)
        .unwrap_or_else(|| by_search(&queue, history, indices, limits))
}
