//! Redis with Sentinel: a positive control. It is known to lose acknowledged writes, and a checker that does
//! not notice is worth nothing.
//!
//! Replication is asynchronous: a master answers before any replica has the write ("Redis Sentinel
//! documentation", section "Fundamental things to know about Sentinel before deploying": "acknowledged
//! writes" are not guaranteed to be "retained during failures"). After a failover what the replica had not
//! yet is gone; and a master that is cut off from the others keeps accepting writes, which are thrown away
//! when it comes back as a replica. Even a master that is killed and comes back as master has lost some: with
//! `appendfsync everysec` it answers while an earlier fsync is still under way, and what it will append then
//! is only in its memory (`flushAppendOnlyFile` in src/aof.c).
//!
//! On every node run a Redis and a sentinel ([`store`]). A client of node i asks the sentinel of node i who
//! is master and then talks to that one only ([`client`]), which is what the "Guidelines for Redis clients
//! with support for Redis Sentinel" demand. With `--endpoints redis://host:port,…` there is no sentinel: a
//! client of node i talks to the i-th of these servers, whatever that one is, and never asks it to `WAIT`;
//! name the masters there, because a replica refuses writes.

mod client;
mod errors;
mod failover_views;
mod link;
mod store;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use control::{Client, ControlError, Db, Environment, System, SystemOptions};
use history::{LogPattern, LogWeight, ObjectKind};

use crate::cluster::Cluster;
use crate::{Demand, Entry, find_program};
use client::RedisClient;
use link::Login;
use store::Nodes;

pub(crate) const ENTRY: Entry = Entry {
    name: "redis",
    description: "Redis with Sentinel: a positive control, known to lose acknowledged writes on failover",
    bugs: Vec::new,
    objects: &[ObjectKind::Register, ObjectKind::Set, ObjectKind::Counter],
    abilities: &[],
    read_modes: &[],
    demands: &[Demand::User, Demand::Password],
    schemes: &["redis", "http"],
    example_endpoint: "redis://10.0.0.1:6379",
    errors: &errors::ERRORS,
    log_patterns: &LOG_PATTERNS,
    recovers_within: None,
    fault_interval: Duration::from_millis(2500),
    fails_under: &[("power", "it acknowledges what it has not synced")],
    stands: &[],
    locate: Some(locate),
    make,
};

fn locate(named: Option<&Path>) -> Result<PathBuf, String> {
    find_program(
        "redis-server",
        named,
        "install it (Debian: apt-get install redis-server)",
    )
}

/// Of Redis (src/debug.c, src/aof.c, src/rdb.c).
const LOG_PATTERNS: [LogPattern; 4] = [
    LogPattern::new(
        "=== REDIS BUG REPORT START",
        "it crashed, and prints a report of it",
        LogWeight::Told,
    ),
    LogPattern::new(
        "Bad file format reading the append only file",
        "what it had written cannot be read",
        LogWeight::Told,
    ),
    LogPattern::new(
        "Unexpected end of file reading the append only file",
        "what it had written is cut short",
        LogWeight::Told,
    ),
    LogPattern::new(
        "Internal error in RDB reading",
        "what it had written cannot be read",
        LogWeight::Told,
    ),
];

fn make(environment: Arc<dyn Environment>, options: &SystemOptions) -> Result<Arc<dyn System>, ControlError> {
    if options.access.ca_file.is_some() || options.access.cert_file.is_some() {
        return Err(ControlError::Other(
            "the client of `redis` does not speak TLS; leave out --ca-file, --cert-file and --key-file"
                .into(),
        ));
    }
    let store = match environment.kind().is_foreign() {
        true => Nodes::external(
            environment.clone(),
            &options.endpoints,
            Login::of(&options.access),
        )?,
        false => Nodes::own(environment.clone(), options.binary.clone())?,
    };
    Ok(Arc::new(Redis {
        prefix: prefix(),
        cluster: Arc::new(Cluster::new(store, environment, options)?),
    }))
}

struct Redis {
    cluster: Arc<Cluster<Nodes>>,
    /// What the names of all keys of this run begin with.
    prefix: Arc<str>,
}

/// A server that perjury did not start may still hold what an earlier run wrote, and would then seem to
/// answer with values that were never written.
fn prefix() -> Arc<str> {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    format!("perjury:{:x}:", since.as_nanos()).into()
}

#[async_trait]
impl System for Redis {
    fn db(&self) -> Arc<dyn Db> {
        self.cluster.clone()
    }

    fn left_behind(&self) -> Option<String> {
        let prefix = &self.prefix;
        Some(format!(
            "all keys that begin with {prefix}; `redis-cli --scan --pattern '{prefix}*' | xargs redis-cli \
             del` removes them"
        ))
    }

    async fn connect(
        &self,
        node: usize,
        object: ObjectKind,
        timeout: Duration,
    ) -> Result<Box<dyn Client>, ControlError> {
        // The connection is made by the first request, where an error has its row in the table.
        let store = &self.cluster.store;
        let entrance = match store.sentinel(node) {
            Some(sentinel) => client::Entrance::Sentinel(sentinel),
            None => client::Entrance::Server(store.server(node)),
        };
        Ok(Box::new(RedisClient::new(
            entrance,
            object,
            self.prefix.clone(),
            timeout,
        )))
    }
}

#[cfg(test)]
mod tests;
