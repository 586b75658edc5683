//! What can go wrong with nodes, links and processes.

use std::path::PathBuf;
use std::time::Duration;

use thiserror::Error;

/// Why something could not be done to a node, a link or a process. Each text names the remedy where there is
/// one.
#[derive(Debug, Error)]
pub enum ControlError {
    /// The environment is not available on this machine.
    #[error("the environment `{env}` is not available here: {why}; {remedy}")]
    Unavailable {
        /// Which environment.
        env: &'static str,
        /// What the system says.
        why: String,
        /// What the user can do.
        remedy: String,
    },
    /// This environment cannot do that at all.
    #[error("{what} is not possible in the environment `{env}`")]
    Unsupported {
        /// Which environment.
        env: &'static str,
        /// What was requested.
        what: String,
    },
    /// A program could not be started.
    #[error("cannot start {program} on {node}: {source}")]
    Spawn {
        /// The node.
        node: String,
        /// The program.
        program: String,
        /// What the system says.
        source: std::io::Error,
    },
    /// A program ran and failed.
    #[error("{command} on {node} failed ({status}): {stderr}")]
    Failed {
        /// The node.
        node: String,
        /// The whole command.
        command: String,
        /// Its exit status.
        status: String,
        /// The end of what it wrote to its standard error.
        stderr: String,
    },
    /// Something did not happen in time.
    #[error("{what} did not happen within {} ms{hint}", limit.as_millis())]
    Deadline {
        /// What was waited for.
        what: String,
        /// How long.
        limit: Duration,
        /// Where to look next; empty or starting with `; `.
        hint: String,
    },
    /// A file could not be read or written.
    #[error("{}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// A system call failed.
    #[error("{what}: {source}")]
    System {
        /// What was tried.
        what: String,
        /// What the system says.
        source: std::io::Error,
    },
    /// A host that the user named cannot be reached, or refuses the login.
    #[error("{host}: {why}")]
    Unreachable {
        /// The host, as the user named it.
        host: String,
        /// What is wrong, and what to do about it where that is known.
        why: String,
    },
    /// The store says that it has done something, and has not.
    #[error("{0}")]
    Untrue(String),
    /// Anything else, in one line.
    #[error("{0}")]
    Other(String),
}
