//! A node that an agent serves.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::protocol::{Answer, Ask, Bytes, CHUNK, Hello};
use super::session::{ANSWER_LIMIT, Session};
use crate::{Command, ControlError, Daemon, Node, Output, Pid, ProcessState, Remote, Signal};

/// A node outside this machine.
pub(crate) struct AgentNode {
    pub(crate) node: Node,
    /// On the node.
    pub(crate) directory: PathBuf,
    pub(crate) own_binary: PathBuf,
    pub(crate) hello: Hello,
    pub(crate) session: Arc<Session>,
}

impl AgentNode {
    /// Sends a request that is answered by [`Answer::Done`].
    pub(crate) async fn order(&self, ask: Ask) -> Result<(), ControlError> {
        match self.session.ask(ask, ANSWER_LIMIT).await? {
            Answer::Done => Ok(()),
            other => Err(self.session.strange(&other)),
        }
    }

    async fn pid(&self, ask: Ask) -> Result<Option<Pid>, ControlError> {
        match self.session.ask(ask, ANSWER_LIMIT).await? {
            Answer::Pid(pid) => Ok(pid),
            other => Err(self.session.strange(&other)),
        }
    }
}

#[async_trait]
impl Remote for AgentNode {
    fn node(&self) -> &Node {
        &self.node
    }

    fn directory(&self) -> &Path {
        &self.directory
    }

    fn own_binary(&self) -> &Path {
        &self.own_binary
    }

    async fn exec(&self, command: &Command) -> Result<Output, ControlError> {
        // The agent enforces the command's own limit, and gets some time to report it.
        let limit = command.limit + Duration::from_secs(10);
        match self.session.ask(Ask::Exec(command.clone()), limit).await? {
            Answer::Output { code, stdout, stderr } => Ok(Output {
                code,
                stdout: stdout.0,
                stderr: stderr.0,
            }),
            other => Err(self.session.strange(&other)),
        }
    }

    async fn upload(&self, local: &Path, remote: &Path) -> Result<(), ControlError> {
        let failed = |source| ControlError::File {
            path: local.to_path_buf(),
            source,
        };
        let mut file = tokio::fs::File::open(local).await.map_err(failed)?;
        let mut begin = true;
        loop {
            let mut data = Vec::with_capacity(CHUNK);
            (&mut file)
                .take(CHUNK as u64)
                .read_to_end(&mut data)
                .await
                .map_err(failed)?;
            let is_last = data.len() < CHUNK;
            let path = remote.to_path_buf();
            self.order(Ask::Write {
                path,
                begin,
                data: Bytes(data),
            })
            .await?;
            begin = false;
            if is_last {
                return Ok(());
            }
        }
    }

    async fn download(&self, remote: &Path, local: &Path) -> Result<(), ControlError> {
        let failed = |source| ControlError::File {
            path: local.to_path_buf(),
            source,
        };
        let mut file = tokio::fs::File::create(local).await.map_err(failed)?;
        let mut offset = 0;
        loop {
            let path = remote.to_path_buf();
            match self.session.ask(Ask::Read { path, offset }, ANSWER_LIMIT).await? {
                Answer::Data { data, is_last } => {
                    offset += data.0.len() as u64;
                    file.write_all(&data.0).await.map_err(failed)?;
                    if is_last {
                        return file.flush().await.map_err(failed);
                    }
                }
                other => return Err(self.session.strange(&other)),
            }
        }
    }

    async fn remove_dir(&self, path: &Path) -> Result<(), ControlError> {
        self.order(Ask::RemoveDir(path.to_path_buf())).await
    }

    async fn spawn(&self, daemon: &Daemon) -> Result<Pid, ControlError> {
        let pid = self.pid(Ask::Spawn(daemon.clone())).await?;
        pid.ok_or_else(|| {
            ControlError::Other(format!("{}: the agent sent no process number", self.node.name))
        })
    }

    async fn listener(&self, port: u16, address: Option<IpAddr>) -> Result<Option<Pid>, ControlError> {
        self.pid(Ask::Listener { port, address }).await
    }

    async fn signal(&self, pid: Pid, signal: Signal) -> Result<(), ControlError> {
        self.order(Ask::Signal { pid, signal }).await
    }

    async fn state(&self, pid: Pid) -> Result<ProcessState, ControlError> {
        match self.session.ask(Ask::State(pid), ANSWER_LIMIT).await? {
            Answer::State(state) => Ok(state),
            other => Err(self.session.strange(&other)),
        }
    }
}
