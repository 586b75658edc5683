//! Nodes that are not a part of this process' machine: containers, and hosts behind SSH.
//!
//! ```text
//!   controller                                        node
//!   AgentNode ─ Session ──── lines of JSON ──── perjury agent ── LocalNode, iptables, probes
//!                          docker start -ai, or            │
//!                          a channel of SSH                └─ the store's processes
//! ```
//!
//! On every node runs `perjury agent`, this very program, and does there what the environments of this machine do here, with the
//! same code. So a fault is one piece of code wherever a node is, and what an answer takes is one round trip.
//!
//! Invariants:
//! - Nothing is asked twice. Only what makes a connection is tried again; one that breaks later stays broken, because the agent
//!   behind it has undone everything.
//! - A dead man's switch: the agent undoes all that it did (processes, rules, mounts) when its input ends or falls silent for
//!   [`SILENCE_LIMIT`]. A controller that dies, however, leaves nothing; `perjury heal` is for agents that died too.
//! - Nothing is downloaded or installed: what a node needs, this program brings along ([`bundle`]).

pub(crate) mod bundle;
pub(crate) mod host_chain;
mod listener;
pub(crate) mod node;
mod probe;
pub(crate) mod protocol;
mod serve;
pub(crate) mod session;

use std::time::Duration;

pub use serve::{AgentOptions, serve};

/// How long an agent bears to hear nothing of its controller.
pub(crate) const SILENCE_LIMIT: Duration = Duration::from_secs(60);
/// How often a controller that has nothing to say says so.
const PING_INTERVAL: Duration = Duration::from_secs(10);
