//! Applies what is committed, in order (Raft §5.3), answers for it, and replaces the log's past with a
//! snapshot (Raft §7).

use std::borrow::Cow;
use std::sync::Arc;

use super::api::{
    Answer, Entry, Index, Membership, Payload, PersistSnapshot, RequestError, RequestId, Snapshot, Term,
};
use super::{CHECKPOINT_EVERY, CHECKPOINTS, Core, State, push_bounded};
use crate::bug::Bug;
use crate::machine::{Applied, Command};

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
            if let Some(id) = self.answered_by(entry.index) {
                self.outbox.reply(id, result);
            }
        }
        self.serve_reads();
        if self.applied.saturating_sub(self.snapshot.last_index) >= self.config.snapshot_every {
            // If not now, then with the next entry.
            self.take_snapshot(self.config.keep_entries);
        }
        self.step_down_when_removed();
    }

    /// The request whose entry this is, if it waits here.
    fn answered_by(&mut self, entry: Index) -> Option<RequestId> {
        let shifted = self.breaks(Bug::AnswersShifted);
        let waiting = match &mut self.role {
            State::Leader(leader) => &mut leader.pending,
            _ => &mut self.kept_requests,
        };
        let first = waiting.front()?.0;
        (first <= entry || shifted)
            .then(|| waiting.pop_front())
            .flatten()
            .map(|(_, id)| id)
    }

    /// After a restart only the snapshot is known to be committed, and it is in the machine already.
    pub(super) fn apply_after_restart(&mut self) {
        if self.breaks(Bug::ApplyTwice) {
            for index in self.log.base_index() + 1..=self.applied {
                let entry = self.log.get(index).cloned();
                // No client waits for the answers.
                let _ = entry.map(|entry| self.apply_entry(&entry));
            }
        }
        if self.breaks(Bug::ApplyOnRestart) {
            self.commit_to(self.log.last_index());
        }
    }

    /// A command does the same on every node.
    fn as_executed<'a>(&self, command: &'a Command) -> Cow<'a, Command> {
        match command {
            Command::Cas { key, new, .. }
                if self.breaks(Bug::FollowersApplyCasBlindly) && !matches!(self.role, State::Leader(_)) =>
            {
                let (key, value) = (key.clone(), new.clone());
                Cow::Owned(Command::Write { key, value })
            }
            command => Cow::Borrowed(command),
        }
    }

    fn apply_entry(&mut self, entry: &Entry) -> Result<Answer, RequestError> {
        match &entry.payload {
            Payload::Apply { session, command } => {
                let session = session.map(|session| (session.client, session.sequence));
                let command = self.as_executed(command);
                match self.machine.apply(entry.index, session, &command) {
                    Applied::Output(output) => Ok(Answer::Applied(output)),
                    Applied::SessionExpired => Err(RequestError::SessionExpired),
                    Applied::StaleSequence => Err(RequestError::StaleSequence),
                }
            }
            Payload::OpenSession => {
                self.machine.open_session(entry.index);
                Ok(Answer::Session(entry.index))
            }
            Payload::Membership(membership) => {
                self.track_members();
                Ok(Answer::Changed(membership.clone()))
            }
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
        if self.must_wait_for_disk() {
            return false;
        }
        let covers = self
            .memberships
            .iter()
            .rposition(|(index, _)| *index <= self.applied)
            .unwrap_or(0);
        let Some(last_term) = self.snapshot_term() else {
            return false;
        };
        let Ok(data) = self.machine.to_bytes() else {
            return false;
        };
        let membership = self.snapshot_membership(covers).clone();
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

    /// A snapshot may not reach the disk before an entry that it covers.
    fn must_wait_for_disk(&self) -> bool {
        if self.breaks(Bug::SnapshotAheadOfDisk) {
            return false;
        }
        self.outbox.is_ahead_of_disk(self.applied)
    }

    /// The term of the snapshot's last entry, which need not be the current one.
    fn snapshot_term(&self) -> Option<Term> {
        if self.breaks(Bug::TermFromSnapshot) {
            return Some(self.hard_state.term);
        }
        self.log.term(self.applied)
    }

    /// The membership as of the snapshot's last entry, which it replaces as well (thesis §4.1).
    fn snapshot_membership(&self, covers: usize) -> &Membership {
        if self.breaks(Bug::SnapshotForgetsMembership) {
            return &self.config.initial;
        }
        &self.memberships[covers].1
    }
}
