//! The few requests of Consul's HTTP API that are used, each sent once, and what their answers hold.
//!
//! Source: api-docs/kv, api-docs/session, api-docs/status and api-docs/agent. Values are JSON texts; keys are
//! made of letters, digits, `-`, `_` and `/`, the only ones that every version takes (agent/kvs_endpoint.go,
//! `validateKVKey`).

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use control::{ControlError, Environment, Secret, SystemOptions};
use history::{ErrorRule, Key, Op, Outcome, Value};
use reqwest::header::HeaderValue;
use reqwest::{Method, StatusCode};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::errors;
use crate::http::{self, NOT_UNDERSTOOD};

/// The port on which an agent listens for clients.
pub(super) const HTTP_PORT: u16 = 8500;
/// How long the sessions of locks live without a renewal, in a cluster of our own.
pub(super) const SESSION_TTL: Duration = Duration::from_secs(2);
/// The header with the index of an answer, also of one about a key that does not exist.
const INDEX: &str = "X-Consul-Index";
/// How much of an error's text is kept.
const MOST_TEXT: usize = 300;

/// How reads are done; see [`super::ENTRY`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reads {
    /// `?consistent`
    Consistent,
    /// Nothing.
    Default,
    /// `?stale`
    Stale,
}

/// How agents are queried.
pub(super) struct Asking {
    /// Where each node is queried.
    pub urls: Vec<String>,
    access: control::Access,
    reads: Reads,
    root: String,
    ttl: Duration,
}

/// One connection with one agent.
#[derive(Clone)]
pub(super) struct Connection {
    http: reqwest::Client,
    url: String,
    token: Option<Secret>,
    reads: Reads,
    /// The prefix of all keys of the run, with a slash at its end.
    root: String,
    /// How long a lock outlives its holder; Consul takes up to twice that.
    pub ttl: Duration,
}

/// A key that exists, with its value and indices.
#[derive(Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Entry {
    pub modify_index: u64,
    #[serde(default)]
    pub lock_index: u64,
    /// Base64; null for an empty value.
    value: Option<String>,
    #[serde(default)]
    pub session: Option<String>,
}

#[derive(Deserialize)]
struct Created {
    #[serde(rename = "ID")]
    id: String,
}

/// What an agent reports about itself.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Myself {
    pub config: Config,
    pub member: Member,
}

/// A part of [`Myself`].
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Config {
    #[serde(default)]
    pub version: String,
}

/// A part of [`Myself`].
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Member {
    pub addr: String,
    #[serde(default)]
    pub tags: std::collections::HashMap<String, String>,
}

/// Why a request failed: the rule, and the message.
pub(super) struct Failed {
    rule: ErrorRule,
    message: String,
}

impl Failed {
    /// The outcome of `op`, on whose behalf the request was sent.
    pub(super) fn outcome(&self, op: &Op) -> Outcome {
        self.rule.outcome(op, self.message.clone())
    }

    /// The outcome of an operation whose request could not change anything.
    pub(super) fn harmless(&self) -> Outcome {
        self.outcome(&Op::Read { key: Key::Nil })
    }

    /// The rule and the message, human-readable.
    pub(super) fn words(&self) -> String {
        format!("{}: {}", self.rule.name, self.message)
    }

    fn not_understood(message: impl std::fmt::Display) -> Failed {
        Failed {
            rule: NOT_UNDERSTOOD,
            message: message.to_string(),
        }
    }
}

impl Asking {
    /// What all keys of the run begin with.
    pub(super) fn root(&self) -> &str {
        &self.root
    }

    pub(super) fn new(
        environment: &dyn Environment,
        options: &SystemOptions,
        reads: Reads,
    ) -> Result<Asking, ControlError> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Ok(Asking {
            urls: http::base_urls(environment, &options.endpoints, HTTP_PORT)?,
            access: options.access.clone(),
            reads,
            root: format!("perjury/{:x}-{:x}/", now.as_nanos(), std::process::id()),
            ttl: match environment.kind().is_foreign() {
                // The least that Consul accepts unless configured otherwise (api-docs/session, TTL).
                true => Duration::from_secs(10),
                false => SESSION_TTL,
            },
        })
    }

    /// A connection with `node`. The connection is made by the first request.
    pub(super) fn connection(&self, node: usize, timeout: Duration) -> Result<Connection, ControlError> {
        Ok(Connection {
            http: http::client(timeout, &self.access)?,
            url: self.urls[node].clone(),
            token: self.access.token.clone(),
            reads: self.reads,
            root: self.root.clone(),
            ttl: self.ttl,
        })
    }
}

impl Connection {
    /// The entry under a key.
    pub(super) async fn get(&self, key: &Key) -> Result<Option<Entry>, Failed> {
        self.get_by(key, self.reads).await
    }

    /// The entry under a key by a consistent read, whatever the read mode.
    pub(super) async fn get_consistent(&self, key: &Key) -> Result<Option<Entry>, Failed> {
        self.get_by(key, Reads::Consistent).await
    }

    async fn get_by(&self, key: &Key, reads: Reads) -> Result<Option<Entry>, Failed> {
        let path = format!("kv/{}{}", self.root, to_name(key));
        let entries: Option<Vec<Entry>> = self.read(&path, &[], reads).await?;
        let Some(entries) = entries else { return Ok(None) };
        let mut entries = entries.into_iter();
        match (entries.next(), entries.next()) {
            (Some(entry), None) => Ok(Some(entry)),
            _ => Err(Failed::not_understood("not one entry for one key")),
        }
    }

    /// The names below a key.
    pub(super) async fn names_below(&self, key: &Key) -> Result<Vec<String>, Failed> {
        let prefix = format!("{}{}/", self.root, to_name(key));
        let names: Option<Vec<String>> =
            (self.read(&format!("kv/{prefix}"), &[("keys", "")], self.reads)).await?;
        let mut below = Vec::new();
        for name in names.unwrap_or_default() {
            match name.strip_prefix(&prefix) {
                Some(name) => below.push(name.to_owned()),
                None => return Err(Failed::not_understood(format!("{name} is not below {prefix}"))),
            }
        }
        Ok(below)
    }

    /// Sets a key; `condition` is `cas`, `acquire` or `release` with its argument. Whether it was done.
    pub(super) async fn put(
        &self,
        key: &Key,
        value: Vec<u8>,
        condition: Option<(&str, &str)>,
    ) -> Result<bool, Failed> {
        let path = format!("kv/{}{}", self.root, to_name(key));
        self.put_at(&path, value, condition).await
    }

    /// Sets the name of `element` below a key.
    pub(super) async fn put_below(&self, key: &Key, element: &Value) -> Result<bool, Failed> {
        let path = format!("kv/{}{}/{}", self.root, to_name(key), to_name(element));
        self.put_at(&path, Vec::new(), None).await
    }

    async fn put_at(
        &self,
        path: &str,
        value: Vec<u8>,
        condition: Option<(&str, &str)>,
    ) -> Result<bool, Failed> {
        let answer = self.send(Method::PUT, path, condition.as_slice(), value);
        parsed(&answer.await?.1)
    }

    /// Makes a session for locks, without a check that could end it early.
    pub(super) async fn create_session(&self) -> Result<String, Failed> {
        let wanted = serde_json::json!({
            "Name": "perjury",
            "TTL": format!("{}s", self.ttl.as_secs()),
            "Behavior": "release",
            // It must be greater than 0; a number below 1000 would be taken for seconds
            // (agent/session_endpoint.go).
            "LockDelay": "1ms",
            "NodeChecks": [],
        });
        let answer = self.send(
            Method::PUT,
            "session/create",
            &[],
            wanted.to_string().into_bytes(),
        );
        let id = parsed::<Created>(&answer.await?.1)?.id;
        // It becomes a part of URLs.
        match id
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        {
            true => Ok(id),
            false => Err(Failed::not_understood(format!("a session named {id:?}"))),
        }
    }

    /// Keeps a session alive for another TTL.
    pub(super) async fn renew_session(&self, id: &str) -> Result<(), Failed> {
        let path = format!("session/renew/{id}");
        let answer = self.send(Method::PUT, &path, &[], Vec::new());
        answer.await.map(drop)
    }

    /// The leader that this agent knows: `10.1.10.12:8300`, or an empty text.
    pub(super) async fn leader(&self) -> Result<String, Failed> {
        let answer = self.send(Method::GET, "status/leader", &[], Vec::new());
        parsed(&answer.await?.1)
    }

    /// What the agent reports about itself.
    pub(super) async fn myself(&self) -> Result<Myself, Failed> {
        let answer = self.send(Method::GET, "agent/self", &[], Vec::new());
        parsed(&answer.await?.1)
    }

    /// `None` if the key does not exist.
    async fn read<T: DeserializeOwned>(
        &self,
        path: &str,
        query: &[(&str, &str)],
        reads: Reads,
    ) -> Result<Option<T>, Failed> {
        let mut query = query.to_vec();
        match reads {
            Reads::Consistent => query.push(("consistent", "")),
            Reads::Stale => query.push(("stale", "")),
            Reads::Default => {}
        }
        match self.send(Method::GET, path, &query, Vec::new()).await? {
            (StatusCode::NOT_FOUND, _) => Ok(None),
            (_, body) => parsed(&body).map(Some),
        }
    }

    /// Sends a request once. An answer is success, or that the key does not exist.
    async fn send(
        &self,
        method: Method,
        path: &str,
        query: &[(&str, &str)],
        body: Vec<u8>,
    ) -> Result<(StatusCode, Vec<u8>), Failed> {
        let mut url = format!("{}/v1/{path}", self.url);
        for (position, (name, argument)) in query.iter().enumerate() {
            url.push(if position == 0 { '?' } else { '&' });
            url += name;
            if !argument.is_empty() {
                url.push('=');
                url += argument;
            }
        }
        let mut request = self.http.request(method, url);
        if let Some(token) = &self.token {
            let mut header = HeaderValue::from_str(token.reveal())
                .map_err(|_| Failed::not_understood("a token that does not fit into a header"))?;
            // Hidden from code that logs headers.
            header.set_sensitive(true);
            request = request.header("X-Consul-Token", header);
        }
        let response = request.body(body).send().await.map_err(|error| failed(&error))?;
        let status = response.status();
        // A 404 from a proxy in between, rather than from Consul, means nothing.
        let is_absent = status == StatusCode::NOT_FOUND && response.headers().contains_key(INDEX);
        let bytes = response.bytes().await.map_err(|error| failed(&error))?.to_vec();
        if status.is_success() || is_absent {
            return Ok((status, bytes));
        }
        let text: String = String::from_utf8_lossy(&bytes)
            .trim()
            .chars()
            .take(MOST_TEXT)
            .collect();
        Err(Failed {
            rule: errors::rule(status.as_u16(), &text),
            message: format!("{}: {text}", status.as_u16()),
        })
    }
}

impl Entry {
    /// The value that was written.
    pub(super) fn value(&self) -> Result<Value, Failed> {
        let bytes = STANDARD.decode(self.value.as_deref().unwrap_or_default());
        let bytes = bytes.map_err(Failed::not_understood)?;
        serde_json::from_slice(&bytes).map_err(Failed::not_understood)
    }
}

fn failed(error: &reqwest::Error) -> Failed {
    let (rule, message) = http::why_unanswered(error);
    Failed { rule, message }
}

fn parsed<T: DeserializeOwned>(body: &[u8]) -> Result<T, Failed> {
    serde_json::from_slice(body).map_err(Failed::not_understood)
}

/// How a value is written in a key: a number in decimal digits, anything else as `x` and its JSON text in
/// hexadecimal digits.
fn to_name(value: &Value) -> String {
    match value {
        Value::Int(number) => number.to_string(),
        _ => {
            let text = serde_json::to_vec(value).unwrap_or_default();
            text.iter()
                .fold("x".to_owned(), |name, byte| format!("{name}{byte:02x}"))
        }
    }
}

/// The value that was written like that.
pub(super) fn from_name(name: &str) -> Option<Value> {
    let Some(digits) = name.strip_prefix('x') else {
        return name.parse().ok().map(Value::Int);
    };
    let bytes: Option<Vec<u8>> = (digits.as_bytes().chunks(2))
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok())
        .collect();
    serde_json::from_slice(&bytes?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_stand_in_keys() {
        let cases = [
            (Value::Nil, "x6e756c6c"),
            (Value::Int(-7), "-7"),
            (Value::text("a/b"), "x22612f6222"),
            (Value::list(vec![1.into()]), "x5b315d"),
        ];
        for (value, name) in cases {
            assert_eq!(to_name(&value), name);
            assert_eq!(from_name(name), Some(value), "{name}");
        }
        for name in ["", "x", "x6", "7/8", "xzz"] {
            assert_eq!(from_name(name), None, "{name}");
        }
    }

    #[test]
    fn an_entry_is_read_as_documented() {
        // The sample response of api-docs/kv, "Read Key", with a value that is JSON.
        let sample = r#"{"CreateIndex":100,"ModifyIndex":200,"LockIndex":200,"Key":"zip","Flags":0,
            "Value":"NQ==","Session":"adf4238a-882b-9ddc-4a9d-5b6758e4159e"}"#;
        let entry: Entry = serde_json::from_str(sample).unwrap();
        assert_eq!((entry.modify_index, entry.lock_index), (200, 200));
        assert_eq!(entry.value().ok(), Some(Value::Int(5)));
        assert_eq!(
            entry.session.as_deref(),
            Some("adf4238a-882b-9ddc-4a9d-5b6758e4159e")
        );
        let empty: Entry = serde_json::from_str(r#"{"ModifyIndex":1,"Value":null}"#).unwrap();
        assert!(empty.value().is_err());
    }
}
