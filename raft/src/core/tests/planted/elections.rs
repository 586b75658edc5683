//! Votes, terms, and who may lead.

use super::*;

pub(super) const ARMED: &[Armed] = &[
    (Bug::ForgetVote, |bugs| {
        let mut node = node(bugs, 3, &[]);
        let asked = node.step(vote(2, 1, (0, 0), false));
        !asked.iter().any(|command| matches!(command, Command::Persist(_)))
    }),
    (Bug::VoteTwice, |bugs| {
        let mut node = node(bugs, 3, &[]);
        assert!(grants(&mut node, vote(2, 1, (0, 0), false)));
        grants(&mut node, vote(3, 1, (0, 0), false))
    }),
    (Bug::VoteBeforeDurable, |bugs| {
        let mut node = node(bugs, 3, &[]);
        granted(&node.step(vote(2, 1, (0, 0), false)))
    }),
    (Bug::SameTermClearsVote, |bugs| {
        let mut node = node(bugs, 3, &[]);
        assert!(grants(&mut node, vote(2, 1, (0, 0), false)));
        node.receive(2, 1, Body::Heartbeat { commit: 0, round: 1 });
        grants(&mut node, vote(3, 1, (0, 0), false))
    }),
    (Bug::VoteWithoutLogCheck, |bugs| {
        grants(&mut node(bugs, 3, &[1, 1]), vote(2, 2, (1, 1), false))
    }),
    (Bug::VoteByLengthOnly, |bugs| {
        grants(&mut node(bugs, 3, &[1, 2]), vote(2, 3, (1, 3), false))
    }),
    (Bug::VoteComparesBoth, |bugs| {
        !grants(&mut node(bugs, 3, &[1, 1, 1]), vote(2, 3, (2, 2), false))
    }),
    (Bug::TransferSkipsLogCheck, |bugs| {
        let by_transfer = grants(&mut node(bugs, 3, &[1, 1]), vote(2, 2, (1, 1), true));
        let mut leader = leader(bugs, 3);
        leader.write(1);
        let out = leader.request(Request::Transfer { to: Some(3) });
        let hurries = sent_to(&out, 3).contains(&&Body::TimeoutNow);
        assert_eq!(by_transfer, hurries, "one half is as harmless as none");
        by_transfer
    }),
    (Bug::PreVoteCountsAsVote, |bugs| {
        let mut node = node(bugs, 3, &[]);
        node.wait(2 * TIMEOUT);
        node.receive(2, 1, Body::PreVoteReply { granted: true });
        node.role() == Role::Leader
    }),
    (Bug::VotesOfOldTermCount, |bugs| {
        let mut node = node(bugs, 3, &[]);
        for term in [1, 2] {
            node.wait(2 * TIMEOUT);
            node.receive(2, term, Body::PreVoteReply { granted: true });
        }
        assert_eq!((node.role(), node.core.status().term), (Role::Candidate, 2));
        node.receive(3, 1, Body::VoteReply { granted: true });
        node.role() == Role::Leader
    }),
    (Bug::DuplicateVotesCount, |bugs| {
        let mut node = node(bugs, 5, &[]);
        node.wait(2 * TIMEOUT);
        for voter in [2, 3] {
            node.receive(voter, 1, Body::PreVoteReply { granted: true });
        }
        for _ in 0..2 {
            node.receive(2, 1, Body::VoteReply { granted: true });
        }
        node.role() == Role::Leader
    }),
    (Bug::StaleLeaderAccepted, |bugs| {
        let mut node = node(bugs, 3, &[2]);
        node.receive(3, 1, Body::Heartbeat { commit: 0, round: 1 });
        node.core.status().leader == Some(3)
    }),
    (Bug::QuorumOfTheReachable, |bugs| {
        let mut node = node(bugs, 3, &[]);
        node.wait(2 * TIMEOUT);
        node.role() == Role::Leader
    }),
    (Bug::MinorityQuorum, |bugs| {
        let mut node = node(bugs, 3, &[]);
        node.wait(2 * TIMEOUT);
        node.role() == Role::Leader
    }),
    (Bug::EvenQuorum, |bugs| {
        let wins_with_one_vote = |nodes| {
            let mut node = node(bugs, nodes, &[]);
            node.wait(2 * TIMEOUT);
            node.receive(2, 1, Body::PreVoteReply { granted: true });
            node.receive(2, 1, Body::VoteReply { granted: true });
            node.role() == Role::Leader
        };
        assert!(wins_with_one_vote(3) && !wins_with_one_vote(5), "as it should be");
        wins_with_one_vote(4)
    }),
    (Bug::NoPreVote, |bugs| {
        let mut node = node(bugs, 3, &[]);
        node.wait(2 * TIMEOUT);
        node.core.status().term > 0
    }),
    (Bug::NoCheckQuorum, |bugs| {
        let mut node = leader(bugs, 3);
        node.wait(5 * TIMEOUT);
        node.role() == Role::Leader
    }),
    (Bug::RefusedVoteResetsTimer, |bugs| {
        let moves = |event| {
            let mut node = node(bugs, 3, &[1, 1]);
            let before = node.core.deadline();
            node.now = TIMEOUT / 2;
            assert!(!grants(&mut node, event));
            node.core.deadline() > before
        };
        let pre_vote = Event::Receive(Message {
            from: 2,
            to: 1,
            term: 2,
            body: Body::PreVote {
                last_index: 1,
                last_term: 1,
            },
        });
        let moved = moves(pre_vote);
        assert_eq!(moves(vote(2, 2, (1, 1), false)), moved);
        moved
    }),
    (Bug::TransferNeverEnds, |bugs| {
        let mut node = leader(bugs, 3);
        node.write(1);
        node.request(Request::Transfer { to: Some(3) });
        let mut out = Vec::new();
        for _ in 0..6 {
            out.extend(node.wait(TIMEOUT / 2));
            node.receive(2, 1, Body::HeartbeatReply { round: 1 });
        }
        assert_eq!(node.role(), Role::Leader);
        !replies(&out).contains(&&Err(RequestError::TransferTimeout))
    }),
    (Bug::FixedElectionTimeout, |bugs| {
        let deadline = |id| {
            Lone::node(id, 3, &[], |config| config.bugs = bugs)
                .core
                .deadline()
        };
        deadline(1) == deadline(2) && deadline(2) == deadline(3)
    }),
    (Bug::HeartbeatBehindDisk, |bugs| {
        let mut node = node(bugs, 3, &[1]);
        node.step(append(&node, 1, (1, 1), &[1], 0));
        let body = Body::Heartbeat { commit: 0, round: 1 };
        let (from, to, term) = (2, 1, 1);
        let out = node.step(Event::Receive(Message { from, to, term, body }));
        let late = node.sync();
        let answer = Body::HeartbeatReply { round: 1 };
        assert!(sent_to(&out, 2).contains(&&answer) != sent_to(&late, 2).contains(&&answer));
        sent_to(&late, 2).contains(&&answer)
    }),
];

/// Node `from` asks for a vote; its last entry has this term and index.
fn vote(from: NodeId, term: Term, (last_term, last_index): (Term, Index), transfer: bool) -> Event {
    let body = Body::Vote {
        last_index,
        last_term,
        transfer,
    };
    Event::Receive(Message {
        from,
        to: 1,
        term,
        body,
    })
}

fn grants(node: &mut Lone, event: Event) -> bool {
    granted(&node.durably(event))
}

fn granted(commands: &[Command]) -> bool {
    let yes = |message: &&Message| matches!(message.body, Body::VoteReply { granted: true });
    sent(commands).iter().any(yes)
}
