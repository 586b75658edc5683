//! Who may lead, and when a leader stops.

use super::*;

#[test]
fn votes_go_to_complete_logs_of_free_terms() {
    // A follower with the log [1, 2, 2] in term 2, asked for its vote in `term` by node 2.
    struct Case {
        why: &'static str,
        term: Term,
        last: (Term, Index),
        voted_for: Option<NodeId>,
        hears_leader: bool,
        transfer: bool,
        granted: bool,
        pre_granted: bool,
    }
    let base = Case {
        why: "the same log",
        term: 3,
        last: (2, 3),
        voted_for: None,
        hears_leader: false,
        transfer: false,
        granted: true,
        pre_granted: true,
    };
    let cases = [
        Case {
            why: "a longer log",
            last: (2, 4),
            ..base
        },
        Case {
            why: "a later term, though shorter",
            last: (3, 1),
            ..base
        },
        Case {
            why: "a shorter log",
            last: (2, 2),
            granted: false,
            pre_granted: false,
            ..base
        },
        Case {
            why: "an earlier term, though longer",
            last: (1, 9),
            granted: false,
            pre_granted: false,
            ..base
        },
        Case {
            why: "an old term",
            term: 1,
            granted: false,
            pre_granted: false,
            ..base
        },
        Case {
            why: "the vote is free",
            term: 2,
            pre_granted: false,
            ..base
        },
        Case {
            why: "voted so before",
            term: 2,
            voted_for: Some(2),
            pre_granted: false,
            ..base
        },
        Case {
            why: "voted otherwise",
            term: 2,
            voted_for: Some(3),
            granted: false,
            pre_granted: false,
            ..base
        },
        Case {
            why: "a vote of an earlier term",
            voted_for: Some(3),
            ..base
        },
        Case {
            why: "a leader is heard",
            hears_leader: true,
            granted: false,
            pre_granted: false,
            ..base
        },
        Case {
            why: "the leader asked",
            hears_leader: true,
            transfer: true,
            pre_granted: false,
            ..base
        },
        base,
    ];
    for case in cases {
        let ask = |pre: bool| {
            let mut node = Lone::new(3, &[1, 2, 2]);
            if let Some(other) = case.voted_for {
                let body = Body::Vote {
                    last_index: 9,
                    last_term: 2,
                    transfer: false,
                };
                node.receive(other, 2, body);
            }
            if case.hears_leader {
                node.receive(3, 2, Body::Heartbeat { commit: 0, round: 1 });
            }
            let (last_term, last_index) = case.last;
            let body = match pre {
                true => Body::PreVote {
                    last_index,
                    last_term,
                },
                false => Body::Vote {
                    last_index,
                    last_term,
                    transfer: case.transfer,
                },
            };
            let out = node.receive(2, case.term, body);
            let yes = |body: &&Body| {
                matches!(
                    body,
                    Body::VoteReply { granted: true } | Body::PreVoteReply { granted: true }
                )
            };
            (sent_to(&out, 2).iter().any(yes), node.core.status().term)
        };
        assert_eq!(ask(false).0, case.granted, "vote: {}", case.why);
        assert_eq!(
            ask(true),
            (case.pre_granted, 2),
            "pre-vote, which changes no term: {}",
            case.why
        );
    }
}

#[test]
fn a_node_that_hears_no_other_asks_and_keeps_its_term() {
    let mut node = Lone::new(3, &[1]);
    let out = node.wait(20 * TIMEOUT);
    assert!(sent(&out).len() >= 20, "it asks both others again and again");
    assert!(
        sent(&out)
            .iter()
            .all(|message| matches!(message.body, Body::PreVote { .. }) && message.term == 2)
    );
    assert_eq!((node.role(), node.core.status().term), (Role::PreCandidate, 1));
}

#[test]
fn a_vote_leaves_only_when_it_is_durable() {
    let mut node = Lone::new(3, &[]);
    let body = Body::Vote {
        last_index: 0,
        last_term: 0,
        transfer: false,
    };
    let out = node.step(Event::Receive(Message {
        from: 2,
        to: 1,
        term: 1,
        body,
    }));
    assert!(sent(&out).is_empty());
    let saved = HardState {
        term: 1,
        voted_for: Some(2),
    };
    assert!(matches!(&out[..], [Command::Persist(persist)] if persist.hard_state == Some(saved)));
    let out = node.sync();
    assert_eq!(sent_to(&out, 2), [&Body::VoteReply { granted: true }]);
}

#[test]
fn the_only_voter_leads_once_its_vote_is_durable() {
    let mut node = Lone::new(1, &[]);
    node.now = node.core.deadline();
    node.step(Event::Tick);
    assert_eq!(node.role(), Role::Candidate);
    node.sync();
    assert_eq!((node.role(), node.commit()), (Role::Leader, 0));
    node.sync();
    assert_eq!(node.commit(), 1);
}

#[test]
fn a_leader_without_a_quorum_steps_down_and_with_one_does_not() {
    for (nodes, heard, leads) in [
        (3, vec![], false),
        (3, vec![2], true),
        (5, vec![2], false),
        (5, vec![2, 3], true),
    ] {
        let mut node = Lone::new(nodes, &[]);
        node.lead();
        node.write(1);
        let mut out = Vec::new();
        for _ in 0..4 {
            out.extend(node.wait(TIMEOUT / 2));
            for peer in &heard {
                node.receive(*peer, 1, Body::HeartbeatReply { round: 1 });
            }
        }
        assert_eq!(
            node.role() == Role::Leader,
            leads,
            "{nodes} nodes, {heard:?} heard"
        );
        let lost = replies(&out).contains(&&Err(RequestError::LeadershipLost));
        assert_eq!(lost, !leads, "a write that waits is given up with leadership");
    }
}

#[test]
fn leadership_is_handed_to_a_voter_with_the_whole_log() {
    let mut node = Lone::new(3, &[]);
    node.lead();
    node.write(1);
    let out = node.request(Request::Transfer { to: Some(3) });
    assert!(
        !sent_to(&out, 3).contains(&&Body::TimeoutNow),
        "node 3 lacks the write"
    );
    assert_eq!(replies(&node.write(2)), [&Err(RequestError::Transferring)]);
    let out = node.accept_all();
    assert!(sent_to(&out, 3).contains(&&Body::TimeoutNow));
    let out = node.receive(3, 2, Body::Heartbeat { commit: 2, round: 1 });
    assert_eq!(replies(&out), [&Ok(Answer::Transferred(3))]);
}

#[test]
fn a_transfer_that_does_not_come_about_is_given_up() {
    let mut node = Lone::new(3, &[]);
    node.lead();
    for to in [1, 9] {
        assert!(
            matches!(
                replies(&node.request(Request::Transfer { to: Some(to) }))[..],
                [Err(_)]
            ),
            "to {to}"
        );
    }
    node.request(Request::Transfer { to: Some(3) });
    let mut out = Vec::new();
    for _ in 0..3 {
        out.extend(node.wait(TIMEOUT / 2));
        node.receive(2, 1, Body::HeartbeatReply { round: 1 });
    }
    assert_eq!(replies(&out), [&Err(RequestError::TransferTimeout)]);
    assert!(replies(&node.write(1)).is_empty(), "writes are taken again");
}

#[test]
fn the_target_of_a_transfer_campaigns_at_once() {
    let mut node = Lone::new(3, &[1]);
    node.receive(2, 1, Body::Heartbeat { commit: 1, round: 1 });
    let out = node.receive(2, 1, Body::TimeoutNow);
    assert_eq!(
        sent_to(&out, 3),
        [&Body::Vote {
            last_index: 1,
            last_term: 1,
            transfer: true
        }]
    );
}
