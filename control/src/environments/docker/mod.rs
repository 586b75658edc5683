//! The environment `docker`: one container a node, on a private network.
//!
//! ```text
//!   docker network create --internal          no way out; the controller's host is in it
//!   docker import | --image                    the image: this program and its libraries, or the
//!                                              user's with them added
//!   docker create -i … perjury agent           one a node; its first process is the agent
//!   docker start -a -i                         its input and output are the line to the agent
//! ```
//!
//! Links are cut by iptables in the containers' network namespaces, from outside: the image needs no
//! iptables, and the containers need no right to change their network.
//!
//! Invariants:
//! - Containers, network and image carry the label `perjury.run`; they are noted in the undo log before they
//!   are made.
//! - A container ends with the line to its agent and is removed by the engine then (`--rm`): it does not
//!   outlive its controller.

pub(crate) mod program;

use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use tokio::io::{AsyncBufReadExt, BufReader};

use self::program as docker;
use crate::agent::bundle::Bundle;
use crate::agent::node::AgentNode;
use crate::agent::session::Session;
use crate::environments::netns::{Chains, Cutter, Links, Namespace};
use crate::links::iptables::{Family, Iptables};
use crate::links::prober::Prober;
use crate::processes::kernel;
use crate::undo::{Place, UndoLog};
use crate::{Ability, ControlError, EnvKind, Environment, Net, Node, OpenOptions, Remote, can};

/// Where the bundle is in a container.
const BUNDLE: &str = "/perjury";
/// Where the run is in a container.
const RUNS: &str = "/perjury-runs";
/// How long an agent may take until it answers.
const HELLO_LIMIT: Duration = Duration::from_secs(30);
/// How large a disk is that can be full.
const DISK: &str = "512m";
/// How much of an agent's error output is kept.
const WORDS_LIMIT: usize = 4096;

/// One container a node.
pub(crate) struct Docker {
    nodes: Vec<Node>,
    containers: Vec<Container>,
    links: Arc<Links>,
    can_cut: bool,
    undo: Arc<UndoLog>,
    undo_id: u64,
    label: String,
    lost: Vec<String>,
}

struct Container {
    remote: Arc<AgentNode>,
    address: IpAddr,
    /// The program `docker start`, which ends with the container.
    line: Mutex<Option<tokio::process::Child>>,
}

impl Docker {
    /// Makes image, network and containers. Must be called within a tokio runtime.
    pub(crate) async fn open(options: &OpenOptions) -> Result<Docker, ControlError> {
        let undo = UndoLog::create(
            &options.run_dir,
            EnvKind::Docker,
            kernel::own(),
            Place::here(),
            false,
        )?;
        let undo = Arc::new(undo);
        let run = run_name(&options.run_dir)?;
        let label = format!("perjury.run={run}");
        // Asked first, so that a missing engine is reported before anything is noted.
        docker::run(&["version", "--format", "{{.Server.Version}}"], None).await?;
        let undo_id = undo.containers(&label)?;
        match make(options, &run, &label).await {
            Ok((nodes, containers, links, can_cut)) => Ok(Docker {
                nodes,
                containers,
                links,
                can_cut,
                undo,
                undo_id,
                label,
                lost: options.lost.clone(),
            }),
            Err(error) => {
                match remove_all(&label).await {
                    Ok(_) => undo.undone(undo_id)?,
                    Err(why) => tracing::warn!("{why}"),
                }
                Err(error)
            }
        }
    }
}

type Made = (Vec<Node>, Vec<Container>, Arc<Links>, bool);

async fn make(options: &OpenOptions, run: &str, label: &str) -> Result<Made, ControlError> {
    let bundle = Bundle::of_this_program()?;
    let archive = bundle.tar(BUNDLE.trim_start_matches('/'))?;
    let image = match &options.image {
        Some(image) => {
            docker::fetch(image).await?;
            image.clone()
        }
        None => {
            let image = format!("perjury:{}", run.to_ascii_lowercase());
            let change = format!("LABEL {label}");
            docker::run(&["import", "--change", &change, "-", &image], Some(&archive)).await?;
            image
        }
    };
    let network = format!("perjury-{run}");
    docker::run(
        &["network", "create", "--internal", "--label", label, &network],
        None,
    )
    .await?;
    let nodes = Node::numbered(options.nodes);
    let mut containers = Vec::new();
    for node in &nodes {
        let name = format!("perjury-{run}-{}", node.name);
        let args = create_args(options, &bundle, node, run, label, &network, &name, &image);
        docker::run(&args, None).await?;
        if options.image.is_some() {
            docker::run(&["cp", "-", &format!("{name}:/")], Some(&archive)).await?;
        }
        containers.push(start(node, run, &name).await?);
    }
    let addresses: Vec<IpAddr> = containers
        .iter()
        .map(|(container, _)| container.address)
        .collect();
    let can_cut = can(EnvKind::Docker, Ability::Cut).is_ok();
    let spaces: Vec<Namespace> = match can_cut {
        true => (containers.iter())
            .map(|(_, pid)| Namespace::of_process(*pid))
            .collect::<Result<_, _>>()
            .map_err(|source| ControlError::System {
                what: "cannot enter the network of a container".into(),
                source,
            })?,
        false => Vec::new(),
    };
    let links = links(spaces, &addresses)?;
    let containers = containers.into_iter().map(|(container, _)| container).collect();
    Ok((nodes, containers, Arc::new(links), can_cut))
}

#[expect(
    clippy::too_many_arguments,
    reason = "called once; each is an argument of `docker create`"
)]
fn create_args(
    options: &OpenOptions,
    bundle: &Bundle,
    node: &Node,
    run: &str,
    label: &str,
    network: &str,
    name: &str,
    image: &str,
) -> Vec<String> {
    let directory = Path::new(RUNS).join(run);
    let mut command = bundle.command(Path::new(BUNDLE));
    command.push("agent".into());
    command.extend(bundle.agent_args(Path::new(BUNDLE)));
    command.push("--container".into());
    command.push(format!("--node={}", node.name));
    command.push(format!("--directory={}", directory.display()));
    let needs: Vec<&str> = options.abilities.iter().map(|ability| ability.name()).collect();
    if !needs.is_empty() {
        command.push(format!("--needs={}", needs.join(",")));
    }
    let mut words = vec!["create", "--rm", "--interactive", "--label", label];
    words.extend(["--name", name, "--hostname", &node.name, "--network", network]);
    // Root inside, whatever the image says: files of the run are made, and processes of other users
    // signalled.
    words.extend(["--user", "0:0", "--workdir", "/"]);
    // For shifting the clocks of processes.
    words.extend(["--cap-add", "SYS_PTRACE"]);
    let mut args: Vec<String> = words.into_iter().map(str::to_owned).collect();
    if options.abilities.contains(&Ability::Fill) {
        let data = directory.join(&node.name).join("data");
        args.push("--tmpfs".into());
        args.push(format!("{}:rw,exec,size={DISK},mode=0700", data.display()));
    }
    let mut command = command.into_iter();
    args.push("--entrypoint".into());
    args.extend(command.next());
    args.push(image.into());
    args.extend(command);
    args
}

/// Starts a container and waits for its agent; returns also the number of its first process on this host.
async fn start(node: &Node, run: &str, name: &str) -> Result<(Container, i32), ControlError> {
    let mut child = tokio::process::Command::new(docker::program())
        .args(["start", "--attach", "--interactive", name])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .spawn()
        .map_err(|source| ControlError::System {
            what: "cannot run docker start".into(),
            source,
        })?;
    let (Some(input), Some(output), Some(words)) =
        (child.stdout.take(), child.stdin.take(), child.stderr.take())
    else {
        return Err(ControlError::Other("docker start has no streams".into()));
    };
    let said = Arc::new(Mutex::new(String::new()));
    let heard = Arc::clone(&said);
    tokio::spawn(async move {
        let mut lines = BufReader::new(words).lines();
        while let Ok(Some(line)) = lines.next_line().await {
            let mut said = heard.lock().unwrap_or_else(PoisonError::into_inner);
            if said.len() < WORDS_LIMIT {
                said.push_str(&line);
                said.push('\n');
            }
        }
    });
    let last_words = move || said.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let session = Session::start(&node.name, input, output, last_words);
    let hello = session.hello(HELLO_LIMIT).await?;
    let format = "{{.State.Pid}} {{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}";
    let inspected = docker::run(&["inspect", "--format", format, name], None).await?;
    let parsed = inspected
        .split_once(' ')
        .and_then(|(pid, address)| Some((pid.parse::<i32>().ok()?, address.parse::<IpAddr>().ok()?)));
    let (pid, address) =
        parsed.ok_or_else(|| ControlError::Other(format!("docker inspect says `{inspected}` of {name}")))?;
    let remote = AgentNode {
        node: node.clone(),
        directory: PathBuf::from(RUNS).join(run).join(&node.name),
        own_binary: Path::new(BUNDLE).join(crate::agent::bundle::PROGRAM),
        hello,
        session,
    };
    let container = Container {
        remote: Arc::new(remote),
        address,
        line: Mutex::new(Some(child)),
    };
    Ok((container, pid))
}

/// The network between the containers; without their namespaces it can neither be cut nor probed.
fn links(spaces: Vec<Namespace>, addresses: &[IpAddr]) -> Result<Links, ControlError> {
    let sockets: Vec<UdpSocket> = (spaces.iter().zip(addresses))
        .map(|(space, address)| space.run(|| UdpSocket::bind((*address, 0))))
        .collect::<Result<_, _>>()
        .map_err(|source| ControlError::System {
            what: "cannot bind a UDP socket in a container".into(),
            source,
        })?;
    let prober = Prober::new(sockets).map_err(|source| ControlError::System {
        what: "cannot probe containers".into(),
        source,
    })?;
    if spaces.is_empty() {
        return Ok(Links::new(addresses.len(), addresses.len(), Cutter::None, prober));
    }
    let iptables = Iptables::find(Family::V4).map_err(|(why, remedy)| ControlError::Unavailable {
        env: "docker with cut links",
        why,
        remedy,
    })?;
    let nodes = spaces.into_iter().zip(addresses.iter().copied()).collect();
    let chains = Chains::new(iptables, nodes)?;
    Ok(Links::new(
        addresses.len(),
        addresses.len(),
        Cutter::Iptables(Arc::new(chains)),
        prober,
    ))
}

/// The name of the run directory, as far as Docker's names can hold it, and a number that keeps runs of the
/// same name apart.
fn run_name(run_dir: &Path) -> Result<String, ControlError> {
    let path = std::path::absolute(run_dir).map_err(|source| ControlError::File {
        path: run_dir.to_path_buf(),
        source,
    })?;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let kept = |c: char| {
        if c.is_ascii_alphanumeric() || c == '-' {
            c
        } else {
            '-'
        }
    };
    let name: String = name.chars().map(kept).collect();
    Ok(format!(
        "{}-{:08x}",
        name.trim_matches('-'),
        rand::random::<u32>()
    ))
}

/// Removes everything with this label; returns what that was.
async fn remove_all(label: &str) -> Result<Option<String>, ControlError> {
    let filter = format!("label={label}");
    let mut removed = Vec::new();
    let list = async |args: &[&str]| -> Result<Vec<String>, ControlError> {
        let found = docker::run(args, None).await?;
        Ok(found.split_whitespace().map(str::to_owned).collect())
    };
    for id in list(&["ps", "--all", "--quiet", "--filter", &filter]).await? {
        // It may be about to remove itself.
        match docker::run(&["rm", "--force", "--volumes", &id], None).await {
            Err(error)
                if !error.to_string().contains("No such container")
                    && !error.to_string().contains("already in progress") =>
            {
                return Err(error);
            }
            _ => removed.push("container"),
        }
    }
    let deadline = tokio::time::Instant::now() + Duration::from_secs(10);
    while !list(&["ps", "--all", "--quiet", "--filter", &filter])
        .await?
        .is_empty()
    {
        if tokio::time::Instant::now() > deadline {
            return Err(ControlError::Other("a container cannot be removed".into()));
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    for id in list(&["network", "ls", "--quiet", "--filter", &filter]).await? {
        docker::run(&["network", "rm", &id], None).await?;
        removed.push("network");
    }
    for id in list(&["images", "--quiet", "--filter", &filter]).await? {
        docker::run(&["rmi", "--force", &id], None).await?;
        removed.push("image");
    }
    Ok((!removed.is_empty()).then(|| {
        let count = |what| removed.iter().filter(|one| **one == what).count();
        format!(
            "removed {} containers, {} networks and {} images",
            count("container"),
            count("network"),
            count("image")
        )
    }))
}

/// For `perjury heal`: removes what a dead controller left behind; returns what that was.
pub(crate) fn remove(label: &str) -> Result<Option<String>, String> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| error.to_string())?;
    runtime
        .block_on(remove_all(label))
        .map_err(|error| error.to_string())
}

#[async_trait]
impl Environment for Docker {
    fn kind(&self) -> EnvKind {
        EnvKind::Docker
    }

    fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    fn remote(&self, node: usize) -> Arc<dyn Remote> {
        Arc::clone(&self.containers[node].remote) as Arc<dyn Remote>
    }

    fn net(&self) -> Arc<dyn Net> {
        Arc::clone(&self.links) as Arc<dyn Net>
    }

    fn endpoint(&self, node: usize, port: u16) -> Result<SocketAddr, ControlError> {
        Ok((self.containers[node].address, port).into())
    }

    fn can(&self, ability: Ability) -> Result<(), String> {
        can(EnvKind::Docker, ability)?;
        if ability == Ability::Cut && !self.can_cut {
            return Err("the containers' networks cannot be entered".into());
        }
        for container in &self.containers {
            if let Some(why) = container.remote.hello.refused.get(&ability) {
                return Err(format!("{}: {why}", container.remote.node.name));
            }
        }
        Ok(())
    }

    fn lost(&self) -> &[String] {
        &self.lost
    }

    async fn tear_down(&self) -> Result<(), ControlError> {
        for container in &self.containers {
            container.remote.session.close();
        }
        for container in &self.containers {
            let line = container
                .line
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .take();
            if let Some(mut line) = line
                && tokio::time::timeout(Duration::from_secs(8), line.wait())
                    .await
                    .is_err()
            {
                tracing::warn!(
                    "the container of {} does not stop by itself",
                    container.remote.node.name
                );
                let _ = line.kill().await;
            }
        }
        remove_all(&self.label).await?;
        self.undo.undone(self.undo_id)
    }
}
