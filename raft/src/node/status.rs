//! What `GET /status` answers: who this node is, what it knows, and what lets an observer compare nodes.

use serde::Serialize;

use super::answer::{MemberAnswer, member_answers};
use crate::core::api::{Index, NodeId, Term};
use crate::core::{Core, Role};

/// See the module comment.
#[derive(Debug, Serialize)]
pub(super) struct StatusAnswer {
    id: NodeId,
    term: Term,
    role: Role,
    leader: Option<NodeId>,
    commit: Index,
    applied: Index,
    last_index: Index,
    snapshot_index: Index,
    members: Vec<MemberAnswer>,
    /// Messages that break Raft's rules; not 0 when some node has broken them.
    conflicts: u64,
    /// The last terms that this process has led, oldest first. Two nodes never lead the same one.
    led_terms: Vec<Term>,
    /// What was executed up to `applied`.
    digest: Checkpoint,
    /// The same at some earlier indices, the same ones on every node: nodes that differ at one have drifted
    /// apart.
    checkpoints: Vec<Checkpoint>,
    /// Requests that wait for an answer.
    waiting: usize,
    /// Bytes that wait to be sent to peers.
    queued_bytes: usize,
    version: &'static str,
}

/// A hash of what was executed up to an index.
#[derive(Debug, Serialize)]
struct Checkpoint {
    index: Index,
    /// In hexadecimal: not every reader of JSON has whole numbers of 64 bits.
    hash: String,
}

impl Checkpoint {
    fn new((index, digest): (Index, u64)) -> Checkpoint {
        let hash = format!("{digest:016x}");
        Checkpoint { index, hash }
    }
}

impl StatusAnswer {
    /// What a node with this core says of itself; `waiting` requests are open and `queued_bytes` unsent.
    pub(super) fn of(core: &Core, waiting: usize, queued_bytes: usize) -> StatusAnswer {
        let status = core.status();
        StatusAnswer {
            id: status.id,
            term: status.term,
            role: status.role,
            leader: status.leader,
            commit: status.commit,
            applied: status.applied,
            last_index: status.last_index,
            snapshot_index: status.snapshot_index,
            members: member_answers(core.membership()),
            conflicts: status.conflicts,
            led_terms: core.led_terms().collect(),
            digest: Checkpoint::new((status.applied, core.machine().digest())),
            checkpoints: core.checkpoints().map(Checkpoint::new).collect(),
            waiting,
            queued_bytes,
            version: env!("CARGO_PKG_VERSION"),
        }
    }

    /// The members without a vote.
    pub(super) fn learners(&self) -> impl Iterator<Item = NodeId> + '_ {
        self.members
            .iter()
            .filter(|member| !member.voter)
            .map(|member| member.id)
    }
}
