//! What a leader does: replicate, commit, find out whether it still leads.
//!
//! - Appends are batched and pipelined, and leave before the leader's own disk is done (thesis §10.2.1); the
//!   leader counts itself only for what is durable there.
//! - Only entries of its own term are committed by counting (Raft §5.4.2).
//! - It steps down when it has not heard a quorum for an election timeout (thesis §6.2; "CheckQuorum").

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use super::api::{Body, Entry, Index, NodeId, Payload, RequestError, RequestId, Term};
use super::progress::{Mode, Progress};
use super::reads::Confirmation;
use super::{Config, Core, State};
use crate::bug::Bug;

/// What only a leader keeps (Raft figure 2, "volatile state on leaders").
#[derive(Debug)]
pub(super) struct Leader {
    pub(super) progress: BTreeMap<NodeId, Progress>,
    /// The first entry of its term.
    pub(super) start_index: Index,
    /// Requests by the index of their entry, in order.
    pub(super) pending: VecDeque<(Index, RequestId)>,
    heartbeat_ns: u64,
    /// The last heartbeat round begun.
    pub(super) round: u64,
    /// Reads that wait for a round, in order of their rounds.
    pub(super) confirmations: VecDeque<Confirmation>,
    /// The last read batch of each node that asked before the first entry of the term was committed.
    pub(super) early: BTreeMap<NodeId, u64>,
    pub(super) transfer: Option<Transfer>,
}

/// A hand-over of leadership under way (thesis §3.10).
#[derive(Debug)]
pub(super) struct Transfer {
    pub(super) to: NodeId,
    pub(super) request: RequestId,
    pub(super) until_ns: u64,
    /// The target has been asked to start an election.
    pub(super) asked: bool,
}

impl Leader {
    pub(super) fn new(config: &Config, next_index: Index, peers: Vec<NodeId>, now: u64) -> Leader {
        let progress = peers
            .into_iter()
            .map(|peer| (peer, Progress::new(next_index, now)))
            .collect();
        Leader {
            progress,
            start_index: next_index,
            pending: VecDeque::new(),
            heartbeat_ns: now + config.heartbeat_ns,
            round: 0,
            confirmations: VecDeque::new(),
            early: BTreeMap::new(),
            transfer: None,
        }
    }

    pub(super) fn deadline(&self) -> u64 {
        self.transfer
            .as_ref()
            .map_or(u64::MAX, |transfer| transfer.until_ns)
            .min(self.heartbeat_ns)
    }
}

impl Core {
    /// Appends a new entry of this term and returns its index.
    pub(super) fn append(&mut self, payload: Payload) -> Index {
        let index = self.log.last_index() + 1;
        self.append_entry(Arc::new(Entry {
            term: self.hard_state.term,
            index,
            payload,
        }));
        index
    }

    pub(super) fn tick_leader(&mut self) {
        let now = self.now;
        let State::Leader(leader) = &mut self.role else {
            return;
        };
        if let Some(transfer) = leader.transfer.take_if(|transfer| now >= transfer.until_ns) {
            // The target has not taken over in an election timeout: keep leading (thesis §3.10).
            self.outbox
                .reply(transfer.request, Err(RequestError::TransferTimeout));
        }
        if now < leader.heartbeat_ns {
            return;
        }
        leader.heartbeat_ns = now + self.config.heartbeat_ns;
        if self.has_lost_its_quorum() {
            return self.become_follower(self.hard_state.term, None);
        }
        self.heartbeat();
    }

    /// Whether a leader has heard no quorum for an election timeout (thesis §6.2).
    fn has_lost_its_quorum(&self) -> bool {
        if self.breaks(Bug::NoCheckQuorum) {
            return false;
        }
        self.now >= self.quorum_heard_ns() + self.config.election_timeout_ns
    }

    /// When this leader last heard a quorum.
    fn quorum_heard_ns(&self) -> u64 {
        let State::Leader(leader) = &self.role else {
            return 0;
        };
        self.reached_by_quorum(|voter| {
            if voter == self.id() {
                self.now
            } else {
                leader.progress.get(&voter).map_or(0, |p| p.heard_ns)
            }
        })
    }

    /// Begins a heartbeat round (Raft §5.2; thesis §6.4).
    pub(super) fn heartbeat(&mut self) {
        let State::Leader(leader) = &mut self.role else {
            return;
        };
        leader.round += 1;
        for (peer, progress) in &mut leader.progress {
            let commit = self.commit.min(progress.match_index);
            progress.commit_sent = progress.commit_sent.max(commit);
            self.outbox.send(
                *peer,
                Body::Heartbeat {
                    commit,
                    round: leader.round,
                },
            );
        }
    }

    pub(super) fn on_heartbeat_reply(&mut self, from: NodeId, round: u64) {
        let (now, last) = (self.now, self.log.last_index());
        let State::Leader(leader) = &mut self.role else {
            return;
        };
        let Some(progress) = leader.progress.get_mut(&from) else {
            return;
        };
        progress.heard_ns = now;
        // A round answered twice, or late, confirms nothing that the number doesn't say.
        progress.round = progress.round.max(round.min(leader.round));
        // The follower is alive but makes no progress: what was under way is lost, or its answer is.
        let stalled = now >= progress.moved_ns + self.config.resend_ns;
        if stalled && (progress.match_index < last || progress.mode != Mode::Replicate) {
            progress.probe_from(progress.match_index + 1, now);
        }
        self.release_confirmed_reads();
    }

    pub(super) fn on_accepted(&mut self, from: NodeId, match_index: Index) {
        let State::Leader(leader) = &mut self.role else {
            return;
        };
        let Some(progress) = leader.progress.get_mut(&from) else {
            return;
        };
        if match_index > self.log.last_index() {
            self.conflicts += 1;
            return;
        }
        progress.heard_ns = self.now;
        progress.accepted(match_index, self.now);
        self.advance_commit();
    }

    pub(super) fn on_rejected(
        &mut self,
        from: NodeId,
        prev_index: Index,
        hint_index: Index,
        hint_term: Term,
    ) {
        let State::Leader(leader) = &mut self.role else {
            return;
        };
        let Some(progress) = leader.progress.get_mut(&from) else {
            return;
        };
        progress.heard_ns = self.now;
        let stale = prev_index <= progress.match_index
            || progress.mode == Mode::Snapshot
            || matches!(progress.mode, Mode::Probe { .. }) && prev_index + 1 != progress.next_index;
        if stale {
            return;
        }
        // The logs may agree no later than at the follower's hint, nor where this log's terms are beyond the
        // hint's: one round trip a term, not one an entry (Raft §5.3, end).
        let upper = hint_index.min(prev_index - 1);
        let (agree, _) = self.log.last_at_most(upper, hint_term);
        // Below the base nothing is known; the snapshot comes next.
        let next = if upper < self.log.base_index() {
            upper + 1
        } else {
            agree + 1
        };
        progress.probe_from(next, self.now);
    }

    /// Sends every follower what it may get now.
    pub(super) fn replicate(&mut self) {
        let State::Leader(leader) = &mut self.role else {
            return;
        };
        let last = self.log.last_index();
        for (&peer, progress) in &mut leader.progress {
            loop {
                let window_open = match progress.mode {
                    Mode::Probe { sent } => !sent,
                    Mode::Replicate => {
                        progress.next_index <= last && progress.inflight.len() < self.config.max_inflight
                    }
                    Mode::Snapshot => false,
                };
                if !window_open {
                    break;
                }
                let prev_index = progress.next_index - 1;
                let Some(prev_term) = self.log.term(prev_index) else {
                    // The log no longer reaches back so far (Raft §7).
                    progress.mode = Mode::Snapshot;
                    progress.next_index = self.snapshot.last_index + 1;
                    progress.moved_ns = self.now;
                    self.outbox.send(
                        peer,
                        Body::InstallSnapshot {
                            snapshot: self.snapshot.clone(),
                        },
                    );
                    break;
                };
                let (max_entries, max_bytes) = (self.config.max_append_entries, self.config.max_append_bytes);
                let entries = self.log.batch(progress.next_index, max_entries, max_bytes);
                let end = prev_index + entries.len() as u64;
                if let Mode::Probe { sent } = &mut progress.mode {
                    *sent = true;
                } else {
                    if progress.inflight.is_empty() {
                        progress.moved_ns = self.now;
                    }
                    progress.inflight.push_back(end);
                    progress.next_index = end + 1;
                }
                progress.commit_sent = progress.commit_sent.max(self.commit.min(end));
                self.outbox.send(
                    peer,
                    Body::Append {
                        prev_index,
                        prev_term,
                        commit: self.commit,
                        entries,
                    },
                );
            }
            let commit = self.commit.min(progress.match_index);
            if commit > progress.commit_sent {
                progress.commit_sent = commit;
                self.outbox.send(peer, Body::Commit { commit });
            }
        }
        self.tell_transfer_target();
    }

    /// Commits what a quorum has durably, if it is of this term; all before it comes with it (Raft §5.3,
    /// §5.4.2).
    pub(super) fn advance_commit(&mut self) {
        let State::Leader(leader) = &self.role else { return };
        let (id, durable) = (self.id(), self.durable_index);
        let reached = self.reached_by_quorum(|voter| {
            if voter == id {
                durable
            } else {
                leader.progress.get(&voter).map_or(0, |p| p.match_index)
            }
        });
        if reached > self.commit && self.log.term(reached) == Some(self.hard_state.term) {
            self.commit = reached;
            self.apply();
            self.register_early_reads();
        }
    }
}
