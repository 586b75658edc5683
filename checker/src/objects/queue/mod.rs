//! Queues: first in, first out (`fifo-queue`), and without an order (`unordered-queue`).

mod exact;
pub(crate) mod fifo;
pub(crate) mod unordered;

pub use fifo::FifoQueue;
pub use unordered::{QueueOp, UnorderedQueue};
