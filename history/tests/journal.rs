//! The journal: what is written is read back, torn tails are dropped, damage is named.

use history::{
    Answer, ErrorClass, Event, EventKind, Hold, NemesisAction, NemesisOp, NemesisOutcome, Note, Op, Outcome,
    Process, Value, append_line, read_journal,
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

fn kind() -> impl Strategy<Value = EventKind> {
    prop_oneof![
        (op(), any::<Option<u16>>()).prop_map(|(op, node)| EventKind::Invoke { op, node }),
        outcome().prop_map(EventKind::Complete),
        (".{0,8}", ".{0,8}", any::<bool>()).prop_map(|(nemesis, target, start)| {
            EventKind::NemesisInvoke(NemesisOp {
                nemesis,
                target,
                action: if start {
                    NemesisAction::Start
                } else {
                    NemesisAction::Stop
                },
            })
        }),
        (proptest::collection::vec(".{0,4}", 0..3), ".{0,8}", hold()).prop_map(|(nodes, detail, hold)| {
            EventKind::NemesisComplete(Box::new(NemesisOutcome {
                exact: nodes.join("+"),
                nodes,
                detail,
                hold,
            }))
        }),
        (
            "[a-z]{1,8}",
            ".{0,8}",
            proptest::option::of(any::<u64>()),
            ".{0,8}"
        )
            .prop_map(|(kind, node, term, detail)| {
                EventKind::Note(Box::new(Note {
                    kind: kind.into(),
                    node,
                    term,
                    detail,
                }))
            }),
    ]
}

fn event() -> impl Strategy<Value = Event> {
    (any::<u64>(), any::<Option<u64>>(), kind()).prop_map(|(time_ns, client, kind)| Event {
        time_ns,
        process: client.map_or(Process::Nemesis, Process::Client),
        kind,
    })
}

proptest! {
    #[test]
    fn every_event_survives_the_journal(events in proptest::collection::vec(event(), 0..8), torn in any::<bool>()) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("history.jsonl");
        let mut bytes = Vec::new();
        for event in &events {
            append_line(&mut bytes, event.clone());
        }
        if torn {
            bytes.extend_from_slice(br#"{"time_ns":5,"process":1,"ty"#);
        }
        std::fs::write(&path, &bytes).unwrap();
        prop_assert_eq!(read_journal(&path).unwrap(), events);
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
            "{\"time_ns\":1,\"process\":\"somebody\",\"type\":\"ok\"}\n",
            "somebody",
        ),
    ];
    let good = "{\"time_ns\":0,\"process\":0,\"type\":\"invoke\",\"f\":\"read\",\"key\":1}\n";
    for (line, expected) in cases {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("history.jsonl");
        std::fs::write(&path, format!("{good}{line}{good}")).unwrap();
        let message = read_journal(&path).unwrap_err().to_string();
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
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("history.jsonl");
    let lines = "{\"time_ns\":0,\"process\":0,\"type\":\"invoke\",\"f\":\"read\"}\n{\"time_ns\":1,\"process\":0,\"type\":\"ok\",\"value\":9}";
    for (cut, expected) in [(0, 2), (1, 1), (20, 1)] {
        std::fs::write(&path, &lines[..lines.len() - cut]).unwrap();
        assert_eq!(
            read_journal(&path).unwrap().len(),
            expected,
            "{cut} bytes cut off"
        );
    }
}
