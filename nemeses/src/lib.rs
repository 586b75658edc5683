//! What goes wrong: faults, one file each, and one list ([`ALL`]).
//!
//! Invariants:
//! - A fault is verified by a probe, never by the exit code of the tool that installed it.
//! - A fault that could not be installed is an outcome (`Skipped`, `Failed`) with its reason, never a panic.
//! - Every wait is bounded.
//! - Who is hit is decided from the seed (and, for `leader`, from what the store says).

mod api;
mod client_partition;
mod clock;
mod compact;
mod compose;
mod corrupt;
mod crash_loop;
mod cycle;
mod disk_full;
mod fsync;
mod kill;
mod kinds;
mod membership;
mod packet;
mod parse;
mod partition;
mod pause;
mod power;
mod process;
mod restart;
mod schedule;
mod shapes;
mod tamper;
mod targets;
mod transfer;

pub use api::{Cuts, Entry, Fault, FaultOptions, Nemesis, NemesisContext};
pub use compose::compose;
pub use parse::parse;
pub use schedule::{Schedule, Scheduled};
pub use shapes::{Grudge, Shape, grudge, named_links};

/// Every fault.
pub const ALL: &[Entry] = &[
    kill::ENTRY,
    crash_loop::ENTRY,
    restart::ENTRY,
    pause::ENTRY,
    partition::ENTRY,
    client_partition::ENTRY,
    packet::ENTRY,
    clock::ENTRY,
    fsync::ENTRY,
    power::ENTRY,
    disk_full::ENTRY,
    corrupt::ENTRY,
    membership::ENTRY,
    transfer::ENTRY,
    compact::ENTRY,
];

/// The fault of that name.
pub fn find(name: &str) -> Option<&'static Entry> {
    ALL.iter().find(|entry| entry.name == name)
}
