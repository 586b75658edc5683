//! The faults, one file each, and the list of them all.

mod client_partition;
mod clock;
mod compact;
mod corrupt;
mod crash_loop;
mod disk_full;
mod fsync;
mod kill;
mod membership;
mod packet;
mod partition;
mod pause;
mod power;
mod restart;
mod transfer;

use crate::Entry;

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
