//! A node that is a part of this machine: plain processes, or processes in a network namespace.
//!
//! Invariants:
//! - A signal has taken hold when [`Remote::signal`] returns: a killed process is reaped, a frozen one is
//!   stopped.
//! - Nothing read from a program grows without limit.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs::OpenOptions;
use std::io;
#[cfg(target_os = "linux")]
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use nix::sys::signal::killpg;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::time::Instant;

use crate::inside::{self, volume};
use crate::processes::child_processes::ChildProcesses;
use crate::undo::UndoLog;
use crate::{Ability, Command, ControlError, Daemon, Node, Output, Pid, ProcessState, Remote, Signal};

/// The most that is kept of a program's output, each stream; a program that writes more gets SIGPIPE.
const OUTPUT_LIMIT: u64 = 16 << 20;

/// How long a signal may take to have an effect.
const SIGNAL_LIMIT: Duration = Duration::from_secs(15);
/// How long a launcher may take to become the program that it launches; usually a few milliseconds.
const LAUNCH_LIMIT: Duration = Duration::from_secs(5);

/// A node on this machine.
pub(crate) struct LocalNode {
    pub(crate) node: Node,
    pub(crate) directory: PathBuf,
    pub(crate) own_binary: PathBuf,
    /// How its own binary is started where it does not find its libraries by itself: the loader, and their
    /// directory.
    pub(crate) loader: Option<(PathBuf, PathBuf)>,
    pub(crate) children: Arc<ChildProcesses>,
    /// Whether daemons are started so that their fsync can be tampered with.
    pub(crate) launches: bool,
    /// The undo log and the id there of the filesystem on which its data are, if that is one of its own.
    volume: Option<(Arc<UndoLog>, u64)>,
    /// The network namespace in which its programs run; `None` for that of the controller.
    #[cfg(target_os = "linux")]
    pub(crate) network: Option<Arc<OwnedFd>>,
}

impl LocalNode {
    /// Makes the node's directory and its machine, without a network namespace.
    pub(crate) fn new(
        node: Node,
        run_dir: &Path,
        children: Arc<ChildProcesses>,
    ) -> Result<LocalNode, ControlError> {
        let file_error = |path: &Path| {
            let path = path.to_path_buf();
            move |source| ControlError::File { path, source }
        };
        let run_dir = std::path::absolute(run_dir).map_err(file_error(run_dir))?;
        let directory = run_dir.join(&node.name);
        std::fs::create_dir_all(&directory).map_err(file_error(&directory))?;
        Ok(LocalNode {
            node,
            directory,
            own_binary: std::env::current_exe().map_err(|source| ControlError::System {
                what: "cannot find the path of this program".into(),
                source,
            })?,
            loader: None,
            children,
            launches: false,
            volume: None,
            #[cfg(target_os = "linux")]
            network: None,
        })
    }

    /// Prepares what the faults of the run need of this node before its first process starts.
    pub(crate) fn prepare(
        &mut self,
        abilities: &BTreeSet<Ability>,
        undo: &Arc<UndoLog>,
    ) -> Result<(), ControlError> {
        let loses_power = abilities.contains(&Ability::Power);
        // The power is best cut in the middle of a sync.
        self.launches = abilities.contains(&Ability::Fsync) || loses_power && inside::can().is_ok();
        if loses_power || abilities.contains(&Ability::Fill) {
            let id = undo.volume(&self.node.name, &self.directory)?;
            self.volume = Some((Arc::clone(undo), id));
            volume::make(&self.directory, loses_power)?;
        }
        Ok(())
    }

    /// Undoes [`LocalNode::prepare`], once its processes have ended. May be called twice.
    pub(crate) fn clean_up(&self) -> Result<(), ControlError> {
        match &self.volume {
            Some((undo, id)) if volume::is_mounted(&volume::data(&self.directory)) => {
                volume::unmount(&self.directory)?;
                undo.undone(*id)
            }
            _ => Ok(()),
        }
    }

    /// Moves a child into this node's network, between fork and exec.
    fn move_in(&self) -> impl FnMut() -> io::Result<()> + Send + Sync + 'static {
        #[cfg(target_os = "linux")]
        let network = self.network.clone();
        move || {
            #[cfg(target_os = "linux")]
            if let Some(network) = &network {
                nix::sched::setns(network, nix::sched::CloneFlags::CLONE_NEWNET)?;
            }
            Ok(())
        }
    }

    /// The program and the arguments by which a program is started here.
    fn by_loader(&self, program: &OsString, args: &[OsString]) -> (OsString, Vec<OsString>) {
        match &self.loader {
            Some((loader, libraries)) if Path::new(program) == self.own_binary => {
                let before = ["--library-path".into(), libraries.into(), program.clone()];
                (
                    loader.into(),
                    before.into_iter().chain(args.iter().cloned()).collect(),
                )
            }
            _ => (program.clone(), args.to_vec()),
        }
    }

    fn spawn_error(&self, program: &std::ffi::OsStr, source: io::Error) -> ControlError {
        ControlError::Spawn {
            node: self.node.name.clone(),
            program: program.to_string_lossy().into_owned(),
            source,
        }
    }
}

impl Drop for LocalNode {
    /// For an environment that failed to open.
    fn drop(&mut self) {
        if let Err(error) = self.clean_up() {
            tracing::warn!("{error}");
        }
    }
}

#[async_trait]
impl Remote for LocalNode {
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
        let (program, args) = self.by_loader(&command.program, &command.args);
        let mut process = tokio::process::Command::new(program);
        process
            .args(args)
            .envs(command.env.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true);
        // SAFETY: `move_in` makes one system call and allocates nothing.
        unsafe { process.pre_exec(self.move_in()) };
        let mut child = process
            .spawn()
            .map_err(|source| self.spawn_error(&command.program, source))?;
        let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
        let run = async {
            let (stdout, stderr) = tokio::join!(read_limited(stdout), read_limited(stderr));
            Ok::<_, io::Error>((child.wait().await?, stdout?, stderr?))
        };
        match tokio::time::timeout(command.limit, run).await {
            Ok(Ok((status, stdout, stderr))) => Ok(Output {
                code: status.code(),
                stdout,
                stderr,
            }),
            Ok(Err(source)) => Err(ControlError::System {
                what: format!("cannot read what {command} on {} writes", self.node.name),
                source,
            }),
            Err(_) => {
                // Not waited for yet, so the number is still the child's; its helpers are in its group.
                if let Some(group) = child.id() {
                    let group = nix::unistd::Pid::from_raw(group as i32);
                    let _ = killpg(group, nix::sys::signal::SIGKILL);
                    // Reaped here, so that it does not stay a zombie until the runtime next looks for one.
                    let _ = tokio::time::timeout(SIGNAL_LIMIT, child.wait()).await;
                }
                Err(ControlError::Deadline {
                    what: format!("the end of {command} on {}", self.node.name),
                    limit: command.limit,
                    hint: "; it was killed".into(),
                })
            }
        }
    }

    async fn upload(&self, local: &Path, remote: &Path) -> Result<(), ControlError> {
        copy(local, remote).await
    }

    async fn download(&self, remote: &Path, local: &Path) -> Result<(), ControlError> {
        copy(remote, local).await
    }

    async fn remove_dir(&self, path: &Path) -> Result<(), ControlError> {
        match tokio::fs::remove_dir_all(path).await {
            Err(error) if error.kind() == io::ErrorKind::ResourceBusy => Ok(()),
            Err(source) if source.kind() != io::ErrorKind::NotFound => Err(ControlError::File {
                path: path.to_path_buf(),
                source,
            }),
            _ => Ok(()),
        }
    }

    async fn spawn(&self, daemon: &Daemon) -> Result<Pid, ControlError> {
        // Below the mount point is another, empty disk: a store that starts on it has lost everything,
        // through no fault of its own.
        if self.volume.is_some() && !volume::is_mounted(&volume::data(&self.directory)) {
            return Err(ControlError::Other(format!(
                "cannot start a process on {} while its disk is not mounted",
                self.node.name
            )));
        }
        let (mut program, mut args) = self.by_loader(&daemon.program, &daemon.args);
        if self.launches {
            (program, args) = inside::launched(&self.own_binary, &daemon.log, program, args);
            (program, args) = self.by_loader(&program, &args);
        }
        let log_error = |source| ControlError::File {
            path: daemon.log.clone(),
            source,
        };
        let log = OpenOptions::new()
            .create(true)
            .append(true)
            .open(&daemon.log)
            .map_err(log_error)?;
        let mut command = std::process::Command::new(program);
        command
            .args(args)
            .env_clear()
            .envs(inherited(std::env::vars_os()))
            .envs(daemon.env.iter().map(|(name, value)| (name, value)))
            .current_dir(&daemon.directory)
            .stdin(Stdio::null())
            .stdout(log.try_clone().map_err(log_error)?)
            .stderr(log);
        // SAFETY: `move_in` makes one system call and allocates nothing.
        unsafe { std::os::unix::process::CommandExt::pre_exec(&mut command, self.move_in()) };
        let children = Arc::clone(&self.children);
        let node = self.node.name.clone();
        let pid = tokio::task::spawn_blocking(move || children.spawn(&node, command))
            .await
            .map_err(|error| ControlError::Other(format!("spawning was interrupted: {error}")))??;
        let deadline = Instant::now() + LAUNCH_LIMIT;
        // Changes to the launcher's memory are gone once it becomes the store.
        while self.launches && inside::is_launcher(pid) && Instant::now() < deadline {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        Ok(pid)
    }

    async fn signal(&self, pid: Pid, signal: Signal) -> Result<(), ControlError> {
        let mark = self.children.mark(pid);
        self.children.signal(pid, signal)?;
        let deadline = Instant::now() + SIGNAL_LIMIT;
        loop {
            // Only then those outside its group: a stopped or killed group starts no more of them.
            if signal.holds(self.children.state(pid)) {
                let strays = match mark.clone() {
                    Some(mark) => tokio::task::spawn_blocking(move || mark.signal(Some(pid.pid), signal))
                        .await
                        .map_err(|error| {
                            ControlError::Other(format!("sending a signal was interrupted: {error}"))
                        })??,
                    None => 0,
                };
                if strays == 0 || signal == Signal::Term {
                    return Ok(());
                }
            }
            if Instant::now() >= deadline {
                return Err(ControlError::Deadline {
                    what: format!(
                        "the effect of {signal:?} on process {} of {}",
                        pid.pid, self.node.name
                    ),
                    limit: SIGNAL_LIMIT,
                    hint: String::new(),
                });
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    async fn state(&self, pid: Pid) -> Result<ProcessState, ControlError> {
        Ok(self.children.state(pid))
    }
}

/// What a daemon inherits of the controller's environment: what programs need to be found and to run. Not
/// variables that are settings, such as `ETCD_…`, `CONSUL_…` or `JAVA_TOOL_OPTIONS`: what the user exported
/// for something else must not change what is tested, unseen by the report.
fn inherited(all: impl Iterator<Item = (OsString, OsString)>) -> impl Iterator<Item = (OsString, OsString)> {
    const NAMES: [&str; 9] = [
        "PATH",
        "HOME",
        "USER",
        "LOGNAME",
        "TMPDIR",
        "TZ",
        "LANG",
        "LD_LIBRARY_PATH",
        "JAVA_HOME",
    ];
    all.filter(|(name, _)| NAMES.iter().any(|kept| name == kept) || name.to_string_lossy().starts_with("LC_"))
}

async fn read_limited(stream: Option<impl AsyncRead + Unpin>) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    if let Some(stream) = stream {
        stream.take(OUTPUT_LIMIT).read_to_end(&mut bytes).await?;
    }
    Ok(bytes)
}

async fn copy(from: &Path, to: &Path) -> Result<(), ControlError> {
    // Copying a file onto itself would empty it.
    if let (Ok(from), Ok(to)) = (
        tokio::fs::canonicalize(from).await,
        tokio::fs::canonicalize(to).await,
    ) && from == to
    {
        return Ok(());
    }
    match tokio::fs::copy(from, to).await {
        Ok(_) => Ok(()),
        Err(source) => Err(ControlError::File {
            // The system does not report which of the two it was.
            path: if from.exists() { to } else { from }.to_path_buf(),
            source,
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_not_inherited() {
        let all = [
            "PATH",
            "ETCD_NAME",
            "LC_ALL",
            "CONSUL_HTTP_TOKEN",
            "HOME",
            "JAVA_TOOL_OPTIONS",
            "PATHS",
        ];
        let kept: Vec<_> = inherited(all.iter().map(|name| (OsString::from(name), OsString::new())))
            .map(|(name, _)| name)
            .collect();
        assert_eq!(kept, ["PATH", "LC_ALL", "HOME"]);
    }
}
