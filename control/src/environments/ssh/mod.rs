//! The environments `ssh` and `external by ssh`: one host a node.
//!
//! Each host gets a directory `/tmp/perjury-RUN`, with this program in it, and an agent. Links are cut by a
//! chain of our own at the receiving host, which drops what comes from any address of the sender; everything
//! else on the host is unaffected.
//!
//! Invariants:
//! - A host is in the undo log before anything is done to it; `perjury heal` connects to it again.
//! - Nothing else on the host is changed but that chain, in the host's own tables, while links are cut.

mod connection;

use std::collections::BTreeSet;
use std::fs::File;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;

use self::connection::{Connection, Line};
use crate::agent::bundle::{Bundle, PROGRAM};
use crate::agent::node::AgentNode;
use crate::agent::protocol::{Answer, Ask};
use crate::agent::session::{ANSWER_LIMIT, Session};
use crate::links::prober;
use crate::processes::kernel;
use crate::undo::{HostRecord, Place, STILL_RUNNING, UndoLog};
use crate::{
    Ability, ControlError, EnvKind, Environment, Link, LinkControl, Net, Node, OpenOptions, Remote, Shape,
    SshAccess, can,
};

/// How long an agent may take until it answers.
const HELLO_LIMIT: Duration = Duration::from_secs(20);
/// How long a host may take to undo everything at the end.
const END_LIMIT: Duration = Duration::from_secs(30);
/// How often the datagrams of a probe are sent again.
const RESEND: Duration = Duration::from_millis(20);

/// One host a node.
pub(crate) struct Ssh {
    kind: EnvKind,
    nodes: Vec<Node>,
    hosts: Arc<Vec<Host>>,
    net: Arc<Hosts>,
    undo: Arc<UndoLog>,
    lost: Vec<String>,
}

struct Host {
    remote: Arc<AgentNode>,
    /// Where the others and the controller find it.
    address: IpAddr,
    /// Where it is called from.
    controller: IpAddr,
    record: HostRecord,
    undo_id: u64,
    /// `None` once it was ended.
    line: Mutex<Option<std::thread::JoinHandle<Connection>>>,
}

/// The network between the hosts.
struct Hosts {
    hosts: Arc<Vec<Host>>,
    /// What is cut. Held while links are changed, so that two changes do not cross.
    cuts: tokio::sync::Mutex<BTreeSet<Link>>,
    probe: AtomicU64,
}

impl Ssh {
    /// Connects to all hosts at once. Must be called within a tokio runtime.
    pub(crate) async fn open(kind: EnvKind, options: &OpenOptions) -> Result<Ssh, ControlError> {
        let undo = UndoLog::create(&options.run_dir, kind, kernel::own(), Place::here(), false)?;
        let undo = Arc::new(undo);
        let bundle = Bundle::of_this_program()?;
        let directory = directory(&options.run_dir)?;
        let nodes = Node::numbered(options.hosts.len());
        let starting: Vec<_> = (nodes.iter().zip(&options.hosts))
            .map(|(node, access)| {
                let program = bundle.command(&directory.join("bundle"));
                let record = HostRecord {
                    access: access.clone(),
                    directory: directory.clone(),
                    program,
                };
                let (undo, bundle, node) = (Arc::clone(&undo), bundle.clone(), node.clone());
                let abilities = options.abilities.clone();
                tokio::task::spawn_blocking(move || start(&undo, &bundle, &node, record, &abilities))
            })
            .collect();
        let mut hosts = Vec::new();
        let mut first_error = None;
        for (node, starting) in nodes.iter().zip(starting) {
            let started = match starting.await {
                Ok(Ok((record, undo_id, addresses, line))) => {
                    greet(&undo, node, record, undo_id, addresses, line).await
                }
                Ok(Err(error)) => Err(error),
                Err(error) => Err(ControlError::Other(format!("starting was interrupted: {error}"))),
            };
            match started {
                Ok(host) => hosts.push(host),
                Err(error) => first_error = first_error.or(Some(error)),
            }
        }
        let hosts = Arc::new(hosts);
        let net = Arc::new(Hosts {
            hosts: Arc::clone(&hosts),
            cuts: tokio::sync::Mutex::default(),
            // Agents serve one controller, so that no earlier probe has these numbers.
            probe: AtomicU64::new(1),
        });
        let ssh = Ssh {
            kind,
            nodes,
            hosts,
            net,
            undo,
            lost: options.lost.clone(),
        };
        if let Some(error) = first_error.or_else(|| ssh.twins()) {
            if let Err(why) = ssh.tear_down().await {
                tracing::warn!("{why}");
            }
            return Err(error);
        }
        Ok(ssh)
    }

    /// Refuses two nodes on one host: they would share their links, and faults would hit both.
    fn twins(&self) -> Option<ControlError> {
        self.hosts.iter().enumerate().find_map(|(at, host)| {
            let twin = self.hosts[..at]
                .iter()
                .find(|other| other.remote.hello.host == host.remote.hello.host)?;
            Some(ControlError::Other(format!(
                "{} and {} are the same host; give each node its own host",
                twin.record.access.destination, host.record.access.destination
            )))
        })
    }
}

/// A directory for this run on every host.
fn directory(run_dir: &Path) -> Result<PathBuf, ControlError> {
    let path = std::path::absolute(run_dir).map_err(|source| ControlError::File {
        path: run_dir.to_path_buf(),
        source,
    })?;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let kept = |c: char| {
        if c.is_ascii_alphanumeric() || "-_.".contains(c) {
            c
        } else {
            '-'
        }
    };
    // So that runs of the same name do not collide, of two users or of two jobs that began in the same
    // second.
    Ok(PathBuf::from(format!(
        "/tmp/perjury-{}-{:08x}",
        name.chars().map(kept).collect::<String>(),
        rand::random::<u32>()
    )))
}

type Started = (HostRecord, u64, [IpAddr; 2], Line);

/// Brings the program to a host and starts the agent there. Blocks.
fn start(
    undo: &UndoLog,
    bundle: &Bundle,
    node: &Node,
    record: HostRecord,
    abilities: &BTreeSet<Ability>,
) -> Result<Started, ControlError> {
    let connection = Connection::open(&record.access)?;
    let undo_id = undo.host(&node.name, record.clone())?;
    if let Err(error) = make_place(&connection, &record) {
        // The directory is not ours, so nothing is removed.
        undo.undone(undo_id)?;
        return Err(error);
    }
    let begun = begin(&connection, bundle, node, &record, abilities);
    let command = match begun {
        Ok(command) => command,
        Err(error) => {
            if connection.run(&remove_command(&record), io::empty()).is_ok() {
                undo.undone(undo_id)?;
            }
            return Err(error);
        }
    };
    let addresses = [connection.address, connection.own_address];
    let line = connection.line(&command)?;
    Ok((record, undo_id, addresses, line))
}

/// Where the program is on a host.
fn bundle_place(record: &HostRecord) -> PathBuf {
    record.directory.join("bundle")
}

/// Makes the directory of a run on a host. Fails if it exists: then it is not ours.
fn make_place(connection: &Connection, record: &HostRecord) -> Result<(), ControlError> {
    let place = quote(&bundle_place(record).display().to_string());
    let above = quote(&record.directory.display().to_string());
    let made = connection.run(&format!("umask 077 && mkdir {above} {place}"), io::empty());
    made.map(drop)
        .map_err(|error| match error.to_string().contains("exists") {
            true => ControlError::Other(format!(
                "{}: {} exists already; is another node on the same host?",
                record.access.destination,
                record.directory.display()
            )),
            false => error,
        })
}

/// Does everything that comes before the agent; returns the command that starts it.
fn begin(
    connection: &Connection,
    bundle: &Bundle,
    node: &Node,
    record: &HostRecord,
    abilities: &BTreeSet<Ability>,
) -> Result<String, ControlError> {
    let machine = connection.run("uname -sm", io::empty())?;
    let own = format!("Linux {}", std::env::consts::ARCH);
    if machine.trim() != own {
        return Err(ControlError::Other(format!(
            "{}: it is {}, but this build of perjury runs on {own} only",
            record.access.destination,
            machine.trim()
        )));
    }
    let place = bundle_place(record);
    for (name, path) in &bundle.files {
        let file = File::open(path).map_err(|source| ControlError::File {
            path: path.clone(),
            source,
        })?;
        let target = quote(&place.join(name).display().to_string());
        connection.run(&format!("cat > {target} && chmod 700 {target}"), file)?;
    }
    let mut words = record.program.clone();
    words.push("agent".into());
    words.extend(bundle.agent_args(&place));
    words.push(format!("--node={}", node.name));
    words.push(format!("--directory={}", record.directory.display()));
    let needs: Vec<&str> = abilities.iter().map(|ability| ability.name()).collect();
    if !needs.is_empty() {
        words.push(format!("--needs={}", needs.join(",")));
    }
    let words: Vec<String> = words.iter().map(|word| quote(word)).collect();
    Ok(format!("exec {}{}", sudo(&record.access), words.join(" ")))
}

fn sudo(access: &SshAccess) -> &'static str {
    if access.sudo { "sudo -n " } else { "" }
}

fn remove_command(record: &HostRecord) -> String {
    format!(
        "{}rm -rf {}",
        sudo(&record.access),
        quote(&record.directory.display().to_string())
    )
}

/// Quotes a word for a POSIX shell.
fn quote(word: &str) -> String {
    format!("'{}'", word.replace('\'', "'\\''"))
}

async fn greet(
    undo: &Arc<UndoLog>,
    node: &Node,
    record: HostRecord,
    undo_id: u64,
    [address, controller]: [IpAddr; 2],
    line: Line,
) -> Result<Host, ControlError> {
    let failed = |source| ControlError::System {
        what: "cannot use a socket".into(),
        source,
    };
    line.socket.set_nonblocking(true).map_err(failed)?;
    let socket = tokio::net::UnixStream::from_std(line.socket).map_err(failed)?;
    let (input, output) = socket.into_split();
    let words = line.words;
    let last_words = move || words.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let session = Session::start(&node.name, input, output, last_words);
    let hello = match session.hello(HELLO_LIMIT).await {
        Ok(hello) => hello,
        Err(error) => {
            session.close();
            let (undo, thread) = (Arc::clone(undo), line.thread);
            let removed = tokio::task::spawn_blocking(move || give_up(&undo, undo_id, &record, thread)).await;
            if let Ok(Err(why)) = removed {
                tracing::warn!("{why}");
            }
            return Err(error);
        }
    };
    Ok(Host {
        remote: Arc::new(AgentNode {
            node: node.clone(),
            directory: record.directory.join(&node.name),
            own_binary: record.directory.join("bundle").join(PROGRAM),
            hello,
            session,
        }),
        address,
        controller,
        record,
        undo_id,
        line: Mutex::new(Some(line.thread)),
    })
}

/// Removes what was brought to a host whose agent did not begin. Blocks.
fn give_up(
    undo: &UndoLog,
    undo_id: u64,
    record: &HostRecord,
    line: std::thread::JoinHandle<Connection>,
) -> Result<(), ControlError> {
    let connection = line
        .join()
        .map_err(|_| ControlError::Other("an SSH thread has panicked".into()))?;
    let directory = quote(&record.directory.display().to_string());
    // Without sudo, which may be what failed; only this user has created anything so far.
    connection.run(&format!("rm -rf {directory}"), io::empty())?;
    undo.undone(undo_id)
}

/// For `perjury heal`: goes to a host again and undoes what a dead agent left there; returns what that was.
pub(crate) fn heal(node: &str, record: &HostRecord) -> Result<Option<String>, String> {
    let connection = Connection::open(&record.access).map_err(|error| error.to_string())?;
    let directory = quote(&record.directory.display().to_string());
    let there = connection
        .run(
            &format!("test -d {directory} && echo yes || echo no"),
            io::empty(),
        )
        .map_err(|error| error.to_string())?;
    if there.trim() != "yes" {
        return Ok(None);
    }
    let remove = || {
        let removed = connection.run(&remove_command(record), io::empty());
        removed.map_err(|error| error.to_string())
    };
    // Before its agent began there are only files, and perhaps not even the whole program.
    let began = connection
        .run(
            &format!("test -e {directory}/undo.jsonl && echo yes || echo no"),
            io::empty(),
        )
        .map_err(|error| error.to_string())?;
    if began.trim() != "yes" {
        remove()?;
        return Ok(Some(format!("{node}: removed {}", record.directory.display())));
    }
    let words: Vec<String> = record.program.iter().map(|word| quote(word)).collect();
    let command = format!("{}{} heal {directory}", sudo(&record.access), words.join(" "));
    // An agent that noticed the death of its controller is about to undo everything itself.
    let deadline = Instant::now() + crate::agent::SILENCE_LIMIT + Duration::from_secs(10);
    let said = loop {
        match connection.run(&command, io::empty()) {
            Ok(said) => break said,
            Err(error) if !error.to_string().contains(STILL_RUNNING) => return Err(error.to_string()),
            Err(_) if Instant::now() < deadline => std::thread::sleep(Duration::from_millis(500)),
            Err(_) => return Err("the agent there does not exit".into()),
        }
    };
    remove()?;
    let said = said.trim().split_once(": ").map_or("", |(_, words)| words);
    Ok(Some(format!(
        "{node}: {}; removed {}",
        said.replace('\n', "; "),
        record.directory.display()
    )))
}

#[async_trait]
impl Environment for Ssh {
    fn kind(&self) -> EnvKind {
        self.kind
    }

    fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    fn remote(&self, node: usize) -> Arc<dyn Remote> {
        Arc::clone(&self.hosts[node].remote) as Arc<dyn Remote>
    }

    fn net(&self) -> Arc<dyn Net> {
        Arc::clone(&self.net) as Arc<dyn Net>
    }

    fn endpoint(&self, node: usize, port: u16) -> Result<SocketAddr, ControlError> {
        Ok((self.hosts[node].address, port).into())
    }

    fn owns(&self, node: usize, address: IpAddr) -> bool {
        self.net.addresses(node).contains(&address)
    }

    fn can(&self, ability: Ability) -> Result<(), String> {
        can(self.kind, ability)?;
        for host in &*self.hosts {
            if let Some(why) = host.remote.hello.refused.get(&ability) {
                return Err(format!("{}: {why}", host.record.access.destination));
            }
            // What this host sends to the others is cut as a whole, which would include perjury's own
            // connections.
            let runs_here =
                host.controller == host.address || host.remote.hello.addresses.contains(&host.controller);
            if ability == Ability::Cut && runs_here {
                return Err(format!(
                    "perjury itself runs on {}, and would cut its own connections to the other hosts; start \
                     it elsewhere",
                    host.record.access.destination
                ));
            }
        }
        Ok(())
    }

    fn lost(&self) -> &[String] {
        &self.lost
    }

    async fn tear_down(&self) -> Result<(), ControlError> {
        for host in &*self.hosts {
            host.remote.session.close();
        }
        let ending: Vec<_> = (0..self.hosts.len())
            .map(|at| {
                let (hosts, undo) = (Arc::clone(&self.hosts), Arc::clone(&self.undo));
                tokio::task::spawn_blocking(move || end(&hosts[at], &undo))
            })
            .collect();
        let mut result = Ok(());
        for ending in ending {
            let ended = ending.await.unwrap_or_else(|error| {
                Err(ControlError::Other(format!(
                    "the tear-down was interrupted: {error}"
                )))
            });
            result = result.and(ended);
        }
        result
    }
}

/// Waits until the agent of a host has undone everything, and removes the directory. Blocks.
fn end(host: &Host, undo: &UndoLog) -> Result<(), ControlError> {
    let line = host.line.lock().unwrap_or_else(PoisonError::into_inner).take();
    let Some(line) = line else { return Ok(()) };
    let deadline = Instant::now() + END_LIMIT;
    while !line.is_finished() {
        if Instant::now() > deadline {
            return Err(ControlError::Deadline {
                what: format!("the end of the agent on {}", host.record.access.destination),
                limit: END_LIMIT,
                hint: "; run `perjury heal`".into(),
            });
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    let connection = line
        .join()
        .map_err(|_| ControlError::Other("an SSH thread has panicked".into()))?;
    // A connection that broke meanwhile is made again, as in `heal`.
    match connection.run(&remove_command(&host.record), io::empty()) {
        Ok(_) => {}
        Err(_) => {
            heal(&host.remote.node.name, &host.record).map_err(ControlError::Other)?;
        }
    }
    undo.undone(host.undo_id)
}

impl Hosts {
    /// Tells the receivers what to drop.
    async fn write(&self, receivers: BTreeSet<usize>, cuts: &BTreeSet<Link>) -> Result<(), ControlError> {
        let orders = receivers.into_iter().map(|to| {
            let senders: BTreeSet<IpAddr> = cuts
                .iter()
                .filter(|cut| cut.to == to)
                .flat_map(|cut| self.addresses(cut.from))
                .collect();
            let remote = &self.hosts[to].remote;
            async move { remote.order(Ask::Drop(senders.into_iter().collect())).await }
        });
        for done in futures_util::future::join_all(orders).await {
            done?;
        }
        Ok(())
    }

    /// All addresses that only this host has: a link that is cut has no second path. Others, such as that of
    /// a bridge for containers, mean the host itself on each of them.
    fn addresses(&self, node: usize) -> Vec<IpAddr> {
        let host = &self.hosts[node];
        let is_of_others = |address: &IpAddr| {
            let others = self.hosts.iter().filter(|other| other.undo_id != host.undo_id);
            others
                .flat_map(|other| &other.remote.hello.addresses)
                .any(|other| other == address)
        };
        let mut all = host.remote.hello.addresses.clone();
        all.retain(|address| !is_of_others(address));
        all.push(host.address);
        all
    }
}

#[async_trait]
impl Net for Hosts {
    fn control(&self) -> LinkControl {
        match self
            .hosts
            .iter()
            .all(|host| !host.remote.hello.refused.contains_key(&Ability::Cut))
        {
            true => LinkControl::Iptables,
            false => LinkControl::None,
        }
    }

    fn can_shape(&self) -> bool {
        false
    }

    async fn cut(&self, links: &[Link]) -> Result<(), ControlError> {
        prober::check(links, self.hosts.len())?;
        let mut cuts = self.cuts.lock().await;
        cuts.extend(links);
        self.write(links.iter().map(|link| link.to).collect(), &cuts)
            .await
    }

    async fn cuts(&self) -> BTreeSet<Link> {
        self.cuts.lock().await.clone()
    }

    async fn shape(&self, _link: Link, shape: Shape) -> Result<(), ControlError> {
        if shape == Shape::default() {
            return Ok(());
        }
        Err(ControlError::Unsupported {
            env: EnvKind::Ssh.name(),
            what: "shaping a link".into(),
        })
    }

    async fn heal(&self) -> Result<(), ControlError> {
        let mut cuts = self.cuts.lock().await;
        let receivers = cuts.iter().map(|link| link.to).collect();
        self.write(receivers, &BTreeSet::new()).await?;
        cuts.clear();
        Ok(())
    }

    async fn probe(&self, links: &[Link], limit: Duration) -> Result<Vec<bool>, ControlError> {
        prober::check(links, self.hosts.len())?;
        let number = self.probe.fetch_add(1, Ordering::Relaxed);
        let mut passes = vec![false; links.len()];
        let deadline = tokio::time::Instant::now() + limit;
        loop {
            let open = || {
                links
                    .iter()
                    .enumerate()
                    .zip(&passes)
                    .filter(|(_, passes)| !**passes)
                    .map(|(link, _)| link)
            };
            let senders: BTreeSet<usize> = open().map(|(_, link)| link.from).collect();
            let receivers: BTreeSet<usize> = open().map(|(_, link)| link.to).collect();
            let sent = senders.into_iter().map(|from| {
                let to = open()
                    .filter(|(_, link)| link.from == from)
                    .map(|(place, link)| {
                        let host = &self.hosts[link.to];
                        (
                            place as u64,
                            SocketAddr::from((host.address, host.remote.hello.probe_port)),
                        )
                    })
                    .collect();
                self.hosts[from].remote.order(Ask::Probe { number, to })
            });
            for sent in futures_util::future::join_all(sent).await {
                sent?;
            }
            tokio::time::sleep(RESEND.min(limit)).await;
            let asked = receivers.into_iter().map(|to| async move {
                let remote = &self.hosts[to].remote;
                match remote.session.ask(Ask::Seen(number), ANSWER_LIMIT).await? {
                    Answer::Seen(places) => Ok((to, places)),
                    other => Err(remote.session.strange(&other)),
                }
            });
            for seen in futures_util::future::join_all(asked).await {
                let (to, places) = seen?;
                for place in places {
                    let place = usize::try_from(place).unwrap_or(usize::MAX);
                    if links.get(place).is_some_and(|link| link.to == to) {
                        passes[place] = true;
                    }
                }
            }
            if passes.iter().all(|&passes| passes) || tokio::time::Instant::now() >= deadline {
                return Ok(passes);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_quoted_for_the_shell() {
        for (word, expected) in [("a b", "'a b'"), ("it's", r"'it'\''s'"), ("$x", "'$x'")] {
            assert_eq!(quote(word), expected);
        }
    }

    #[test]
    fn destinations() {
        let cases = [
            ("root@10.0.0.1", Ok(("root", "10.0.0.1", 22))),
            ("admin@db1:2222", Ok(("admin", "db1", 2222))),
            ("root@[fd77::1]:22", Ok(("root", "fd77::1", 22))),
            ("root@fd77::1", Ok(("root", "fd77::1", 22))),
            ("root@", Err("no host name")),
            ("@db1", Err("there is no user name in it")),
            ("root@db1:ssh", Err("not a port")),
        ];
        for (text, expected) in cases {
            match (SshAccess::parse(text), expected) {
                (Ok(access), Ok((user, host, port))) => {
                    assert_eq!(
                        (&*access.user, &*access.host, access.port),
                        (user, host, port),
                        "{text}"
                    );
                }
                (Err(why), Err(part)) => assert!(why.contains(part), "{text}: {why}"),
                (got, _) => panic!("{text}: {got:?}"),
            }
        }
    }
}
