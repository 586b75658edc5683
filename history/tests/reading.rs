//! What people's files leave open, and how it is read.

use std::path::Path;

use history::formats::{Imported, read_bytes};
use history::{Doubt, ErrorClass, Key, Op, Outcome, Times, Value};

fn read(text: &str, format: &str) -> Imported {
    read_bytes(text.as_bytes(), Path::new("h"), Some(format))
        .unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn list(values: impl IntoIterator<Item = i64>) -> Value {
    Value::list(values.into_iter().map(Value::Int).collect())
}

const NO_KEY: Key = Key::Nil;

/// The history of these lines; `N:` begins an event of process N.
fn events(lines: &[(&str, &str, &str, &str)]) -> Imported {
    let text: Vec<String> = lines
        .iter()
        .map(|(process, kind, f, value)| {
            format!("{{:process {process}, :type :{kind}, :f :{f}, :value {value}}}")
        })
        .collect();
    read(&text.join("\n"), "edn")
}

fn told(imported: &Imported) -> Vec<(Op, Outcome)> {
    let operations = imported.history.operations.iter();
    operations
        .map(|operation| (operation.op.clone(), operation.outcome.clone()))
        .collect()
}

fn remarks(imported: &Imported) -> String {
    let remarks: Vec<String> = imported.remarks.iter().map(ToString::to_string).collect();
    remarks.join("\n")
}

#[test]
fn a_drain_that_crashed_leaves_what_it_took_open() {
    for end in [vec![], vec![("1", "info", "drain", "nil")]] {
        let mut lines = vec![
            ("0", "invoke", "enqueue", "10"),
            ("0", "ok", "enqueue", "10"),
            ("1", "invoke", "drain", "nil"),
        ];
        lines.extend(end);
        let imported = events(&lines);
        assert_eq!(imported.history.operations.len(), 1);
        assert_eq!(imported.history.doubts, [Doubt::UnknownTaken]);
        assert!(remarks(&imported).contains("1 drain did not end"), "{imported:?}");
    }
}

#[test]
fn a_drain_with_dequeues_inside_is_their_name() {
    let imported = events(&[
        ("1", "invoke", "drain", "nil"),
        ("1", "invoke", "dequeue", "nil"),
        ("1", "ok", "dequeue", "10"),
        ("1", "invoke", "dequeue", "nil"),
        ("1", "fail", "dequeue", "nil"),
        ("1", "ok", "drain", ":exhausted"),
    ]);
    let outcomes: Vec<Outcome> = told(&imported).into_iter().map(|(_, outcome)| outcome).collect();
    assert_eq!(outcomes.len(), 3);
    assert!(
        outcomes.contains(&Outcome::ok_value(10.into())) && outcomes.contains(&Outcome::ok_value(Value::Nil))
    );
    assert!(imported.history.doubts.is_empty());
}

#[test]
fn keys_may_be_anything_and_completions_may_lose_them() {
    let read_of = |key: Value| Op::Read { key };
    let pair = |one: &str, other: i64| Value::list(vec![Value::text(one), other.into()]);
    // (the events, the first operation's key and answer)
    type Case<'a> = (&'a [(&'a str, &'a str, &'a str, &'a str)], Value, Option<Value>);
    let cases: [Case; 7] = [
        (
            &[
                ("0", "invoke", "read", "[[\"a\" 1] nil]"),
                ("0", "ok", "read", "[[\"a\" 1] 7]"),
            ],
            pair("a", 1),
            Some(7.into()),
        ),
        (
            &[
                ("0", "invoke", "read", "[{:a 1} nil]"),
                ("0", "ok", "read", "[{:a 1} nil]"),
            ],
            Value::map(vec![(Value::form(":a"), 1.into())]),
            Some(Value::Nil),
        ),
        // The key is lost.
        (
            &[("0", "invoke", "read", "[3 nil]"), ("0", "ok", "read", "nil")],
            3.into(),
            Some(Value::Nil),
        ),
        (
            &[("0", "invoke", "read", "[0 nil]"), ("0", "ok", "read", "[7 8]")],
            0.into(),
            Some(list([7, 8])),
        ),
        (
            &[("0", "invoke", "read", "[0 nil]"), ("0", "ok", "read", "[7 8 9]")],
            0.into(),
            Some(list([7, 8, 9])),
        ),
        // Others' answers are lists, so this one is, too.
        (
            &[
                ("0", "invoke", "read", "[0 nil]"),
                ("0", "ok", "read", "[0 8]"),
                ("0", "invoke", "read", "[0 nil]"),
                ("0", "ok", "read", "[0 8 9]"),
            ],
            0.into(),
            Some(list([0, 8])),
        ),
        // A nil does not make lists of tuples.
        (
            &[
                ("0", "invoke", "read", "[0 nil]"),
                ("0", "ok", "read", "[0 8]"),
                ("0", "invoke", "read", "[0 nil]"),
                ("0", "ok", "read", "nil"),
            ],
            0.into(),
            Some(8.into()),
        ),
    ];
    for (lines, key, answer) in cases {
        let imported = events(lines);
        let expected = (read_of(key), Outcome::Ok(history::Answer { value: answer }));
        assert_eq!(told(&imported)[0], expected, "{lines:?}");
    }
    // A pair is no tuple where nothing proves it.
    let imported = events(&[
        ("0", "invoke", "write", "[[1 2] 3]"),
        ("0", "ok", "write", "[[1 2] 3]"),
    ]);
    assert_eq!(*told(&imported)[0].0.key(), NO_KEY);
    // A cas may be written flat.
    let imported = events(&[
        ("0", "invoke", "cas", "[\"k\" 1 2]"),
        ("0", "ok", "cas", "[\"k\" 1 2]"),
    ]);
    let (key, expected, new) = (Value::text("k"), 1.into(), 2.into());
    assert_eq!(told(&imported), [(Op::Cas { key, expected, new }, Outcome::ok())]);
}

#[test]
fn what_was_asked_counts_and_not_what_is_answered() {
    for answer in ["\"OK\"", "true", "7"] {
        for (f, asked) in [
            ("write", "1"),
            ("add", "1"),
            ("enqueue", "1"),
            ("append", "1"),
            ("cas", "[0 1]"),
        ] {
            let imported = events(&[("0", "invoke", f, asked), ("0", "ok", f, answer)]);
            let silent = events(&[("0", "invoke", f, asked), ("0", "ok", f, asked)]);
            assert_eq!(told(&imported), told(&silent), "{f} {answer}");
            assert!(
                remarks(&imported).contains("1 completion says something else"),
                "{f} {answer}"
            );
            assert_eq!(remarks(&silent).matches("says something else").count(), 0);
        }
    }
}

#[test]
fn names_of_locks_are_no_tokens() {
    let named = |first: &str, second: &str| {
        let imported = events(&[
            ("0", "invoke", "acquire", first),
            ("0", "ok", "acquire", first),
            ("0", "invoke", "release", first),
            ("0", "ok", "release", first),
            ("1", "invoke", "acquire", second),
            ("1", "ok", "acquire", second),
        ]);
        told(&imported)
            .into_iter()
            .map(|(op, outcome)| (op.key().clone(), outcome))
            .collect::<Vec<_>>()
    };
    // Both ask for one lock; or each says who it is.
    assert_eq!(named("4", "4"), vec![(4.into(), Outcome::ok()); 3]);
    assert_eq!(named("4", "5"), vec![(NO_KEY, Outcome::ok()); 3]);
    // A token may have a field of its own.
    let with_token = "{:process 0, :type :invoke, :f :acquire, :value 0}
        {:process 0, :type :ok, :f :acquire, :value 0, :token 10}";
    assert_eq!(
        read(with_token, "edn").history.operations[0].outcome,
        Outcome::ok_value(10.into())
    );
}

#[test]
fn the_order_of_the_lines_may_be_another() {
    let line = |process: u32, kind: &str, f: &str, more: &str| {
        format!("{{:process {process}, :type :{kind}, :f :{f}, :value 1{more}}}")
    };
    let first = |lines: Vec<String>| {
        let imported = read(&lines.join("\n"), "edn");
        (
            imported.history.operations[0].op.kind().name().to_owned(),
            remarks(&imported),
        )
    };
    // Indices of their own count.
    let by_index = |indices: [u32; 4]| {
        let index = |number: usize| format!(", :index {}", indices[number]);
        first(vec![
            line(0, "invoke", "read", &index(0)),
            line(0, "ok", "read", &index(1)),
            line(1, "invoke", "write", &index(2)),
            line(1, "ok", "write", &index(3)),
        ])
    };
    assert_eq!(by_index([0, 1, 2, 3]).0, "read");
    let (f, told) = by_index([2, 3, 0, 1]);
    assert!(
        f == "write" && told.contains("the order of the indices counts"),
        "{told}"
    );
    let (f, told) = by_index([0, 0, 1, 1]);
    assert!(
        f == "read" && told.contains("the order of the lines counts"),
        "{told}"
    );
    // So do times where the file lists operation by operation.
    let by_time = |times: [u32; 4]| {
        let time = |number: usize| format!(", :time {}", times[number]);
        first(vec![
            line(0, "invoke", "read", &time(0)),
            line(0, "ok", "read", &time(1)),
            line(1, "invoke", "write", &time(2)),
            line(1, "ok", "write", &time(3)),
        ])
    };
    assert_eq!(by_time([1, 2, 3, 4]).0, "read");
    let (f, told) = by_time([5, 9, 3, 7]);
    assert!(
        f == "write" && told.contains("the order of the times counts"),
        "{told}"
    );
    // Where operations overlap in the file, the clock was read at another moment.
    let overlapping = vec![
        line(0, "invoke", "read", ", :time 5"),
        line(1, "invoke", "write", ", :time 3"),
        line(0, "ok", "read", ", :time 9"),
        line(1, "ok", "write", ", :time 7"),
    ];
    assert_eq!(first(overlapping).0, "read");
}

#[test]
fn processes_may_have_names() {
    let imported = events(&[
        (":nemesis-2", "info", "start", "nil"),
        ("\"w\"", "invoke", "write", "1"),
        (":client", "invoke", "write", "2"),
        ("5", "invoke", "write", "3"),
        ("\"w\"", "ok", "write", "1"),
        ("5000000000", "invoke", "write", "4"),
        ("5", "info", "log", "\"a word\""),
    ]);
    let processes = imported
        .history
        .operations
        .iter()
        .map(|operation| operation.process);
    assert_eq!(processes.collect::<Vec<_>>(), [6, 7, 5, 8]);
    assert_eq!(imported.history.operations[0].outcome, Outcome::ok());
    assert_eq!(imported.history.nemesis.len(), 1);
    assert!(remarks(&imported).contains("1 line that clients logged were left out"));
}

#[test]
fn times_may_be_dates_or_none() {
    let at = |time: &str| {
        let text = format!("{{:process 0, :type :invoke, :f :read, :value nil, :time {time}}}");
        let history = read(&text, "edn").history;
        (history.operations[0].invoked_ns, history.times == Times::Places)
    };
    // Shown from the first event on.
    assert_eq!(at("#inst \"2020-01-01T00:00:00Z\""), (0, false));
    assert_eq!(at("\"2020-01-01T00:00:00.5Z\""), (0, false));
    // What has a fraction is in seconds.
    assert_eq!(at("12.5"), (12_500_000_000, false));
    assert_eq!(at("12.0"), (12, false));
    assert_eq!(at("12"), (12, false));
    assert_eq!(at("-1"), (0, true));
}

#[test]
fn logs_are_read_whatever_their_logger_is() {
    let two = |begin: &str, gap: &str| {
        let text = format!("{begin}0{gap}:invoke{gap}:write{gap}7\n{begin}0{gap}:ok{gap}:write{gap}7\n");
        let imported = read_bytes(text.as_bytes(), Path::new("jepsen.log"), None).unwrap();
        assert_eq!(imported.format, "jepsen-log", "{text}");
        imported.history
    };
    for begin in [
        "INFO  jepsen.util - ",
        "2024-03-01 10:00:00,120{GMT}\tINFO\t[jepsen worker 0] jepsen.util: ",
        "2024-03-01 10:00:00,120{GMT}\tINFO\t[jepsen worker 0] jepsen.print: ",
        "",
    ] {
        let history = two(begin, "\t");
        assert_eq!(history.operations.len(), 1, "{begin}");
        assert_eq!(history.times == Times::Places, !begin.starts_with('2'), "{begin}");
    }
    let json = |time: &str, message: &str| {
        format!(
            "{{\"@timestamp\":\"2024-03-01T10:00:00.{time}Z\",\"@version\":\"1\",\"message\":\"{message}\",\
             \"logger_name\":\"jepsen.util\",\"thread_name\":\"jepsen worker 0\",\"level\":\"INFO\"}}\n"
        )
    };
    let lines = [
        json("100", "Running test \\{odd\\}")
            .replace("\\{", "{")
            .replace("\\}", "}"),
        json("120", "0\\t:invoke\\t:write\\t7"),
        json("150", "0\\t:ok\\t:write\\t7"),
        json("150", "1\\t:invoke\\t:read\\tnil"),
        json("170", "1\\t:info\\t:read\\tnil\\ttimed out"),
    ];
    let imported = read_bytes(lines.concat().as_bytes(), Path::new("jepsen.log"), None).unwrap();
    assert_eq!(
        (imported.format, imported.history.operations.len()),
        ("jepsen-log", 2)
    );
    let written = &imported.history.operations[0];
    assert_eq!(
        (written.invoked_ns, written.completed_ns.map(u64::from)),
        (0, Some(30_000_000))
    );
    let log = |line: &str| {
        read(
            &format!("INFO jepsen.util - 1 :invoke :cas [3 4]\n{line}"),
            "jepsen-log",
        )
    };
    let outcome = |line: &str| log(line).history.operations[0].outcome.clone();
    assert_eq!(
        outcome("INFO jepsen.util - 1 :fail :cas [3 4]"),
        Outcome::mismatch(None)
    );
    // It compared nothing.
    assert_eq!(
        outcome("INFO jepsen.util - 1 :fail :cas [3 4] :connection-refused"),
        Outcome::fail(ErrorClass::ConnectionRefused, ":connection-refused")
    );
    // What no one knows need not be readable.
    assert!(outcome("INFO jepsen.util - 1 :info :cas #<SocketException reset>").is_info());
}

/// The operations whose ends are recorded by these lines, each a process, a type, an f and a value; and which
/// of them precede which.
fn uninvoked(lines: &[(&str, &str, &str, &str)]) -> (Imported, Vec<(usize, usize)>) {
    let imported = events(lines);
    let operations = &imported.history.operations;
    let mut precedes = Vec::new();
    for (one, first) in operations.iter().enumerate() {
        for (other, second) in operations.iter().enumerate() {
            if first.completed < second.invoked {
                precedes.push((one, other));
            }
        }
    }
    (imported, precedes)
}

#[test]
fn without_invocations_an_operation_begins_when_the_one_before_it_ends() {
    let (imported, precedes) = uninvoked(&[
        ("0", "ok", "write", "1"),
        ("1", "ok", "read", "1"),
        ("0", "info", "write", "2"),
        ("1", "fail", "cas", "[1 2]"),
        ("2", "ok", "read", "2"),
        (":nemesis", "info", "start", "nil"),
    ]);
    // The operations stand in the order in which they began: those of the start first.
    let told: Vec<String> = told(&imported)
        .iter()
        .map(|(op, outcome)| format!("{op} {}", outcome.name()))
        .collect();
    assert_eq!(
        told,
        [
            "write(nil, 1) ok",
            "read(nil) ok",
            "read(nil) ok",
            "write(nil, 2) info",
            "cas(nil, 1 -> 2) fail"
        ]
    );
    assert_eq!(precedes, [(0, 3), (0, 4), (1, 4)]);
    assert!(imported.history.doubts.is_empty());
    assert!(
        remarks(&imported).contains("no invocation is recorded"),
        "{imported:?}"
    );
}

#[test]
fn completions_that_do_not_say_what_was_asked_are_left_out_and_leave_a_doubt() {
    for (kind, value, doubts) in [
        ("info", ":timed-out", vec![Doubt::UnknownAsked]),
        ("info", "nil", vec![Doubt::UnknownAsked]),
        ("ok", "\"OK\"", vec![Doubt::UnknownAsked]),
        ("ok", "true", vec![Doubt::UnknownAsked]),
        ("fail", ":timed-out", vec![]),
        ("fail", "nil", vec![]),
    ] {
        let (imported, _) = uninvoked(&[("0", kind, "write", value), ("1", "ok", "read", "1")]);
        assert_eq!(imported.history.operations.len(), 1, "{kind} {value}");
        assert_eq!(imported.history.doubts, doubts, "{kind} {value}");
    }
    // A read that failed claims nothing.
    let (imported, _) = uninvoked(&[("0", "info", "read", ":timed-out"), ("1", "ok", "read", "1")]);
    assert!(imported.history.doubts.is_empty());
    assert_eq!(imported.history.operations.len(), 2);
}

#[test]
fn keys_of_completions_alone() {
    let (imported, _) = uninvoked(&[("0", "ok", "write", "[6 1]"), ("1", "ok", "read", "[3 nil]")]);
    assert_eq!(
        told(&imported)[1],
        (Op::Read { key: 3.into() }, Outcome::ok_value(Value::Nil))
    );
    assert!(imported.history.doubts.is_empty());
    // Where a completion may have lost its key, nothing is certain.
    let (imported, _) = uninvoked(&[("0", "ok", "write", "[6 1]"), ("1", "ok", "read", "nil")]);
    assert_eq!(imported.history.doubts, [Doubt::UnknownAsked]);
    // Pairs that are found in a set are elements.
    let (imported, _) = uninvoked(&[("0", "ok", "add", "[6 1]"), ("1", "ok", "read", "#{[6 1]}")]);
    assert!(imported.history.doubts.is_empty());
}

#[test]
fn without_invocations_the_order_may_be_that_of_indices_or_times() {
    for (field, word) in [(":index", "indices"), (":time", "times")] {
        let line = |process: u32, value: u32, at: u32| {
            format!("{{:process {process}, :type :ok, :f :write, :value {value}, {field} {at}}}\n")
        };
        // Sorted by process.
        let text = [line(0, 1, 3), line(0, 2, 9), line(1, 3, 1)].concat();
        let imported = read(&text, "edn");
        let completed: Vec<(Op, u64)> = (imported.history.operations.iter())
            .map(|operation| (operation.op.clone(), operation.completed))
            .collect();
        let position = |value: i64| {
            let (key, value) = (NO_KEY, value.into());
            completed
                .iter()
                .find(|(op, _)| {
                    *op == Op::Write {
                        key: key.clone(),
                        value: Value::clone(&value),
                    }
                })
                .unwrap()
                .1
        };
        assert!(
            position(3) < position(1) && position(1) < position(2),
            "{field}: {completed:?}"
        );
        assert!(remarks(&imported).contains(word), "{}", remarks(&imported));
    }
    // A first completion alone does not make invocations useless.
    let text = "{:index 1, :process 0, :type :ok, :f :write, :value 1}\n{:index 0, :process 0, :type :invoke, :f :write, :value 1}";
    let imported = read(text, "edn");
    assert_eq!(imported.history.operations[0].completed, 1);
}

#[test]
fn processes_may_be_absent() {
    let json = |kind: &str, f: &str, value: &str| {
        format!("{{\"type\":\"{kind}\",\"f\":\"{f}\",\"value\":{value}}}\n")
    };
    // One operation after the other.
    let text = [
        json("invoke", "write", "1"),
        json("ok", "write", "1"),
        json("info", "start-partition", "null"),
        json("invoke", "read", "null"),
        json("ok", "read", "1"),
    ]
    .concat();
    let imported = read(&text, "elle-json");
    assert_eq!(
        (imported.history.operations.len(), imported.history.nemesis.len()),
        (2, 1)
    );
    assert!(
        imported
            .history
            .operations
            .iter()
            .all(|operation| operation.process == 0)
    );
    // Only ends: each may have begun at any time.
    let text = [json("ok", "write", "1"), json("ok", "read", "null")].concat();
    let imported = read(&text, "elle-json");
    let operations = &imported.history.operations;
    assert!(operations[0].process != operations[1].process);
    assert!(operations[1].invoked < operations[0].completed);
    // Several at once.
    let text = [
        json("invoke", "write", "1"),
        json("invoke", "read", "null"),
        json("ok", "write", "1"),
    ]
    .concat();
    let error = read_bytes(text.as_bytes(), Path::new("h"), None)
        .unwrap_err()
        .to_string();
    assert_eq!(
        error,
        "h:2: no operation names its process, and this one is invoked while that of line 1 is open, so that no completion can \
         be told from another; record the :process of each"
    );
    // Some with, some without.
    let text = "{\"process\":1,\"type\":\"invoke\",\"f\":\"read\"}\n{\"type\":\"ok\",\"f\":\"read\"}\n";
    let error = read_bytes(text.as_bytes(), Path::new("h"), None)
        .unwrap_err()
        .to_string();
    assert_eq!(error, "h:2: the operation has no process");
}

#[test]
fn indices_count_in_json_too() {
    let line = |index: u32, process: u32, kind: &str, f: &str| {
        format!("{{\"index\":{index},\"process\":{process},\"type\":\"{kind}\",\"f\":\"{f}\",\"value\":1}}\n")
    };
    let lines = [
        line(2, 0, "invoke", "read"),
        line(3, 0, "ok", "read"),
        line(0, 1, "invoke", "write"),
        line(1, 1, "ok", "write"),
    ];
    let imported = read(&lines.concat(), "elle-json");
    assert_eq!(imported.history.operations[0].op.kind().name(), "write");
    assert!(remarks(&imported).contains("the order of the indices counts"));
}

#[test]
fn completions_partly_without_keys_stay_what_they_are() {
    let set = |last: &str| {
        events(&[
            ("0", "invoke", "read", "[0 nil]"),
            ("0", "ok", "read", "[0 [7 8]]"),
            ("0", "invoke", "read", "[0 nil]"),
            ("0", "ok", "read", last),
        ])
    };
    // What stands behind a key is a list, as the other answers are.
    let imported = set("[7 8 9]");
    assert_eq!(told(&imported)[0].1, Outcome::ok_value(list([7, 8])));
    assert!(imported.history.doubts.is_empty());
    // Where lists hold lists this decides nothing.
    assert_eq!(set("[[7] [8] [9]]").history.doubts, [Doubt::UnknownKeys]);
}

#[test]
fn pairs_of_which_nothing_tells_what_they_are_leave_the_keys_open() {
    // (the events, whether they are keyed, the doubts)
    type Case<'a> = (&'a [(&'a str, &'a str, &'a str, &'a str)], bool, &'a [Doubt]);
    let cases: [Case; 6] = [
        (
            &[("0", "invoke", "cas", "[[\"a\" 1] [3 4]]")],
            false,
            &[Doubt::UnknownKeys],
        ),
        (
            &[("0", "invoke", "cas", "[nil [3 4]]")],
            false,
            &[Doubt::UnknownKeys],
        ),
        (&[("0", "invoke", "cas", "[3 4]")], false, &[]),
        (&[("0", "invoke", "cas", "[7 [3 4]]")], true, &[]),
        // What a cas expects and brings are two things.
        (&[("0", "invoke", "cas", "[[\"a\" 1] 3 4]")], true, &[]),
        // A drain is asked for nothing.
        (
            &[
                ("0", "invoke", "enqueue", "[[\"a\" 1] 3]"),
                ("1", "invoke", "drain", "[[\"a\" 1] nil]"),
                ("1", "ok", "drain", "[[\"a\" 1] []]"),
            ],
            true,
            &[],
        ),
    ];
    for (lines, is_keyed, doubts) in cases {
        let imported = events(lines);
        assert_eq!(*told(&imported)[0].0.key() != NO_KEY, is_keyed, "{lines:?}");
        assert_eq!(imported.history.doubts, doubts, "{lines:?}");
    }
}

#[test]
fn a_client_goes_on_after_an_info_as_the_same_one() {
    // One that is known by a keyword, which alone would be a nemesis.
    let imported = events(&[
        (":w", "invoke", "write", "1"),
        (":w", "info", "write", "1"),
        (":w", "invoke", "write", "2"),
        (":w", "ok", "write", "2"),
        (":net", "info", "start", "nil"),
    ]);
    assert_eq!(imported.history.operations.len(), 2);
    assert_eq!(imported.history.nemesis.len(), 1);
    // What it names is still itself.
    let imported = events(&[
        ("0", "invoke", "acquire", "\"me\""),
        ("0", "info", "acquire", "nil"),
        ("0", "invoke", "acquire", "\"me\""),
        ("1", "invoke", "acquire", "\"you\""),
    ]);
    assert!(told(&imported).iter().all(|(op, _)| *op.key() == NO_KEY));
    assert!(imported.history.doubts.is_empty());
}

#[test]
fn what_did_not_happen_needs_no_name() {
    let text = r#"{:process 0, :type :invoke, :value [[:append 1 2]]}
        {:process 0, :type :info, :value :timed-out}"#;
    assert!(read(text, "edn").history.operations[0].outcome.is_info());
}

#[test]
fn mixed_lines_may_begin_with_an_end() {
    let imported = read(
        "{:process 0, :type :ok, :f :write, :value 1, :index 1}
         {:process 0, :type :invoke, :f :write, :value 1, :index 0}",
        "edn",
    );
    assert_eq!(told(&imported).len(), 1);
    assert!(remarks(&imported).contains("the order of the indices counts"));
}

#[test]
fn a_drain_may_be_listed_apart_from_what_it_overlaps() {
    let line = |process: u32, kind: &str, f: &str, value: &str, time: u32| {
        format!("{{:process {process}, :type :{kind}, :f :{f}, :value {value}, :time {time}}}\n")
    };
    let text = [
        line(0, "invoke", "drain", "nil", 5),
        line(0, "ok", "drain", "[1]", 9),
        line(1, "invoke", "enqueue", "1", 4),
        line(1, "ok", "enqueue", "1", 6),
    ];
    let imported = read(&text.concat(), "edn");
    assert!(
        remarks(&imported).contains("the order of the times counts"),
        "{}",
        remarks(&imported)
    );
}
