//! What holds in one node whenever it has handled an event, looked at after every step of a debug build, so
//! that tests and end-to-end runs stop at the step that breaks it and not where it shows.
//!
//! What holds between nodes (Raft figure 3) is checked by the simulation, which sees them all.

use super::{Core, State};
use crate::bug::Bugs;

impl Core {
    /// The first invariant that does not hold; `None` when all do. Its cost does not grow with the log.
    pub(super) fn broken_invariant(&self) -> Option<&'static str> {
        // A planted bug breaks them; that is what it is for.
        if self.config.bugs != Bugs::NONE {
            return None;
        }
        let last = self.log.last_index();
        let memberships_ascend = self
            .memberships
            .is_sorted_by(|(before, _), (after, _)| before < after);
        let persists_ascend = self
            .persisting
            .iter()
            .is_sorted_by(|(before, _), (after, _)| before < after);
        let invariants = [
            (
                self.log.base_index() <= self.snapshot.last_index,
                "what the log lacks is in the snapshot",
            ),
            (
                self.snapshot.last_index <= self.applied,
                "the snapshot covers applied entries only",
            ),
            (
                self.applied == self.commit,
                "what is committed is applied in the same step",
            ),
            (self.commit <= last, "what is committed is in the log"),
            (self.durable_index <= last, "what is durable is in the log"),
            (
                self.log.last_term() <= self.hard_state.term,
                "no entry is of a later term",
            ),
            (
                !self.memberships.is_empty() && memberships_ascend,
                "memberships are in order of their entries",
            ),
            (
                self.memberships.last().is_none_or(|(index, _)| *index <= last),
                "the membership in force is in the log or the snapshot",
            ),
            (
                persists_ascend,
                "what is being made durable is in order of its numbers",
            ),
        ];
        let broken = invariants.iter().find(|(holds, _)| !holds);
        broken.map(|(_, what)| *what).or_else(|| self.broken_in_role())
    }

    fn broken_in_role(&self) -> Option<&'static str> {
        let State::Leader(leader) = &self.role else {
            let leads_without_role = self.leader == Some(self.id());
            return leads_without_role.then_some("only a leader takes itself for the leader");
        };
        let last = self.log.last_index();
        let pending_ascend = leader
            .pending
            .iter()
            .is_sorted_by(|(before, _), (after, _)| before < after);
        let invariants = [
            (self.leader == Some(self.id()), "a leader knows that it leads"),
            (leader.start_index <= last, "a leader has an entry of its term"),
            (
                leader.progress.values().all(|progress| {
                    progress.match_index < progress.next_index && progress.match_index <= last
                }),
                "no follower has more than the leader",
            ),
            (
                pending_ascend && leader.pending.back().is_none_or(|(index, _)| *index <= last),
                "requests wait in order of their entries",
            ),
        ];
        let broken = invariants.iter().find(|(holds, _)| !holds);
        broken.map(|(_, what)| *what)
    }
}
