//! The processes of a store that perjury did not start, on hosts that it can reach: found by the port they
//! listen on.
//!
//! Invariants:
//! - Only the process that listens where clients connect is touched, never another one of the same name.
//! - A process that was killed counts as gone until it is started again on purpose, even where a supervisor
//!   is faster, so that a kill visibly takes effect.

use std::net::{IpAddr, ToSocketAddrs};
use std::sync::Arc;
use std::time::Duration;

use control::{Command, ControlError, Environment, Pid, ProcessState, Signal};
use tokio::sync::Mutex;
use tokio::time::Instant;

/// How long a store may take from its start until it listens on its port.
const START_LIMIT: Duration = Duration::from_secs(30);
/// How often that is checked.
const START_INTERVAL: Duration = Duration::from_millis(100);

/// One process a node.
pub(crate) struct ForeignProcesses {
    environment: Arc<dyn Environment>,
    ports: Vec<u16>,
    /// Where each listens, if that is one of its node's own addresses.
    addresses: Vec<Option<IpAddr>>,
    /// By node, once it was found.
    known: Vec<Mutex<Option<Pid>>>,
    start_command: Option<String>,
}

impl ForeignProcesses {
    /// The processes behind these endpoints, one a node.
    ///
    /// # Errors
    /// When an endpoint has no port, or is known to be another node's.
    pub fn new(
        environment: Arc<dyn Environment>,
        endpoints: &[String],
        start_command: Option<String>,
    ) -> Result<ForeignProcesses, ControlError> {
        let owners = |address: &IpAddr| {
            let nodes = 0..environment.nodes().len();
            nodes
                .filter(|&node| environment.owns(node, *address))
                .collect::<Vec<_>>()
        };
        let mut addresses = Vec::new();
        for (node, endpoint) in endpoints.iter().enumerate() {
            let owned: Vec<(IpAddr, Vec<usize>)> = (resolved(endpoint).into_iter())
                .map(|address| (address, owners(&address)))
                .collect();
            let own = owned.iter().find(|(_, owners)| owners.contains(&node));
            addresses.push(own.map(|(address, _)| *address));
            let other = owned.iter().flat_map(|(_, owners)| owners).next();
            if let (None, Some(&other)) = (own, other) {
                return Err(ControlError::Other(format!(
                    "--endpoints {endpoint} is an address of {}, not of {}; give --node in the order of \
                     --endpoints",
                    environment.nodes()[other].name,
                    environment.nodes()[node].name
                )));
            }
        }
        let port = |endpoint: &String| {
            let url = reqwest::Url::parse(endpoint).ok();
            // Without a number it is the scheme's default.
            url.and_then(|url| url.port_or_known_default()).ok_or_else(|| {
                ControlError::Other(format!(
                    "--endpoints {endpoint}: add the port on which the store listens"
                ))
            })
        };
        Ok(ForeignProcesses {
            known: endpoints.iter().map(|_| Mutex::new(None)).collect(),
            addresses,
            ports: endpoints.iter().map(port).collect::<Result<_, _>>()?,
            environment,
            start_command,
        })
    }

    async fn find(&self, node: usize) -> Result<Option<Pid>, ControlError> {
        let remote = self.environment.remote(node);
        remote.listener(self.ports[node], self.addresses[node]).await
    }

    /// The process, looked for if it was not found yet.
    async fn known(&self, node: usize) -> Result<Option<Pid>, ControlError> {
        let mut known = self.known[node].lock().await;
        if known.is_none() {
            *known = self.find(node).await?;
        }
        Ok(*known)
    }

    pub async fn start(&self, node: usize) -> Result<(), ControlError> {
        let mut known = self.known[node].lock().await;
        let remote = self.environment.remote(node);
        if let Some(pid) = *known
            && remote.state(pid).await? != ProcessState::Gone
        {
            return Ok(());
        }
        *known = self.find(node).await?;
        if known.is_some() {
            return Ok(());
        }
        if let Some(start) = &self.start_command {
            let command = Command::new("sh", ["-c", start]);
            let executed = remote.exec(&command).await.map_err(|error| {
                ControlError::Other(format!(
                    "{error}; --start-command must return once the store is started, as `systemctl start` \
                     does"
                ))
            })?;
            executed.or_failed(remote.node(), &command)?;
        }
        let deadline = Instant::now() + START_LIMIT;
        while known.is_none() {
            if Instant::now() > deadline {
                return Err(ControlError::Deadline {
                    what: format!(
                        "the start of the store on {} (a process that listens on port {})",
                        remote.node().name,
                        self.ports[node]
                    ),
                    limit: START_LIMIT,
                    hint: "; see --start-command".into(),
                });
            }
            tokio::time::sleep(START_INTERVAL).await;
            *known = self.find(node).await?;
        }
        Ok(())
    }

    pub async fn signal(&self, node: usize, signal: Signal) -> Result<(), ControlError> {
        match self.known(node).await? {
            Some(pid) => self.environment.remote(node).signal(pid, signal).await,
            None => Err(ControlError::Other(format!(
                "nothing that this login may signal listens on port {} of {}: start the store, or log in as \
                 root or use --sudo",
                self.ports[node],
                self.environment.nodes()[node].name
            ))),
        }
    }

    pub async fn state(&self, node: usize) -> Result<ProcessState, ControlError> {
        match self.known(node).await? {
            Some(pid) => self.environment.remote(node).state(pid).await,
            None => Ok(ProcessState::Gone),
        }
    }

    pub async fn running(&self, node: usize) -> Option<Pid> {
        let pid = self.known(node).await.ok()??;
        let state = self.environment.remote(node).state(pid).await;
        matches!(state, Ok(ProcessState::Running | ProcessState::Stopped)).then_some(pid)
    }
}

/// The addresses of an endpoint; none for an unknown name, which is reported when clients connect.
fn resolved(endpoint: &str) -> Vec<IpAddr> {
    let url = reqwest::Url::parse(endpoint).ok();
    let host = url.as_ref().and_then(reqwest::Url::host_str).unwrap_or_default();
    let found = (host.trim_matches(['[', ']']), 0).to_socket_addrs();
    found.into_iter().flatten().map(|address| address.ip()).collect()
}
