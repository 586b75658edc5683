//! The store under test as a set of processes: start them, break them, find their leader.

use std::path::PathBuf;
use std::time::Duration;

use async_trait::async_trait;

use crate::{ControlError, Operators, Pid, ProcessState};

/// A node that believes to be leader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Primary {
    /// Which node, as an index into [`crate::Environment::nodes`].
    pub node: usize,
    /// The term in which it leads, where the store has terms and tells.
    pub term: Option<u64>,
}

/// A store that runs on the nodes of an environment. Nodes are indices into [`crate::Environment::nodes`].
///
/// Of [`Operators`], removing a member also ends its process and deletes its data where the store demands it, and adding one
/// starts its process.
#[async_trait]
pub trait Db: Operators {
    /// Starts the store on `node`, anew or after a kill. Does nothing if it runs. Does not wait until it answers.
    async fn start(&self, node: usize) -> Result<(), ControlError>;

    /// Ends it with SIGKILL. Does nothing if it is gone.
    async fn kill(&self, node: usize) -> Result<(), ControlError>;

    /// Asks it with SIGTERM to end, and waits until it has. Does nothing if it is gone.
    ///
    /// # Errors
    /// When it does not end within ten seconds.
    async fn stop(&self, node: usize) -> Result<(), ControlError>;

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

    /// Whether [`Db::give_up`] was called for a node.
    async fn is_given_up(&self, _node: usize) -> bool {
        false
    }

    /// The nodes whose process has ended although nobody ended it.
    async fn crashed(&self) -> Vec<usize> {
        Vec::new()
    }

    /// Waits until the whole store answers.
    ///
    /// # Errors
    /// [`ControlError::Deadline`] with the place of the logs.
    async fn ready(&self, limit: Duration) -> Result<(), ControlError>;

    /// The nodes that now believe to be leader, asked with a short deadline; where there are terms, the newest first.
    /// Unreachable nodes are left out.
    async fn primaries(&self) -> Vec<Primary>;

    /// The version of the store, as it tells itself; empty if it does not.
    async fn version(&self) -> String;

    /// The log files of a node, on that node.
    fn log_files(&self, node: usize) -> Vec<PathBuf>;
}
