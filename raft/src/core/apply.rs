//! Applies what is committed, in order (Raft §5.3), answers for it, and replaces the log's past with a
//! snapshot (Raft §7).

use std::sync::Arc;

use super::api::{Answer, Entry, Payload, PersistSnapshot, RequestError, Snapshot};
use super::{CHECKPOINT_EVERY, CHECKPOINTS, Core, State, push_bounded};
use crate::machine::Applied;

impl Core {
    pub(super) fn apply(&mut self) {
        while self.applied < self.commit {
            let Some(entry) = self.log.get(self.applied + 1).cloned() else {
                break;
            };
            let result = self.apply_entry(&entry);
            self.applied = entry.index;
            if entry.index.is_multiple_of(CHECKPOINT_EVERY) {
                let checkpoint = (entry.index, self.machine.digest());
                push_bounded(&mut self.checkpoints, CHECKPOINTS, checkpoint);
            }
            if let State::Leader(leader) = &mut self.role
                && leader
                    .pending
                    .front()
                    .is_some_and(|(index, _)| *index <= entry.index)
                && let Some((_, id)) = leader.pending.pop_front()
            {
                self.outbox.reply(id, result);
            }
        }
        self.serve_reads();
        if self.applied - self.snapshot.last_index >= self.config.snapshot_every {
            // If not now, then with the next entry.
            self.take_snapshot(self.config.keep_entries);
        }
        self.step_down_when_removed();
    }

    fn apply_entry(&mut self, entry: &Entry) -> Result<Answer, RequestError> {
        match &entry.payload {
            Payload::Apply { session, command } => {
                let session = session.map(|session| (session.client, session.sequence));
                match self.machine.apply(entry.index, session, command) {
                    Applied::Output(output) => Ok(Answer::Applied(output)),
                    Applied::SessionExpired => Err(RequestError::SessionExpired),
                    Applied::StaleSequence => Err(RequestError::StaleSequence),
                }
            }
            Payload::OpenSession => {
                self.machine.open_session(entry.index);
                Ok(Answer::Session(entry.index))
            }
            Payload::Membership(membership) => Ok(Answer::Changed(membership.clone())),
            // No request waits for it, so this answer goes nowhere.
            Payload::Noop => Err(RequestError::LeadershipLost),
        }
    }

    /// A leader that is not in its own committed membership has done its last duty (thesis §4.2.2).
    fn step_down_when_removed(&mut self) {
        let committed = self
            .memberships
            .last()
            .is_some_and(|(index, _)| *index <= self.commit);
        if matches!(self.role, State::Leader(_)) && committed && !self.membership().is_voter(self.id()) {
            self.become_follower(self.hard_state.term, None);
        }
    }

    /// Replaces the log up to what is applied, but for the last `keep` entries. False if that cannot be yet.
    pub(super) fn take_snapshot(&mut self, keep: u64) -> bool {
        if self.outbox.is_ahead_of_disk(self.applied) {
            return false;
        }
        let covers = self
            .memberships
            .iter()
            .rposition(|(index, _)| *index <= self.applied)
            .unwrap_or(0);
        let Some(last_term) = self.log.term(self.applied) else {
            return false;
        };
        let Ok(data) = self.machine.to_bytes() else {
            return false;
        };
        let membership = self.memberships[covers].1.clone();
        self.memberships.drain(..covers);
        self.snapshot = Arc::new(Snapshot {
            last_index: self.applied,
            last_term,
            membership,
            data,
        });
        // Followers that lag a little still get entries; what isn't durable here must still be written.
        let discard_to = self.applied.saturating_sub(keep).min(self.durable_index);
        self.log.compact_to(discard_to);
        self.outbox.save_snapshot(PersistSnapshot {
            snapshot: self.snapshot.clone(),
            discard_to,
        });
        true
    }
}
