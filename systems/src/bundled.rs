//! The bundled Raft cluster: perjury's own binary, run as `perjury node` on every node.
//!
//! The client speaks the node's HTTP API and takes its word on errors: `"happened":"no"` is a `fail`, all
//! else is `info`.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use control::{
    Ability, Access, Client, ControlError, Daemon, Db, Environment, Operators, Primary, System, SystemOptions,
};
use history::{ErrorClass, ErrorRule, Key, ObjectKind, Op, Outcome, Value};
use serde::{Deserialize, Serialize};

use crate::cluster::{Cluster, Store, data_dir, log_file};
use crate::http::{
    self, CONNECTION_LOST, NO_ANSWER, NOT_CONNECTED, NOT_SUPPORTED, NOT_UNDERSTOOD, unanswered,
};
use crate::{Entry, PlantedBug, random_name};

pub(crate) const ENTRY: Entry = Entry {
    name: "bundled",
    description: "perjury's own Raft cluster of registers, sets and counters, all linearizable (the default)",
    bugs,
    objects: &[ObjectKind::Register, ObjectKind::Set, ObjectKind::Counter],
    abilities: &[Ability::Transfer, Ability::Membership, Ability::Compact],
    read_modes: &[],
    demands: &[],
    schemes: &["http"],
    example_endpoint: "http://10.0.0.1:8000",
    errors: &ERRORS,
    locate: None,
    make,
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

static ERRORS: [ErrorRule; 8] = [
    REFUSED,
    LOST_RACE,
    IN_DOUBT,
    NOT_CONNECTED,
    NO_ANSWER,
    CONNECTION_LOST,
    NOT_UNDERSTOOD,
    NOT_SUPPORTED,
];

/// How long an operation of operators may take, including repetitions.
const OPERATION_LIMIT: Duration = Duration::from_secs(12);
/// Between two repetitions.
const OPERATION_PAUSE: Duration = Duration::from_millis(50);
/// The port on which a node listens for its peers.
const RAFT_PORT: u16 = 7000;
/// The port on which a node listens for clients.
const HTTP_PORT: u16 = 8000;
/// How long a node may take to report its status when the question is only who leads.
const STATUS_LIMIT: Duration = Duration::from_millis(250);

fn bugs() -> Vec<PlantedBug> {
    raft::bug::Bug::ALL
        .iter()
        .map(|bug| PlantedBug {
            name: bug.name,
            description: bug.description,
            nemesis: bug.nemesis,
        })
        .collect()
}

fn make(environment: Arc<dyn Environment>, options: &SystemOptions) -> Result<Arc<dyn System>, ControlError> {
    let raft = match environment.kind().is_foreign() {
        true => Vec::new(),
        false => (environment.nodes().iter())
            .map(|node| environment.endpoint(node.index, RAFT_PORT))
            .collect::<Result<_, _>>()?,
    };
    let store = Nodes {
        raft,
        urls: http::base_urls(&*environment, &options.endpoints, HTTP_PORT)?,
        // A cluster that perjury did not start keeps what earlier runs wrote.
        prefix: match environment.kind().is_foreign() {
            true => format!("perjury/{}/", random_name()),
            false => String::new(),
        },
        bug: options.bug.clone(),
        http: http::client(STATUS_LIMIT, &Access::default())?,
        environment: environment.clone(),
    };
    Ok(Arc::new(Bundled {
        cluster: Arc::new(Cluster::new(store, environment, options)?),
    }))
}

struct Bundled {
    cluster: Arc<Cluster<Nodes>>,
}

struct Nodes {
    environment: Arc<dyn Environment>,
    /// Where each node listens for its peers.
    raft: Vec<std::net::SocketAddr>,
    /// Where each node listens for clients.
    urls: Vec<String>,
    bug: Option<String>,
    /// What all keys of this run begin with.
    prefix: String,
    http: reqwest::Client,
}

#[async_trait]
impl System for Bundled {
    fn db(&self) -> Arc<dyn Db> {
        self.cluster.clone()
    }

    fn left_behind(&self) -> Option<String> {
        let prefix = &self.cluster.store.prefix;
        Some(format!(
            "all keys that begin with {prefix}; the bundled cluster cannot delete keys"
        ))
    }

    async fn connect(
        &self,
        node: usize,
        object: ObjectKind,
        timeout: Duration,
    ) -> Result<Box<dyn Client>, ControlError> {
        // The connection is made by the first request, where a failure to connect is told apart from others.
        Ok(Box::new(BundledClient {
            http: http::client(timeout, &Access::default())?,
            base: self.cluster.store.urls[node].clone(),
            prefix: self.cluster.store.prefix.clone(),
            object,
        }))
    }
}

impl Nodes {
    /// The run directory's name, which is the parent's of every node's own.
    fn name(&self) -> String {
        let remote = self.environment.remote(0);
        let run = remote.directory().parent().and_then(|run| run.file_name());
        run.map_or_else(
            || "default".to_owned(),
            |name| name.to_string_lossy().into_owned(),
        )
    }

    /// Has a node do something that clients never request.
    async fn order<T: serde::de::DeserializeOwned>(
        &self,
        node: usize,
        path: &str,
        body: &serde_json::Value,
    ) -> Result<T, ControlError> {
        let failed = |why: String| ControlError::Other(format!("POST /v1/{path}: {why}"));
        let sent = self
            .http
            .post(format!("{}/v1/{path}", self.urls[node]))
            .timeout(OPERATION_LIMIT)
            .json(body)
            .send()
            .await
            .map_err(|error| failed(error.to_string()))?;
        let is_success = sent.status().is_success();
        let bytes = sent.bytes().await.map_err(|error| failed(error.to_string()))?;
        match is_success {
            true => serde_json::from_slice(&bytes).map_err(|error| failed(error.to_string())),
            false => Err(failed(String::from_utf8_lossy(&bytes).into_owned())),
        }
    }

    /// Has the leader do something, and tries again while the cluster is not ready for it: one change at a
    /// time, and none before the leader has committed something of its own (thesis §4.1).
    async fn operate(&self, path: &str, body: &serde_json::Value) -> Result<(), ControlError> {
        let deadline = tokio::time::Instant::now() + OPERATION_LIMIT;
        loop {
            let done = match self.primaries().await.first() {
                Some(leader) => self
                    .order::<serde_json::Value>(leader.node, path, body)
                    .await
                    .map(drop),
                None => Err(ControlError::Other("no node says that it is leader".into())),
            };
            match done {
                Err(error) if tokio::time::Instant::now() < deadline && waits(&error) => {
                    tokio::time::sleep(OPERATION_PAUSE).await;
                }
                done => return done,
            }
        }
    }

    async fn status(&self, node: usize) -> Option<Status> {
        let url = format!("{}/status", self.urls[node]);
        self.http.get(url).send().await.ok()?.json().await.ok()
    }

    /// The status of every node that answers, with its index, all queried at once.
    async fn statuses(&self) -> Vec<(usize, Status)> {
        let asked = (0..self.urls.len()).map(|node| async move { Some((node, self.status(node).await?)) });
        futures_util::future::join_all(asked)
            .await
            .into_iter()
            .flatten()
            .collect()
    }
}

#[async_trait]
impl Store for Nodes {
    fn title(&self) -> &'static str {
        "the bundled cluster"
    }

    fn daemons(&self, node: usize) -> Vec<Daemon> {
        let remote = self.environment.remote(node);
        let http = self.urls[node].trim_start_matches("http://");
        let mut args = vec![
            "node".to_owned(),
            format!("--id={}", node + 1),
            format!("--data={}", data_dir(&*self.environment, node).display()),
            format!("--raft={}", self.raft[node]),
            format!("--http={http}"),
            // The run's own name: so nodes of another run on this host are recognized as foreign, whatever
            // ports they got.
            format!("--cluster={}", self.name()),
        ];
        args.extend(
            self.raft
                .iter()
                .zip(1..)
                .map(|(peer, id)| format!("--peer={id}={peer}")),
        );
        args.extend(self.bug.iter().map(|bug| format!("--bug={bug}")));
        vec![Daemon {
            program: remote.own_binary().into(),
            args: args.into_iter().map(Into::into).collect(),
            env: Vec::new(),
            directory: remote.directory().to_owned(),
            log: log_file(&*self.environment, node, "node"),
        }]
    }

    async fn look(&self) -> Result<(), String> {
        let statuses = self.statuses().await;
        let nodes = self.environment.nodes();
        let silent: Vec<&str> = (0..nodes.len())
            .filter(|node| !statuses.iter().any(|(other, _)| other == node))
            .map(|node| nodes[node].name.as_str())
            .collect();
        if !silent.is_empty() {
            return Err(format!("no answer from {}", silent.join(", ")));
        }
        let led = statuses.iter().any(|(_, status)| status.role == "leader");
        if led && statuses.iter().all(|(_, status)| status.leader.is_some()) {
            Ok(())
        } else {
            Err("every node answers but they have no leader".to_owned())
        }
    }

    async fn primaries(&self) -> Vec<Primary> {
        let mut leaders: Vec<Primary> = (self.statuses().await.into_iter())
            .filter(|(_, status)| status.role == "leader")
            .map(|(node, status)| Primary {
                node,
                term: Some(status.term),
            })
            .collect();
        leaders.sort_by_key(|primary| std::cmp::Reverse((primary.term, primary.node)));
        leaders
    }

    async fn version(&self) -> String {
        match self.statuses().await.into_iter().next() {
            Some((_, status)) => status.version,
            None => String::new(),
        }
    }
}

#[async_trait]
impl Operators for Nodes {
    async fn transfer_leadership(&self, to: usize) -> Result<(), ControlError> {
        self.operate("transfer-leadership", &serde_json::json!({ "to": to + 1 }))
            .await
    }

    async fn members(&self) -> Result<Vec<usize>, ControlError> {
        let deadline = tokio::time::Instant::now() + OPERATION_LIMIT;
        let status = loop {
            let statuses = self.statuses().await.into_iter().map(|(_, status)| status);
            let leading = statuses.filter(|status| status.role == "leader");
            // The leader may just have been removed.
            match leading.max_by_key(|status| status.term) {
                Some(status) => break status,
                None if tokio::time::Instant::now() > deadline => {
                    return Err(ControlError::Other("no node says that it is leader".into()));
                }
                None => tokio::time::sleep(OPERATION_PAUSE).await,
            }
        };
        let voters = status.members.iter().filter(|member| member.voter);
        Ok(voters
            .filter_map(|member| usize::try_from(member.id).ok()?.checked_sub(1))
            .collect())
    }

    async fn remove_member(&self, node: usize) -> Result<(), ControlError> {
        self.operate("members", &serde_json::json!({ "remove": node + 1 }))
            .await
    }

    /// With its data: the same member comes back, with the votes it has given.
    async fn add_member(&self, node: usize) -> Result<(), ControlError> {
        let address = self.raft[node].to_string();
        let body = serde_json::json!({ "add": { "id": node + 1, "address": address } });
        self.operate("members", &body).await
    }

    async fn compact(&self, node: usize) -> Result<String, ControlError> {
        #[derive(Deserialize)]
        struct Taken {
            snapshot_index: u64,
        }
        let applied = self.status(node).await.map_or(0, |status| status.applied);
        let deadline = tokio::time::Instant::now() + OPERATION_LIMIT;
        let taken: Taken = loop {
            match self.order(node, "snapshot", &serde_json::json!({})).await {
                Err(error)
                    if error.to_string().contains("overloaded") && tokio::time::Instant::now() < deadline =>
                {
                    tokio::time::sleep(OPERATION_PAUSE).await;
                }
                taken => break taken?,
            }
        };
        match taken.snapshot_index >= applied {
            true => Ok(format!("a snapshot up to entry {}", taken.snapshot_index)),
            false => Err(ControlError::Other(format!(
                "the snapshot ends at entry {}, but {applied} entries were applied",
                taken.snapshot_index
            ))),
        }
    }
}

/// One connection. See [`Client`] for what it must not do.
struct BundledClient {
    http: reqwest::Client,
    base: String,
    prefix: String,
    object: ObjectKind,
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

#[derive(Deserialize)]
struct Status {
    role: String,
    term: u64,
    leader: Option<u64>,
    #[serde(default)]
    version: String,
    #[serde(default)]
    applied: u64,
    #[serde(default)]
    members: Vec<Member>,
}

#[derive(Deserialize)]
struct Member {
    id: u64,
    voter: bool,
}

/// Whether it is better to wait than to give up.
fn waits(error: &ControlError) -> bool {
    let text = error.to_string();
    [
        "change-in-progress",
        "no-leader",
        "transferring",
        "no node says",
        "not-leader",
    ]
    .iter()
    .any(|word| text.contains(word))
}

#[async_trait]
impl Client for BundledClient {
    async fn invoke(&mut self, op: &Op) -> Outcome {
        match (self.object, op) {
            (ObjectKind::Register, Op::Read { .. } | Op::Write { .. } | Op::Cas { .. }) => {
                self.request(op, op).await
            }
            (ObjectKind::Set | ObjectKind::Counter, Op::Read { .. }) => match self.request(op, op).await {
                Outcome::Ok(answer) => {
                    let held = answer.value.unwrap_or_default();
                    match contents(self.object, &held) {
                        Some(contents) => Outcome::ok_value(contents),
                        None => NOT_UNDERSTOOD.outcome(op, format!("{held} is not a {}", self.object)),
                    }
                }
                outcome => outcome,
            },
            (ObjectKind::Set | ObjectKind::Counter, Op::Add { key, value }) => self.add(op, key, value).await,
            _ => NOT_SUPPORTED.outcome(op, format!("no {} of a {}", op.kind(), self.object)),
        }
    }
}

impl BundledClient {
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

    /// Sends `request` once, on behalf of `op`.
    async fn request(&self, op: &Op, request: &Op) -> Outcome {
        let key = format!("{}{}", self.prefix, name(request.key()));
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
        (ObjectKind::Counter, Value::Nil) => Some(Value::Int(0)),
        (ObjectKind::Counter, Value::Int(_)) => Some(held.clone()),
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
        Value::List(_) => key.to_string(),
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
