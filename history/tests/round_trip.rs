//! What is exported is read back as the same operations, but for what a format's entry in the list says it
//! loses.

use std::path::Path;

use history::formats::{read_bytes, write};
use history::{
    ErrorClass, Event, EventKind, History, HistoryBuilder, Hold, MicroOp, NemesisAction, NemesisOp,
    NemesisOutcome, Note, NoteKind, Op, Operation, Outcome, Process, Value,
};
use proptest::prelude::*;

/// Texts that are not keywords, and some that are. None is the name of a micro-operation: a value such as
/// `[["r" 1]]` is a transaction, by the convention of Jepsen's long-fork.
fn text() -> impl Strategy<Value = Value> {
    let is_plain = |text: &String| !["r", "read", "w", "write", "append", "version"].contains(&text.as_str());
    let plain = "[a-zA-Z \"\\\\\n\té😀;{}()#_,0-9-]{0,6}".prop_filter("a micro-operation's name", is_plain);
    prop_oneof![
        plain.prop_map(|text| Value::text(&text)),
        "[a-z][a-z0-9/.-]{0,4}[a-z]".prop_map(|name| Value::text(&format!(":{name}"))),
    ]
}

fn scalar() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Nil),
        (-9i64..10).prop_map(Value::Int),
        any::<i64>().prop_map(Value::Int),
        text()
    ]
}

fn value() -> impl Strategy<Value = Value> {
    scalar().prop_recursive(3, 8, 3, |inner| {
        prop::collection::vec(inner, 0..4).prop_map(Value::list)
    })
}

/// An argument: an invocation that names nil is completed by whatever its completion names.
fn argument() -> impl Strategy<Value = Value> {
    value().prop_filter("nil is no argument", |value| !value.is_nil())
}

fn micro_op() -> impl Strategy<Value = (MicroOp, Value)> {
    prop_oneof![
        (value(), value()).prop_map(|(key, answer)| (MicroOp::Read { key }, answer)),
        (value(), value()).prop_map(|(key, value)| (MicroOp::Write { key, value }, Value::Nil)),
        (value(), value()).prop_map(|(key, answer)| (MicroOp::Version { key }, answer)),
        (value(), value()).prop_map(|(key, value)| (MicroOp::Append { key, value }, Value::Nil)),
    ]
}

/// An operation and its answer if it succeeds.
fn op(key: impl Strategy<Value = Value> + Clone + 'static) -> impl Strategy<Value = (Op, Option<Value>)> {
    let k = move || key.clone();
    prop_oneof![
        (k(), value()).prop_map(|(key, seen)| (Op::Read { key }, Some(seen))),
        (k(), argument()).prop_map(|(key, value)| (Op::Write { key, value }, None)),
        (k(), value(), value()).prop_map(|(key, expected, new)| (Op::Cas { key, expected, new }, None)),
        (k(), argument()).prop_map(|(key, value)| (Op::Append { key, value }, None)),
        (k(), argument()).prop_map(|(key, value)| (Op::Add { key, value }, None)),
        (k(), argument()).prop_map(|(key, value)| (Op::Remove { key, value }, None)),
        (k(), argument()).prop_map(|(key, value)| (Op::Transfer { key, value }, None)),
        (k(), any::<i64>()).prop_map(|(key, token)| (Op::Acquire { key }, Some(Value::Int(token)))),
        k().prop_map(|key| (Op::Release { key }, None)),
        (k(), argument()).prop_map(|(key, value)| (Op::TryAcquire { key }, Some(value))),
        (k(), argument()).prop_map(|(key, value)| (Op::Enqueue { key, value }, None)),
        (k(), value()).prop_map(|(key, value)| (Op::Dequeue { key }, Some(value))),
        (k(), argument()).prop_map(|(key, value)| (Op::Generate { key }, Some(value))),
        (k(), any::<i64>(), value()).prop_map(|(key, from, heard)| (Op::Watch { key, from }, Some(heard))),
        (k(), prop::collection::vec(micro_op(), 1..4)).prop_map(|(key, steps)| {
            let (micro_ops, answers) = steps.into_iter().unzip();
            (Op::Txn { key, micro_ops }, Some(Value::list(answers)))
        }),
    ]
}

/// How it ends: 0 not at all, else `ok`, `fail`, a mismatch or `info`.
type Step = (u8, (Op, Option<Value>), u8, String, u8);

fn step(key: impl Strategy<Value = Value> + Clone + 'static) -> impl Strategy<Value = Step> {
    (0u8..4, op(key), 0u8..12, "[a-z :-]{0,12}", 0u8..8)
}

/// Four threads; a thread whose operation is open first completes it.
fn history(steps: Vec<Step>) -> History {
    let mut builder = HistoryBuilder::new();
    let mut process = [0u64, 1, 2, 3];
    let mut open: [Option<Outcome>; 4] = [None, None, None, None];
    let mut time_ns = 5;
    // Because of this read, unkeyed vectors of two are not tuples of independent keys.
    let first = (
        0,
        (
            Op::Read {
                key: steps.first().map_or(Value::Nil, |step| step.1.0.key().clone()),
            },
            Some(1.into()),
        ),
        5,
        String::new(),
        0,
    );
    for (thread, (op, answer), end, message, class) in std::iter::once(first).chain(steps) {
        time_ns += u64::from(end);
        let thread = usize::from(thread);
        let mut push = |process: u64, kind: EventKind| {
            let event = Event {
                time_ns,
                process: Process::Client(process),
                kind,
            };
            builder.push(event).unwrap();
        };
        if let Some(outcome) = open[thread].take() {
            let retires = outcome.is_info();
            push(process[thread], EventKind::Complete(outcome));
            process[thread] += if retires { 4 } else { 0 };
        }
        let class = ErrorClass::ALL[usize::from(class)];
        let outcome = match end {
            0 => None,
            1 => Some(Outcome::fail(class, message)),
            2 => Some(Outcome::info(class, message)),
            3 if matches!(op, Op::Cas { .. }) => Some(Outcome::mismatch(answer.clone())),
            4 if matches!(op, Op::Cas { .. }) => Some(Outcome::mismatch(Some(3.into()))),
            _ => Some(answer.map_or(Outcome::ok(), Outcome::ok_value)),
        };
        push(process[thread], EventKind::Invoke { op, node: None });
        match outcome {
            Some(outcome) => open[thread] = Some(outcome),
            None => process[thread] += 4,
        }
    }
    builder.finish()
}

fn back(history: &History, format: &str) -> History {
    let mut bytes = Vec::new();
    write(history, format, &mut bytes).unwrap();
    match read_bytes(&bytes, Path::new("h"), Some(format)) {
        Ok(imported) => imported.history,
        Err(error) => panic!("{error} in\n{}", String::from_utf8_lossy(&bytes)),
    }
}

/// What both formats of Jepsen keep: everything but the positions that an `info` leaves behind.
fn kept(history: &History) -> Vec<Operation> {
    let mut points: Vec<u64> = Vec::new();
    for operation in &history.operations {
        points.push(operation.invoked);
        points.extend(Some(operation.completed).filter(|&point| point != history::OPEN));
    }
    points.sort_unstable();
    let rank = |point: u64| {
        points
            .binary_search(&point)
            .map_or(history::OPEN, |rank| rank as u64)
    };
    let mut operations = history.operations.clone();
    for operation in &mut operations {
        operation.invoked = rank(operation.invoked);
        operation.completed = rank(operation.completed);
    }
    operations
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn edn_and_json_keep_operations(steps in prop::collection::vec(step(Just(Value::Nil)), 0..12)) {
        let history = history(steps);
        prop_assert_eq!(kept(&back(&history, "edn")), kept(&history));
        prop_assert_eq!(kept(&back(&history, "elle-json")), kept(&history));
        prop_assert_eq!(kept(&back(&history, "journal")), kept(&history));
    }

    #[test]
    #[cfg(feature = "parquet")]
    fn parquet_keeps_everything(
        lone in prop::collection::vec(step(Just(Value::Nil)), 0..12),
        keyed in prop::collection::vec(step(value().boxed()), 0..12),
    ) {
        for history in [history(lone), history(keyed)] {
            prop_assert_eq!(back(&history, "parquet"), history);
        }
    }

    #[test]
    fn keys_are_kept(steps in prop::collection::vec(step(scalar().boxed()), 1..12)) {
        let history = history(steps);
        prop_assume!(history.operations.iter().any(|operation| !operation.op.key().is_nil()));
        prop_assert_eq!(kept(&back(&history, "edn")), kept(&history));
        prop_assert_eq!(kept(&back(&history, "elle-json")), kept(&history));
    }

    #[test]
    fn key_value_text_keeps_what_happened(steps in prop::collection::vec((0u8..4, 0u8..3, 0u8..6, "[a-z ]{0,5}"), 0..12)) {
        let steps = steps.into_iter().map(|(key, f, end, text)| {
            let key = Value::text(&key.to_string());
            let value = Value::text(&text);
            let op = match f {
                0 => (Op::Read { key }, Some(value)),
                1 => (Op::Write { key, value }, None),
                _ => (Op::Append { key, value }, None),
            };
            (f, op, end, text, 0)
        });
        let mut history = history(steps.collect());
        // The reader of this format never makes numbers.
        history.operations.retain(|operation| operation.op.key() != &Value::Nil && operation.outcome != Outcome::ok_value(1.into()));
        let mut expected = history.clone();
        expected.operations.retain(|operation| match (&operation.op, &operation.outcome) {
            (Op::Read { .. }, outcome) => matches!(outcome, Outcome::Ok(_)),
            (_, outcome) => !matches!(outcome, Outcome::Fail(_)),
        });
        let mut last = expected.operations.len() as u64 * 2 + 100;
        for operation in &mut expected.operations {
            if operation.outcome.is_info() {
                last += 1;
                (operation.outcome, operation.completed) = (Outcome::ok(), last);
            }
        }
        let simple = |history: &History| -> Vec<(u32, Op, Outcome, u64, u64)> {
            kept(history).into_iter().map(|o| (o.process, o.op, o.outcome, o.invoked, o.completed)).collect()
        };
        prop_assert_eq!(simple(&back(&history, "porcupine-kv")), simple(&expected));
    }
}

#[test]
fn faults_and_notes() {
    let nemesis = |action, target: &str| NemesisOp {
        nemesis: "partition".to_owned(),
        action,
        target: target.into(),
    };
    let events = [
        EventKind::NemesisInvoke(nemesis(NemesisAction::Start, "ring")),
        EventKind::NemesisComplete(Box::new(NemesisOutcome {
            nodes: vec!["n1".into()],
            detail: "n1 | n2".into(),
            exact: Default::default(),
            hold: Hold::Verified,
        })),
        EventKind::Note(Box::new(Note {
            node: "n1".into(),
            detail: "term 2".into(),
            ..Note::new(NoteKind::Leader)
        })),
        EventKind::NemesisInvoke(nemesis(NemesisAction::Stop, "")),
    ];
    let events = (0u64..).zip(events).map(|(time_ns, kind)| Event {
        time_ns,
        process: Process::Nemesis,
        kind,
    });
    let history = History::from_events(events).unwrap();
    assert_eq!(back(&history, "journal"), history);
    let imported = back(&history, "edn");
    let spans: Vec<(&NemesisOp, u64, Option<u64>)> = imported
        .nemesis
        .iter()
        .map(|span| (&span.op, span.invoked_ns, span.completed_ns))
        .collect();
    let expected = [
        (nemesis(NemesisAction::Start, "n1 | n2"), 0, Some(1)),
        (nemesis(NemesisAction::Stop, ""), 3, None),
    ];
    assert_eq!(
        spans,
        expected.each_ref().map(|(op, begin, end)| (op, *begin, *end))
    );
    // A span of which it is unknown whether it took hold becomes notes in a journal.
    let again = back(&imported, "journal");
    assert_eq!((again.nemesis.len(), again.notes.len()), (1, 2));
}

#[test]
fn exports_look_like_those_of_others() {
    let ask = "{:process 3, :type :invoke, :f :txn, :value [[:r 1 nil] [:append :x 2]], :time 7}
        {:process 3, :type :ok, :f :txn, :value [[:r 1 [1 2]] [:append :x 2]], :time 9}";
    let history = read_bytes(ask.as_bytes(), Path::new("h"), None).unwrap().history;
    let cases = [
        (
            "edn",
            "{:process 3, :type :invoke, :f :txn, :value [[:r 1 nil] [:append :x 2]], :time 7, :index 0}\n\
             {:process 3, :type :ok, :f :txn, :value [[:r 1 [1 2]] [:append :x 2]], :time 9, :index 1}\n",
        ),
        (
            "elle-json",
            "[{\"index\":0,\"process\":3,\"type\":\"invoke\",\"f\":\"txn\",\"value\":[[\"r\",1,null],[\"append\",\":x\",2]],\"time\":7},\n\
             {\"index\":1,\"process\":3,\"type\":\"ok\",\"f\":\"txn\",\"value\":[[\"r\",1,[1,2]],[\"append\",\":x\",2]],\"time\":9}]\n",
        ),
    ];
    for (format, expected) in cases {
        let mut bytes = Vec::new();
        write(&history, format, &mut bytes).unwrap();
        assert_eq!(String::from_utf8(bytes).unwrap(), expected);
    }
}
