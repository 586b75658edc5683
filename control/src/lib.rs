//! Where a cluster runs and what can be done to it: the I/O traits and the environments that implement them.
//!
//! Invariants:
//! - Async stops here: whoever implements [`Remote`], [`Net`], [`Db`] or [`Client`] may wait for the world;
//!   history, generator, checker and the reports never do. Every wait has a deadline.
//! - Faults are scoped: own namespaces, own iptables chains, own processes by number. Nothing here matches a
//!   process by name or flushes a table.
//! - What would outlive a dead controller is written to the undo log before it is done.

mod ability;
mod children;
mod choice;
mod client;
pub mod damage;
mod db;
#[cfg(target_os = "linux")]
mod distant;
mod environment;
mod error;
mod external;
#[cfg(target_os = "linux")]
mod iptables;
mod local;
mod machine;
mod net;
#[cfg(target_os = "linux")]
pub mod netns;
#[cfg(not(target_os = "linux"))]
#[path = "netns_elsewhere.rs"]
pub mod netns;
mod open;
mod prober;
mod process;
mod remote;
mod strays;
mod system;
pub mod tamper;
mod undo;
pub mod volume;

pub use ability::{Ability, can};
pub use choice::{EnvChoice, LinkChoice, Means, NetnsTrial, Refusal, Resolved, resolve};
pub use client::Client;
pub use db::{Db, Primary};
#[cfg(target_os = "linux")]
pub use distant::{AgentOptions, docker_trial, serve};
pub use environment::{EnvKind, Environment, Node};
pub use error::ControlError;
pub use net::{CONTROLLER, Link, LinkControl, Net, Sample, Shape, both_ways, links_between};
pub use open::{OpenOptions, SshAccess, open};
pub use remote::{Command, Daemon, Output, Pid, ProcessState, Remote, Signal};
pub use system::{Access, MakeSystem, Secret, System, SystemOptions};
pub use undo::{HealReport, has_something_to_undo, heal};
