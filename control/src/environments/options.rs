//! What an environment is made from.

use std::collections::BTreeSet;
use std::path::PathBuf;

use super::env_choice::LinkChoice;
use super::ssh_access::SshAccess;
use crate::Ability;

/// What an environment is made from.
#[derive(Clone, Debug)]
pub struct OpenOptions {
    /// How many nodes; at least one.
    pub nodes: usize,
    /// The run directory, which must exist. It gets the undo log and one directory a node.
    pub run_dir: PathBuf,
    /// How links are cut.
    pub links: LinkChoice,
    /// The seed for the loss on shaped links.
    pub seed: u64,
    /// Behave as if iptables were not installed; for tests.
    pub hide_iptables: bool,
    /// What the faults of this run need; an environment prepares what must be there before the first process
    /// starts.
    pub abilities: BTreeSet<Ability>,
    /// The image of the containers; if none is given, one that contains only perjury.
    pub image: Option<String>,
    /// The hosts, one a node.
    pub hosts: Vec<SshAccess>,
    /// What is known to be lost already, from [`crate::resolve`].
    pub lost: Vec<String>,
}

impl OpenOptions {
    /// The defaults.
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
