//! The vocabulary of the core: what goes in, what comes out, what travels between nodes and what is stored.
//!
//! ```text
//!            Event + now (ns)                       Command
//!  driver ────────────────────▶ Core::handle ────────────────────▶ driver
//!   clock, sockets, disk                          Send, Persist, Reply, …
//! ```
//!
//! The contract between the core and its driver:
//!
//! - **Sending.** A [`Command::Send`] may leave at once, in any order. The core itself withholds every
//!   message that depends on something not yet durable until it gets [`Event::Persisted`]; the driver never
//!   orders messages against writes. The network may lose, repeat and reorder.
//! - **Replying.** A [`Command::Reply`] may leave at once. Every request gets exactly one reply, unless the
//!   process dies first.
//! - **Persisting.** [`Persist`] commands are to be applied to the disk in the order in which they were
//!   given, and any number of them may share one fsync (group commit). When all with an id up to `id` are
//!   durable, the driver says [`Event::Persisted`] with that `id`. After a crash the disk must hold the
//!   effect of some prefix of the commands that includes every one reported durable. A torn one at the end is
//!   dropped as a whole or, when it has only entries, cut to a prefix of them.
//! - **Time.** `now` never runs backwards. The driver hands in [`Event::Tick`] at [`Core::deadline`] or soon
//!   after; a late tick costs liveness only.
//!
//! Units: times in nanoseconds of one monotonic clock of the process, sizes in bytes.
//!
//! [`Core::deadline`]: super::Core::deadline

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::machine;

/// A node's number; unique in a cluster forever, never 0.
pub type NodeId = u64;
/// A term: at most one leader each (Raft §5.1). 0 is before the first election.
pub type Term = u64;
/// A position in the log; the first entry has 1, 0 is before the log.
pub type Index = u64;
/// The driver's own handle for a request to this core; it must not be reused while it is open.
pub type RequestId = u64;
/// The number of a [`Persist`]; counts up from 1 in each life of the process.
pub type PersistId = u64;

/// What a node must remember before it sends anything in a term (Raft figure 2, "persistent state").
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct HardState {
    /// The latest term that the node has seen.
    pub term: Term,
    /// Who got its vote in that term.
    pub voted_for: Option<NodeId>,
}

/// One entry of the replicated log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// The term of the leader that made it.
    pub term: Term,
    /// Its position.
    pub index: Index,
    /// What it says.
    pub payload: Payload,
}

/// What an entry says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Payload {
    /// Nothing; each leader starts its term with one, so that it may commit (Raft §8).
    Noop,
    /// A new membership, in force from the moment it is appended (thesis §4.1).
    Membership(Membership),
    /// Something for the state machine, under a session or not (thesis §6.3).
    Apply {
        /// Makes a repeated request harmless.
        session: Option<Session>,
        /// What to apply.
        command: machine::Command,
    },
    /// Opens a session; its client id is the index of this entry (thesis §6.3).
    OpenSession,
}

/// A client's numbered request (thesis §6.3). A client has one request open at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// From [`Answer::Session`].
    pub client: u64,
    /// Counts up; the same number is the same request and is applied once.
    pub sequence: u64,
}

/// Who is in the cluster.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Membership {
    /// Every member by its number.
    pub members: BTreeMap<NodeId, Member>,
}

/// One member of the cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// Where it is reached; means nothing to the core.
    pub address: String,
    /// Whether it counts in quorums; a learner only receives the log (thesis §4.2.1).
    pub voter: bool,
}

/// One step of membership; one server at a time, so that old and new quorums overlap (thesis §4.1).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Change {
    /// Adds a learner that receives the log and has no vote.
    AddLearner {
        /// The new node.
        id: NodeId,
        /// Where it is reached.
        address: String,
    },
    /// Gives a learner that has caught up a vote.
    Promote {
        /// The learner.
        id: NodeId,
    },
    /// Removes a voter or a learner.
    Remove {
        /// The node that goes.
        id: NodeId,
    },
}

/// The state up to an entry, in place of the log up to there (Raft §7).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Snapshot {
    /// The last entry that it covers.
    pub last_index: Index,
    /// The term of that entry.
    pub last_term: Term,
    /// The membership as of that entry.
    pub membership: Membership,
    /// The state machine and its sessions, as [`machine::Machine::to_bytes`] wrote them.
    pub data: Vec<u8>,
}

/// What a node finds on its disk when it starts; the default is an empty disk.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Stored {
    /// The last durable term and vote.
    pub hard_state: HardState,
    /// The last durable snapshot.
    pub snapshot: Option<Arc<Snapshot>>,
    /// The log: contiguous; it starts at or before the entry that follows the snapshot. Entries up to the
    /// snapshot's may still be there.
    pub entries: Vec<Arc<Entry>>,
}

/// What happens to a core.
#[derive(Debug, Clone)]
pub enum Event {
    /// Time has passed.
    Tick,
    /// A message has come in; the driver has checked nothing but its frame.
    Receive(Message),
    /// Every [`Persist`] up to this one is durable.
    Persisted(PersistId),
    /// A client or an operator wants something.
    Request {
        /// Comes back in the reply.
        id: RequestId,
        /// What is wanted.
        request: Request,
    },
}

/// A request to a core.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Request {
    /// Replicate and apply a command. Only a leader accepts it.
    Apply {
        /// Makes a repeated request harmless.
        session: Option<Session>,
        /// What to apply.
        command: machine::Command,
    },
    /// Open a session (thesis §6.3). Only a leader accepts it.
    OpenSession,
    /// A linearizable read (thesis §6.4). Any member accepts it: a follower asks its leader for the index to
    /// wait for and reads its own state.
    Read {
        /// The register.
        key: String,
    },
    /// Change the membership by one server (thesis §4). Only a leader accepts it.
    Change(Change),
    /// Hand leadership to another voter (thesis §3.10). Only a leader accepts it.
    Transfer {
        /// The next leader; `None` lets the leader pick the voter whose log is furthest along.
        to: Option<NodeId>,
    },
    /// Take a snapshot now and drop all of the log that it covers (Raft §7). Every node accepts it, for
    /// itself alone.
    Snapshot,
}

/// What came of a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Answer {
    /// The command was committed and applied; this is what it returned.
    Applied(machine::Output),
    /// The session is open under this client id.
    Session(u64),
    /// The value at some moment between the request and this answer.
    Read(machine::Value),
    /// The new membership is committed.
    Changed(Membership),
    /// Another leader is known.
    Transferred(NodeId),
    /// This node's snapshot covers the log up to here.
    Snapshot(Index),
}

/// Why a request got no answer. [`RequestError::certain`] says whether it certainly did not happen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum RequestError {
    /// Nothing was appended here; the leader, if known, may accept it.
    #[error("not the leader")]
    NotLeader {
        /// Who leads, as far as this node knows.
        leader: Option<NodeId>,
    },
    /// A bounded queue is full; nothing was appended.
    #[error("too many requests are waiting already")]
    Busy,
    /// The leader is handing over and accepts nothing new; nothing was appended.
    #[error("leadership is being transferred")]
    Transferring,
    /// The leader has not yet committed an entry of its own term (thesis §4.1), or another change is still
    /// open.
    #[error("a membership change is not possible yet")]
    ChangeInProgress,
    /// The change makes no sense for the membership in force; the reason is human-readable.
    #[error("not a possible membership change: {0}")]
    BadChange(String),
    /// The session is unknown or was evicted; this attempt was not applied, an earlier one may have been.
    #[error("the session has expired")]
    SessionExpired,
    /// The session has moved on to a later sequence number; this attempt was not applied.
    #[error("the sequence number is older than the session's last")]
    StaleSequence,
    /// Leadership was lost after the entry was appended: it may yet be committed, or not.
    #[error("leadership was lost before the entry was committed")]
    LeadershipLost,
    /// A read could not be confirmed in time; reads change nothing.
    #[error("the read could not be confirmed in time")]
    ReadTimeout,
    /// The transfer did not happen in time; the old leader continues.
    #[error("leadership was not transferred in time")]
    TransferTimeout,
}

impl RequestError {
    /// Whether the request certainly had no effect and never will. Otherwise it may have happened or may yet.
    pub fn certain(&self) -> bool {
        !matches!(self, RequestError::LeadershipLost | RequestError::TransferTimeout)
    }
}

/// What a core wants done. The module comment says what may be done when.
#[derive(Debug, Clone)]
pub enum Command {
    /// Send a message to `message.to`.
    Send(Message),
    /// Write to disk, in order, and report with [`Event::Persisted`].
    Persist(Persist),
    /// Answer a request.
    Reply {
        /// The request's handle.
        id: RequestId,
        /// What came of it.
        result: Result<Answer, RequestError>,
    },
    /// The membership in force has changed: connect to new addresses, and forget old ones, but not those of
    /// the last change before the next one.
    Membership(Membership),
}

/// One write to the disk. Its parts are to be applied in the order of the fields.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Persist {
    /// Its number.
    pub id: PersistId,
    /// Replaces the stored term and vote, atomically.
    pub hard_state: Option<HardState>,
    /// Replaces the stored snapshot, atomically.
    pub snapshot: Option<PersistSnapshot>,
    /// To append. When the first one's index is not beyond the stored log's end, the stored log from that
    /// index on is removed first (Raft §5.3: conflicting entries).
    pub entries: Vec<Arc<Entry>>,
}

/// A snapshot to store and what becomes of the log below it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PersistSnapshot {
    /// What to store.
    pub snapshot: Arc<Snapshot>,
    /// The log up to this index may go once the snapshot is durable. `Index::MAX`: the whole log must go; it
    /// does not continue the snapshot (Raft §7).
    pub discard_to: Index,
}

/// A message between two nodes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// The sender.
    pub from: NodeId,
    /// The receiver.
    pub to: NodeId,
    /// The sender's term; in [`Body::PreVote`] and a granted [`Body::PreVoteReply`] the term it would start.
    pub term: Term,
    /// What it says.
    pub body: Body,
}

/// What a message says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Body {
    /// "Would you vote for me?" Changes nothing at the receiver (thesis §9.6).
    PreVote {
        /// The sender's last entry.
        last_index: Index,
        /// The term of that entry.
        last_term: Term,
    },
    /// Answers [`Body::PreVote`].
    PreVoteReply {
        /// Yes or no.
        granted: bool,
    },
    /// RequestVote (Raft §5.2).
    Vote {
        /// The sender's last entry.
        last_index: Index,
        /// The term of that entry.
        last_term: Term,
        /// The old leader itself asked for this election (thesis §3.10), so its lease does not count
        /// (§4.2.3).
        transfer: bool,
    },
    /// Answers [`Body::Vote`].
    VoteReply {
        /// Yes or no.
        granted: bool,
    },
    /// AppendEntries (Raft §5.3).
    Append {
        /// The entry before the first of `entries`.
        prev_index: Index,
        /// The term of that entry.
        prev_term: Term,
        /// The leader's commit index.
        commit: Index,
        /// Contiguous, from `prev_index + 1`.
        entries: Vec<Arc<Entry>>,
    },
    /// Answers [`Body::Append`] and [`Body::InstallSnapshot`]: durable here and equal to the leader's.
    Accepted {
        /// The last entry known to be equal.
        match_index: Index,
    },
    /// Answers [`Body::Append`]: the entry before does not match (Raft §5.3, end: fast backtracking).
    Rejected {
        /// The `prev_index` that did not match.
        prev_index: Index,
        /// The follower's entry to try next: its last, or the last one with at most the term of the leader's.
        hint_index: Index,
        /// The term of that entry.
        hint_term: Term,
    },
    /// An empty AppendEntries that no disk holds up: keeps followers quiet (Raft §5.2) and confirms
    /// leadership for reads (thesis §6.4).
    Heartbeat {
        /// The commit index, as far as the receiver is known to have the leader's log.
        commit: Index,
        /// Rounds count up; an answer confirms its round and all before.
        round: u64,
    },
    /// Answers [`Body::Heartbeat`].
    HeartbeatReply {
        /// The round answered.
        round: u64,
    },
    /// The commit index has moved and no Append is due that could carry it. Not answered.
    Commit {
        /// The commit index, as far as the receiver is known to have the leader's log.
        commit: Index,
    },
    /// InstallSnapshot (Raft §7) in one message; its size is bounded by that of the state.
    InstallSnapshot {
        /// The snapshot.
        snapshot: Arc<Snapshot>,
    },
    /// "Start an election now" (thesis §3.10).
    TimeoutNow,
    /// A follower's batch of reads asks for a read index (thesis §6.4).
    ReadIndex {
        /// The follower's number for the batch.
        batch: u64,
    },
    /// Answers [`Body::ReadIndex`] once leadership is confirmed.
    ReadIndexReply {
        /// The batch.
        batch: u64,
        /// Reads of the batch wait until this index is applied.
        index: Index,
    },
}

impl Entry {
    /// About how many bytes it takes on a wire or a disk.
    pub fn size(&self) -> usize {
        use machine::{Command, Value};
        let value = |value: &Value| {
            if let Value::Text(text) = value {
                text.len()
            } else {
                8
            }
        };
        24 + match &self.payload {
            Payload::Noop | Payload::OpenSession => 0,
            Payload::Membership(membership) => membership.members.len() * 32,
            Payload::Apply {
                command: Command::Write { key, value: new },
                ..
            } => key.len() + value(new),
            Payload::Apply {
                command: Command::Cas { key, expected, new },
                ..
            } => key.len() + value(expected) + value(new),
            Payload::Apply {
                command: Command::Add { key, .. },
                ..
            } => key.len() + 8,
        }
    }
}

impl Membership {
    /// The nodes that count in quorums.
    pub fn voters(&self) -> impl Iterator<Item = NodeId> {
        self.members
            .iter()
            .filter(|(_, member)| member.voter)
            .map(|(id, _)| *id)
    }

    /// Whether a node counts in quorums.
    pub fn is_voter(&self, id: NodeId) -> bool {
        self.members.get(&id).is_some_and(|member| member.voter)
    }
}
