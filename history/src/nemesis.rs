//! What the nemesis did. Its operations are in the same history as the clients'.

use serde::{Deserialize, Serialize};

use crate::Target;

/// One act of a nemesis, as requested.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct NemesisOp {
    /// Which nemesis: `kill`, `pause`, `partition`, …
    pub nemesis: String,
    /// Whether the fault begins or ends.
    pub action: NemesisAction,
    /// What it is aimed at: `one`, `leader`, `jump=50@n1`, …
    #[serde(default, skip_serializing_if = "Target::is_empty")]
    pub target: Target,
}

impl NemesisOp {
    /// Undoes every fault at the end of a run.
    pub fn heal() -> NemesisOp {
        NemesisOp {
            nemesis: HEAL.to_owned(),
            action: NemesisAction::Stop,
            target: Target::default(),
        }
    }

    /// Whether this is [`NemesisOp::heal`].
    pub fn is_heal(&self) -> bool {
        self.nemesis == HEAL && self.action == NemesisAction::Stop
    }
}

/// The name of the heal at the end of a run in the journal. No nemesis has it.
const HEAL: &str = "heal";

/// Whether a fault begins or ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NemesisAction {
    /// The fault begins.
    Start,
    /// The fault ends and its undo is done.
    Stop,
}

/// What a nemesis really did.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct NemesisOutcome {
    /// The nodes that were hit.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub nodes: Vec<String>,
    /// What was done, human-readable: `n1 n2 | n3 n4 n5`, `killed n3 (leader)`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub detail: String,
    /// The target that does exactly this again: `n1+n3`, `n1>n2+n3;n2>n1`. Empty if only the requested one
    /// does.
    #[serde(default, skip_serializing_if = "Target::is_empty")]
    pub exact: Target,
    /// Whether it took hold.
    pub hold: Hold,
}

/// Whether a fault took hold, as found by a probe and not by the exit code of the tool that installed it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "hold", content = "why", rename_all = "kebab-case")]
pub enum Hold {
    /// A probe saw the fault, or after the end of the fault no longer saw it.
    Verified,
    /// It was tried, and a probe contradicts it. A run with such a fault is never `valid`.
    Failed(String),
    /// It was tried, and the store refused, as it may: what operators ask of it is not always possible.
    /// Nothing is known to have changed, but it is undone like any other.
    Refused(String),
    /// The store was asked to do it, and did not say whether it has done so: it may have, or may do so later.
    Unsettled(String),
    /// It was not tried, for the reason given (say, no such node was alive). Of the end of a fault: it is
    /// over, and had nothing to act on meanwhile.
    Skipped(String),
}
