//! Linearizable reads without writing to the log (ReadIndex, thesis §6.4), in batches.
//!
//! ```text
//!  reads ─▶ open ─▶ asked ─(the leader: note the commit index, a heartbeat round, a quorum answers)─▶ ready
//!                                                                              applied ≥ index ─▶ replies
//! ```
//!
//! Every node has one batch asked at a time and answers from its own state; the leader asks itself. A read
//! joins a batch before the batch is asked, and the index is noted after that, so it covers every write
//! acknowledged before the read began. A round begun after the index was noted shows that no later leader
//! could have committed anything by then.

use std::collections::VecDeque;

use rand::Rng;

use super::api::{Answer, Body, Index, NodeId, RequestError, RequestId};
use super::{Config, Core, State};
use crate::bug::Bug;

#[derive(Debug)]
struct Read {
    id: RequestId,
    key: String,
    since_ns: u64,
}

#[derive(Debug)]
struct Batch {
    number: u64,
    to: NodeId,
    asked_ns: u64,
    reads: Vec<Read>,
}

/// The reads of this node's own clients.
#[derive(Debug)]
pub(super) struct Reads {
    open: Vec<Read>,
    asked: Option<Batch>,
    ready: VecDeque<(Index, Vec<Read>)>,
    next_number: u64,
    count: usize,
}

/// A batch, this node's or a follower's, that waits for a heartbeat round.
#[derive(Debug)]
pub(super) struct Confirmation {
    round: u64,
    index: Index,
    from: NodeId,
    batch: u64,
}

impl Reads {
    pub(super) fn new(rng: &mut impl Rng) -> Reads {
        // A random start: an answer to an earlier life's batch must not fit one of this life.
        let next_number = rng.next_u64() >> 1;
        Reads {
            open: Vec::new(),
            asked: None,
            ready: VecDeque::new(),
            next_number,
            count: 0,
        }
    }

    /// When to ask again, while there is a leader to ask, or to give a read up.
    pub(super) fn deadline(&self, config: &Config, leader: Option<NodeId>) -> u64 {
        let asked = self.asked.as_ref();
        let resend = asked
            .filter(|_| leader.is_some())
            .map_or(u64::MAX, |batch| batch.asked_ns + config.resend_ns);
        let oldest = [
            self.ready.front().and_then(|(_, reads)| reads.first()),
            asked.and_then(|batch| batch.reads.first()),
            self.open.first(),
        ];
        let expiry = oldest
            .into_iter()
            .flatten()
            .map(|read| read.since_ns + config.read_timeout_ns)
            .min();
        resend.min(expiry.unwrap_or(u64::MAX))
    }
}

impl Core {
    pub(super) fn request_read(&mut self, id: RequestId, key: String) {
        if self.breaks(Bug::LocalFollowerRead) {
            return self.outbox.reply(id, Ok(Answer::Read(self.machine.read(&key))));
        }
        if self.reads.count >= self.config.max_reads {
            return self.outbox.reply(id, Err(RequestError::Busy));
        }
        self.reads.count += 1;
        let since_ns = self.now;
        self.batch_to_join().push(Read { id, key, since_ns });
    }

    /// One that is not asked yet: its index will be noted after this moment.
    fn batch_to_join(&mut self) -> &mut Vec<Read> {
        if self.breaks(Bug::ReadJoinsAskedBatch)
            && let Some(asked) = &mut self.reads.asked
        {
            return &mut asked.reads;
        }
        &mut self.reads.open
    }

    /// Asks for the next batch, or again for one whose leader is gone or silent.
    pub(super) fn pump_reads(&mut self) {
        let Some(leader) = self.leader else { return };
        let (now, id) = (self.now, self.id());
        match &mut self.reads.asked {
            Some(batch) if batch.to == leader && now < batch.asked_ns + self.config.resend_ns => return,
            Some(batch) => (batch.to, batch.asked_ns) = (leader, now),
            None if self.reads.open.is_empty() => return,
            None => {
                self.reads.next_number += 1;
                let reads = std::mem::take(&mut self.reads.open);
                let number = self.reads.next_number;
                self.reads.asked = Some(Batch {
                    number,
                    to: leader,
                    asked_ns: now,
                    reads,
                });
            }
        }
        let batch = self.reads.next_number;
        if leader == id {
            self.on_read_index(id, batch);
        } else {
            self.outbox.send(leader, Body::ReadIndex { batch });
        }
    }

    pub(super) fn on_read_index(&mut self, from: NodeId, batch: u64) {
        let (commit, knows_commit) = (self.commit, self.knows_what_is_committed());
        let State::Leader(leader) = &mut self.role else {
            return;
        };
        if !knows_commit {
            leader.early.insert(from, batch);
            return;
        }
        if leader
            .confirmations
            .iter()
            .any(|other| (other.from, other.batch) == (from, batch))
        {
            return;
        }
        // The round must begin after the index was noted; one at a time, so that many reads share it.
        let round = leader.round + 1;
        leader.confirmations.push_back(Confirmation {
            round,
            index: commit,
            from,
            batch,
        });
        if self.confirmed_round() >= round - 1 {
            self.heartbeat();
        }
        self.release_confirmed_reads();
    }

    /// A new leader doesn't before an entry of its own term is committed (thesis §6.4, step 1).
    fn knows_what_is_committed(&self) -> bool {
        if self.breaks(Bug::ReadIndexBeforeNoop) {
            return true;
        }
        matches!(&self.role, State::Leader(leader) if self.commit >= leader.start_index)
    }

    pub(super) fn register_early_reads(&mut self) {
        let State::Leader(leader) = &mut self.role else {
            return;
        };
        if self.commit >= leader.start_index {
            for (from, batch) in std::mem::take(&mut leader.early) {
                self.on_read_index(from, batch);
            }
        }
    }

    /// The last round that a quorum has answered: its leadership lasted at least until that round began.
    fn confirmed_round(&self) -> u64 {
        let State::Leader(leader) = &self.role else {
            return 0;
        };
        if self.breaks(Bug::StaleRead) || self.trusts_a_lease(leader.lease_until_ns) {
            return u64::MAX;
        }
        if self.breaks(Bug::ConfirmByOne) {
            return leader.progress.values().map(|p| p.round).max().unwrap_or(0);
        }
        self.quorum_round()
    }

    fn quorum_round(&self) -> u64 {
        let State::Leader(leader) = &self.role else {
            return 0;
        };
        let id = self.id();
        self.reached_by_quorum(|voter| {
            if voter == id {
                u64::MAX
            } else {
                leader.progress.get(&voter).map_or(0, |p| p.round)
            }
        })
    }

    /// Whether reads need no round because of the last one. A healthy leader has no leases (thesis §6.4.1):
    /// they are as good as the clocks.
    fn trusts_a_lease(&self, until_ns: u64) -> bool {
        if self.breaks(Bug::LeaseTooLong) {
            return self.now < self.quorum_heard_ns() + self.quorum_patience_ns();
        }
        self.breaks(Bug::WallClockLease) && self.wall_clock_ns < until_ns
    }

    /// A round that a quorum has answered prolongs a planted bug's lease; only that one sets the clock.
    pub(super) fn renew_lease(&mut self) {
        if self.wall_clock_ns == 0 {
            return;
        }
        let (round, until_ns) = (
            self.quorum_round(),
            self.wall_clock_ns + self.config.election_timeout_ns,
        );
        if let State::Leader(leader) = &mut self.role
            && round >= leader.round
        {
            leader.lease_until_ns = leader.lease_until_ns.max(until_ns);
        }
    }

    pub(super) fn release_confirmed_reads(&mut self) {
        let confirmed = self.confirmed_round();
        loop {
            let State::Leader(leader) = &mut self.role else {
                return;
            };
            if leader
                .confirmations
                .front()
                .is_none_or(|first| first.round > confirmed)
            {
                break;
            }
            let Some(first) = leader.confirmations.pop_front() else {
                break;
            };
            if first.from == self.id() {
                self.on_read_index_reply(first.batch, first.index);
            } else {
                self.outbox.send(
                    first.from,
                    Body::ReadIndexReply {
                        batch: first.batch,
                        index: first.index,
                    },
                );
            }
        }
        let State::Leader(leader) = &self.role else { return };
        if leader
            .confirmations
            .front()
            .is_some_and(|first| first.round > leader.round)
            && confirmed >= leader.round
        {
            self.heartbeat();
        }
    }

    pub(super) fn on_read_index_reply(&mut self, batch: u64, index: Index) {
        if let Some(batch) = self.reads.asked.take_if(|asked| asked.number == batch) {
            self.reads.ready.push_back((index, batch.reads));
            self.serve_reads();
            self.pump_reads();
        }
    }

    /// Answers the reads whose index is applied (thesis §6.4, step 4).
    pub(super) fn serve_reads(&mut self) {
        let reached = self.reads_reach();
        let (machine, outbox, count) = (&self.machine, &mut self.outbox, &mut self.reads.count);
        self.reads.ready.retain_mut(|(index, reads)| {
            if *index > reached {
                return true;
            }
            *count -= reads.len();
            for read in reads.drain(..) {
                outbox.reply(read.id, Ok(Answer::Read(machine.read(&read.key))));
            }
            false
        });
    }

    /// Reads up to this index can be answered from the machine: those whose index is applied.
    fn reads_reach(&self) -> Index {
        if self.breaks(Bug::FollowerReadWithoutWait) {
            return Index::MAX;
        }
        self.applied
    }

    pub(super) fn expire_reads(&mut self) {
        let (now, timeout_ns) = (self.now, self.config.read_timeout_ns);
        let Reads {
            open,
            asked,
            ready,
            count,
            ..
        } = &mut self.reads;
        let outbox = &mut self.outbox;
        let mut expire = |reads: &mut Vec<Read>| {
            reads.retain(|read| {
                let expired = now >= read.since_ns + timeout_ns;
                if expired {
                    *count -= 1;
                    outbox.reply(read.id, Err(RequestError::ReadTimeout));
                }
                !expired
            });
        };
        expire(open);
        ready.iter_mut().for_each(|(_, reads)| expire(reads));
        if let Some(batch) = asked {
            expire(&mut batch.reads);
        }
        ready.retain(|(_, reads)| !reads.is_empty());
        asked.take_if(|batch| batch.reads.is_empty());
    }
}
