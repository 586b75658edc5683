//! Changes of membership.

use super::*;
use crate::core::api::Change;

pub(super) const ARMED: &[Armed] = &[
    (Bug::ChangeBeforeOwnCommit, |bugs| {
        let mut node = node(bugs, 3, &[1, 1]);
        node.elect();
        replies(&node.request(add(4))).is_empty()
    }),
    (Bug::ConfigAtCommit, |bugs| {
        let mut node = leader(bugs, 3);
        node.request(add(4));
        let before = node.core.membership().members.contains_key(&4);
        node.accept_all();
        assert!(node.core.membership().members.contains_key(&4));
        !before
    }),
    (Bug::TwoChangesAtOnce, |bugs| {
        let mut node = leader(bugs, 3);
        node.request(add(4));
        replies(&node.request(add(5))).is_empty()
    }),
    (Bug::CountLearners, |bugs| {
        let mut node = leader(bugs, 3);
        for learner in [4, 5] {
            node.request(add(learner));
            node.accept_all();
        }
        node.write(1);
        let last = node.core.status().last_index;
        for learner in [4, 5] {
            node.receive(learner, 1, Body::Accepted { match_index: last });
        }
        node.commit() == last
    }),
];

fn add(id: NodeId) -> Request {
    let address = format!("n{id}");
    Request::Change(Change::AddLearner { id, address })
}
