//! How this program came into namespaces of its own: the map of its user, and what it knew of the outside.

use std::fs;
use std::io;
use std::sync::OnceLock;

use nix::unistd::{Gid, Uid};

use crate::Pid;
use crate::environments::env_choice::Means;
use crate::undo::Place;

/// What is known of the outside.
#[derive(Debug)]
pub(super) struct Entered {
    /// The supervisor, as the outside sees it.
    pub(super) supervisor: Pid,
    /// Where the supervisor is.
    pub(super) place: Place,
    /// How the namespaces were obtained.
    pub(super) means: Means,
}

static ENTERED: OnceLock<Entered> = OnceLock::new();

/// What [`note`] was given; `None` outside.
pub(super) fn entered() -> Option<&'static Entered> {
    ENTERED.get()
}

/// Notes how this program got into its namespaces. Called once, inside.
pub(super) fn note(entered: Entered) {
    // A second call would say the same.
    let _ = ENTERED.set(entered);
}

/// user_namespaces(7): an unprivileged process may map only itself, and its group only once setgroups is
/// denied.
pub(super) fn map_to_root(uid: Uid, gid: Gid) -> io::Result<()> {
    fs::write("/proc/self/setgroups", "deny")?;
    fs::write("/proc/self/uid_map", format!("0 {uid} 1"))?;
    fs::write("/proc/self/gid_map", format!("0 {gid} 1"))
}
