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
}

impl Ability {
    /// All of them.
    pub const ALL: &[Ability] = &[Ability::Cut, Ability::Shape];

    /// What it does, as in "links can be cut".
    pub fn name(self) -> &'static str {
        match self {
            Ability::Cut => "links can be cut",
            Ability::Shape => "links can be shaped",
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
    }
}
