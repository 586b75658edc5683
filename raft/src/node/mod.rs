//! One node: the core, its disk, its links and its HTTP API, tied together.
//!
//! ```text
//!   clients ── http ──▶ calls ─┐                    ┌─▶ replies ──▶ http
//!   peers ── transport ────────┼─▶ driver ▶ Core ──┼─▶ transport ──▶ peers
//!   log-writer ── synced ──────┘                    └─▶ log-writer (write, fsync)
//! ```
//!
//! Everything but the log's writing runs on the caller's tokio runtime; a current-thread one suits best,
//! because the driver is one task and its neighbours have little to do.
//!
//! Invariants: only the driver touches the core; only the log-writer waits for a disk; every queue between
//! them is bounded or carries at most one message a write.

mod answer;
mod driver;
mod http;
mod limit;
mod metrics;
mod pending;
mod status;
mod wire;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use tokio::net::TcpListener;

use crate::bug::Bugs;
use crate::core::api::{Member, Membership, NodeId};
use crate::core::{Config, StartError};
use crate::storage::{StorageError, StorageOptions};
use crate::transport::{self, TransportConfig};

/// How a node is set up.
#[derive(Debug, Clone)]
pub struct NodeConfig {
    /// This node's number, from 1, never used for another node of the cluster.
    pub id: NodeId,
    /// Where it keeps its log, its term and its vote.
    pub data_dir: PathBuf,
    /// Where it listens for its peers.
    pub raft_addr: SocketAddr,
    /// Where it listens for clients.
    pub http_addr: SocketAddr,
    /// The members of the first configuration, this node included; the same on each of them and at every
    /// start. Empty on a node that is to be added to a running cluster.
    pub peers: Vec<(NodeId, SocketAddr)>,
    /// Nodes of different clusters refuse each other.
    pub cluster: String,
    /// How often a leader shows that it is alive.
    pub heartbeat: Duration,
    /// The shortest silence after which a follower stands for election; each draws up to twice as much.
    pub election_timeout: Duration,
    /// A client gets an answer within this time, even if only that there was none in time.
    pub request_timeout: Duration,
    /// More requests than this do not wait; they are refused as `overloaded`.
    pub max_pending: usize,
    /// A snapshot is taken when so many entries were applied since the last.
    pub snapshot_every: u64,
    /// So many entries before a snapshot are kept for followers that lag a little.
    pub keep_entries: u64,
    /// How the disk is laid out.
    pub storage: StorageOptions,
    /// The planted bugs that are switched on.
    pub bugs: Bugs,
}

impl NodeConfig {
    /// The defaults: for a LAN, or several nodes on one machine.
    pub fn new(
        id: NodeId,
        data_dir: impl Into<PathBuf>,
        raft_addr: SocketAddr,
        http_addr: SocketAddr,
    ) -> Self {
        let core = Config::new(id, Membership::default(), 0);
        NodeConfig {
            id,
            data_dir: data_dir.into(),
            raft_addr,
            http_addr,
            peers: Vec::new(),
            cluster: "default".into(),
            heartbeat: Duration::from_millis(50),
            election_timeout: Duration::from_millis(300),
            request_timeout: Duration::from_secs(5),
            max_pending: 8192,
            snapshot_every: core.snapshot_every,
            keep_entries: core.keep_entries,
            storage: StorageOptions::default(),
            bugs: Bugs::NONE,
        }
    }

    fn check(&self) -> Result<(), NodeError> {
        let wrong = |what: String| Err(NodeError::Config(what));
        if self.id == 0 {
            return wrong("a node's number must not be 0".into());
        }
        if self.heartbeat.is_zero() || self.heartbeat * 2 > self.election_timeout {
            return wrong(format!(
                "the election timeout ({:?}) must be at least twice the heartbeat ({:?})",
                self.election_timeout, self.heartbeat
            ));
        }
        if self.max_pending == 0 || self.snapshot_every == 0 || self.request_timeout.is_zero() {
            return wrong("limits and timeouts must not be 0".into());
        }
        let mut ids: Vec<NodeId> = self.peers.iter().map(|(id, _)| *id).collect();
        ids.sort_unstable();
        if ids.contains(&0) || ids.windows(2).any(|pair| pair[0] == pair[1]) {
            return wrong("every peer needs its own number, from 1 on".into());
        }
        if !ids.is_empty() && !ids.contains(&self.id) {
            return wrong(format!(
                "node {} is not among the peers of the first configuration",
                self.id
            ));
        }
        Ok(())
    }

    fn core(&self) -> Config {
        let members = self.peers.iter().map(|(id, address)| {
            let address = address.to_string();
            (*id, Member { address, voter: true })
        });
        let initial = Membership {
            members: members.collect(),
        };
        Config {
            election_timeout_ns: nanos(self.election_timeout),
            heartbeat_ns: nanos(self.heartbeat),
            snapshot_every: self.snapshot_every,
            keep_entries: self.keep_entries,
            bugs: self.bugs,
            ..Config::new(self.id, initial, rand::random())
        }
    }

    fn transport(&self) -> TransportConfig {
        TransportConfig {
            cluster: self.cluster.clone(),
            ..TransportConfig::new(self.id)
        }
    }
}

/// Why a node cannot start or continue.
#[derive(Debug, thiserror::Error)]
pub enum NodeError {
    /// The configuration contradicts itself.
    #[error("{0}")]
    Config(String),
    /// An address cannot be listened on.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// The disk.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// What is stored is not a node's state.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The operating system refused a thread.
    #[error("cannot start a thread: {0}")]
    Thread(std::io::Error),
    /// The HTTP server or the log-writer ended.
    #[error("the {0} has stopped")]
    Stopped(&'static str),
}

/// Runs a node until it fails; dropping the future stops it, as abruptly as a kill, except for writes under
/// way.
///
/// # Errors
/// When the configuration makes no sense, an address is taken, or the directory is in use or damaged; later,
/// when the disk fails. A node that cannot write must stop.
pub async fn run(config: NodeConfig) -> Result<(), NodeError> {
    let listen = |address| transport::listen(address).map_err(|source| NodeError::Listen { address, source });
    let raft = listen(config.raft_addr)?;
    let http = listen(config.http_addr)?;
    run_on(config, raft, http).await
}

/// [`run`] on sockets that listen already; the addresses in `config` are not used.
///
/// # Errors
/// As for [`run`].
pub async fn run_on(config: NodeConfig, raft: TcpListener, http: TcpListener) -> Result<(), NodeError> {
    config.check()?;
    let (driver, handle) = driver::Driver::start(&config, raft)?;
    tracing::info!(
        id = config.id,
        data = %config.data_dir.display(),
        http = %http.local_addr().unwrap_or(config.http_addr),
        "the node is up"
    );
    tokio::select! {
        result = driver.run() => result,
        () = http::serve(http, handle) => Err(NodeError::Stopped("HTTP server")),
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contradictions_are_refused() {
        let any: SocketAddr = ([127, 0, 0, 1], 1).into();
        let good = NodeConfig {
            peers: vec![(1, any), (2, any)],
            ..NodeConfig::new(1, "d", any, any)
        };
        good.check().unwrap();
        NodeConfig {
            peers: vec![],
            ..good.clone()
        }
        .check()
        .unwrap();
        let cases = [
            (
                NodeConfig {
                    id: 0,
                    ..good.clone()
                },
                "must not be 0",
            ),
            (
                NodeConfig {
                    id: 3,
                    ..good.clone()
                },
                "not among the peers",
            ),
            (
                NodeConfig {
                    peers: vec![(1, any), (1, any)],
                    ..good.clone()
                },
                "its own number",
            ),
            (
                NodeConfig {
                    heartbeat: good.election_timeout,
                    ..good.clone()
                },
                "at least twice",
            ),
            (
                NodeConfig {
                    max_pending: 0,
                    ..good.clone()
                },
                "must not be 0",
            ),
        ];
        for (config, expected) in cases {
            let error = config.check().unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }
}
