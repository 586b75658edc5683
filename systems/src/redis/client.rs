//! One connection of one process to the master that the sentinel of its node names, or to the server that the
//! user named.
//!
//! Invariants:
//! - Each operation is one command, sent once. An add is INCRBY or SADD, and a cas is a script, which Redis
//!   executes like one command, so that no other client's command comes in between.
//! - After any error the connection is given up, and the next operation asks the sentinel again: the master
//!   may have changed. Nothing was sent of an operation that fails before it has a connection.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use control::Client;
use history::{Key, ObjectKind, Op, Outcome, Value};
use redis::aio::MultiplexedConnection;
use redis::{Cmd, cmd};

use super::errors::{NO_MASTER, unanswered};
use super::link::Address;
use super::store::MASTER_NAME;
use crate::http::{NOT_CONNECTED, NOT_SUPPORTED, NOT_UNDERSTOOD};

/// Sets a key to ARGV[2] if it holds ARGV[1], where an empty text stands for a key that is not there. Answers
/// whether it did, and with what it found.
const CAS: &str = "\
local current = redis.call('GET', KEYS[1])
if current == ARGV[1] or (not current and ARGV[1] == '') then
    redis.call('SET', KEYS[1], ARGV[2])
    return {1, current}
end
return {0, current}";

/// How a client reaches its server.
pub(super) enum Entrance {
    /// This sentinel names it.
    Sentinel(Address),
    /// This is the server.
    Server(Address),
}

/// See [`Client`] for what it must not do.
pub(super) struct RedisClient {
    entrance: Entrance,
    object: ObjectKind,
    prefix: Arc<str>,
    timeout: Duration,
    connection: Option<MultiplexedConnection>,
}

impl RedisClient {
    /// Not connected yet.
    pub fn new(entrance: Entrance, object: ObjectKind, prefix: Arc<str>, timeout: Duration) -> RedisClient {
        RedisClient {
            entrance,
            object,
            prefix,
            timeout,
            connection: None,
        }
    }

    /// The connection, made now if there is none; or the outcome of `op` if none can be made.
    async fn connection(&mut self, op: &Op) -> Result<&mut MultiplexedConnection, Outcome> {
        let connection = match self.connection.take() {
            Some(connection) => connection,
            None => {
                // A quarter each for the sentinel and the connection, so that the operation's own time does
                // not run out before it is known that nothing was sent.
                let limit = self.timeout / 4;
                let master = match &self.entrance {
                    Entrance::Server(server) => server,
                    Entrance::Sentinel(sentinel) => &master(sentinel, limit)
                        .await
                        .map_err(|message| NO_MASTER.outcome(op, message))?,
                };
                master
                    .connect(limit, self.timeout)
                    .await
                    .map_err(|error| NOT_CONNECTED.outcome(op, error.to_string()))?
            }
        };
        Ok(self.connection.insert(connection))
    }
}

/// The server that the sentinel names.
async fn master(sentinel: &Address, limit: Duration) -> Result<Address, String> {
    let mut question = cmd("SENTINEL");
    question.arg("get-master-addr-by-name").arg(MASTER_NAME);
    let answer: Option<(String, u16)> = sentinel
        .ask(&question, limit)
        .await
        .map_err(|error| format!("the sentinel: {error}"))?;
    let (host, port) = answer.ok_or("the sentinel knows no master")?;
    Address::new(host, port).map_err(|error| error.to_string())
}

#[async_trait]
impl Client for RedisClient {
    async fn invoke(&mut self, op: &Op) -> Outcome {
        let Some(request) = request(&self.prefix, self.object, op) else {
            return NOT_SUPPORTED.outcome(op, format!("{op} of a {}", self.object));
        };
        let connection = match self.connection(op).await {
            Ok(connection) => connection,
            Err(outcome) => return outcome,
        };
        let outcome = match request.query_async(connection).await {
            Ok(answer) => answered(self.object, op, &answer)
                .unwrap_or_else(|| NOT_UNDERSTOOD.outcome(op, format!("{answer:?}"))),
            Err(error) => unanswered(op, &error),
        };
        if !outcome.is_answer() {
            self.connection = None;
        }
        outcome
    }
}

/// The command that does `op`; `None` if there is none.
fn request(prefix: &str, object: ObjectKind, op: &Op) -> Option<Cmd> {
    let key = name(prefix, op.key());
    let mut request = Cmd::new();
    match (object, op) {
        (ObjectKind::Register | ObjectKind::Counter, Op::Read { .. }) => request.arg("GET").arg(key),
        (ObjectKind::Register, Op::Write { value, .. }) => request.arg("SET").arg(key).arg(encoded(value)?),
        (ObjectKind::Register, Op::Cas { expected, new, .. }) => {
            let expected = match expected {
                Value::Nil => String::new(),
                expected => encoded(expected)?,
            };
            request
                .arg("EVAL")
                .arg(CAS)
                .arg(1)
                .arg(key)
                .arg(expected)
                .arg(encoded(new)?)
        }
        (ObjectKind::Set, Op::Read { .. }) => request.arg("SMEMBERS").arg(key),
        (ObjectKind::Set, Op::Add { value, .. }) => request.arg("SADD").arg(key).arg(encoded(value)?),
        (
            ObjectKind::Counter,
            Op::Add {
                value: Value::Int(amount),
                ..
            },
        ) => request.arg("INCRBY").arg(key).arg(*amount),
        _ => return None,
    };
    Some(request)
}

/// What an answer to `op` means; `None` if it makes no sense.
fn answered(object: ObjectKind, op: &Op, answer: &redis::Value) -> Option<Outcome> {
    use redis::Value as Reply;
    Some(match (object, op, answer) {
        (ObjectKind::Counter, Op::Read { .. }, Reply::Nil) => Outcome::ok_value(Value::Int(0)),
        (ObjectKind::Register | ObjectKind::Counter, Op::Read { .. }, reply) => {
            Outcome::ok_value(decoded(reply)?)
        }
        (ObjectKind::Register, Op::Write { .. }, Reply::Okay) => Outcome::ok(),
        (ObjectKind::Register, Op::Cas { .. }, Reply::Array(parts)) => match parts.as_slice() {
            [Reply::Int(1), _] => Outcome::ok(),
            [Reply::Int(0), current] => Outcome::mismatch(Some(decoded(current)?)),
            _ => return None,
        },
        (ObjectKind::Set, Op::Read { .. }, Reply::Array(elements) | Reply::Set(elements)) => {
            Outcome::ok_value(Value::list(elements.iter().map(decoded).collect::<Option<_>>()?))
        }
        // How many elements were new, and the new sum.
        (ObjectKind::Set | ObjectKind::Counter, Op::Add { .. }, Reply::Int(_)) => Outcome::ok(),
        _ => return None,
    })
}

/// A value as it is stored: as JSON, which is a number's usual notation. Nil is a key that does not exist, so
/// it cannot be stored.
fn encoded(value: &Value) -> Option<String> {
    match value {
        Value::Nil => None,
        value => serde_json::to_string(value).ok(),
    }
}

fn decoded(stored: &redis::Value) -> Option<Value> {
    match stored {
        redis::Value::Nil => Some(Value::Nil),
        redis::Value::BulkString(bytes) => serde_json::from_slice(bytes).ok(),
        _ => None,
    }
}

/// How a key of the history is called in the store.
fn name(prefix: &str, key: &Key) -> String {
    match key {
        Value::Text(text) => format!("{prefix}{text}"),
        key => format!("{prefix}{key}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn add(value: Value) -> Op {
        Op::Add { key: 7.into(), value }
    }

    fn read() -> Op {
        Op::Read { key: 7.into() }
    }

    fn cas(expected: Value, new: Value) -> Op {
        Op::Cas {
            key: 7.into(),
            expected,
            new,
        }
    }

    fn write(value: Value) -> Op {
        Op::Write { key: 7.into(), value }
    }

    #[test]
    fn an_operation_is_one_command() {
        let list = Value::list(vec![1.into()]);
        let cases: &[(ObjectKind, Op, Option<Vec<&str>>)] = &[
            (ObjectKind::Register, read(), Some(vec!["GET", "p:7"])),
            (
                ObjectKind::Register,
                write(5.into()),
                Some(vec!["SET", "p:7", "5"]),
            ),
            (
                ObjectKind::Register,
                write(Value::text("x")),
                Some(vec!["SET", "p:7", "\"x\""]),
            ),
            (ObjectKind::Register, write(Value::Nil), None),
            (
                ObjectKind::Register,
                cas(5.into(), 6.into()),
                Some(vec!["EVAL", CAS, "1", "p:7", "5", "6"]),
            ),
            (
                ObjectKind::Register,
                cas(Value::Nil, 6.into()),
                Some(vec!["EVAL", CAS, "1", "p:7", "", "6"]),
            ),
            (ObjectKind::Register, cas(5.into(), Value::Nil), None),
            (ObjectKind::Register, add(1.into()), None),
            (ObjectKind::Set, read(), Some(vec!["SMEMBERS", "p:7"])),
            (ObjectKind::Set, add(list), Some(vec!["SADD", "p:7", "[1]"])),
            (ObjectKind::Set, write(1.into()), None),
            (ObjectKind::Counter, read(), Some(vec!["GET", "p:7"])),
            (
                ObjectKind::Counter,
                add((-3).into()),
                Some(vec!["INCRBY", "p:7", "-3"]),
            ),
            (ObjectKind::Counter, add(Value::text("3")), None),
            (ObjectKind::Lock, Op::Acquire { key: 7.into() }, None),
        ];
        for (object, op, expected) in cases {
            let request = request("p:", *object, op).map(|request| request.get_packed_command());
            let expected = expected.as_ref().map(|words| {
                let mut command = Cmd::new();
                command.arg(words.as_slice());
                command.get_packed_command()
            });
            assert_eq!(request, expected, "{op} of a {object}");
        }
    }

    #[test]
    fn answers_are_understood() {
        let cases: &[(ObjectKind, Op, &str, Option<Outcome>)] = &[
            (
                ObjectKind::Register,
                read(),
                "$-1\r\n",
                Some(Outcome::ok_value(Value::Nil)),
            ),
            (
                ObjectKind::Register,
                read(),
                "$1\r\n5\r\n",
                Some(Outcome::ok_value(5.into())),
            ),
            (ObjectKind::Register, read(), "$1\r\nx\r\n", None),
            (ObjectKind::Register, read(), ":5\r\n", None),
            (
                ObjectKind::Register,
                write(5.into()),
                "+OK\r\n",
                Some(Outcome::ok()),
            ),
            (ObjectKind::Register, write(5.into()), "$-1\r\n", None),
            (
                ObjectKind::Register,
                cas(1.into(), 2.into()),
                "*2\r\n:1\r\n$1\r\n1\r\n",
                Some(Outcome::ok()),
            ),
            (
                ObjectKind::Register,
                cas(1.into(), 2.into()),
                "*2\r\n:0\r\n$1\r\n3\r\n",
                Some(Outcome::mismatch(Some(3.into()))),
            ),
            (
                ObjectKind::Register,
                cas(1.into(), 2.into()),
                "*2\r\n:0\r\n$-1\r\n",
                Some(Outcome::mismatch(Some(Value::Nil))),
            ),
            (
                ObjectKind::Register,
                cas(1.into(), 2.into()),
                "*1\r\n:1\r\n",
                None,
            ),
            (
                ObjectKind::Set,
                read(),
                "*0\r\n",
                Some(Outcome::ok_value(Value::list(Vec::new()))),
            ),
            (
                ObjectKind::Set,
                read(),
                "*2\r\n$1\r\n4\r\n$1\r\n2\r\n",
                Some(Outcome::ok_value(Value::list(vec![4.into(), 2.into()]))),
            ),
            (ObjectKind::Set, add(4.into()), ":1\r\n", Some(Outcome::ok())),
            (
                ObjectKind::Counter,
                read(),
                "$-1\r\n",
                Some(Outcome::ok_value(0.into())),
            ),
            (
                ObjectKind::Counter,
                read(),
                "$2\r\n-3\r\n",
                Some(Outcome::ok_value((-3).into())),
            ),
            (ObjectKind::Counter, add(4.into()), ":12\r\n", Some(Outcome::ok())),
            (ObjectKind::Counter, add(4.into()), "+OK\r\n", None),
        ];
        for (object, op, answer, expected) in cases {
            let answer = redis::parse_redis_value(answer.as_bytes()).unwrap();
            assert_eq!(
                &answered(*object, op, &answer),
                expected,
                "{op} of a {object}: {answer:?}"
            );
        }
    }
}
