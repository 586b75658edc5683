//! Consul: `consul agent -server` on every node, used through its HTTP API.
//!
//! Its requests and the meaning of its answers are taken from its documentation
//! (developer.hashicorp.com/consul/api-docs) and source (github.com/hashicorp/consul). Tried with Consul
//! 1.8.7, the last one that Debian packaged (Debian 11).
//!
//! Consul answers writes through its leader, and holds what it cannot forward for some seconds
//! (`rpc_hold_timeout`). It repeats a write by itself only after "No cluster leader", when "no state could
//! have been changed" (agent/consul/rpc.go, `canRetry`); so one request is one write.
//!
//! **Reads** (Consistency Modes, api-docs/features/consistency): `consistent` is "strongly consistent without
//! caveats", for the leader checks with a quorum first; `default` is answered by the leader on its lease, so
//! that "the old leader may respond with stale values" in "a small window"; `stale` is answered by any
//! server, with "no upper limit on this staleness".

mod agent;
mod client;
mod errors;
mod requests;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use control::{Client, ControlError, Db, Environment, System, SystemOptions};
use history::{LogPattern, LogWeight, ObjectKind};

use crate::cluster::Cluster;
use crate::{Demand, Entry, ReadMode, find_program};
use agent::Agents;
use client::ConsulClient;
use requests::{Asking, Reads};

pub(crate) const ENTRY: Entry = Entry {
    name: "consul",
    description: "HashiCorp Consul's key-value store, through its HTTP API; consistent reads unless \
        requested otherwise",
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
            name: "consistent",
            description: "the leader checks with a quorum before it answers; linearizable",
        },
        ReadMode {
            name: "default",
            description: "the leader answers on its lease; stale in a small window around an election",
        },
        ReadMode {
            name: "stale",
            description: "any server answers, with no upper limit on the staleness",
        },
    ],
    demands: &[Demand::Token, Demand::Ca, Demand::Cert, Demand::Key],
    schemes: &["http", "https"],
    example_endpoint: "http://10.0.0.1:8500",
    errors: &errors::ERRORS,
    log_patterns: &LOG_PATTERNS,
    recovers_within: None,
    fault_interval: Duration::from_millis(2500),
    fails_under: &[(
        "power",
        "servers that are young do not start again after it (docs/track-record.md)",
    )],
    stands: &[],
    locate: Some(locate),
    make,
};

fn locate(named: Option<&Path>) -> Result<PathBuf, String> {
    find_program("consul", named, "see developer.hashicorp.com/consul/install")
}

/// Of hashicorp/raft (raft.go: newer releases log the term of an election that was won) and Go.
const LOG_PATTERNS: [LogPattern; 5] = [
    LogPattern::new("election won: term=", "it leads", LogWeight::Leads),
    LogPattern::new("panic: ", "it ended with a panic", LogWeight::Told),
    LogPattern::new("fatal error: ", "Go's runtime ended it", LogWeight::Told),
    LogPattern::new(
        "failed to get log",
        "an entry of its own log cannot be read",
        LogWeight::Told,
    ),
    LogPattern::new(
        "failed to restore snapshot",
        "a snapshot cannot be read",
        LogWeight::Told,
    ),
];

fn make(environment: Arc<dyn Environment>, options: &SystemOptions) -> Result<Arc<dyn System>, ControlError> {
    let reads = match options.read_mode.as_deref() {
        Some("default") => Reads::Default,
        Some("stale") => Reads::Stale,
        _ => Reads::Consistent,
    };
    let asking = Arc::new(Asking::new(&*environment, options, reads)?);
    let store = Agents::new(environment.clone(), options, asking.clone())?;
    Ok(Arc::new(Consul {
        cluster: Arc::new(Cluster::new(store, environment, options)?),
        asking,
    }))
}

struct Consul {
    cluster: Arc<Cluster<Agents>>,
    asking: Arc<Asking>,
}

#[async_trait]
impl System for Consul {
    fn db(&self) -> Arc<dyn Db> {
        self.cluster.clone()
    }

    fn left_behind(&self) -> Option<String> {
        let root = self.asking.root();
        Some(format!(
            "all keys that begin with {root}; `consul kv delete -recurse {root}` removes them"
        ))
    }

    async fn connect(
        &self,
        node: usize,
        object: ObjectKind,
        timeout: Duration,
    ) -> Result<Box<dyn Client>, ControlError> {
        let client = ConsulClient::open(self.asking.connection(node, timeout)?, object);
        Ok(Box::new(client.await?))
    }
}
