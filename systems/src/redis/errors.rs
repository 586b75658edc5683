//! What each error of Redis means for the operation that met it.
//!
//! What a server answers with a code of the table came from the checks that `processCommand` (src/server.c of
//! Redis 7.0) makes before it executes a command: such a command was not executed. The cas is a script; there
//! the checks are made again for each of its commands, and an error ends it (`scriptCall` in src/script.c).
//! Its only write is its last command, so that a script that ended with an error has written nothing either.
//! All other codes prove nothing.

use history::{ErrorClass, ErrorRule, Op, Outcome};
use redis::{ErrorKind, RedisError};

use crate::http::{CONNECTION_LOST, NO_ANSWER, NOT_CONNECTED, NOT_SUPPORTED, NOT_UNDERSTOOD};

/// The sentinel does not answer or names no master.
pub(super) const NO_MASTER: ErrorRule = ErrorRule::new(
    "no-master",
    "the sentinel of the client's node names no master",
    true,
    ErrorClass::Unavailable,
    "nothing was sent to a Redis",
);

const READ_ONLY: ErrorRule = ErrorRule::new(
    "read-only",
    "READONLY: a write was sent to a replica",
    true,
    ErrorClass::Unavailable,
    "src/server.c, processCommand: \"Don't accept write commands if this is a read only slave\"",
);
const LOADING: ErrorRule = ErrorRule::new(
    "loading",
    "LOADING: the server still reads its files",
    true,
    ErrorClass::Unavailable,
    "src/server.c, processCommand: checked before the command is executed",
);
const MASTER_DOWN: ErrorRule = ErrorRule::new(
    "master-down",
    "MASTERDOWN: a replica without a master that serves no old data",
    true,
    ErrorClass::Unavailable,
    "src/server.c, processCommand: replica-serve-stale-data is checked before the command is executed",
);
const NO_REPLICAS: ErrorRule = ErrorRule::new(
    "no-replicas",
    "NOREPLICAS: fewer replicas than min-replicas-to-write",
    true,
    ErrorClass::Unavailable,
    "src/server.c, processCommand: \"Don't accept write commands if there are not enough good slaves\"",
);
const BUSY: ErrorRule = ErrorRule::new(
    "busy",
    "BUSY: the server is running a slow script",
    true,
    ErrorClass::Unavailable,
    "src/server.c, processCommand: all but a few commands are rejected then",
);
const OUT_OF_MEMORY: ErrorRule = ErrorRule::new(
    "out-of-memory",
    "OOM: the server's memory limit is reached",
    true,
    ErrorClass::Rejected,
    "src/server.c, processCommand: maxmemory is checked before the command is executed",
);
const CANNOT_PERSIST: ErrorRule = ErrorRule::new(
    "cannot-persist",
    "MISCONF: the server cannot write its files",
    true,
    ErrorClass::Unavailable,
    "src/server.c, processCommand: \"Don't accept write commands if there are problems persisting on disk\"",
);
const NOT_LOGGED_IN: ErrorRule = ErrorRule::new(
    "not-logged-in",
    "NOAUTH: the server requires a password",
    true,
    ErrorClass::Rejected,
    "src/server.c, processCommand: checked before the command is executed",
);
const NOT_ALLOWED: ErrorRule = ErrorRule::new(
    "not-allowed",
    "NOPERM: the user may not do that",
    true,
    ErrorClass::Rejected,
    "src/server.c, processCommand: ACLs are checked before the command is executed",
);
const WRONG_TYPE: ErrorRule = ErrorRule::new(
    "wrong-type",
    "WRONGTYPE: the key holds another kind of object",
    true,
    ErrorClass::Rejected,
    "src/object.c, checkType: a command's first step, before it changes anything",
);
const ELSEWHERE: ErrorRule = ErrorRule::new(
    "elsewhere",
    "MOVED, ASK, CLUSTERDOWN: a server of a Redis Cluster does not serve this key",
    true,
    ErrorClass::Rejected,
    "src/server.c, processCommand: getNodeByQuery comes before the execution; redirections are not followed",
);
/// What is left.
const OTHER_ERROR: ErrorRule = ErrorRule::new(
    "other-error",
    "the server answers with any other error",
    false,
    ErrorClass::Rejected,
    "most of these come before anything was changed, but that is not documented for all",
);

pub(super) static ERRORS: [ErrorRule; 18] = [
    NO_MASTER,
    READ_ONLY,
    LOADING,
    MASTER_DOWN,
    NO_REPLICAS,
    BUSY,
    OUT_OF_MEMORY,
    CANNOT_PERSIST,
    NOT_LOGGED_IN,
    NOT_ALLOWED,
    WRONG_TYPE,
    ELSEWHERE,
    OTHER_ERROR,
    NOT_CONNECTED,
    NO_ANSWER,
    CONNECTION_LOST,
    NOT_UNDERSTOOD,
    NOT_SUPPORTED,
];

/// What an error means that came where the answer to a request should have come.
pub(super) fn unanswered(op: &Op, error: &RedisError) -> Outcome {
    rule(error).outcome(op, error.to_string())
}

fn rule(error: &RedisError) -> ErrorRule {
    match (error.kind(), error.code()) {
        (_, Some(code)) => by_code(code),
        (ErrorKind::Io, None) if error.is_timeout() => NO_ANSWER,
        (ErrorKind::Io, None) => CONNECTION_LOST,
        _ => NOT_UNDERSTOOD,
    }
}

/// The first word of an error answer.
fn by_code(code: &str) -> ErrorRule {
    match code {
        "READONLY" => READ_ONLY,
        "LOADING" => LOADING,
        "MASTERDOWN" => MASTER_DOWN,
        "NOREPLICAS" => NO_REPLICAS,
        "BUSY" => BUSY,
        "OOM" => OUT_OF_MEMORY,
        "MISCONF" => CANNOT_PERSIST,
        "NOAUTH" => NOT_LOGGED_IN,
        "NOPERM" => NOT_ALLOWED,
        "WRONGTYPE" => WRONG_TYPE,
        "MOVED" | "ASK" | "CLUSTERDOWN" => ELSEWHERE,
        _ => OTHER_ERROR,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::io;

    use history::Value;

    use super::*;

    fn write() -> Op {
        Op::Write {
            key: Value::Nil,
            value: 1.into(),
        }
    }

    /// The name of the rule, and whether the write certainly did not happen.
    fn judged(error: &RedisError) -> (String, bool) {
        match unanswered(&write(), error) {
            Outcome::Fail(history::Failure::Error(reason)) => (reason.rule.clone(), true),
            Outcome::Info(reason) => (reason.rule.clone(), false),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_a_server_refuses_did_not_happen() {
        let cases = [
            (
                "-READONLY You can't write against a read only replica.",
                "read-only",
                true,
            ),
            (
                "-READONLY You can't write against a read only replica. script: 9f, on @user_script:3.",
                "read-only",
                true,
            ),
            ("-LOADING Redis is loading the dataset in memory", "loading", true),
            (
                "-MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.",
                "master-down",
                true,
            ),
            (
                "-NOREPLICAS Not enough good replicas to write.",
                "no-replicas",
                true,
            ),
            ("-BUSY Redis is busy running a script.", "busy", true),
            (
                "-OOM command not allowed when used memory > 'maxmemory'.",
                "out-of-memory",
                true,
            ),
            (
                "-MISCONF Errors writing to the AOF file: No space left on device",
                "cannot-persist",
                true,
            ),
            ("-NOAUTH Authentication required.", "not-logged-in", true),
            (
                "-NOPERM this user has no permissions to run the 'set' command",
                "not-allowed",
                true,
            ),
            (
                "-WRONGTYPE Operation against a key holding the wrong kind of value",
                "wrong-type",
                true,
            ),
            ("-MOVED 3999 127.0.0.1:6381", "elsewhere", true),
            ("-CLUSTERDOWN Hash slot not served", "elsewhere", true),
            (
                "-ERR value is not an integer or out of range",
                "other-error",
                false,
            ),
            (
                "-UNBLOCKED force unblock from blocking operation",
                "other-error",
                false,
            ),
            ("-NOVEL and never heard of", "other-error", false),
        ];
        for (answer, rule, is_certain) in cases {
            let answer = redis::parse_redis_value(format!("{answer}\r\n").as_bytes()).unwrap();
            let error = answer.extract_error().unwrap_err();
            assert_eq!(judged(&error), (rule.to_owned(), is_certain), "{error}");
        }
    }

    #[test]
    fn a_request_without_an_answer_is_in_doubt() {
        let cases = [
            (io::ErrorKind::TimedOut, "no-answer"),
            (io::ErrorKind::BrokenPipe, "connection-lost"),
            (io::ErrorKind::ConnectionReset, "connection-lost"),
            // On a connection that was made: it may have come after the request.
            (io::ErrorKind::ConnectionRefused, "connection-lost"),
            (io::ErrorKind::UnexpectedEof, "connection-lost"),
        ];
        for (kind, rule) in cases {
            let error = RedisError::from(io::Error::from(kind));
            assert_eq!(judged(&error), (rule.to_owned(), false), "{kind}");
        }
        let parsing = RedisError::from((ErrorKind::Parse, "not RESP"));
        assert_eq!(judged(&parsing), ("not-understood".to_owned(), false));
    }

    #[test]
    fn every_rule_has_a_name_of_its_own() {
        let names: BTreeSet<_> = ERRORS.iter().map(|rule| &rule.name).collect();
        assert_eq!(names.len(), ERRORS.len());
    }
}
