//! The requests that wait for an answer.
//!
//! Invariant: what [`Pending`] has returned once it never returns again, so no request is answered twice.

use std::collections::{HashMap, VecDeque};

use tokio::sync::oneshot;

use super::answer::Refusal;
use super::wire::Origin;
use crate::core::api::{Answer, NodeId, RequestId};

/// Where an answer goes.
#[derive(Debug)]
pub(super) enum ReplyTo {
    /// A client of this node.
    Client(oneshot::Sender<Result<Answer, Refusal>>),
    /// A node that forwarded its client's request.
    Peer { peer: NodeId, origin: Origin },
}

/// See the module comment.
#[derive(Debug)]
pub(super) struct Pending {
    limit: usize,
    timeout_ns: u64,
    last: RequestId,
    waiting: HashMap<RequestId, Waiting>,
    /// In order, because all have the same time; those already answered are still among them.
    deadlines: VecDeque<(u64, RequestId)>,
}

#[derive(Debug)]
struct Waiting {
    reply: ReplyTo,
    forwarded_to: Option<NodeId>,
}

impl Pending {
    /// At most `limit` requests wait, each for at most `timeout_ns`.
    pub(super) fn new(limit: usize, timeout_ns: u64) -> Pending {
        Pending {
            limit,
            timeout_ns,
            last: 0,
            waiting: HashMap::new(),
            deadlines: VecDeque::new(),
        }
    }

    /// How many are waiting.
    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }

    /// A number for a new request; gives `reply` back when too many wait.
    pub(super) fn open(&mut self, now: u64, reply: ReplyTo) -> Result<RequestId, ReplyTo> {
        if self.waiting.len() >= self.limit {
            return Err(reply);
        }
        self.last += 1;
        self.waiting.insert(
            self.last,
            Waiting {
                reply,
                forwarded_to: None,
            },
        );
        self.deadlines
            .push_back((now.saturating_add(self.timeout_ns), self.last));
        Ok(self.last)
    }

    /// Notes that the answer must come from another node.
    pub(super) fn forward(&mut self, id: RequestId, to: NodeId) {
        if let Some(waiting) = self.waiting.get_mut(&id) {
            waiting.forwarded_to = Some(to);
        }
    }

    /// Where the answer goes, unless it was given already.
    pub(super) fn close(&mut self, id: RequestId) -> Option<ReplyTo> {
        self.waiting.remove(&id).map(|waiting| waiting.reply)
    }

    /// Those whose answer can no longer come, because the way to that node was lost.
    pub(super) fn forwarded_to(&mut self, node: NodeId) -> Vec<(RequestId, ReplyTo)> {
        let lost = self
            .waiting
            .extract_if(|_, waiting| waiting.forwarded_to == Some(node));
        lost.map(|(id, waiting)| (id, waiting.reply)).collect()
    }

    /// When the first may expire, in the driver's nanoseconds.
    pub(super) fn deadline(&self) -> u64 {
        self.deadlines.front().map_or(u64::MAX, |(deadline, _)| *deadline)
    }

    /// Those whose time is up.
    pub(super) fn expired(&mut self, now: u64) -> Vec<ReplyTo> {
        let mut expired = Vec::new();
        while let Some((deadline, id)) = self.deadlines.front().copied() {
            let waits = self.waiting.contains_key(&id);
            if waits && deadline > now {
                break;
            }
            self.deadlines.pop_front();
            expired.extend(self.close(id));
        }
        expired
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(request: RequestId) -> ReplyTo {
        ReplyTo::Peer {
            peer: 2,
            origin: Origin { life: 1, request },
        }
    }

    #[test]
    fn every_request_is_answered_once() {
        let mut pending = Pending::new(3, 100);
        let ids: Vec<RequestId> = (0..3).map(|n| pending.open(n, peer(n)).unwrap()).collect();
        assert!(pending.open(3, peer(3)).is_err(), "the limit is 3");
        pending.forward(ids[1], 7);
        assert_eq!(pending.deadline(), 100);

        assert!(pending.close(ids[0]).is_some());
        assert!(pending.close(ids[0]).is_none());
        assert_eq!(pending.forwarded_to(8).len(), 0);
        assert_eq!(pending.forwarded_to(7).len(), 1);
        assert_eq!(pending.expired(101).len(), 0);
        assert_eq!(
            pending.deadline(),
            102,
            "the answered ones in front are forgotten"
        );
        assert_eq!(pending.expired(102).len(), 1);
        assert_eq!((pending.len(), pending.deadline()), (0, u64::MAX));
        assert!(pending.open(200, peer(4)).unwrap() > ids[2]);
    }
}
