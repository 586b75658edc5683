//! The daemons of a node, a Redis and a sentinel, and their settings.
//!
//! ```text
//!   n1                n2                n3
//!   Redis (master) ─► Redis           ► Redis          asynchronous replication
//!       │ └─────────────────────────────┘
//!   sentinel  ◄────►  sentinel  ◄────►  sentinel       a majority replaces the master
//! ```
//!
//! Invariant: the settings are written once, before the first start of a node. Both programs rewrite their
//! own files (CONFIG REWRITE; "Redis Sentinel documentation": "Sentinel will rewrite its configuration
//! file"), which then say who is master and how often it changed. Written again before a restart, they would
//! make n1 the master by our doing, not Redis'.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use control::{Command, ControlError, Daemon, Environment, Operators, Primary};
use redis::cmd;

use super::failover_views::{self, Said};
use super::link::{Address, Login};
use crate::cluster::{Store, data_dir, log_file, put_file};

/// How the sentinels call the one master that they watch.
pub(super) const MASTER_NAME: &str = "perjury";

/// The port on which a Redis listens.
const REDIS_PORT: u16 = 6379;
/// The port on which a sentinel listens.
const SENTINEL_PORT: u16 = 26379;
/// How long a daemon may take to answer when it is only asked for its state.
const STATUS_LIMIT: Duration = Duration::from_millis(250);
/// How long a sentinel whose clock jumped may stay passive while the cluster is waited for, milliseconds.
const TILT_MS: u32 = 1000;
/// How long it may take to make a directory.
const DIRECTORY_LIMIT: Duration = Duration::from_secs(5);

/// Every node's Redis and, where they are ours, sentinel.
pub(super) struct Nodes {
    environment: Arc<dyn Environment>,
    servers: Vec<Address>,
    /// What only a cluster of ours has.
    own: Option<Own>,
}

struct Own {
    program: PathBuf,
    sentinels: Vec<Address>,
    server_sockets: Vec<SocketAddr>,
    sentinel_sockets: Vec<SocketAddr>,
    /// By node, whether its settings were written.
    is_set: Vec<AtomicBool>,
}

impl Nodes {
    /// A cluster that is started here.
    pub fn own(environment: Arc<dyn Environment>, program: Option<PathBuf>) -> Result<Nodes, ControlError> {
        let count = environment.nodes().len();
        let sockets = |port| -> Result<Vec<SocketAddr>, ControlError> {
            (0..count).map(|node| environment.endpoint(node, port)).collect()
        };
        let addresses = |sockets: &[SocketAddr]| -> Result<Vec<Address>, ControlError> {
            sockets.iter().map(|&socket| Address::of(socket)).collect()
        };
        let server_sockets = sockets(REDIS_PORT)?;
        let sentinel_sockets = sockets(SENTINEL_PORT)?;
        let servers = addresses(&server_sockets)?;
        let own = Own {
            program: program.unwrap_or_else(|| "redis-server".into()),
            sentinels: addresses(&sentinel_sockets)?,
            server_sockets,
            sentinel_sockets,
            is_set: (0..count).map(|_| AtomicBool::new(false)).collect(),
        };
        Ok(Nodes {
            environment,
            servers,
            own: Some(own),
        })
    }

    /// Servers that perjury did not start.
    pub fn external(
        environment: Arc<dyn Environment>,
        endpoints: &[String],
        login: Login,
    ) -> Result<Nodes, ControlError> {
        let servers = (endpoints.iter())
            .map(|endpoint| Address::named(endpoint, &login))
            .collect::<Result<_, _>>()?;
        Ok(Nodes {
            environment,
            servers,
            own: None,
        })
    }

    /// The sentinel of a node; `None` in a cluster that is not ours.
    pub fn sentinel(&self, node: usize) -> Option<Address> {
        self.own.as_ref().map(|own| own.sentinels[node].clone())
    }

    /// The Redis of a node.
    pub fn server(&self, node: usize) -> Address {
        self.servers[node].clone()
    }

    /// What all daemons report, all queried at once.
    async fn ask(&self) -> Vec<Said> {
        let asked = (0..self.servers.len()).map(|node| async move {
            let role_question = cmd("ROLE");
            let role = self.servers[node].ask::<redis::Value>(&role_question, STATUS_LIMIT);
            let view = async {
                let mut question = cmd("SENTINEL");
                question.arg("MASTER").arg(MASTER_NAME);
                let sentinel = self.sentinel(node)?;
                let answer: HashMap<String, String> = sentinel.ask(&question, STATUS_LIMIT).await.ok()?;
                failover_views::view(&answer)
            };
            let (role, view) = tokio::join!(role, view);
            Said {
                role: role.ok().and_then(|answer| failover_views::role(&answer)),
                view,
            }
        });
        futures_util::future::join_all(asked).await
    }

    /// A sentinel that was frozen for 2 s notices a jump of its clock and does nothing for 30 s ("TILT mode"
    /// in the documentation of Sentinel), which is as long as the cluster is waited for. This only shortens
    /// that pause, and only while the cluster is waited for. Sentinels before 7.0 do not know the command and
    /// stay passive.
    async fn wake(&self, own: &Own) {
        let mut command = cmd("SENTINEL");
        command.arg("DEBUG").arg("tilt-period").arg(TILT_MS);
        let woken =
            (own.sentinels.iter()).map(|sentinel| sentinel.ask::<redis::Value>(&command, STATUS_LIMIT));
        futures_util::future::join_all(woken).await;
    }

    fn names(&self) -> Vec<&str> {
        let nodes = self.environment.nodes();
        nodes.iter().map(|node| node.name.as_str()).collect()
    }
}

impl Operators for Nodes {}

#[async_trait]
impl Store for Nodes {
    fn title(&self) -> &'static str {
        "Redis"
    }

    fn daemons(&self, node: usize) -> Vec<Daemon> {
        let Some(own) = &self.own else { return Vec::new() };
        let directory = self.environment.remote(node).directory().to_owned();
        let daemon = |args: &[&str], log: &str| Daemon {
            program: own.program.clone().into(),
            args: args.iter().map(Into::into).collect(),
            env: Vec::new(),
            directory: directory.clone(),
            log: log_file(&*self.environment, node, log),
        };
        vec![
            daemon(&["redis.conf"], "node"),
            daemon(&["sentinel.conf", "--sentinel"], "sentinel"),
        ]
    }

    async fn prepare(&self, node: usize) -> Result<(), ControlError> {
        let Some(own) = &self.own else { return Ok(()) };
        let environment = &*self.environment;
        // Neither makes the directory for its data itself.
        let data = data_dir(environment, node);
        make_directory(environment, node, &data).await?;
        if own.is_set[node].load(Ordering::Relaxed) {
            return Ok(());
        }
        let master = own.server_sockets[0];
        let redis = redis_settings(own.server_sockets[node], (node != 0).then_some(master), &data);
        put_file(environment, node, "redis.conf", &redis).await?;
        let count = own.is_set.len();
        let sentinel = sentinel_settings(own.sentinel_sockets[node], master, count, &data);
        put_file(environment, node, "sentinel.conf", &sentinel).await?;
        own.is_set[node].store(true, Ordering::Relaxed);
        Ok(())
    }

    async fn look(&self) -> Result<(), String> {
        let said = self.ask().await;
        let problem = match &self.own {
            Some(own) => failover_views::problem(&self.names(), &own.server_sockets, &said),
            None => (said.iter().zip(self.names()))
                .find(|(said, _)| said.role.is_none())
                .map(|(_, name)| format!("no answer from {name}")),
        };
        let Some(problem) = problem else { return Ok(()) };
        if let Some(own) = &self.own {
            self.wake(own).await;
        }
        Err(problem)
    }

    async fn primaries(&self) -> Vec<Primary> {
        match &self.own {
            Some(own) => (failover_views::masters(&own.server_sockets, &self.ask().await).into_iter())
                .map(|node| Primary { node, term: None })
                .collect(),
            // Servers that perjury did not start need not even belong together: none of their masters is the
            // newest.
            None => Vec::new(),
        }
    }

    async fn version(&self) -> String {
        let mut question = cmd("INFO");
        question.arg("server");
        for server in &self.servers {
            if let Ok(info) = server.ask::<String>(&question, STATUS_LIMIT).await
                && let Some(version) = version(&info)
            {
                return version.to_owned();
            }
        }
        String::new()
    }
}

/// The settings of a Redis. Where they differ from the defaults, they make it notice sooner and never later:
/// `appendonly` keeps what was written across a kill, the rest makes a new replica copy at once and notice a
/// dead link in seconds.
fn redis_settings(own: SocketAddr, master: Option<SocketAddr>, data: &Path) -> String {
    let (ip, port) = (own.ip(), own.port());
    let mut text = format!(
        "bind {ip}\n\
         port {port}\n\
         protected-mode no\n\
         daemonize no\n\
         dir {}\n\
         save \"\"\n\
         appendonly yes\n\
         appendfsync everysec\n\
         repl-diskless-sync-delay 0\n\
         repl-ping-replica-period 1\n\
         repl-timeout 5\n\
         replica-announce-ip {ip}\n\
         replica-announce-port {port}\n",
        quoted(data)
    );
    if let Some(master) = master {
        text += &format!("replicaof {} {}\n", master.ip(), master.port());
    }
    text
}

/// The settings of a sentinel. A majority must agree that the master is down.
fn sentinel_settings(own: SocketAddr, master: SocketAddr, nodes: usize, data: &Path) -> String {
    let (ip, port) = (own.ip(), own.port());
    let quorum = nodes / 2 + 1;
    format!(
        "bind {ip}\n\
         port {port}\n\
         protected-mode no\n\
         daemonize no\n\
         dir {}\n\
         sentinel announce-ip {ip}\n\
         sentinel announce-port {port}\n\
         sentinel monitor {MASTER_NAME} {} {} {quorum}\n\
         sentinel down-after-milliseconds {MASTER_NAME} 1000\n\
         sentinel failover-timeout {MASTER_NAME} 3000\n\
         sentinel parallel-syncs {MASTER_NAME} {nodes}\n",
        quoted(data),
        master.ip(),
        master.port()
    )
}

/// A path as one word of a settings file (`sdssplitargs` in src/sds.c).
fn quoted(path: &Path) -> String {
    let path = path.display().to_string();
    format!("\"{}\"", path.replace('\\', "\\\\").replace('"', "\\\""))
}

async fn make_directory(environment: &dyn Environment, node: usize, path: &Path) -> Result<(), ControlError> {
    let command = Command {
        program: "mkdir".into(),
        args: vec!["-p".into(), path.into()],
        env: Vec::new(),
        limit: DIRECTORY_LIMIT,
    };
    let remote = environment.remote(node);
    let output = remote.exec(&command).await?;
    if output.code == Some(0) {
        return Ok(());
    }
    Err(ControlError::Failed {
        node: remote.node().name.clone(),
        command: command.to_string(),
        status: format!("{:?}", output.code),
        stderr: String::from_utf8_lossy(&output.stderr).trim().to_owned(),
    })
}

/// The version in the answer to `INFO server`.
fn version(info: &str) -> Option<&str> {
    let versions = info
        .lines()
        .filter_map(|line| line.strip_prefix("redis_version:"));
    versions.map(str::trim).next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_first_node_starts_as_master() {
        let socket = |last| SocketAddr::from(([10, 0, 0, last], 6379));
        let data = Path::new("/runs/a \"b\"/data");
        let first = redis_settings(socket(1), None, data);
        let second = redis_settings(socket(2), Some(socket(1)), data);
        assert!(!first.contains("replicaof"), "{first}");
        assert!(second.ends_with("replicaof 10.0.0.1 6379\n"), "{second}");
        assert!(second.contains("\ndir \"/runs/a \\\"b\\\"/data\"\n"), "{second}");
    }

    #[test]
    fn a_majority_must_agree() {
        let socket = SocketAddr::from(([10, 0, 0, 1], 6379));
        for (nodes, quorum) in [(1, 1), (2, 2), (3, 2), (4, 3), (5, 3)] {
            let text = sentinel_settings(socket, socket, nodes, Path::new("/data"));
            let line = format!("\nsentinel monitor perjury 10.0.0.1 6379 {quorum}\n");
            assert!(text.contains(&line), "{text}");
        }
    }

    #[test]
    fn the_version_is_found() {
        assert_eq!(
            version("# Server\r\nredis_version:7.0.15\r\nredis_git_sha1:0\r\n"),
            Some("7.0.15")
        );
        assert_eq!(version("# Server\r\n"), None);
    }
}
