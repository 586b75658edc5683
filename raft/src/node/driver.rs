//! The driver: gathers what has happened, hands it to the core in one batch, and does what the core wants
//! done.
//!
//! Invariants:
//! - Every request gets exactly one answer, at the latest when its time is up.
//! - Numbers of requests are never used twice in a process; across processes [`Origin::life`] tells them
//!   apart.
//! - The core alone decides what must be durable before what is sent ([`crate::core::api`]); the driver only
//!   hands writes over in order and reports when they are done.

use std::collections::BTreeMap;
use std::time::Instant;

use bytes::Bytes;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};

use super::answer::Refusal;
use super::metrics::Metrics;
use super::pending::{Pending, ReplyTo};
use super::status::StatusAnswer;
use super::wire::{self, Origin, Wire};
use super::{NodeConfig, NodeError, nanos};
use crate::core::api::{Answer, Command, Event, Membership, NodeId, Request, RequestError, RequestId};
use crate::core::{Core, Role, Status};
use crate::machine::Value;
use crate::storage::{Storage, StorageError, StorageOptions, Synced, Writer};
use crate::transport::{Incoming, MAX_PAYLOAD_BYTES, Transport};

/// How many of each kind one turn takes in. Larger turns make larger writes and frames, and longer pauses.
const TURN_INPUTS: usize = 512;
/// How many frames wait for the driver before the peers' connections do.
const INCOMING_FRAMES: usize = 512;
/// What goes to one peer is sent once it has grown to this, even before the turn ends.
const FRAME_BYTES: usize = 1 << 20;

/// A request of the HTTP server to the driver.
#[derive(Debug)]
enum Call {
    Request(Request, oneshot::Sender<Result<Answer, Refusal>>),
    StaleRead(String, oneshot::Sender<Value>),
    Status(oneshot::Sender<StatusAnswer>),
    Metrics(oneshot::Sender<String>),
}

/// The HTTP server's end of the driver.
#[derive(Debug, Clone)]
pub(super) struct Handle {
    calls: mpsc::Sender<Call>,
}

impl Handle {
    /// Sends a request to the core, or to the leader's if this node does not lead.
    pub(super) async fn request(&self, request: Request) -> Result<Answer, Refusal> {
        self.call(|reply| Call::Request(request, reply)).await?
    }

    /// The value in this node's state, however old that is.
    pub(super) async fn stale_read(&self, key: String) -> Result<Value, Refusal> {
        self.call(|reply| Call::StaleRead(key, reply)).await
    }

    /// What this node knows about itself.
    pub(super) async fn status(&self) -> Result<StatusAnswer, Refusal> {
        self.call(Call::Status).await
    }

    /// The counters, as text.
    pub(super) async fn metrics(&self) -> Result<String, Refusal> {
        self.call(Call::Metrics).await
    }

    async fn call<T>(&self, call: impl FnOnce(oneshot::Sender<T>) -> Call) -> Result<T, Refusal> {
        let (reply, answer) = oneshot::channel();
        self.calls.try_send(call(reply)).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => Refusal::overloaded(),
            mpsc::error::TrySendError::Closed(_) => Refusal::stopping(),
        })?;
        answer.await.map_err(|_| Refusal::stopping())
    }
}

/// See the module comment.
pub(super) struct Driver {
    core: Core,
    /// What the core wants done; empty between turns.
    commands: Vec<Command>,
    /// What goes to the core in this turn.
    events: Vec<Event>,
    outbox: BTreeMap<NodeId, Outgoing>,
    pending: Pending,
    /// Where the core's time begins.
    epoch: Instant,
    known: Status,
    metrics: Metrics,
    life: u64,
    // The receivers come before the writer: when all is dropped, the writer's last report must fail rather
    // than wait.
    calls: mpsc::Receiver<Call>,
    incoming: mpsc::Receiver<Incoming>,
    synced: mpsc::UnboundedReceiver<Result<Synced, StorageError>>,
    /// Those of the last change.
    members: Membership,
    transport: Transport,
    writer: Writer,
}

/// What goes to one peer at the end of the turn.
#[derive(Debug, Default)]
struct Outgoing {
    payload: Vec<u8>,
    /// The forwarded requests in it.
    forwards: Vec<RequestId>,
}

/// What a turn begins with.
#[derive(Default)]
struct Inputs {
    calls: Vec<Call>,
    incoming: Vec<Incoming>,
    synced: Vec<Result<Synced, StorageError>>,
}

impl Driver {
    /// Reads the disk, starts the core from it, and listens for peers.
    pub(super) fn start(config: &NodeConfig, listener: TcpListener) -> Result<(Driver, Handle), NodeError> {
        let options = StorageOptions {
            bugs: config.bugs,
            ..config.storage.clone()
        };
        let (storage, stored) = Storage::open(&config.data_dir, options)?;
        let epoch = Instant::now();
        let core = Core::new(config.core(), stored, 0)?;
        let (report, synced) = mpsc::unbounded_channel();
        // There is no receiver any more once the node stops.
        let writer =
            Writer::start(storage, move |result| drop(report.send(result))).map_err(NodeError::Thread)?;
        let (frames, incoming) = mpsc::channel(INCOMING_FRAMES);
        let transport = Transport::start(config.transport(), listener, frames);
        let (calls_sender, calls) = mpsc::channel(config.max_pending);
        let mut driver = Driver {
            known: core.status(),
            core,
            commands: Vec::new(),
            events: Vec::new(),
            outbox: BTreeMap::new(),
            pending: Pending::new(config.max_pending, nanos(config.request_timeout)),
            epoch,
            metrics: Metrics::default(),
            life: rand::random(),
            calls,
            incoming,
            synced,
            members: Membership::default(),
            transport,
            writer,
        };
        let membership = driver.core.membership().clone();
        driver.connect(&membership);
        Ok((driver, Handle { calls: calls_sender }))
    }

    /// Turns until the disk fails.
    pub(super) async fn run(mut self) -> Result<(), NodeError> {
        let mut inputs = Inputs::default();
        loop {
            self.wait(&mut inputs).await?;
            self.turn(&mut inputs)?;
            // Tasks that were woken get a turn too, on a runtime with one thread.
            tokio::task::yield_now().await;
        }
    }

    /// Waits until there is something to do, and takes in everything that is ready.
    async fn wait(&mut self, inputs: &mut Inputs) -> Result<(), NodeError> {
        let deadline = self.core.deadline().min(self.pending.deadline());
        let deadline = self.epoch + std::time::Duration::from_nanos(deadline);
        tokio::select! {
            count = self.synced.recv_many(&mut inputs.synced, TURN_INPUTS) => {
                if count == 0 {
                    return Err(NodeError::Stopped("log-writer"));
                }
            }
            _ = self.incoming.recv_many(&mut inputs.incoming, TURN_INPUTS) => {}
            _ = self.calls.recv_many(&mut inputs.calls, TURN_INPUTS) => {}
            () = tokio::time::sleep_until(deadline.into()) => {}
        }
        fill(&mut inputs.incoming, || self.incoming.try_recv().ok());
        fill(&mut inputs.calls, || self.calls.try_recv().ok());
        fill(&mut inputs.synced, || self.synced.try_recv().ok());
        Ok(())
    }

    fn turn(&mut self, inputs: &mut Inputs) -> Result<(), NodeError> {
        let now = nanos(self.epoch.elapsed());
        self.metrics.turns += 1;
        for synced in inputs.synced.drain(..) {
            let synced = synced?;
            self.metrics.fsyncs += 1;
            self.metrics.fsync += synced.took;
            self.metrics.synced_bytes += synced.bytes as u64;
            self.events.push(Event::Persisted(synced.up_to));
        }
        for incoming in inputs.incoming.drain(..) {
            self.incoming(now, incoming);
        }
        for call in inputs.calls.drain(..) {
            self.call(now, call);
        }
        if now >= self.core.deadline() {
            self.events.push(Event::Tick);
        }
        let mut commands = std::mem::take(&mut self.commands);
        self.core.handle_batch(now, self.events.drain(..), &mut commands);
        for command in commands.drain(..) {
            self.execute(command);
        }
        self.commands = commands;
        for expired in self.pending.expired(now) {
            self.refuse(expired, Refusal::timeout());
        }
        while let Some((peer, _)) = self.outbox.first_key_value() {
            self.flush(*peer);
        }
        self.observe();
        Ok(())
    }

    fn incoming(&mut self, now: u64, incoming: Incoming) {
        let (from, payload) = match incoming {
            Incoming::Frame { from, payload } => (from, payload),
            Incoming::Greeted { from, address } => return self.transport.welcome(from, address),
            Incoming::Lost { to } => {
                for reply in self.pending.forwarded_to(to) {
                    self.refuse(reply, Refusal::connection_lost());
                }
                return;
            }
        };
        for wire in wire::decode(&payload) {
            match wire {
                Ok(Wire::Raft(message)) if message.from == from => self.events.push(Event::Receive(message)),
                Ok(Wire::Raft(message)) => {
                    tracing::warn!(from, claimed = message.from, "a message in another node's name");
                }
                Ok(Wire::Forward { origin, request }) => {
                    let reply = ReplyTo::Peer { peer: from, origin };
                    match self.pending.open(now, reply) {
                        Ok(id) => self.ask_core(id, request),
                        Err(_) => self.forwarded(from, origin, Err(RequestError::Busy)),
                    }
                }
                Ok(Wire::Forwarded { origin, result }) if origin.life == self.life => {
                    self.reply(origin.request, result);
                }
                Ok(Wire::Forwarded { .. }) => {}
                Err(error) => tracing::warn!(from, %error, "cannot decode a peer's message"),
            }
        }
    }

    fn call(&mut self, now: u64, call: Call) {
        match call {
            Call::Request(request, reply) => self.client(now, request, reply),
            // A client that no longer listens needs no answer.
            Call::StaleRead(key, reply) => drop(reply.send(self.core.machine().read(&key))),
            Call::Status(reply) => {
                let (waiting, queued_bytes) = (self.pending.len(), self.transport.queued_bytes());
                drop(reply.send(StatusAnswer::of(&self.core, waiting, queued_bytes)));
            }
            Call::Metrics(reply) => {
                let (status, counters) = (self.core.status(), self.transport.counters());
                drop(reply.send(self.metrics.text(&status, self.pending.len(), counters)));
            }
        }
    }

    fn client(&mut self, now: u64, request: Request, reply: oneshot::Sender<Result<Answer, Refusal>>) {
        // Any member's core accepts reads: it only asks the leader for an index (thesis §6.4).
        let is_own = matches!(request, Request::Read { .. } | Request::Snapshot);
        let id = match self.pending.open(now, ReplyTo::Client(reply)) {
            Ok(id) => id,
            Err(reply) => return self.refuse(reply, Refusal::overloaded()),
        };
        let own = self.known.id;
        match self.core.status().leader {
            _ if is_own => self.ask_core(id, request),
            Some(leader) if leader != own => self.forward(id, leader, request),
            _ => self.ask_core(id, request),
        }
    }

    fn ask_core(&mut self, id: RequestId, request: Request) {
        self.metrics.request(&request);
        self.events.push(Event::Request { id, request });
    }

    fn forward(&mut self, id: RequestId, leader: NodeId, request: Request) {
        self.metrics.forwards += 1;
        let origin = Origin {
            life: self.life,
            request: id,
        };
        self.pending.forward(id, leader);
        self.outbox.entry(leader).or_default().forwards.push(id);
        self.say(leader, &Wire::Forward { origin, request });
    }

    fn execute(&mut self, command: Command) {
        match command {
            Command::Send(message) => {
                let to = message.to;
                self.say(to, &Wire::Raft(message));
            }
            Command::Persist(persist) => self.writer.persist(persist),
            Command::Reply { id, result } => self.reply(id, result),
            Command::Membership(membership) => self.connect(&membership),
        }
    }

    /// Passes an answer on to the caller, unless the time was up before.
    fn reply(&mut self, id: RequestId, result: Result<Answer, RequestError>) {
        match self.pending.close(id) {
            Some(ReplyTo::Peer { peer, origin }) => self.forwarded(peer, origin, result),
            Some(ReplyTo::Client(reply)) => {
                self.metrics.refusals += u64::from(result.is_err());
                drop(reply.send(result.map_err(Refusal::from)));
            }
            None => {}
        }
    }

    fn refuse(&mut self, reply: ReplyTo, refusal: Refusal) {
        self.metrics.refusals += 1;
        match reply {
            ReplyTo::Client(reply) => drop(reply.send(Err(refusal))),
            // The node that forwarded it has a deadline of its own.
            ReplyTo::Peer { .. } => {}
        }
    }

    fn forwarded(&mut self, peer: NodeId, origin: Origin, result: Result<Answer, RequestError>) {
        self.say(peer, &Wire::Forwarded { origin, result });
    }

    fn say(&mut self, peer: NodeId, wire: &Wire) {
        let outgoing = self.outbox.entry(peer).or_default();
        if !wire::encode(&mut outgoing.payload, wire) {
            tracing::error!(peer, "cannot encode a message to a peer");
        }
        if outgoing.payload.len() >= FRAME_BYTES {
            self.flush(peer);
        }
    }

    /// Sends what has gathered for a peer.
    fn flush(&mut self, peer: NodeId) {
        let Some(Outgoing { payload, forwards }) = self.outbox.remove(&peer) else {
            return;
        };
        if payload.len() > MAX_PAYLOAD_BYTES {
            tracing::error!(peer, bytes = payload.len(), "a message is too large for a frame");
        }
        if payload.is_empty() || self.transport.send(peer, Bytes::from(payload)) {
            return;
        }
        for id in forwards {
            if let Some(reply) = self.pending.close(id) {
                self.refuse(
                    reply,
                    Refusal::no_leader(format!("cannot reach node {peer}, the leader")),
                );
            }
        }
    }

    /// A member is removed before that is committed (thesis §4.1): until then the others must be able to
    /// answer it, above all when it leads. So the members before these are kept, too.
    fn connect(&mut self, membership: &Membership) {
        let mut peers = std::mem::replace(&mut self.members, membership.clone()).members;
        peers.extend(membership.members.clone());
        self.transport
            .set_peers(peers.iter().map(|(id, member)| (*id, member.address.as_str())));
    }

    /// Logs what has changed in the last turn.
    fn observe(&mut self) {
        let status = self.core.status();
        let known = std::mem::replace(&mut self.known, status);
        let status = &self.known;
        self.metrics.commits += status.commit - known.commit;
        // A node that is its own quorum is elected within a turn.
        let stood = matches!(status.role, Role::Candidate | Role::Leader) && status.term > known.term;
        self.metrics.elections += u64::from(stood);
        if status.role != known.role {
            let (from, to, term) = (known.role, status.role, status.term);
            self.metrics.leaderships += u64::from(to == Role::Leader);
            tracing::info!(term, "was {from:?}, is {to:?}");
        }
        if (status.leader, status.term) != (known.leader, known.term)
            && let Some(leader) = status.leader
        {
            tracing::info!(term = status.term, leader, "there is a leader");
        }
        if status.snapshot_index != known.snapshot_index {
            self.metrics.snapshots += 1;
            tracing::info!(index = status.snapshot_index, "a new snapshot");
        }
        if status.conflicts != known.conflicts {
            tracing::error!(
                count = status.conflicts,
                "some node of the cluster has broken Raft's rules"
            );
        }
    }
}

fn fill<T>(inputs: &mut Vec<T>, mut next: impl FnMut() -> Option<T>) {
    while inputs.len() < TURN_INPUTS
        && let Some(input) = next()
    {
        inputs.push(input);
    }
}
