//! What goes wrong: faults, one file each, and one list ([`ALL`]).
//!
//! Invariants:
//! - A fault is verified by a probe, never by the exit code of the tool that installed it.
//! - A fault that could not be installed is an outcome (`Skipped`, `Failed`) with its reason, never a panic.
//! - Every wait is bounded.
//! - Which nodes are hit is decided from the seed (and, for `leader`, from what the store says).

mod act;
mod alongside;
mod compose;
mod draw;
mod episodes;
mod faults;
mod holds;
mod nemesis;
mod overlap;
mod schedule;
mod sensible;
mod tamper;
mod target;

pub use alongside::Alongside;
pub use compose::{Drawing, Faults, Nemeses, compose};
pub use faults::{ALL, find};
pub use holds::Holds;
pub use nemesis::{Entry, Fault, FaultOptions, Nemesis, NemesisContext, Planned};
pub use overlap::may_meet;
pub use schedule::{Schedule, Scheduled};
pub use sensible::is_sensible;
pub use target::list::parse;
pub use target::{Kind, Names, Row, Targets, Values};
