//! etcd's JSON gateway: one connection to one member; every request is sent once.
//!
//! Sources: etcd's documentation, "Why gRPC gateway" (paths, base64, 64-bit integers as text); rpc.proto for
//! the names of the fields. A login is a token in the header `Authorization` (server/auth/store.go,
//! `AuthInfoFromCtx`).

use std::fmt::Display;
use std::str::FromStr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use control::{Access, ControlError, Secret};
use history::{ErrorRule, Op, Outcome, Value};
use reqwest::StatusCode;
use reqwest::header::{AUTHORIZATION, HeaderValue};
use serde::de::{self, DeserializeOwned};
use serde::{Deserialize, Deserializer};
use serde_json::{Value as Json, json};

use super::errors::{INVALID_TOKEN, LOGIN_FAILED, said};
use crate::http::{self, NOT_UNDERSTOOD, why_unanswered};

/// One connection to one member.
pub(super) struct Gateway {
    http: reqwest::Client,
    base: String,
    login: Option<(String, Secret)>,
    /// The token of the last login, until the member no longer knows it.
    token: Mutex<Option<Secret>>,
}

/// Why a request has no usable answer.
#[derive(Debug)]
pub(super) struct RequestError {
    pub rule: ErrorRule,
    pub message: String,
}

impl Gateway {
    /// The connection is made by the first request.
    pub fn new(base: &str, timeout: Duration, access: &Access) -> Result<Gateway, ControlError> {
        let password = || access.password.clone().unwrap_or_else(|| Secret::new(""));
        Ok(Gateway {
            http: http::client(timeout, access)?,
            base: base.to_owned(),
            login: access.user.clone().map(|user| (user, password())),
            token: Mutex::new(None),
        })
    }

    /// Sends a request once; logs in before the first one.
    pub async fn ask<T: DeserializeOwned>(&self, path: &str, body: &Json) -> Result<T, RequestError> {
        let response = self.send(path, body).await?;
        let bytes = response.bytes().await.map_err(RequestError::unanswered)?;
        understood(&bytes)
    }

    /// Sends a request once, for an answer that is read in pieces. A status other than success is an error.
    pub async fn send(&self, path: &str, body: &Json) -> Result<reqwest::Response, RequestError> {
        let token = self.log_in().await?;
        let answer = self.post(path, body, token).await;
        if let Err(error) = &answer
            && error.rule.name == INVALID_TOKEN.name
        {
            *self.token.lock().unwrap_or_else(PoisonError::into_inner) = None;
        }
        answer
    }

    /// A request beside this client's own, on a connection of its own, with the same login.
    pub fn beside(&self) -> Gateway {
        let token = self.token.lock().unwrap_or_else(PoisonError::into_inner).clone();
        Gateway {
            http: self.http.clone(),
            base: self.base.clone(),
            login: self.login.clone(),
            token: Mutex::new(token),
        }
    }

    async fn log_in(&self) -> Result<Option<Secret>, RequestError> {
        #[derive(Deserialize)]
        struct Login {
            token: String,
        }
        let Some((name, password)) = &self.login else {
            return Ok(None);
        };
        let known = self.token.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if known.is_some() {
            return Ok(known);
        }
        let body = json!({ "name": name, "password": password.reveal() });
        let failed = |error: RequestError| LOGIN_FAILED.error(error.message);
        let response = self
            .post("v3/auth/authenticate", &body, None)
            .await
            .map_err(failed)?;
        let bytes = response
            .bytes()
            .await
            .map_err(|error| failed(RequestError::unanswered(error)))?;
        // The answer is a secret; not even a wrong one is shown.
        let login: Login =
            serde_json::from_slice(&bytes).map_err(|_| LOGIN_FAILED.error("an answer without a token"))?;
        let token = Some(Secret::new(login.token));
        *self.token.lock().unwrap_or_else(PoisonError::into_inner) = token.clone();
        Ok(token)
    }

    async fn post(
        &self,
        path: &str,
        body: &Json,
        token: Option<Secret>,
    ) -> Result<reqwest::Response, RequestError> {
        let mut request = self.http.post(format!("{}/{path}", self.base)).json(body);
        if let Some(token) = token {
            let mut header = HeaderValue::from_str(token.reveal())
                .map_err(|_| LOGIN_FAILED.error("a token that does not fit into a header"))?;
            // Hidden from code that logs headers.
            header.set_sensitive(true);
            request = request.header(AUTHORIZATION, header);
        }
        let response = request.send().await.map_err(RequestError::unanswered)?;
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        let bytes = response.bytes().await.map_err(RequestError::unanswered)?;
        Err(refused(status, &bytes))
    }
}

/// Makes a [`RequestError`] from a rule.
pub(super) trait RuleError {
    fn error(&self, message: impl Into<String>) -> RequestError;
}

impl RuleError for ErrorRule {
    fn error(&self, message: impl Into<String>) -> RequestError {
        RequestError {
            rule: self.clone(),
            message: message.into(),
        }
    }
}

impl RequestError {
    pub fn unanswered(error: reqwest::Error) -> RequestError {
        let (rule, message) = why_unanswered(&error);
        rule.error(message)
    }

    /// The outcome of `op`, whose request failed with this error.
    pub fn outcome(self, op: &Op) -> Outcome {
        self.rule.outcome(op, self.message)
    }

    /// The outcome of an operation of which only steps that change nothing were sent: a certain `fail`.
    pub fn before_any_change(self) -> Outcome {
        let step = Op::Read { key: Value::Nil };
        self.rule.outcome(&step, self.message)
    }
}

fn understood<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, RequestError> {
    serde_json::from_slice(bytes).map_err(|error| NOT_UNDERSTOOD.error(error.to_string()))
}

/// What an answer other than 200 says.
pub(super) fn refused(status: StatusCode, bytes: &[u8]) -> RequestError {
    #[derive(Deserialize)]
    struct Refusal {
        message: Option<String>,
        error: Option<Told>,
    }
    // Of a stream it is an object: grpc-gateway, runtime/handler.go, `ForwardResponseStream`.
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Told {
        Text(String),
        Stream { message: String },
    }
    let refusal = serde_json::from_slice::<Refusal>(bytes).ok();
    let message = refusal.and_then(|refusal| match (refusal.message, refusal.error) {
        (Some(message), _) | (None, Some(Told::Text(message) | Told::Stream { message })) => Some(message),
        (None, None) => None,
    });
    match message {
        Some(message) => said(&message).error(message),
        None => NOT_UNDERSTOOD.error(format!("{status} without a message")),
    }
}

/// The header of every answer.
#[derive(Deserialize, Debug, Default)]
pub(super) struct Header {
    #[serde(default, deserialize_with = "number")]
    pub revision: i64,
    #[serde(default, deserialize_with = "number")]
    pub member_id: u64,
}

/// A key with its value and revisions.
#[derive(Deserialize, Debug)]
pub(super) struct KeyValue {
    pub key: String,
    #[serde(default)]
    pub value: String,
    #[serde(default, deserialize_with = "number")]
    pub version: i64,
    #[serde(default, deserialize_with = "number")]
    pub mod_revision: i64,
}

/// `RangeResponse`; the header tells it apart from any other JSON.
#[derive(Deserialize, Debug)]
pub(super) struct Range {
    pub header: Header,
    #[serde(default)]
    pub kvs: Vec<KeyValue>,
}

/// `PutResponse`
#[derive(Deserialize, Debug)]
pub(super) struct Put {
    pub header: Header,
}

/// `TxnResponse`
#[derive(Deserialize, Debug)]
pub(super) struct Txn {
    pub header: Header,
    #[serde(default)]
    pub succeeded: bool,
    #[serde(default)]
    pub responses: Vec<TxnPart>,
}

/// `ResponseOp`; only what ranges answer is of interest.
#[derive(Deserialize, Debug)]
pub(super) struct TxnPart {
    pub response_range: Option<TxnRange>,
}

/// A `RangeResponse` inside a txn.
#[derive(Deserialize, Debug)]
pub(super) struct TxnRange {
    #[serde(default)]
    pub kvs: Vec<KeyValue>,
}

/// `StatusResponse`
#[derive(Deserialize, Debug)]
pub(super) struct Status {
    pub header: Header,
    #[serde(default)]
    pub version: String,
    #[serde(default, deserialize_with = "number")]
    pub leader: u64,
    #[serde(default, rename = "raftTerm", deserialize_with = "number")]
    pub raft_term: u64,
}

impl Status {
    /// Whether this member leads.
    pub fn leads(&self) -> bool {
        self.leader != 0 && self.leader == self.header.member_id
    }
}

impl Txn {
    /// What the `n`th request, a range of one key, found.
    pub fn found(&self, n: usize) -> Result<Option<&KeyValue>, RequestError> {
        match self
            .responses
            .get(n)
            .and_then(|part| part.response_range.as_ref())
        {
            Some(range) => Ok(range.kvs.first()),
            None => Err(NOT_UNDERSTOOD.error("a txn without the answer of its range")),
        }
    }
}

impl KeyValue {
    /// The value that was written.
    pub fn decoded(&self) -> Result<Value, RequestError> {
        decode(&self.value).and_then(|bytes| understood(&bytes))
    }

    /// The key's name.
    pub fn name(&self) -> Result<Vec<u8>, RequestError> {
        decode(&self.key)
    }
}

/// The value of a key: nil if the key does not exist.
pub(super) fn value(kv: Option<&KeyValue>) -> Result<Value, RequestError> {
    kv.map_or(Ok(Value::Nil), KeyValue::decoded)
}

fn decode(text: &str) -> Result<Vec<u8>, RequestError> {
    STANDARD
        .decode(text)
        .map_err(|error| NOT_UNDERSTOOD.error(format!("not base64: {error}")))
}

/// A 64-bit integer, which protobuf writes as text in JSON (Protocol Buffers, "JSON Mapping").
pub(super) fn number<'de, D: Deserializer<'de>, T>(d: D) -> Result<T, D::Error>
where
    T: FromStr<Err: Display>,
{
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Number {
        Text(String),
        Number(serde_json::Number),
    }
    let text = match Number::deserialize(d)? {
        Number::Text(text) => text,
        Number::Number(number) => number.to_string(),
    };
    text.parse().map_err(de::Error::custom)
}
