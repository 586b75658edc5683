//! The systems under test: one file a system, one list that names them all.

mod bundled;
mod cluster;
mod consul;
mod entry;
mod etcd;
mod foreign_processes;
mod http;
mod last_words;
mod planted;
mod process;
mod program;
mod redis;
mod zookeeper;

use std::time::Duration;

use control::{Access, ControlError};

pub use entry::{Demand, Entry, Locate, ReadMode};
pub use planted::{Oracle, PlantedBug};
use program::{find_program, random_name};

/// Every system.
pub const ALL: &[Entry] = &[
    bundled::ENTRY,
    etcd::ENTRY,
    consul::ENTRY,
    zookeeper::ENTRY,
    redis::ENTRY,
];

/// The system of that name.
pub fn find(name: &str) -> Option<&'static Entry> {
    ALL.iter().find(|entry| entry.name == name)
}

/// An HTTP client with one connection that repeats no request and follows no redirect, for loads beside the
/// clients'.
///
/// # Errors
/// When the system's certificates cannot be used.
pub fn http_client(timeout: Duration) -> Result<reqwest::Client, ControlError> {
    http::client(timeout, &Access::default())
}
