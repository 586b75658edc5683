//! Histories made by a seed: valid by construction, or with one planted violation.
//!
//! For benchmarks and tests, of this checker and of others. An object takes one operation at a time; each
//! takes effect at some moment between its invocation and its completion, or, if its outcome is unknown, at
//! any later moment or never.

mod clients;
mod objects;
mod register;
mod shapes;

pub use register::{Synthetic, Violation, register};
pub use shapes::{SHAPES, Shape};
