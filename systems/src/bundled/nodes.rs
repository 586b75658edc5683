//! The nodes' processes: how they are started, who leads, and what operators do to them.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use control::{Access, ControlError, Daemon, Environment, Operators, Primary, SystemOptions};
use history::{Fact, StateHash};
use serde::Deserialize;
use tokio::time::Instant;

use crate::cluster::{Store, data_dir, log_file};
use crate::{http, random_name};

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

/// The nodes of one run.
pub(super) struct Nodes {
    environment: Arc<dyn Environment>,
    /// Where each node listens for its peers.
    raft: Vec<SocketAddr>,
    /// Where each node listens for clients.
    pub(super) urls: Vec<String>,
    /// The planted bugs that are switched on, as on the command line.
    bug: Option<String>,
    /// What the nodes need for them to show, and how much each keeps.
    flags: Vec<&'static str>,
    /// What all keys of this run begin with.
    pub(super) prefix: String,
    http: reqwest::Client,
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
    snapshot_index: u64,
    #[serde(default)]
    members: Vec<Member>,
    /// The last terms that it led; older releases do not say.
    #[serde(default)]
    led_terms: Vec<u64>,
    /// Its state now and at some earlier indices, the same ones on every node.
    digest: Option<Checkpoint>,
    #[serde(default)]
    checkpoints: Vec<Checkpoint>,
}

#[derive(Deserialize)]
struct Checkpoint {
    index: u64,
    hash: String,
}

impl Status {
    /// What the node says of itself, for comparison with the others.
    fn facts(self) -> Vec<Fact> {
        let mut terms = self.led_terms;
        // Of one turn of the node: it leads in the term that it names.
        if self.role == "leader" {
            terms.push(self.term);
        }
        let states = self.checkpoints.into_iter().chain(self.digest);
        let states = states.map(|checkpoint| {
            Fact::State(StateHash {
                index: checkpoint.index,
                base: 0,
                hash: checkpoint.hash,
            })
        });
        let led = (!terms.is_empty()).then_some(Fact::Led(terms));
        led.into_iter().chain(states).collect()
    }
}

#[derive(Deserialize)]
struct Member {
    id: u64,
    voter: bool,
}

/// A node's answer to an order that it did not carry out.
#[derive(Deserialize)]
struct ErrorAnswer {
    error: String,
}

/// Why an order was not carried out.
struct Refused {
    /// The node's word for it (`raft/src/node/answer.rs`); empty if there was no such answer.
    code: String,
    error: ControlError,
}

impl Refused {
    /// Whether it is better to wait than to give up.
    fn passes(&self) -> bool {
        ["change-in-progress", "no-leader", "transferring"].contains(&&*self.code)
    }

    /// Whether the order may have been carried out or may yet be: its leader lost its leadership meanwhile.
    fn is_open(&self) -> bool {
        self.code == "leadership-lost"
    }

    /// No node that answers leads, so there is none to order.
    fn no_leader() -> Refused {
        Refused {
            code: "no-leader".into(),
            error: ControlError::Other("no node says that it is the leader".into()),
        }
    }
}

impl From<Refused> for ControlError {
    fn from(refused: Refused) -> ControlError {
        refused.error
    }
}

impl Nodes {
    pub(super) fn new(
        environment: Arc<dyn Environment>,
        options: &SystemOptions,
    ) -> Result<Nodes, ControlError> {
        let raft = match environment.kind().is_foreign() {
            true => Vec::new(),
            false => (environment.nodes().iter())
                .map(|node| environment.endpoint(node.index, RAFT_PORT))
                .collect::<Result<_, _>>()?,
        };
        Ok(Nodes {
            raft,
            urls: http::base_urls(&*environment, &options.endpoints, HTTP_PORT)?,
            // A cluster that perjury did not start keeps what earlier runs wrote.
            prefix: match environment.kind().is_foreign() {
                true => format!("perjury/{}/", random_name()),
                false => String::new(),
            },
            flags: flags(options.bug.as_deref().unwrap_or_default(), options.seed),
            bug: options.bug.clone(),
            http: http::client(STATUS_LIMIT, &Access::default())?,
            environment,
        })
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

    /// Has a node do something that clients never request.
    async fn order<T: serde::de::DeserializeOwned>(
        &self,
        node: usize,
        path: &str,
        body: &serde_json::Value,
    ) -> Result<T, Refused> {
        let failed = |why: String| Refused {
            code: String::new(),
            error: ControlError::Other(format!("POST /v1/{path}: {why}")),
        };
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
            false => Err(Refused {
                code: serde_json::from_slice(&bytes)
                    .map_or_else(|_| String::new(), |answer: ErrorAnswer| answer.error),
                ..failed(String::from_utf8_lossy(&bytes).into_owned())
            }),
        }
    }

    /// Has the leader do something, and tries again while the cluster is not ready for it: one change at a
    /// time, and none before the leader has committed something of its own (thesis §4.1).
    async fn operate(&self, path: &str, body: &serde_json::Value) -> Result<(), Refused> {
        let deadline = Instant::now() + OPERATION_LIMIT;
        loop {
            let done = match self.primaries().await.first() {
                Some(leader) => self
                    .order::<serde_json::Value>(leader.node, path, body)
                    .await
                    .map(drop),
                None => Err(Refused::no_leader()),
            };
            match done {
                Err(refused) if Instant::now() < deadline && refused.passes() => {
                    tokio::time::sleep(OPERATION_PAUSE).await;
                }
                done => return done,
            }
        }
    }

    /// Makes a node a member, or no longer one. What the end of a leadership left open is ordered again
    /// unless the next leader's list says that it was done.
    async fn change_member(
        &self,
        node: usize,
        is_member: bool,
        order: serde_json::Value,
    ) -> Result<(), ControlError> {
        let deadline = Instant::now() + OPERATION_LIMIT;
        loop {
            match self.operate("members", &order).await {
                Err(refused) if refused.is_open() && Instant::now() < deadline => {
                    if self.members().await?.contains(&node) == is_member {
                        return Ok(());
                    }
                }
                done => return Ok(done?),
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

/// How much a node keeps before it makes a snapshot, and before it begins a new segment of its log: as it is
/// by itself in every other run, and else so little that both happen within a minute, at any rate of writes.
/// (FoundationDB's simulation draws its knobs; etcd's robustness tests draw the number of entries of a
/// snapshot.)
const LIMITS: [&[&str]; 4] = [
    &[],
    &[],
    &[
        "--snapshot-every=5000",
        "--keep-entries=500",
        "--segment-bytes=1MiB",
    ],
    &[
        "--snapshot-every=500",
        "--keep-entries=50",
        "--segment-bytes=64KiB",
    ],
];

/// The flags of the nodes that a list of bugs calls for, or else those that the seed draws.
fn flags(bugs: &str, seed: u64) -> Vec<&'static str> {
    let bugs = bugs.split(',').filter_map(raft::bug::Bug::from_name);
    let of_bugs: Vec<&str> = bugs.flat_map(|bug| bug.info().runs.node_flags).copied().collect();
    // Fibonacci hashing (Knuth, The Art of Computer Programming 3, 6.4): seeds in a row draw different ones.
    let drawn = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 62;
    match of_bugs.is_empty() {
        true => LIMITS[drawn as usize].to_vec(),
        false => of_bugs,
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
        args.extend(self.flags.iter().map(|flag| (*flag).to_owned()));
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

    async fn observe(&self) -> Vec<(usize, Fact)> {
        let statuses = self.statuses().await;
        let facts = statuses
            .into_iter()
            .flat_map(|(node, status)| status.facts().into_iter().map(move |fact| (node, fact)));
        facts.collect()
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
        let order = serde_json::json!({ "to": to + 1 });
        Ok(self.operate("transfer-leadership", &order).await?)
    }

    async fn members(&self) -> Result<Vec<usize>, ControlError> {
        let deadline = Instant::now() + OPERATION_LIMIT;
        let status = loop {
            let statuses = self.statuses().await.into_iter().map(|(_, status)| status);
            let leading = statuses.filter(|status| status.role == "leader");
            // The leader may just have been removed.
            match leading.max_by_key(|status| status.term) {
                Some(status) => break status,
                None if Instant::now() > deadline => {
                    return Err(Refused::no_leader().into());
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
        let order = serde_json::json!({ "remove": node + 1 });
        self.change_member(node, false, order).await
    }

    /// With its data: the same member comes back, with the votes it has given.
    async fn add_member(&self, node: usize) -> Result<(), ControlError> {
        let address = self.raft[node].to_string();
        let order = serde_json::json!({ "add": { "id": node + 1, "address": address } });
        self.change_member(node, true, order).await
    }

    async fn compact(&self, node: usize) -> Result<String, ControlError> {
        #[derive(Deserialize)]
        struct Taken {
            snapshot_index: u64,
        }
        let before = self.status(node).await;
        let applied = before.as_ref().map_or(0, |status| status.applied);
        let had = before.map_or(0, |status| status.snapshot_index);
        let deadline = Instant::now() + OPERATION_LIMIT;
        let taken: Taken = loop {
            match self.order(node, "snapshot", &serde_json::json!({})).await {
                Err(refused) if refused.code == "overloaded" && Instant::now() < deadline => {
                    tokio::time::sleep(OPERATION_PAUSE).await;
                }
                taken => break taken?,
            }
        };
        // A node that was started just now has applied nothing that its snapshot does not hold.
        if taken.snapshot_index == had {
            return Err(ControlError::Other(format!(
                "there is nothing new since its snapshot, which ends at entry {had}"
            )));
        }
        match taken.snapshot_index >= applied {
            true => Ok(format!("a snapshot up to entry {}", taken.snapshot_index)),
            false => Err(ControlError::Untrue(format!(
                "the snapshot ends at entry {}, but {applied} entries were applied",
                taken.snapshot_index
            ))),
        }
    }
}
