//! What clients get: reads that are true, requests that happen once, and errors that say what is known.

use super::super::api::Session;
use super::*;
use crate::bug::Bug;

fn read() -> Request {
    Request::Read { key: "x".to_owned() }
}

fn rounds(commands: &[Command], to: NodeId) -> Vec<u64> {
    let round = |body: &&Body| {
        if let Body::Heartbeat { round, .. } = body {
            Some(*round)
        } else {
            None
        }
    };
    sent_to(commands, to).iter().filter_map(round).collect()
}

#[test]
fn a_read_waits_for_a_round_that_began_after_it() {
    let mut node = Lone::new(3, &[]);
    node.lead();
    node.write(7);
    node.accept_all();
    let first = rounds(&node.request(read()), 2)[0];
    let out = node.request(read());
    assert!(
        rounds(&out, 2).is_empty(),
        "the second read waits for the next round"
    );
    assert!(replies(&node.receive(2, 1, Body::HeartbeatReply { round: first - 1 })).is_empty());
    let out = node.receive(2, 1, Body::HeartbeatReply { round: first });
    assert_eq!(replies(&out), [&Ok(Answer::Read(Value::Int(7)))]);
    assert_eq!(rounds(&out, 2), [first + 1]);
    let out = node.receive(3, 1, Body::HeartbeatReply { round: first + 1 });
    assert_eq!(replies(&out).len(), 1);
}

#[test]
fn many_reads_share_a_round() {
    let mut node = Lone::new(3, &[]);
    node.lead();
    let first = rounds(&node.request(read()), 2)[0];
    for _ in 0..100 {
        assert!(rounds(&node.request(read()), 2).is_empty());
    }
    node.receive(2, 1, Body::HeartbeatReply { round: first });
    let out = node.receive(2, 1, Body::HeartbeatReply { round: first + 1 });
    assert_eq!(replies(&out).len(), 100);
}

#[test]
fn a_new_leader_answers_reads_only_after_an_entry_of_its_term() {
    let mut node = Lone::new(3, &[1, 1]);
    node.elect();
    assert!(rounds(&node.request(read()), 2).is_empty());
    let out = node.accept_all();
    let round = rounds(&out, 2)[0];
    assert_eq!(
        replies(&node.receive(2, 2, Body::HeartbeatReply { round })),
        [&Ok(Answer::Read(Value::Nil))]
    );
}

#[test]
fn a_follower_reads_its_own_state_at_the_index_that_its_leader_names() {
    let mut node = Lone::new(3, &[1]);
    node.receive(2, 1, Body::Heartbeat { commit: 1, round: 1 });
    let out = node.request(read());
    let [&Body::ReadIndex { batch }] = sent_to(&out, 2)[..] else {
        panic!("{out:?}")
    };
    let wrong = Body::ReadIndexReply {
        batch: batch + 1,
        index: 1,
    };
    assert!(
        replies(&node.receive(2, 1, wrong)).is_empty(),
        "not the batch that was asked"
    );
    let out = node.receive(2, 1, Body::ReadIndexReply { batch, index: 2 });
    assert!(replies(&out).is_empty(), "entry 2 is not applied yet");
    let payload = Payload::Apply {
        session: None,
        command: write(5),
    };
    let entries = vec![Arc::new(Entry {
        term: 1,
        index: 2,
        payload,
    })];
    let out = node.receive(
        2,
        1,
        Body::Append {
            prev_index: 1,
            prev_term: 1,
            commit: 2,
            entries,
        },
    );
    assert_eq!(replies(&out), [&Ok(Answer::Read(Value::Int(5)))]);
}

#[test]
fn a_read_that_is_never_confirmed_fails_in_time_and_the_clock_moves_on() {
    for leads in [true, false] {
        let mut node = Lone::with(3, &[], |config| config.read_timeout_ns = 2 * TIMEOUT);
        if leads {
            node.lead();
        }
        node.request(read());
        let out = node.wait(5 * TIMEOUT);
        assert_eq!(replies(&out), [&Err(RequestError::ReadTimeout)]);
        assert!(node.core.deadline() > node.now, "nothing is due for ever");
    }
}

#[test]
fn reads_that_wait_are_bounded() {
    let mut node = Lone::with(3, &[], |config| config.max_reads = 2);
    for busy in [false, false, true] {
        assert_eq!(
            replies(&node.request(read())).contains(&&Err(RequestError::Busy)),
            busy
        );
    }
}

#[test]
fn a_repeated_request_is_applied_once_and_answered_the_same() {
    let mut node = Lone::new(1, &[]);
    node.wait(2 * TIMEOUT);
    let out = node.request(Request::OpenSession);
    let [Ok(Answer::Session(client))] = replies(&out)[..] else {
        panic!("{out:?}")
    };
    let session = Some(Session {
        client: *client,
        sequence: 1,
    });
    let (expected, new) = (Value::Nil, Value::Int(1));
    let command = machine::Command::Cas {
        key: "x".to_owned(),
        expected,
        new,
    };
    for attempt in 1..=3 {
        let out = node.request(Request::Apply {
            session,
            command: command.clone(),
        });
        assert_eq!(
            replies(&out),
            [&Ok(Answer::Applied(machine::Output::Written))],
            "attempt {attempt}"
        );
    }
    let session = Some(Session {
        client: 99,
        sequence: 1,
    });
    let out = node.request(Request::Apply { session, command });
    assert_eq!(replies(&out), [&Err(RequestError::SessionExpired)]);
}

#[test]
fn errors_say_what_is_known() {
    let cases = [
        (RequestError::NotLeader { leader: None }, true),
        (RequestError::Busy, true),
        (RequestError::Transferring, true),
        (RequestError::SessionExpired, true),
        (RequestError::ReadTimeout, true),
        (RequestError::LeadershipLost, false),
        (RequestError::TransferTimeout, false),
    ];
    for (error, certain) in cases {
        assert_eq!(error.certain(), certain, "{error}");
    }
}

/// What each planted bug does wrong, and a healthy node does not.
#[test]
fn planted_bugs_break_the_rule_that_they_name() {
    for bug in [
        None,
        Some(Bug::StaleRead),
        Some(Bug::AckBeforeQuorum),
        Some(Bug::ForgetVote),
    ] {
        let mut node = Lone::with(3, &[], |config| config.bugs = bug.into_iter().collect());
        let body = Body::Vote {
            last_index: 0,
            last_term: 0,
            transfer: false,
        };
        let vote = node.step(Event::Receive(Message {
            from: 2,
            to: 1,
            term: 1,
            body,
        }));
        let saved = vote.iter().any(|command| matches!(command, Command::Persist(_)));
        assert_eq!(saved, bug != Some(Bug::ForgetVote), "{bug:?}");
        node.sync();
        node.lead();
        let acknowledged = !replies(&node.write(1)).is_empty();
        assert_eq!(acknowledged, bug == Some(Bug::AckBeforeQuorum), "{bug:?}");
        let answered = !replies(&node.request(read())).is_empty();
        assert_eq!(answered, bug == Some(Bug::StaleRead), "{bug:?}");
        node.wait(5 * TIMEOUT);
        assert_eq!(
            node.role() == Role::Leader,
            bug == Some(Bug::StaleRead),
            "{bug:?}"
        );
    }
}
