//! The systems under test: one file a system, one list that names them all.

mod bundled;
mod process;

use control::MakeSystem;

/// A planted bug of a system, and how to catch it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlantedBug {
    /// Its name on the command line.
    pub name: &'static str,
    /// What it breaks.
    pub description: &'static str,
    /// The nemesis that shows it, as written after `--nemesis`.
    pub nemesis: &'static str,
}

/// One system on the list.
#[derive(Clone, Copy)]
pub struct Entry {
    /// Its name on the command line.
    pub name: &'static str,
    /// What it is, in one line.
    pub description: &'static str,
    /// The bugs that can be switched on in it.
    pub bugs: fn() -> Vec<PlantedBug>,
    /// Makes it ready to run in an environment.
    pub make: MakeSystem,
}

/// Every system.
pub const ALL: &[Entry] = &[bundled::ENTRY];

/// The system of that name.
pub fn find(name: &str) -> Option<&'static Entry> {
    ALL.iter().find(|entry| entry.name == name)
}
