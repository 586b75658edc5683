//! ZooKeeper: one Java process per node, and a client for its binary protocol.
//!
//! A client is one session with one server. Keys are nodes below a root that is unique to the run; a value is
//! the JSON text of a [`history::Value`].
//!
//! **No request is sent twice.** A lost connection fails all requests under way, and the session's next
//! connection starts with nothing but the session itself (see [`connection`]).
//!
//! **Reads.** "Read operations in ZooKeeper are *not linearizable* since they can return potentially stale
//! data"; to `sync` first is usual, but "does **not** strictly guarantee up-to-date data because `sync` is
//! not currently a quorum operation": of two servers that both think they lead, the old one may answer it
//! (ZOOKEEPER-1675, ZOOKEEPER-2136). "The stronger guarantee of linearizability is provided if an actual
//! quorum operation (e.g., a `write`) is performed before a `read`." All from ZooKeeper Internals, section
//! "Consistency Guarantees". Each is a read mode here; the one that is promised to be linearizable is the
//! usual one.
//!
//! A sync has a second hole, which needs no fault: at the leader it waits for nothing but "flow[s] through
//! like a read" (`CommitProcessor.matchSyncs`, which is false there), and the leader tells its followers to
//! commit before it has applied the change itself (`Leader.tryToCommit`). So a client of the leader may still
//! miss, after a sync, a write that a follower has already acknowledged to another client. Seen here with
//! 3.8.0 on a busy machine.

mod client;
mod connection;
mod errors;
mod node;
mod session;
mod wire;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use control::{Client, ControlError, Db, Environment, System, SystemOptions};
use history::{LogPattern, LogWeight, ObjectKind};

use crate::cluster::Cluster;
use crate::{Demand, Entry, ReadMode, find_program};
use client::{Reads, ZooKeeperClient};
use node::Nodes;
use session::Sessions;

pub(crate) const ENTRY: Entry = Entry {
    name: "zookeeper",
    description: "Apache ZooKeeper; reads follow a quorum write unless --read-mode says otherwise",
    bugs: Vec::new,
    objects: &[
        ObjectKind::Register,
        ObjectKind::Set,
        ObjectKind::Counter,
        ObjectKind::Lock,
    ],
    abilities: &[],
    read_modes: &[
        ReadMode {
            name: "quorum",
            description: "write something, then read at the connected server; linearizable",
        },
        ReadMode {
            name: "sync",
            description: "sync, then read at the connected server; may be stale at the leader, and behind \
            a deposed one",
        },
        ReadMode {
            name: "local",
            description: "read at the connected server, ZooKeeper's own default; sequentially consistent, \
            may be stale",
        },
    ],
    demands: &[Demand::User, Demand::Password],
    schemes: &["zookeeper", "http"],
    example_endpoint: "zookeeper://10.0.0.1:2181",
    errors: &errors::ERRORS,
    log_patterns: &LOG_PATTERNS,
    recovers_within: None,
    fault_interval: Duration::from_millis(2500),
    fails_under: &[(
        "power",
        "members do not start again after it (docs/track-record.md)",
    )],
    stands: &[],
    locate: Some(locate),
    make,
};

/// Where Debian's package installs it.
const USUAL_JAR: &str = "/usr/share/java/zookeeper.jar";

/// The jar of the server, or the directory `lib` of a release, in which its jars lie.
fn locate(named: Option<&Path>) -> Result<PathBuf, String> {
    find_program(
        "java",
        None,
        "ZooKeeper needs it; Debian: apt-get install default-jre-headless",
    )
    .map_err(|why| why.replace(", or name it with --binary", ""))?;
    match named {
        Some(path) => classes(path).map_err(|why| {
            format!(
                "--binary {}: {why}; name zookeeper.jar or the directory of a release",
                path.display()
            )
        }),
        None => classes(Path::new(USUAL_JAR)).map_err(|_| {
            format!(
                "there is no {USUAL_JAR} (Debian: apt-get install zookeeper); or name the directory of a \
                 release with --binary"
            )
        }),
    }
}

fn classes(path: &Path) -> Result<PathBuf, String> {
    // Made absolute, because the daemon runs in another directory.
    let path = std::fs::canonicalize(path).map_err(|error| error.to_string())?;
    if path.is_file() {
        // A release's jar does not say which other jars it needs: take all that lie beside it.
        return Ok(match path.parent() {
            Some(lib) if lib.ends_with("lib") => lib.to_owned(),
            _ => path,
        });
    }
    let lib = if path.ends_with("lib") {
        path
    } else {
        path.join("lib")
    };
    let has_server = std::fs::read_dir(&lib)
        .map_err(|error| format!("no jars in {}: {error}", lib.display()))?
        .flatten()
        .any(|entry| {
            let name = entry.file_name();
            let name = name.to_string_lossy();
            name.starts_with("zookeeper-") && !name.starts_with("zookeeper-jute") && name.ends_with(".jar")
        });
    match has_server {
        true => Ok(lib),
        false => Err(format!("no zookeeper-*.jar in {}", lib.display())),
    }
}

/// Of ZooKeeper (server/DataTree.java, server/persistence/FileTxnSnapLog.java,
/// server/quorum/QuorumPeer.java). A server compares the digest of its state after each transaction with the
/// one that the leader had computed.
const LOG_PATTERNS: [LogPattern; 5] = [
    LogPattern::new(
        "Digests are not matching. Value is Zxid",
        "its state differs from the leader's after the same transaction",
        LogWeight::Proves,
    ),
    LogPattern::new(
        "First digest mismatch on txn",
        "its state differs from the leader's after the same transaction",
        LogWeight::Proves,
    ),
    LogPattern::new(
        "which might lead to inconsistent state",
        "its log does not reach as far as its snapshot",
        LogWeight::Told,
    ),
    LogPattern::new(
        "Something is broken!",
        "there is a log and no snapshot",
        LogWeight::Told,
    ),
    LogPattern::new(
        "Unable to load database on disk",
        "what it had written cannot be read",
        LogWeight::Told,
    ),
];

fn make(environment: Arc<dyn Environment>, options: &SystemOptions) -> Result<Arc<dyn System>, ControlError> {
    let reads = match options.read_mode.as_deref() {
        Some("local") => Reads::Local,
        Some("sync") => Reads::Sync,
        _ => Reads::Quorum,
    };
    let addresses = node::addresses(&*environment, &options.endpoints)?;
    let sessions = Arc::new(Sessions::new(addresses, &options.access));
    // On the user's own hosts Java looks for it there.
    let jar = options.binary.clone().unwrap_or_else(|| USUAL_JAR.into());
    let store = Nodes::new(environment.clone(), jar, sessions.clone())?;
    Ok(Arc::new(ZooKeeper {
        cluster: Arc::new(Cluster::new(store, environment, options)?),
        sessions,
        reads,
    }))
}

struct ZooKeeper {
    cluster: Arc<Cluster<Nodes>>,
    sessions: Arc<Sessions>,
    reads: Reads,
}

#[async_trait]
impl System for ZooKeeper {
    fn db(&self) -> Arc<dyn Db> {
        self.cluster.clone()
    }

    fn left_behind(&self) -> Option<String> {
        let root = self.sessions.root();
        Some(format!(
            "the node {root} and all below it; `zkCli.sh deleteall {root}` removes them"
        ))
    }

    async fn connect(
        &self,
        node: usize,
        object: ObjectKind,
        timeout: Duration,
    ) -> Result<Box<dyn Client>, ControlError> {
        // Half of it is left for the operation.
        let session = self.sessions.open(node, object, timeout / 2).await?;
        Ok(Box::new(ZooKeeperClient::new(session, object, self.reads)))
    }
}
