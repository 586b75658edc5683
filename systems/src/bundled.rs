//! The bundled Raft cluster: perjury's own binary, run as `perjury node` on every node.
//!
//! The client speaks the node's HTTP API and takes its word on errors: `"happened":"no"` is a `fail`, all else is
//! `info`.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use control::{Client, ControlError, Daemon, Db, Environment, ProcessState, Signal, System, SystemOptions};
use history::{ErrorClass, Key, Op, OpKind, Outcome, Value};
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use crate::process::Processes;
use crate::{Entry, PlantedBug};

pub(crate) const ENTRY: Entry = Entry {
    name: "bundled",
    description: "perjury's own Raft cluster of linearizable registers (the default)",
    bugs,
    make,
};

/// The port on which a node listens for its peers.
const RAFT_PORT: u16 = 7000;
/// The port on which a node listens for clients.
const HTTP_PORT: u16 = 8000;
/// How long a node may take to tell its status when it is only asked who leads.
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
    let mut endpoints = Vec::new();
    for node in environment.nodes() {
        endpoints.push(Endpoints {
            raft: environment.endpoint(node.index, RAFT_PORT)?,
            http: environment.endpoint(node.index, HTTP_PORT)?,
        });
    }
    let http = http_client(STATUS_LIMIT)?;
    let cluster = Cluster {
        processes: Processes::new(environment.clone()),
        environment,
        endpoints,
        bug: options.bug.clone(),
        http,
    };
    Ok(Arc::new(Bundled {
        cluster: Arc::new(cluster),
    }))
}

struct Bundled {
    cluster: Arc<Cluster>,
}

/// Where one node listens.
struct Endpoints {
    raft: std::net::SocketAddr,
    http: std::net::SocketAddr,
}

struct Cluster {
    environment: Arc<dyn Environment>,
    processes: Processes,
    endpoints: Vec<Endpoints>,
    bug: Option<String>,
    http: reqwest::Client,
}

#[async_trait]
impl System for Bundled {
    fn name(&self) -> &'static str {
        ENTRY.name
    }

    fn db(&self) -> Arc<dyn Db> {
        self.cluster.clone()
    }

    async fn connect(&self, node: usize, timeout: Duration) -> Result<Box<dyn Client>, ControlError> {
        let address = self.cluster.endpoints[node].http;
        // The connection proper is made by the first request; one that cannot be made is told apart there.
        Ok(Box::new(BundledClient {
            http: http_client(timeout)?,
            base: format!("http://{address}"),
        }))
    }

    fn supports(&self, kind: OpKind) -> bool {
        matches!(kind, OpKind::Read | OpKind::Write | OpKind::Cas)
    }
}

impl Cluster {
    fn daemon(&self, node: usize) -> Daemon {
        let remote = self.environment.remote(node);
        let mut args = vec![
            "node".to_owned(),
            format!("--id={}", node + 1),
            format!("--data={}", self.data(node).display()),
            format!("--raft={}", self.endpoints[node].raft),
            format!("--http={}", self.endpoints[node].http),
            // The run's own name: nodes of another run on this host are strangers, whatever ports they got.
            format!("--cluster={}", self.name()),
        ];
        args.extend(
            self.endpoints
                .iter()
                .zip(1..)
                .map(|(peer, id)| format!("--peer={id}={}", peer.raft)),
        );
        args.extend(self.bug.iter().map(|bug| format!("--bug={bug}")));
        Daemon {
            program: remote.own_binary().into(),
            args: args.into_iter().map(Into::into).collect(),
            env: Vec::new(),
            directory: remote.directory().to_owned(),
            log: self.log(node),
        }
    }

    /// The run directory's name, which is the parent's of every node's own.
    fn name(&self) -> String {
        let remote = self.environment.remote(0);
        let run = remote.directory().parent().and_then(|run| run.file_name());
        run.map_or_else(
            || "default".to_owned(),
            |name| name.to_string_lossy().into_owned(),
        )
    }

    fn data(&self, node: usize) -> PathBuf {
        self.environment.remote(node).directory().join("data")
    }

    fn log(&self, node: usize) -> PathBuf {
        self.environment.remote(node).directory().join("node.log")
    }

    async fn status(&self, node: usize) -> Option<Status> {
        let url = format!("http://{}/status", self.endpoints[node].http);
        self.http.get(url).send().await.ok()?.json().await.ok()
    }

    /// The status of every node that answers, with its index, asked all at once.
    async fn statuses(&self) -> Vec<(usize, Status)> {
        let asked =
            (0..self.endpoints.len()).map(|node| async move { Some((node, self.status(node).await?)) });
        futures_util::future::join_all(asked)
            .await
            .into_iter()
            .flatten()
            .collect()
    }
}

#[async_trait]
impl Db for Cluster {
    async fn start(&self, node: usize) -> Result<(), ControlError> {
        self.processes.start(node, &self.daemon(node)).await
    }

    async fn kill(&self, node: usize) -> Result<(), ControlError> {
        self.processes.kill(node).await
    }

    async fn pause(&self, node: usize) -> Result<(), ControlError> {
        self.processes.signal(node, Signal::Stop).await
    }

    async fn resume(&self, node: usize) -> Result<(), ControlError> {
        self.processes.signal(node, Signal::Cont).await
    }

    async fn wipe(&self, node: usize) -> Result<(), ControlError> {
        let data = self.data(node);
        match tokio::fs::remove_dir_all(&data).await {
            Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
                Err(ControlError::File { path: data, source })
            }
            _ => Ok(()),
        }
    }

    async fn state(&self, node: usize) -> Result<ProcessState, ControlError> {
        self.processes.state(node).await
    }

    async fn crashed(&self) -> Vec<usize> {
        self.processes.crashed().await
    }

    async fn ready(&self, limit: Duration) -> Result<(), ControlError> {
        let deadline = Instant::now() + limit;
        loop {
            if let Some(&node) = self.processes.crashed().await.first() {
                let name = &self.environment.nodes()[node].name;
                let log = std::fs::read_to_string(self.log(node)).unwrap_or_default();
                let last = log
                    .lines()
                    .rev()
                    .find(|line| !line.trim().is_empty())
                    .unwrap_or("nothing");
                return Err(ControlError::Other(format!(
                    "{name} ended by itself; the last thing it said: {last} (see {})",
                    self.log(node).display()
                )));
            }
            let statuses = self.statuses().await;
            let led = statuses.iter().any(|(_, status)| status.role == "leader");
            if statuses.len() == self.endpoints.len()
                && led
                && statuses.iter().all(|(_, s)| s.leader.is_some())
            {
                return Ok(());
            }
            if Instant::now() > deadline {
                let nodes = self.environment.nodes();
                let silent: Vec<&str> = (0..nodes.len())
                    .filter(|node| !statuses.iter().any(|(other, _)| other == node))
                    .map(|node| nodes[node].name.as_str())
                    .collect();
                let hint = if silent.is_empty() {
                    "; every node answers but they have no leader".to_owned()
                } else {
                    format!(
                        "; no answer from {}, see {}",
                        silent.join(", "),
                        self.log(0).display()
                    )
                };
                return Err(ControlError::Deadline {
                    what: "the start of the bundled cluster".into(),
                    limit,
                    hint,
                });
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    async fn primaries(&self) -> Vec<usize> {
        let mut leaders: Vec<(u64, usize)> = (self.statuses().await.into_iter())
            .filter(|(_, status)| status.role == "leader")
            .map(|(node, status)| (status.term, node))
            .collect();
        leaders.sort_by(|a, b| b.cmp(a));
        leaders.into_iter().map(|(_, node)| node).collect()
    }

    async fn version(&self) -> String {
        match self.statuses().await.into_iter().next() {
            Some((_, status)) => status.version,
            None => String::new(),
        }
    }

    fn log_files(&self, node: usize) -> Vec<PathBuf> {
        vec![self.log(node)]
    }
}

/// One connection. See [`Client`] for what it must not do.
struct BundledClient {
    http: reqwest::Client,
    base: String,
}

/// An HTTP client with one connection that repeats nothing and follows nothing.
fn http_client(timeout: Duration) -> Result<reqwest::Client, ControlError> {
    reqwest::Client::builder()
        .timeout(timeout)
        .pool_max_idle_per_host(1)
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .no_proxy()
        .tcp_nodelay(true)
        .build()
        .map_err(|error| ControlError::Other(format!("cannot make an HTTP client: {error}")))
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
}

#[async_trait]
impl Client for BundledClient {
    async fn invoke(&mut self, op: &Op) -> Outcome {
        let key = name(op.key());
        let (path, body) = match op {
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
            _ => return unsupported(op),
        };
        let sent = self
            .http
            .post(format!("{}/{path}", self.base))
            .json(&body)
            .send()
            .await;
        let response = match sent {
            Ok(response) => response,
            Err(error) => return unanswered(op, &error),
        };
        let status = response.status();
        let bytes = match response.bytes().await {
            Ok(bytes) => bytes,
            Err(error) => return unanswered(op, &error),
        };
        let understood = if status.is_success() {
            answered(op, &bytes)
        } else {
            serde_json::from_slice(&bytes).map(|answer| refused(op, answer))
        };
        understood.unwrap_or_else(|error| unknown(op, ErrorClass::Protocol, format!("{status}: {error}")))
    }
}

/// How a key of the history is called in the store.
fn name(key: &Key) -> String {
    match key {
        Value::Nil => "r".to_owned(),
        Value::Int(number) => number.to_string(),
        Value::Text(text) => text.to_string(),
        Value::List(_) => key.to_string(),
    }
}

/// Nothing was sent.
fn unsupported(op: &Op) -> Outcome {
    Outcome::fail(
        ErrorClass::Rejected,
        format!("the bundled cluster knows no {}", op.kind()),
    )
}

fn answered(op: &Op, bytes: &[u8]) -> serde_json::Result<Outcome> {
    Ok(match op {
        Op::Read { .. } => Outcome::ok_value(serde_json::from_slice::<ReadAnswer>(bytes)?.value),
        Op::Write { .. } => Outcome::ok(),
        Op::Cas { .. } => match serde_json::from_slice::<CasAnswer>(bytes)? {
            CasAnswer { swapped: true, .. } => Outcome::ok(),
            CasAnswer { current, .. } => Outcome::mismatch(Some(current)),
        },
        _ => unsupported(op),
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
    match answer.happened.as_str() {
        "no" => Outcome::fail(class, message),
        _ => unknown(op, class, message),
    }
}

/// No whole answer came. Only when no connection was made is it certain that nothing was sent.
fn unanswered(op: &Op, error: &reqwest::Error) -> Outcome {
    let message = innermost(error);
    if error.is_connect() {
        Outcome::fail(ErrorClass::ConnectionRefused, message)
    } else if error.is_timeout() {
        unknown(op, ErrorClass::Timeout, message)
    } else {
        unknown(op, ErrorClass::ConnectionLost, message)
    }
}

/// An operation that cannot change the store has certainly had no effect, whatever became of its answer.
fn unknown(op: &Op, class: ErrorClass, message: String) -> Outcome {
    if op.is_read_only() {
        Outcome::fail(class, message)
    } else {
        Outcome::info(class, message)
    }
}

/// The text of the last cause, which is the one that says what happened.
fn innermost(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}

#[cfg(test)]
mod tests {
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
    fn refusals_keep_doubt() {
        let refusal = |error: &str, happened: &str| ErrorAnswer {
            error: error.into(),
            message: String::new(),
            happened: happened.into(),
        };
        let cases = [
            (
                "no-leader",
                "no",
                Outcome::fail(ErrorClass::Unavailable, "no-leader"),
            ),
            ("timeout", "maybe", Outcome::info(ErrorClass::Timeout, "timeout")),
            (
                "timeout",
                "surely?",
                Outcome::info(ErrorClass::Timeout, "timeout"),
            ),
            ("novel", "maybe", Outcome::info(ErrorClass::Rejected, "novel")),
        ];
        for (error, happened, expected) in cases {
            assert_eq!(refused(&cas(), refusal(error, happened)), expected);
        }
        let read = Op::Read { key: 1.into() };
        assert_eq!(
            refused(&read, refusal("timeout", "maybe")),
            Outcome::fail(ErrorClass::Timeout, "timeout")
        );
    }
}
