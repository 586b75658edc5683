//! A store whose nodes are processes of ours: what every such [`control::Db`] needs to start, break and watch
//! them.
//!
//! A system says what runs on a node and when it is ready ([`Store`]); [`Cluster`] does the rest, in any
//! environment. In the environment `external` nothing is ever started, and the same [`Store`] only reports
//! who leads; where its hosts can be reached, its processes are found by the ports on which they listen.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use control::{
    ControlError, Daemon, Db, EnvKind, Environment, Operators, Pid, Primary, ProcessState, Signal,
    SystemOptions,
};
use history::Fact;
use tokio::io::{AsyncReadExt, AsyncSeekExt, SeekFrom};
use tokio::time::Instant;

use crate::foreign_processes::ForeignProcesses;
use crate::last_words::telling;
use crate::process::Processes;

/// How long a store may take to end after SIGTERM.
const STOP_LIMIT: Duration = Duration::from_secs(9);
/// How often a store that is not ready yet is queried again.
const READY_INTERVAL: Duration = Duration::from_millis(20);
/// How long it may take to fetch the end of a log.
const FETCH_LIMIT: Duration = Duration::from_secs(10);
/// How much of the end of a log is read for its last words.
const END_BYTES: u64 = 16 << 10;
/// What a system knows of its own processes.
///
/// What it does as [`Operators`] leaves the processes and their data to [`Cluster`].
#[async_trait]
pub(crate) trait Store: Operators {
    /// Its name in messages: `the bundled cluster`.
    fn title(&self) -> &'static str;

    /// What runs on `node`, at least one daemon; all are started (in this order), killed and frozen together.
    /// They keep their data in [`data_dir`].
    fn daemons(&self, node: usize) -> Vec<Daemon>;

    /// Makes what the daemons of `node` need before each of their starts, such as a file with their settings.
    async fn prepare(&self, _node: usize) -> Result<(), ControlError> {
        Ok(())
    }

    /// Whether the whole store answers; if not, why not, human-readable (`no answer from n2`).
    async fn look(&self) -> Result<(), String>;

    /// See [`Db::primaries`].
    async fn primaries(&self) -> Vec<Primary>;

    /// See [`Db::version`].
    async fn version(&self) -> String;

    /// See [`Db::needs_operator`].
    async fn needs_operator(&self) -> Option<String> {
        None
    }

    /// See [`Db::observe`].
    async fn observe(&self) -> Vec<(usize, Fact)> {
        Vec::new()
    }

    /// See [`Db::observe_last`].
    async fn observe_last(&self) -> Vec<(usize, Fact)> {
        self.observe().await
    }

    /// Whether a member that was removed comes back as another one, with no data. Its processes are then
    /// started only after it was added.
    const REJOINS_EMPTY: bool = false;
}

/// The processes of a [`Store`] in an environment.
pub(crate) struct Cluster<S> {
    pub store: S,
    environment: Arc<dyn Environment>,
    processes: Kept,
    /// The nodes that are not waited for any more.
    given_up: Mutex<BTreeSet<usize>>,
    /// The nodes that got SIGTERM and have not ended yet: their end is expected.
    ending: Mutex<BTreeSet<usize>>,
    /// The nodes that were taken out of the cluster: only [`Operators::add_member`] starts them again.
    removed: Mutex<BTreeSet<usize>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Who started the processes.
enum Kept {
    /// They cannot be reached.
    Unreachable,
    /// Perjury did not start them.
    Foreign(ForeignProcesses),
    /// Perjury started them: one for each daemon of a node.
    Own(Vec<Processes>),
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
    /// A cluster without processes yet.
    ///
    /// # Errors
    /// When the processes of a store that perjury did not start cannot be found by its endpoints.
    pub fn new(
        store: S,
        environment: Arc<dyn Environment>,
        options: &SystemOptions,
    ) -> Result<Cluster<S>, ControlError> {
        let processes = match environment.kind() {
            EnvKind::External => Kept::Unreachable,
            EnvKind::Reached => Kept::Foreign(ForeignProcesses::new(
                environment.clone(),
                &options.endpoints,
                options.start_command.clone(),
            )?),
            _ => Kept::Own(
                (0..store.daemons(0).len())
                    .map(|_| Processes::new(environment.clone()))
                    .collect(),
            ),
        };
        Ok(Cluster {
            store,
            environment,
            processes,
            given_up: Mutex::default(),
            ending: Mutex::default(),
            removed: Mutex::default(),
        })
    }

    /// One for each daemon of a node; none where perjury did not start them.
    fn own(&self) -> &[Processes] {
        match &self.processes {
            Kept::Own(processes) => processes,
            Kept::Unreachable | Kept::Foreign(_) => &[],
        }
    }

    async fn signal(&self, node: usize, signal: Signal) -> Result<(), ControlError> {
        if let Kept::Foreign(adopted) = &self.processes {
            return adopted.signal(node, signal).await;
        }
        for processes in self.own() {
            processes.signal(node, signal).await?;
        }
        Ok(())
    }

    /// Whether the store answers: all nodes, or at least a leader where nodes were given up.
    async fn look(&self) -> Result<(), String> {
        if lock(&self.given_up).is_empty() {
            return self.store.look().await;
        }
        match self.store.primaries().await.is_empty() {
            true => Err("no node leads".to_owned()),
            false => Ok(()),
        }
    }

    /// The end of a file of a node.
    async fn fetch_end(&self, node: usize, path: &Path) -> Option<Vec<u8>> {
        let copy = tempfile::NamedTempFile::new().ok()?;
        let remote = self.environment.remote(node);
        let fetched = tokio::time::timeout(FETCH_LIMIT, remote.download(path, copy.path()));
        fetched.await.ok()?.ok()?;
        let mut file = tokio::fs::File::open(copy.path()).await.ok()?;
        let length = file.metadata().await.ok()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(END_BYTES)))
            .await
            .ok()?;
        let mut end = Vec::new();
        file.read_to_end(&mut end).await.ok()?;
        Some(end)
    }

    /// The last line that a daemon of `node` logged, and where.
    async fn last_line(&self, node: usize) -> String {
        let said = self.last_words(node, 1).await.pop();
        let place = (self.log_files(node).last()).map_or_else(String::new, |path| self.log_place(node, path));
        format!("{} (see {place})", said.as_deref().unwrap_or("none"))
    }

    /// Where a user finds a node's log: files on nodes outside this machine vanish with the node.
    fn log_place(&self, node: usize, path: &Path) -> String {
        match (self.environment.kind(), path.file_name()) {
            (EnvKind::Docker | EnvKind::Ssh, Some(name)) => {
                let node = &self.environment.nodes()[node].name;
                format!("{node}/{} in the run directory", name.to_string_lossy())
            }
            _ => path.display().to_string(),
        }
    }
}

#[async_trait]
impl<S: Store> Db for Cluster<S> {
    async fn start(&self, node: usize) -> Result<(), ControlError> {
        let own = match &self.processes {
            Kept::Unreachable => return Ok(()),
            Kept::Foreign(adopted) => return adopted.start(node).await,
            Kept::Own(own) => own,
        };
        if S::REJOINS_EMPTY && lock(&self.removed).contains(&node) {
            return Ok(());
        }
        if self.state(node).await? != ProcessState::Gone {
            return Ok(());
        }
        self.store.prepare(node).await?;
        for (processes, daemon) in own.iter().zip(self.store.daemons(node)) {
            processes.start(node, &daemon).await?;
        }
        Ok(())
    }

    async fn kill(&self, node: usize) -> Result<(), ControlError> {
        if let Kept::Foreign(adopted) = &self.processes {
            return adopted.signal(node, Signal::Kill).await;
        }
        for processes in self.own() {
            processes.kill(node).await?;
        }
        Ok(())
    }

    async fn stop(&self, node: usize) -> Result<(), ControlError> {
        let deadline = Instant::now() + STOP_LIMIT;
        lock(&self.ending).insert(node);
        self.signal(node, Signal::Term).await?;
        while self.state(node).await? != ProcessState::Gone {
            if Instant::now() > deadline {
                return Err(ControlError::Deadline {
                    what: format!("the end of {} after SIGTERM", self.store.title()),
                    limit: STOP_LIMIT,
                    hint: String::new(),
                });
            }
            tokio::time::sleep(READY_INTERVAL).await;
        }
        // Other daemons of the node may still run.
        self.kill(node).await?;
        lock(&self.ending).remove(&node);
        Ok(())
    }

    async fn pause(&self, node: usize) -> Result<(), ControlError> {
        self.signal(node, Signal::Stop).await
    }

    async fn resume(&self, node: usize) -> Result<(), ControlError> {
        self.signal(node, Signal::Cont).await
    }

    async fn wipe(&self, node: usize) -> Result<(), ControlError> {
        let data = data_dir(&*self.environment, node);
        self.environment.remote(node).remove_dir(&data).await
    }

    /// Gone if any daemon is, and stopped only if all are.
    async fn state(&self, node: usize) -> Result<ProcessState, ControlError> {
        let own = match &self.processes {
            Kept::Unreachable => return Ok(ProcessState::Running),
            Kept::Foreign(adopted) => return adopted.state(node).await,
            Kept::Own(own) => own,
        };
        let mut state = ProcessState::Stopped;
        for processes in own {
            match processes.state(node).await? {
                ProcessState::Gone => return Ok(ProcessState::Gone),
                ProcessState::Running => state = ProcessState::Running,
                ProcessState::Stopped => {}
            }
        }
        Ok(state)
    }

    async fn processes(&self, node: usize) -> Vec<Pid> {
        let mut running = Vec::new();
        if let Kept::Foreign(adopted) = &self.processes {
            running.extend(adopted.running(node).await);
        }
        for processes in self.own() {
            running.extend(processes.running(node).await);
        }
        running
    }

    fn data_dir(&self, node: usize) -> PathBuf {
        data_dir(&*self.environment, node)
    }

    async fn give_up(&self, node: usize) {
        lock(&self.given_up).insert(node);
    }

    async fn is_given_up(&self, node: usize) -> bool {
        lock(&self.given_up).contains(&node)
    }

    async fn crashed(&self) -> Vec<usize> {
        let mut crashed = Vec::new();
        for processes in self.own() {
            crashed.extend(processes.crashed().await);
        }
        let expected = [&self.given_up, &self.removed, &self.ending];
        crashed.retain(|node| !expected.iter().any(|nodes| lock(nodes).contains(node)));
        crashed.sort_unstable();
        crashed.dedup();
        crashed
    }

    async fn answers(&self) -> Result<(), String> {
        self.look().await
    }

    async fn needs_operator(&self) -> Option<String> {
        self.store.needs_operator().await
    }

    async fn observe(&self) -> Vec<(usize, Fact)> {
        self.store.observe().await
    }

    async fn observe_last(&self) -> Vec<(usize, Fact)> {
        self.store.observe_last().await
    }

    async fn last_words(&self, node: usize, lines: usize) -> Vec<String> {
        let mut words = Vec::new();
        for path in self.log_files(node) {
            let end = self.fetch_end(node, &path).await.unwrap_or_default();
            let end = String::from_utf8_lossy(&end);
            words.extend(telling(&end, lines));
        }
        words
    }

    async fn ready(&self, limit: Duration) -> Result<(), ControlError> {
        let deadline = Instant::now() + limit;
        let mut last = "no answer".to_owned();
        loop {
            if let Some(&node) = self.crashed().await.first() {
                return Err(ControlError::Other(format!(
                    "{} ended by itself; its last line of output: {}",
                    self.environment.nodes()[node].name,
                    self.last_line(node).await
                )));
            }
            // A store that accepts a connection and never answers must not block this loop.
            match tokio::time::timeout_at(deadline, self.look()).await {
                Ok(Ok(())) => return Ok(()),
                Ok(Err(why)) => last = why,
                Err(_) => {}
            }
            if Instant::now() >= deadline {
                let place = match self.log_files(0).first() {
                    Some(log) => format!("; see {}", self.log_place(0, log)),
                    None => String::new(),
                };
                return Err(ControlError::Deadline {
                    what: match self.environment.kind().is_foreign() {
                        true => {
                            format!("an answer of {} behind --endpoints", self.store.title())
                        }
                        false => format!("the start of {}", self.store.title()),
                    },
                    limit,
                    hint: format!("; {last}{place}"),
                });
            }
            tokio::time::sleep(READY_INTERVAL).await;
        }
    }

    async fn primaries(&self) -> Vec<Primary> {
        self.store.primaries().await
    }

    async fn version(&self) -> String {
        self.store.version().await
    }

    fn log_files(&self, node: usize) -> Vec<PathBuf> {
        if self.own().is_empty() {
            return Vec::new();
        }
        let daemons = self.store.daemons(node);
        daemons.into_iter().map(|daemon| daemon.log).collect()
    }
}

#[async_trait]
impl<S: Store> Operators for Cluster<S> {
    async fn transfer_leadership(&self, to: usize) -> Result<(), ControlError> {
        self.store.transfer_leadership(to).await
    }

    async fn members(&self) -> Result<Vec<usize>, ControlError> {
        self.store.members().await
    }

    async fn remove_member(&self, node: usize) -> Result<(), ControlError> {
        // Noted beforehand: a member that learns that it was removed may end itself.
        lock(&self.removed).insert(node);
        if let Err(error) = self.store.remove_member(node).await {
            lock(&self.removed).remove(&node);
            return Err(error);
        }
        if S::REJOINS_EMPTY {
            self.kill(node).await?;
            self.wipe(node).await?;
        }
        Ok(())
    }

    async fn add_member(&self, node: usize) -> Result<(), ControlError> {
        if S::REJOINS_EMPTY {
            self.kill(node).await?;
            self.wipe(node).await?;
            self.store.add_member(node).await?;
            lock(&self.removed).remove(&node);
            return self.start(node).await;
        }
        self.start(node).await?;
        self.store.add_member(node).await?;
        lock(&self.removed).remove(&node);
        Ok(())
    }

    async fn compact(&self, node: usize) -> Result<String, ControlError> {
        self.store.compact(node).await
    }
}
