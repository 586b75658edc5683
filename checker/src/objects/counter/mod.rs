//! A counter (`counter`).

mod exact;
mod model;

pub(crate) use model::ENTRY;
pub use model::{Counter, CounterOp};
