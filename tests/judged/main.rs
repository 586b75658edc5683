//! `perjury check` on small files that leave something open: what each must give.
//!
//! A history is written as `process f value → answer`, one operation after the other, or event by event as
//! `process type f value`, with `; ` between them.

mod models;

use std::path::Path;
use std::process::Command;

/// Such a history in EDN.
fn edn(history: &str) -> String {
    let event = |process: &str, kind: &str, f: &str, value: &str| {
        format!("{{:process {process}, :type :{kind}, :f :{f}, :value {value}}}\n")
    };
    let lines = history.split("; ").map(|line| {
        let words: Vec<&str> = line.splitn(3, ' ').collect();
        let [process, f, rest] = words[..] else {
            panic!("{line}")
        };
        match (rest.split_once(" → "), rest.split_once(' ')) {
            (Some((asked, answer)), _) => {
                event(process, "invoke", f, asked) + &event(process, "ok", f, answer)
            }
            (None, Some((of, value))) => event(process, f, of, value),
            _ => panic!("{line}"),
        }
    });
    lines.collect()
}

/// The exit code and what is printed.
fn check(directory: &Path, name: &str, text: &str) -> (Option<i32>, String) {
    check_with(directory, name, text, &[])
}

/// Likewise, with flags.
fn check_with(directory: &Path, name: &str, text: &str, flags: &[&str]) -> (Option<i32>, String) {
    let file = directory.join(name);
    std::fs::write(&file, text).unwrap();
    let output = Command::new(assert_cmd::cargo::cargo_bin!("perjury"))
        .arg("check")
        .args(flags)
        .arg(&file)
        .output()
        .unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8_lossy(&said).into_owned())
}

const VALID: i32 = 0;
const INVALID: i32 = 1;
const UNKNOWN: i32 = 2;
const REFUSED: i32 = 254;

/// The history, the exit code, and a part of what is said.
const CASES: &[(&str, i32, &str)] = &[
    // nil is nothing, where a model knows what that is.
    (
        "0 add 5 → 5; 1 read nil → nil; 1 read nil → #{5}",
        INVALID,
        "model set",
    ),
    (
        "0 add 5 → 5; 1 read nil → nil; 1 read nil → 5",
        INVALID,
        "model counter",
    ),
    (
        r#"0 append "a" → "a"; 1 read nil → nil; 1 read nil → "a""#,
        INVALID,
        "model kv-append",
    ),
    // Nothing was answered.
    (
        "0 invoke write 1; 0 info write 1; 1 invoke read nil",
        UNKNOWN,
        "too little happened",
    ),
    ("0 invoke write 1; 0 fail write 1", UNKNOWN, "too little happened"),
    // A drain takes all there is.
    ("0 enqueue 1 → 1; 0 enqueue 2 → 2; 1 drain nil → [1]", INVALID, ""),
    (
        "0 enqueue 1 → 1; 1 drain nil → []; 1 drain nil → [1]",
        INVALID,
        "",
    ),
    (
        "0 enqueue 1 → 1; 0 enqueue 2 → 2; 1 drain nil → [2 1]",
        VALID,
        "found nothing more",
    ),
    (
        "0 invoke enqueue 1; 1 drain nil → []; 0 ok enqueue 1; 1 drain nil → [1]",
        VALID,
        "",
    ),
    (
        "0 enqueue 1 → 1; 1 invoke drain nil; 1 info drain nil; 2 dequeue nil → nil",
        UNKNOWN,
        "may have been taken by a drain",
    ),
    (
        "0 enqueue 1 → 1; 1 invoke drain nil; 1 dequeue nil → 1; 1 ok drain :exhausted; 2 dequeue nil → 1",
        INVALID,
        "",
    ),
    // Keys of every sort.
    (
        r#"0 write [["a" 1] 7] → [["a" 1] 7]; 1 read [["b" 1] nil] → [["b" 1] nil]"#,
        VALID,
        "on 2 keys",
    ),
    (
        r#"0 write [["a" 1] 7] → [["a" 1] 7]; 1 read [["a" 1] nil] → [["a" 1] nil]"#,
        INVALID,
        "",
    ),
    (
        "0 write [6 1] → [6 1]; 1 read [3 nil] → nil",
        VALID,
        "without their keys",
    ),
    (
        "0 write [6 1] → [6 1]; 1 read [6 nil] → nil",
        INVALID,
        "without their keys",
    ),
    (
        "0 add [0 7] → [0 7]; 0 add [0 8] → [0 8]; 1 read [0 nil] → [7 8]",
        VALID,
        "",
    ),
    (
        "0 write [6 1] → [6 1]; 1 read [3 nil] → [6 1]",
        REFUSED,
        "key 3 was invoked, and key 6 completes",
    ),
    (
        r#"0 cas [["a" 1] [nil 4]] → [["a" 1] [nil 4]]; 1 cas [["a" 2] [nil 4]] → [["a" 2] [nil 4]]"#,
        UNKNOWN,
        "in a field of their own",
    ),
    (
        r#"0 enqueue [["a" 1] 7] → [["a" 1] 7]; 1 drain [["a" 1] nil] → [["a" 1] [7]]"#,
        VALID,
        "on 1 key",
    ),
    (
        "0 add [0 7] → [0 7]; 1 read [0 nil] → [0 [7]]; 0 add [0 8] → [0 8]; 1 read [0 nil] → [7 8]",
        VALID,
        "without their keys",
    ),
    // What was asked counts.
    (
        r#"0 write 1 → "OK"; 1 read nil → 1"#,
        VALID,
        "what was asked counts",
    ),
    (
        r#"0 write 1 → "OK"; 1 read nil → "OK""#,
        INVALID,
        "what was asked counts",
    ),
    (
        "0 add 5 → 5; 0 add 2 → 7; 1 read nil → 7",
        VALID,
        "what was asked counts",
    ),
    (
        "0 add 5 → 5; 0 add 2 → 7; 1 read nil → 12",
        INVALID,
        "what was asked counts",
    ),
    // Values.
    (
        r#"0 write "true" → "true"; 1 read nil → true"#,
        INVALID,
        "shows a value",
    ),
    ("0 write #{1 2} → #{1 2}; 1 read nil → [1 2]", INVALID, ""),
    ("0 write 1.50 → 1.50; 1 read nil → 1.5", VALID, ""),
    (
        r#"0 write #inst "2020-01-01T00:00:00Z" → nil; 1 read nil → #inst "2020-01-01T01:00:00.000+01:00""#,
        VALID,
        "",
    ),
    (
        "0 add 9223372036854775807 → nil; 0 add 1 → nil; 1 read nil → 9223372036854775808",
        VALID,
        "model counter",
    ),
    (
        "0 add 9223372036854775807 → nil; 0 add 1 → nil; 1 read nil → 9223372036854775809",
        INVALID,
        "model counter",
    ),
    // Guesses.
    (
        "0 write 1 → 1; 0 write 2 → 2; 1 read nil → [1 2]",
        UNKNOWN,
        "--model versioned-register",
    ),
    (
        "0 write 1 → 1; 0 write 2 → 2; 0 write 3 → 3; 1 read nil → [1 2 3]",
        REFUSED,
        "no model suits",
    ),
    ("0 txn [[:r 1 nil]] → [[:r 1 []]]", VALID, "model list-append"),
    (
        r#"0 append "a" → "a"; 1 read nil → ["a"]"#,
        VALID,
        "model list-append",
    ),
    (
        r#"0 append "a" → "a"; 1 read nil → []"#,
        INVALID,
        "model list-append",
    ),
    ("0 read nil → {0 10, 1 10}", REFUSED, ""),
    // A set has no order.
    (
        "0 append 2 → 2; 0 append 1 → 1; 1 read nil → #{1 2}",
        REFUSED,
        "not process 1's read of #{1 2}",
    ),
    ("0 read nil → #{}; 0 read nil → #{}", VALID, "model set"),
    // Locks.
    (
        "0 acquire 1 → 1; 1 acquire 2 → 2; 1 release 2 → 2; 0 release 1 → 1; 1 acquire 1 → 1",
        VALID,
        "taken for the lock's",
    ),
    ("0 acquire 1 → 1; 1 acquire 1 → 1", INVALID, ""),
    (
        r#"0 acquire "a" → "a"; 1 acquire "b" → "b""#,
        INVALID,
        "there is one lock",
    ),
    // The number of a request, or that of a lock.
    (
        "0 acquire 1 → 1; 0 release 2 → 2; 0 acquire 3 → 3; 1 acquire 4 → 4",
        UNKNOWN,
        "may be several locks",
    ),
    // Processes.
    (
        ":w invoke write 1; :w info write 1; :w write 2 → 2; 1 read nil → 2",
        VALID,
        "3 operations",
    ),
    (
        ":nemesis-2 info start nil; 0 write 1 → 1; 1 read nil → 1",
        VALID,
        "",
    ),
    (r#"0 write 1 → 1; 0 info log "now""#, VALID, "that clients logged"),
];

#[test]
fn what_files_leave_open_is_read_as_it_is_meant() {
    let directory = tempfile::tempdir().unwrap();
    for (history, code, said) in CASES {
        let (found, told) = check(directory.path(), "history.edn", &edn(history));
        assert_eq!(found, Some(*code), "{history}:\n{told}");
        assert!(told.contains(said), "{history}: {said:?} is not said:\n{told}");
    }
}

#[test]
fn where_lines_are_sorted_in_another_way_their_own_order_counts() {
    let directory = tempfile::tempdir().unwrap();
    // A write, and a read of nothing: valid only if the read began before the write had ended.
    let history = |fields: [&str; 4]| {
        let lines = [
            (0, "invoke", "write", "1"),
            (0, "ok", "write", "1"),
            (1, "invoke", "read", "nil"),
            (1, "ok", "read", "nil"),
        ];
        let line = |((process, kind, f, value), more): ((u32, &str, &str, &str), &str)| {
            format!("{{:process {process}, :type :{kind}, :f :{f}, :value {value}, {more}}}\n")
        };
        lines.into_iter().zip(fields).map(line).collect::<String>()
    };
    for (fields, code) in [
        ([":index 0", ":index 1", ":index 2", ":index 3"], INVALID),
        ([":index 2", ":index 3", ":index 0", ":index 1"], VALID),
        ([":index 0", ":index 3", ":index 1", ":index 2"], VALID),
        ([":time 10", ":time 20", ":time 30", ":time 40"], INVALID),
        ([":time 10", ":time 40", ":time 5", ":time 30"], VALID),
        // A time of -1 is none.
        ([":time -1", ":time -1", ":time -1", ":time -1"], INVALID),
    ] {
        let (found, told) = check(directory.path(), "history.edn", &history(fields));
        assert_eq!(found, Some(code), "{fields:?}:\n{told}");
    }
}

#[test]
fn json_has_one_kind_of_number() {
    let directory = tempfile::tempdir().unwrap();
    let history = |written: &str, read: &str| {
        format!(
            r#"{{"process":0,"type":"invoke","f":"write","value":{written}}}
{{"process":0,"type":"ok","f":"write","value":{written}}}
{{"process":1,"type":"invoke","f":"read","value":null}}
{{"process":1,"type":"ok","f":"read","value":{read}}}"#
        )
    };
    for (written, read, code) in [
        ("1", "1.0", VALID),
        ("1.5", "1.50", VALID),
        ("1", "\"1\"", INVALID),
        ("true", "\"true\"", INVALID),
        ("18446744073709551615", "18446744073709551614", INVALID),
        // These cannot be told apart once they are read.
        ("1e300", "1e300", REFUSED),
    ] {
        let (found, told) = check(directory.path(), "history.json", &history(written, read));
        assert_eq!(found, Some(code), "{written} {read}:\n{told}");
    }
}
