//! Opens an environment.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::environments::external::External;
use crate::environments::local::Local;
use crate::{Ability, ControlError, EnvKind, Environment, LinkChoice};

/// How a host is reached by SSH.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SshAccess {
    /// As the user wrote it: `user@host:port`.
    pub destination: String,
    /// Whom to log in as.
    pub user: String,
    /// The host's name or address.
    pub host: String,
    /// The port of its sshd.
    pub port: u16,
    /// The private key; without one, those of the SSH agent and the usual files.
    pub key: Option<PathBuf>,
    /// The files with the hosts' keys. If there are none, every key is believed.
    pub known_hosts: Vec<PathBuf>,
    /// Whether perjury's agent runs there by `sudo -n`.
    pub sudo: bool,
}

impl SshAccess {
    /// Reads `user@host:port`; user and port may be left out, an IPv6 address with a port stands in brackets.
    ///
    /// # Errors
    /// One line for the user.
    pub fn parse(destination: &str) -> Result<SshAccess, String> {
        let mistake =
            |why: &str| format!("`{destination}`: {why}; write it like root@10.0.0.1 or admin@db1:2222");
        let (user, place) = match destination.rsplit_once('@') {
            Some((user, place)) => (user.to_owned(), place),
            None => (std::env::var("USER").unwrap_or_default(), destination),
        };
        if user.is_empty() {
            return Err(mistake("nobody to log in as"));
        }
        let (host, port) = match place.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            Some((host, "")) => (host, None),
            Some((host, rest)) => (host, rest.strip_prefix(':')),
            None if place.matches(':').count() > 1 => (place, None),
            None => place
                .split_once(':')
                .map_or((place, None), |(host, port)| (host, Some(port))),
        };
        if host.is_empty() || host.contains(char::is_whitespace) {
            return Err(mistake("there is no host in it"));
        }
        Ok(SshAccess {
            destination: destination.to_owned(),
            user,
            host: host.to_owned(),
            port: match port {
                None => 22,
                Some(port) => port.parse().map_err(|_| mistake("that is no port"))?,
            },
            key: None,
            known_hosts: Vec::new(),
            sudo: false,
        })
    }
}

/// What an environment is made from.
#[derive(Clone, Debug)]
pub struct OpenOptions {
    /// How many nodes; at least one.
    pub nodes: usize,
    /// The run directory, which must exist. It gets the undo log and one directory a node.
    pub run_dir: PathBuf,
    /// With what links are cut.
    pub links: LinkChoice,
    /// The seed of the loss on shaped links.
    pub seed: u64,
    /// Behave as if iptables were not installed; for tests.
    pub hide_iptables: bool,
    /// What the faults of this run need; an environment prepares what must be there before the first process starts.
    pub abilities: BTreeSet<Ability>,
    /// The image of the containers; one with nothing but perjury if there is none.
    pub image: Option<String>,
    /// The hosts, one a node.
    pub hosts: Vec<SshAccess>,
    /// What is known to be lost already, from [`crate::resolve`].
    pub lost: Vec<String>,
}

impl OpenOptions {
    /// The usual ones.
    pub fn new(nodes: usize, run_dir: impl Into<PathBuf>) -> OpenOptions {
        OpenOptions {
            nodes,
            run_dir: run_dir.into(),
            links: LinkChoice::Auto,
            seed: 0,
            hide_iptables: false,
            abilities: BTreeSet::new(),
            image: None,
            hosts: Vec::new(),
            lost: Vec::new(),
        }
    }
}

/// Opens an environment. Blocks for some 50 ms, for containers and hosts some seconds, and there within a tokio runtime of several
/// threads only. For [`EnvKind::Netns`], [`crate::netns::enter`] must have been called.
///
/// # Errors
/// When it cannot be had or the run directory was used already. Nothing is left behind then, but for the undo log.
pub fn open(kind: EnvKind, options: &OpenOptions) -> Result<Arc<dyn Environment>, ControlError> {
    if options.nodes == 0 {
        return Err(ControlError::Other(
            "an environment needs at least one node".into(),
        ));
    }
    match kind {
        EnvKind::Netns => open_netns(options),
        EnvKind::Local | EnvKind::External | EnvKind::Docker | EnvKind::Ssh | EnvKind::Reached
            if options.links != LinkChoice::Auto =>
        {
            Err(ControlError::Unsupported {
                env: kind.name(),
                what: format!("cutting links with {}", options.links),
            })
        }
        EnvKind::External => Ok(Arc::new(External::open(options.nodes, options.lost.clone()))),
        EnvKind::Local => Ok(Arc::new(Local::open(options)?)),
        EnvKind::Docker | EnvKind::Ssh | EnvKind::Reached => open_distant(kind, options),
    }
}

#[cfg(target_os = "linux")]
fn open_distant(kind: EnvKind, options: &OpenOptions) -> Result<Arc<dyn Environment>, ControlError> {
    let runtime = tokio::runtime::Handle::current();
    // The caller's thread may belong to the runtime, and would block it.
    std::thread::scope(|scope| {
        let opening = scope.spawn(|| {
            runtime.block_on(async {
                Ok(match kind {
                    EnvKind::Docker => {
                        Arc::new(super::docker::Docker::open(options).await?) as Arc<dyn Environment>
                    }
                    _ => open_hosts(kind, options).await?,
                })
            })
        });
        opening
            .join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

#[cfg(all(target_os = "linux", feature = "ssh"))]
async fn open_hosts(kind: EnvKind, options: &OpenOptions) -> Result<Arc<dyn Environment>, ControlError> {
    Ok(Arc::new(super::ssh::Ssh::open(kind, options).await?))
}

#[cfg(not(all(target_os = "linux", feature = "ssh")))]
async fn open_hosts(kind: EnvKind, _options: &OpenOptions) -> Result<Arc<dyn Environment>, ControlError> {
    Err(ControlError::Unavailable {
        env: kind.name(),
        why: "this perjury was built without SSH".into(),
        remedy: "build it with the feature `ssh`".into(),
    })
}

#[cfg(not(target_os = "linux"))]
fn open_distant(kind: EnvKind, _options: &OpenOptions) -> Result<Arc<dyn Environment>, ControlError> {
    Err(ControlError::Unavailable {
        env: kind.name(),
        why: "perjury brings its own program along, which must be one of Linux".into(),
        remedy: "start it on Linux".into(),
    })
}

#[cfg(target_os = "linux")]
fn open_netns(options: &OpenOptions) -> Result<Arc<dyn Environment>, ControlError> {
    Ok(Arc::new(crate::environments::netns::Netns::open(options)?))
}

#[cfg(not(target_os = "linux"))]
fn open_netns(_options: &OpenOptions) -> Result<Arc<dyn Environment>, ControlError> {
    crate::netns::enter().and_then(|()| Err(ControlError::Other("no network namespaces".into())))
}
