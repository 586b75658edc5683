//! Who hears whom: cutting, shaping and probing the links between nodes.

use std::collections::BTreeSet;
use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::ControlError;

/// Stands for the controller in a [`Link`], and so for all clients, which it runs.
pub const CONTROLLER: usize = usize::MAX;

/// A link has a direction: what `from` sends to `to`. Nodes are indices into [`crate::Environment::nodes`],
/// or [`CONTROLLER`], whose links can be cut and probed where [`crate::Ability::CutClients`] is available.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Link {
    /// The sender.
    pub from: usize,
    /// The receiver.
    pub to: usize,
}

/// How links are cut.
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

/// How a link treats what passes it. The terms are those of tc-netem(8).
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Shape {
    /// Added to each packet's travel time.
    pub delay: Duration,
    /// How much more or less than `delay` it may be, uniformly distributed; packets may then overtake each
    /// other.
    pub jitter: Duration,
    /// The share of packets that is lost, 0 to 1.
    pub loss: f64,
    /// The share of packets that arrives twice, 0 to 1.
    pub duplicate: f64,
    /// The share of packets that is not delayed and so overtakes those that are, 0 to 1.
    pub reorder: f64,
    /// The share of packets in which a bit is flipped on the way, 0 to 1. The receiver sees it by the
    /// checksum and drops them, as it does with all but one in 65,536 of those that a real network damages.
    pub corrupt: f64,
    /// Bits per second; 0 for no limit. What would wait longer than a second is dropped.
    pub rate: u64,
}

impl Shape {
    /// Checks that every share is between 0 and 1.
    ///
    /// # Errors
    /// Which one is not, and its value.
    pub(crate) fn check(&self) -> Result<(), ControlError> {
        let shares = [
            ("loss", self.loss),
            ("duplication", self.duplicate),
            ("reordering", self.reorder),
            ("corruption", self.corrupt),
        ];
        match shares.iter().find(|(_, share)| !(0.0..=1.0).contains(share)) {
            None => Ok(()),
            Some((name, share)) => Err(ControlError::Other(format!(
                "a share of {share} for {name} is not between 0 and 1"
            ))),
        }
    }
}

/// What became of datagrams that were sent over a link.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sample {
    /// How many were sent.
    pub sent: usize,
    /// How many of them arrived, each counted once.
    pub arrived: usize,
    /// How many arrived once more.
    pub again: usize,
    /// How many arrived after one that was sent later.
    pub overtaken: usize,
    /// How long each was on its way, in order of arrival.
    pub ways: Vec<Duration>,
    /// From the first sending to the last arrival.
    pub lasted: Duration,
}

impl Sample {
    /// This percentile of the travel times; zero if nothing arrived.
    pub fn way(&self, percent: usize) -> Duration {
        let mut ways = self.ways.clone();
        ways.sort_unstable();
        let at = (ways.len() * percent / 100).min(ways.len().saturating_sub(1));
        ways.get(at).copied().unwrap_or_default()
    }
}

/// The network between the nodes.
#[async_trait]
pub trait Net: Send + Sync {
    /// With what links are cut.
    fn control(&self) -> LinkControl;

    /// Whether [`Net::shape`] works.
    fn can_shape(&self) -> bool;

    /// Cuts exactly these links, besides those cut already. Established connections across them go silent;
    /// they are not reset.
    async fn cut(&self, links: &[Link]) -> Result<(), ControlError>;

    /// The links that are cut now, or that a cut or a heal that failed may have left so.
    async fn cuts(&self) -> BTreeSet<Link>;

    /// Shapes a link; the default shape undoes it.
    async fn shape(&self, link: Link, shape: Shape) -> Result<(), ControlError>;

    /// Undoes every cut and every shape.
    async fn heal(&self) -> Result<(), ControlError>;

    /// Sends `count` datagrams of `bytes` (at least 40) over a link, two milliseconds apart, and waits for
    /// them until `limit` after the last one.
    async fn sample(
        &self,
        link: Link,
        count: usize,
        bytes: usize,
        limit: Duration,
    ) -> Result<Sample, ControlError> {
        let _ = (link, count, bytes, limit);
        Err(ControlError::Other("links cannot be sampled here".into()))
    }

    /// Whether a packet sent over each of these links arrives, tried for at most `limit` a link (all at
    /// once). A link that was not cut but over which nothing arrives in time is reported as not passing.
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
