//! How logs become equal, what is committed, and what a restart finds.

use super::super::api::{Change, Snapshot};
use super::super::{StartError, restore_log};
use super::*;

/// Raft figure 8: S1 has replicated its entry of term 2 to a quorum in term 4, and yet S5 with its entry of
/// term 3 could still be elected and overwrite it. Only an entry of term 4 settles it (Raft §5.4.2).
#[test]
fn an_entry_of_an_earlier_term_is_not_committed_by_counting() {
    let mut s1 = Lone::new(5, &[1, 2]);
    s1.wait(2 * TIMEOUT);
    s1.receive(5, 3, Body::VoteReply { granted: false });
    s1.elect();
    assert_eq!((s1.core.status().term, s1.core.status().last_index), (4, 3));
    for peer in [2, 3, 4] {
        s1.receive(peer, 4, Body::Accepted { match_index: 2 });
    }
    assert_eq!(s1.commit(), 0, "a majority has entry 2, of term 2");
    s1.receive(2, 4, Body::Accepted { match_index: 3 });
    assert_eq!(s1.commit(), 0);
    s1.receive(3, 4, Body::Accepted { match_index: 3 });
    assert_eq!(s1.commit(), 3, "entry 3, of term 4, brings the others with it");
}

#[test]
fn a_leader_counts_itself_only_when_durable() {
    let mut node = Lone::new(3, &[]);
    node.lead();
    let request = Request::Apply {
        session: None,
        command: write(1),
    };
    let out = node.step(Event::Request { id: 9, request });
    assert!(
        matches!(sent_to(&out, 2)[..], [Body::Append { .. }]),
        "sent before its own disk is done"
    );
    let accepted = |to| {
        Event::Receive(Message {
            from: 2,
            to,
            term: 1,
            body: Body::Accepted { match_index: 2 },
        })
    };
    node.step(accepted(1));
    assert_eq!(node.commit(), 1);
    let out = node.sync();
    assert_eq!(node.commit(), 2);
    assert_eq!(replies(&out), [&Ok(Answer::Applied(machine::Output::Written))]);
}

#[test]
fn a_follower_vouches_only_for_what_is_durable() {
    let mut node = Lone::new(3, &[1]);
    let body = Body::Append {
        prev_index: 1,
        prev_term: 1,
        commit: 0,
        entries: log(&[1, 1, 1])[1..].to_vec(),
    };
    let out = node.step(Event::Receive(Message {
        from: 2,
        to: 1,
        term: 1,
        body,
    }));
    assert!(sent(&out).is_empty());
    assert_eq!(sent_to(&node.sync(), 2), [&Body::Accepted { match_index: 3 }]);
}

#[test]
fn an_append_extends_replaces_or_is_refused() {
    // (follower's log, committed, prev index and term, new terms, log afterwards or the hint of the refusal)
    type Case = (
        &'static [Term],
        Index,
        (Index, Term),
        &'static [Term],
        Result<&'static [Term], (Index, Term)>,
    );
    let cases: [Case; 9] = [
        (&[], 0, (0, 0), &[1, 1], Ok(&[1, 1])),
        (&[1, 1], 0, (2, 1), &[1], Ok(&[1, 1, 1])),
        (&[1, 1, 1], 0, (1, 1), &[1], Ok(&[1, 1, 1])),
        (&[1, 1, 1], 0, (1, 1), &[2], Ok(&[1, 2])),
        (&[1, 2, 2, 2], 0, (1, 1), &[3, 3], Ok(&[1, 3, 3])),
        (&[1, 1, 1], 2, (0, 0), &[1, 1, 1, 4], Ok(&[1, 1, 1, 4])),
        (&[1, 1], 0, (5, 1), &[1], Err((2, 1))),
        (&[1, 1, 3, 3, 3], 0, (5, 4), &[4], Err((5, 3))),
        (&[1, 1, 3, 3, 3], 0, (5, 2), &[4], Err((2, 1))),
    ];
    for (terms, committed, (prev_index, prev_term), new, expected) in cases {
        let mut node = Lone::new(3, terms);
        node.receive(
            2,
            9,
            Body::Heartbeat {
                commit: committed,
                round: 1,
            },
        );
        let entry = |(index, &term)| {
            Arc::new(Entry {
                term,
                index,
                payload: Payload::Noop,
            })
        };
        let entries: Vec<_> = (prev_index + 1..).zip(new).map(entry).collect();
        let out = node.receive(
            2,
            9,
            Body::Append {
                prev_index,
                prev_term,
                commit: committed,
                entries,
            },
        );
        let last = node.core.status().last_index;
        let now: Vec<Term> = (1..=last)
            .map(|index| node.core.entry(index).unwrap().term)
            .collect();
        let answer = match expected {
            Ok(_) => Body::Accepted {
                match_index: prev_index + new.len() as u64,
            },
            Err((hint_index, hint_term)) => Body::Rejected {
                prev_index,
                hint_index,
                hint_term,
            },
        };
        assert_eq!(sent_to(&out, 2), [&answer], "{terms:?} {prev_index} {new:?}");
        assert_eq!(now, expected.unwrap_or(terms), "{terms:?} {prev_index} {new:?}");
    }
}

/// Raft figure 7 and worse: how many Appends until the logs agree. One a term that differs, not one an entry.
#[test]
fn backtracking_takes_a_round_a_term() {
    let long = |term| [term; 40];
    let cases: [(Vec<Term>, Vec<Term>, usize); 6] = [
        (vec![1, 1, 1], vec![1, 1, 1], 1),
        (vec![1; 60], vec![1, 1], 2),
        (vec![1, 1, 1, 4, 4, 5, 5, 6, 6, 6], vec![1, 1, 1, 4, 4, 4, 4], 2),
        (
            vec![1, 1, 1, 4, 4, 5, 5, 6, 6, 6],
            vec![1, 1, 1, 2, 2, 2, 3, 3, 3, 3, 3],
            3,
        ),
        (
            [vec![1], long(5).to_vec()].concat(),
            [vec![1], long(2).to_vec(), long(3).to_vec()].concat(),
            3,
        ),
        (
            [long(1), long(3), long(5)].concat(),
            [long(1), long(2), long(4)].concat(),
            3,
        ),
    ];
    for (leader_terms, follower_terms, rounds) in cases {
        let mut leader = Lone::new(3, &leader_terms);
        let mut follower = Lone::node(2, 3, &follower_terms, |_| {});
        let term = leader_terms
            .last()
            .max(follower_terms.last())
            .copied()
            .unwrap_or(0);
        if leader.core.status().term < term {
            leader.receive(3, term, Body::VoteReply { granted: false });
        }
        let mut out = leader.elect();
        let mut appends = 0;
        let last = leader.core.status().last_index;
        while follower.core.status().last_index != last
            || follower.core.entry(last) != leader.core.entry(last)
        {
            let to_follower =
                |message: &&Message| message.to == 2 && matches!(message.body, Body::Append { .. });
            let message = sent(&out)
                .into_iter()
                .find(to_follower)
                .expect("the leader goes on")
                .clone();
            appends += 1;
            assert!(appends < 20, "{leader_terms:?} {follower_terms:?}");
            let answer = follower.durably(Event::Receive(message));
            let answer = sent(&answer)[0].clone();
            out = leader.durably(Event::Receive(answer));
        }
        assert!(
            appends <= rounds,
            "{appends} Appends, not {rounds}: {leader_terms:?} {follower_terms:?}"
        );
        for index in 1..=last {
            assert_eq!(follower.core.entry(index), leader.core.entry(index));
        }
    }
}

#[test]
fn appends_under_way_are_bounded_in_number_and_size() {
    let mut node = Lone::with(3, &[], |config| {
        config.max_inflight = 3;
        config.max_append_entries = 2;
        config.max_uncommitted = 20;
    });
    node.lead();
    let mut out = Vec::new();
    for value in 0..30 {
        out.extend(node.write(value));
    }
    let appends = |out: &[Command]| -> Vec<usize> {
        let size = |body: &&Body| {
            if let Body::Append { entries, .. } = body {
                Some(entries.len())
            } else {
                None
            }
        };
        sent_to(out, 2).iter().filter_map(size).collect()
    };
    assert_eq!(appends(&out), [1, 1, 1]);
    let busy = replies(&out)
        .into_iter()
        .filter(|result| **result == Err(RequestError::Busy))
        .count();
    assert_eq!(busy, 10, "what is beyond the limit is refused");
    let out = node.receive(2, 1, Body::Accepted { match_index: 4 });
    assert_eq!(appends(&out), [2, 2, 2], "now larger ones");
}

#[test]
fn a_membership_changes_only_after_an_entry_of_the_own_term() {
    let add = |id| {
        Request::Change(Change::AddLearner {
            id,
            address: "a".to_owned(),
        })
    };
    let early = Err(RequestError::ChangeInProgress);
    let mut node = Lone::new(3, &[1, 1]);
    assert!(matches!(
        replies(&node.request(add(4)))[..],
        [Err(RequestError::NotLeader { .. })]
    ));
    node.elect();
    assert_eq!(
        replies(&node.request(add(4))),
        [&early],
        "nothing of this term is committed"
    );
    node.accept_all();
    assert!(replies(&node.request(add(4))).is_empty());
    assert!(
        node.core.membership().members.contains_key(&4),
        "in force when appended"
    );
    assert_eq!(replies(&node.request(add(5))), [&early], "one at a time");
    assert!(matches!(
        replies(&node.accept_all())[..],
        [Ok(Answer::Changed(_))]
    ));
    let promote = || Request::Change(Change::Promote { id: 4 });
    assert!(
        matches!(
            replies(&node.request(promote()))[..],
            [Err(RequestError::BadChange(_))]
        ),
        "it lags"
    );
    let last = node.core.status().last_index;
    node.receive(4, 2, Body::Accepted { match_index: last });
    assert!(replies(&node.request(promote())).is_empty());
    assert!(node.core.membership().is_voter(4));
}

#[test]
fn a_membership_that_is_overwritten_was_never_in_force() {
    let mut node = Lone::new(3, &[1]);
    node.receive(2, 1, Body::Heartbeat { commit: 1, round: 1 });
    let payload = Payload::Membership(members(4));
    let entries = vec![Arc::new(Entry {
        term: 1,
        index: 2,
        payload,
    })];
    node.receive(
        2,
        1,
        Body::Append {
            prev_index: 1,
            prev_term: 1,
            commit: 1,
            entries,
        },
    );
    assert_eq!(*node.core.membership(), members(4));
    let entries = vec![Arc::new(Entry {
        term: 2,
        index: 2,
        payload: Payload::Noop,
    })];
    let out = node.receive(
        3,
        2,
        Body::Append {
            prev_index: 1,
            prev_term: 1,
            commit: 1,
            entries,
        },
    );
    assert_eq!(*node.core.membership(), members(3));
    assert!(
        out.iter()
            .any(|command| matches!(command, Command::Membership(now) if *now == members(3)))
    );
}

#[test]
fn a_removed_leader_steps_down_once_that_is_committed() {
    let mut node = Lone::new(3, &[]);
    node.lead();
    node.request(Request::Change(Change::Remove { id: 1 }));
    assert_eq!(node.role(), Role::Leader);
    node.receive(2, 1, Body::Accepted { match_index: 2 });
    assert_eq!(
        (node.role(), node.commit()),
        (Role::Leader, 1),
        "it does not count itself any more"
    );
    let out = node.receive(3, 1, Body::Accepted { match_index: 2 });
    assert!(matches!(replies(&out)[..], [Ok(Answer::Changed(_))]));
    assert_eq!((node.role(), node.commit()), (Role::Follower, 2));
    assert!(sent(&node.wait(5 * TIMEOUT)).is_empty(), "and never campaigns");
}

#[test]
fn a_follower_too_far_behind_gets_a_snapshot_and_goes_on_from_it() {
    let mut leader = Lone::with(3, &[], |config| {
        config.snapshot_every = 5;
        config.keep_entries = 0;
        config.resend_ns = TIMEOUT / 4;
    });
    leader.elect();
    for value in 0..10 {
        leader.write(value);
        let last = leader.core.status().last_index;
        leader.receive(3, 1, Body::Accepted { match_index: last });
    }
    assert!(leader.core.status().snapshot_index >= 5);
    let mut follower = Lone::node(2, 3, &[], |_| {});
    leader.wait(TIMEOUT / 2);
    let mut out = leader.receive(2, 1, Body::HeartbeatReply { round: 1 });
    assert!(
        matches!(sent_to(&out, 2)[..], [Body::InstallSnapshot { .. }]),
        "its Append is taken for lost"
    );
    for _ in 0..3 {
        let mut answers = Vec::new();
        for message in sent(&out).into_iter().filter(|message| message.to == 2) {
            answers.extend(follower.durably(Event::Receive(message.clone())));
        }
        out.clear();
        for message in sent(&answers) {
            out.extend(leader.durably(Event::Receive(message.clone())));
        }
    }
    assert!(follower.core.status().snapshot_index >= 5);
    assert_eq!(follower.core.status().applied, 11);
    assert_eq!(follower.core.machine(), leader.core.machine());
}

#[test]
fn a_restart_takes_what_continues_the_snapshot() {
    let snapshot = |last_index, last_term| Snapshot {
        last_index,
        last_term,
        ..Snapshot::default()
    };
    // (snapshot, first index, terms, first entry kept and last index) or what is wrong
    type Case = (
        Snapshot,
        usize,
        &'static [Term],
        Result<Option<(Index, Index)>, &'static str>,
    );
    let cases: [Case; 8] = [
        (snapshot(0, 0), 1, &[], Ok(Some((0, 0)))),
        (snapshot(0, 0), 1, &[1, 1], Ok(Some((0, 2)))),
        (snapshot(2, 1), 3, &[1, 1], Ok(Some((2, 4)))),
        (snapshot(3, 1), 2, &[1, 1, 1], Ok(Some((2, 4)))),
        // The log that the snapshot replaces is still there.
        (snapshot(3, 2), 1, &[1, 1, 1, 1], Ok(None)),
        (snapshot(9, 2), 1, &[1, 1], Ok(None)),
        (
            snapshot(2, 1),
            4,
            &[1],
            Err("the stored log has 4 where entry 3 belongs"),
        ),
        (
            snapshot(0, 0),
            2,
            &[1],
            Err("the stored log has 2 where entry 1 belongs"),
        ),
    ];
    for (snapshot, first, terms, expected) in cases {
        let all = [vec![1; first - 1], terms.to_vec()].concat();
        let entries = log(&all)[first - 1..].to_vec();
        let found = restore_log(&snapshot, entries).map_err(|error: StartError| error.to_string());
        let found = found.map(|log| log.map(|log| (log.base_index(), log.last_index())));
        assert_eq!(
            found,
            expected.map_err(str::to_owned),
            "{snapshot:?} {first} {terms:?}"
        );
    }
}
