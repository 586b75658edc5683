//! The environment `external`: a cluster that perjury did not start and that only clients can reach.
//!
//! Invariant: nothing is ever done to its nodes. What would change them is refused; what would have no
//! effect anyway returns success.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use crate::{
    Command, ControlError, Daemon, EnvKind, Environment, Link, LinkControl, Net, Node, Output, Pid,
    ProcessState, Remote, Shape, Signal,
};

/// Nodes of which only the number is known here; the system knows their endpoints.
pub(crate) struct External {
    nodes: Vec<Node>,
    lost: Vec<String>,
}

/// A machine that cannot be reached.
struct Unreachable(Node);

/// A network that cannot be touched.
struct Untouched;

impl External {
    pub(crate) fn open(count: usize, lost: Vec<String>) -> External {
        External {
            nodes: Node::numbered(count),
            lost,
        }
    }
}

fn refuse<T>(what: &str) -> Result<T, ControlError> {
    Err(ControlError::Unsupported {
        env: EnvKind::External.name(),
        what: what.into(),
    })
}

#[async_trait]
impl Environment for External {
    fn kind(&self) -> EnvKind {
        EnvKind::External
    }

    fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    fn remote(&self, node: usize) -> Arc<dyn Remote> {
        Arc::new(Unreachable(self.nodes[node].clone()))
    }

    fn net(&self) -> Arc<dyn Net> {
        Arc::new(Untouched)
    }

    fn endpoint(&self, _node: usize, _port: u16) -> Result<SocketAddr, ControlError> {
        refuse("choosing where a service listens")
    }

    fn lost(&self) -> &[String] {
        &self.lost
    }

    async fn tear_down(&self) -> Result<(), ControlError> {
        Ok(())
    }
}

#[async_trait]
impl Remote for Unreachable {
    fn node(&self) -> &Node {
        &self.0
    }

    fn directory(&self) -> &Path {
        Path::new("")
    }

    fn own_binary(&self) -> &Path {
        Path::new("")
    }

    async fn exec(&self, _command: &Command) -> Result<Output, ControlError> {
        refuse("running a program on a node")
    }

    async fn upload(&self, _local: &Path, _remote: &Path) -> Result<(), ControlError> {
        refuse("copying a file to a node")
    }

    async fn download(&self, _remote: &Path, _local: &Path) -> Result<(), ControlError> {
        refuse("copying a file from a node")
    }

    async fn remove_dir(&self, _path: &Path) -> Result<(), ControlError> {
        refuse("deleting files of a node")
    }

    async fn spawn(&self, _daemon: &Daemon) -> Result<Pid, ControlError> {
        refuse("starting a process on a node")
    }

    async fn signal(&self, _pid: Pid, _signal: Signal) -> Result<(), ControlError> {
        refuse("sending a signal to a process")
    }

    async fn state(&self, _pid: Pid) -> Result<ProcessState, ControlError> {
        refuse("looking at a process")
    }
}

#[async_trait]
impl Net for Untouched {
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
        refuse("cutting a link")
    }

    async fn cuts(&self) -> BTreeSet<Link> {
        BTreeSet::new()
    }

    async fn shape(&self, _link: Link, shape: Shape) -> Result<(), ControlError> {
        if shape == Shape::default() {
            return Ok(());
        }
        refuse("shaping a link")
    }

    async fn heal(&self) -> Result<(), ControlError> {
        Ok(())
    }

    async fn probe(&self, _links: &[Link], _limit: Duration) -> Result<Vec<bool>, ControlError> {
        refuse("probing a link")
    }
}
