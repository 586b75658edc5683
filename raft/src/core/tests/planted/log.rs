//! Replication and commitment.

use super::*;

pub(super) const ARMED: &[Armed] = &[
    (Bug::CommitPastMatch, |bugs| {
        let mut node = node(bugs, 3, &[]);
        node.elect();
        node.receive(2, 1, Body::Accepted { match_index: 1 });
        assert_eq!(node.commit(), 1);
        let told = |body: &&Body| matches!(body, Body::Heartbeat { commit: 1, .. });
        sent_to(&node.wait(TIMEOUT / 5), 3).iter().any(told)
    }),
    (Bug::CommitPastAppend, |bugs| {
        let mut node = node(bugs, 3, &[1, 1, 1]);
        node.durably(append(&node, 2, (1, 1), &[], 3));
        node.commit() == 3
    }),
    (Bug::CommitNoticeOnlyWithEntries, |bugs| {
        let mut node = leader(bugs, 3);
        node.write(1);
        let mut out = node.accept_all();
        out.extend(node.wait(TIMEOUT / 5));
        let told = |body: &&Body| {
            matches!(
                body,
                Body::Commit { commit: 2 } | Body::Heartbeat { commit: 2, .. }
            )
        };
        !sent_to(&out, 2).iter().any(told)
    }),
    (Bug::NoTruncate, |bugs| {
        let mut node = node(bugs, 3, &[1, 1]);
        let out = node.durably(append(&node, 2, (1, 1), &[2], 0));
        assert_eq!(sent_to(&out, 2), [&Body::Accepted { match_index: 2 }]);
        node.core.entry(2).unwrap().term == 1
    }),
    (Bug::TruncateAlways, |bugs| {
        let mut node = node(bugs, 3, &[1, 1, 1]);
        node.durably(append(&node, 1, (1, 1), &[1], 0));
        node.core.status().last_index == 2
    }),
    (Bug::ApplyOnRestart, |bugs| {
        node(bugs, 3, &[1, 1]).core.status().applied == 2
    }),
    (Bug::LeaderCountsUnsynced, |bugs| {
        let mut node = leader(bugs, 3);
        let request = Request::Apply {
            session: None,
            command: write(1),
        };
        node.step(Event::Request { id: 9, request });
        let body = Body::Accepted { match_index: 2 };
        let (from, to, term) = (2, 1, 1);
        node.step(Event::Receive(Message { from, to, term, body }));
        node.commit() == 2
    }),
    (Bug::AcceptBeforeDurable, |bugs| {
        let mut node = node(bugs, 3, &[1]);
        let out = node.step(append(&node, 1, (1, 1), &[1], 0));
        sent_to(&out, 2).contains(&&Body::Accepted { match_index: 2 })
    }),
    (Bug::AcceptedClaimsTooMuch, |bugs| {
        let mut node = node(bugs, 3, &[1, 1, 1]);
        let out = node.durably(append(&node, 2, (1, 1), &[], 0));
        sent_to(&out, 2).contains(&&Body::Accepted { match_index: 3 })
    }),
    (Bug::CommitOldTerm, |bugs| {
        let mut node = node(bugs, 3, &[1]);
        node.elect();
        node.receive(2, 2, Body::Accepted { match_index: 1 });
        node.commit() == 1
    }),
    (Bug::NoNoop, |bugs| {
        let mut node = node(bugs, 3, &[1]);
        node.elect();
        node.core.status().last_index == 1
    }),
    (Bug::InflightLeak, |bugs| {
        let mut node = Lone::with(3, &[], |config| {
            config.bugs = bugs;
            config.max_inflight = 3;
        });
        node.lead();
        for value in 0..3 {
            node.write(value);
            node.accept_all();
        }
        let is_append = |body: &&Body| matches!(body, Body::Append { .. });
        !sent_to(&node.write(3), 2).iter().any(is_append)
    }),
    (Bug::RejectedHintIgnored, |bugs| {
        let mut node = node(bugs, 3, &[1; 60]);
        node.elect();
        let refusal = Body::Rejected {
            prev_index: 60,
            hint_index: 2,
            hint_term: 1,
        };
        let out = node.receive(2, 2, refusal);
        let small_step = |body: &&Body| matches!(body, Body::Append { prev_index: 59, .. });
        sent_to(&out, 2).iter().any(small_step)
    }),
];
