//! The store under test as a set of processes: start them, break them, find their leader.

use std::path::PathBuf;
use std::time::Duration;

use async_trait::async_trait;
use history::Fact;

use crate::{ControlError, Operators, Pid, ProcessState};

/// A node that believes it is the leader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Primary {
    /// Which node, as an index into [`crate::Environment::nodes`].
    pub node: usize,
    /// The term in which it leads, where the store has terms and reports them.
    pub term: Option<u64>,
}

/// A store that runs on the nodes of an environment. Nodes are indices into [`crate::Environment::nodes`].
///
/// Of [`Operators`], removing a member also ends its process and deletes its data where the store demands it,
/// and adding one starts its process.
#[async_trait]
pub trait Db: Operators {
    /// Starts the store on `node`, for the first time or after a kill. Does nothing if it runs. Does not wait
    /// until it answers.
    async fn start(&self, node: usize) -> Result<(), ControlError>;

    /// Ends it with SIGKILL. Does nothing if it is gone.
    async fn kill(&self, node: usize) -> Result<(), ControlError>;

    /// Sends it SIGTERM, and waits until it has ended. Does nothing if it is gone.
    ///
    /// # Errors
    /// When it does not end within ten seconds.
    async fn stop(&self, node: usize) -> Result<(), ControlError>;

    /// Freezes it with SIGSTOP.
    async fn pause(&self, node: usize) -> Result<(), ControlError>;

    /// Resumes a frozen one.
    async fn resume(&self, node: usize) -> Result<(), ControlError>;

    /// Deletes the data of a node whose store is not running.
    async fn wipe(&self, node: usize) -> Result<(), ControlError>;

    /// What the store's process on `node` is doing.
    async fn state(&self, node: usize) -> Result<ProcessState, ControlError>;

    /// The processes of the store that run on `node`, each the leader of a process group. Empty if none does.
    async fn processes(&self, node: usize) -> Vec<Pid>;

    /// The directory on `node` in which the store keeps its data; it need not exist.
    fn data_dir(&self, node: usize) -> PathBuf;

    /// Gives up on a node whose store was damaged so that it does not stay up: from now on it is not waited
    /// for, and it is expected to be down.
    async fn give_up(&self, _node: usize) {}

    /// Whether [`Db::give_up`] was called for a node.
    async fn is_given_up(&self, _node: usize) -> bool {
        false
    }

    /// The nodes whose process has ended although perjury did not end it.
    async fn crashed(&self) -> Vec<usize> {
        Vec::new()
    }

    /// Whether the whole store answers now, all nodes but those that were given up.
    ///
    /// # Errors
    /// Why not, human-readable.
    async fn answers(&self) -> Result<(), String> {
        let limit = Duration::from_secs(1);
        self.ready(limit).await.map_err(|error| error.to_string())
    }

    /// What the nodes say of themselves now, with the node's index: the terms in which they led, their state at
    /// an index. Asked often, so that it must cost the store little. Unreachable nodes are left out.
    async fn observe(&self) -> Vec<(usize, Fact)> {
        Vec::new()
    }

    /// The same once more when clients are done: also what costs more, and what only a store that nobody
    /// changes can say.
    async fn observe_last(&self) -> Vec<(usize, Fact)> {
        self.observe().await
    }

    /// Why the store says that it needs an operator now: its documentation says that it stands still then
    /// until one acts. `None` if it does not say so.
    async fn needs_operator(&self) -> Option<String> {
        None
    }

    /// The last lines of a node's logs that are not empty, at most so many, as far as they can be read.
    async fn last_words(&self, _node: usize, _lines: usize) -> Vec<String> {
        Vec::new()
    }

    /// Waits until the whole store answers.
    ///
    /// # Errors
    /// [`ControlError::Deadline`], which says where the logs are.
    async fn ready(&self, limit: Duration) -> Result<(), ControlError>;

    /// The nodes that now believe they are the leader, queried with a short deadline; where there are terms,
    /// the newest first. Unreachable nodes are left out.
    async fn primaries(&self) -> Vec<Primary>;

    /// The version that the store reports; empty if it reports none.
    async fn version(&self) -> String;

    /// The log files of a node, on that node.
    fn log_files(&self, node: usize) -> Vec<PathBuf>;
}
