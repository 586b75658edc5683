//! The planted bugs of the driver that need a memory or a pause of their own. Without them nothing here does
//! anything.

use std::collections::HashMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::nanos;
use super::pending::{Pending, ReplyTo};
use crate::bug::{Bug, Bugs};
use crate::core::api::{Answer, NodeId, Persist, Request, RequestId};
use crate::machine::{Command, Output};

/// How long a planted bug stands still for any snapshot, and how much longer for each of its bytes: as long
/// as a store would for a state ten thousand times as large as those of tests.
const PAUSE: Duration = Duration::from_millis(600);
const PAUSE_PER_BYTE: Duration = Duration::from_micros(20);
/// Its longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// See the module comment.
#[derive(Debug, Default)]
pub(super) struct Plants {
    pub(super) bugs: Bugs,
    /// Forwarded requests that may still be repeated.
    forwarded: HashMap<RequestId, Request>,
    /// Those that wait for the next leader, with the number that they have now and the leader that was lost.
    lost: Vec<(RequestId, NodeId, Request)>,
}

impl Plants {
    pub(super) fn new(bugs: Bugs) -> Plants {
        Plants {
            bugs,
            ..Plants::default()
        }
    }

    /// A follower knows nothing of what becomes of a request that it has passed on.
    pub(super) fn acknowledged_when_forwarded(&self, request: &Request) -> Option<Answer> {
        let blind = matches!(
            request,
            Request::Apply {
                command: Command::Write { .. },
                ..
            }
        );
        (blind && self.bugs.contains(Bug::AckOnForward)).then_some(Answer::Applied(Output::Written))
    }

    pub(super) fn note_forward(&mut self, id: RequestId, request: &Request) {
        if self.bugs.contains(Bug::ForwardRetries) {
            // The driver bounds how many are open, and this bounds how many are closed.
            if self.forwarded.len() > 10_000 {
                self.forwarded.clear();
            }
            self.forwarded.insert(id, request.clone());
        }
    }

    /// Takes a request whose leader was lost, to repeat it. Gives its client back when there is no repeating.
    pub(super) fn keep_for_later(
        &mut self,
        pending: &mut Pending,
        now: u64,
        (id, leader): (RequestId, NodeId),
        reply: ReplyTo,
    ) -> Option<ReplyTo> {
        let Some(request) = self.forwarded.remove(&id) else {
            return Some(reply);
        };
        match pending.open(now, reply) {
            Ok(id) => {
                self.lost.push((id, leader, request));
                None
            }
            Err(reply) => Some(reply),
        }
    }

    /// What is to be forwarded to the leader that is known now.
    pub(super) fn forwards_to_repeat(
        &mut self,
        leader: Option<NodeId>,
        own: NodeId,
    ) -> Vec<(RequestId, NodeId, Request)> {
        let Some(leader) = leader.filter(|leader| *leader != own && !self.lost.is_empty()) else {
            return Vec::new();
        };
        let next = self.lost.extract_if(.., |(_, lost, _)| *lost != leader);
        next.map(|(id, _, request)| (id, leader, request)).collect()
    }

    /// How long the driver stands still for a write: the log-writer does the writing.
    pub(super) fn pause_before(&self, persist: &Persist) -> Duration {
        match &persist.snapshot {
            Some(save) if self.bugs.contains(Bug::SnapshotBlocksLoop) => {
                let bytes = u32::try_from(save.snapshot.data.len()).unwrap_or(u32::MAX);
                (PAUSE + PAUSE_PER_BYTE.saturating_mul(bytes)).min(LONGEST_PAUSE)
            }
            _ => Duration::ZERO,
        }
    }

    /// What the clock shows that can be set, where a planted bug believes it.
    pub(super) fn wall_clock(&self) -> Option<u64> {
        let believes = self.bugs.contains(Bug::WallClockLease);
        believes.then(|| nanos(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::core::api::{PersistSnapshot, Snapshot};
    use crate::machine::Value;
    use crate::node::wire::Origin;

    fn write() -> Request {
        let (key, value) = ("x".to_owned(), Value::Nil);
        Request::Apply {
            session: None,
            command: Command::Write { key, value },
        }
    }

    /// What each bug makes the driver do, and a healthy one does not.
    #[test]
    fn planted_bugs_are_armed() {
        let kept = |plants: &mut Plants| {
            let mut pending = Pending::new(10, 100);
            let origin = Origin { life: 1, request: 1 };
            let reply = ReplyTo::Peer { peer: 2, origin };
            plants.note_forward(7, &write());
            let refused = plants.keep_for_later(&mut pending, 0, (7, 2), reply).is_some();
            assert!(plants.forwards_to_repeat(Some(1), 1).is_empty(), "not to itself");
            assert!(plants.forwards_to_repeat(None, 1).is_empty());
            assert!(
                plants.forwards_to_repeat(Some(2), 1).is_empty(),
                "not to the one that was lost"
            );
            let repeated = plants.forwards_to_repeat(Some(3), 1);
            assert_eq!(repeated.is_empty(), refused);
            assert!(
                repeated
                    .iter()
                    .all(|(_, to, request)| *to == 3 && *request == write())
            );
            !refused
        };
        let persist = Persist {
            snapshot: Some(PersistSnapshot {
                snapshot: Arc::new(Snapshot {
                    data: vec![0; 100],
                    ..Snapshot::default()
                }),
                discard_to: 1,
            }),
            ..Persist::default()
        };
        let read = Request::Read { key: "x".to_owned() };
        for bug in [
            None,
            Some(Bug::AckOnForward),
            Some(Bug::ForwardRetries),
            Some(Bug::SnapshotBlocksLoop),
            Some(Bug::WallClockLease),
        ] {
            let mut plants = Plants::new(bug.into_iter().collect());
            let acknowledged = plants.acknowledged_when_forwarded(&write()).is_some();
            assert_eq!(acknowledged, bug == Some(Bug::AckOnForward), "{bug:?}");
            assert_eq!(plants.acknowledged_when_forwarded(&read), None, "{bug:?}");
            assert_eq!(kept(&mut plants), bug == Some(Bug::ForwardRetries), "{bug:?}");
            let pauses = plants.pause_before(&persist) > Duration::from_millis(300);
            assert_eq!(pauses, bug == Some(Bug::SnapshotBlocksLoop), "{bug:?}");
            assert_eq!(
                plants.pause_before(&Persist::default()),
                Duration::ZERO,
                "{bug:?}"
            );
            assert_eq!(
                plants.wall_clock().is_some(),
                bug == Some(Bug::WallClockLease),
                "{bug:?}"
            );
        }
    }
}
