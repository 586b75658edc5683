//! One register: with read, write and compare-and-set, or without the last (`cas-register`, `register`).

mod earliest_conflict;
mod exact;
mod growing_blocks;
mod model;
pub(crate) mod monitor;
mod prepare;
mod projection;
pub(crate) mod proof;
mod rearrange;
mod returns;
mod silent_cas;

pub(crate) use model::{CAS_REGISTER, REGISTER};
pub use model::{Register, RegisterOp};
