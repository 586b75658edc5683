//! A store whose nodes are processes of ours: what every such [`control::Db`] needs to start, break and watch them.
//!
//! A system says what runs on a node and when it is ready ([`Store`]); [`Cluster`] does the rest, in any environment. In
//! the environment `external` nothing is ever started, and the same [`Store`] only answers who leads.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use control::{ControlError, Daemon, Db, EnvKind, Environment, Pid, ProcessState, Signal};
use tokio::time::Instant;

use crate::process::Processes;

/// How often a store that is not ready yet is asked again.
const READY_INTERVAL: Duration = Duration::from_millis(20);

/// What a system knows of its own processes.
#[async_trait]
pub(crate) trait Store: Send + Sync {
    /// Its name in messages: `the bundled cluster`.
    fn title(&self) -> &'static str;

    /// What runs on `node`, at least one daemon; all are started (in this order), killed and frozen together. They keep
    /// their data in [`data_dir`].
    fn daemons(&self, node: usize) -> Vec<Daemon>;

    /// Makes what the daemons of `node` need before each of their starts, such as a file with their settings.
    async fn prepare(&self, _node: usize) -> Result<(), ControlError> {
        Ok(())
    }

    /// Whether the whole store answers; else why not, for people (`no answer from n2`).
    async fn look(&self) -> Result<(), String>;

    /// See [`Db::primaries`].
    async fn primaries(&self) -> Vec<usize>;

    /// See [`Db::version`].
    async fn version(&self) -> String;
}

/// The processes of a [`Store`] in an environment.
pub(crate) struct Cluster<S> {
    pub store: S,
    environment: Arc<dyn Environment>,
    /// One a daemon of a node.
    processes: Vec<Processes>,
    /// The nodes for which nobody waits any more.
    given_up: Mutex<BTreeSet<usize>>,
}

/// Where the daemons of `node` keep their data. It need not exist.
pub(crate) fn data_dir(environment: &dyn Environment, node: usize) -> PathBuf {
    environment.remote(node).directory().join("data")
}

/// The file to which a daemon of `node` writes its log: `node.log` for the first.
pub(crate) fn log_file(environment: &dyn Environment, node: usize, name: &str) -> PathBuf {
    environment.remote(node).directory().join(format!("{name}.log"))
}

/// Puts a file into the directory of `node`, in any environment.
pub(crate) async fn put_file(
    environment: &dyn Environment,
    node: usize,
    name: &str,
    text: &str,
) -> Result<PathBuf, ControlError> {
    let remote = environment.remote(node);
    let path = remote.directory().join(name);
    let local = tempfile::NamedTempFile::new().and_then(|mut file| {
        std::io::Write::write_all(&mut file, text.as_bytes())?;
        Ok(file)
    });
    let local = local.map_err(|source| ControlError::System {
        what: "cannot make a temporary file".into(),
        source,
    })?;
    remote.upload(local.path(), &path).await?;
    Ok(path)
}

impl<S: Store> Cluster<S> {
    /// No process runs yet.
    pub fn new(store: S, environment: Arc<dyn Environment>) -> Cluster<S> {
        let per_node = match environment.kind() {
            EnvKind::External => 0,
            _ => store.daemons(0).len(),
        };
        let processes = (0..per_node)
            .map(|_| Processes::new(environment.clone()))
            .collect();
        Cluster {
            store,
            environment,
            processes,
            given_up: Mutex::default(),
        }
    }

    fn given_up(&self) -> MutexGuard<'_, BTreeSet<usize>> {
        self.given_up.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the store answers: all nodes, or at least a leader where nodes were given up.
    async fn look(&self) -> Result<(), String> {
        if self.given_up().is_empty() {
            return self.store.look().await;
        }
        match self.store.primaries().await.is_empty() {
            true => Err("nobody leads".to_owned()),
            false => Ok(()),
        }
    }

    /// The last thing that a daemon of `node` said, and where.
    async fn last_words(&self, node: usize) -> String {
        let mut said = "nothing".to_owned();
        let mut place = String::new();
        for path in self.log_files(node) {
            let log = tokio::fs::read(&path).await.unwrap_or_default();
            let log = String::from_utf8_lossy(&log);
            if let Some(line) = log.lines().rev().find(|line| !line.trim().is_empty()) {
                said = line.trim().to_owned();
            }
            place = path.display().to_string();
        }
        format!("{said} (see {place})")
    }
}

#[async_trait]
impl<S: Store> Db for Cluster<S> {
    async fn start(&self, node: usize) -> Result<(), ControlError> {
        if self.processes.is_empty() {
            return Ok(());
        }
        if self.state(node).await? != ProcessState::Gone {
            return Ok(());
        }
        self.store.prepare(node).await?;
        for (processes, daemon) in self.processes.iter().zip(self.store.daemons(node)) {
            processes.start(node, &daemon).await?;
        }
        Ok(())
    }

    async fn kill(&self, node: usize) -> Result<(), ControlError> {
        for processes in &self.processes {
            processes.kill(node).await?;
        }
        Ok(())
    }

    async fn pause(&self, node: usize) -> Result<(), ControlError> {
        for processes in &self.processes {
            processes.signal(node, Signal::Stop).await?;
        }
        Ok(())
    }

    async fn resume(&self, node: usize) -> Result<(), ControlError> {
        for processes in &self.processes {
            processes.signal(node, Signal::Cont).await?;
        }
        Ok(())
    }

    async fn wipe(&self, node: usize) -> Result<(), ControlError> {
        let data = data_dir(&*self.environment, node);
        match tokio::fs::remove_dir_all(&data).await {
            // Where a filesystem is mounted only what is on it can be deleted.
            Err(error) if error.kind() == std::io::ErrorKind::ResourceBusy => Ok(()),
            Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
                Err(ControlError::File { path: data, source })
            }
            _ => Ok(()),
        }
    }

    /// Gone if any daemon is, and stopped only if all are.
    async fn state(&self, node: usize) -> Result<ProcessState, ControlError> {
        let mut state = ProcessState::Stopped;
        for processes in &self.processes {
            match processes.state(node).await? {
                ProcessState::Gone => return Ok(ProcessState::Gone),
                ProcessState::Running => state = ProcessState::Running,
                ProcessState::Stopped => {}
            }
        }
        Ok(if self.processes.is_empty() {
            ProcessState::Running
        } else {
            state
        })
    }

    async fn processes(&self, node: usize) -> Vec<Pid> {
        let mut running = Vec::new();
        for processes in &self.processes {
            running.extend(processes.running(node).await);
        }
        running
    }

    fn data_dir(&self, node: usize) -> PathBuf {
        data_dir(&*self.environment, node)
    }

    async fn give_up(&self, node: usize) {
        self.given_up().insert(node);
    }

    async fn crashed(&self) -> Vec<usize> {
        let mut crashed = Vec::new();
        for processes in &self.processes {
            crashed.extend(processes.crashed().await);
        }
        crashed.retain(|node| !self.given_up().contains(node));
        crashed.sort_unstable();
        crashed.dedup();
        crashed
    }

    async fn ready(&self, limit: Duration) -> Result<(), ControlError> {
        let deadline = Instant::now() + limit;
        let mut last = "no answer at all".to_owned();
        loop {
            if let Some(&node) = self.crashed().await.first() {
                return Err(ControlError::Other(format!(
                    "{} ended by itself; the last thing it said: {}",
                    self.environment.nodes()[node].name,
                    self.last_words(node).await
                )));
            }
            // A store that takes a connection and never answers must not hold us up.
            match tokio::time::timeout_at(deadline, self.look()).await {
                Ok(Ok(())) => return Ok(()),
                Ok(Err(why)) => last = why,
                Err(_) => {}
            }
            if Instant::now() >= deadline {
                let place = match self.log_files(0).first() {
                    Some(log) => format!("; see {}", log.display()),
                    None => String::new(),
                };
                return Err(ControlError::Deadline {
                    what: match self.environment.kind() {
                        EnvKind::External => {
                            format!("an answer of {} behind --endpoints", self.store.title())
                        }
                        _ => format!("the start of {}", self.store.title()),
                    },
                    limit,
                    hint: format!("; {last}{place}"),
                });
            }
            tokio::time::sleep(READY_INTERVAL).await;
        }
    }

    async fn primaries(&self) -> Vec<usize> {
        self.store.primaries().await
    }

    async fn version(&self) -> String {
        self.store.version().await
    }

    fn log_files(&self, node: usize) -> Vec<PathBuf> {
        if self.processes.is_empty() {
            return Vec::new();
        }
        let daemons = self.store.daemons(node);
        daemons.into_iter().map(|daemon| daemon.log).collect()
    }
}
