//! The histories of pingcap/chaos and TiPocket.

use std::path::Path;

use history::formats::{Imported, read_bytes};
use history::{Doubt, Op, Outcome, Value};

fn read(lines: &[&str]) -> Imported {
    read_bytes(lines.join("\n").as_bytes(), Path::new("history.log"), None)
        .unwrap_or_else(|error| panic!("{error}"))
}

fn call(proc: u32, data: &str) -> String {
    format!("{{\"action\":\"call\",\"proc\":{proc},\"data\":{data}}}")
}

fn back(proc: u32, data: &str) -> String {
    format!("{{\"action\":\"return\",\"proc\":{proc},\"data\":{data}}}")
}

/// One request and its answer.
fn one(asked: &str, answered: &str) -> Imported {
    read(&[&call(1, asked), &back(1, answered)])
}

fn told(imported: &Imported) -> Vec<String> {
    let operations = imported.history.operations.iter();
    operations
        .map(|operation| match operation.outcome.answer() {
            Some(answer) => format!("{} {} {answer}", operation.op, operation.outcome.name()),
            None => format!("{} {}", operation.op, operation.outcome.name()),
        })
        .collect()
}

#[test]
fn each_test_has_its_own_requests() {
    let zero = "write(nil, 0) ok";
    let cases: &[(&str, &str, &[&str])] = &[
        (
            "{\"Op\":false,\"Value\":0}",
            "{\"Unknown\":false,\"Value\":7}",
            &[zero, "read(nil) ok 7"],
        ),
        (
            "{\"Op\":true,\"Value\":7}",
            "{\"Unknown\":false,\"Value\":0}",
            &[zero, "write(nil, 7) ok"],
        ),
        (
            "{\"Op\":true,\"Value\":7}",
            "{\"Unknown\":true,\"Value\":0}",
            &[zero, "write(nil, 7) info"],
        ),
        ("{\"Op\":true,\"Value\":7}", "null", &[zero, "write(nil, 7) info"]),
        (
            "{\"Op\":1,\"Value\":7}",
            "{\"Value\":7,\"Ok\":false}",
            &[zero, "write(nil, 7) ok"],
        ),
        (
            "{\"Op\":0,\"Arg1\":0,\"Arg2\":0}",
            "{\"Ok\":false,\"Exists\":false,\"Value\":0}",
            &["read(nil) ok nil"],
        ),
        (
            "{\"Op\":0,\"Arg1\":0,\"Arg2\":0}",
            "{\"Exists\":true,\"Value\":3}",
            &["read(nil) ok 3"],
        ),
        (
            "{\"Op\":1,\"Arg1\":3,\"Arg2\":0}",
            "{\"Ok\":false}",
            &["write(nil, 3) ok"],
        ),
        (
            "{\"Op\":2,\"Arg1\":3,\"Arg2\":4}",
            "{\"Ok\":true}",
            &["cas(nil, 3 -> 4) ok"],
        ),
        (
            "{\"Op\":2,\"Arg1\":3,\"Arg2\":4}",
            "{\"Ok\":false}",
            &["cas(nil, 3 -> 4) fail"],
        ),
        (
            "{\"Op\":2,\"Arg1\":3,\"Arg2\":4}",
            "{\"Ok\":false,\"Unknown\":true}",
            &["cas(nil, 3 -> 4) info"],
        ),
        (
            "{\"Op\":0,\"From\":0,\"To\":0,\"Amount\":0}",
            "{\"Tso\":4,\"Balances\":[5,15]}",
            &["txn(read 0, read 1) ok [5 15]"],
        ),
        (
            "{\"Op\":1,\"From\":0,\"To\":1,\"Amount\":5}",
            "{\"Tso\":4,\"Ok\":true,\"FromBalance\":10,\"ToBalance\":20}",
            &["txn(read 0, read 1, write 0 5, write 1 25) ok [10 20 nil nil]"],
        ),
        (
            "{\"Op\":1,\"From\":0,\"To\":1,\"Amount\":5}",
            "{\"Tso\":4,\"Unknown\":true,\"FromBalance\":10,\"ToBalance\":20}",
            &["txn(read 0, read 1, write 0 5, write 1 25) info"],
        ),
        (
            "{\"Op\":1,\"From\":0,\"To\":1,\"Amount\":5}",
            "{\"Ok\":false,\"Unknown\":false}",
            &["txn(read 0, read 1) fail"],
        ),
        (
            "{\"Kind\":\"write\",\"Keys\":[3]}",
            "{\"Ok\":true,\"Keys\":[3],\"Values\":[]}",
            &["txn(write 3 1) ok [nil]"],
        ),
        // The error may have come after the write.
        (
            "{\"Kind\":\"write\",\"Keys\":[3]}",
            "{\"Ok\":false}",
            &["txn(write 3 1) info"],
        ),
        (
            "{\"Kind\":\"read\",\"Keys\":[3,4]}",
            "{\"Ok\":true,\"Keys\":[3,4],\"Values\":[{\"Int64\":1,\"Valid\":true},{\"Int64\":0,\"Valid\":false}]}",
            &["txn(read 3, read 4) ok [1 nil]"],
        ),
        (
            "{\"Kind\":\"read\",\"Keys\":[3,4]}",
            "{\"Ok\":false}",
            &["txn(read 3, read 4) fail"],
        ),
    ];
    for (asked, answered, expected) in cases {
        let imported = one(asked, answered);
        assert_eq!(
            (imported.format, told(&imported).as_slice()),
            ("chaos", expected.map_to_owned().as_slice()),
            "{asked}"
        );
        assert!(imported.history.doubts.is_empty());
    }
    // A cas that failed has compared.
    let imported = one("{\"Op\":2,\"Arg1\":3,\"Arg2\":4}", "{\"Ok\":false}");
    assert_eq!(imported.history.operations[0].outcome, Outcome::mismatch(None));
}

trait Owned {
    fn map_to_owned(&self) -> Vec<String>;
}

impl Owned for &[&str] {
    fn map_to_owned(&self) -> Vec<String> {
        self.iter().map(|text| (*text).to_owned()).collect()
    }
}

#[test]
fn what_was_dumped_first_was_there_at_first() {
    let write = call(1, "{\"Op\":true,\"Value\":7}");
    let cas = call(1, "{\"Op\":2,\"Arg1\":7,\"Arg2\":8}");
    let bank = call(1, "{\"Op\":0,\"From\":0,\"To\":0,\"Amount\":0}");
    let dump = |state: &str| format!("{{\"action\":\"dump\",\"proc\":0,\"data\":{state}}}");
    for (state, call, expected) in [
        ("5", &write, "write(nil, 5) ok"),
        ("-1", &write, "write(nil, -1) ok"),
        ("5", &cas, "write(nil, 5) ok"),
        ("-1", &cas, "write(nil, nil) ok"),
        ("[10,20]", &bank, "txn(write 0 10, write 1 20) ok [nil nil]"),
        ("null", &cas, "cas(nil, 7 -> 8) info"),
    ] {
        assert_eq!(told(&read(&[&dump(state), call]))[0], expected, "{state}");
    }
    // It precedes everything.
    let imported = read(&[&dump("5"), &write]);
    assert!(imported.history.operations[0].completed < imported.history.operations[1].invoked);
    // A state that is dumped later is none of the beginning.
    let imported = read(&[&write, &dump("9")]);
    assert_eq!(told(&imported)[0], "write(nil, 0) ok");
    assert!(
        imported
            .remarks
            .contains(&"1 state that were dumped after the first request were left out".into())
    );
}

#[test]
fn transfers_of_unknown_amounts_leave_a_doubt() {
    let imported = read(&[&call(1, "{\"Op\":1,\"From\":0,\"To\":1,\"Amount\":5}")]);
    assert!(imported.history.operations.is_empty());
    assert_eq!(imported.history.doubts, [Doubt::UnknownAsked]);
}

#[test]
fn tipocket_adds_times_and_faults() {
    let at = |time: &str, action: &str, proc: i32, data: &str| {
        format!(
            "{{\"action\":\"{action}\",\"proc\":{proc},\"time\":\"2020-05-01T10:00:0{time}+08:00\",\"data\":{data}}}"
        )
    };
    let imported = read(&[
        &at("1.5", "call", 1, "{\"Op\":2,\"Arg1\":7,\"Arg2\":8}"),
        &at("1.75", "inject", -1, "{\"Name\":\"random_kill\",\"Ops\":[]}"),
        &at("2", "return", 1, "{\"Ok\":true}"),
        &at("3", "recover", -1, "\"random_kill\""),
    ]);
    let operation = &imported.history.operations[0];
    assert_eq!(
        (operation.invoked_ns, operation.completed_ns.map(u64::from)),
        (0, Some(500_000_000))
    );
    assert!(matches!(operation.op, Op::Cas { .. }));
    assert!(
        imported
            .remarks
            .contains(&"2 lines about faults were left out".into())
    );
}

#[test]
fn what_cannot_be_read_is_refused() {
    let write = call(1, "{\"Op\":true,\"Value\":7}");
    let cases: &[(&[&str], &str)] = &[
        (
            &[
                &write,
                "{\"action\":\"call\",\"proc\":2,\"data\":{\"Tp\":\"read\",\"K\":3}}",
            ],
            "h:2: a request with the fields K, Tp is of a test that is not known (known: register, cas register, \
             bank, long fork)",
        ),
        (
            &[&write, &write],
            "h:2: process 1 calls while its previous request is open",
        ),
        (
            &[&write, &back(2, "{}")],
            "h:2: process 2 returns what it never called",
        ),
        (&[&write, "{\"action\":\"call\""], "h:2: no event: "),
        (&[&write, &back(1, "{\"Ok\":3}")], "h:2: no answer: "),
        (
            &["{\"action\":\"sing\",\"proc\":2}"],
            "h:1: unknown action `sing` (known: call, return, dump, inject, recover)",
        ),
        (
            &["{\"action\":\"dump\",\"proc\":2,\"data\":\"x\"}"],
            "h:1: a state must be a number or a list of balances, not \"x\"",
        ),
    ];
    for (lines, expected) in cases {
        let error = read_bytes(lines.join("\n").as_bytes(), Path::new("h"), None)
            .unwrap_err()
            .to_string();
        assert!(error.starts_with(expected), "{error}");
    }
}

#[test]
fn values_are_numbers() {
    let imported = one(
        "{\"Op\":true,\"Value\":9223372036854775807}",
        "{\"Unknown\":false,\"Value\":0}",
    );
    assert!(matches!(
        &imported.history.operations[1].op,
        Op::Write {
            value: Value::Int(i64::MAX),
            ..
        }
    ));
}
