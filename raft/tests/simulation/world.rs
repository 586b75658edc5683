//! The simulated world of one seed: nodes, their disks, the network between them and the clock.
//!
//! Everything that happens is an item in one queue, ordered by time and then by when it was put there, so a
//! seed always gives the same run.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};

use raft::bug::{Bug, Bugs};
use raft::core::api::{Body, Command, Event, Member, Membership, Message, NodeId, RequestId};
use raft::core::{Config, Core, Role};
use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::checks::{Checks, MAX_SESSIONS};
use super::clients::Clients;
use super::disk::Disk;

pub const MS: u64 = 1_000_000;
/// The core's shortest election timeout here.
pub const ELECTION_TIMEOUT: u64 = 100 * MS;

/// No seed needs as many; one that does makes no progress, as a node whose deadline is always now.
const MAX_STEPS: u64 = 200_000;

/// One seed's parameters.
pub struct Plan {
    pub nodes: u64,
    pub bugs: Bugs,
    pub trace: bool,
}

pub struct Node {
    /// `None` while it is down.
    pub core: Option<Core>,
    disk: Disk,
    pub life: u32,
    tick_at: u64,
    /// Until when nothing happens on it, as after SIGSTOP.
    paused_until: u64,
}

#[derive(Debug)]
enum Item {
    Deliver(Message),
    Synced { node: NodeId, life: u32 },
    Tick { node: NodeId, life: u32, at: u64 },
    Fault,
    Client(usize),
}

/// How bad the network is.
struct Weather {
    loss: f64,
    duplication: f64,
    max_delay: u64,
    /// One message in so many is very late.
    straggler: f64,
}

pub struct World {
    pub now: u64,
    pub rng: ChaCha8Rng,
    pub nodes: BTreeMap<NodeId, Node>,
    pub checks: Checks,
    pub steps: u64,
    plan: Plan,
    queue: BinaryHeap<Reverse<(u64, u64)>>,
    items: BTreeMap<u64, Item>,
    next_item: u64,
    /// Links that carry nothing, in one direction.
    cut: BTreeSet<(NodeId, NodeId)>,
    weather: Weather,
    pub clients: Clients,
    pub next_request: RequestId,
    /// How often things happened that a run of seeds must not miss.
    pub tally: BTreeMap<&'static str, u64>,
    /// Faults happen until then.
    faults_until: u64,
    /// The mean time between them.
    fault_pause: u64,
    max_sync: u64,
    snapshot_every: u64,
    initial: Membership,
}

/// What went wrong, and when.
#[derive(Debug)]
pub struct Violation(pub String);

type Step = Result<(), Violation>;

impl World {
    pub fn new(seed: u64, plan: Plan) -> World {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let members = (1..=plan.nodes)
            .map(|id| {
                (
                    id,
                    Member {
                        address: format!("n{id}"),
                        voter: true,
                    },
                )
            })
            .collect();
        let weather = Weather {
            loss: pick(&mut rng, &[0.0, 0.0, 0.01, 0.1]),
            duplication: pick(&mut rng, &[0.0, 0.02, 0.2]),
            max_delay: pick(&mut rng, &[MS, 5 * MS, 20 * MS]),
            straggler: pick(&mut rng, &[0.0, 0.01, 0.05]),
        };
        let mut world = World {
            now: 0,
            nodes: BTreeMap::new(),
            checks: Checks::new(),
            steps: 0,
            queue: BinaryHeap::new(),
            items: BTreeMap::new(),
            next_item: 0,
            cut: BTreeSet::new(),
            weather,
            clients: Clients::new(3),
            next_request: 1,
            tally: BTreeMap::new(),
            faults_until: 1_200 * MS,
            fault_pause: pick(&mut rng, &[60 * MS, 150 * MS, 400 * MS]),
            max_sync: pick(&mut rng, &[MS / 10, 3 * MS, 15 * MS]),
            snapshot_every: pick(&mut rng, &[10, 40, 1_000]),
            initial: Membership { members },
            rng,
            plan,
        };
        // Two more nodes are up and may be added later.
        for id in 1..=world.plan.nodes + 2 {
            let node = Node {
                core: None,
                disk: Disk::new(world.plan.bugs.contains(Bug::SkipFsync)),
                life: 0,
                tick_at: u64::MAX,
                paused_until: 0,
            };
            world.nodes.insert(id, node);
            world.start(id);
        }
        for client in 0..world.clients.count() {
            world.at(MS, Item::Client(client));
        }
        world.at(150 * MS, Item::Fault);
        world
    }

    /// Runs the whole seed: first with faults, then without, to see progress.
    pub fn run(&mut self) -> Step {
        while self.now < self.faults_until {
            self.step()?;
        }
        self.heal();
        let commits = self.checks.committed_index();
        let acknowledged = self.clients.acknowledged;
        // Generous: an election takes one or two timeouts, catching up a few more.
        let until = self.now + 40 * ELECTION_TIMEOUT;
        while self.clients.acknowledged < acknowledged + 3 || self.checks.committed_index() <= commits {
            if self.now >= until {
                return Err(Violation(format!(
                    "liveness: no leader commits; {}",
                    self.describe()
                )));
            }
            self.step()?;
        }
        for node in self.nodes.values() {
            if let Some(core) = &node.core {
                self.checks.machine_is_right(core).map_err(Violation)?;
            }
        }
        Ok(())
    }

    fn step(&mut self) -> Step {
        let Some(Reverse((at, number))) = self.queue.pop() else {
            return Err(Violation("nothing is left to happen".to_owned()));
        };
        self.now = at;
        self.steps += 1;
        if self.steps > MAX_STEPS {
            return Err(Violation(format!("too many steps; {}", self.describe())));
        }
        let Some(item) = self.items.remove(&number) else {
            return Ok(());
        };
        let on = match &item {
            Item::Deliver(message) => message.to,
            Item::Synced { node, .. } | Item::Tick { node, .. } => *node,
            Item::Fault | Item::Client(_) => 0,
        };
        if let Some(node) = self.nodes.get(&on)
            && node.paused_until > at
        {
            let later = node.paused_until - at;
            self.at(later, item);
            return Ok(());
        }
        match item {
            Item::Deliver(message) => self.feed(message.to, Event::Receive(message)),
            Item::Synced { node, life } => {
                if self.nodes[&node].life != life {
                    return Ok(());
                }
                let disk = &mut self.node(node).disk;
                let id = disk.end_sync();
                if disk.begin_sync() {
                    self.schedule_sync(node);
                }
                id.map_or(Ok(()), |id| self.feed(node, Event::Persisted(id)))
            }
            Item::Tick { node, life, at } => {
                let target = &self.nodes[&node];
                if target.life == life && target.tick_at == at {
                    self.node(node).tick_at = u64::MAX;
                    self.feed(node, Event::Tick)
                } else {
                    Ok(())
                }
            }
            Item::Fault => {
                if self.now < self.faults_until {
                    self.fault()?;
                    let pause = self.rng.random_range(MS..2 * self.fault_pause);
                    self.at(pause, Item::Fault);
                }
                Ok(())
            }
            Item::Client(client) => {
                let wait = super::clients::act(self, client)?;
                self.at(wait, Item::Client(client));
                Ok(())
            }
        }
    }

    /// Gives an event to a node and does what it commands.
    pub fn feed(&mut self, id: NodeId, event: Event) -> Step {
        let now = self.now;
        let trace = self.plan.trace;
        let node = self.node(id);
        let Some(core) = &mut node.core else { return Ok(()) };
        if trace {
            println!("{:>9.3} ms  {id} ◀ {event:?}", now as f64 / MS as f64);
        }
        let brought = match &event {
            Event::Receive(message) => Some(message.body.clone()),
            _ => None,
        };
        let ticked = matches!(event, Event::Tick);
        let mut commands = Vec::new();
        core.handle(now, event, &mut commands);
        let node = &self.nodes[&id];
        if let (Some(core), true) = (&node.core, ticked)
            && core.deadline() <= now
        {
            return Err(Violation(format!(
                "the driver would spin: after a tick the deadline is still {} ns away: {:?}",
                core.deadline() as i64 - now as i64,
                core.status()
            )));
        }
        let checked = match &node.core {
            Some(core) => self.checks.step(core, node.life, brought.as_ref()),
            None => Ok(()),
        };
        self.do_commands(id, commands)?;
        self.schedule_tick(id);
        checked.map_err(Violation)
    }

    fn do_commands(&mut self, id: NodeId, commands: Vec<Command>) -> Step {
        for command in commands {
            if self.plan.trace {
                println!("{:>14}{id} ▶ {command:?}", "");
            }
            match command {
                Command::Send(message) => {
                    match &message.body {
                        Body::InstallSnapshot { .. } => self.count("a snapshot was sent"),
                        Body::ReadIndexReply { .. } => self.count("a follower could read"),
                        Body::Rejected { .. } => self.count("logs did not match"),
                        Body::TimeoutNow => self.count("a leader handed over"),
                        _ => {}
                    }
                    self.send(message);
                }
                Command::Persist(persist) => {
                    if self.node(id).disk.write(persist) {
                        self.schedule_sync(id);
                    }
                }
                Command::Reply { id, result } => super::clients::reply(self, id, result)?,
                Command::Membership(_) => {}
            }
        }
        Ok(())
    }

    fn send(&mut self, message: Message) {
        if self.cut.contains(&(message.from, message.to)) || self.rng.random_bool(self.weather.loss) {
            return;
        }
        let copies = 1 + u64::from(self.rng.random_bool(self.weather.duplication));
        for _ in 0..copies {
            let mut delay = self.rng.random_range(MS / 20..=self.weather.max_delay);
            if self.rng.random_bool(self.weather.straggler) {
                delay += self.rng.random_range(0..4 * ELECTION_TIMEOUT);
            }
            self.at(delay, Item::Deliver(message.clone()));
        }
    }

    fn fault(&mut self) -> Step {
        let everyone: Vec<NodeId> = self.nodes.keys().copied().collect();
        let one = pick(&mut self.rng, &everyone);
        let leader = self.leader().unwrap_or(one);
        match self.rng.random_range(0..18) {
            0 => self.crash(one),
            1 => self.crash(leader),
            2 if self.rng.random_bool(0.3) => everyone.iter().for_each(|id| self.crash(*id)),
            2..=5 => self.start_all(),
            6 => {
                let side: BTreeSet<NodeId> = everyone
                    .iter()
                    .copied()
                    .filter(|_| self.rng.random_bool(0.5))
                    .collect();
                self.cut_between(|from, to| side.contains(&from) != side.contains(&to));
            }
            7 => self.cut_between(|from, to| from == leader || to == leader),
            // One way: the leader is heard and hears nothing, or the reverse.
            8 => self.cut_between(|_, to| to == leader),
            9 => self.cut_between(|from, to| (from, to) == (leader, one)),
            10 | 14 | 15 => {
                self.cut.clear();
                self.note("mend every link");
            }
            11 => {
                let until = self.now + self.rng.random_range(MS..3 * ELECTION_TIMEOUT);
                self.node(one).paused_until = until;
                self.note(&format!("pause {one} until {} ms", until / MS));
            }
            12 => super::clients::transfer(self, leader, one)?,
            13 => super::clients::snapshot(self, one)?,
            _ => super::clients::change(self, leader, one)?,
        }
        Ok(())
    }

    fn cut_between(&mut self, separates: impl Fn(NodeId, NodeId) -> bool) {
        let ids: Vec<NodeId> = self.nodes.keys().copied().collect();
        let pairs = ids.iter().flat_map(|from| ids.iter().map(|to| (*from, *to)));
        self.cut = pairs
            .filter(|(from, to)| from != to && separates(*from, *to))
            .collect();
        self.note(&format!("cut {:?}", self.cut));
    }

    fn heal(&mut self) {
        self.cut.clear();
        self.weather = Weather {
            loss: 0.0,
            duplication: 0.0,
            max_delay: 5 * MS,
            straggler: 0.0,
        };
        self.nodes.values_mut().for_each(|node| node.paused_until = 0);
        self.note("heal");
        self.start_all();
    }

    fn start_all(&mut self) {
        let down: Vec<NodeId> = self
            .nodes
            .iter()
            .filter(|(_, node)| node.core.is_none())
            .map(|(id, _)| *id)
            .collect();
        down.into_iter().for_each(|id| self.start(id));
    }

    fn crash(&mut self, id: NodeId) {
        let World { nodes, rng, .. } = self;
        let Some(node) = nodes.get_mut(&id) else { return };
        if node.core.take().is_some() {
            node.life += 1;
            node.paused_until = 0;
            node.disk.crash(rng);
            self.checks.forget(id);
            self.count("a node crashed");
            self.clients.node_died(id);
            self.note(&format!("crash {id}"));
        }
    }

    fn start(&mut self, id: NodeId) {
        let initial = if id <= self.plan.nodes {
            self.initial.clone()
        } else {
            Membership::default()
        };
        let mut config = Config::new(id, initial, self.rng.next_u64());
        config.election_timeout_ns = ELECTION_TIMEOUT;
        config.heartbeat_ns = ELECTION_TIMEOUT / 5;
        config.resend_ns = ELECTION_TIMEOUT / 2;
        config.read_timeout_ns = 4 * ELECTION_TIMEOUT;
        // Small limits, so that they are met.
        config.max_append_entries = 4;
        config.max_inflight = 3;
        config.max_sessions = MAX_SESSIONS;
        config.max_withheld = 64;
        config.snapshot_every = self.snapshot_every;
        config.keep_entries = 5;
        config.bugs = self.plan.bugs;
        let now = self.now;
        let node = self.node(id);
        let core = Core::new(config, node.disk.stored(), now);
        node.core = Some(core.expect("a simulated disk is never damaged"));
        self.note(&format!("start {id}"));
        self.schedule_tick(id);
    }

    /// Who leads in the highest term, as seen from outside.
    pub fn leader(&self) -> Option<NodeId> {
        let leads = self
            .nodes
            .values()
            .filter_map(|node| node.core.as_ref())
            .map(Core::status);
        leads
            .filter(|status| status.role == Role::Leader)
            .max_by_key(|status| status.term)
            .map(|s| s.id)
    }

    pub fn describe(&self) -> String {
        let nodes = self.nodes.values().filter_map(|node| node.core.as_ref());
        nodes
            .map(|core| format!("\n  {:?} {:?}", core.status(), core.membership()))
            .collect()
    }

    pub fn count(&mut self, what: &'static str) {
        *self.tally.entry(what).or_default() += 1;
    }

    pub fn note(&self, what: &str) {
        if self.plan.trace {
            println!("{:>9.3} ms  ── {what}", self.now as f64 / MS as f64);
        }
    }

    fn node(&mut self, id: NodeId) -> &mut Node {
        self.nodes.get_mut(&id).expect("only nodes that exist are named")
    }

    fn schedule_sync(&mut self, node: NodeId) {
        let life = self.nodes[&node].life;
        let delay = self.rng.random_range(0..=self.max_sync);
        self.at(delay, Item::Synced { node, life });
    }

    fn schedule_tick(&mut self, id: NodeId) {
        let now = self.now;
        let node = self.node(id);
        let Some(core) = &node.core else { return };
        let at = core.deadline().max(now);
        if at != node.tick_at {
            node.tick_at = at;
            let life = node.life;
            self.at(at - now, Item::Tick { node: id, life, at });
        }
    }

    fn at(&mut self, after: u64, item: Item) {
        self.next_item += 1;
        self.queue.push(Reverse((self.now + after, self.next_item)));
        self.items.insert(self.next_item, item);
    }
}

pub fn pick<T: Copy>(rng: &mut impl Rng, from: &[T]) -> T {
    from[rng.random_range(0..from.len())]
}
