//! What goes wrong: faults, one file each, and one list ([`ALL`]).
//!
//! Invariants:
//! - A fault is verified by a probe, never by the exit code of the tool that installed it.
//! - A fault that could not be installed is an outcome (`Skipped`, `Failed`) with its reason, never a panic.
//! - Every wait is bounded.
//! - Who is hit is decided from the seed (and, for `leader`, from what the store says).

mod api;

pub use api::{Entry, Fault, FaultOptions, Nemesis, NemesisContext};
