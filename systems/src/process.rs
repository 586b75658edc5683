//! A store that is one process a node: what every such [`control::Db`] needs to start, break and watch it.

use std::sync::Arc;
use std::time::Duration;

use control::{ControlError, Daemon, Environment, Pid, ProcessState, Signal};
use tokio::sync::Mutex;
use tokio::time::Instant;

/// How long a killed process may take to be gone.
const GONE_LIMIT: Duration = Duration::from_secs(15);

/// One process a node.
pub(crate) struct Processes {
    environment: Arc<dyn Environment>,
    /// By node; the lock is held while the node's process is started or ended, so that the two cannot cross.
    running: Vec<Mutex<Option<Pid>>>,
}

impl Processes {
    /// No process runs yet.
    pub fn new(environment: Arc<dyn Environment>) -> Processes {
        let running = environment.nodes().iter().map(|_| Mutex::new(None)).collect();
        Processes { environment, running }
    }

    /// Starts `daemon` on `node` unless a process runs there.
    pub async fn start(&self, node: usize, daemon: &Daemon) -> Result<(), ControlError> {
        let mut running = self.running[node].lock().await;
        let remote = self.environment.remote(node);
        if let Some(pid) = *running
            && remote.state(pid).await? != ProcessState::Gone
        {
            return Ok(());
        }
        *running = Some(remote.spawn(daemon).await?);
        Ok(())
    }

    /// Kills the process on `node` and waits until it is gone.
    pub async fn kill(&self, node: usize) -> Result<(), ControlError> {
        let mut running = self.running[node].lock().await;
        let Some(pid) = *running else { return Ok(()) };
        let remote = self.environment.remote(node);
        remote.signal(pid, Signal::Kill).await?;
        let deadline = Instant::now() + GONE_LIMIT;
        while remote.state(pid).await? != ProcessState::Gone {
            if Instant::now() > deadline {
                return Err(ControlError::Deadline {
                    what: format!("the end of process {} on {}", pid.pid, remote.node().name),
                    limit: GONE_LIMIT,
                    hint: String::new(),
                });
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        *running = None;
        Ok(())
    }

    /// Sends STOP or CONT to the process on `node`, if one runs.
    pub async fn signal(&self, node: usize, signal: Signal) -> Result<(), ControlError> {
        match *self.running[node].lock().await {
            Some(pid) => self.environment.remote(node).signal(pid, signal).await,
            None => Ok(()),
        }
    }

    /// What the process on `node` is doing.
    pub async fn state(&self, node: usize) -> Result<ProcessState, ControlError> {
        match *self.running[node].lock().await {
            Some(pid) => self.environment.remote(node).state(pid).await,
            None => Ok(ProcessState::Gone),
        }
    }

    /// The process on `node`, if it has not ended.
    pub async fn running(&self, node: usize) -> Option<Pid> {
        let pid = (*self.running[node].lock().await)?;
        let state = self.environment.remote(node).state(pid).await;
        matches!(state, Ok(ProcessState::Running | ProcessState::Stopped)).then_some(pid)
    }

    /// The nodes whose process ended although perjury did not end it.
    pub async fn crashed(&self) -> Vec<usize> {
        let mut crashed = Vec::new();
        for (node, running) in self.running.iter().enumerate() {
            // While a process is being started or ended, its end is expected.
            let Ok(running) = running.try_lock() else { continue };
            if let Some(pid) = *running
                && matches!(
                    self.environment.remote(node).state(pid).await,
                    Ok(ProcessState::Gone)
                )
            {
                crashed.push(node);
            }
        }
        crashed
    }
}
