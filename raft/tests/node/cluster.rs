//! Real nodes on loopback ports in one process, each a task that can be stopped and started again.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use raft::node::{NodeConfig, run_on};
use raft::transport::listen;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

/// No wait in these tests is longer.
const DEADLINE: Duration = Duration::from_secs(20);

pub struct Cluster {
    directory: TempDir,
    http: reqwest::Client,
    nodes: BTreeMap<u64, Node>,
}

struct Node {
    config: NodeConfig,
    task: Option<JoinHandle<()>>,
}

impl Cluster {
    /// `size` nodes that have elected a leader.
    pub async fn start(size: u64, tweak: impl Fn(&mut NodeConfig)) -> Cluster {
        // Another room's features make the HTTP library ask for one; an error says that it was installed
        // before.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut cluster = Cluster {
            directory: tempfile::tempdir().unwrap(),
            http: reqwest::Client::builder()
                // No connection outlives its answer: one to a node that was stopped would meet its successor
                // on the same port with a request that is never read.
                .pool_max_idle_per_host(0)
                .no_proxy()
                .timeout(DEADLINE)
                .build()
                .unwrap(),
            nodes: BTreeMap::new(),
        };
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let sockets: Vec<_> = (1..=size)
            .map(|id| (id, listen(any).unwrap(), listen(any).unwrap()))
            .collect();
        let peers: Vec<_> = sockets
            .iter()
            .map(|(id, raft, _)| (*id, raft.local_addr().unwrap()))
            .collect();
        for (id, raft, http) in sockets {
            let mut config = cluster.config(id, raft.local_addr().unwrap(), http.local_addr().unwrap());
            config.peers = peers.clone();
            tweak(&mut config);
            cluster.spawn(config, raft, http);
        }
        cluster.leader().await;
        cluster
    }

    /// A node that knows no peer yet.
    pub fn join(&mut self, id: u64) -> SocketAddr {
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let (raft, http) = (listen(any).unwrap(), listen(any).unwrap());
        let address = raft.local_addr().unwrap();
        let config = self.config(id, address, http.local_addr().unwrap());
        self.spawn(config, raft, http);
        address
    }

    fn config(&self, id: u64, raft: SocketAddr, http: SocketAddr) -> NodeConfig {
        let data = self.data(id);
        // Tests share the machine with much else; an election for want of a processor would only confuse
        // them.
        let election_timeout = Duration::from_millis(600);
        NodeConfig {
            election_timeout,
            ..NodeConfig::new(id, data, raft, http)
        }
    }

    fn spawn(&mut self, config: NodeConfig, raft: tokio::net::TcpListener, http: tokio::net::TcpListener) {
        let (id, running) = (config.id, config.clone());
        let task = tokio::spawn(async move {
            if let Err(error) = run_on(running, raft, http).await {
                panic!("node {id} has stopped: {error}");
            }
        });
        self.nodes.insert(
            id,
            Node {
                config,
                task: Some(task),
            },
        );
    }

    pub fn data(&self, id: u64) -> PathBuf {
        self.directory.path().join(id.to_string())
    }

    pub async fn stop(&mut self, id: u64) {
        let task = self.nodes.get_mut(&id).unwrap().task.take().unwrap();
        task.abort();
        // Waits until the directory and the ports are free again.
        assert!(
            task.await.unwrap_err().is_cancelled(),
            "node {id} had stopped by itself"
        );
    }

    pub async fn restart(&mut self, id: u64) {
        let config = self.nodes[&id].config.clone();
        let raft = until("the peers' port is free", async || listen(config.raft_addr).ok()).await;
        let http = until("the clients' port is free", async || {
            listen(config.http_addr).ok()
        })
        .await;
        self.spawn(config, raft, http);
    }

    /// The running nodes.
    pub fn running(&self) -> Vec<u64> {
        self.nodes
            .iter()
            .filter(|(_, node)| node.task.is_some())
            .map(|(id, _)| *id)
            .collect()
    }

    /// Waits until all running nodes agree on a running leader.
    pub async fn leader(&self) -> u64 {
        until("all nodes that run agree on a leader", async || {
            let running = self.running();
            let mut leader = None;
            for id in &running {
                let says = self.status(*id).await["leader"].as_u64()?;
                if *leader.get_or_insert(says) != says {
                    return None;
                }
            }
            let leader = leader.filter(|leader| running.contains(leader))?;
            (self.status(leader).await["role"] == "leader").then_some(leader)
        })
        .await
    }

    /// A running node that does not lead.
    pub async fn follower(&self) -> u64 {
        let leader = self.leader().await;
        self.running().into_iter().find(|id| *id != leader).unwrap()
    }

    pub async fn post(&self, id: u64, path: &str, body: Value) -> (u16, Value) {
        let url = format!("http://{}{path}", self.nodes[&id].config.http_addr);
        let response = self.http.post(url).json(&body).send().await.unwrap();
        let status = response.status().as_u16();
        (status, response.json().await.unwrap())
    }

    pub async fn get(&self, id: u64, path: &str) -> String {
        let url = format!("http://{}{path}", self.nodes[&id].config.http_addr);
        self.http.get(url).send().await.unwrap().text().await.unwrap()
    }

    pub async fn status(&self, id: u64) -> Value {
        serde_json::from_str(&self.get(id, "/status").await).unwrap()
    }

    /// Writes, again if need be: for tests to which it matters only that it is written.
    pub async fn write(&self, id: u64, key: &str, value: impl Into<Value>) {
        let body = json!({ "key": key, "value": value.into() });
        let what = format!("writing {body} through node {id}");
        until(&what, async || {
            (self.post(id, "/v1/write", body.clone()).await.0 == 200).then_some(())
        })
        .await;
    }

    /// A linearizable read, again if need be.
    pub async fn read(&self, id: u64, key: &str) -> Value {
        let what = format!("reading {key} through node {id}");
        until(&what, async || {
            match self.post(id, "/v1/read", json!({ "key": key })).await {
                (200, answer) => Some(answer["value"].clone()),
                _ => None,
            }
        })
        .await
    }
}

/// Asks until there is an answer.
pub async fn until<T>(what: &str, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + DEADLINE;
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        assert!(Instant::now() < deadline, "waited in vain for this: {what}");
        sleep(Duration::from_millis(10)).await;
    }
}
