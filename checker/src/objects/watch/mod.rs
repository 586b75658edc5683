//! A register whose changes are watched (`watch`).

mod exact;
mod model;
mod monitor;

pub(crate) use model::ENTRY;
pub use model::{Watched, WatchedOp, WatchedState};
