//! Reads.

use super::*;

pub(super) const ARMED: &[Armed] = &[
    (Bug::StaleRead, |bugs| answers_at_once(&mut leader(bugs, 3))),
    (Bug::LocalFollowerRead, |bugs| {
        answers_at_once(&mut node(bugs, 3, &[1]))
    }),
    (Bug::FollowerReadWithoutWait, |bugs| {
        let mut node = node(bugs, 3, &[1]);
        node.receive(2, 1, Body::Heartbeat { commit: 1, round: 1 });
        let out = node.request(read());
        let [&Body::ReadIndex { batch }] = sent_to(&out, 2)[..] else {
            panic!("{out:?}")
        };
        !replies(&node.receive(2, 1, Body::ReadIndexReply { batch, index: 2 })).is_empty()
    }),
    (Bug::ReadIndexBeforeNoop, |bugs| {
        let mut node = node(bugs, 3, &[1, 1]);
        node.elect();
        !rounds(&node.request(read())).is_empty()
    }),
    (Bug::ConfirmByOne, |bugs| {
        let mut node = leader(bugs, 5);
        let round = rounds(&node.request(read()))[0];
        !replies(&node.receive(2, 1, Body::HeartbeatReply { round })).is_empty()
    }),
    (Bug::LeaseTooLong, |bugs| {
        let mut node = leader(bugs, 3);
        node.wait(4 * TIMEOUT);
        node.role() == Role::Leader && answers_at_once(&mut node)
    }),
    (Bug::ReadJoinsAskedBatch, |bugs| {
        let mut node = leader(bugs, 3);
        let round = rounds(&node.request(read()))[0];
        node.request(read());
        replies(&node.receive(2, 1, Body::HeartbeatReply { round })).len() == 2
    }),
    (Bug::WallClockLease, |bugs| {
        let mut node = leader(bugs, 3);
        node.core.set_wall_clock(9 * TIMEOUT);
        let round = rounds(&node.request(read()))[0];
        node.receive(2, 1, Body::HeartbeatReply { round });
        node.now += 5 * TIMEOUT;
        let set_back = 9 * TIMEOUT;
        node.core.set_wall_clock(set_back);
        answers_at_once(&mut node)
    }),
];

fn answers_at_once(node: &mut Lone) -> bool {
    !replies(&node.request(read())).is_empty()
}

/// The heartbeat rounds that node 2 is asked to confirm.
fn rounds(commands: &[Command]) -> Vec<u64> {
    let round = |body: &&Body| {
        if let Body::Heartbeat { round, .. } = body {
            Some(*round)
        } else {
            None
        }
    };
    sent_to(commands, 2).iter().filter_map(round).collect()
}
