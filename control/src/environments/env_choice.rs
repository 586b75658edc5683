//! Which environment a run gets: what was requested against what this machine allows. Pure.
//!
//! Invariants:
//! - What was requested by name is provided or refused with one line; only `auto` falls back.
//! - Whatever a run must do without is in `lost`, with the way to get it.

use std::fmt;
use std::str::FromStr;

use crate::{ControlError, EnvKind};

/// Which environment the user requested.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum EnvChoice {
    /// The best that works here.
    #[default]
    Auto,
    /// One network namespace a node, or an error.
    Netns,
    /// Plain processes on loopback ports.
    Local,
    /// One container a node.
    Docker,
    /// One host a node, reached by SSH.
    Ssh,
}

/// How the user wants links to be cut.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LinkChoice {
    /// iptables where it works, else the switch.
    #[default]
    Auto,
    /// iptables, or an error.
    Iptables,
    /// The switch in user space.
    Switch,
}

/// Why network namespaces are not available here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// What the system says, without a full stop.
    pub why: String,
    /// What the user can do, in the imperative.
    pub remedy: String,
}

/// How this process can get network namespaces of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Means {
    /// It may make them directly (root).
    Privileged,
    /// Inside a user namespace of its own.
    UserNamespace,
}

/// What a trial of network namespaces found.
pub type NetnsTrial = Result<Means, Refusal>;

/// The environment of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resolved {
    /// Which it is.
    pub kind: EnvKind,
    /// What it cannot do and how to get it, one line each.
    pub lost: Vec<String>,
}

/// Decides which environment a run gets.
///
/// # Errors
/// [`ControlError::Unavailable`] when network namespaces were requested by name and are not available.
pub fn resolve(choice: EnvChoice, trial: &NetnsTrial) -> Result<Resolved, ControlError> {
    let local = |how: String| Resolved {
        kind: EnvKind::Local,
        lost: vec![format!(
            "links cannot be cut, delayed or made lossy: faults act on processes and files only ({how})"
        )],
    };
    let elsewhere = |kind| Resolved {
        kind,
        lost: Vec::new(),
    };
    match (choice, trial) {
        (EnvChoice::Docker, _) => Ok(elsewhere(EnvKind::Docker)),
        (EnvChoice::Ssh, _) => Ok(elsewhere(EnvKind::Ssh)),
        (EnvChoice::Auto | EnvChoice::Netns, Ok(_)) => Ok(Resolved {
            kind: EnvKind::Netns,
            lost: Vec::new(),
        }),
        (EnvChoice::Auto, Err(refusal)) => Ok(local(format!(
            "network namespaces are not available here: {}; {}",
            refusal.why, refusal.remedy
        ))),
        (EnvChoice::Netns, Err(refusal)) => Err(ControlError::Unavailable {
            env: EnvKind::Netns.name(),
            why: refusal.why.clone(),
            remedy: refusal.remedy.clone(),
        }),
        (EnvChoice::Local, Ok(_)) => Ok(local("use --env netns".into())),
        (EnvChoice::Local, Err(refusal)) => Ok(local(format!(
            "--env netns could, but is not available here yet: {}",
            refusal.remedy
        ))),
    }
}

impl FromStr for EnvChoice {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "auto" => Ok(EnvChoice::Auto),
            "netns" => Ok(EnvChoice::Netns),
            "local" => Ok(EnvChoice::Local),
            "docker" => Ok(EnvChoice::Docker),
            "ssh" => Ok(EnvChoice::Ssh),
            _ => Err(format!(
                "`{text}` is not an environment; use auto, netns, local, docker or ssh"
            )),
        }
    }
}

impl FromStr for LinkChoice {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "auto" => Ok(LinkChoice::Auto),
            "iptables" => Ok(LinkChoice::Iptables),
            "switch" => Ok(LinkChoice::Switch),
            _ => Err(format!(
                "`{text}` is not a way to cut links; use auto, iptables or switch"
            )),
        }
    }
}

impl fmt::Display for EnvChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            EnvChoice::Auto => "auto",
            EnvChoice::Netns => "netns",
            EnvChoice::Local => "local",
            EnvChoice::Docker => "docker",
            EnvChoice::Ssh => "ssh",
        })
    }
}

impl fmt::Display for LinkChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            LinkChoice::Auto => "auto",
            LinkChoice::Iptables => "iptables",
            LinkChoice::Switch => "switch",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused() -> NetnsTrial {
        Err(Refusal {
            why: "user namespaces are off".into(),
            remedy: "run as root".into(),
        })
    }

    #[test]
    fn choices_resolve() {
        let cases = [
            (EnvChoice::Auto, Ok(Means::Privileged), Ok((EnvKind::Netns, None))),
            (
                EnvChoice::Auto,
                Ok(Means::UserNamespace),
                Ok((EnvKind::Netns, None)),
            ),
            (
                EnvChoice::Auto,
                refused(),
                Ok((EnvKind::Local, Some("user namespaces are off; run as root"))),
            ),
            (
                EnvChoice::Netns,
                Ok(Means::Privileged),
                Ok((EnvKind::Netns, None)),
            ),
            (
                EnvChoice::Netns,
                refused(),
                Err("user namespaces are off; run as root"),
            ),
            (
                EnvChoice::Local,
                Ok(Means::Privileged),
                Ok((EnvKind::Local, Some("--env netns"))),
            ),
            (
                EnvChoice::Local,
                refused(),
                Ok((EnvKind::Local, Some("run as root"))),
            ),
        ];
        for (choice, trial, expected) in cases {
            let got = resolve(choice, &trial);
            match expected {
                Ok((kind, lost)) => {
                    let got = got.unwrap_or_else(|error| panic!("{choice} {trial:?}: {error}"));
                    assert_eq!(got.kind, kind, "{choice} {trial:?}");
                    assert_eq!(got.lost.len(), usize::from(lost.is_some()), "{choice} {trial:?}");
                    if let Some(lost) = lost {
                        assert!(got.lost[0].contains(lost), "{choice} {trial:?}: {}", got.lost[0]);
                    }
                }
                Err(text) => {
                    let error = got.expect_err("must be refused").to_string();
                    assert!(error.contains(text) && !error.contains('\n'), "{choice}: {error}");
                }
            }
        }
    }

    #[test]
    fn names_go_both_ways() {
        for choice in [
            EnvChoice::Auto,
            EnvChoice::Netns,
            EnvChoice::Local,
            EnvChoice::Docker,
            EnvChoice::Ssh,
        ] {
            assert_eq!(choice.to_string().parse(), Ok(choice));
        }
        for choice in [LinkChoice::Auto, LinkChoice::Iptables, LinkChoice::Switch] {
            assert_eq!(choice.to_string().parse(), Ok(choice));
        }
        assert!("tc".parse::<LinkChoice>().is_err());
        assert!("podman".parse::<EnvChoice>().is_err());
    }
}
