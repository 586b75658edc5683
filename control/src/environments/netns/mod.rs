//! The environment `netns`: one network namespace a node, as root or inside a user namespace of our own.
//!
//! ```text
//!                    supervisor            the user's shell sees this process and its exit code
//!                        │ unshare(user, net, mount, pid), fork
//!   ┌────────────────── init ─────────────────────────── a PID namespace: ends with init ──┐
//!   │                    │ fork                                                            │
//!   │                controller ── 10.77.0.254 ┐                                           │
//!   │                                   ┌──────┴───────┐                                   │
//!   │                                   │ the "switch" │  a namespace with the host ends   │
//!   │                                   └┬────┬────┬───┘  of all veths: a kernel bridge,   │
//!   │                            10.77.0.1   .2   .3      or packet sockets and a thread   │
//!   │                               n1       n2   n3                                       │
//!   └──────────────────────────────────────────────────────────────────────────────────────┘
//! ```
//!
//! Invariants:
//! - Namespaces have no names: only file descriptors of the controller and the processes inside hold them.
//!   Whichever of the three processes dies, in whatever way, the kernel ends all the others and every
//!   namespace. So there is nothing to undo: no bridge, rule, mount or address exists outside.
//! - The host's network is never touched; there is no way out of these namespaces.

mod delay;
mod environment;
mod links;
mod namespace;
mod refusal;
mod rtnetlink;
mod shaping;
mod supervise;
mod switch;
mod topology;
mod try_namespaces;
mod user_map;

pub(crate) use environment::Netns;
pub(crate) use links::{Chains, Cutter, Links};
pub(crate) use namespace::Namespace;
pub use supervise::enter;
pub use try_namespaces::try_namespaces;
