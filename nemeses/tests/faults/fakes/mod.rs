//! A cluster in memory: nodes, processes and links that do what they should, except where a flaw says
//! otherwise.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use control::{
    Command, ControlError, Daemon, Db, EnvKind, Environment, Link, LinkControl, Net, Node, Operators, Output,
    Pid, Primary, ProcessState, Remote, Sample, Shape, Signal,
};
use nemeses::NemesisContext;

/// What is wrong with the fake, so that verification has something to find.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flaw {
    KillDoesNothing,
    PauseDoesNothing,
    ResumeDoesNothing,
    DiesAfterStart,
    DiesWhereFsyncFails,
    StartFails,
    StartNeverEnds,
    CutLeaks,
    CutBreaksOthers,
    CutFails,
    HealForgetsOne,
    ShapeDoesNothing,
    TamperFails,
    ProbeFails,
    NoLinks,
    RemoveDoesNothing,
    AddFails,
    NoOneLeads,
    TransferDoesNothing,
    CompactLies,
    CompactRefused,
}

/// The cluster.
pub struct World {
    nodes: Vec<Node>,
    flaws: Vec<Flaw>,
    pub leader: Mutex<Option<usize>>,
    pub states: Mutex<Vec<ProcessState>>,
    pub cut: Mutex<BTreeSet<Link>>,
    pub shapes: Mutex<BTreeMap<Link, Shape>>,
    /// What `perjury tamper` did last, by subject and process. There is no entry for what is as it was
    /// before.
    pub tampered: Mutex<BTreeMap<(String, String), Vec<String>>>,
    /// The nodes that are no members.
    pub removed: Mutex<BTreeSet<usize>>,
    /// Every call that changes something, in order.
    pub calls: Mutex<Vec<String>>,
}

/// The number of the process on a node.
fn pid(node: usize) -> i32 {
    1000 + node as i32
}

impl World {
    /// A process that ended takes its clock with it.
    fn forget_clock(&self, node: usize) {
        let key = ("clock".to_owned(), pid(node).to_string());
        self.tampered
            .lock()
            .expect("no test thread panicked")
            .remove(&key);
    }

    pub fn new(nodes: usize, flaws: &[Flaw]) -> Arc<World> {
        Arc::new(World {
            nodes: Node::numbered(nodes),
            flaws: flaws.to_vec(),
            leader: Mutex::new(Some(0)),
            states: Mutex::new(vec![ProcessState::Running; nodes]),
            cut: Mutex::default(),
            shapes: Mutex::default(),
            tampered: Mutex::default(),
            removed: Mutex::default(),
            calls: Mutex::default(),
        })
    }

    pub fn context(self: &Arc<World>) -> NemesisContext {
        NemesisContext::new(Arc::new(Handle(self.clone())), Arc::new(Handle(self.clone())))
    }

    /// The nodes in a state, by index.
    pub fn nodes_in(&self, wanted: ProcessState) -> Vec<usize> {
        let states = self.states.lock().expect("no test thread panicked");
        (0..states.len()).filter(|&node| states[node] == wanted).collect()
    }

    /// Whether all is as before any fault.
    pub fn is_whole(&self) -> bool {
        self.nodes_in(ProcessState::Running).len() == self.nodes.len()
            && self.cut.lock().expect("no test thread panicked").is_empty()
            && self.shapes.lock().expect("no test thread panicked").is_empty()
            && self.tampered.lock().expect("no test thread panicked").is_empty()
            && self.removed.lock().expect("no test thread panicked").is_empty()
    }

    fn note(&self, call: String) {
        self.calls.lock().expect("no test thread panicked").push(call);
    }

    fn has(&self, flaw: Flaw) -> bool {
        self.flaws.contains(&flaw)
    }

    fn set(&self, call: &str, node: usize, from: &[ProcessState], to: ProcessState) {
        self.calls
            .lock()
            .expect("no test thread panicked")
            .push(format!("{call} {}", self.nodes[node].name));
        let state = &mut self.states.lock().expect("no test thread panicked")[node];
        if from.contains(state) {
            *state = to;
        }
    }
}

/// The traits belong to another crate, and so does `Arc`.
#[derive(Clone)]
struct Handle(Arc<World>);

#[async_trait]
impl Environment for Handle {
    fn kind(&self) -> EnvKind {
        EnvKind::Netns
    }

    fn nodes(&self) -> &[Node] {
        &self.0.nodes
    }

    fn remote(&self, node: usize) -> Arc<dyn Remote> {
        Arc::new(Machine {
            world: self.0.clone(),
            node: self.0.nodes[node].clone(),
        })
    }

    fn net(&self) -> Arc<dyn Net> {
        Arc::new(self.clone())
    }

    fn endpoint(&self, _: usize, _: u16) -> Result<SocketAddr, ControlError> {
        Err(ControlError::Other("no sockets in memory".into()))
    }

    fn lost(&self) -> &[String] {
        &[]
    }

    async fn tear_down(&self) -> Result<(), ControlError> {
        Ok(())
    }
}

/// A node on which only `perjury tamper` can be run.
struct Machine {
    world: Arc<World>,
    node: Node,
}

impl Machine {
    /// What `perjury tamper` would print.
    fn tamper(&self, args: &[String]) -> String {
        let value = |name: &str| {
            let prefix = format!("--{name}=");
            args.iter()
                .find_map(|arg| arg.strip_prefix(&prefix))
                .unwrap_or_default()
                .to_owned()
        };
        let mut tampered = self.world.tampered.lock().expect("no test thread panicked");
        match args[1].as_str() {
            "clock" => {
                let shift = [value("offset-ns"), value("drift-ppm")];
                let key = ("clock".to_owned(), value("pid"));
                if shift == ["0", "0"] {
                    tampered.remove(&key);
                } else {
                    tampered.insert(key, shift.to_vec());
                }
                format!("{{\"offset_ns\":{},\"drift_ppm\":{}}}", shift[0], shift[1])
            }
            "damage" => {
                let key = ("damage".to_owned(), self.node.name.clone());
                match args[2].as_str() {
                    "copy" if args[3].ends_with("before-damage") => drop(tampered.remove(&key)),
                    "copy" => {}
                    _ => drop(tampered.insert(key, Vec::new())),
                }
                args[2].clone()
            }
            "disk" => {
                let key = ("disk".to_owned(), self.node.name.clone());
                match value("act").as_str() {
                    // Whole again only when it runs again, which is another matter.
                    "cut-power" => String::new(),
                    "restore-power" => {
                        assert!(value("seed").parse::<u64>().is_ok(), "{args:?}");
                        r#"{"synced":true,"unsynced":false,"torn":1}"#.to_owned()
                    }
                    "fill" => {
                        tampered.insert(key, Vec::new());
                        "false".to_owned()
                    }
                    _ => {
                        tampered.remove(&key);
                        "true".to_owned()
                    }
                }
            }
            // Every look finds another call answered, as a busy store's would be.
            "fsync" => {
                let key = ("fsync".to_owned(), self.node.name.clone());
                match value("mode").as_str() {
                    "" => {}
                    "honest" => drop(tampered.remove(&key)),
                    mode => drop(tampered.insert(key.clone(), vec![mode.to_owned()])),
                }
                let now = match tampered.get(&key).map(|looks| looks[0].as_str()) {
                    None => "\"honest\"".to_owned(),
                    Some(mode) if mode.parse::<u64>().is_ok() => {
                        format!("{{\"slow\":{{\"delay_ms\":{mode}}}}}")
                    }
                    Some(mode) => format!("\"{mode}\""),
                };
                let looks = match tampered.get_mut(&key) {
                    Some(looks) => {
                        looks.push(String::new());
                        looks.len()
                    }
                    None => 0,
                };
                format!(
                    "{{\"mode\":{now},\"programs\":1,\"honest\":0,\"lied\":{looks},\"failed\":0,\"slowed\":0}}"
                )
            }
            other => panic!("no answer to `tamper {other}`"),
        }
    }
}

#[async_trait]
impl Remote for Machine {
    fn node(&self) -> &Node {
        &self.node
    }

    fn directory(&self) -> &Path {
        Path::new("/nowhere")
    }

    fn own_binary(&self) -> &Path {
        Path::new("/nowhere/perjury")
    }

    async fn exec(&self, command: &Command) -> Result<Output, ControlError> {
        let args: Vec<String> = command
            .args
            .iter()
            .map(|arg| arg.to_string_lossy().into_owned())
            .collect();
        assert_eq!(args[0], "tamper", "{command}");
        if self.world.has(Flaw::TamperFails) {
            return Ok(Output {
                code: Some(255),
                stdout: Vec::new(),
                stderr: b"perjury: not permitted\n".to_vec(),
            });
        }
        Ok(Output {
            code: Some(0),
            stdout: self.tamper(&args).into_bytes(),
            stderr: Vec::new(),
        })
    }

    async fn upload(&self, _: &Path, _: &Path) -> Result<(), ControlError> {
        panic!("nothing is uploaded")
    }

    async fn download(&self, _: &Path, _: &Path) -> Result<(), ControlError> {
        panic!("nothing is downloaded")
    }

    async fn remove_dir(&self, _: &Path) -> Result<(), ControlError> {
        panic!("nothing is deleted")
    }

    async fn spawn(&self, _: &Daemon) -> Result<Pid, ControlError> {
        panic!("daemons are the Db's affair")
    }

    async fn signal(&self, _: Pid, _: Signal) -> Result<(), ControlError> {
        panic!("signals are the Db's affair")
    }

    async fn state(&self, _: Pid) -> Result<ProcessState, ControlError> {
        Ok(ProcessState::Running)
    }
}

#[async_trait]
impl Operators for Handle {
    async fn transfer_leadership(&self, to: usize) -> Result<(), ControlError> {
        self.0.note(format!("transfer {}", self.0.nodes[to].name));
        if !self.0.has(Flaw::TransferDoesNothing) {
            *self.0.leader.lock().expect("no test thread panicked") = Some(to);
        }
        Ok(())
    }

    async fn members(&self) -> Result<Vec<usize>, ControlError> {
        if self.0.has(Flaw::NoOneLeads) {
            return Err(ControlError::Other("no one leads".into()));
        }
        let removed = self.0.removed.lock().expect("no test thread panicked");
        Ok((0..self.0.nodes.len())
            .filter(|node| !removed.contains(node))
            .collect())
    }

    async fn remove_member(&self, node: usize) -> Result<(), ControlError> {
        self.0.note(format!("remove {}", self.0.nodes[node].name));
        if !self.0.has(Flaw::RemoveDoesNothing) {
            self.0
                .removed
                .lock()
                .expect("no test thread panicked")
                .insert(node);
        }
        Ok(())
    }

    async fn add_member(&self, node: usize) -> Result<(), ControlError> {
        if self.0.has(Flaw::AddFails) {
            return Err(ControlError::Other("it does not catch up".into()));
        }
        self.0.note(format!("add {}", self.0.nodes[node].name));
        self.0
            .removed
            .lock()
            .expect("no test thread panicked")
            .remove(&node);
        Ok(())
    }

    async fn compact(&self, node: usize) -> Result<String, ControlError> {
        if self.0.has(Flaw::CompactLies) {
            return Err(ControlError::Untrue("the past can still be read".into()));
        }
        if self.0.has(Flaw::CompactRefused) {
            return Err(ControlError::Other("no leader".into()));
        }
        self.0.note(format!("compact {}", self.0.nodes[node].name));
        Ok(String::new())
    }
}

#[async_trait]
impl Db for Handle {
    async fn start(&self, node: usize) -> Result<(), ControlError> {
        if self.0.has(Flaw::StartFails) {
            return Err(ControlError::Other("no space left on device".into()));
        }
        let damaged = ("damage".to_owned(), self.0.nodes[node].name.clone());
        let tampered = self
            .0
            .tampered
            .lock()
            .expect("no test thread panicked")
            .contains_key(&damaged);
        if tampered {
            // It sees the damage and ends itself.
            return Ok(());
        }
        if self.0.has(Flaw::StartNeverEnds) {
            std::future::pending::<()>().await;
        }
        self.0
            .set("start", node, &[ProcessState::Gone], ProcessState::Running);
        let fails = {
            let key = ("fsync".to_owned(), self.0.nodes[node].name.clone());
            let tampered = self.0.tampered.lock().expect("no test thread panicked");
            tampered.get(&key).is_some_and(|looks| looks[0] == "fail")
        };
        if self.0.has(Flaw::DiesAfterStart) || self.0.has(Flaw::DiesWhereFsyncFails) && fails {
            let world = self.0.clone();
            tokio::spawn(async move {
                tokio::time::sleep(Duration::from_millis(50)).await;
                world.set("crash", node, &[ProcessState::Running], ProcessState::Gone);
            });
        }
        Ok(())
    }

    async fn kill(&self, node: usize) -> Result<(), ControlError> {
        if !self.0.has(Flaw::KillDoesNothing) {
            let alive = [ProcessState::Running, ProcessState::Stopped];
            self.0.set("kill", node, &alive, ProcessState::Gone);
            self.0.forget_clock(node);
        }
        Ok(())
    }

    async fn stop(&self, node: usize) -> Result<(), ControlError> {
        self.kill(node).await
    }

    async fn pause(&self, node: usize) -> Result<(), ControlError> {
        if !self.0.has(Flaw::PauseDoesNothing) {
            self.0
                .set("pause", node, &[ProcessState::Running], ProcessState::Stopped);
        }
        Ok(())
    }

    async fn resume(&self, node: usize) -> Result<(), ControlError> {
        if !self.0.has(Flaw::ResumeDoesNothing) {
            self.0
                .set("resume", node, &[ProcessState::Stopped], ProcessState::Running);
        }
        Ok(())
    }

    async fn wipe(&self, _: usize) -> Result<(), ControlError> {
        Ok(())
    }

    async fn state(&self, node: usize) -> Result<ProcessState, ControlError> {
        Ok(self.0.states.lock().expect("no test thread panicked")[node])
    }

    async fn ready(&self, _: Duration) -> Result<(), ControlError> {
        Ok(())
    }

    async fn primaries(&self) -> Vec<Primary> {
        let leader = *self.0.leader.lock().expect("no test thread panicked");
        let primary = |node| Primary { node, term: None };
        leader.into_iter().map(primary).collect()
    }

    async fn version(&self) -> String {
        String::new()
    }

    async fn processes(&self, node: usize) -> Vec<Pid> {
        match self.0.states.lock().expect("no test thread panicked")[node] {
            ProcessState::Gone => Vec::new(),
            _ => vec![Pid {
                pid: pid(node),
                started: 1,
            }],
        }
    }

    fn data_dir(&self, _: usize) -> PathBuf {
        PathBuf::new()
    }

    fn log_files(&self, _: usize) -> Vec<PathBuf> {
        Vec::new()
    }
}

#[async_trait]
impl Net for Handle {
    fn control(&self) -> LinkControl {
        if self.0.has(Flaw::NoLinks) {
            LinkControl::None
        } else {
            LinkControl::Switch
        }
    }

    fn can_shape(&self) -> bool {
        !self.0.has(Flaw::NoLinks)
    }

    async fn cut(&self, links: &[Link]) -> Result<(), ControlError> {
        if self.0.has(Flaw::CutFails) {
            return Err(ControlError::Other("iptables: permission denied".into()));
        }
        self.0.cut.lock().expect("no test thread panicked").extend(links);
        Ok(())
    }

    async fn cuts(&self) -> BTreeSet<Link> {
        self.0.cut.lock().expect("no test thread panicked").clone()
    }

    async fn shape(&self, link: Link, shape: Shape) -> Result<(), ControlError> {
        if !self.0.has(Flaw::ShapeDoesNothing) {
            let mut shapes = self.0.shapes.lock().expect("no test thread panicked");
            shapes.insert(link, shape);
        }
        Ok(())
    }

    /// What a link of that shape would do to evenly spaced datagrams, without chance.
    async fn sample(&self, link: Link, count: usize, _: usize, _: Duration) -> Result<Sample, ControlError> {
        let shapes = self.0.shapes.lock().expect("no test thread panicked");
        let shape = shapes.get(&link).copied().unwrap_or_default();
        let share = |share: f64| (count as f64 * share) as usize;
        let lost = share(shape.loss.max(shape.corrupt));
        let way = |n: usize| {
            let least = shape.delay.saturating_sub(shape.jitter);
            least + 2 * shape.jitter * n as u32 / count as u32
        };
        Ok(Sample {
            sent: count,
            arrived: count - lost,
            again: share(shape.duplicate),
            overtaken: share(shape.reorder),
            ways: (lost..count).map(way).collect(),
            lasted: match shape.rate {
                0 => Duration::ZERO,
                rate => Duration::from_secs_f64((count * 1200 * 8) as f64 / rate as f64),
            },
        })
    }

    async fn heal(&self) -> Result<(), ControlError> {
        if !self.0.has(Flaw::HealForgetsOne) {
            self.0.shapes.lock().expect("no test thread panicked").clear();
        }
        let mut cut = self.0.cut.lock().expect("no test thread panicked");
        let kept = cut.first().copied().filter(|_| self.0.has(Flaw::HealForgetsOne));
        cut.clear();
        cut.extend(kept);
        Ok(())
    }

    async fn probe(&self, links: &[Link], limit: Duration) -> Result<Vec<bool>, ControlError> {
        if self.0.has(Flaw::ProbeFails) {
            return Err(ControlError::Other("no sockets left".into()));
        }
        let cut = self.0.cut.lock().expect("no test thread panicked").clone();
        let first_cut = cut.first().copied();
        let passes: Vec<bool> = links
            .iter()
            .map(|link| {
                let leaks = self.0.has(Flaw::CutLeaks) && Some(*link) == first_cut;
                let broken = self.0.has(Flaw::CutBreaksOthers) && !cut.is_empty();
                leaks || !(cut.contains(link) || broken)
            })
            .collect();
        if passes.contains(&false) {
            tokio::time::sleep(limit).await;
        }
        Ok(passes)
    }
}
