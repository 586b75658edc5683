//! What each error of ZooKeeper, and of its connection, means for an operation.
//!
//! An answer with a code of the server concerns this very request: the leader decided it in its order and
//! changed nothing, and the followers did the same (`PrepRequestProcessor.pRequest` turns the exception into
//! an error transaction, which is ordered and committed like any other). An error that all requests under way
//! get, because their connection or session ended, proves nothing about any of them.

use history::{ErrorClass, ErrorRule, Op, Outcome};

use super::connection::{Error, State};
use super::wire::Code;
use crate::http::{NOT_SUPPORTED, NOT_UNDERSTOOD};

const NO_NODE: ErrorRule = ErrorRule::new(
    "no-node",
    "NONODE (-101): the node, or its parent, does not exist",
    true,
    ErrorClass::Rejected,
    "KeeperException.Code.NONODE; PrepRequestProcessor.getRecordForPath",
);
const NODE_EXISTS: ErrorRule = ErrorRule::new(
    "node-exists",
    "NODEEXISTS (-110): the node already exists",
    true,
    ErrorClass::Rejected,
    "KeeperException.Code.NODEEXISTS; PrepRequestProcessor.pRequest2TxnCreate",
);
const BAD_VERSION: ErrorRule = ErrorRule::new(
    "bad-version",
    "BADVERSION (-103): the node has another version than the request names",
    true,
    ErrorClass::Rejected,
    "KeeperException.Code.BADVERSION; PrepRequestProcessor.checkAndIncVersion",
);
const NO_AUTH: ErrorRule = ErrorRule::new(
    "no-auth",
    "NOAUTH (-102): the node's access list does not allow it",
    true,
    ErrorClass::Rejected,
    "KeeperException.Code.NOAUTH; ZooKeeperServer.checkACL, before the transaction is made",
);
const REFUSED: ErrorRule = ErrorRule::new(
    "refused",
    "BADARGUMENTS, UNIMPLEMENTED, NOCHILDRENFOREPHEMERALS, NOTEMPTY, INVALIDACL, QUOTAEXCEEDED, \
     NOTREADONLY, NOWATCHER, \
     RECONFIGDISABLED, or SESSIONMOVED (\"so operation is ignored\")",
    true,
    ErrorClass::Rejected,
    "KeeperException.Code; all are thrown before a transaction is made (PrepRequestProcessor, \
     UnimplementedRequestProcessor, \
     ReadOnlyRequestProcessor)",
);
const THROTTLED: ErrorRule = ErrorRule::new(
    "throttled",
    "THROTTLEDOP (-127): \"operation was throttled and not executed at all\"",
    true,
    ErrorClass::Unavailable,
    "KeeperException.Code.THROTTLEDOP, since 3.6",
);
/// Another change came between the two steps of a cas or an add.
pub(super) const LOST_RACE: ErrorRule = ErrorRule::new(
    "lost-race",
    "another change came between the read and the conditional write that a cas or an add is made of",
    true,
    ErrorClass::Rejected,
    "the conditional write was answered with BADVERSION or NODEEXISTS, and so changed nothing",
);
/// A try-lock that found the lock taken, and took its own node away.
pub(super) const HELD: ErrorRule = ErrorRule::new(
    "held",
    "another client holds the lock, and this client has deleted its own node from the queue",
    true,
    ErrorClass::Rejected,
    "only the lowest sequence number holds the lock (ZooKeeper Recipes, \"Locks\")",
);
/// A release by a client that does not hold the lock.
pub(super) const NOT_HELD: ErrorRule = ErrorRule::new(
    "not-held",
    "this client does not hold the lock, or no longer does: its node is gone",
    true,
    ErrorClass::Rejected,
    "an ephemeral node goes with its session (ZooKeeper Programmer's Guide, \"Ephemeral Nodes\"); deleting \
     it was answered with NONODE",
);
/// A try-lock whose node is left behind.
pub(super) const LEFT_QUEUED: ErrorRule = ErrorRule::new(
    "left-queued",
    "the client queued for the lock, and then could neither learn whether it has it nor leave the queue",
    false,
    ErrorClass::Unavailable,
    "its node stays until its session expires, and may become the lowest",
);
/// A try-lock whose node has disappeared.
pub(super) const PLACE_LOST: ErrorRule = ErrorRule::new(
    "place-lost",
    "the client queued for the lock, and its node is not in the queue any more",
    false,
    ErrorClass::Unavailable,
    "only the end of its session, or another user, can have removed it; it is unknown whether it was the \
     lowest before",
);
const DISCONNECTED: ErrorRule = ErrorRule::new(
    "disconnected",
    "the session has no connection at the moment",
    true,
    ErrorClass::Unavailable,
    "found before anything was sent",
);
const SESSION_OVER: ErrorRule = ErrorRule::new(
    "session-over",
    "the session had already ended",
    true,
    // The runner drops a client that lost its connection.
    ErrorClass::ConnectionLost,
    "found before anything was sent",
);
const CONNECTION_LOSS: ErrorRule = ErrorRule::new(
    "connection-loss",
    "the connection broke, or was silent for too long, while the request was under way",
    false,
    ErrorClass::ConnectionLost,
    "ZooKeeper FAQ, \"How should I handle the CONNECTION_LOSS error?\": the request may or may not have \
     been done",
);
const SESSION_ENDED: ErrorRule = ErrorRule::new(
    "session-ended",
    "the session expired, or its login failed, while the request was under way",
    false,
    ErrorClass::ConnectionLost,
    "all requests under way are answered so, and some of them may have been done",
);
const SYSTEM_ERROR: ErrorRule = ErrorRule::new(
    "system-error",
    "MARSHALLINGERROR (-5), REQUESTTIMEOUT (-122), or a code that is not in the client's list",
    false,
    ErrorClass::Unavailable,
    "FinalRequestProcessor answers MARSHALLINGERROR also when something went wrong after the change was made",
);

pub(super) static ERRORS: [ErrorRule; 18] = [
    NO_NODE,
    NODE_EXISTS,
    BAD_VERSION,
    NO_AUTH,
    REFUSED,
    THROTTLED,
    LOST_RACE,
    HELD,
    NOT_HELD,
    LEFT_QUEUED,
    PLACE_LOST,
    DISCONNECTED,
    SESSION_OVER,
    CONNECTION_LOSS,
    SESSION_ENDED,
    SYSTEM_ERROR,
    NOT_UNDERSTOOD,
    NOT_SUPPORTED,
];

/// The outcome of `op`, whose only request that can change anything was answered with `error`.
pub(super) fn outcome(op: &Op, error: &Error) -> Outcome {
    rule(error).outcome(op, error.to_string())
}

/// The outcome of `op` if the session is in no state to send anything.
pub(super) fn refusal(op: &Op, state: State) -> Option<Outcome> {
    match state {
        State::Connected => None,
        State::Disconnected => Some(DISCONNECTED.outcome(op, "no connection")),
        State::Over => Some(SESSION_OVER.outcome(op, "the session is over")),
    }
}

fn rule(error: &Error) -> ErrorRule {
    match error {
        Error::Code(code) => rule_of_code(*code),
        Error::ConnectionLost(_) => CONNECTION_LOSS,
        Error::SessionEnded(_) => SESSION_ENDED,
        Error::NotUnderstood(_) => NOT_UNDERSTOOD,
    }
}

fn rule_of_code(code: Code) -> ErrorRule {
    match code {
        Code::NO_NODE => NO_NODE,
        Code::NODE_EXISTS => NODE_EXISTS,
        Code::BAD_VERSION => BAD_VERSION,
        Code::NO_AUTH => NO_AUTH,
        Code::BAD_ARGUMENTS
        | Code::UNIMPLEMENTED
        | Code::NO_CHILDREN_FOR_EPHEMERALS
        | Code::NOT_EMPTY
        | Code::INVALID_ACL
        | Code::QUOTA_EXCEEDED
        | Code::NOT_READ_ONLY
        | Code::NO_WATCHER
        | Code::RECONFIG_DISABLED
        | Code::SESSION_MOVED => REFUSED,
        Code::THROTTLED => THROTTLED,
        Code::SESSION_EXPIRED | Code::AUTH_FAILED | Code::SESSION_CLOSED_REQUIRE_SASL_AUTH => SESSION_ENDED,
        // MARSHALLINGERROR, and what is not in the list, prove nothing.
        _ => SYSTEM_ERROR,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_the_server_refused_is_certain() {
        let certain = [
            (Error::NO_NODE, "no-node"),
            (Error::NODE_EXISTS, "node-exists"),
            (Error::BAD_VERSION, "bad-version"),
            (Error::Code(Code::NO_AUTH), "no-auth"),
            (Error::Code(Code::NOT_EMPTY), "refused"),
            (Error::Code(Code::INVALID_ACL), "refused"),
            (Error::Code(Code::NOT_READ_ONLY), "refused"),
            (Error::Code(Code::SESSION_MOVED), "refused"),
            (Error::Code(Code::THROTTLED), "throttled"),
        ];
        let in_doubt = [
            (Error::ConnectionLost("reset".into()), "connection-loss"),
            (Error::Code(Code::SESSION_EXPIRED), "session-ended"),
            (Error::Code(Code::AUTH_FAILED), "session-ended"),
            (Error::SessionEnded("expired".into()), "session-ended"),
            (
                Error::Code(Code::SESSION_CLOSED_REQUIRE_SASL_AUTH),
                "session-ended",
            ),
            (Error::Code(Code::MARSHALLING_ERROR), "system-error"),
            (Error::Code(Code(-122)), "system-error"),
            (Error::Code(Code(-7)), "system-error"),
            (Error::NotUnderstood("xid".into()), "not-understood"),
        ];
        let write = Op::Write {
            key: 1.into(),
            value: 2.into(),
        };
        let read = Op::Read { key: 1.into() };
        let cases =
            (certain.iter().map(|case| (case, "fail"))).chain(in_doubt.iter().map(|case| (case, "info")));
        for ((error, rule), expected) in cases {
            let outcome = outcome(&write, error);
            assert_eq!(outcome.name(), expected, "{error:?}");
            assert_eq!(
                outcome.reason().map(|reason| reason.rule.as_str()),
                Some(*rule),
                "{error:?}"
            );
            assert_eq!(
                super::outcome(&read, error).name(),
                "fail",
                "a read changes nothing: {error:?}"
            );
        }
    }

    #[test]
    fn nothing_is_sent_without_a_session() {
        let write = Op::Write {
            key: 1.into(),
            value: 2.into(),
        };
        assert_eq!(refusal(&write, State::Connected), None);
        let cases = [
            (State::Disconnected, "disconnected"),
            (State::Over, "session-over"),
        ];
        for (state, rule) in cases {
            let refusal = refusal(&write, state).unwrap();
            assert_eq!(refusal.name(), "fail", "{state:?}");
            assert_eq!(
                refusal.reason().map(|reason| reason.rule.as_str()),
                Some(rule),
                "{state:?}"
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
