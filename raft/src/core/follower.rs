//! What a follower does with what its leader says: Appends (Raft §5.3) and snapshots (Raft §7).

use std::sync::Arc;

use super::api::{Body, Command, Entry, Index, NodeId, Payload, PersistSnapshot, Snapshot, Term};
use super::{Core, Log};
use crate::bug::Bug;
use crate::machine::Machine;

impl Core {
    pub(super) fn on_append(
        &mut self,
        from: NodeId,
        prev_index: Index,
        prev_term: Term,
        commit: Index,
        entries: Vec<Arc<Entry>>,
    ) {
        let contiguous = entries
            .iter()
            .zip(prev_index + 1..)
            .all(|(entry, index)| entry.index == index);
        if !contiguous {
            return;
        }
        let end = prev_index + entries.len() as u64;
        // What is committed is the same in every leader's log (leader completeness, Raft §5.4.3), so an
        // Append that starts below the commit index is known to match up to there.
        if prev_index >= self.commit && self.log.term(prev_index) != Some(prev_term) {
            let (hint_index, hint_term) = self.log.last_at_most(prev_index, prev_term);
            let body = Body::Rejected {
                prev_index,
                hint_index,
                hint_term,
            };
            return self.outbox.send(from, body);
        }
        for entry in entries {
            let here = self.log.term(entry.index);
            if self.is_kept(here, entry.term) || entry.index <= self.log.base_index() {
                continue;
            }
            if entry.index <= self.commit {
                self.conflicts += 1;
                continue;
            }
            if here.is_some() {
                self.truncate_after(entry.index - 1);
            }
            self.append_entry(entry);
        }
        self.keep_what_follows(end);
        let match_index = end.max(self.commit);
        self.commit_to(self.may_be_committed(commit, match_index));
        self.accept(from, self.known_equal(match_index));
    }

    /// An entry here stays if it is the leader's, which the term tells (Raft §5.3).
    fn is_kept(&self, here: Option<Term>, term: Term) -> bool {
        if self.breaks(Bug::NoTruncate) {
            return here.is_some();
        }
        here == Some(term)
    }

    /// Entries beyond an Append stay: it may be an old one, and they may be acknowledged since.
    fn keep_what_follows(&mut self, end: Index) {
        if self.breaks(Bug::TruncateAlways) && (self.commit..self.log.last_index()).contains(&end) {
            self.truncate_after(end);
        }
    }

    /// What the leader has committed, as far as this log is known to be equal to its (Raft figure 2: "index
    /// of last new entry").
    fn may_be_committed(&self, commit: Index, match_index: Index) -> Index {
        if self.breaks(Bug::CommitPastAppend) {
            return commit;
        }
        commit.min(match_index)
    }

    /// What may be said to be equal: no entry that this Append does not show to be.
    fn known_equal(&self, match_index: Index) -> Index {
        if self.breaks(Bug::AcceptedClaimsTooMuch) {
            return self.log.last_index();
        }
        match_index
    }

    /// Tells the leader what is equal to its log, as soon as that is durable (Raft §5.3, figure 2).
    fn accept(&mut self, leader: NodeId, match_index: Index) {
        let body = Body::Accepted { match_index };
        if self.is_durable(match_index) {
            self.outbox.send(leader, body);
        } else {
            self.outbox.send_when_durable(leader, body);
        }
    }

    fn is_durable(&self, index: Index) -> bool {
        if self.breaks(Bug::AcceptBeforeDurable) {
            return true;
        }
        index <= self.durable_index
    }

    pub(super) fn commit_to(&mut self, commit: Index) {
        let commit = commit.min(self.log.last_index());
        if commit > self.commit {
            self.commit = commit;
            self.apply();
        }
    }

    pub(super) fn on_install_snapshot(&mut self, from: NodeId, snapshot: Arc<Snapshot>) {
        if self.has_all_of(&snapshot) {
            return self.accept(from, self.commit);
        }
        let Ok(machine) = Machine::from_bytes(&snapshot.data, self.config.max_sessions) else {
            self.conflicts += 1;
            return;
        };
        let machine = machine.planted(self.config.bugs);
        let continues = self.continues(&snapshot);
        let discard_to = if continues {
            snapshot.last_index
        } else {
            Index::MAX
        };
        if continues {
            self.log.compact_to(snapshot.last_index);
        } else {
            self.truncate_after(self.log.base_index());
            self.outbox.truncate_after(0);
            self.log = Log::new(snapshot.last_index, snapshot.last_term);
        }
        self.memberships.retain(|(index, _)| *index > snapshot.last_index);
        self.memberships
            .insert(0, (snapshot.last_index, snapshot.membership.clone()));
        self.outbox
            .command(Command::Membership(self.membership().clone()));
        self.machine = machine;
        self.commit = snapshot.last_index;
        self.applied = snapshot.last_index;
        self.snapshot = snapshot.clone();
        self.outbox
            .save_snapshot(PersistSnapshot { snapshot, discard_to });
        self.accept(from, self.commit);
    }

    /// A snapshot of what is committed here already may be an old one, and brings nothing new.
    fn has_all_of(&self, snapshot: &Snapshot) -> bool {
        if self.breaks(Bug::InstallOlderSnapshot) {
            return snapshot.last_index == self.commit;
        }
        snapshot.last_index <= self.commit
    }

    /// What follows a snapshot may stay if the log has its last entry (Raft §7, figure 13).
    fn continues(&self, snapshot: &Snapshot) -> bool {
        let here = self.log.term(snapshot.last_index);
        if self.breaks(Bug::SnapshotKeepsConflictingLog) {
            return here.is_some();
        }
        here == Some(snapshot.last_term)
    }

    /// Appends an entry here and gives it to the disk. A membership is in force from now on (thesis §4.1).
    pub(super) fn append_entry(&mut self, entry: Arc<Entry>) {
        if let Payload::Membership(membership) = &entry.payload {
            self.memberships.push((entry.index, membership.clone()));
            self.outbox.command(Command::Membership(membership.clone()));
        }
        self.outbox.save_entry(entry.clone());
        self.log.push(entry);
    }

    /// Removes entries that conflict with the leader's (Raft §5.3), and a membership among them (thesis
    /// §4.1).
    fn truncate_after(&mut self, index: Index) {
        self.log.truncate_after(index);
        self.outbox.truncate_after(index);
        self.durable_index = self.durable_index.min(index);
        for (_, last) in &mut self.persisting {
            *last = index.min(*last);
        }
        let before = self.memberships.len();
        while self.memberships.len() > 1 && self.memberships.last().is_some_and(|(at, _)| *at > index) {
            self.memberships.pop();
        }
        if self.memberships.len() != before {
            self.outbox
                .command(Command::Membership(self.membership().clone()));
        }
    }
}
