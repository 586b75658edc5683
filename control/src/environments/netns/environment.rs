//! The environment itself: opens the namespaces and hands out nodes and links.

use std::net::{SocketAddr, UdpSocket};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;

use super::links::{Chains, Cutter, Links};
use super::namespace::Namespace;
use super::switch::Switch;
use super::topology::{self, MAX_NODES, Topology, Uplink};
use super::user_map::entered;
use crate::links::iptables::{Family, Iptables};
use crate::links::prober::Prober;
use crate::processes::child_processes::ChildProcesses;
use crate::processes::local_node::LocalNode;
use crate::undo::UndoLog;
use crate::{
    Ability, ControlError, EnvKind, Environment, LinkChoice, LinkControl, Net, Node, OpenOptions, Remote,
};

/// One network namespace a node.
pub(crate) struct Netns {
    nodes: Vec<Node>,
    machines: Vec<Arc<LocalNode>>,
    links: Arc<Links>,
    children: Arc<ChildProcesses>,
    /// `None` once it was torn down.
    uplink: Mutex<Option<Uplink>>,
    lost: Vec<String>,
}

impl Netns {
    pub(crate) fn open(options: &OpenOptions) -> Result<Netns, ControlError> {
        let entered = entered().ok_or_else(|| {
            ControlError::Other(
                "the environment `netns` was opened outside its namespaces; this is a bug in perjury".into(),
            )
        })?;
        let count = options.nodes;
        if count > MAX_NODES {
            return Err(ControlError::Other(format!(
                "{count} nodes are too many for the environment `netns`: at most {MAX_NODES}"
            )));
        }
        let iptables = choose(options)?;
        let control = if iptables.is_some() {
            LinkControl::Iptables
        } else {
            LinkControl::Switch
        };
        let mut lost = options.lost.clone();
        if control == LinkControl::Iptables {
            lost.push("links can be cut, but not delayed or made lossy; for that, use --links switch".into());
        }

        let supervisor = entered.supervisor;
        let undo = UndoLog::create(
            &options.run_dir,
            EnvKind::Netns,
            supervisor,
            entered.place.clone(),
            true,
        )?;
        let undo = Arc::new(undo);
        let children = Arc::new(ChildProcesses::new(Arc::clone(&undo)));
        let topology = topology::build(count, control)?;
        let prober = prober(&topology)?;
        let nodes = Node::numbered(count);
        let machines = nodes
            .iter()
            .zip(&topology.nodes)
            .map(|(node, namespace)| {
                let mut machine = LocalNode::new(node.clone(), &options.run_dir, Arc::clone(&children))?;
                machine.prepare(&options.abilities, &undo)?;
                machine.network = Some(Arc::clone(namespace.fd()));
                Ok(Arc::new(machine))
            })
            .collect::<Result<_, ControlError>>()?;
        let cutter = match iptables {
            Some(iptables) => {
                let nodes = topology.nodes.into_iter().enumerate();
                let nodes = nodes.map(|(node, namespace)| (namespace, topology::address(node).into()));
                let own = (own_namespace()?, topology::controller_address().into());
                let nodes = nodes.chain([own]);
                Cutter::Iptables(Arc::new(Chains::new(iptables, nodes.collect())?))
            }
            None => {
                let switch = Switch::start(&topology.uplink.switch, count, options.seed)?;
                Cutter::Switch(Mutex::new(Some(switch)))
            }
        };
        Ok(Netns {
            nodes,
            machines,
            links: Arc::new(Links::new(count, count + 1, cutter, prober)),
            children,
            uplink: Mutex::new(Some(topology.uplink)),
            lost,
        })
    }
}

/// The iptables to use, or none for the switch.
fn choose(options: &OpenOptions) -> Result<Option<Iptables>, ControlError> {
    let shapes = options.abilities.contains(&Ability::Shape);
    match options.links {
        LinkChoice::Switch => return Ok(None),
        LinkChoice::Auto if shapes => {
            tracing::info!("links are cut by the switch, which can shape them too");
            return Ok(None);
        }
        LinkChoice::Iptables if shapes => {
            return Err(ControlError::Unsupported {
                env: EnvKind::Netns.name(),
                what: "shaping links with --links iptables; leave it out or use --links switch".into(),
            });
        }
        LinkChoice::Auto | LinkChoice::Iptables => {}
    }
    let found = if options.hide_iptables {
        Err(("iptables is hidden".into(), "do not hide it".into()))
    } else {
        Iptables::find(Family::V4)
    };
    match found {
        Ok(iptables) => Ok(Some(iptables)),
        Err((why, remedy)) if options.links == LinkChoice::Iptables => Err(ControlError::Unavailable {
            env: "netns --links iptables",
            why,
            remedy: format!("{remedy}, or use --links switch"),
        }),
        Err((why, _)) => {
            tracing::info!("links are cut by the switch: {why}");
            Ok(None)
        }
    }
}

/// The namespace of the controller.
fn own_namespace() -> Result<Namespace, ControlError> {
    Namespace::own().map_err(|source| ControlError::System {
        what: "cannot open its own network namespace".into(),
        source,
    })
}

/// One socket a node, made inside its namespace, and one of the controller.
fn prober(topology: &Topology) -> Result<Prober, ControlError> {
    topology
        .nodes
        .iter()
        .enumerate()
        .map(|(node, namespace)| namespace.run(|| UdpSocket::bind((topology::address(node), 0))))
        .chain([UdpSocket::bind((topology::controller_address(), 0))])
        .collect::<Result<_, _>>()
        .and_then(Prober::new)
        .map_err(|source| ControlError::System {
            what: "cannot bind a UDP socket on a node".into(),
            source,
        })
}

#[async_trait]
impl Environment for Netns {
    fn kind(&self) -> EnvKind {
        EnvKind::Netns
    }

    fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    fn remote(&self, node: usize) -> Arc<dyn Remote> {
        Arc::clone(&self.machines[node]) as Arc<dyn Remote>
    }

    fn net(&self) -> Arc<dyn Net> {
        Arc::clone(&self.links) as Arc<dyn Net>
    }

    fn endpoint(&self, node: usize, port: u16) -> Result<SocketAddr, ControlError> {
        Ok((topology::address(node), port).into())
    }

    fn lost(&self) -> &[String] {
        &self.lost
    }

    async fn tear_down(&self) -> Result<(), ControlError> {
        let (children, links) = (Arc::clone(&self.children), Arc::clone(&self.links));
        let machines = self.machines.clone();
        let uplink = self
            .uplink
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner())
            .take();
        tokio::task::spawn_blocking(move || {
            let ended = children.end_all();
            links.stop();
            drop(uplink);
            ended?;
            machines.iter().try_for_each(|machine| machine.clean_up())
        })
        .await
        .map_err(|error| ControlError::Other(format!("the tear-down was interrupted: {error}")))?
    }
}
