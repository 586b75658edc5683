//! The runner: takes operations from the generator, hands them to clients and the nemesis, records what happens.
//!
//! ```text
//!             ┌─────────── Dispatcher (one lock) ───────────┐
//!  worker 0 ──┤ completion → journal, generator.update│
//!  worker 1 ──┤ generator.next → stamp → journal      ├──► journal thread ──► history.jsonl
//!  nemesis  ──┤ live counts                           │
//!             └───────────────────────────────────────┘
//! ```
//!
//! Workers *pull*: a free worker goes to the dispatcher, hands in the completion of its last operation and takes the
//! next one, all under one lock. No message has to wake anybody, so an operation costs one lock and no context
//! switch.
//!
//! Invariants:
//! - Stamps are taken under the lock, so the order of the journal is the order of time. An invocation is stamped
//!   and queued for the journal before its request is sent; a completion after its answer is read.
//! - The journal's lines are written in that order by one thread: whatever is on disk is a prefix of the run.
//! - A process that gets `info` is retired: its worker goes on under a new number with a new connection.
//! - No operation that the generator handed out is lost: it is invoked, and it ends.

mod dispatcher;
mod journal;
mod leader_watch;
mod online_check;
mod progress;
mod runtime;
#[cfg(test)]
mod tests;
mod worker;

pub use dispatcher::{Dispatcher, Totals};
pub use journal::Journal;
pub use leader_watch::watch_store;
pub use online_check::{Feed, Shared as Watched, Watcher};
pub use progress::show_progress;
pub use runtime::{Runtime, TokioRuntime};
pub use worker::{Connect, RULES, Runner};
