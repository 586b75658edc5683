//! One node as a machine: run programs there, move files there, start and signal daemons there.

use std::ffi::OsString;
use std::fmt;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::ControlError;

/// One node of a cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// Its position among the nodes, from 0.
    pub index: usize,
    /// Its name: `n1`, `n2`, …
    pub name: String,
}

/// A program that is run to its end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Command {
    /// The program, found on the node's `PATH` unless it is a path.
    pub program: OsString,
    /// Its arguments.
    pub args: Vec<OsString>,
    /// Environment variables set besides the inherited ones.
    pub env: Vec<(OsString, OsString)>,
    /// After this long it is killed and an error returned.
    pub limit: Duration,
}

/// What a program that was run to its end left behind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Output {
    /// Its exit code; `None` if a signal ended it.
    pub code: Option<i32>,
    /// What it wrote to its standard output.
    pub stdout: Vec<u8>,
    /// What it wrote to its standard error.
    pub stderr: Vec<u8>,
}

/// A program that runs until it is stopped.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Daemon {
    /// The program, found on the node's `PATH` unless it is a path.
    pub program: OsString,
    /// Its arguments.
    pub args: Vec<OsString>,
    /// Environment variables set besides the inherited ones.
    pub env: Vec<(OsString, OsString)>,
    /// Its working directory on the node, which must exist.
    pub directory: PathBuf,
    /// The file on the node to which its standard output and error are appended.
    pub log: PathBuf,
}

/// A process on one node, safe against reuse of its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Pid {
    /// The number, as the node's kernel (or the controller's namespace) counts.
    pub pid: i32,
    /// When it was started, in the unit of the node's kernel (field 22 of Linux' `/proc/PID/stat`); 0 if
    /// unknown.
    pub started: u64,
}

/// What a process is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ProcessState {
    /// It runs or sleeps.
    Running,
    /// SIGSTOP holds it.
    Stopped,
    /// It has ended.
    Gone,
}

/// The signals that perjury sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Signal {
    /// SIGTERM: end in an orderly way.
    Term,
    /// SIGKILL: end now; what the process still held in its own buffers is lost.
    Kill,
    /// SIGSTOP: freeze.
    Stop,
    /// SIGCONT: resume.
    Cont,
}

/// One node as a machine.
#[async_trait]
pub trait Remote: Send + Sync {
    /// Which node this is.
    fn node(&self) -> &Node;

    /// The directory on the node in which a system keeps its files of this run; it exists.
    fn directory(&self) -> &Path;

    /// The path on the node of perjury's own binary, which is there or has been uploaded.
    fn own_binary(&self) -> &Path;

    /// Runs a program to its end. A non-zero exit code is not an error here: see [`Output::success`].
    async fn exec(&self, command: &Command) -> Result<Output, ControlError>;

    /// Copies a file to the node.
    async fn upload(&self, local: &Path, remote: &Path) -> Result<(), ControlError>;

    /// Copies a file from the node.
    async fn download(&self, remote: &Path, local: &Path) -> Result<(), ControlError>;

    /// Deletes a directory on the node and all that is in it; a missing one is no error. Where a filesystem
    /// is mounted only what is on it is deleted.
    async fn remove_dir(&self, path: &Path) -> Result<(), ControlError>;

    /// Starts a daemon. It is in the undo log before this returns.
    async fn spawn(&self, daemon: &Daemon) -> Result<Pid, ControlError>;

    /// Which process of the node listens on this TCP port, no matter who started it: at `address`, one of the
    /// node's own, if given, or else at any address.
    ///
    /// # Errors
    /// When that cannot be determined, or several processes do.
    async fn listener(&self, port: u16, address: Option<IpAddr>) -> Result<Option<Pid>, ControlError> {
        let _ = (port, address);
        Err(ControlError::Other(format!(
            "{}: which process listens there cannot be determined here",
            self.node().name
        )))
    }

    /// Sends a signal to a process that [`Remote::spawn`] started, and to what that one started in its
    /// process group; to one that is gone, does nothing. It has taken hold when this returns: killed means
    /// gone, stopped means stopped. Only [`Signal::Term`] is not waited for.
    async fn signal(&self, pid: Pid, signal: Signal) -> Result<(), ControlError>;

    /// What a process that [`Remote::spawn`] started is doing.
    async fn state(&self, pid: Pid) -> Result<ProcessState, ControlError>;
}

impl Node {
    /// The nodes `n1` … `nN`.
    pub fn numbered(count: usize) -> Vec<Node> {
        (0..count)
            .map(|index| Node {
                index,
                name: format!("n{}", index + 1),
            })
            .collect()
    }
}

impl Command {
    /// A command with a limit of ten seconds.
    pub fn new<A: Into<OsString>>(program: impl Into<OsString>, args: impl IntoIterator<Item = A>) -> Self {
        Command {
            program: program.into(),
            args: args.into_iter().map(Into::into).collect(),
            env: Vec::new(),
            limit: Duration::from_secs(10),
        }
    }
}

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.program.to_string_lossy())?;
        for arg in &self.args {
            write!(f, " {}", arg.to_string_lossy())?;
        }
        Ok(())
    }
}

impl Output {
    /// Whether it exited with 0.
    pub fn success(&self) -> bool {
        self.code == Some(0)
    }

    /// Itself if it exited with 0, else [`ControlError::Failed`].
    ///
    /// # Errors
    /// When the program failed.
    pub fn or_failed(self, node: &Node, command: &Command) -> Result<Output, ControlError> {
        if self.success() {
            return Ok(self);
        }
        Err(ControlError::Failed {
            node: node.name.clone(),
            command: command.to_string(),
            status: self
                .code
                .map_or_else(|| "killed by a signal".into(), |code| format!("exit code {code}")),
            stderr: String::from_utf8_lossy(&self.stderr)
                .trim()
                .chars()
                .take(400)
                .collect(),
        })
    }
}
