//! etcd, through its JSON gateway: 3.4 and later, started by perjury or not.
//!
//! Only keys that begin with `perjury/`, a random name of the run and a `/` are touched, and leases of 2 s.
//! On a cluster that perjury did not start these keys stay behind; `perjury.log` names them, and `etcdctl del
//! --prefix` removes them.
//!
//! - `mod.rs`: the members, and who leads
//! - `client.rs`: what each operation is made of; `lock.rs` and `watch.rs`: two that need more
//! - `admin.rs`: leadership, membership, compaction
//! - `observe.rs`: what they say of themselves beside their answers
//! - `gateway.rs`: one request, one answer; `requests.rs`: their bodies
//! - `errors.rs`: what each error means

mod admin;
mod client;
mod errors;
mod gateway;
mod lock;
mod observe;
mod requests;
mod watch;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use control::{
    Ability, Access, Client, ControlError, Daemon, Db, Environment, Primary, System, SystemOptions,
};
use history::{Fact, LogPattern, LogWeight, ObjectKind};
use serde_json::json;

use crate::cluster::{Cluster, Store, data_dir, log_file};
use crate::{Demand, Entry, ReadMode, find_program, http, random_name};
use client::EtcdClient;
use gateway::{Gateway, Range, Status};
use requests::Names;

pub(crate) const ENTRY: Entry = Entry {
    name: "etcd",
    description: "etcd 3.4 or later, through its JSON gateway",
    bugs: Vec::new,
    objects: &[
        ObjectKind::Register,
        ObjectKind::Set,
        ObjectKind::Counter,
        ObjectKind::Lock,
        ObjectKind::List,
        ObjectKind::Watched,
    ],
    abilities: &[Ability::Transfer, Ability::Membership, Ability::Compact],
    read_modes: &READ_MODES,
    demands: &[
        Demand::User,
        Demand::Password,
        Demand::Ca,
        Demand::Cert,
        Demand::Key,
    ],
    schemes: &["http", "https"],
    example_endpoint: "http://10.0.0.1:2379",
    errors: &errors::ERRORS,
    log_patterns: &LOG_PATTERNS,
    recovers_within: None,
    fault_interval: Duration::from_millis(2500),
    fails_under: &[],
    stands: &[],
    locate: Some(locate),
    make,
};

/// Of etcd (server/etcdserver/corrupt.go, server/etcdserver/server.go), its Raft (raft/raft.go, raft/log.go)
/// and Go. The term that `maintenance/status` reports is that of the last entry that was applied, and not the
/// one in which a leader leads; only the log tells that.
const LOG_PATTERNS: [LogPattern; 10] = [
    LogPattern::new("became leader at term ", "it leads", LogWeight::Leads),
    LogPattern::new(
        "found data inconsistency with peers",
        "its state differs from another member's",
        LogWeight::Proves,
    ),
    LogPattern::new("found hash mismatch", "members' states differ", LogWeight::Proves),
    LogPattern::new(
        "data corruption detected",
        "members' states differ",
        LogWeight::Proves,
    ),
    LogPattern::new(
        "\"alarm\":\"CORRUPT\"",
        "members' states differ (alarm CORRUPT)",
        LogWeight::Proves,
    ),
    LogPattern::new(
        "Was the raft log corrupted, truncated, or lost?",
        "its log ends before what it had acknowledged",
        LogWeight::Told,
    ),
    LogPattern::new("panic: ", "it ended with a panic", LogWeight::Told),
    LogPattern::new("\"level\":\"panic\"", "it ended with a panic", LogWeight::Told),
    LogPattern::new(
        "\"level\":\"fatal\"",
        "it met an error that it cannot go on after",
        LogWeight::Told,
    ),
    LogPattern::new("fatal error: ", "Go's runtime ended it", LogWeight::Told),
];

const READ_MODES: [ReadMode; 2] = [
    ReadMode {
        name: "linearizable",
        description: "a read asks the leader how far the log has got, and waits until its member is there \
            too",
    },
    ReadMode {
        name: "serializable",
        description: "a read answers what its member knows, which may be old",
    },
];

/// The port on which a member listens for clients.
const CLIENT_PORT: u16 = 2379;
/// The port on which a member listens for its peers.
const PEER_PORT: u16 = 2380;
/// How long a member may take to report its status when the question is only who leads.
const STATUS_LIMIT: Duration = Duration::from_millis(250);
/// How long an operator waits for one answer.
const OPERATOR_LIMIT: Duration = Duration::from_secs(5);
/// How long a read may take that shows whether a member is ready.
const LOOK_LIMIT: Duration = Duration::from_secs(1);
/// Half of etcd's own defaults (100 ms and 1000 ms), so that a fault of a few seconds sees an election and
/// work after it. etcd demands at least five heartbeats per election timeout; these are ten, as in its
/// defaults.
const TIMING: [&str; 2] = ["--heartbeat-interval=50", "--election-timeout=500"];

fn locate(named: Option<&Path>) -> Result<PathBuf, String> {
    find_program("etcd", named, "install it (Debian: apt-get install etcd-server)")
}

fn make(environment: Arc<dyn Environment>, options: &SystemOptions) -> Result<Arc<dyn System>, ControlError> {
    let peers = match environment.kind().is_foreign() {
        true => Vec::new(),
        false => (environment.nodes().iter())
            .map(|node| environment.endpoint(node.index, PEER_PORT))
            .collect::<Result<_, _>>()?,
    };
    let urls = http::base_urls(&*environment, &options.endpoints, CLIENT_PORT)?;
    let run = random_name();
    let names = Names::new(&run);
    tracing::info!("all keys of this run begin with {}", names.prefix());
    let members = Members {
        gateways: (urls.iter())
            .map(|url| Gateway::new(url, LOOK_LIMIT, &options.access))
            .collect::<Result<_, _>>()?,
        access: options.access.clone(),
        joined: Mutex::default(),
        peers,
        urls,
        run,
        names,
        program: options.binary.clone().unwrap_or_else(|| "etcd".into()),
        environment: environment.clone(),
    };
    Ok(Arc::new(Etcd {
        cluster: Arc::new(Cluster::new(members, environment, options)?),
        access: options.access.clone(),
        is_serializable: options.read_mode.as_deref() == Some("serializable"),
    }))
}

struct Etcd {
    cluster: Arc<Cluster<Members>>,
    access: Access,
    is_serializable: bool,
}

struct Members {
    environment: Arc<dyn Environment>,
    program: PathBuf,
    /// The run's random name: so members of another run on this host are recognized as foreign, whatever
    /// ports they got.
    run: String,
    names: Names,
    /// Where each member listens for its peers.
    peers: Vec<SocketAddr>,
    /// Where each member is queried.
    urls: Vec<String>,
    /// Connections for questions of our own.
    gateways: Vec<Gateway>,
    access: Access,
    /// The members that joined later, each with the members at that time, including itself.
    joined: Mutex<BTreeMap<usize, Vec<usize>>>,
}

#[async_trait]
impl System for Etcd {
    fn db(&self) -> Arc<dyn Db> {
        self.cluster.clone()
    }

    fn left_behind(&self) -> Option<String> {
        let prefix = self.cluster.store.names.prefix();
        Some(format!(
            "all keys that begin with {prefix}; `etcdctl del --prefix {prefix}` removes them"
        ))
    }

    async fn connect(
        &self,
        node: usize,
        object: ObjectKind,
        timeout: Duration,
    ) -> Result<Box<dyn Client>, ControlError> {
        let members = &self.cluster.store;
        // The first request connects and logs in.
        let gateway = Gateway::new(&members.urls[node], timeout, &self.access)?;
        let names = members.names.clone();
        Ok(Box::new(EtcdClient::new(
            gateway,
            names,
            object,
            self.is_serializable,
        )))
    }
}

impl Members {
    fn joined(&self) -> MutexGuard<'_, BTreeMap<usize, Vec<usize>>> {
        self.joined.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A connection for requests that take longer than a query.
    fn operator(&self, node: usize) -> Result<Gateway, ControlError> {
        Gateway::new(&self.urls[node], OPERATOR_LIMIT, &self.access)
    }

    /// The status of every member that answers in time, with its index, all queried at once.
    async fn statuses(&self) -> Vec<(usize, Status)> {
        let asked = self
            .gateways
            .iter()
            .enumerate()
            .map(|(node, gateway)| async move {
                let body = json!({});
                let status = gateway.ask("v3/maintenance/status", &body);
                let status = tokio::time::timeout(STATUS_LIMIT, status).await.ok()?.ok()?;
                Some((node, status))
            });
        let answers = futures_util::future::join_all(asked).await;
        answers.into_iter().flatten().collect()
    }
}

#[async_trait]
impl Store for Members {
    fn title(&self) -> &'static str {
        "etcd"
    }

    fn daemons(&self, node: usize) -> Vec<Daemon> {
        let nodes = self.environment.nodes();
        let joined = self.joined().get(&node).cloned();
        let is_first = |index: &usize| joined.as_ref().is_none_or(|members| members.contains(index));
        let members: Vec<String> = (nodes.iter().zip(&self.peers))
            .filter(|(node, _)| is_first(&node.index))
            .map(|(node, peer)| format!("{}=http://{peer}", node.name))
            .collect();
        let (client, peer) = (&self.urls[node], self.peers[node]);
        let mut args = vec![
            format!("--name={}", nodes[node].name),
            format!("--data-dir={}", data_dir(&*self.environment, node).display()),
            format!("--listen-client-urls={client}"),
            format!("--advertise-client-urls={client}"),
            format!("--listen-peer-urls=http://{peer}"),
            format!("--initial-advertise-peer-urls=http://{peer}"),
            format!("--initial-cluster={}", members.join(",")),
            format!("--initial-cluster-token=perjury-{}", self.run),
            format!(
                "--initial-cluster-state={}",
                if joined.is_some() { "existing" } else { "new" }
            ),
            "--logger=zap".to_owned(),
        ];
        args.extend(TIMING.map(str::to_owned));
        vec![Daemon {
            program: self.program.clone().into(),
            args: args.into_iter().map(Into::into).collect(),
            env: Vec::new(),
            directory: self.environment.remote(node).directory().to_owned(),
            log: log_file(&*self.environment, node, "node"),
        }]
    }

    /// Every member must serve a linearizable read, for which it needs a leader and a majority.
    async fn look(&self) -> Result<(), String> {
        let request = requests::range(&format!("{}look", self.names.prefix()), false);
        let reads = (self.gateways.iter()).map(|gateway| gateway.ask::<Range>("v3/kv/range", &request));
        let answers = futures_util::future::join_all(reads).await;
        for (node, answer) in self.environment.nodes().iter().zip(answers) {
            if let Err(error) = answer {
                return Err(format!("a read through {} fails: {}", node.name, error.message));
            }
        }
        Ok(())
    }

    async fn primaries(&self) -> Vec<Primary> {
        let mut leaders: Vec<Primary> = (self.statuses().await.into_iter())
            .filter(|(_, status)| status.leads())
            .map(|(node, status)| Primary {
                node,
                term: Some(status.raft_term),
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

    async fn observe_last(&self) -> Vec<(usize, Fact)> {
        self.hashes().await
    }

    async fn needs_operator(&self) -> Option<String> {
        self.alarms().await
    }

    const REJOINS_EMPTY: bool = true;
}
