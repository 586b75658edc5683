//! Opens an environment.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

use crate::external::External;
use crate::local::Local;
use crate::{Ability, ControlError, EnvKind, Environment, LinkChoice};

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
            lost: Vec::new(),
        }
    }
}

/// Opens an environment. Blocks for some 50 ms. For [`EnvKind::Netns`], [`crate::netns::enter`] must have been called.
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
        EnvKind::Local | EnvKind::External if options.links != LinkChoice::Auto => {
            Err(ControlError::Unsupported {
                env: kind.name(),
                what: format!("cutting links with {}", options.links),
            })
        }
        EnvKind::External => Ok(Arc::new(External::open(options.nodes, options.lost.clone()))),
        EnvKind::Local => Ok(Arc::new(Local::open(options)?)),
    }
}

#[cfg(target_os = "linux")]
fn open_netns(options: &OpenOptions) -> Result<Arc<dyn Environment>, ControlError> {
    Ok(Arc::new(crate::netns::Netns::open(options)?))
}

#[cfg(not(target_os = "linux"))]
fn open_netns(_options: &OpenOptions) -> Result<Arc<dyn Environment>, ControlError> {
    crate::netns::enter().and_then(|()| Err(ControlError::Other("no network namespaces".into())))
}
