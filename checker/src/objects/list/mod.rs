//! Lists that transactions append to and read (`list-append`).

mod exact;
mod model;
mod proof;
mod revisions;

pub(crate) use model::ENTRY;
pub use model::{AppendedList, ListAppend, ListMicro};
