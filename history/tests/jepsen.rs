//! What the readers of Jepsen-like formats make of operations.

use std::path::Path;

use history::formats::{Imported, read_bytes};
use history::{ErrorClass, History, Key, MicroOp, NemesisAction, OPEN, Op, Outcome, Value};

fn read(text: &str, format: &str) -> Imported {
    read_bytes(text.as_bytes(), Path::new("h"), Some(format))
        .unwrap_or_else(|error| panic!("{text}: {error}"))
}

/// The history of an invocation and a completion, each `:f … :value …`.
fn pair(ask: &str, kind: &str, answer: &str) -> History {
    let text = format!("{{:process 1, :type :invoke, {ask}}}\n{{:process 1, :type :{kind}, {answer}}}");
    read(&text, "edn").history
}

fn list(values: impl IntoIterator<Item = i64>) -> Value {
    Value::list(values.into_iter().map(Value::Int).collect())
}

const NO_KEY: Key = Key::Nil;

#[test]
fn operations_and_answers() {
    let key = || NO_KEY;
    let add = |amount: i64| Op::Add {
        key: key(),
        value: amount.into(),
    };
    let cases: Vec<(&str, &str, Op, Outcome)> = vec![
        (
            ":f :read :value nil",
            ":f :read :value 3",
            Op::Read { key: key() },
            Outcome::ok_value(3.into()),
        ),
        (
            ":f :r",
            ":f :r :value nil",
            Op::Read { key: key() },
            Outcome::ok_value(Value::Nil),
        ),
        (":f :get", ":f :get", Op::Read { key: key() }, Outcome::ok()),
        (
            ":f :read",
            ":f :read :value #{3 1 2}",
            Op::Read { key: key() },
            Outcome::ok_value(Value::set(vec![1.into(), 2.into(), 3.into()])),
        ),
        (
            ":f :read",
            ":f :read :value [3 1]",
            Op::Read { key: key() },
            Outcome::ok_value(list([3, 1])),
        ),
        (
            ":f :write :value 4",
            ":f :write :value 4",
            Op::Write {
                key: key(),
                value: 4.into(),
            },
            Outcome::ok(),
        ),
        (
            ":f :put :value nil",
            ":f :put :value 5",
            Op::Write {
                key: key(),
                value: 5.into(),
            },
            Outcome::ok(),
        ),
        (
            ":f :w :value 4",
            ":f :w",
            Op::Write {
                key: key(),
                value: 4.into(),
            },
            Outcome::ok(),
        ),
        (
            ":f :cas :value [1 2]",
            ":f :cas :value [1 2]",
            Op::Cas {
                key: key(),
                expected: 1.into(),
                new: 2.into(),
            },
            Outcome::ok(),
        ),
        (
            ":f :cas :value [1 2]",
            ":f :cas",
            Op::Cas {
                key: key(),
                expected: 1.into(),
                new: 2.into(),
            },
            Outcome::ok(),
        ),
        (
            ":f :append, :key \"k\", :value \"x\"",
            ":f :append, :key \"k\", :value \"x\"",
            Op::Append {
                key: Key::text("k"),
                value: Value::text("x"),
            },
            Outcome::ok(),
        ),
        (
            ":f :add :value -2",
            ":f :add :value -2",
            Op::Add {
                key: key(),
                value: (-2).into(),
            },
            Outcome::ok(),
        ),
        (
            ":f :acquire",
            ":f :acquire :value nil",
            Op::Acquire { key: key() },
            Outcome::ok(),
        ),
        (
            ":f :lock",
            ":f :lock :value 17",
            Op::Acquire { key: key() },
            Outcome::ok_value(17.into()),
        ),
        (
            // A name that no two processes share is that of the process.
            ":f :lock :value :n1",
            ":f :lock :value :n1",
            Op::Acquire { key: key() },
            Outcome::ok(),
        ),
        (
            ":f :release",
            ":f :release",
            Op::Release { key: key() },
            Outcome::ok(),
        ),
        (
            ":f :unlock",
            ":f :unlock",
            Op::Release { key: key() },
            Outcome::ok(),
        ),
        (
            ":f :enqueue :value 1",
            ":f :enqueue :value 1",
            Op::Enqueue {
                key: key(),
                value: 1.into(),
            },
            Outcome::ok(),
        ),
        (
            ":f :dequeue",
            ":f :dequeue :value 1",
            Op::Dequeue { key: key() },
            Outcome::ok_value(1.into()),
        ),
        (
            ":f :dequeue",
            ":f :dequeue",
            Op::Dequeue { key: key() },
            Outcome::ok_value(Value::Nil),
        ),
        (
            ":f :generate",
            ":f :generate :value \"a7\"",
            Op::Generate { key: key() },
            Outcome::ok_value(Value::text("a7")),
        ),
        (":f :inc", ":f :inc", add(1), Outcome::ok()),
        (
            ":f :decrement :value nil",
            ":f :decrement :value nil",
            add(-1),
            Outcome::ok(),
        ),
        (":f :incr :value 4", ":f :incr :value 4", add(4), Outcome::ok()),
        (":f :decr :value 4", ":f :decr :value 4", add(-4), Outcome::ok()),
        // What it stands at now.
        (":f :dec", ":f :dec :value -7", add(-1), Outcome::ok()),
        (
            ":f :delete :value 3",
            ":f :delete :value 3",
            Op::Remove {
                key: key(),
                value: 3.into(),
            },
            Outcome::ok(),
        ),
        (
            ":f :try-lock",
            ":f :try-lock :value false",
            Op::TryAcquire { key: key() },
            Outcome::ok_value(Value::boolean(false)),
        ),
        (
            ":f :transfer :value {:from 1, :to 2, :amount 5}",
            ":f :transfer :value {:from 1, :to 2, :amount 5}",
            Op::Transfer {
                key: key(),
                value: Value::map(vec![
                    (Value::form(":from"), 1.into()),
                    (Value::form(":to"), 2.into()),
                    (Value::form(":amount"), 5.into()),
                ]),
            },
            Outcome::ok(),
        ),
    ];
    for (ask, answer, op, outcome) in cases {
        let history = pair(ask, "ok", answer);
        assert_eq!(history.operations.len(), 1, "{ask}");
        let operation = &history.operations[0];
        assert_eq!(
            (&operation.op, &operation.outcome),
            (&op, &outcome),
            "{ask} / {answer}"
        );
        assert_eq!((operation.invoked, operation.completed), (0, 1));
    }
}

#[test]
fn transactions() {
    let steps = |value: &str| {
        let history = pair(":f :txn :value [[:r 1 nil] [:append :x 2] [:w 3 4]]", "ok", value);
        history.operations[0].clone()
    };
    let operation = steps(":f :txn :value [[:r 1 [7 8]] [:append :x 2] [:w 3 4]]");
    let x = Key::form(":x");
    let micro_ops = vec![
        MicroOp::Read { key: 1.into() },
        MicroOp::Append {
            key: x,
            value: 2.into(),
        },
        MicroOp::Write {
            key: 3.into(),
            value: 4.into(),
        },
    ];
    assert_eq!(
        operation.op,
        Op::Txn {
            key: NO_KEY,
            micro_ops
        }
    );
    let answers = Value::list(vec![list([7, 8]), Value::Nil, Value::Nil]);
    assert_eq!(operation.outcome, Outcome::ok_value(answers));
    // Knossos' multi-register, Elle's histories without `:f`, Jepsen's long-fork.
    let cases = [
        (
            ":f :txn :value [[:read 1 nil] [:write 2 3]]",
            ":f :txn :value [[:read 1 0] [:write 2 3]]",
        ),
        (":value [[:r 1 nil] [:w 2 3]]", ":value [[:r 1 0] [:w 2 3]]"),
        (
            ":f :read :value [[:r 1 nil] [:r 2 nil]]",
            ":f :read :value [[:r 1 0] [:r 2 nil]]",
        ),
    ];
    for (ask, answer) in cases {
        let operation = &pair(ask, "ok", answer).operations[0];
        assert!(
            matches!(&operation.op, Op::Txn { micro_ops, .. } if micro_ops.len() == 2),
            "{ask}"
        );
        let answers = Value::list(vec![0.into(), Value::Nil]);
        assert_eq!(operation.outcome, Outcome::ok_value(answers), "{ask}");
    }
}

#[test]
fn failures_and_unknown_outcomes() {
    let error = |class: ErrorClass, message: &str| Outcome::fail(class, message);
    let info = |class: ErrorClass, message: &str| Outcome::info(class, message);
    let cas = ":f :cas :value [1 2]";
    let cases = [
        (cas, "fail", ":f :cas :value [1 2]", error(ErrorClass::Other, "")),
        (
            cas,
            "fail",
            ":f :cas :value [1 2] :error :not-held",
            error(ErrorClass::Other, ":not-held"),
        ),
        (
            cas,
            "fail",
            ":f :cas :value [1 2] :error [:mismatch]",
            Outcome::mismatch(None),
        ),
        (
            cas,
            "fail",
            ":f :cas :value [1 2] :error [:mismatch 9]",
            Outcome::mismatch(Some(9.into())),
        ),
        (
            cas,
            "fail",
            ":f :cas :error [:rejected \"no\"]",
            error(ErrorClass::Rejected, "no"),
        ),
        (
            cas,
            "info",
            ":f :cas :value :timed-out",
            info(ErrorClass::Timeout, ":timed-out"),
        ),
        (
            cas,
            "info",
            ":f :cas :value [1 2] :error \"boom\"",
            info(ErrorClass::Other, "boom"),
        ),
        (
            ":f :read",
            "fail",
            ":f :read :value nil",
            error(ErrorClass::Other, ""),
        ),
        (
            ":f :read",
            "fail",
            ":f :read :error :connection-refused",
            error(ErrorClass::ConnectionRefused, ":connection-refused"),
        ),
    ];
    for (ask, kind, answer, expected) in cases {
        let operation = pair(ask, kind, answer).operations.remove(0);
        assert_eq!(operation.outcome, expected, "{answer}");
        assert_eq!(operation.completed == OPEN, kind == "info");
    }
    let open = read("{:process 1 :type :invoke :f :read :value nil}", "edn").history;
    assert_eq!(open.operations[0].outcome, Outcome::unrecorded());
}

#[test]
fn keys_of_independent_tests() {
    let write = |key: &str, value: &str| {
        format!(
            "{{:process 0, :type :invoke, :f :write, :value [{key} {value}]}}\n\
             {{:process 0, :type :ok, :f :write, :value [{key} {value}]}}\n"
        )
    };
    let read_of = |asked: &str, answered: &str| {
        format!(
            "{{:process 0, :type :invoke, :f :read, :value {asked}}}\n\
             {{:process 0, :type :ok, :f :read, :value {answered}}}\n"
        )
    };
    let cas = "{:process 0, :type :invoke, :f :cas, :value [7 [1 2]]}\n{:process 0, :type :info, :f :cas, :value [7 [1 2]]}\n";
    let txn = "{:process 0, :type :invoke, :f :txn, :value [7 [[:r 1 nil]]]}\n{:process 0, :type :fail, :f :txn, :value nil}\n";
    let plain_cas = "{:process 0, :type :invoke, :f :cas, :value [1 2]}\n";
    let nemesis = "{:process :nemesis, :type :info, :f :start, :value nil}\n";
    let keyed = [
        format!("{}{}", write("7", "1"), read_of("[7 nil]", "[7 1]")),
        format!("{nemesis}{}{cas}", write(":x", "1")),
        format!("{txn}{}", write("7", "[1 2]")),
    ];
    for text in keyed {
        let imported = read(&text, "edn");
        assert!(
            imported
                .remarks
                .iter()
                .any(|remark| remark.to_string().contains("independent")),
            "{text}"
        );
        assert!(
            imported
                .history
                .operations
                .iter()
                .all(|operation| !operation.op.key().is_nil()),
            "{text}"
        );
    }
    let plain = [
        plain_cas.to_owned(),
        format!("{}{}", write("7", "1"), read_of("nil", "[7 1]")),
        format!("{}{plain_cas}", write("7", "1").replace("}\n", "}")),
        write("[7]", "1"),
        nemesis.to_owned(),
        "{:process 0, :type :invoke, :f :txn, :value [[:r 1 nil] [:r 2 nil]]}".to_owned(),
    ];
    for text in plain {
        let imported = read(&text, "edn");
        assert!(
            !imported
                .remarks
                .iter()
                .any(|remark| remark.to_string().contains("independent")),
            "{text}"
        );
        assert!(
            imported
                .history
                .operations
                .iter()
                .all(|operation| operation.op.key().is_nil()),
            "{text}"
        );
    }
    let history = read(
        &format!("{cas}{txn}{}", read_of("[7 nil]", "[7 1]"))
            .replace(
                ":process 0, :type :invoke, :f :txn",
                ":process 1, :type :invoke, :f :txn",
            )
            .replace("{:process 0, :type :fail", "{:process 1, :type :fail")
            .replace(
                ":process 0, :type :invoke, :f :read",
                ":process 2, :type :invoke, :f :read",
            )
            .replace(
                ":process 0, :type :ok, :f :read",
                ":process 2, :type :ok, :f :read",
            ),
        "edn",
    )
    .history;
    assert_eq!(
        history.operations[0].op,
        Op::Cas {
            key: 7.into(),
            expected: 1.into(),
            new: 2.into()
        }
    );
    assert_eq!(history.operations[2].outcome, Outcome::ok_value(1.into()));
}

#[test]
fn drains_become_dequeues_that_span_them() {
    let text = "{:process 0, :type :invoke, :f :enqueue, :value 1}
        {:process 0, :type :ok, :f :enqueue, :value 1}
        {:process 5, :type :invoke, :f :drain, :value nil}
        {:process 0, :type :invoke, :f :enqueue, :value 2}
        {:process 0, :type :ok, :f :enqueue, :value 2}
        {:process 5, :type :ok, :f :drain, :value [1 2 3]}
        {:process 5, :type :invoke, :f :drain, :value nil}
        {:process 5, :type :ok, :f :drain, :value []}
        {:process 5, :type :invoke, :f :drain, :value nil}
        {:process 5, :type :fail, :f :drain, :value nil}
        {:process 0, :type :invoke, :f :enqueue, :value 4}";
    let imported = read(text, "edn");
    let operations = &imported.history.operations;
    assert_eq!(operations.len(), 8);
    let spans: Vec<(u32, u64, u64)> = operations
        .iter()
        .map(|operation| (operation.process, operation.invoked, operation.completed))
        .collect();
    assert_eq!(
        spans,
        [
            (0, 0, 1),
            (1, 2, 9),
            (2, 3, 10),
            (3, 4, 11),
            (4, 5, 12),
            (0, 7, 8),
            (5, 14, 16),
            (0, 19, OPEN)
        ]
    );
    let drained = operations[1..5].iter().chain([&operations[6]]);
    let taken: Vec<&Outcome> = drained.map(|operation| &operation.outcome).collect();
    // Each found nothing more.
    let expected = [1.into(), 2.into(), 3.into(), Value::Nil, Value::Nil].map(Outcome::ok_value);
    assert_eq!(taken, expected.iter().collect::<Vec<_>>());
    assert!(
        imported
            .remarks
            .contains(&"2 drains became 3 dequeues; each of them found nothing more at its end".into()),
        "{:?}",
        imported.remarks
    );
}

#[test]
fn a_process_that_goes_on_after_an_info_becomes_another() {
    let text = "{:process 3, :type :invoke, :f :write, :value 1}
        {:process 3, :type :info, :f :write, :value 1}
        {:process 3, :type :invoke, :f :write, :value 2}
        {:process 3, :type :ok, :f :write, :value 2}
        {:process 3, :type :invoke, :f :write, :value 3}
        {:process 3, :type :info, :f :write, :value 3}
        {:process 3, :type :invoke, :f :read, :value nil}
        {:process 9, :type :invoke, :f :read, :value nil}";
    let imported = read(text, "edn");
    let processes: Vec<u32> = imported
        .history
        .operations
        .iter()
        .map(|operation| operation.process)
        .collect();
    assert_eq!(processes, [3, 10, 10, 11, 9]);
    assert!(
        imported
            .remarks
            .iter()
            .any(|remark| remark.to_string().starts_with("2 times a process continued"))
    );
}

#[test]
fn the_nemesis_leaves_spans() {
    let text = r#"{:process :nemesis, :type :info, :f :start, :value nil, :time 5}
        {:process :nemesis, :type :info, :f :start, :value "Cut off {n1 #{n2}}", :time 6}
        {:process 0, :type :invoke, :f :read, :value nil, :time 7}
        {:process :nemesis, :type :info, :f :stop-partition, :value nil, :time 8}
        {:process :nemesis, :type :info, :f :kill, :value [:n1], :time 9}"#;
    let history = read(text, "edn").history;
    let spans: Vec<(&str, NemesisAction, &str, u64, Option<u64>)> = history
        .nemesis
        .iter()
        .map(|span| {
            let op = &span.op;
            (
                op.nemesis.as_str(),
                op.action,
                op.target.as_str(),
                span.invoked_ns,
                span.completed_ns,
            )
        })
        .collect();
    let expected = [
        ("nemesis", NemesisAction::Start, "Cut off {n1 #{n2}}", 5, Some(6)),
        ("partition", NemesisAction::Stop, "", 8, None),
        ("kill", NemesisAction::Start, "[:n1]", 9, None),
    ];
    assert_eq!(spans, expected);
    assert!(history.nemesis.iter().all(|span| span.outcome.is_none()));
    assert_eq!(history.end_ns, 9);
}

#[test]
fn times_and_remarks() {
    let ask = "{:process 0, :type :invoke, :f :read, :value nil";
    let answer = "{:process 0, :type :ok, :f :read, :value nil";
    let cases: [(String, u64, u64, &[&str]); 4] = [
        (
            format!("{ask}}}{answer}}}"),
            0,
            1_000_000,
            &["1 read returned nil", "no operation has a time"],
        ),
        (
            format!("{ask}, :time 8}}{answer}, :time 4.5e3}}"),
            8,
            4500,
            &["1 read returned nil"],
        ),
        (
            format!("{ask}, :time -8}}{answer}}}"),
            0,
            1_000_000,
            &["1 read returned nil", "no operation has a time"],
        ),
        (
            format!("{ask}, :time 1, :node \"n1\"}}{answer}, :time 2, :node \"n1\", :index 7}}"),
            1,
            2,
            &["1 read returned nil", "unused fields were left out: :node (2)"],
        ),
    ];
    for (text, invoked_ns, completed_ns, remarks) in cases {
        let imported = read(&text, "edn");
        let operation = &imported.history.operations[0];
        assert_eq!(
            (operation.invoked_ns, operation.completed_ns.unwrap().get()),
            (invoked_ns, completed_ns),
            "{text}"
        );
        assert_eq!(imported.remarks.len(), remarks.len(), "{:?}", imported.remarks);
        for (remark, expected) in imported.remarks.iter().zip(remarks) {
            assert!(remark.to_string().starts_with(expected), "{remark}");
        }
    }
    let mut history = read(
        "{:process 0, :type :invoke, :f :read}{:process 0, :type :ok, :f :read, :value nil}",
        "edn",
    )
    .history;
    assert_eq!(history.forget_nil_reads(), 1);
    assert_eq!(history.operations[0].outcome, Outcome::ok());
}
