//! Who hears whom: cutting, shaping and probing the links between nodes.

use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::ControlError;

/// A link has a direction: what `from` sends to `to`. Nodes are indices into [`crate::Environment::nodes`].
/// The controller's own links to the nodes are never cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Link {
    /// The sender.
    pub from: usize,
    /// The receiver.
    pub to: usize,
}

/// With what links are cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LinkControl {
    /// Rules in a chain of our own in each node's namespace or host.
    Iptables,
    /// A switch in user space through which every packet passes.
    Switch,
    /// Links cannot be cut here.
    None,
}

/// How a link treats what passes it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Shape {
    /// Added to each packet's way.
    pub delay: Duration,
    /// The share of packets that is lost, 0 to 1.
    pub loss: f64,
}

/// The network between the nodes.
#[async_trait]
pub trait Net: Send + Sync {
    /// With what links are cut.
    fn control(&self) -> LinkControl;

    /// Whether [`Net::shape`] works.
    fn can_shape(&self) -> bool;

    /// Cuts exactly these links, besides those cut already. Established connections across them go silent; they
    /// are not reset.
    async fn cut(&self, links: &[Link]) -> Result<(), ControlError>;

    /// Shapes a link; the default shape undoes it.
    async fn shape(&self, link: Link, shape: Shape) -> Result<(), ControlError>;

    /// Undoes every cut and every shape.
    async fn heal(&self) -> Result<(), ControlError>;

    /// Whether a packet sent over each of these links arrives, tried for at most `limit` a link (all at once).
    /// A link that was not cut and does not answer in time is reported as not passing.
    async fn probe(&self, links: &[Link], limit: Duration) -> Result<Vec<bool>, ControlError>;
}

impl LinkControl {
    /// `iptables`, `switch` or `none`.
    pub fn name(self) -> &'static str {
        match self {
            LinkControl::Iptables => "iptables",
            LinkControl::Switch => "switch",
            LinkControl::None => "none",
        }
    }
}

/// Every link from a node of `senders` to a node of `receivers`.
pub fn links_between(senders: &[usize], receivers: &[usize]) -> Vec<Link> {
    let mut links = Vec::with_capacity(senders.len() * receivers.len());
    for &from in senders {
        links.extend(
            receivers
                .iter()
                .filter(|&&to| to != from)
                .map(|&to| Link { from, to }),
        );
    }
    links
}

/// Every link between a node of `left` and a node of `right`, in both directions.
pub fn both_ways(left: &[usize], right: &[usize]) -> Vec<Link> {
    let mut links = links_between(left, right);
    links.extend(links_between(right, left));
    links
}
