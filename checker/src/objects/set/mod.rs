//! A set that only grows (`set`).

mod exact;
mod fates;
mod model;

pub use fates::{ElementFate, Fate, SetFull, set_full};
pub(crate) use model::{ENTRY, elements};
pub use model::{Set, SetOp};
