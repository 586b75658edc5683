//! Answers, and what commands do.

use super::*;
use crate::core::api::Snapshot;
use crate::machine::Machine;

pub(super) const ARMED: &[Armed] = &[
    (Bug::AckBeforeQuorum, |bugs| {
        !replies(&leader(bugs, 3).write(1)).is_empty()
    }),
    (Bug::RefuseAfterAppend, |bugs| {
        let mut node = leader(bugs, 3);
        node.write(1);
        node.request(Request::Transfer { to: Some(3) });
        let before = node.core.status().last_index;
        assert_eq!(replies(&node.write(2)), [&Err(RequestError::Transferring)]);
        node.core.status().last_index > before
    }),
    (Bug::AnswersShifted, |bugs| {
        let mut node = node(bugs, 3, &[]);
        node.elect();
        node.write(1);
        !replies(&node.receive(2, 1, Body::Accepted { match_index: 1 })).is_empty()
    }),
    (Bug::AnswerByIndex, |bugs| {
        let mut node = leader(bugs, 3);
        node.write(1);
        let payload = Payload::Apply {
            session: None,
            command: write(2),
        };
        let (term, index) = (2, 2);
        let entries = vec![Arc::new(Entry { term, index, payload })];
        let body = Body::Append {
            prev_index: 1,
            prev_term: 1,
            commit: 2,
            entries,
        };
        replies(&node.receive(2, 2, body))
            .iter()
            .any(|reply| reply.is_ok())
    }),
    (Bug::CasAtLeaderEarly, |bugs| {
        let mut node = leader(bugs, 3);
        node.request(cas(Value::Nil, Value::Int(1)));
        let logged = &node.core.entry(2).unwrap().payload;
        matches!(logged, Payload::Apply { command, .. } if *command == write(1))
    }),
    (Bug::FailedCasFromStale, |bugs| {
        let mut node = leader(bugs, 3);
        let out = node.request(cas(Value::Int(7), Value::Int(1)));
        let waits = node.request(cas(Value::Nil, Value::Int(1)));
        assert!(replies(&waits).is_empty(), "one that would succeed");
        !replies(&out).is_empty()
    }),
    (Bug::FollowersApplyCasBlindly, |bugs| {
        let mut node = node(bugs, 3, &[]);
        let Request::Apply { session, command } = cas(Value::Int(7), Value::Int(1)) else {
            panic!("a cas is applied")
        };
        let (term, index) = (1, 1);
        let payload = Payload::Apply { session, command };
        let entries = vec![Arc::new(Entry { term, index, payload })];
        let body = Body::Append {
            prev_index: 0,
            prev_term: 0,
            commit: 1,
            entries,
        };
        node.receive(2, 1, body);
        assert_eq!(node.core.status().applied, 1);
        node.core.machine().read("x") == Value::Int(1)
    }),
    (Bug::ApplyTwice, |bugs| {
        let mut machine = Machine::new(10);
        let add = machine::Command::Add {
            key: "x".to_owned(),
            amount: 1,
        };
        machine.apply(1, None, &add);
        let (session, command) = (None, add);
        let payload = Payload::Apply { session, command };
        let (term, index) = (1, 1);
        let stored = Stored {
            snapshot: Some(Arc::new(Snapshot {
                last_index: index,
                last_term: term,
                membership: members(3),
                data: machine.to_bytes().unwrap(),
            })),
            entries: vec![Arc::new(Entry { term, index, payload })],
            ..Stored::default()
        };
        let mut config = Config::new(1, members(3), 1);
        config.bugs = bugs;
        let core = Core::new(config, stored, 0).unwrap();
        core.machine().read("x") == Value::Int(2)
    }),
];
