//! What is tested: a [`Db`] and a [`Client`] under one name.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use history::OpKind;

use crate::{Client, ControlError, Db, Environment};

/// What the user may set for any system.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SystemOptions {
    /// A planted bug to switch on, by name; only the bundled cluster has any.
    pub bug: Option<String>,
}

/// A system under test, ready to run in one environment.
#[async_trait]
pub trait System: Send + Sync {
    /// Its name on the command line.
    fn name(&self) -> &'static str;

    /// The store's processes.
    fn db(&self) -> Arc<dyn Db>;

    /// Connects a new client to one node.
    ///
    /// # Errors
    /// When no connection can be made; nothing was sent then, so that the operation is a certain `fail`.
    async fn connect(&self, node: usize, timeout: Duration) -> Result<Box<dyn Client>, ControlError>;

    /// Whether its clients can do such operations.
    fn supports(&self, kind: OpKind) -> bool;
}

/// How a system is made for an environment; `systems` lists these by name.
pub type MakeSystem = fn(Arc<dyn Environment>, &SystemOptions) -> Result<Arc<dyn System>, ControlError>;
