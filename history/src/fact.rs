//! Facts: what a note says in data, for checks that read nothing but the history.

use serde::{Deserialize, Serialize};

/// What a note says in data.
///
/// In the journal: `"fact":{"not-back":{…}}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fact {
    /// Of [`crate::NoteKind::NotBack`].
    NotBack(NotBack),
    /// Of [`crate::NoteKind::Led`]: the terms in which this node led.
    Led(Vec<u64>),
    /// Of [`crate::NoteKind::State`]: what this node's state was at one index.
    State(StateHash),
    /// Of [`crate::NoteKind::Size`]: how large this node is.
    Size(Size),
}

/// What a node's state was at one index: two nodes that have applied the same log agree.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct StateHash {
    /// The index (or revision) up to which everything was applied.
    pub index: u64,
    /// What else must be equal for two states to be comparable, such as the revision up to which the past was
    /// dropped; 0 if nothing.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub base: u64,
    /// The hash of the state, in the store's own notation.
    pub hash: String,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands over a reference")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// How large a node is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Size {
    /// The memory that its processes keep resident, bytes.
    pub memory_bytes: u64,
    /// The files in its data directory, bytes.
    pub data_bytes: u64,
}

/// How a store was found that did not come back after the last heal.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NotBack {
    /// How long it was given, milliseconds.
    pub given_ms: u64,
    /// How many operations were invoked after the store had seemed to be back, none of which was answered; 0
    /// where it never seemed so.
    #[serde(default)]
    pub unanswered: u64,
    /// Why the system says that it needs an operator now; absent if it does not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operator: Option<String>,
    /// What each node was like.
    pub nodes: Vec<NodeFound>,
}

/// One node of a store that did not come back.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeFound {
    /// Its name.
    pub node: String,
    /// What its process was doing at the end.
    pub state: FoundState,
    /// Whether it had been given up because of damage to its files.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub given_up: bool,
    /// How often its process had ended by itself in that time.
    #[serde(default)]
    pub ended: u32,
    /// How often perjury started it again.
    #[serde(default)]
    pub started: u32,
    /// Why perjury could not start it the last time that it tried; absent if it could.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_started: Option<String>,
    /// The last lines of its log.
    #[serde(default)]
    pub said: Vec<String>,
}

/// What the process of a node was doing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FoundState {
    /// It ran.
    Running,
    /// It was frozen.
    Stopped,
    /// It had ended.
    Gone,
    /// That could not be found out.
    #[default]
    Unknown,
}
