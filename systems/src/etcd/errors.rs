//! What each error of etcd means for the operation that met it.
//!
//! The JSON gateway passes on the error of its member's gRPC server: `{"error":…,"message":…,"code":…}` in
//! grpc-gateway 1 (etcd 3.4, 3.5), without `error` in grpc-gateway 2 (etcd 3.6). Errors are told apart by
//! their text, as etcd's own client does (api/v3rpc/rpctypes/error.go, `errStringToError`): `too many
//! requests` comes with the code UNKNOWN, because util.go maps it to a client-side error.
//!
//! The gateway is a gRPC client of its own member, with one connection and no retry policy
//! (server/embed/serve.go, `registerGateway`), so that it repeats nothing that the member may have seen:
//! without a policy grpc-go sends a call again only if it was certainly not processed (gRPC proposal A6,
//! "transparent retries").
//!
//! A write is certain not to happen if etcd refused it before it was proposed to Raft, or if every member
//! refuses it when it is applied. Files are those of etcd 3.5 under server/; 3.4 and 3.6 were read too.

use history::{ErrorClass, ErrorRule};

use crate::http::{CONNECTION_LOST, NO_ANSWER, NOT_CONNECTED, NOT_SUPPORTED, NOT_UNDERSTOOD};

/// The whole table.
pub(super) static ERRORS: [ErrorRule; 27] = [
    TOO_MANY_REQUESTS,
    TOO_LARGE,
    PROPOSAL_DROPPED,
    NO_LEADER,
    LEASE_NOT_FOUND,
    BAD_REQUEST,
    INVALID_TOKEN,
    NOT_PERMITTED,
    COMPACTED,
    NOT_CAPABLE,
    NO_SPACE,
    REQUEST_TIMED_OUT,
    LEADER_CHANGED,
    SERVER_STOPPED,
    CANCELLED,
    CORRUPT,
    OTHER,
    LOGIN_FAILED,
    WATCH_ENDED,
    LOST_RACE,
    HELD,
    NOT_HELD,
    NOT_CONNECTED,
    NO_ANSWER,
    CONNECTION_LOST,
    NOT_UNDERSTOOD,
    NOT_SUPPORTED,
];

/// What the texts begin with, and what they mean.
static SAID: [(&str, ErrorRule); 26] = [
    ("etcdserver: too many requests", TOO_MANY_REQUESTS),
    ("etcdserver: request is too large", TOO_LARGE),
    ("raft proposal dropped", PROPOSAL_DROPPED),
    ("etcdserver: no leader", NO_LEADER),
    ("etcdserver: requested lease not found", LEASE_NOT_FOUND),
    ("etcdserver: too many operations in txn request", BAD_REQUEST),
    ("etcdserver: duplicate key given in txn request", BAD_REQUEST),
    ("etcdserver: key is not provided", BAD_REQUEST),
    ("etcdserver: invalid auth token", INVALID_TOKEN),
    ("etcdserver: permission denied", NOT_PERMITTED),
    ("etcdserver: user name is empty", NOT_PERMITTED),
    ("etcdserver: revision of auth store is old", NOT_PERMITTED),
    ("etcdserver: authentication failed", NOT_PERMITTED),
    ("etcdserver: authentication is not enabled", NOT_PERMITTED),
    (
        "etcdserver: mvcc: required revision has been compacted",
        COMPACTED,
    ),
    ("etcdserver: not capable", NOT_CAPABLE),
    ("etcdserver: rpc not supported for learner", NOT_CAPABLE),
    ("etcdserver: mvcc: database space exceeded", NO_SPACE),
    ("etcdserver: request timed out", REQUEST_TIMED_OUT),
    ("etcdserver: leader changed", LEADER_CHANGED),
    ("etcdserver: server stopped", SERVER_STOPPED),
    ("etcdserver: request canceled", CANCELLED),
    ("etcdserver: context deadline exceeded", CANCELLED),
    ("context canceled", CANCELLED),
    ("context deadline exceeded", CANCELLED),
    ("etcdserver: corrupt cluster", CORRUPT),
];

/// The rule for the server's text.
pub(super) fn said(message: &str) -> ErrorRule {
    (SAID.iter())
        .find(|(beginning, _)| message.starts_with(beginning))
        .map_or(OTHER, |(_, rule)| rule.clone())
}

/// The member lags behind its own log.
const TOO_MANY_REQUESTS: ErrorRule = ErrorRule::new(
    "too-many-requests",
    "etcdserver: too many requests",
    true,
    ErrorClass::Unavailable,
    "returned before anything is proposed: etcdserver/v3_server.go, processInternalRaftRequestOnce",
);

/// Too much for one request.
const TOO_LARGE: ErrorRule = ErrorRule::new(
    "too-large",
    "etcdserver: request is too large",
    true,
    ErrorClass::Rejected,
    "returned before anything is proposed: etcdserver/v3_server.go, processInternalRaftRequestOnce",
);

/// The member's Raft did not accept it.
const PROPOSAL_DROPPED: ErrorRule = ErrorRule::new(
    "proposal-dropped",
    "raft proposal dropped",
    true,
    ErrorClass::Unavailable,
    "the member's own Raft took nothing in: raft/node.go, stepWithWaitOption; raft/raft.go, stepLeader, \
             stepCandidate, stepFollower",
);

/// There is no leader.
const NO_LEADER: ErrorRule = ErrorRule::new(
    "no-leader",
    "etcdserver: no leader",
    true,
    ErrorClass::Unavailable,
    "returned before the request is handled: etcdserver/api/v3rpc/interceptor.go, newUnaryInterceptor; \
             otherwise only for a lease's renewal: etcdserver/v3_server.go, waitLeader",
);

/// The request makes no sense.
const BAD_REQUEST: ErrorRule = ErrorRule::new(
    "bad-request",
    "etcdserver: too many operations in txn request, duplicate key given in txn request, key is not provided",
    true,
    ErrorClass::Rejected,
    "checked before the request is handled: etcdserver/api/v3rpc/key.go, checkTxnRequest, checkIntervals",
);

/// The user lacks the permission.
const NOT_PERMITTED: ErrorRule = ErrorRule::new(
    "not-permitted",
    "etcdserver: permission denied, user name is empty, authentication failed, revision of auth store \
     is old, …",
    true,
    ErrorClass::Rejected,
    "checked before anything is changed, by the same log on every member: \
     etcdserver/apply_auth.go, Put, Txn; \
             auth/store.go, isOpPermitted",
);

/// The member cannot do it yet.
const NOT_CAPABLE: ErrorRule = ErrorRule::new(
    "not-capable",
    "etcdserver: not capable, rpc not supported for learner",
    true,
    ErrorClass::Unavailable,
    "returned before the request is handled: etcdserver/api/v3rpc/interceptor.go, newUnaryInterceptor",
);

/// The database has reached its size limit.
const NO_SPACE: ErrorRule = ErrorRule::new(
    "no-space",
    "etcdserver: mvcc: database space exceeded",
    false,
    ErrorClass::Rejected,
    "may be reported for a write that was done: etcdserver/apply.go, quotaApplierV3.Put and Txn apply it \
     first and \
             then return ErrNoSpace",
);

/// The cluster took too long.
const REQUEST_TIMED_OUT: ErrorRule = ErrorRule::new(
    "request-timed-out",
    "etcdserver: request timed out, possibly due to previous leader failure, or connection lost, …",
    false,
    ErrorClass::Timeout,
    "it was proposed and may yet be committed: etcdserver/server.go, parseProposeCtxErr",
);

/// Another member leads now.
const LEADER_CHANGED: ErrorRule = ErrorRule::new(
    "leader-changed",
    "etcdserver: leader changed",
    false,
    ErrorClass::Unavailable,
    "said of linearizable reads: etcdserver/v3_server.go, requestCurrentIndex; of a write it would prove \
             nothing",
);

/// The member is being stopped.
const SERVER_STOPPED: ErrorRule = ErrorRule::new(
    "server-stopped",
    "etcdserver: server stopped",
    false,
    ErrorClass::Unavailable,
    "also said after the request was proposed: etcdserver/v3_server.go, processInternalRaftRequestOnce",
);

/// The request was given up.
const CANCELLED: ErrorRule = ErrorRule::new(
    "cancelled",
    "context deadline exceeded, context canceled, etcdserver: request canceled",
    false,
    ErrorClass::Timeout,
    "the wait for Raft ended, which does not withdraw the proposal: raft/node.go, stepWithWaitOption",
);

/// The members are known to differ.
const CORRUPT: ErrorRule = ErrorRule::new(
    "corrupt",
    "etcdserver: corrupt cluster",
    false,
    ErrorClass::Rejected,
    "etcdserver/corrupt.go, applierV3Corrupt; members that are known to differ prove nothing",
);

/// A lease that a key was to be attached to is gone.
pub(super) const LEASE_NOT_FOUND: ErrorRule = ErrorRule::new(
    "lease-not-found",
    "etcdserver: requested lease not found",
    true,
    ErrorClass::Rejected,
    "looked up before the key is put: etcdserver/apply.go, Put, checkRequestPut",
);
/// The member has forgotten the login, as after a restart; the next operation logs in again.
pub(super) const INVALID_TOKEN: ErrorRule = ErrorRule::new(
    "invalid-token",
    "etcdserver: invalid auth token",
    true,
    ErrorClass::Rejected,
    "returned before anything is proposed: etcdserver/v3_server.go, AuthInfoFromCtx",
);
/// Only reads of the past meet it.
pub(super) const COMPACTED: ErrorRule = ErrorRule::new(
    "compacted",
    "etcdserver: mvcc: required revision has been compacted",
    true,
    ErrorClass::Rejected,
    "an error of reads and watches: mvcc/kvstore_txn.go, rangeKeys; mvcc/watchable_store.go, syncWatchers",
);
/// The watch ended before it had sent everything.
pub(super) const WATCH_ENDED: ErrorRule = ErrorRule::new(
    "watch-ended",
    "the watch was cancelled by the server, or its stream ended",
    true,
    ErrorClass::Unavailable,
    "a watch changes nothing: etcdserver/api/v3rpc/watch.go, sendLoop",
);
/// Any other error of the server.
const OTHER: ErrorRule = ErrorRule::new(
    "other-error",
    "any other error that etcd or its gateway answers with",
    false,
    ErrorClass::Other,
    "an error that is not documented to be certain is not certain",
);
/// The login failed, so nothing else was sent.
pub(super) const LOGIN_FAILED: ErrorRule = ErrorRule::new(
    "login-failed",
    "no login (POST /v3/auth/authenticate) before the operation",
    true,
    ErrorClass::Rejected,
    "the operation itself was not sent",
);
/// Another client changed what was read.
pub(super) const LOST_RACE: ErrorRule = ErrorRule::new(
    "lost-race",
    "another operation came between the read and the txn that an operation is made of",
    true,
    ErrorClass::Rejected,
    "`succeeded` is false: only the empty else-branch was done (etcd API guarantees, `Txn`)",
);
/// The lock is held.
pub(super) const HELD: ErrorRule = ErrorRule::new(
    "held",
    "the lock is held",
    true,
    ErrorClass::Rejected,
    "`succeeded` is false: the key exists, so it was not created",
);
/// This client does not hold the lock.
pub(super) const NOT_HELD: ErrorRule = ErrorRule::new(
    "not-held",
    "the lock is not, or no longer, held by this client",
    true,
    ErrorClass::Rejected,
    "`succeeded` is false: the key that this client created is gone, so nothing was deleted",
);

#[cfg(test)]
mod tests {
    use history::{Op, Outcome};
    use reqwest::StatusCode;

    use super::super::gateway::refused;
    use super::*;

    #[test]
    fn answers_of_the_gateway_are_classified() {
        // As etcd 3.4.23, 3.5 and 3.6 send them.
        let cases: &[(u16, &str, &str, bool)] = &[
            (
                429,
                r#"{"error":"etcdserver: too many requests","message":"etcdserver: too many requests","code":2}"#,
                "too-many-requests",
                true,
            ),
            (
                400,
                r#"{"error":"etcdserver: request is too large","code":3}"#,
                "too-large",
                true,
            ),
            (
                500,
                r#"{"code":2,"message":"raft proposal dropped","details":[]}"#,
                "proposal-dropped",
                true,
            ),
            (
                503,
                r#"{"message":"etcdserver: no leader","code":14}"#,
                "no-leader",
                true,
            ),
            (
                404,
                r#"{"message":"etcdserver: requested lease not found","code":5}"#,
                "lease-not-found",
                true,
            ),
            (
                401,
                r#"{"message":"etcdserver: invalid auth token","code":16}"#,
                "invalid-token",
                true,
            ),
            (
                403,
                r#"{"message":"etcdserver: permission denied","code":7}"#,
                "not-permitted",
                true,
            ),
            (
                429,
                r#"{"message":"etcdserver: mvcc: database space exceeded","code":8}"#,
                "no-space",
                false,
            ),
            (
                503,
                r#"{"message":"etcdserver: request timed out","code":14}"#,
                "request-timed-out",
                false,
            ),
            (
                503,
                r#"{"message":"etcdserver: request timed out, possibly due to previous leader failure","code":14}"#,
                "request-timed-out",
                false,
            ),
            (
                503,
                r#"{"message":"etcdserver: leader changed","code":14}"#,
                "leader-changed",
                false,
            ),
            (
                503,
                r#"{"message":"etcdserver: server stopped","code":14}"#,
                "server-stopped",
                false,
            ),
            (
                504,
                r#"{"message":"context deadline exceeded","code":4}"#,
                "cancelled",
                false,
            ),
            (
                503,
                r#"{"message":"transport is closing","code":14}"#,
                "other-error",
                false,
            ),
            (
                500,
                r#"{"message":"etcdserver: something new","code":2}"#,
                "other-error",
                false,
            ),
            (
                500,
                r#"{"message":"said etcdserver: no leader","code":2}"#,
                "other-error",
                false,
            ),
            (
                503,
                r#"{"error":{"grpc_code":14,"http_code":503,"message":"etcdserver: server stopped"}}"#,
                "server-stopped",
                false,
            ),
            (404, "404 page not found\n", "not-understood", false),
            (502, "<html>Bad Gateway</html>", "not-understood", false),
            (500, "{}", "not-understood", false),
        ];
        let write = Op::Write {
            key: 1.into(),
            value: 2.into(),
        };
        for (status, body, rule, is_certain) in cases {
            let error = refused(StatusCode::from_u16(*status).unwrap(), body.as_bytes());
            assert_eq!(error.rule.name, *rule, "{body}");
            let outcome = error.outcome(&write);
            assert_eq!(
                matches!(outcome, Outcome::Fail(_)),
                *is_certain,
                "{body}: {outcome:?}"
            );
            assert_eq!(outcome.reason().unwrap().rule, *rule, "{body}");
        }
    }

    #[test]
    fn whatever_is_said_stands_in_the_table_and_names_are_unique() {
        for (text, rule) in &SAID {
            assert!(ERRORS.contains(rule), "{text}");
            // No earlier row shadows it.
            assert_eq!(said(text), *rule, "{text}");
        }
        for (n, rule) in ERRORS.iter().enumerate() {
            assert!(
                ERRORS[..n].iter().all(|other| other.name != rule.name),
                "{}",
                rule.name
            );
        }
    }
}
