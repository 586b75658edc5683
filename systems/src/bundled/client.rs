//! What the client does for each operation, and what the node's answers mean.
//!
//! It takes the node's word on errors: `"happened":"no"` is a `fail`, all else is `info`.

use std::time::Duration;

use async_trait::async_trait;
use control::{Access, Client, ControlError};
use history::{ErrorClass, ErrorRule, Key, ObjectKind, Op, Outcome, Value};
use serde::{Deserialize, Serialize};

use super::session::{EXPIRED, NO_SESSION, Session};
use crate::http::{
    self, CONNECTION_LOST, NO_ANSWER, NOT_CONNECTED, NOT_SUPPORTED, NOT_UNDERSTOOD, unanswered,
};

const REFUSED: ErrorRule = ErrorRule::new(
    "refused",
    "the node answers that it has not done it and never will",
    true,
    ErrorClass::Unavailable,
    "`\"happened\":\"no\"`, raft/src/node/answer.rs",
);
const IN_DOUBT: ErrorRule = ErrorRule::new(
    "in-doubt",
    "the node answers that it does not know whether it was done",
    false,
    ErrorClass::Unavailable,
    "`\"happened\":\"maybe\"`, raft/src/node/answer.rs",
);

const LOST_RACE: ErrorRule = ErrorRule::new(
    "lost-race",
    "another add came between the read and the cas that an add is made of",
    true,
    ErrorClass::Rejected,
    "a cas that found another value changed nothing",
);

pub(super) static ERRORS: [ErrorRule; 10] = [
    REFUSED,
    NO_SESSION,
    EXPIRED,
    LOST_RACE,
    IN_DOUBT,
    NOT_CONNECTED,
    NO_ANSWER,
    CONNECTION_LOST,
    NOT_UNDERSTOOD,
    NOT_SUPPORTED,
];

/// One connection. See [`Client`] for what it must not do.
pub(super) struct BundledClient {
    http: reqwest::Client,
    base: String,
    prefix: String,
    object: ObjectKind,
    /// How long it waits for an answer.
    pub(super) timeout: Duration,
    /// Under which adds are repeated, where they are.
    pub(super) session: Session,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Body<'a> {
    Read {
        key: &'a str,
    },
    Write {
        key: &'a str,
        value: &'a Value,
    },
    Cas {
        key: &'a str,
        expected: &'a Value,
        new: &'a Value,
    },
}

#[derive(Deserialize)]
struct ReadAnswer {
    value: Value,
}

#[derive(Deserialize)]
struct CasAnswer {
    swapped: bool,
    #[serde(default)]
    current: Value,
}

#[derive(Deserialize)]
struct ErrorAnswer {
    error: String,
    #[serde(default)]
    message: String,
    happened: String,
}

#[async_trait]
impl Client for BundledClient {
    async fn invoke(&mut self, op: &Op) -> Outcome {
        match (self.object, op) {
            (ObjectKind::Register, Op::Read { .. } | Op::Write { .. } | Op::Cas { .. }) => {
                self.request(op, op).await
            }
            (ObjectKind::Set | ObjectKind::Counter | ObjectKind::OnceCounter, Op::Read { .. }) => {
                match self.request(op, op).await {
                    Outcome::Ok(answer) => {
                        let held = answer.value.unwrap_or_default();
                        match contents(self.object, &held) {
                            Some(contents) => Outcome::ok_value(contents),
                            None => NOT_UNDERSTOOD.outcome(op, format!("{held} is not a {}", self.object)),
                        }
                    }
                    outcome => outcome,
                }
            }
            (ObjectKind::Set | ObjectKind::Counter, Op::Add { key, value }) => self.add(op, key, value).await,
            (ObjectKind::OnceCounter, Op::Add { key, value }) => self.add_once(op, key, value).await,
            _ => NOT_SUPPORTED.outcome(op, format!("no {} of a {}", op.kind(), self.object)),
        }
    }
}

impl BundledClient {
    /// A client of the node at `base`. The connection is made by the first request, where a failure to
    /// connect is told apart from others.
    pub(super) fn new(
        base: String,
        prefix: String,
        object: ObjectKind,
        timeout: Duration,
    ) -> Result<BundledClient, ControlError> {
        Ok(BundledClient {
            http: http::client(timeout, &Access::default())?,
            base,
            prefix,
            object,
            timeout,
            session: Session::default(),
        })
    }

    /// Reads the value and replaces it if it is still the same: one try.
    async fn add(&self, op: &Op, key: &Key, value: &Value) -> Outcome {
        // Nothing was changed yet, so any error is a certain `fail`.
        let expected = match self.request(op, &Op::Read { key: key.clone() }).await {
            Outcome::Ok(answer) => answer.value.unwrap_or_default(),
            failed => return failed,
        };
        let Some(new) = added(self.object, &expected, value) else {
            return NOT_UNDERSTOOD.outcome(op, format!("cannot add {value} to {expected}"));
        };
        let cas = Op::Cas {
            key: key.clone(),
            expected,
            new,
        };
        match self.request(op, &cas).await {
            Outcome::Fail(history::Failure::Mismatch { .. }) => {
                LOST_RACE.outcome(op, "another add came first")
            }
            outcome => outcome,
        }
    }

    /// The name of a key in the store.
    pub(super) fn name_of(&self, key: &Key) -> String {
        format!("{}{}", self.prefix, name(key))
    }

    /// Sends a body once and waits at most so long; gives whether it was accepted, and the answer.
    ///
    /// # Errors
    /// When there is no answer: it may have been received all the same.
    pub(super) async fn post_within<B: Serialize + Sync>(
        &self,
        path: &str,
        body: &B,
        limit: Duration,
    ) -> Result<(bool, Vec<u8>), String> {
        let request = self
            .http
            .post(format!("{}/{path}", self.base))
            .json(body)
            .timeout(limit);
        let response = request.send().await.map_err(|error| error.to_string())?;
        let is_success = response.status().is_success();
        let bytes = response.bytes().await.map_err(|error| error.to_string())?;
        Ok((is_success, bytes.to_vec()))
    }

    pub(super) fn not_understood(op: &Op, why: &str) -> Outcome {
        NOT_UNDERSTOOD.outcome(op, why)
    }

    /// What an error says of an operation, if it can be read.
    pub(super) fn refusal(op: &Op, bytes: &[u8]) -> Option<Outcome> {
        serde_json::from_slice(bytes)
            .ok()
            .map(|answer| refused(op, answer))
    }

    /// Sends `request` once, on behalf of `op`.
    async fn request(&self, op: &Op, request: &Op) -> Outcome {
        let key = self.name_of(request.key());
        let (path, body) = match request {
            Op::Read { .. } => ("v1/read", Body::Read { key: &key }),
            Op::Write { value, .. } => ("v1/write", Body::Write { key: &key, value }),
            Op::Cas { expected, new, .. } => (
                "v1/cas",
                Body::Cas {
                    key: &key,
                    expected,
                    new,
                },
            ),
            _ => return NOT_SUPPORTED.outcome(op, request.kind().name()),
        };
        let sent = self
            .http
            .post(format!("{}/{path}", self.base))
            .json(&body)
            .send()
            .await;
        let response = match sent {
            Ok(response) => response,
            Err(error) => return unanswered(request, &error),
        };
        let status = response.status();
        let bytes = match response.bytes().await {
            Ok(bytes) => bytes,
            Err(error) => return unanswered(request, &error),
        };
        let understood = if status.is_success() {
            answered(request, &bytes)
        } else {
            serde_json::from_slice(&bytes).map(|answer| refused(request, answer))
        };
        understood.unwrap_or_else(|error| NOT_UNDERSTOOD.outcome(request, format!("{status}: {error}")))
    }
}

/// The value of a register that stands for a set or a counter. A register holds no lists, so a set is the
/// text of one.
fn contents(object: ObjectKind, held: &Value) -> Option<Value> {
    match (object, held) {
        (ObjectKind::Counter | ObjectKind::OnceCounter, Value::Nil) => Some(Value::Int(0)),
        (ObjectKind::Counter | ObjectKind::OnceCounter, Value::Int(_)) => Some(held.clone()),
        (ObjectKind::Set, Value::Nil) => Some(Value::list(Vec::new())),
        (ObjectKind::Set, Value::Text(text)) => {
            let elements = serde_json::from_str(text).ok()?;
            matches!(elements, Value::List(_)).then_some(elements)
        }
        _ => None,
    }
}

/// What such a register holds after `value` was added.
fn added(object: ObjectKind, held: &Value, value: &Value) -> Option<Value> {
    match (contents(object, held)?, value) {
        (Value::Int(sum), Value::Int(amount)) => sum.checked_add(*amount).map(Value::Int),
        (Value::List(elements), element) => {
            let mut elements = elements.to_vec();
            if !elements.contains(element) {
                elements.push(element.clone());
            }
            Some(Value::text(&serde_json::to_string(&elements).ok()?))
        }
        _ => None,
    }
}

/// The name of the history's key in the store.
fn name(key: &Key) -> String {
    match key {
        Value::Nil => "r".to_owned(),
        Value::Int(number) => number.to_string(),
        Value::Text(text) => text.to_string(),
        other => other.to_string(),
    }
}

fn answered(op: &Op, bytes: &[u8]) -> serde_json::Result<Outcome> {
    Ok(match op {
        Op::Read { .. } => Outcome::ok_value(serde_json::from_slice::<ReadAnswer>(bytes)?.value),
        Op::Write { .. } => Outcome::ok(),
        Op::Cas { .. } => match serde_json::from_slice::<CasAnswer>(bytes)? {
            CasAnswer { swapped: true, .. } => Outcome::ok(),
            CasAnswer { current, .. } => Outcome::mismatch(Some(current)),
        },
        _ => NOT_SUPPORTED.outcome(op, ""),
    })
}

/// The node says why not, and whether the operation may have happened all the same.
fn refused(op: &Op, answer: ErrorAnswer) -> Outcome {
    let class = match answer.error.as_str() {
        "no-leader" | "overloaded" => ErrorClass::Unavailable,
        "timeout" => ErrorClass::Timeout,
        _ => ErrorClass::Rejected,
    };
    let message = match answer.message.as_str() {
        "" => answer.error,
        message => format!("{}: {message}", answer.error),
    };
    let rule = match answer.happened.as_str() {
        "no" => REFUSED,
        _ => IN_DOUBT,
    };
    ErrorRule { class, ..rule }.outcome(op, message)
}

#[cfg(test)]
mod tests {
    use history::Reason;

    use super::*;

    fn cas() -> Op {
        Op::Cas {
            key: 1.into(),
            expected: 2.into(),
            new: 3.into(),
        }
    }

    #[test]
    fn answers_are_classified() {
        let read = Op::Read { key: 1.into() };
        let write = Op::Write {
            key: 1.into(),
            value: 2.into(),
        };
        let ok: &[(&Op, &str, Outcome)] = &[
            (&read, r#"{"value":null}"#, Outcome::ok_value(Value::Nil)),
            (&read, r#"{"value":7}"#, Outcome::ok_value(7.into())),
            (&write, "{}", Outcome::ok()),
            (&cas(), r#"{"swapped":true}"#, Outcome::ok()),
            (
                &cas(),
                r#"{"swapped":false,"current":9}"#,
                Outcome::mismatch(Some(9.into())),
            ),
            (
                &cas(),
                r#"{"swapped":false,"current":null}"#,
                Outcome::mismatch(Some(Value::Nil)),
            ),
        ];
        for (op, body, expected) in ok {
            assert_eq!(&answered(op, body.as_bytes()).unwrap(), expected, "{op} {body}");
        }
        assert!(answered(&read, b"<html>").is_err());
    }

    #[test]
    fn adds_are_made_of_a_read_and_a_cas() {
        let cases = [
            (ObjectKind::Counter, Value::Nil, Some(Value::Int(3))),
            (ObjectKind::Counter, Value::Int(4), Some(Value::Int(7))),
            (ObjectKind::Counter, Value::Int(i64::MAX), None),
            (ObjectKind::Counter, Value::text("x"), None),
            (ObjectKind::Set, Value::Nil, Some(Value::text("[3]"))),
            (ObjectKind::Set, Value::text("[1]"), Some(Value::text("[1,3]"))),
            (ObjectKind::Set, Value::text("[3,1]"), Some(Value::text("[3,1]"))),
            (ObjectKind::Set, Value::Int(1), None),
        ];
        for (object, before, after) in cases {
            assert_eq!(added(object, &before, &3.into()), after, "{object} {before}");
        }
    }

    #[test]
    fn refusals_keep_doubt() {
        let in_doubt = |class, message: &str| Outcome::Info(Reason::by_rule(class, "in-doubt", message));
        let refusal = |error: &str, happened: &str| ErrorAnswer {
            error: error.into(),
            message: String::new(),
            happened: happened.into(),
        };
        let cases = [
            ("no-leader", "no", REFUSED.outcome(&cas(), "no-leader")),
            ("timeout", "maybe", in_doubt(ErrorClass::Timeout, "timeout")),
            ("timeout", "surely?", in_doubt(ErrorClass::Timeout, "timeout")),
            ("novel", "maybe", in_doubt(ErrorClass::Rejected, "novel")),
        ];
        for (error, happened, expected) in cases {
            assert_eq!(refused(&cas(), refusal(error, happened)), expected);
        }
        let read = Op::Read { key: 1.into() };
        assert_eq!(
            refused(&read, refusal("timeout", "maybe")),
            Outcome::Fail(history::Failure::Error(Reason::by_rule(
                ErrorClass::Timeout,
                "in-doubt",
                "timeout"
            )))
        );
    }
}
