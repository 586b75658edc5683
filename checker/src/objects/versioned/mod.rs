//! A register that answers with versions (`versioned-register`).

mod exact;
mod model;

pub(crate) use model::ENTRY;
pub use model::{VersionedRegister, VersionedRegisterOp, VersionedRegisterState};
