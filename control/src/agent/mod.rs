//! Nodes outside this machine: containers, and hosts behind SSH.
//!
//! ```text
//!   controller                                        node
//!   AgentNode ─ Session ──── lines of JSON ──── perjury agent ── LocalNode, iptables, probes
//!                          docker start -ai, or            │
//!                          a channel of SSH                └─ the store's processes
//! ```
//!
//! Every node runs `perjury agent`, this same program, which does there what the environments of this machine
//! do here, with the same code. So a fault is one piece of code wherever a node is, and each request costs
//! one round trip.
//!
//! Invariants:
//! - No request is sent twice. Only connecting is tried again; a connection that breaks later stays broken,
//!   because the agent behind it has undone everything.
//! - A dead man's switch: the agent undoes everything it did (processes, rules, mounts) when its input ends
//!   or is silent for [`SILENCE_LIMIT`]. So a controller that dies in any way leaves nothing behind; `perjury
//!   heal` is for agents that died too.
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

/// How long an agent waits for a sign of life from its controller.
pub(crate) const SILENCE_LIMIT: Duration = Duration::from_secs(60);
/// How often a controller with no request to send sends a sign of life.
const PING_INTERVAL: Duration = Duration::from_secs(10);
