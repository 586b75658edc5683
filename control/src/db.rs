//! The store under test as a set of processes: start them, break them, find their leader.

use std::path::PathBuf;
use std::time::Duration;

use async_trait::async_trait;

use crate::{ControlError, Pid, ProcessState};

/// A store that runs on the nodes of an environment. Nodes are indices into [`crate::Environment::nodes`].
#[async_trait]
pub trait Db: Send + Sync {
    /// Starts the store on `node`, anew or after a kill. Does nothing if it runs. Does not wait until it answers.
    async fn start(&self, node: usize) -> Result<(), ControlError>;

    /// Ends it with SIGKILL. Does nothing if it is gone.
    async fn kill(&self, node: usize) -> Result<(), ControlError>;

    /// Freezes it with SIGSTOP.
    async fn pause(&self, node: usize) -> Result<(), ControlError>;

    /// Lets a frozen one go on.
    async fn resume(&self, node: usize) -> Result<(), ControlError>;

    /// Deletes the data of a node whose store is not running.
    async fn wipe(&self, node: usize) -> Result<(), ControlError>;

    /// What the store's process on `node` is doing.
    async fn state(&self, node: usize) -> Result<ProcessState, ControlError>;

    /// The processes of the store that run on `node`, each the leader of a process group. Empty if none does.
    async fn processes(&self, node: usize) -> Vec<Pid>;

    /// The directory on `node` in which the store keeps its data; it need not exist.
    fn data_dir(&self, node: usize) -> PathBuf;

    /// A node whose store was damaged so that it does not stay up: from now on nobody waits for it, and that it is down is
    /// nobody's surprise.
    async fn give_up(&self, _node: usize) {}

    /// The nodes whose process has ended although nobody ended it.
    async fn crashed(&self) -> Vec<usize> {
        Vec::new()
    }

    /// Waits until the whole store answers.
    ///
    /// # Errors
    /// [`ControlError::Deadline`] with the place of the logs.
    async fn ready(&self, limit: Duration) -> Result<(), ControlError>;

    /// The nodes that now believe to be leader, asked with a short deadline; with terms where there are any, the
    /// newest first. Unreachable nodes are left out.
    async fn primaries(&self) -> Vec<usize>;

    /// The version of the store, as it tells itself; empty if it does not.
    async fn version(&self) -> String;

    /// The log files of a node, on that node.
    fn log_files(&self, node: usize) -> Vec<PathBuf>;
}
