//! What an environment can do to its nodes besides starting, killing and freezing processes, and why not.
//!
//! Invariant: [`can`] only looks and tries in places of its own; it changes nothing. One arm an ability, so that whoever
//! adds one must say for every kind of environment how it is had.

use std::fmt;

use crate::EnvKind;

/// Something that a fault needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Ability {
    /// Cutting links between nodes.
    Cut,
    /// Delaying, losing, doubling, reordering and damaging what passes a link, and making it slow.
    Shape,
    /// Shifting the wall clocks of single processes.
    Clock,
    /// Making fsync lie, fail or slow.
    Fsync,
    /// Losing the power of single nodes' disks: what was not synced is gone.
    Power,
    /// Filling single nodes' disks.
    Fill,
}

impl Ability {
    /// All of them.
    pub const ALL: &[Ability] = &[
        Ability::Cut,
        Ability::Shape,
        Ability::Clock,
        Ability::Fsync,
        Ability::Power,
        Ability::Fill,
    ];

    /// What it does, as in "links can be cut".
    pub fn name(self) -> &'static str {
        match self {
            Ability::Cut => "links can be cut",
            Ability::Shape => "links can be shaped",
            Ability::Clock => "clocks of processes can be shifted",
            Ability::Power => "disks can lose power",
            Ability::Fill => "disks can be full",
            Ability::Fsync => "fsync can be made to lie, fail or be slow",
        }
    }
}

impl fmt::Display for Ability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Whether environments of this kind can do that on this machine.
///
/// # Errors
/// Why not, and what to do about it, in one line for the user that can follow "cannot work: ".
pub fn can(kind: EnvKind, ability: Ability) -> Result<(), String> {
    match (ability, kind) {
        (_, EnvKind::External) => Err(
            "the cluster was started by somebody else, and nothing is known of its nodes but their endpoints"
                .into(),
        ),
        // The switch needs nothing but the namespaces.
        (Ability::Cut | Ability::Shape, EnvKind::Netns) => Ok(()),
        (Ability::Cut | Ability::Shape, EnvKind::Local) => {
            Err("plain processes share the host's network; use --env netns".into())
        }
        // In a user namespace of its own a controller may trace what runs there.
        (Ability::Clock, EnvKind::Netns) => crate::tamper::can(),
        (Ability::Power, EnvKind::Netns | EnvKind::Local) => crate::volume::can_lose_power(),
        // There a tmpfs can be mounted, in a mount namespace of its own.
        (Ability::Fill, EnvKind::Netns) => Ok(()),
        (Ability::Fill, EnvKind::Local) => crate::volume::can_lose_power(),
        (Ability::Fsync, EnvKind::Netns | EnvKind::Local) => crate::tamper::can(),
        (Ability::Clock, EnvKind::Local) => crate::tamper::can().and_then(|()| may_trace()),
    }
}

/// Whether processes that are not descendants may be traced (Documentation/admin-guide/LSM/Yama.rst).
fn may_trace() -> Result<(), String> {
    let scope = std::fs::read_to_string("/proc/sys/kernel/yama/ptrace_scope").unwrap_or_default();
    match scope.trim() {
        "" | "0" => Ok(()),
        _ if nix::unistd::geteuid().is_root() && scope.trim() != "3" => Ok(()),
        scope => Err(format!(
            "kernel.yama.ptrace_scope is {scope}, so that processes may not be traced; run as root, or use --env netns"
        )),
    }
}
