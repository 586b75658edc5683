//! What an environment can do to its nodes besides starting, killing and freezing processes, and why not.
//!
//! Invariant: [`can`] only looks and tries in places of its own; it changes nothing. One arm for each
//! ability, so that a developer who adds one must say for every kind of environment whether it is available.

use serde::{Deserialize, Serialize};

use crate::EnvKind;

/// Something that a fault needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Ability {
    /// Restarting a store that was killed.
    Restart,
    /// Handing leadership to another node; depends on the store.
    Transfer,
    /// Taking nodes out of the cluster and back; depends on the store.
    Membership,
    /// Dropping the past: log and old revisions; depends on the store.
    Compact,
    /// Cutting links between nodes.
    Cut,
    /// Cutting links between clients and nodes.
    CutClients,
    /// Delaying, losing, duplicating, reordering and corrupting what passes a link, and limiting its rate.
    Shape,
    /// Shifting the wall clocks of single processes.
    Clock,
    /// Making fsync lie, fail or take long.
    Fsync,
    /// Losing the power of single nodes' disks: what was not synced is gone.
    Power,
    /// Filling single nodes' disks.
    Fill,
}

impl Ability {
    /// All of them.
    pub const ALL: &[Ability] = &[
        Ability::Restart,
        Ability::Transfer,
        Ability::Membership,
        Ability::Compact,
        Ability::Cut,
        Ability::CutClients,
        Ability::Shape,
        Ability::Clock,
        Ability::Fsync,
        Ability::Power,
        Ability::Fill,
    ];

    /// Whether it depends on the store, and not on the place where it runs.
    pub fn is_of_store(self) -> bool {
        matches!(self, Ability::Transfer | Ability::Membership | Ability::Compact)
    }

    /// Its name on command lines and between programs.
    pub fn name(self) -> &'static str {
        match self {
            Ability::Restart => "restart",
            Ability::Transfer => "transfer",
            Ability::Membership => "membership",
            Ability::Compact => "compact",
            Ability::Cut => "cut",
            Ability::CutClients => "cut-clients",
            Ability::Shape => "shape",
            Ability::Clock => "clock",
            Ability::Fsync => "fsync",
            Ability::Power => "power",
            Ability::Fill => "fill",
        }
    }

    /// The ability of that name.
    pub fn named(name: &str) -> Option<Ability> {
        Ability::ALL
            .iter()
            .copied()
            .find(|ability| ability.name() == name)
    }
}

/// Whether environments of this kind have this ability on this machine.
///
/// # Errors
/// Why not, and what to do about it, in one line for the user that can follow "cannot work: ".
pub fn can(kind: EnvKind, ability: Ability) -> Result<(), String> {
    match (ability, kind) {
        (_, EnvKind::External) => {
            Err("perjury did not start this cluster and knows only its endpoints, not its hosts".into())
        }
        (Ability::Membership, EnvKind::Reached) => Err(
            "a member that comes back may have to start with an empty disk, and perjury did not start this \
             cluster"
                .into(),
        ),
        (Ability::Restart | Ability::Transfer | Ability::Membership | Ability::Compact, _) => Ok(()),
        (Ability::Cut, EnvKind::Docker) => may_enter_containers(),
        (Ability::Shape, EnvKind::Docker | EnvKind::Ssh | EnvKind::Reached) => {
            Err("only the switch of --env netns can shape links".into())
        }
        (Ability::Power, EnvKind::Docker) => {
            Err("containers have no loop devices; use --env netns as root".into())
        }
        (Ability::Clock | Ability::Fsync | Ability::Fill, EnvKind::Docker) => crate::inside::can(),
        (Ability::CutClients, EnvKind::Docker | EnvKind::Ssh | EnvKind::Reached) => Err(
            "the clients share a host with perjury, which needs its own connections to the nodes; use --env \
             netns"
                .into(),
        ),
        // The hosts say so themselves once they are reached.
        (_, EnvKind::Ssh) => Ok(()),
        (Ability::Cut | Ability::Clock, EnvKind::Reached) => Ok(()),
        (Ability::Fsync | Ability::Power | Ability::Fill, EnvKind::Reached) => {
            Err("perjury did not start this store, and its disk is not perjury's to break".into())
        }
        // The switch needs nothing but the namespaces.
        (Ability::Cut | Ability::CutClients | Ability::Shape, EnvKind::Netns) => Ok(()),
        (Ability::Cut | Ability::CutClients | Ability::Shape, EnvKind::Local) => {
            Err("plain processes share the host's network; use --env netns".into())
        }
        // In a user namespace of its own a controller may trace what runs there.
        (Ability::Clock, EnvKind::Netns) => crate::inside::can(),
        (Ability::Power, EnvKind::Netns | EnvKind::Local) => crate::inside::volume::can_lose_power(),
        // There a tmpfs can be mounted, in a mount namespace of its own.
        (Ability::Fill, EnvKind::Netns) => Ok(()),
        (Ability::Fill, EnvKind::Local) => crate::inside::volume::can_lose_power(),
        (Ability::Fsync, EnvKind::Netns | EnvKind::Local) => crate::inside::can(),
        (Ability::Clock, EnvKind::Local) => crate::inside::can().and_then(|()| may_trace()),
    }
}

/// Whether the network namespaces of containers can be entered (setns(2)).
fn may_enter_containers() -> Result<(), String> {
    match nix::unistd::geteuid().is_root() {
        true => Ok(()),
        false => Err("entering the networks of containers takes root on their host; run as root".into()),
    }
}

/// Whether processes that are not descendants may be traced (Documentation/admin-guide/LSM/Yama.rst).
fn may_trace() -> Result<(), String> {
    let scope = std::fs::read_to_string("/proc/sys/kernel/yama/ptrace_scope").unwrap_or_default();
    match scope.trim() {
        "" | "0" => Ok(()),
        _ if nix::unistd::geteuid().is_root() && scope.trim() != "3" => Ok(()),
        scope => Err(format!(
            "kernel.yama.ptrace_scope is {scope}, so processes may not be traced; run as root, or use --env \
             netns"
        )),
    }
}
