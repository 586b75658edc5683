//! What clients do to a store, and by which model its answers are judged: one file a workload, one list
//! ([`ALL`]).
//!
//! Invariant: a workload knows neither store nor network. It says which [kind of objects](Workload::object)
//! it uses, and any system that has such objects can run it: it then supports [all their
//! operations](ObjectKind::operations).

mod adds;
mod append;
mod counter;
mod entry;
mod exactly_once;
mod in_flight;
mod last_reads;
mod lock;
mod lock_fenced;
mod locking;
mod parted;
mod readers;
mod register;
mod rotation;
mod set;
mod watch;

use entry::judge_by;
pub use entry::{Entry, Workload, WorkloadOptions};

/// Every workload.
pub const ALL: &[Entry] = &[
    register::ENTRY,
    set::ENTRY,
    counter::ENTRY,
    exactly_once::ENTRY,
    lock::ENTRY,
    lock_fenced::ENTRY,
    append::ENTRY,
    watch::ENTRY,
];

/// The workload of that name.
pub fn find(name: &str) -> Option<&'static Entry> {
    ALL.iter().find(|entry| entry.name == name)
}
