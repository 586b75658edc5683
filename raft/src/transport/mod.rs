//! Frames between nodes over TCP, best effort: what cannot be sent now is dropped, as Raft allows (§5.1 of
//! the paper: RPCs are retried and idempotent).
//!
//! Every node connects to each of its peers and only sends there; what it receives comes over the connections
//! that the peers made. So a link has one owner, and after a restart of either end the sender reconnects.
//!
//! ```text
//! sender                              receiver
//!   Hello(cluster, from, to)  ─────▶    checks
//!                             ◀─────  Hello
//!   Data …, Ping              ─────▶
//!                             ◀─────  Pong
//! ```
//!
//! Invariants:
//! - Nothing grows while a peer is away: queues are bounded in frames and in bytes, and closed links accept
//!   nothing.
//! - A link on which nothing comes back is given up within [`TransportConfig::dead_after`]. Left alone, TCP
//!   would try for minutes after a partition, and by then wait seconds between attempts: the cluster would
//!   stay cut long after the network has healed.
//! - Frames of one connection arrive in order or not at all, each at most once.

mod frame;
mod incoming;
mod outgoing;

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

pub use self::frame::MAX_PAYLOAD_BYTES;
use self::outgoing::Outgoing;
use crate::core::api::NodeId;

/// The version of the protocol, checked when connecting.
const VERSION: u32 = 2;
/// No more links than this lead to nodes that are not peers.
const MAX_GUESTS: usize = 8;
/// This many failed attempts to connect in a row end a link to a node that is not a peer.
const GUEST_ATTEMPTS: u32 = 20;

/// How a node talks to its peers.
#[derive(Debug, Clone)]
pub struct TransportConfig {
    /// This node.
    pub id: NodeId,
    /// Nodes of different clusters refuse each other.
    pub cluster: String,
    /// Connecting and the handshake together take no longer.
    pub connect_timeout: Duration,
    /// How often a link is pinged.
    pub ping_every: Duration,
    /// A link that has not answered for this long is closed and made again.
    pub dead_after: Duration,
    /// The longest pause between two attempts to connect.
    pub max_backoff: Duration,
    /// A link drops what is sent beyond this many waiting frames.
    pub queue_frames: usize,
    /// A link drops what is sent beyond this many waiting bytes.
    pub queue_bytes: usize,
}

impl TransportConfig {
    /// What suits a LAN or a loopback interface.
    pub fn new(id: NodeId) -> TransportConfig {
        TransportConfig {
            id,
            cluster: "default".into(),
            connect_timeout: Duration::from_millis(250),
            ping_every: Duration::from_millis(100),
            dead_after: Duration::from_millis(400),
            max_backoff: Duration::from_millis(100),
            queue_frames: 4096,
            queue_bytes: 64 << 20,
        }
    }
}

/// What the transport tells the driver.
#[derive(Debug)]
pub enum Incoming {
    /// A peer sent this.
    Frame {
        /// Who claims to have sent it.
        from: NodeId,
        /// What was sent.
        payload: Bytes,
    },
    /// A peer has connected, and can be answered there: for those whose address is not known otherwise, such
    /// as the leader of a cluster that this node is just joining.
    Greeted {
        /// The peer.
        from: NodeId,
        /// Where it listens.
        address: SocketAddr,
    },
    /// The link to a peer was lost: of what was sent to it, any may or may not have arrived.
    Lost {
        /// The peer.
        to: NodeId,
    },
}

/// The first frame of a connection, both ways.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Hello {
    version: u32,
    cluster: String,
    from: NodeId,
    to: NodeId,
    /// Where the sender listens, on the address that it connects from; 0 in an answer.
    port: u16,
}

/// How often things happened, over the life of the process.
#[derive(Debug, Default)]
pub struct TransportCounters {
    /// Frames dropped because a queue was full or a link was down.
    pub dropped_frames: AtomicU64,
    /// Frames sent.
    pub sent_frames: AtomicU64,
    /// Bytes sent, framing included.
    pub sent_bytes: AtomicU64,
    /// Links made, the first time or again.
    pub connects: AtomicU64,
    /// Attempts to make one that failed.
    pub failed_connects: AtomicU64,
}

/// The links of one node. Dropping it closes them all.
#[derive(Debug)]
pub struct Transport {
    config: Arc<TransportConfig>,
    counters: Arc<TransportCounters>,
    incoming: mpsc::Sender<Incoming>,
    links: BTreeMap<NodeId, Outgoing>,
    /// Links to nodes that are not peers, the oldest first.
    guests: VecDeque<(NodeId, Outgoing)>,
    /// Where this node listens.
    port: u16,
    listener: JoinHandle<()>,
}

impl Transport {
    /// Starts to receive on `listener`; must be called within a tokio runtime. A slow reader of `incoming`
    /// slows down the peers, nothing else.
    pub fn start(
        config: TransportConfig,
        listener: TcpListener,
        incoming: mpsc::Sender<Incoming>,
    ) -> Transport {
        let config = Arc::new(config);
        let port = listener.local_addr().map_or(0, |address| address.port());
        let listener = tokio::spawn(incoming::listen(config.clone(), listener, incoming.clone()));
        Transport {
            config,
            counters: Arc::default(),
            incoming,
            links: BTreeMap::new(),
            guests: VecDeque::new(),
            port,
            listener,
        }
    }

    /// Keeps links to exactly these peers; one whose address is the same is left alone.
    pub fn set_peers<'a>(&mut self, peers: impl IntoIterator<Item = (NodeId, &'a str)>) {
        let mut old = std::mem::take(&mut self.links);
        for (id, address) in peers {
            if id == self.config.id {
                continue;
            }
            let kept = old.remove(&id).filter(|link| link.address() == address);
            let link = kept.unwrap_or_else(|| self.link(id, address.to_owned(), None));
            self.links.insert(id, link);
        }
        let links = &self.links;
        self.guests.retain(|(id, _)| !links.contains_key(id));
    }

    /// Makes a link to a node that has greeted this one and is not a peer, for the answers that it waits for.
    /// The link lasts as long as it works, or until too many others come.
    pub fn welcome(&mut self, id: NodeId, address: SocketAddr) {
        if id == self.config.id || self.links.contains_key(&id) {
            return;
        }
        let address = address.to_string();
        self.guests
            .retain(|(guest, link)| *guest != id || (link.address() == address && link.lasts()));
        if self.guests.iter().any(|(guest, _)| *guest == id) {
            return;
        }
        if self.guests.len() >= MAX_GUESTS {
            self.guests.pop_front();
        }
        let link = self.link(id, address, Some(GUEST_ATTEMPTS));
        self.guests.push_back((id, link));
    }

    fn link(&self, id: NodeId, address: String, attempts: Option<u32>) -> Outgoing {
        let own = (self.config.clone(), self.port);
        Outgoing::start(
            own,
            self.counters.clone(),
            id,
            address,
            attempts,
            self.incoming.clone(),
        )
    }

    /// Sends if the link is up and its queue has room; returns whether it may arrive. False: it certainly
    /// will not.
    pub fn send(&self, to: NodeId, payload: Bytes) -> bool {
        let guest = || {
            self.guests
                .iter()
                .find(|(guest, _)| *guest == to)
                .map(|(_, link)| link)
        };
        let sent = self
            .links
            .get(&to)
            .or_else(guest)
            .is_some_and(|link| link.send(payload));
        if !sent {
            self.counters.dropped_frames.fetch_add(1, Ordering::Relaxed);
        }
        sent
    }

    /// How many bytes wait to be sent.
    pub fn queued_bytes(&self) -> usize {
        let guests = self.guests.iter().map(|(_, link)| link);
        self.links
            .values()
            .chain(guests)
            .map(Outgoing::queued_bytes)
            .sum()
    }

    /// How often things happened.
    pub fn counters(&self) -> &TransportCounters {
        &self.counters
    }
}

impl Drop for Transport {
    fn drop(&mut self) {
        self.listener.abort();
    }
}

/// Listens on the address, also right after another process did.
///
/// # Errors
/// When the address is in use or not this machine's.
pub fn listen(address: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = match address {
        SocketAddr::V4(_) => tokio::net::TcpSocket::new_v4()?,
        SocketAddr::V6(_) => tokio::net::TcpSocket::new_v6()?,
    };
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(1024)
}
