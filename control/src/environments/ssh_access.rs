//! How a host is reached by SSH, as the user writes it and as the undo log records it.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// How a host is reached by SSH.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SshAccess {
    /// As the user wrote it: `user@host:port`.
    pub destination: String,
    /// The user to log in as.
    pub user: String,
    /// The host's name or address.
    pub host: String,
    /// The port of its sshd.
    pub port: u16,
    /// The private key; without one, those of the SSH agent and the usual files.
    pub key: Option<PathBuf>,
    /// The files with the hosts' keys. If there are none, every key is accepted.
    pub known_hosts: Vec<PathBuf>,
    /// Whether perjury's agent runs there by `sudo -n`.
    pub sudo: bool,
}

impl SshAccess {
    /// Reads `user@host:port`; user and port may be left out; an IPv6 address with a port is in brackets.
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
            return Err(mistake("there is no user name in it"));
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
            return Err(mistake("there is no host name in it"));
        }
        Ok(SshAccess {
            destination: destination.to_owned(),
            user,
            host: host.to_owned(),
            port: match port {
                None => 22,
                Some(port) => port.parse().map_err(|_| mistake("that is not a port"))?,
            },
            key: None,
            known_hosts: Vec::new(),
            sudo: false,
        })
    }
}
