//! A place where a cluster runs: some nodes and the network between them.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use async_trait::async_trait;

use crate::{Ability, ControlError, EnvKind, Net, Node, Remote};

/// A place where a cluster runs.
#[async_trait]
pub trait Environment: Send + Sync {
    /// Which kind it is.
    fn kind(&self) -> EnvKind;

    /// The nodes, in order of their indices.
    fn nodes(&self) -> &[Node];

    /// One node as a machine.
    fn remote(&self, node: usize) -> Arc<dyn Remote>;

    /// The network between the nodes.
    fn net(&self) -> Arc<dyn Net>;

    /// Where a service of `node` that wants `port` listens, for its peers and for the controller. The address
    /// is the same for all of a run; the port may be another one where the nodes share an address.
    fn endpoint(&self, node: usize, port: u16) -> Result<SocketAddr, ControlError>;

    /// Whether an address is known to belong to this node and to no other.
    fn owns(&self, node: usize, address: IpAddr) -> bool {
        self.endpoint(node, 0).is_ok_and(|own| own.ip() == address)
    }

    /// Whether it has this ability; see [`crate::can`], which answers before the environment is opened.
    ///
    /// # Errors
    /// Why not, and what to do about it, in one line.
    fn can(&self, ability: Ability) -> Result<(), String> {
        crate::can(self.kind(), ability)
    }

    /// What this environment cannot do here, and how to get it; human-readable, one line each.
    fn lost(&self) -> &[String];

    /// Ends every process that was started here and removes what was made. May be called twice.
    async fn tear_down(&self) -> Result<(), ControlError>;
}
