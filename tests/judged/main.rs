//! `perjury check` on small files that leave something open: what each must give.
//!
//! A history is written as `process f value → answer`, one operation after the other, or event by event as
//! `process type f value`, with `; ` between them. A read that is marked as final is a `final-read`.

mod jepsen;
mod models;

use std::path::Path;
use std::process::Command;

/// Such a history in EDN.
fn edn(history: &str) -> String {
    let event = |process: &str, kind: &str, f: &str, value: &str| {
        let (f, mark) = match f {
            "final-read" => ("read", ", :final? true"),
            f => (f, ""),
        };
        format!("{{:process {process}, :type :{kind}, :f :{f}, :value {value}{mark}}}\n")
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
    // What is answered with false may not have happened.
    (
        "0 write 1 → 1; 1 cas [3 2] → false; 1 read nil → 1",
        VALID,
        "record what did not happen as :fail",
    ),
    (
        "0 write 1 → 1; 1 cas [1 2] → false; 2 read nil → 2; 2 read nil → 1",
        INVALID,
        "",
    ),
    (
        "0 add 1 → true; 0 add 2 → false; 1 read nil → #{1}",
        VALID,
        "1 operation completes with false",
    ),
    ("0 add 1 → true; 0 add 2 → false; 1 read nil → #{2}", INVALID, ""),
    ("0 enqueue 1 → false; 1 dequeue nil → nil", VALID, ""),
    (
        "0 write [6 1] → [6 false]; 1 read [6 nil] → [6 nil]; 1 read [6 nil] → [6 nil]",
        VALID,
        "completes with false",
    ),
    (
        "0 write false → false; 1 read nil → nil; 1 read nil → false",
        INVALID,
        "",
    ),
    (
        "0 acquire nil → true; 1 acquire nil → false; 2 acquire nil → true",
        INVALID,
        "",
    ),
    (
        "0 txn [[:w 1 1]] → false; 1 txn [[:r 1 nil]] → [[:r 1 nil]]",
        VALID,
        "completes with false",
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

/// Lines as `process type f value field …`, the fields as they stand.
fn lines(history: &str) -> String {
    let line = |line: &str| {
        let words: Vec<&str> = line.splitn(5, ' ').collect();
        let [process, kind, f, value, more] = words[..] else {
            panic!("{line}")
        };
        format!("{{:process {process}, :type :{kind}, :f :{f}, :value {value}, {more}}}\n")
    };
    history.split("; ").map(line).collect()
}

const BY_INDEX: &str = "the order of the indices counts; --order lines takes that of the lines";
const BY_TIME: &str = "the order of the times counts; --order lines takes that of the lines";

/// What the two events of a write and the two of a read that follow tell of their order, the flags, the exit
/// code, and a part of what is said.
const SORTED: &[([&str; 4], &str, i32, &str)] = &[
    ([":index 0", ":index 1", ":index 2", ":index 3"], "", INVALID, ""),
    (
        [":index 2", ":index 3", ":index 0", ":index 1"],
        "",
        VALID,
        BY_INDEX,
    ),
    (
        [":index 0", ":index 3", ":index 1", ":index 2"],
        "",
        VALID,
        BY_INDEX,
    ),
    (
        [":index 0", ":index 3", ":index 1", ":index 2"],
        "--order=lines",
        INVALID,
        "",
    ),
    (
        [":index 0", ":index 3", ":index 1", ":index 2"],
        "--order=index",
        VALID,
        "",
    ),
    (
        [":index 0", ":index 3", ":index 1", ":index 2"],
        "--order=time",
        REFUSED,
        "history.edn:1: the operation has no time",
    ),
    (
        [":index 1", ":index 1", ":index 2", ":index 3"],
        "",
        INVALID,
        "not every operation has one of its own: the order of the lines counts",
    ),
    (
        [":index 1", ":index 1", ":index 2", ":index 3"],
        "--order=index",
        REFUSED,
        "not every operation has an :index",
    ),
    ([":time 10", ":time 20", ":time 30", ":time 40"], "", INVALID, ""),
    (
        [":time 10", ":time 20", ":time 30", ":time 40"],
        "--order=time",
        INVALID,
        "",
    ),
    (
        [":time 10", ":time 40", ":time 5", ":time 30"],
        "",
        UNKNOWN,
        BY_TIME,
    ),
    (
        [":time 10", ":time 20", ":time 5", ":time 30"],
        "",
        VALID,
        BY_TIME,
    ),
    (
        [":time 10", ":time 20", ":time 5", ":time 30"],
        "--order=lines",
        INVALID,
        "",
    ),
    // No one knows which of two things at one time came first.
    ([":time 10", ":time 20", ":time 20", ":time 30"], "", INVALID, ""),
    (
        [":time 10", ":time 20", ":time 20", ":time 30"],
        "--order=time",
        VALID,
        "",
    ),
    // Indices that ascend with the lines are sure; indices that do not are a better witness than times.
    (
        [
            ":time 10 :index 0",
            ":time 20 :index 1",
            ":time 5 :index 2",
            ":time 30 :index 3",
        ],
        "",
        INVALID,
        "1 event has an earlier time than one above it: the order of the lines counts",
    ),
    (
        [
            ":time 10 :index 2",
            ":time 20 :index 3",
            ":time 30 :index 0",
            ":time 40 :index 1",
        ],
        "",
        VALID,
        BY_INDEX,
    ),
    // An index may be a text, and a time a number of seconds.
    (
        [":index \"2\"", ":index \"3\"", ":index \"0\"", ":index \"1\""],
        "",
        VALID,
        BY_INDEX,
    ),
    (
        [":time 0.1", ":time 0.2", ":time 0.05", ":time 0.3"],
        "",
        VALID,
        BY_TIME,
    ),
    // A time of -1 is none.
    ([":time -1", ":time -1", ":time -1", ":time -1"], "", INVALID, ""),
];

#[test]
fn where_lines_are_sorted_in_another_way_their_own_order_counts() {
    let directory = tempfile::tempdir().unwrap();
    // A write, and a read of nothing: valid only if the read began before the write had ended.
    let history = |[begun, written, asked, read]: [&str; 4]| {
        lines(&format!(
            "0 invoke write 1 {begun}; 0 ok write 1 {written}; 1 invoke read nil {asked}; 1 ok read nil {read}"
        ))
    };
    for (fields, flags, code, said) in SORTED {
        let flags: Vec<&str> = flags.split_whitespace().collect();
        let (found, told) = check_with(directory.path(), "history.edn", &history(*fields), &flags);
        assert_eq!(found, Some(*code), "{fields:?} {flags:?}:\n{told}");
        assert!(
            told.contains(said),
            "{fields:?} {flags:?}: {said:?} is not said:\n{told}"
        );
    }
}

#[test]
fn where_lines_and_times_tell_different_stories_no_one_is_accused() {
    let directory = tempfile::tempdir().unwrap();
    let both = "in the order of the lines it is invalid, in that of the times valid, and nothing tells which is right: \
                --order lines or --order time says so";
    // The second read began before the write had ended, or after that.
    let stale = "0 invoke write 1 :time 10; 1 invoke read nil :time 15; 0 ok write 1 :time 40; 1 ok read 1 :time 45; \
                 2 invoke read nil :time 30; 2 ok read nil :time 60";
    // The first read shows what is only written later, by the lines or by the times.
    let early =
        "0 invoke write 1 :time 30; 1 invoke read nil :time 10; 1 ok read 1 :time 20; 0 ok write 1 :time 40";
    // By its times a process does two things at once, so these are not in order.
    let skewed = "0 invoke write 1 :time 10; 1 invoke read nil :time 5; 0 ok write 1 :time 20; 0 invoke write 2 :time 15; \
                  1 ok read 2 :time 30; 0 ok write 2 :time 40; 1 invoke read nil :time 50; 1 ok read 1 :time 60";
    // Only operations of clients need indices.
    let nemesis = "0 invoke write 1 :index 2; 0 ok write 1 :index 3; :nemesis info start nil :time 5; \
                   1 invoke read nil :index 0; 1 ok read nil :index 1";
    // The lines alone make no sense.
    let shuffled =
        "1 ok read 1 :time 45; 0 ok write 1 :time 12; 0 invoke write 1 :time 10; 1 invoke read nil :time 15";
    for (history, flags, code, said) in [
        (stale, "", UNKNOWN, both),
        (stale, "--order=lines", INVALID, ""),
        (stale, "--order=time", VALID, ""),
        (
            early,
            "",
            UNKNOWN,
            "in the order of the lines it is valid, in that of the times invalid",
        ),
        (early, "--order=lines", VALID, ""),
        (early, "--order=time", INVALID, ""),
        (skewed, "", INVALID, "2 events have earlier times"),
        (nemesis, "", VALID, "the order of the indices counts"),
        (shuffled, "", VALID, "the order of the times counts"),
        (shuffled, "--order=lines", REFUSED, "never invoked"),
        // What a process ends when it begins something else overlaps that, by its times.
        (
            "0 invoke write 1 :time 10; 0 ok write 1 :time 20; 0 invoke write 2 :time 20; 0 ok write 2 :time 30; \
             1 invoke read nil :time 20; 1 ok read 1 :time 20",
            "",
            VALID,
            "at the very time at which another one of the same process ended",
        ),
    ] {
        let flags: Vec<&str> = flags.split_whitespace().collect();
        let (found, told) = check_with(directory.path(), "history.edn", &lines(history), &flags);
        assert_eq!(found, Some(code), "{history} {flags:?}:\n{told}");
        assert!(
            told.contains(said),
            "{history} {flags:?}: {said:?} is not said:\n{told}"
        );
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
