//! Consul's servers: their settings, how they are started, and what they report about themselves.
//!
//! Source of the settings: Consul documentation, "Agent Configuration".

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use control::{Command, ControlError, Daemon, Environment, Operators, Primary, SystemOptions};
use serde_json::json;

use super::requests::{Asking, HTTP_PORT, SESSION_TTL};
use crate::cluster::{Store, data_dir, log_file, put_file};

/// The port on which a server listens for other servers.
const SERVER_PORT: u16 = 8300;
/// The port of the gossip protocol by which the servers find each other.
const SERF_PORT: u16 = 8301;
/// How long an agent may take when the question is only who leads.
const STATUS_LIMIT: Duration = Duration::from_millis(250);
/// How long a read may take that shows whether the store serves.
const LOOK_LIMIT: Duration = Duration::from_secs(2);

/// The agents of one run.
pub(super) struct Agents {
    environment: Arc<dyn Environment>,
    /// `None` where nothing is started.
    binary: Option<PathBuf>,
    /// By node; empty where nothing is started.
    ports: Vec<Ports>,
    asking: Arc<Asking>,
}

/// Where an agent listens.
#[derive(Clone, Copy)]
struct Ports {
    server: SocketAddr,
    serf: SocketAddr,
    http: SocketAddr,
}

impl Agents {
    pub(super) fn new(
        environment: Arc<dyn Environment>,
        options: &SystemOptions,
        asking: Arc<Asking>,
    ) -> Result<Agents, ControlError> {
        let ports = match environment.kind().is_foreign() {
            true => Vec::new(),
            false => (environment.nodes().iter())
                .map(|node| {
                    Ok(Ports {
                        server: environment.endpoint(node.index, SERVER_PORT)?,
                        serf: environment.endpoint(node.index, SERF_PORT)?,
                        http: environment.endpoint(node.index, HTTP_PORT)?,
                    })
                })
                .collect::<Result<_, ControlError>>()?,
        };
        Ok(Agents {
            environment,
            binary: options.binary.clone(),
            ports,
            asking,
        })
    }

    fn program(&self) -> PathBuf {
        self.binary.clone().unwrap_or_else(|| "consul".into())
    }

    /// Whether the agent has a port for gRPC with TLS, which it opens unless configured otherwise: Consul
    /// 1.14 does (its changelog), and those before refuse a setting that they do not know.
    async fn has_grpc_tls(&self, node: usize) -> Result<bool, ControlError> {
        let remote = self.environment.remote(node);
        let command = Command::new(self.program(), ["version"]);
        let output = remote.exec(&command).await?.or_failed(remote.node(), &command)?;
        Ok(minor_version(&String::from_utf8_lossy(&output.stdout)).is_none_or(|version| version >= (1, 14)))
    }

    fn settings(&self, node: usize, has_grpc_tls: bool) -> String {
        let ports = &self.ports[node];
        let others: Vec<String> = (self.ports.iter().enumerate())
            .filter(|(other, _)| *other != node)
            .map(|(_, ports)| ports.serf.to_string())
            .collect();
        let mut settings = json!({
            "server": true,
            "bootstrap_expect": self.ports.len(),
            "node_name": self.environment.nodes()[node].name,
            "data_dir": data_dir(&*self.environment, node),
            "bind_addr": ports.server.ip(),
            "client_addr": ports.http.ip(),
            "ports": {
                "server": ports.server.port(),
                "serf_lan": ports.serf.port(),
                "http": ports.http.port(),
                "serf_wan": -1,
                "dns": -1,
                "grpc": -1,
            },
            "retry_join": others,
            "retry_interval": "1s",
            // The timings that Consul recommends for production; its default is five times slower.
            "performance": { "raft_multiplier": 1 },
            // A server that is down for a while must not lose its seat.
            "autopilot": { "cleanup_dead_servers": false },
            "session_ttl_min": format!("{}s", SESSION_TTL.as_secs()),
            // All clients connect from one address.
            "limits": { "http_max_conns_per_client": 10_000 },
            "connect": { "enabled": false },
            "disable_update_check": true,
            "disable_host_node_id": true,
            "log_level": "INFO",
        });
        if has_grpc_tls {
            settings["ports"]["grpc_tls"] = json!(-1);
        }
        format!("{settings:#}\n")
    }

    /// By node: whether it believes it is the leader. Those that do not answer are left out.
    async fn accounts(&self) -> Vec<(usize, bool)> {
        let asked = (0..self.asking.urls.len()).map(|node| async move {
            let connection = self.asking.connection(node, STATUS_LIMIT).ok()?;
            let leader = connection.leader().await.ok()?;
            let own = match self.ports.get(node) {
                Some(ports) => ports.server.to_string(),
                None => {
                    let member = connection.myself().await.ok()?.member;
                    let port = member.tags.get("port").map_or("8300", String::as_str);
                    format!("{}:{port}", member.addr)
                }
            };
            Some((node, leader == own))
        });
        let accounts = futures_util::future::join_all(asked).await;
        accounts.into_iter().flatten().collect()
    }
}

/// Major and minor version in what `consul version` prints first: `Consul v1.8.7`.
fn minor_version(text: &str) -> Option<(u32, u32)> {
    let mut numbers = text.lines().next()?.split_once(" v")?.1.split('.');
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

impl Operators for Agents {}

#[async_trait]
impl Store for Agents {
    fn title(&self) -> &'static str {
        "Consul"
    }

    fn daemons(&self, node: usize) -> Vec<Daemon> {
        let directory = self.environment.remote(node).directory().to_owned();
        vec![Daemon {
            program: self.program().into(),
            args: vec![
                "agent".into(),
                "-config-file".into(),
                directory.join("agent.json").into(),
            ],
            env: Vec::new(),
            log: log_file(&*self.environment, node, "node"),
            directory,
        }]
    }

    async fn prepare(&self, node: usize) -> Result<(), ControlError> {
        let settings = self.settings(node, self.has_grpc_tls(node).await?);
        put_file(&*self.environment, node, "agent.json", &settings).await?;
        Ok(())
    }

    async fn look(&self) -> Result<(), String> {
        for (node, named) in self.environment.nodes().iter().enumerate() {
            let connection = self.asking.connection(node, LOOK_LIMIT);
            let connection = connection.map_err(|error| error.to_string())?;
            let name = &named.name;
            match connection.leader().await {
                Ok(leader) if leader.is_empty() => return Err(format!("{name} knows no leader")),
                Ok(_) => {}
                Err(failed) => return Err(format!("{name}: {}", failed.words())),
            }
            // The agent forwards this to the leader.
            if let Err(failed) = connection.get_consistent(&history::Key::Nil).await {
                return Err(format!("{name}: a read fails: {}", failed.words()));
            }
        }
        Ok(())
    }

    async fn primaries(&self) -> Vec<Primary> {
        let accounts = self.accounts().await.into_iter();
        accounts
            .filter_map(|(node, leads)| leads.then_some(Primary { node, term: None }))
            .collect()
    }

    async fn version(&self) -> String {
        for node in 0..self.asking.urls.len() {
            if let Ok(connection) = self.asking.connection(node, LOOK_LIMIT)
                && let Ok(myself) = connection.myself().await
            {
                return myself.config.version;
            }
        }
        String::new()
    }
}

#[cfg(test)]
mod tests {
    use super::minor_version;

    #[test]
    fn versions() {
        for (text, expected) in [
            ("Consul v1.8.7\nProtocol 2 spoken by default\n", Some((1, 8))),
            ("Consul v1.22.0-dev\n", Some((1, 22))),
            ("Consul v2.0.1+ent\n", Some((2, 0))),
            ("", None),
            ("Consul", None),
        ] {
            assert_eq!(minor_version(text), expected, "{text}");
        }
    }
}
