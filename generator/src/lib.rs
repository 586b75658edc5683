//! What to do next: pure, seeded generators of operations, and combinators that make big ones of small ones.
//!
//! A generator is *pulled*: a thread that is free asks for its next operation. See `api.rs` for the contract.
//!
//! Invariants:
//! - No clock, no I/O, no async; all randomness comes from a seed.
//! - No operation is lost, none is handed out twice.
//! - The times handed out to one thread never go backwards.

mod api;

pub use api::{Action, Context, Generator, Next, Thread};
