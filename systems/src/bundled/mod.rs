//! The bundled Raft cluster: perjury's own binary, run as `perjury node` on every node.

mod client;
mod exactly_once;
mod nodes;
mod session;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use control::{Ability, Client, ControlError, Db, Environment, System, SystemOptions};
use history::{LogPattern, LogWeight, ObjectKind, Observed};

use crate::cluster::Cluster;
use crate::{Entry, Oracle, PlantedBug};
use client::BundledClient;
use nodes::Nodes;

pub(crate) const ENTRY: Entry = Entry {
    name: "bundled",
    description: "perjury's own Raft cluster of registers, sets and counters, all linearizable (the default)",
    bugs,
    objects: &[
        ObjectKind::Register,
        ObjectKind::Set,
        ObjectKind::Counter,
        ObjectKind::OnceCounter,
    ],
    abilities: &[Ability::Transfer, Ability::Membership, Ability::Compact],
    read_modes: &[],
    demands: &[],
    schemes: &["http"],
    example_endpoint: "http://10.0.0.1:8000",
    errors: &client::ERRORS,
    log_patterns: &LOG_PATTERNS,
    // Election timeouts are at most 600 ms; the slowest recovery on two busy processors was 2.2 s.
    recovers_within: Some(Duration::from_secs(3)),
    fault_interval: Duration::from_millis(1200),
    fails_under: &[],
    stands: &["packet", "clock", "fsync", "membership", "disk-full"],
    locate: None,
    make,
};

fn bugs() -> Vec<PlantedBug> {
    let families = raft::bug::FAMILIES.iter();
    families
        .flat_map(|(family, table)| table.iter().map(|bug| planted(family, bug)))
        .collect()
}

/// The same facts in the words that all systems share.
fn planted(family: &'static str, bug: &raft::bug::BugInfo) -> PlantedBug {
    use raft::bug::Oracle as Seen;
    let oracle = |seen: &Seen| match seen {
        Seen::History => Oracle::History,
        Seen::NotRecovered => Oracle::Beside(Observed::NotRecovered),
        Seen::TwoLeaders => Oracle::Beside(Observed::TwoLeaders),
        Seen::Diverged => Oracle::Beside(Observed::Diverged),
        Seen::Log => Oracle::Beside(Observed::Log),
        Seen::Crash => Oracle::Beside(Observed::Crash),
        Seen::Election => Oracle::Beside(Observed::Election),
        Seen::Growth => Oracle::Beside(Observed::Growth),
        Seen::SlowRecovery => Oracle::Beside(Observed::SlowRecovery),
        Seen::Unavailable => Oracle::Beside(Observed::Unavailable),
        Seen::Simulation | Seen::Unit => Oracle::Core,
    };
    PlantedBug {
        name: bug.name,
        description: bug.description,
        breaks: bug.breaks.name(),
        layer: bug.layer.name(),
        family,
        seen_by: bug.seen_by.iter().map(oracle).collect(),
        nemesis: bug.runs.nemesis,
        workload: bug.runs.workload,
        test_flags: bug.runs.test_flags,
        node_flags: bug.runs.node_flags,
        schedule: bug.runs.schedule,
        precedent: bug.precedent,
        needs: bug.needs.iter().map(|needed| needed.name()).collect(),
    }
}

/// Of the nodes (raft/src/node/driver.rs) and Rust.
const LOG_PATTERNS: [LogPattern; 3] = [
    LogPattern::new("is Leader term=", "it leads", LogWeight::Leads),
    LogPattern::new(
        "has broken Raft's rules",
        "what another node sent breaks Raft's rules",
        LogWeight::Proves,
    ),
    LogPattern::new("panicked at", "it panicked", LogWeight::Told),
];

fn make(environment: Arc<dyn Environment>, options: &SystemOptions) -> Result<Arc<dyn System>, ControlError> {
    let store = Nodes::new(environment.clone(), options)?;
    Ok(Arc::new(Bundled {
        cluster: Arc::new(Cluster::new(store, environment, options)?),
    }))
}

struct Bundled {
    cluster: Arc<Cluster<Nodes>>,
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
        let nodes = &self.cluster.store;
        let client = BundledClient::new(nodes.urls[node].clone(), nodes.prefix.clone(), object, timeout)?;
        Ok(Box::new(client))
    }
}
