//! What a step of the core produces, and the messages that wait for the disk.
//!
//! Invariants:
//! - No message leaves before the term and vote under which it was made are durable (Raft figure 2:
//!   persistent state is "updated on stable storage before responding to RPCs").
//! - [`Body::Accepted`](super::api::Body::Accepted) leaves only when the entries that it vouches for are
//!   durable.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::api::{
    Answer, Body, Command, Entry, HardState, Index, Message, NodeId, Persist, PersistId, PersistSnapshot,
    RequestError, RequestId, Term,
};

#[derive(Debug)]
pub(super) struct Outbox {
    from: NodeId,
    /// Stamped on messages; follows the core's term.
    pub(super) term: Term,
    commands: Vec<Command>,
    pending: Persist,
    next_id: PersistId,
    durable_id: PersistId,
    /// The persist that holds the term and vote in force.
    hard_state_id: PersistId,
    withheld: BTreeMap<PersistId, Vec<Message>>,
    withheld_count: usize,
    max_withheld: usize,
}

impl Outbox {
    pub(super) fn new(from: NodeId, term: Term, max_withheld: usize) -> Outbox {
        Outbox {
            from,
            term,
            commands: Vec::new(),
            pending: Persist::default(),
            next_id: 1,
            durable_id: 0,
            hard_state_id: 0,
            withheld: BTreeMap::new(),
            withheld_count: 0,
            max_withheld,
        }
    }

    /// Sends under the current term, once that term is durable.
    pub(super) fn send(&mut self, to: NodeId, body: Body) {
        self.send_as(to, self.term, body);
    }

    /// Sends under another term: [`Body::PreVote`] names the term that it would start.
    pub(super) fn send_as(&mut self, to: NodeId, term: Term, body: Body) {
        let message = Message {
            from: self.from,
            to,
            term,
            body,
        };
        self.send_after(self.hard_state_id, message);
    }

    /// Sends without waiting for the disk. Only a planted bug does so.
    pub(super) fn send_at_once(&mut self, to: NodeId, body: Body) {
        let (from, term) = (self.from, self.term);
        self.commands
            .push(Command::Send(Message { from, to, term, body }));
    }

    /// Sends once everything that this step and those before gave to the disk is durable.
    pub(super) fn send_when_durable(&mut self, to: NodeId, body: Body) {
        let message = Message {
            from: self.from,
            to,
            term: self.term,
            body,
        };
        let after = if self.has_pending() {
            self.next_id
        } else {
            self.next_id - 1
        };
        self.send_after(after, message);
    }

    fn send_after(&mut self, after: PersistId, message: Message) {
        if after <= self.durable_id {
            self.commands.push(Command::Send(message));
        } else if self.withheld_count < self.max_withheld {
            self.withheld_count += 1;
            self.withheld.entry(after).or_default().push(message);
        }
    }

    pub(super) fn reply(&mut self, id: RequestId, result: Result<Answer, RequestError>) {
        self.commands.push(Command::Reply { id, result });
    }

    pub(super) fn command(&mut self, command: Command) {
        self.commands.push(command);
    }

    pub(super) fn save_hard_state(&mut self, hard_state: HardState) {
        self.pending.hard_state = Some(hard_state);
        self.hard_state_id = self.next_id;
    }

    /// Whether the term and vote in force are durable.
    pub(super) fn hard_state_durable(&self) -> bool {
        self.hard_state_id <= self.durable_id
    }

    pub(super) fn save_entry(&mut self, entry: Arc<Entry>) {
        self.pending.entries.push(entry);
    }

    /// Entries after `index` that were not yet given to the disk never will be. Those that were are removed
    /// when the next entry is written over them.
    pub(super) fn truncate_after(&mut self, index: Index) {
        self.pending.entries.retain(|entry| entry.index <= index);
    }

    pub(super) fn save_snapshot(&mut self, mut save: PersistSnapshot) {
        if let Some(earlier) = &self.pending.snapshot {
            save.discard_to = save.discard_to.max(earlier.discard_to);
        }
        self.pending.snapshot = Some(save);
    }

    /// Whether a snapshot up to `index` of this node's own would reach the disk before an entry that it
    /// covers, or in place of one that a leader has just sent: of one persist the snapshot comes first.
    pub(super) fn is_ahead_of_disk(&self, index: Index) -> bool {
        self.pending
            .entries
            .first()
            .is_some_and(|entry| entry.index <= index)
            || (self.pending.snapshot.as_ref()).is_some_and(|save| save.discard_to == Index::MAX)
    }

    fn has_pending(&self) -> bool {
        let Persist {
            id: _,
            hard_state,
            snapshot,
            entries,
        } = &self.pending;
        hard_state.is_some() || snapshot.is_some() || !entries.is_empty()
    }

    /// Ends a step: hands out everything. Returns the number of the persist, if there is one.
    pub(super) fn flush(&mut self, out: &mut Vec<Command>) -> Option<PersistId> {
        let mut id = None;
        if self.has_pending() {
            let mut persist = std::mem::take(&mut self.pending);
            persist.id = self.next_id;
            id = Some(self.next_id);
            self.next_id += 1;
            out.push(Command::Persist(persist));
        }
        out.append(&mut self.commands);
        id
    }

    /// The disk is done with everything up to `id`: what waited for it may leave.
    pub(super) fn persisted(&mut self, id: PersistId) {
        self.durable_id = self.durable_id.max(id.min(self.next_id - 1));
        while let Some(first) = self.withheld.first_entry()
            && *first.key() <= self.durable_id
        {
            let messages = first.remove();
            self.withheld_count -= messages.len();
            self.commands.extend(messages.into_iter().map(Command::Send));
        }
    }
}
