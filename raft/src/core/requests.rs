//! What clients and operators want: commands, membership changes (thesis §4.1, §4.2), leadership transfer
//! (thesis §3.10). Reads have a file of their own.

use super::api::{
    Answer, Body, Change, Member, Membership, NodeId, Payload, Request, RequestError, RequestId,
};
use super::leader::Transfer;
use super::progress::Progress;
use super::{Core, State};
use crate::bug::Bug;
use crate::machine;

impl Core {
    pub(super) fn request(&mut self, id: RequestId, request: Request) {
        let result = match request {
            Request::Read { key } => {
                self.request_read(id, key);
                Ok(())
            }
            Request::Apply { session, command } => self.propose(id, Payload::Apply { session, command }),
            Request::OpenSession => self.propose(id, Payload::OpenSession),
            Request::Change(change) => self.change_membership(id, change),
            Request::Transfer { to } => self.transfer(id, to),
            Request::Snapshot if self.take_snapshot(0) => {
                let covered = self.snapshot.last_index;
                self.outbox.reply(id, Ok(Answer::Snapshot(covered)));
                Ok(())
            }
            Request::Snapshot => Err(RequestError::Busy),
        };
        if let Err(error) = result {
            self.outbox.reply(id, Err(error));
        }
    }

    /// Appends an entry for a client; the answer comes when it is applied.
    fn propose(&mut self, id: RequestId, payload: Payload) -> Result<(), RequestError> {
        let (last, commit) = (self.log.last_index(), self.commit);
        let State::Leader(leader) = &self.role else {
            return Err(RequestError::NotLeader { leader: self.leader });
        };
        if leader.transfer.is_some() {
            return Err(RequestError::Transferring);
        }
        if last - commit >= self.config.max_uncommitted as u64 {
            return Err(RequestError::Busy);
        }
        let blind = matches!(
            payload,
            Payload::Apply {
                command: machine::Command::Write { .. },
                ..
            }
        );
        let index = self.append(payload);
        if self.breaks(Bug::AckBeforeQuorum) && blind {
            let answer = Answer::Applied(machine::Output::Written);
            self.outbox.reply(id, Ok(answer));
            return Ok(());
        }
        if let State::Leader(leader) = &mut self.role {
            leader.pending.push_back((index, id));
        }
        Ok(())
    }

    /// Appends the next membership: one server at a time, one change at a time, and only after an entry of
    /// the own term is committed (thesis §4.1, and the author's later note on a change that spans terms).
    fn change_membership(&mut self, id: RequestId, change: Change) -> Result<(), RequestError> {
        let State::Leader(leader) = &self.role else {
            return Err(RequestError::NotLeader { leader: self.leader });
        };
        let open = self
            .memberships
            .last()
            .is_some_and(|(index, _)| *index > self.commit);
        if open || self.commit < leader.start_index {
            return Err(RequestError::ChangeInProgress);
        }
        let caught_up = |id: &NodeId| {
            leader
                .progress
                .get(id)
                .is_some_and(|progress: &Progress| progress.match_index >= self.commit)
        };
        let membership = changed(self.membership(), change, caught_up).map_err(RequestError::BadChange)?;
        self.propose(id, Payload::Membership(membership))?;
        self.track_members();
        Ok(())
    }

    /// Replicates to exactly the members in force.
    fn track_members(&mut self) {
        let (peers, next) = (self.peers(), self.log.last_index());
        if let State::Leader(leader) = &mut self.role {
            leader.progress.retain(|peer, _| peers.contains(peer));
            for peer in peers {
                leader
                    .progress
                    .entry(peer)
                    .or_insert_with(|| Progress::new(next, self.now));
            }
        }
    }

    fn transfer(&mut self, id: RequestId, to: Option<NodeId>) -> Result<(), RequestError> {
        let own = self.id();
        let State::Leader(leader) = &self.role else {
            return Err(RequestError::NotLeader { leader: self.leader });
        };
        if leader.transfer.is_some() {
            return Err(RequestError::Transferring);
        }
        let furthest = || {
            let voters = self.membership().voters().filter(|voter| *voter != own);
            voters.max_by_key(|voter| leader.progress.get(voter).map_or(0, |p| p.match_index))
        };
        let to = to
            .or_else(furthest)
            .filter(|to| *to != own && self.membership().is_voter(*to));
        let Some(to) = to else {
            return Err(RequestError::BadChange(
                "the next leader must be another voter".to_owned(),
            ));
        };
        let until_ns = self.now + self.config.election_timeout_ns;
        if let State::Leader(leader) = &mut self.role {
            leader.transfer = Some(Transfer {
                to,
                request: id,
                until_ns,
                asked: false,
            });
        }
        Ok(())
    }

    /// Tells the target to start an election once it has the whole log (thesis §3.10, step 3).
    pub(super) fn tell_transfer_target(&mut self) {
        let last = self.log.last_index();
        let State::Leader(leader) = &mut self.role else {
            return;
        };
        let Some(transfer) = &mut leader.transfer else {
            return;
        };
        let complete = leader
            .progress
            .get(&transfer.to)
            .is_some_and(|progress| progress.match_index == last);
        if complete && !transfer.asked {
            transfer.asked = true;
            self.outbox.send(transfer.to, Body::TimeoutNow);
        }
    }
}

/// The membership after a change, or why there is none.
fn changed(
    membership: &Membership,
    change: Change,
    caught_up: impl Fn(&NodeId) -> bool,
) -> Result<Membership, String> {
    let mut next = membership.clone();
    match change {
        Change::AddLearner { id, address } => {
            if id == 0 || next.members.contains_key(&id) {
                return Err(format!("node {id} is a member already or no node's number"));
            }
            next.members.insert(
                id,
                Member {
                    address,
                    voter: false,
                },
            );
        }
        Change::Promote { id } => {
            let learner = next.members.get_mut(&id).filter(|member| !member.voter);
            let learner = learner.ok_or_else(|| format!("node {id} is not a learner"))?;
            // A voter that lags would hold up commitment (thesis §4.2.1).
            if !caught_up(&id) {
                return Err(format!("node {id} has not caught up"));
            }
            learner.voter = true;
        }
        Change::Remove { id } => {
            next.members
                .remove(&id)
                .ok_or_else(|| format!("node {id} is not a member"))?;
            if next.voters().next().is_none() {
                return Err("the last voter can't be removed".to_owned());
            }
        }
    }
    Ok(next)
}
