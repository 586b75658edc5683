//! The environments in which a cluster runs, one file or folder each, and how one is chosen and opened.

#[cfg(target_os = "linux")]
pub(crate) mod docker;
mod env_choice;
mod external;
mod local;
#[cfg(target_os = "linux")]
pub mod netns;
#[cfg(not(target_os = "linux"))]
#[path = "netns_elsewhere.rs"]
pub mod netns;
mod open;
mod options;
#[cfg(all(target_os = "linux", feature = "ssh"))]
pub(crate) mod ssh;
mod ssh_access;

pub use env_choice::{EnvChoice, LinkChoice, Means, NetnsTrial, Refusal, Resolved, resolve};
pub use open::open;
pub use options::OpenOptions;
pub use ssh_access::SshAccess;
