//! What is particular to the formats other than EDN: log lines, JSON, key-value text, journals.

use std::path::Path;

use history::formats::{Imported, read_bytes};
use history::{ErrorClass, Failure, Key, Op, Outcome, Value};

fn read(text: &str, format: &str) -> Imported {
    read_bytes(text.as_bytes(), Path::new("h"), Some(format))
        .unwrap_or_else(|error| panic!("{text}: {error}"))
}

#[test]
fn log_lines() {
    let text = "INFO  jepsen.util - 0\t:invoke\t:cas\t[1 2]
2015-06-01 12:00:00,123 INFO  jepsen.util - 1   :invoke :write  3
INFO  jepsen.core - Worker 3 starting
INFO  jepsen.util - 0\t:fail\t:cas\t[1 2]

INFO [2024-01-01] jepsen worker 1 - jepsen.util 1\t:info\t:write\t:timed-out
INFO  jepsen.util - 2\t:invoke\t:cas\t[1 2]
INFO  jepsen.util - 2\t:fail\t:cas\t:timed-out
INFO  jepsen.util - 4\t:invoke\t:write\t9
INFO  jepsen.util - 4\t:info\t:write\t9\tjava.net.SocketTimeoutException: Read timed out
INFO  jepsen.util - :nemesis\t:info\t:start\tnil
INFO  jepsen.util - waiting";
    let imported = read_bytes(text.as_bytes(), Path::new("jepsen.log"), None).unwrap();
    assert_eq!(imported.format, "jepsen-log");
    let outcomes: Vec<&Outcome> = imported
        .history
        .operations
        .iter()
        .map(|operation| &operation.outcome)
        .collect();
    assert_eq!(outcomes[0], &Outcome::mismatch(None));
    assert_eq!(outcomes[1], &Outcome::info(ErrorClass::Timeout, ":timed-out"));
    assert!(
        matches!(outcomes[2], Outcome::Fail(Failure::Error(reason)) if reason.class == ErrorClass::Timeout)
    );
    assert!(matches!(outcomes[3], Outcome::Info(reason) if reason.message.contains("SocketTimeout")));
    assert_eq!(imported.history.nemesis.len(), 1);
    assert!(
        imported
            .remarks
            .contains(&"2 lines that are not operations were left out".into())
    );
}

#[test]
fn elle_cli_json() {
    let array = r#"[{"index":0,"process":1,"type":"invoke","value":[["append",253,1],["r",2,null]]},
        {"index":1,"process":1,"type":"ok","value":[["append",253,1],["r",2,[1,2]]]},
        {"process":"nemesis","type":"info","f":"start","value":{"n1":["n2"]}},
        {"type":"invoke","f":"cas","process":2,"value":[1,2]},{"type":"fail","f":"cas","process":2,"value":[1,2],"error":"no"},
        {"type":"invoke","f":"add","process":2,"value":1,"op-index":1,"time":10474104701},
        {"type":"ok","f":"add","process":2,"value":1,"op-index":1,"time":10584742951},
        {"type":"invoke","f":"write","process":3,"value":true}, {"type":"ok","f":"write","process":3,"value":true},
        {"type":"invoke","f":"write","process":3,"value":1.5}, {"type":"ok","f":"write","process":3,"value":1.5}
        ]"#;
    let lines = array.trim_matches(['[', ']']).replace("},", "}\n");
    let imported = read_bytes(array.as_bytes(), Path::new("h.json"), None).unwrap();
    assert_eq!(imported.format, "elle-json");
    assert_eq!(read(&lines, "elle-json").history, imported.history);
    let operations = &imported.history.operations;
    assert_eq!(operations.len(), 5);
    let answers = Value::list(vec![Value::Nil, Value::list(vec![1.into(), 2.into()])]);
    assert_eq!(operations[0].outcome, Outcome::ok_value(answers));
    assert_eq!(operations[1].outcome, Outcome::fail(ErrorClass::Other, "no"));
    assert_eq!(
        operations[2].op,
        Op::Add {
            key: Key::Nil,
            value: 1.into()
        }
    );
    assert_eq!(
        operations[3].op,
        Op::Write {
            key: Key::Nil,
            value: Value::boolean(true)
        }
    );
    assert_eq!(
        operations[4].op,
        Op::Write {
            key: Key::Nil,
            value: Value::form("1.5")
        }
    );
    assert!(
        imported
            .remarks
            .iter()
            .any(|remark| remark.to_string().ends_with("op-index (2)")),
        "{:?}",
        imported.remarks
    );
}

#[test]
fn key_value_text() {
    let text = "{:process 0, :type :invoke, :f :append, :key \"0\", :value \"x 0 0 y\"}
{:process 0, :type :ok, :f :append, :key \"0\", :value \"x 0 0 y\"}
{:process 0, :type :invoke, :f :get, :key \"0\", :value nil}
{:process 0, :type :ok, :f :get, :key \"0\", :value \"x 0 0 y\"}\n";
    let imported = read_bytes(text.as_bytes(), Path::new("c01.txt"), None).unwrap();
    assert_eq!(imported.format, "porcupine-kv");
    assert_eq!(
        imported.history.operations[1].op,
        Op::Read { key: Key::text("0") }
    );
    assert_eq!(
        imported.history.operations[1].outcome,
        Outcome::ok_value(Value::text("x 0 0 y"))
    );
}

#[test]
fn run_directories_and_journals() {
    let dir = tempfile::tempdir().unwrap();
    let line = "{\"time_ns\":0,\"process\":0,\"type\":\"invoke\",\"f\":\"read\"}\n";
    std::fs::write(dir.path().join("history.jsonl"), format!("\n{line}{{\"torn")).unwrap();
    let imported = history::formats::read(dir.path(), None).unwrap();
    assert_eq!(
        (imported.format, imported.history.operations.len()),
        ("journal", 1)
    );
    let empty = read_bytes(b"", Path::new("history.jsonl"), None).unwrap();
    assert_eq!((empty.format, empty.history.operations.len()), ("journal", 0));
    let empty = read_bytes(b" [ ]\n", Path::new("h.edn"), None).unwrap();
    assert_eq!((empty.format, empty.history.operations.len()), ("edn", 0));
}
