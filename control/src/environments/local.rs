//! The environment `local`: plain processes on loopback ports, on any Unix. Links cannot be cut.
//!
//! Invariant: a service has the same address for all of a run. Its port is chosen below the range from which
//! systems take the ports of outgoing connections (from 32768 on Linux, from 49152 elsewhere), so that a
//! restarted store does not find its port taken by a client.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use tokio::net::TcpSocket;

use crate::links::prober::{self, Prober};
use crate::processes::child_processes::ChildProcesses;
use crate::processes::kernel;
use crate::processes::local_node::LocalNode;
use crate::undo::{Place, UndoLog};
use crate::{
    ControlError, EnvKind, Environment, Link, LinkControl, Net, Node, OpenOptions, Remote, Sample, Shape,
};

/// The ports from which services get theirs.
const PORTS: std::ops::Range<u16> = 12_000..32_000;

/// Plain processes on loopback ports.
pub(crate) struct Local {
    nodes: Vec<Node>,
    machines: Vec<Arc<LocalNode>>,
    net: Arc<LocalNet>,
    children: Arc<ChildProcesses>,
    lost: Vec<String>,
    ports: Mutex<Ports>,
}

/// The network of [`Local`]: it cannot be touched.
struct LocalNet {
    prober: Arc<Mutex<Prober>>,
}

/// Which service got which port.
struct Ports {
    given: BTreeMap<(usize, u16), u16>,
    /// One a port that was given; they keep it ours while the node that listens on it is dead.
    held: Vec<TcpSocket>,
    next: u16,
}

impl Local {
    pub(crate) fn open(options: &OpenOptions) -> Result<Local, ControlError> {
        let (count, run_dir) = (options.nodes, &*options.run_dir);
        let undo = UndoLog::create(run_dir, EnvKind::Local, kernel::own(), Place::here(), false)?;
        let undo = Arc::new(undo);
        let children = Arc::new(ChildProcesses::new(Arc::clone(&undo)));
        let nodes = Node::numbered(count);
        let machines = nodes
            .iter()
            .map(|node| {
                let mut machine = LocalNode::new(node.clone(), run_dir, Arc::clone(&children))?;
                machine.prepare(&options.abilities, &undo)?;
                Ok(Arc::new(machine))
            })
            .collect::<Result<_, ControlError>>()?;
        let prober = (0..count)
            .map(|_| UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)))
            .collect::<Result<_, _>>()
            .and_then(Prober::new)
            .map_err(|source| ControlError::System {
                what: "cannot bind a UDP socket on 127.0.0.1".into(),
                source,
            })?;
        Ok(Local {
            nodes,
            machines,
            net: Arc::new(LocalNet {
                prober: Arc::new(Mutex::new(prober)),
            }),
            children,
            lost: options.lost.clone(),
            ports: Mutex::new(Ports::new(rand::random())),
        })
    }
}

impl Ports {
    /// Controllers that run at the same time start looking at different places, whatever their process
    /// numbers.
    fn new(salt: u32) -> Ports {
        let offset = salt % u32::from(PORTS.end - PORTS.start);
        Ports {
            given: BTreeMap::new(),
            held: Vec::new(),
            next: PORTS.start + offset as u16,
        }
    }

    fn get(&mut self, node: usize, port: u16) -> Option<u16> {
        if let Some(&given) = self.given.get(&(node, port)) {
            return Some(given);
        }
        for _ in PORTS {
            let candidate = self.next;
            self.next = if candidate + 1 < PORTS.end {
                candidate + 1
            } else {
                PORTS.start
            };
            let taken = self.given.values().any(|&given| given == candidate);
            if taken {
                continue;
            }
            if let Ok(socket) = reserve(candidate) {
                self.held.extend(socket);
                self.given.insert((node, port), candidate);
                return Some(candidate);
            }
        }
        None
    }
}

/// Takes a loopback port that is free. A killed node's port must not go to a node of another run, whose
/// answers our clients would then take for our store's.
///
/// On Linux the socket that comes back holds the port: bound alone it keeps out every program that binds
/// without SO_REUSEADDR, as this function does, while servers, which set it, may still listen on it
/// (socket(7)). Elsewhere that would keep out our own node as well, and the port is only looked at.
fn reserve(port: u16) -> std::io::Result<Option<TcpSocket>> {
    let socket = TcpSocket::new_v4()?;
    socket.bind((Ipv4Addr::LOCALHOST, port).into())?;
    socket.set_reuseaddr(true)?;
    Ok(cfg!(target_os = "linux").then_some(socket))
}

#[async_trait]
impl Environment for Local {
    fn kind(&self) -> EnvKind {
        EnvKind::Local
    }

    fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    fn remote(&self, node: usize) -> Arc<dyn Remote> {
        Arc::clone(&self.machines[node]) as Arc<dyn Remote>
    }

    fn net(&self) -> Arc<dyn Net> {
        Arc::clone(&self.net) as Arc<dyn Net>
    }

    fn endpoint(&self, node: usize, port: u16) -> Result<SocketAddr, ControlError> {
        let mut ports = self.ports.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        match ports.get(node, port) {
            Some(port) => Ok((Ipv4Addr::LOCALHOST, port).into()),
            None => Err(ControlError::Other(format!(
                "no free port on 127.0.0.1 from {} to {}",
                PORTS.start, PORTS.end
            ))),
        }
    }

    fn lost(&self) -> &[String] {
        &self.lost
    }

    async fn tear_down(&self) -> Result<(), ControlError> {
        let (children, machines) = (Arc::clone(&self.children), self.machines.clone());
        tokio::task::spawn_blocking(move || {
            children.end_all()?;
            machines.iter().try_for_each(|machine| machine.clean_up())
        })
        .await
        .map_err(|error| ControlError::Other(format!("the tear-down was interrupted: {error}")))?
    }
}

#[async_trait]
impl Net for LocalNet {
    fn control(&self) -> LinkControl {
        LinkControl::None
    }

    fn can_shape(&self) -> bool {
        false
    }

    async fn cut(&self, links: &[Link]) -> Result<(), ControlError> {
        if links.is_empty() {
            return Ok(());
        }
        Err(ControlError::Unsupported {
            env: EnvKind::Local.name(),
            what: "cutting a link".into(),
        })
    }

    async fn cuts(&self) -> BTreeSet<Link> {
        BTreeSet::new()
    }

    async fn shape(&self, _link: Link, shape: Shape) -> Result<(), ControlError> {
        if shape == Shape::default() {
            return Ok(());
        }
        Err(ControlError::Unsupported {
            env: EnvKind::Local.name(),
            what: "shaping a link".into(),
        })
    }

    async fn heal(&self) -> Result<(), ControlError> {
        Ok(())
    }

    async fn sample(
        &self,
        link: Link,
        count: usize,
        bytes: usize,
        limit: Duration,
    ) -> Result<Sample, ControlError> {
        prober::sample_blocking(&self.prober, link, count, bytes, limit).await
    }

    async fn probe(&self, links: &[Link], limit: Duration) -> Result<Vec<bool>, ControlError> {
        prober::probe_blocking(&self.prober, links, limit).await
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn a_service_keeps_its_port_and_no_two_share_one() {
        let mut ports = Ports::new(1);
        let first: Vec<_> = (0..5).map(|node| ports.get(node, 2379)).collect();
        let second: Vec<_> = (0..5).map(|node| ports.get(node, 2380)).collect();
        let again: Vec<_> = (0..5).map(|node| ports.get(node, 2379)).collect();
        assert_eq!(first, again);
        let mut all: Vec<u16> = first.into_iter().chain(second).flatten().collect();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), 10);
        assert!(all.iter().all(|port| PORTS.contains(port)));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_given_port_is_kept_from_other_runs_and_open_to_its_node() {
        let mut ports = Ports::new(7);
        let port = ports.get(0, 1).expect("a free port");
        for _ in 0..2 {
            // The node's server, before and after a kill.
            let server = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).expect("the node may listen");
            assert!(
                reserve(port).is_err(),
                "another run got the port of a living node"
            );
            drop(server);
            assert!(reserve(port).is_err(), "another run got the port of a dead node");
        }
        drop(ports);
        assert!(reserve(port).is_ok());
    }

    #[test]
    fn the_search_goes_round() {
        let mut ports = Ports::new(0);
        ports.next = PORTS.end - 1;
        let busy = TcpListener::bind((Ipv4Addr::LOCALHOST, PORTS.end - 1));
        assert!(ports.get(0, 1).is_some());
        assert!(ports.get(0, 2).is_some_and(|port| PORTS.contains(&port)));
        drop(busy);
    }
}
