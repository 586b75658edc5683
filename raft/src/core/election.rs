//! Elections: randomised timeouts (Raft §5.2), the election restriction (Raft §5.4.1), PreVote (thesis §9.6),
//! votes refused while a leader is heard (thesis §4.2.3), elections asked for by the old leader (thesis
//! §3.10).

use std::collections::BTreeSet;

use rand::RngExt;

use super::api::{Answer, Body, HardState, Index, NodeId, Payload, RequestError, Term};
use super::{Core, LED_TERMS, Leader, State, push_bounded};
use crate::bug::Bug;

impl Core {
    /// Each timeout is drawn again, so that split votes are rare and don't repeat (Raft §5.2).
    pub(super) fn reset_election_timer(&mut self) {
        let shortest = self.config.election_timeout_ns.max(1);
        self.election_ns = self.now + self.rng.random_range(shortest..=2 * shortest);
    }

    pub(super) fn election_timeout(&mut self) {
        self.reset_election_timer();
        self.leader = None;
        if !self.may_lead() {
            self.role = State::Follower;
            return;
        }
        self.role = State::PreCandidate {
            votes: BTreeSet::from([self.id()]),
        };
        let (last_index, last_term) = (self.log.last_index(), self.log.last_term());
        for peer in self.peers() {
            let body = Body::PreVote {
                last_index,
                last_term,
            };
            self.outbox.send_as(peer, self.hard_state.term + 1, body);
        }
        self.count_votes();
    }

    fn start_election(&mut self, transfer: bool) {
        self.reset_election_timer();
        self.leader = None;
        let vote = HardState {
            term: self.hard_state.term + 1,
            voted_for: Some(self.id()),
        };
        self.set_hard_state(vote);
        self.role = State::Candidate {
            votes: BTreeSet::from([self.id()]),
        };
        let (last_index, last_term) = (self.log.last_index(), self.log.last_term());
        for peer in self.peers() {
            self.outbox.send(
                peer,
                Body::Vote {
                    last_index,
                    last_term,
                    transfer,
                },
            );
        }
        self.count_votes();
    }

    pub(super) fn on_timeout_now(&mut self) {
        if self.may_lead() && !matches!(self.role, State::Leader(_)) {
            self.start_election(true);
        }
    }

    pub(super) fn on_pre_vote(&mut self, from: NodeId, term: Term, last_index: Index, last_term: Term) {
        let granted =
            term > self.hard_state.term && !self.hears_leader() && self.up_to_date(last_index, last_term);
        if granted {
            self.outbox.send_as(from, term, Body::PreVoteReply { granted });
        } else {
            self.outbox.send(from, Body::PreVoteReply { granted });
        }
    }

    pub(super) fn on_pre_vote_granted(&mut self, from: NodeId, term: Term) {
        if let State::PreCandidate { votes } = &mut self.role
            && term == self.hard_state.term + 1
        {
            votes.insert(from);
            self.count_votes();
        }
    }

    pub(super) fn on_vote(&mut self, from: NodeId, last_index: Index, last_term: Term) {
        // One vote a term, first come, first served (Raft §5.2), and only for a log that has all that may be
        // committed (Raft §5.4.1).
        let free = self.hard_state.voted_for.is_none_or(|other| other == from);
        let granted =
            free && self.up_to_date(last_index, last_term) && !matches!(self.role, State::Leader(_));
        if granted {
            self.set_hard_state(HardState {
                voted_for: Some(from),
                ..self.hard_state
            });
            self.reset_election_timer();
        }
        self.outbox.send(from, Body::VoteReply { granted });
    }

    pub(super) fn on_vote_reply(&mut self, from: NodeId, granted: bool) {
        if let State::Candidate { votes } = &mut self.role
            && granted
        {
            votes.insert(from);
            self.count_votes();
        }
    }

    /// Ends an election that is won. A candidate's own vote, like any other, counts only once it is durable;
    /// else the only voter of a cluster could lead one term in two lives.
    pub(super) fn count_votes(&mut self) {
        match &self.role {
            State::PreCandidate { votes } if self.is_quorum(votes) => self.start_election(false),
            State::Candidate { votes } if self.is_quorum(votes) && self.outbox.hard_state_durable() => {
                self.become_leader()
            }
            _ => {}
        }
    }

    /// A voter may lead, and so may one that is removed by an entry not yet known to be committed: it may be
    /// the only one that has that entry, and no candidate wins without its vote (thesis §4.2.2).
    fn may_lead(&self) -> bool {
        let known = self
            .memberships
            .iter()
            .rposition(|(index, _)| *index <= self.commit)
            .unwrap_or(0);
        self.memberships[known..]
            .iter()
            .any(|(_, membership)| membership.is_voter(self.id()))
    }

    /// Whether a log with this end is at least as complete as this node's (Raft §5.4.1).
    fn up_to_date(&self, last_index: Index, last_term: Term) -> bool {
        (last_term, last_index) >= (self.log.last_term(), self.log.last_index())
    }

    /// Whether a leader was heard within the shortest election timeout, so that there is no reason to vote
    /// (thesis §4.2.3). A leader hears itself for as long as it has a quorum.
    pub(super) fn hears_leader(&self) -> bool {
        matches!(self.role, State::Leader(_))
            || self.leader.is_some() && self.now < self.heard_ns + self.config.election_timeout_ns
    }

    fn become_leader(&mut self) {
        self.leader = Some(self.id());
        let next = self.log.last_index() + 1;
        let leader = Leader::new(&self.config, next, self.peers(), self.now);
        self.role = State::Leader(Box::new(leader));
        push_bounded(&mut self.led_terms, LED_TERMS, self.hard_state.term);
        // Entries of earlier terms are committed through one of this term (Raft §5.4.2, §8).
        self.append(Payload::Noop);
        self.announce_leader();
    }

    /// Falls back to follower, in this term or a later one.
    pub(super) fn become_follower(&mut self, term: Term, leader: Option<NodeId>) {
        if term > self.hard_state.term {
            self.set_hard_state(HardState {
                term,
                voted_for: None,
            });
        }
        self.leader = leader;
        if let State::Leader(leader) = std::mem::replace(&mut self.role, State::Follower) {
            self.reset_election_timer();
            for (_, request) in leader.pending {
                self.outbox.reply(request, Err(RequestError::LeadershipLost));
            }
            if let Some(transfer) = leader.transfer {
                self.transferred = Some((transfer.request, transfer.until_ns));
            }
        }
    }

    /// Follows the leader of this term that has just spoken. False when that can't be.
    pub(super) fn follow(&mut self, leader: NodeId) -> bool {
        let second = self.leader.is_some_and(|known| known != leader);
        self.conflicts += u64::from(second);
        if matches!(self.role, State::Leader(_)) {
            return false;
        }
        self.role = State::Follower;
        self.leader = Some(leader);
        self.heard_ns = self.now;
        self.reset_election_timer();
        self.announce_leader();
        true
    }

    /// A transfer ends when the next leader is known.
    fn announce_leader(&mut self) {
        if let Some(leader) = self.leader
            && let Some((request, _)) = self.transferred.take()
        {
            self.outbox.reply(request, Ok(Answer::Transferred(leader)));
        }
    }

    /// Term and vote are durable before anything is said in that term (Raft figure 2).
    fn set_hard_state(&mut self, hard_state: HardState) {
        self.hard_state = hard_state;
        self.outbox.term = hard_state.term;
        if self.breaks(Bug::ForgetVote) {
            self.hard_state.voted_for = None;
            return;
        }
        self.outbox.save_hard_state(hard_state);
    }

    pub(super) fn peers(&self) -> Vec<NodeId> {
        self.membership()
            .members
            .keys()
            .copied()
            .filter(|peer| *peer != self.id())
            .collect()
    }
}
