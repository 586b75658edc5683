//! What to do next: pure, seeded generators of operations, and combinators that make big ones of small ones.
//!
//! A generator is *pulled*: a thread that is free asks for its next operation. See `api.rs` for the contract.
//!
//! Invariants:
//! - No clock, no I/O, no async; all randomness comes from a seed.
//! - No operation is lost, none is handed out twice.
//! - The times handed out to one thread never go backwards.

mod any;
mod api;
mod leaf;
mod limit;
mod lulls;
mod mix;
mod rate;
mod sequence;
pub mod sim;
mod threads;

pub use any::{Any, any};
pub use api::{Action, Context, Generator, Next, Thread};
pub use leaf::{Func, List, Nothing, Ops, Sleep, func, list, nothing, once, ops, sleep};
pub use limit::{Delay, Limit, TimeLimit, delay, limit, time_limit};
pub use lulls::{Lulls, lulls};
pub use mix::{Mix, mix};
pub use rate::{Rate, rate};
pub use sequence::{Phases, Repeat, Sequence, phases, repeat, sequence};
pub use threads::{EachThread, Split, clients, each_thread, nemesis, split};
