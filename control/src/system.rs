//! What is tested: a [`Db`] and a [`Client`] under one name.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use history::ObjectKind;

use crate::{Client, ControlError, Db, Environment};

/// What the user may set for every system.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SystemOptions {
    /// A planted bug to switch on, by name; only the bundled cluster has any.
    pub bug: Option<String>,
    /// The store's program, as [`System`]s' own lists found it; `None` where there is nothing to find.
    pub binary: Option<PathBuf>,
    /// The endpoints of a cluster that perjury did not start, one for each node: `http://10.0.0.1:2379`.
    /// Empty for a cluster that it starts.
    pub endpoints: Vec<String>,
    /// The command that restarts a store that perjury did not start, run by `sh -c` on the store's host.
    pub start_command: Option<String>,
    /// How reads are done, by the name in the system's list; `None` for the first one.
    pub read_mode: Option<String>,
    /// What the store demands of its clients.
    pub access: Access,
    /// The run's seed, for a store that is set up differently from run to run.
    pub seed: u64,
}

/// What a store demands of its clients. It is neither printed nor recorded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Access {
    /// Whom to log in as.
    pub user: Option<String>,
    /// That user's password.
    pub password: Option<Secret>,
    /// A token that stands for a login (Consul's ACL token).
    pub token: Option<Secret>,
    /// A PEM file with the certificates that the store's own is to be checked against, besides the system's.
    pub ca_file: Option<PathBuf>,
    /// A PEM file with the client's certificate.
    pub cert_file: Option<PathBuf>,
    /// A PEM file with the client's key.
    pub key_file: Option<PathBuf>,
}

/// A text that must not be shown. `Debug` hides it, there is no `Display`, and it cannot be serialized.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Wraps a text.
    pub fn new(text: impl Into<String>) -> Secret {
        Secret(text.into())
    }

    /// The text, for the one place that sends it.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// A system under test, ready to run in one environment.
#[async_trait]
pub trait System: Send + Sync {
    /// The store's processes.
    fn db(&self) -> Arc<dyn Db>;

    /// What its clients leave behind in a store that perjury did not start, and how to remove it; one
    /// human-readable line.
    fn left_behind(&self) -> Option<String> {
        None
    }

    /// Connects a new client to one node. All its operations will address objects of this kind.
    ///
    /// # Errors
    /// When no connection can be made; nothing was sent then, so that the operation is a certain `fail`.
    async fn connect(
        &self,
        node: usize,
        object: ObjectKind,
        timeout: Duration,
    ) -> Result<Box<dyn Client>, ControlError>;
}

/// How a system is made for an environment; `systems` lists these by name.
pub type MakeSystem = fn(Arc<dyn Environment>, &SystemOptions) -> Result<Arc<dyn System>, ControlError>;
