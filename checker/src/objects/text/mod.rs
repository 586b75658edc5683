//! Texts that operations append to (`kv-append`).

mod exact;
mod model;

pub(crate) use model::ENTRY;
pub use model::{KvAppend, KvAppendOp};
