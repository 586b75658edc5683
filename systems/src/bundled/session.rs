//! A session of a client, under which a request that is sent again counts once; and what can be wrong with
//! one.

use history::{ErrorClass, ErrorRule};

pub(super) const NO_SESSION: ErrorRule = ErrorRule::new(
    "no-session",
    "no session could be opened",
    true,
    ErrorClass::Unavailable,
    "the add is sent only under a session",
);
pub(super) const EXPIRED: ErrorRule = ErrorRule::new(
    "session-expired",
    "the session of the add is forgotten, and with it whether an earlier try was applied",
    false,
    ErrorClass::Rejected,
    "`session-expired`, raft/src/node/answer.rs",
);

/// A session with the cluster.
#[derive(Debug, Default)]
pub(super) struct Session {
    /// Its number, once it is open.
    pub number: Option<u64>,
    /// The number of the last request under it.
    pub sequence: u64,
}
