//! Snapshots.

use super::*;
use crate::core::api::{Change, Snapshot};
use crate::machine::Machine;

pub(super) const ARMED: &[Armed] = &[
    (Bug::SnapshotForgetsMembership, |bugs| {
        let mut node = leader(bugs, 3);
        node.request(Request::Change(Change::Remove { id: 3 }));
        node.receive(2, 1, Body::Accepted { match_index: 2 });
        node.request(Request::Snapshot);
        assert_eq!(node.core.snapshot.last_index, 2);
        node.core.snapshot.membership.members.contains_key(&3)
    }),
    (Bug::SnapshotAheadOfDisk, |bugs| {
        let mut node = node(bugs, 3, &[1]);
        let request = Request::Snapshot;
        let events = [
            append(&node, 1, (1, 1), &[1], 2),
            Event::Request { id: 9, request },
        ];
        let mut out = Vec::new();
        node.core.handle_batch(node.now, events, &mut out);
        replies(&out) == [&Ok(Answer::Snapshot(2))]
    }),
    (Bug::SnapshotLimbo, |bugs| {
        let mut node = Lone::with(3, &[], |config| {
            config.bugs = bugs;
            config.keep_entries = 0;
            config.resend_ns = TIMEOUT / 4;
        });
        node.elect();
        node.receive(3, 1, Body::Accepted { match_index: 1 });
        node.request(Request::Snapshot);
        let mut sent = 0;
        for _ in 0..2 {
            node.wait(TIMEOUT / 2);
            let out = node.receive(2, 1, Body::HeartbeatReply { round: 1 });
            let is_snapshot = |body: &&&Body| matches!(body, Body::InstallSnapshot { .. });
            sent += sent_to(&out, 2).iter().filter(is_snapshot).count();
        }
        assert!(sent > 0);
        sent == 1
    }),
    (Bug::SnapshotKeepsConflictingLog, |bugs| {
        let mut node = node(bugs, 3, &[1, 1, 1]);
        node.receive(2, 2, install(2, 2));
        node.core.entry(3).is_some()
    }),
    (Bug::InstallOlderSnapshot, |bugs| {
        let mut node = node(bugs, 3, &[1, 1, 1]);
        node.receive(2, 1, Body::Heartbeat { commit: 3, round: 1 });
        node.receive(2, 1, install(1, 1));
        node.commit() == 1
    }),
    (Bug::TermFromSnapshot, |bugs| {
        let mut node = node(bugs, 3, &[1]);
        node.receive(2, 3, Body::Heartbeat { commit: 1, round: 1 });
        node.request(Request::Snapshot);
        assert_eq!(node.core.snapshot.last_index, 1);
        node.core.snapshot.last_term == 3
    }),
];

fn install(last_index: Index, last_term: Term) -> Body {
    let snapshot = Arc::new(Snapshot {
        last_index,
        last_term,
        membership: members(3),
        data: Machine::new(10).to_bytes().unwrap(),
    });
    Body::InstallSnapshot { snapshot }
}
