//! `perjury agent`: does on its node what a controller requests, and undoes everything when the controller
//! falls silent.
//!
//! It reads questions from its standard input and writes answers to its standard output, in any order; see
//! [`super::protocol`].

use std::collections::{BTreeMap, BTreeSet};
use std::io::SeekFrom;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncSeekExt, AsyncWriteExt, BufReader};
use tokio::sync::{Semaphore, mpsc};

use super::host_chain::{self, HostChain};
use super::probe::Probes;
use super::protocol::{Answer, Ask, Bytes, CHUNK, Hello, LINE_LIMIT, Question, Reply};
use super::{SILENCE_LIMIT, listener};
use crate::processes::child_processes::ChildProcesses;
use crate::processes::kernel;
use crate::processes::local_node::LocalNode;
use crate::undo::{self, Place, UndoLog};
use crate::{Ability, ControlError, EnvKind, Node, Pid, ProcessState, Remote, Signal, can};

/// How many questions are worked on at a time.
const MOST_AT_ONCE: usize = 64;

/// What an agent is started with.
#[derive(Clone, Debug)]
pub struct AgentOptions {
    /// The run's directory on the node, which must exist and be empty but for the bundle. It is deleted at
    /// the end.
    pub directory: PathBuf,
    /// The name of the node.
    pub node: String,
    /// This program.
    pub own: PathBuf,
    /// The loader that this program is started with, if any; the libraries are in the same directory.
    pub loader: Option<PathBuf>,
    /// What the faults of the run need.
    pub abilities: BTreeSet<Ability>,
    /// Whether this is a container: its links are cut from outside, and it vanishes with all its files.
    pub is_container: bool,
}

struct Agent {
    machine: LocalNode,
    children: Arc<ChildProcesses>,
    hello: Hello,
    chain: Mutex<HostChain>,
    probes: Probes,
    /// Processes that perjury did not start and that were asked for, with their ports and their ids in the
    /// undo log.
    adopted: Mutex<BTreeMap<i32, (Pid, u16, u64)>>,
    undo: Arc<UndoLog>,
    /// What is deleted at the end; it was made for this agent.
    directory: Option<PathBuf>,
}

/// Serves until the input ends, falls silent, or SIGTERM comes; then undoes everything.
///
/// # Errors
/// When it cannot begin, or something could not be undone.
pub async fn serve(options: AgentOptions) -> Result<(), ControlError> {
    let agent = Arc::new(Agent::start(options)?);
    let (replies, outgoing) = mpsc::channel(MOST_AT_ONCE);
    let writer = tokio::spawn(write(outgoing));
    let mut terminated =
        tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()).map_err(|source| {
            ControlError::System {
                what: "cannot listen for signals".into(),
                source,
            }
        })?;
    tokio::select! {
        () = read(Arc::clone(&agent), replies) => {}
        // The controller reads no more.
        _ = writer => {}
        _ = terminated.recv() => {}
    }
    tokio::task::spawn_blocking(move || agent.undo_all())
        .await
        .map_err(|error| ControlError::Other(format!("undoing was interrupted: {error}")))?
}

/// Reads questions until there are no more.
async fn read(agent: Arc<Agent>, replies: mpsc::Sender<Reply>) {
    let mut input = BufReader::new(tokio::io::stdin());
    let limit = Arc::new(Semaphore::new(MOST_AT_ONCE));
    loop {
        let mut line = Vec::new();
        let mut limited = (&mut input).take(LINE_LIMIT as u64);
        match tokio::time::timeout(SILENCE_LIMIT, limited.read_until(b'\n', &mut line)).await {
            Ok(Ok(1..)) if line.ends_with(b"\n") => {}
            _ => return,
        }
        let Ok(Question { id, ask }) = serde_json::from_slice(&line) else {
            return;
        };
        let Ok(permit) = Arc::clone(&limit).acquire_owned().await else {
            return;
        };
        let (agent, replies) = (Arc::clone(&agent), replies.clone());
        tokio::spawn(async move {
            let answer = agent.answer(ask).await.map_err(|error| error.to_string());
            let _ = replies.send(Reply { id, answer }).await;
            drop(permit);
        });
    }
}

async fn write(mut outgoing: mpsc::Receiver<Reply>) -> std::io::Result<()> {
    let mut output = tokio::io::stdout();
    while let Some(reply) = outgoing.recv().await {
        let mut line = serde_json::to_vec(&reply)?;
        line.push(b'\n');
        output.write_all(&line).await?;
        output.flush().await?;
    }
    Ok(())
}

impl Agent {
    fn start(options: AgentOptions) -> Result<Agent, ControlError> {
        let undo = UndoLog::create(
            &options.directory,
            EnvKind::Local,
            kernel::own(),
            Place::here(),
            false,
        )?;
        let undo = Arc::new(undo);
        let children = Arc::new(ChildProcesses::new(Arc::clone(&undo)));
        let node = Node {
            index: 0,
            name: options.node,
        };
        let mut machine = LocalNode::new(node, &options.directory, Arc::clone(&children))?;
        let libraries = options.own.parent().map(PathBuf::from).unwrap_or_default();
        machine.own_binary = options.own;
        machine.loader = options.loader.map(|loader| (loader, libraries));
        let refused = refused(options.is_container);
        let mut had = options.abilities;
        // A container's filesystem for this was made with it.
        had.retain(|ability| {
            !refused.contains_key(ability) && (!options.is_container || *ability != Ability::Fill)
        });
        machine.prepare(&had, &undo)?;
        let probes = Probes::start().map_err(|source| ControlError::System {
            what: "cannot bind a UDP socket".into(),
            source,
        })?;
        let here = Place::here();
        let network = std::fs::read_link("/proc/self/ns/net").unwrap_or_default();
        Ok(Agent {
            hello: Hello {
                refused,
                addresses: addresses(),
                probe_port: probes.port(),
                host: format!("{} {}", here.boot(), network.display()),
            },
            machine,
            children,
            chain: Mutex::new(HostChain::new(Arc::clone(&undo))),
            probes,
            adopted: Mutex::default(),
            undo,
            directory: (!options.is_container).then_some(options.directory),
        })
    }

    async fn answer(&self, ask: Ask) -> Result<Answer, ControlError> {
        Ok(match ask {
            Ask::Hello => Answer::Hello(self.hello.clone()),
            Ask::Exec(command) => {
                let output = self.machine.exec(&command).await?;
                Answer::Output {
                    code: output.code,
                    stdout: Bytes(output.stdout),
                    stderr: Bytes(output.stderr),
                }
            }
            Ask::Spawn(daemon) => Answer::Pid(Some(self.machine.spawn(&daemon).await?)),
            Ask::Signal { pid, signal } => {
                self.signal(pid, signal).await?;
                Answer::Done
            }
            Ask::State(pid) => Answer::State(self.state(pid)),
            Ask::Listener { port, address } => Answer::Pid(self.adopt(port, address)?),
            Ask::Write { path, begin, data } => {
                let written = async {
                    let mut options = tokio::fs::OpenOptions::new();
                    options.create(true).write(true).truncate(begin).append(!begin);
                    let mut file = options.open(&path).await?;
                    file.write_all(&data.0).await?;
                    file.flush().await
                };
                written.await.map_err(|source| ControlError::File {
                    path: path.clone(),
                    source,
                })?;
                Answer::Done
            }
            Ask::Read { path, offset } => {
                let read = async {
                    let mut file = tokio::fs::File::open(&path).await?;
                    file.seek(SeekFrom::Start(offset)).await?;
                    let mut data = Vec::with_capacity(CHUNK);
                    file.take(CHUNK as u64).read_to_end(&mut data).await?;
                    Ok(data)
                };
                let data = read.await.map_err(|source| ControlError::File {
                    path: path.clone(),
                    source,
                })?;
                Answer::Data {
                    is_last: data.len() < CHUNK,
                    data: Bytes(data),
                }
            }
            Ask::RemoveDir(path) => {
                self.machine.remove_dir(&path).await?;
                Answer::Done
            }
            Ask::Drop(senders) => {
                // Some milliseconds, and no other question of this kind comes meanwhile.
                tokio::task::block_in_place(|| self.chain().set(&senders))?;
                Answer::Done
            }
            Ask::Probe { number, to } => {
                self.probes.send(number, &to);
                Answer::Done
            }
            Ask::Seen(number) => Answer::Seen(self.probes.seen(number)),
        })
    }

    fn chain(&self) -> std::sync::MutexGuard<'_, HostChain> {
        self.chain.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Also to a process that perjury did not start: to itself and not to its group.
    async fn signal(&self, pid: Pid, signal: Signal) -> Result<(), ControlError> {
        if self.children.is_child(pid) {
            return self.machine.signal(pid, signal).await;
        }
        if kernel::state(pid) == ProcessState::Gone {
            return Ok(());
        }
        kernel::send(pid, signal)?;
        let deadline = tokio::time::Instant::now() + Duration::from_secs(5);
        while !signal.holds(kernel::state(pid)) {
            if tokio::time::Instant::now() > deadline {
                return Err(ControlError::Deadline {
                    what: format!("the effect of {signal:?} on process {}", pid.pid),
                    limit: Duration::from_secs(5),
                    hint: String::new(),
                });
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        Ok(())
    }

    /// The process that listens there; noted in the undo log, because faults are about to be injected into
    /// it.
    fn adopt(&self, port: u16, address: Option<IpAddr>) -> Result<Option<Pid>, ControlError> {
        let Some(pid) = listener::on_port(port, address).map_err(ControlError::Other)? else {
            return Ok(None);
        };
        let name = std::fs::read_to_string(format!("/proc/{}/comm", pid.pid)).unwrap_or_default();
        if name.trim() == "docker-proxy" {
            return Err(ControlError::Other(format!(
                "port {port} is held by docker-proxy: the store runs in a container, and its process cannot \
                 be found from the host"
            )));
        }
        let mut adopted = self.adopted.lock().unwrap_or_else(PoisonError::into_inner);
        if adopted.get(&pid.pid).is_none_or(|(known, _, _)| *known != pid) {
            let id = self.undo.adopted(pid, port)?;
            if let Some((_, _, earlier)) = adopted.insert(pid.pid, (pid, port, id)) {
                self.undo.undone(earlier)?;
            }
        }
        Ok(Some(pid))
    }

    fn state(&self, pid: Pid) -> ProcessState {
        match self.children.state(pid) {
            // Not a child, or one that was reaped and is no longer in /proc either.
            ProcessState::Gone => kernel::state(pid),
            state => state,
        }
    }

    fn undo_all(&self) -> Result<(), ControlError> {
        let adopted = std::mem::take(&mut *self.adopted.lock().unwrap_or_else(PoisonError::into_inner));
        let mut left = Vec::new();
        for (pid, port, id) in adopted.into_values() {
            match undo::release(pid, port) {
                Ok(_) => self.undo.undone(id)?,
                Err(why) => left.push(why),
            }
        }
        self.children.end_all()?;
        self.chain().remove()?;
        self.machine.clean_up()?;
        if let Some(why) = left.pop() {
            // The undo log is still needed.
            return Err(ControlError::Other(why));
        }
        match &self.directory {
            Some(directory) => std::fs::remove_dir_all(directory).map_err(|source| ControlError::File {
                path: directory.clone(),
                source,
            }),
            None => Ok(()),
        }
    }
}

/// What cannot be done on this node.
fn refused(is_container: bool) -> BTreeMap<Ability, String> {
    let mut refused = BTreeMap::new();
    for &ability in Ability::ALL {
        let verdict = match ability {
            // The controller decides about it.
            _ if is_container && matches!(ability, Ability::Cut | Ability::Shape | Ability::Fill) => Ok(()),
            Ability::CutClients => continue,
            ability if ability.is_of_store() => continue,
            Ability::Cut => host_chain::can_cut(),
            Ability::Shape => Err("links of hosts cannot be shaped; use --env netns".into()),
            ability => can(EnvKind::Local, ability),
        };
        if let Err(why) = verdict {
            refused.insert(ability, why);
        }
    }
    refused
}

/// The addresses of this host by which others may know it.
fn addresses() -> Vec<IpAddr> {
    let found = nix::ifaddrs::getifaddrs().into_iter().flatten();
    let mut addresses: Vec<IpAddr> = found
        .filter_map(|interface| {
            let address = interface.address?;
            match (address.as_sockaddr_in(), address.as_sockaddr_in6()) {
                (Some(v4), _) => Some(IpAddr::V4(v4.ip())),
                (_, Some(v6)) => Some(IpAddr::V6(v6.ip())),
                _ => None,
            }
        })
        .filter(|address| match address {
            IpAddr::V4(v4) => !v4.is_loopback() && !v4.is_link_local(),
            IpAddr::V6(v6) => !v6.is_loopback() && !v6.is_unicast_link_local(),
        })
        .collect();
    addresses.sort_unstable();
    addresses.dedup();
    addresses
}
