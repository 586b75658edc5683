//! What each error of Consul means for an operation.
//!
//! Consul reports most errors with status 500 and a sentence; the sentences are constants in its source.

use history::{ErrorClass, ErrorRule};

use crate::http::{CONNECTION_LOST, NO_ANSWER, NOT_CONNECTED, NOT_SUPPORTED, NOT_UNDERSTOOD};

const NO_LEADER: ErrorRule = ErrorRule::new(
    "no-leader",
    "500 \"No cluster leader\"",
    true,
    ErrorClass::Unavailable,
    "\"No leader errors are always safe to retry since no state could have been changed\": \
     agent/consul/rpc.go, canRetry; \
     structs.ErrNoLeader",
);
const DENIED: ErrorRule = ErrorRule::new(
    "denied",
    "403: the token may not do it, or is unknown",
    true,
    ErrorClass::Rejected,
    "kvsPreApply verifies \"BEFORE we submit as a Raft log entry\": agent/consul/kvs_endpoint.go",
);
const REFUSED: ErrorRule = ErrorRule::new(
    "refused",
    "400, 405 or 413: the agent does not pass such a request on",
    true,
    ErrorClass::Rejected,
    "agent/kvs_endpoint.go, KVSEndpoint and KVSPut, before the RPC",
);
const LIMITED: ErrorRule = ErrorRule::new(
    "limited",
    "429, or \"Rate limit reached\", \"RPC rate limit exceeded\"",
    true,
    ErrorClass::Unavailable,
    "the limiter denies a request before it is handled: Consul documentation, \"Limit traffic rates\", \
     section \"Request denials\"",
);
/// The session of a lock client has ended.
pub(super) const NO_SESSION: ErrorRule = ErrorRule::new(
    "no-session",
    "500 \"invalid session\": the session has expired or was destroyed",
    true,
    // The runner drops a client that lost its connection.
    ErrorClass::ConnectionLost,
    "agent/consul/state/kvs.go, kvsLockTxn, looks the session up before it changes anything",
);
const SERVER_ERROR: ErrorRule = ErrorRule::new(
    "server-error",
    "any other status from 500 on: \"leadership lost while committing log\", \
     \"rpc error making call: EOF\", …",
    false,
    ErrorClass::Unavailable,
    "raft.ErrLeadershipLost: the entry was appended, and may yet be committed by the next leader; \
     the others are not documented",
);
/// Another change came between the two steps of a cas or an add.
pub(super) const LOST_RACE: ErrorRule = ErrorRule::new(
    "lost-race",
    "another change came between the read and the ?cas= write that a cas or an add is made of",
    true,
    ErrorClass::Rejected,
    "the answer `false`: \"the key is only set if the index matches the ModifyIndex of that key\" \
     (KV Store, Create/Update Key)",
);
/// A try-lock that found the lock taken.
pub(super) const HELD: ErrorRule = ErrorRule::new(
    "held",
    "another client holds the lock, or its lock-delay is not over",
    true,
    ErrorClass::Rejected,
    "the answer `false` to ?acquire= (KV Store, Create/Update Key; agent/consul/state/kvs.go, kvsLockTxn)",
);
/// A release by a client that does not hold it.
pub(super) const NOT_HELD: ErrorRule = ErrorRule::new(
    "not-held",
    "this client does not, or no longer, hold the lock",
    true,
    ErrorClass::Rejected,
    "the answer `false` to ?release=: \"the key must be held by this session to be unlocked\" \
     (KV Store, Create/Update Key)",
);
/// A lock that was acquired, but whose token could not be read.
pub(super) const NO_TOKEN: ErrorRule = ErrorRule::new(
    "no-token",
    "the lock was acquired, but its LockIndex could not be read before another client acquired it",
    false,
    ErrorClass::Unavailable,
    "?acquire= answers only true or false",
);

pub(super) static ERRORS: [ErrorRule; 15] = [
    NO_LEADER,
    DENIED,
    REFUSED,
    LIMITED,
    NO_SESSION,
    SERVER_ERROR,
    LOST_RACE,
    HELD,
    NOT_HELD,
    NO_TOKEN,
    NOT_CONNECTED,
    NO_ANSWER,
    CONNECTION_LOST,
    NOT_UNDERSTOOD,
    NOT_SUPPORTED,
];

/// The rule for an answer other than success.
pub(super) fn rule(status: u16, text: &str) -> ErrorRule {
    match status {
        400 | 405 | 413 => REFUSED,
        403 => DENIED,
        429 => LIMITED,
        500.. if text.contains("leadership lost") => SERVER_ERROR,
        500.. if text.contains("No cluster leader") => NO_LEADER,
        500.. if text.contains("invalid session") => NO_SESSION,
        500.. if text.contains("Rate limit reached") || text.contains("RPC rate limit exceeded") => LIMITED,
        500.. => SERVER_ERROR,
        _ => NOT_UNDERSTOOD,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_never_passed_on_is_certain() {
        let cases = [
            (400, "Missing key name", "refused", true),
            (403, "Permission denied", "denied", true),
            (405, "method DELETE not allowed", "refused", true),
            (413, "Request body(600000 bytes) too large", "refused", true),
            (429, "Rate limit reached, try again later", "limited", true),
            (500, "No cluster leader", "no-leader", true),
            (500, "rpc error making call: No cluster leader", "no-leader", true),
            (
                500,
                "rpc error making call: invalid session \"adf4238a\"",
                "no-session",
                true,
            ),
            (500, "RPC rate limit exceeded", "limited", true),
            (503, "Rate limit reached, try again later", "limited", true),
            (500, "leadership lost while committing log", "server-error", false),
            (500, "rpc error making call: EOF", "server-error", false),
            (500, "node is not the leader", "server-error", false),
            (500, "raft is already shutdown", "server-error", false),
            (500, "", "server-error", false),
            (502, "Bad Gateway", "server-error", false),
            (503, "", "server-error", false),
            (302, "", "not-understood", false),
            (404, "", "not-understood", false),
        ];
        for (status, text, name, is_certain) in cases {
            let rule = rule(status, text);
            assert_eq!(
                (&*rule.name, rule.is_certain),
                (name, is_certain),
                "{status} {text}"
            );
        }
    }

    #[test]
    fn names_are_unique() {
        let mut names: Vec<_> = ERRORS.iter().map(|rule| rule.name.clone()).collect();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), ERRORS.len());
    }
}
