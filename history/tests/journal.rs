//! The journal: what is written is read back, torn tails are dropped, damage is named.

use std::path::Path;

use history::formats::{ImportError, Imported, JOURNAL, read_bytes};
use history::{
    Answer, ErrorClass, Event, EventKind, Fact, FoundState, History, Hold, NemesisAction, NemesisOp,
    NemesisOutcome, NodeFound, NotBack, Note, Op, Outcome, Process, Value, append_line,
};
use proptest::prelude::*;

fn value() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Nil),
        any::<i64>().prop_map(Value::Int),
        ".{0,8}".prop_map(|text| Value::text(&text)),
    ]
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        value().prop_map(|key| Op::Read { key }),
        (value(), value()).prop_map(|(key, value)| Op::Write { key, value }),
        (value(), value(), value()).prop_map(|(key, expected, new)| Op::Cas { key, expected, new }),
    ]
}

fn outcome() -> impl Strategy<Value = Outcome> {
    prop_oneof![
        proptest::option::of(value()).prop_map(|value| Outcome::Ok(Answer { value })),
        proptest::option::of(value()).prop_map(Outcome::mismatch),
        ".{0,8}".prop_map(|text| Outcome::fail(ErrorClass::Rejected, text)),
        ".{0,8}".prop_map(|text| Outcome::info(ErrorClass::Timeout, text)),
    ]
}

fn hold() -> impl Strategy<Value = Hold> {
    prop_oneof![
        Just(Hold::Verified),
        ".{0,8}".prop_map(Hold::Failed),
        ".{0,8}".prop_map(Hold::Skipped),
    ]
}

/// What belongs together: an operation and its completion if it has one, an act of the nemesis and its
/// outcome, a note.
fn episode() -> impl Strategy<Value = Vec<EventKind>> {
    prop_oneof![
        (op(), any::<Option<u16>>(), proptest::option::of(outcome())).prop_map(|(op, node, outcome)| {
            let invoked = EventKind::Invoke { op, node };
            [invoked]
                .into_iter()
                .chain(outcome.map(EventKind::Complete))
                .collect()
        }),
        (nemesis_op(), nemesis_outcome()).prop_map(|(op, outcome)| {
            vec![
                EventKind::NemesisInvoke(op),
                EventKind::NemesisComplete(Box::new(outcome)),
            ]
        }),
        note().prop_map(|note| vec![EventKind::Note(Box::new(note))]),
    ]
}

fn nemesis_op() -> impl Strategy<Value = NemesisOp> {
    (".{0,8}", ".{0,8}", any::<bool>()).prop_map(|(nemesis, target, start)| NemesisOp {
        nemesis,
        target: target.into(),
        action: match start {
            true => NemesisAction::Start,
            false => NemesisAction::Stop,
        },
    })
}

fn nemesis_outcome() -> impl Strategy<Value = NemesisOutcome> {
    (proptest::collection::vec(".{0,4}", 0..3), ".{0,8}", hold()).prop_map(|(nodes, detail, hold)| {
        NemesisOutcome {
            exact: nodes.join("+").into(),
            nodes,
            detail,
            hold,
        }
    })
}

fn fact() -> impl Strategy<Value = Fact> {
    let node = (".{0,8}", any::<bool>(), 0..9_u32, proptest::option::of(".{0,8}")).prop_map(
        |(node, given_up, started, not_started)| NodeFound {
            said: vec![node.clone()],
            node,
            state: FoundState::Gone,
            given_up,
            ended: started + 1,
            started,
            not_started,
        },
    );
    let nodes = proptest::collection::vec(node, 0..3);
    (any::<u64>(), any::<u64>(), proptest::option::of(".{0,8}"), nodes).prop_map(
        |(given_ms, unanswered, operator, nodes)| {
            Fact::NotBack(NotBack {
                given_ms,
                unanswered,
                operator,
                nodes,
            })
        },
    )
}

fn note() -> impl Strategy<Value = Note> {
    (
        "[a-z]{1,8}",
        ".{0,8}",
        proptest::option::of(any::<u64>()),
        ".{0,8}",
        proptest::option::of(fact()),
    )
        .prop_map(|(kind, node, term, detail, fact)| Note {
            kind: kind.into(),
            node,
            term,
            detail,
            fact,
        })
}

/// Events that make a history: each operation by a process of its own.
fn events() -> impl Strategy<Value = Vec<Event>> {
    // Times of a run, which begins at 0.
    let timed = (proptest::collection::vec(0..1_u64 << 50, 2), episode());
    proptest::collection::vec(timed, 0..8).prop_map(|episodes| {
        let mut events = Vec::new();
        for (number, (times, kinds)) in (0..).zip(episodes) {
            for (time_ns, kind) in times.into_iter().zip(kinds) {
                let process = match kind {
                    EventKind::Invoke { .. } | EventKind::Complete(_) => Process::Client(number),
                    _ => Process::Nemesis,
                };
                events.push(Event {
                    time_ns,
                    process,
                    kind,
                });
            }
        }
        events
    })
}

/// The history in a journal of these bytes, as every command reads it.
fn read(bytes: &[u8]) -> Result<Imported, ImportError> {
    read_bytes(bytes, Path::new("history.jsonl"), Some(JOURNAL))
}

proptest! {
    #[test]
    fn every_event_survives_the_journal(events in events(), torn in any::<bool>()) {
        let mut bytes = Vec::new();
        for event in &events {
            let start = bytes.len();
            append_line(&mut bytes, event.clone());
            let again: Event = serde_json::from_slice(&bytes[start..]).unwrap();
            prop_assert_eq!(&again, event);
        }
        if torn {
            bytes.extend_from_slice(br#"{"time_ns":5,"process":1,"ty"#);
        }
        let imported = read(&bytes).unwrap();
        prop_assert_eq!(imported.history, History::from_events(events).unwrap());
        let said = imported.remarks.iter().any(|remark| remark.to_string().starts_with("the last line is cut off"));
        prop_assert_eq!(said, torn);
    }
}

#[test]
fn damage_is_named_with_its_line() {
    let cases = [
        ("{}\n", "time_ns"),
        ("nonsense\n", "expected"),
        (
            "{\"time_ns\":1,\"process\":0,\"type\":\"invoke\"}\n",
            "`f` is missing",
        ),
        (
            "{\"time_ns\":1,\"process\":0,\"type\":\"invoke\",\"f\":\"write\"}\n",
            "`value` is missing",
        ),
        (
            "{\"time_ns\":1,\"process\":0,\"type\":\"ok\",\"colour\":1}\n",
            "colour",
        ),
        (
            "{\"time_ns\":1,\"process\":\"someone\",\"type\":\"ok\"}\n",
            "someone",
        ),
    ];
    let good = "{\"time_ns\":0,\"process\":0,\"type\":\"invoke\",\"f\":\"read\",\"key\":1}\n";
    for (line, expected) in cases {
        let message = read(format!("{good}{line}{good}").as_bytes())
            .unwrap_err()
            .to_string();
        assert!(message.contains(":2: "), "{message}");
        assert!(message.contains(expected), "{message} lacks {expected}");
    }
}

#[test]
fn lines_are_flat_and_readable() {
    let cases = [
        (
            EventKind::Invoke {
                op: Op::Cas {
                    key: 3.into(),
                    expected: Value::Nil,
                    new: 7.into(),
                },
                node: Some(1),
            },
            r#"{"time_ns":9,"process":4,"type":"invoke","f":"cas","key":3,"expected":null,"new":7,"node":1}"#,
        ),
        (
            EventKind::Complete(Outcome::ok_value(Value::Nil)),
            r#"{"time_ns":9,"process":4,"type":"ok","value":null}"#,
        ),
        (
            EventKind::Complete(Outcome::ok()),
            r#"{"time_ns":9,"process":4,"type":"ok"}"#,
        ),
        (
            EventKind::Complete(Outcome::info(ErrorClass::Timeout, "")),
            r#"{"time_ns":9,"process":4,"type":"info","error":"timeout"}"#,
        ),
    ];
    for (kind, expected) in cases {
        let mut line = Vec::new();
        append_line(
            &mut line,
            Event {
                time_ns: 9,
                process: Process::Client(4),
                kind,
            },
        );
        assert_eq!(String::from_utf8(line).unwrap(), format!("{expected}\n"));
    }
}

#[test]
fn a_whole_last_line_without_its_newline_counts() {
    let lines = "{\"time_ns\":0,\"process\":0,\"type\":\"invoke\",\"f\":\"read\"}\n{\"time_ns\":1,\"process\":0,\"type\":\"ok\",\"value\":9}";
    for (cut, is_complete) in [(0, true), (1, false), (20, false)] {
        let imported = read(&lines.as_bytes()[..lines.len() - cut]).unwrap();
        let [operation] = imported.history.operations.as_slice() else {
            panic!("{imported:?}");
        };
        assert_eq!(operation.outcome.is_info(), !is_complete, "{cut} bytes cut off");
    }
}
