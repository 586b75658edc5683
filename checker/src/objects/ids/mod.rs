//! Ids that are given out once each (`unique-ids`).

mod model;

pub(crate) use model::ENTRY;
pub use model::{UniqueIds, UniqueIdsOp};
