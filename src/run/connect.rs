//! How the clients of a run get their connections.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use control::{Client, ControlError, System};
use history::ObjectKind;

/// How clients are connected: to a store in a test, to something trivial in benchmarks.
#[async_trait]
pub trait Connect: Send + Sync + 'static {
    /// Connects a new client to one node. No part of an operation is sent before this has succeeded.
    /// The client waits at most `timeout` for an answer.
    async fn connect(&self, node: usize, timeout: Duration) -> Result<Box<dyn Client>, ControlError>;
}

/// Connects clients to the system under test.
pub struct SystemConnect {
    /// The system.
    pub system: Arc<dyn System>,
    /// The kind of object that the clients work on.
    pub object: ObjectKind,
}

#[async_trait]
impl Connect for SystemConnect {
    async fn connect(&self, node: usize, timeout: Duration) -> Result<Box<dyn Client>, ControlError> {
        self.system.connect(node, self.object, timeout).await
    }
}
