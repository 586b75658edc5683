//! The Raft core: pure and deterministic, events in, commands out. [`api`] states the contract with the
//! driver.
//!
//! ```text
//!   mod        one step: an event, then what follows from it, then the outbox
//!   election   timers, PreVote, votes, who leads            Raft §5.2, §5.4.1; thesis §3.10, §4.2.3, §9.6
//!   follower   what a leader sends                           Raft §5.3, §7
//!   leader     replication, commitment, CheckQuorum         Raft §5.3, §5.4.2; thesis §6.2, §10.2.1
//!   requests   what clients and operators want              thesis §3.10, §4
//!   reads      linearizable reads                           thesis §6.4
//!   quorum     how many make a quorum, and of whom            Raft §5.2
//!   apply      the state machine and its snapshots          Raft §5.3, §7; thesis §6.3
//!   log, outbox, progress                                   the data that they work on
//!   validity   what holds after every step, checked in debug builds
//! ```
//!
//! Invariants, besides Raft's own: no I/O, no clock, no randomness but the seed's; nothing kept grows without
//! a limit from [`Config`]; nothing leaves before what it depends on is durable.
//!
//! Sources: Ongaro and Ousterhout, "In Search of an Understandable Consensus Algorithm (Extended Version)",
//! cited as Raft; Ongaro, "Consensus: Bridging Theory and Practice", cited as thesis.

pub mod api;
mod apply;
mod config;
mod election;
mod follower;
mod leader;
mod log;
mod outbox;
mod progress;
mod quorum;
mod reads;
mod requests;
#[cfg(test)]
mod tests;
mod validity;

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;

use crate::bug::Bug;
use crate::machine::Machine;
use api::{
    Body, Command, Entry, Event, HardState, Index, Membership, Message, NodeId, Payload, PersistId,
    PersistSnapshot, RequestId, Snapshot, Stored, Term,
};
pub use config::Config;
use leader::Leader;
use log::Log;
use outbox::Outbox;
use reads::Reads;

/// One node's Raft state.
#[derive(Debug)]
pub struct Core {
    config: Config,
    now: u64,
    rng: ChaCha8Rng,
    hard_state: HardState,
    role: State,
    /// Who leads in this term, as far as known.
    leader: Option<NodeId>,
    /// When the leader was last heard.
    heard_ns: u64,
    /// When to start an election.
    election_ns: u64,
    log: Log,
    /// The log is durable up to here.
    durable_index: Index,
    /// What the log will be durable up to, once each persist under way is.
    persisting: VecDeque<(PersistId, Index)>,
    commit: Index,
    applied: Index,
    machine: Machine,
    /// The memberships from the snapshot's on, by the index of their entry; the last is in force (thesis
    /// §4.1).
    memberships: Vec<(Index, Membership)>,
    snapshot: Arc<Snapshot>,
    reads: Reads,
    /// A transfer that made this node step down, until the next leader is known or time is up.
    transferred: Option<(RequestId, u64)>,
    outbox: Outbox,
    conflicts: u64,
    /// The terms that this node has led since it started, the last ones.
    led_terms: VecDeque<Term>,
    /// The machine's digest at the last indices that [`CHECKPOINT_EVERY`] divides.
    checkpoints: VecDeque<(Index, u64)>,
}

/// A node notes its machine's digest whenever it has applied so many entries, so that nodes that are not at
/// the same index can be compared at one that they have passed.
const CHECKPOINT_EVERY: Index = 256;
/// So many of them are kept: more than a second of a busy cluster.
const CHECKPOINTS: usize = 48;
/// So many led terms are kept.
const LED_TERMS: usize = 32;

/// The role and what only it needs.
#[derive(Debug)]
enum State {
    Follower,
    PreCandidate { votes: BTreeSet<NodeId> },
    Candidate { votes: BTreeSet<NodeId> },
    Leader(Box<Leader>),
}

/// A node's role (Raft §5.1), and the candidate's first half (thesis §9.6).
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// Answers leaders and candidates.
    Follower,
    /// Asks whether it could win before it disturbs any other node.
    PreCandidate,
    /// Asks for votes.
    Candidate,
    /// Replicates its log.
    Leader,
}

/// What a node knows about itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// This node.
    pub id: NodeId,
    /// Its term.
    pub term: Term,
    /// Its role.
    pub role: Role,
    /// Who leads, as far as known.
    pub leader: Option<NodeId>,
    /// Its log's last entry.
    pub last_index: Index,
    /// Known to be committed up to here.
    pub commit: Index,
    /// Applied up to here.
    pub applied: Index,
    /// Its snapshot covers up to here.
    pub snapshot_index: Index,
    /// Messages that contradict what Raft promises: another leader in its own term, another entry in the
    /// place of a committed one. Not 0: some node of the cluster has broken the rules.
    pub conflicts: u64,
}

/// Why a core can't start from what was stored.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The snapshot's bytes can't be read.
    #[error("the stored snapshot up to entry {index} is damaged: {source}")]
    Snapshot {
        /// The last entry that it covers.
        index: Index,
        /// What is wrong with it.
        source: postcard::Error,
    },
    /// Entries are missing.
    #[error("the stored log has {found} where entry {expected} belongs")]
    Gap {
        /// The entry that should be there.
        expected: Index,
        /// The entry that is.
        found: Index,
    },
}

impl Core {
    /// A node that starts, for the first time or again, from what is on its disk.
    ///
    /// # Errors
    /// When what is stored can't be a node's state.
    pub fn new(config: Config, stored: Stored, now: u64) -> Result<Core, StartError> {
        let Stored {
            hard_state,
            snapshot,
            entries,
        } = stored;
        let fresh = snapshot.is_none();
        let snapshot = snapshot.unwrap_or_else(|| {
            Arc::new(Snapshot {
                membership: config.initial.clone(),
                ..Snapshot::default()
            })
        });
        let machine = if fresh {
            Machine::new(config.max_sessions)
        } else {
            Machine::from_bytes(&snapshot.data, config.max_sessions).map_err(|source| {
                StartError::Snapshot {
                    index: snapshot.last_index,
                    source,
                }
            })?
        };
        let mut outbox = Outbox::new(config.id, hard_state.term, config.max_withheld);
        let log = restore_log(&snapshot, entries)?;
        let log = log.unwrap_or_else(|| {
            // The crash came between storing a snapshot and removing the log that it replaces.
            let save = PersistSnapshot {
                snapshot: snapshot.clone(),
                discard_to: Index::MAX,
            };
            outbox.save_snapshot(save);
            Log::new(snapshot.last_index, snapshot.last_term)
        });
        let mut memberships = vec![(snapshot.last_index, snapshot.membership.clone())];
        for entry in log.iter().filter(|entry| entry.index > snapshot.last_index) {
            if let Payload::Membership(membership) = &entry.payload {
                memberships.push((entry.index, membership.clone()));
            }
        }
        let mut rng = ChaCha8Rng::seed_from_u64(config.seed);
        let reads = Reads::new(&mut rng);
        let mut core = Core {
            now,
            rng,
            hard_state,
            role: State::Follower,
            leader: None,
            heard_ns: now,
            election_ns: 0,
            durable_index: log.last_index(),
            log,
            persisting: VecDeque::new(),
            commit: snapshot.last_index,
            applied: snapshot.last_index,
            machine,
            memberships,
            snapshot,
            reads,
            transferred: None,
            outbox,
            conflicts: 0,
            led_terms: VecDeque::new(),
            checkpoints: VecDeque::new(),
            config,
        };
        core.reset_election_timer();
        Ok(core)
    }

    /// Takes one event and returns what follows from it. `now` is in nanoseconds and never runs backwards.
    pub fn handle(&mut self, now: u64, event: Event, out: &mut Vec<Command>) {
        self.handle_batch(now, [event], out);
    }

    /// Takes several events at once: the same as one by one, with fewer and larger Appends and persists.
    pub fn handle_batch(
        &mut self,
        now: u64,
        events: impl IntoIterator<Item = Event>,
        out: &mut Vec<Command>,
    ) {
        self.now = self.now.max(now);
        for event in events {
            match event {
                Event::Tick => self.tick(),
                Event::Receive(message) => self.receive(message),
                Event::Persisted(id) => self.persisted(id),
                Event::Request { id, request } => self.request(id, request),
            }
        }
        self.pump_reads();
        self.replicate();
        if let Some(id) = self.outbox.flush(out) {
            self.persisting.push_back((id, self.log.last_index()));
        }
        debug_assert_eq!(self.broken_invariant(), None, "node {}", self.id());
    }

    /// When the next [`Event::Tick`] is due, in nanoseconds.
    pub fn deadline(&self) -> u64 {
        let role = match &self.role {
            State::Leader(leader) => leader.deadline(),
            _ => self.election_ns,
        };
        let transferred = self.transferred.map_or(u64::MAX, |(_, until)| until);
        role.min(transferred)
            .min(self.reads.deadline(&self.config, self.leader))
    }

    /// What the node knows about itself.
    pub fn status(&self) -> Status {
        Status {
            id: self.config.id,
            term: self.hard_state.term,
            role: match self.role {
                State::Follower => Role::Follower,
                State::PreCandidate { .. } => Role::PreCandidate,
                State::Candidate { .. } => Role::Candidate,
                State::Leader(_) => Role::Leader,
            },
            leader: self.leader,
            last_index: self.log.last_index(),
            commit: self.commit,
            applied: self.applied,
            snapshot_index: self.snapshot.last_index,
            conflicts: self.conflicts,
        }
    }

    /// The state machine up to [`Status::applied`]; reading it is a stale read.
    pub fn machine(&self) -> &Machine {
        &self.machine
    }

    /// The terms that this node has led since it started, the last ones, oldest first.
    pub fn led_terms(&self) -> impl Iterator<Item = Term> {
        self.led_terms.iter().copied()
    }

    /// Indices and the machine's digest at them, the last ones, oldest first. Nodes without the same digest
    /// at the same index have drifted apart.
    pub fn checkpoints(&self) -> impl Iterator<Item = (Index, u64)> {
        self.checkpoints.iter().copied()
    }

    /// The membership in force.
    pub fn membership(&self) -> &Membership {
        // Never empty: starts with the snapshot's, and truncation stops at the commit index.
        &self.memberships[self.memberships.len() - 1].1
    }

    /// An entry of the log; `None` where it is compacted or not there yet.
    pub fn entry(&self, index: Index) -> Option<&Arc<Entry>> {
        self.log.get(index)
    }

    /// The index and term of the entry just before the first that [`Core::entry`] still gives.
    pub fn log_base(&self) -> (Index, Term) {
        (
            self.log.base_index(),
            self.log.term(self.log.base_index()).unwrap_or(0),
        )
    }

    /// Whether this planted bug is switched on.
    fn breaks(&self, bug: Bug) -> bool {
        self.config.bugs.contains(bug)
    }

    fn id(&self) -> NodeId {
        self.config.id
    }

    fn tick(&mut self) {
        if let Some((id, until)) = self.transferred
            && self.now >= until
        {
            self.transferred = None;
            self.outbox.reply(id, Err(api::RequestError::TransferTimeout));
        }
        match &self.role {
            State::Leader(_) => self.tick_leader(),
            _ if self.now >= self.election_ns => self.election_timeout(),
            _ => {}
        }
        self.expire_reads();
    }

    fn persisted(&mut self, id: PersistId) {
        self.outbox.persisted(id);
        while let Some(&(first, index)) = self.persisting.front()
            && first <= id
        {
            self.persisting.pop_front();
            self.durable_index = self.durable_index.max(index);
        }
        self.count_votes();
        self.advance_commit();
    }

    fn receive(&mut self, message: Message) {
        let Message { from, to, term, body } = message;
        if to != self.id() || from == self.id() {
            return;
        }
        // PreVote names a term that no node is in yet, so the rules for terms don't apply (thesis §9.6).
        match body {
            Body::PreVote {
                last_index,
                last_term,
            } => return self.on_pre_vote(from, term, last_index, last_term),
            Body::PreVoteReply { granted: true } => return self.on_pre_vote_granted(from, term),
            _ => {}
        }
        let from_leader = matches!(
            body,
            Body::Append { .. } | Body::Heartbeat { .. } | Body::Commit { .. } | Body::InstallSnapshot { .. }
        );
        if term < self.hard_state.term {
            // An old leader or candidate learns the term (Raft §5.1).
            match body {
                Body::Vote { .. } => self.outbox.send(from, Body::VoteReply { granted: false }),
                _ if from_leader => self.outbox.send(from, Body::HeartbeatReply { round: 0 }),
                _ => {}
            }
            return;
        }
        if term > self.hard_state.term {
            // A live leader is not disturbed, unless it asked for that (thesis §4.2.3, §3.10).
            if matches!(body, Body::Vote { transfer: false, .. }) && self.hears_leader() {
                return;
            }
            self.become_follower(term, from_leader.then_some(from));
        }
        if from_leader && !self.follow(from) {
            return;
        }
        match body {
            Body::PreVote { .. } | Body::PreVoteReply { .. } => {}
            Body::Vote {
                last_index,
                last_term,
                ..
            } => self.on_vote(from, last_index, last_term),
            Body::VoteReply { granted } => self.on_vote_reply(from, granted),
            Body::Append {
                prev_index,
                prev_term,
                commit,
                entries,
            } => {
                self.on_append(from, prev_index, prev_term, commit, entries);
            }
            Body::Accepted { match_index } => self.on_accepted(from, match_index),
            Body::Rejected {
                prev_index,
                hint_index,
                hint_term,
            } => {
                self.on_rejected(from, prev_index, hint_index, hint_term);
            }
            Body::Heartbeat { commit, round } => {
                self.commit_to(commit);
                self.outbox.send(from, Body::HeartbeatReply { round });
            }
            Body::HeartbeatReply { round } => self.on_heartbeat_reply(from, round),
            Body::Commit { commit } => self.commit_to(commit),
            Body::InstallSnapshot { snapshot } => self.on_install_snapshot(from, snapshot),
            Body::TimeoutNow => self.on_timeout_now(),
            Body::ReadIndex { batch } => self.on_read_index(from, batch),
            Body::ReadIndexReply { batch, index } => self.on_read_index_reply(batch, index),
        }
    }
}

/// Appends to a queue that keeps the last `most`.
fn push_bounded<T>(queue: &mut VecDeque<T>, most: usize, item: T) {
    if queue.len() >= most {
        queue.pop_front();
    }
    queue.push_back(item);
}

/// The log in memory, or `None` when what is stored doesn't continue the snapshot.
fn restore_log(snapshot: &Snapshot, entries: Vec<Arc<Entry>>) -> Result<Option<Log>, StartError> {
    let Some(first) = entries.first() else {
        return Ok(Some(Log::new(snapshot.last_index, snapshot.last_term)));
    };
    if first.index > snapshot.last_index + 1 {
        return Err(StartError::Gap {
            expected: snapshot.last_index + 1,
            found: first.index,
        });
    }
    let mut log = match first.index {
        1 => Log::new(0, 0),
        index if index == snapshot.last_index + 1 => Log::new(snapshot.last_index, snapshot.last_term),
        index => Log::new(index, first.term),
    };
    let base_index = log.base_index();
    for entry in entries.into_iter().skip_while(|entry| entry.index <= base_index) {
        if entry.index != log.last_index() + 1 {
            return Err(StartError::Gap {
                expected: log.last_index() + 1,
                found: entry.index,
            });
        }
        log.push(entry);
    }
    Ok((log.term(snapshot.last_index) == Some(snapshot.last_term)).then_some(log))
}
