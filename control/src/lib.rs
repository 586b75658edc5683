//! Where a cluster runs and what can be done to it: the I/O traits and the environments that implement them.
//!
//! Invariants:
//! - Async stops here: what implements [`Remote`], [`Net`], [`Db`] or [`Client`] may wait for the world;
//!   history, generator, checker and the reports never do. Every wait has a deadline.
//! - Faults are scoped: own namespaces, own iptables chains, own processes by number. Nothing here matches a
//!   process by name or flushes a table.
//! - What would outlive a dead controller is written to the undo log before it is done.

mod ability;
#[cfg(target_os = "linux")]
mod agent;
mod client;
mod db;
mod env_kind;
mod environment;
mod environments;
mod error;
pub mod inside;
mod links;
mod net;
mod operators;
mod processes;
mod remote;
mod system;
mod undo;

pub use ability::{Ability, can};
#[cfg(target_os = "linux")]
pub use agent::{AgentOptions, serve};
pub use client::Client;
pub use db::{Db, Primary};
pub use env_kind::EnvKind;
pub use environment::Environment;
#[cfg(target_os = "linux")]
pub use environments::docker::program::trial as docker_trial;
pub use environments::{
    EnvChoice, LinkChoice, Means, NetnsTrial, OpenOptions, Refusal, Resolved, SshAccess, netns, open, resolve,
};
pub use error::ControlError;
pub use net::{CONTROLLER, Link, LinkControl, Net, Sample, Shape, both_ways, links_between};
pub use operators::Operators;
pub use remote::{Command, Daemon, Node, Output, Pid, ProcessState, Remote, Signal};
pub use system::{Access, MakeSystem, Secret, System, SystemOptions};
pub use undo::{HealReport, has_something_to_undo, heal};
