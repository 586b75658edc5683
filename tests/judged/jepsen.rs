//! The situations that the tests of Jepsen's own checkers have, with other values: `checker_test.clj`,
//! `tests/long_fork_test.clj` and `tests/causal_reverse_test.clj` at the commit of Jepsen that
//! docs/benchmarks.md names, which has no tests of its bank and causal checkers.

use std::collections::BTreeMap;

use super::{INVALID, UNKNOWN, VALID, check_with, edn};

/// Jepsen's test, the flags here, the situation, Jepsen's verdict, and the one here.
type Case = (&'static str, &'static str, &'static str, i32, i32);

const QUEUE: &str = "--model=unordered-queue";
const FULL: &str = "--model=g-set --last-reads-final";
const REVERSE: &str = "--model=causal-reverse";

const CASES: &[Case] = &[
    // What never was answered is too little here to be valid.
    ("queue", QUEUE, "", VALID, UNKNOWN),
    ("queue", QUEUE, "4 invoke enqueue 7", VALID, UNKNOWN),
    ("queue", QUEUE, "4 ok enqueue 7", VALID, VALID),
    (
        "queue",
        QUEUE,
        "5 invoke dequeue nil; 4 invoke enqueue 7; 5 ok dequeue 7",
        VALID,
        VALID,
    ),
    ("queue", QUEUE, "4 ok dequeue 7", INVALID, INVALID),
    (
        "set",
        "--model=set",
        "0 add 3 → 3; 0 add 4 → 4; 1 invoke add 5; 1 info add 5; 6 invoke add 6; 6 info add 6; 2 invoke add 7; 2 fail add 7; \
         2 invoke add 8; 2 fail add 8; 4 read nil → #{3 5 7 9}",
        INVALID,
        INVALID,
    ),
    ("total-queue", QUEUE, "", VALID, UNKNOWN),
    (
        "total-queue",
        QUEUE,
        "1 invoke enqueue 7; 2 enqueue 8 → 8; 3 dequeue 7 → 7; 3 dequeue 8 → 8",
        VALID,
        VALID,
    ),
    (
        "total-queue",
        QUEUE,
        "1 invoke enqueue :a; 2 enqueue :b → :b; 3 enqueue :c → :c; 4 invoke dequeue nil; 5 dequeue nil → :z; \
         6 dequeue nil → :c; 7 dequeue nil → :c",
        INVALID,
        INVALID,
    ),
    ("unique-ids", "--model=unique-ids", "", VALID, UNKNOWN),
    (
        "unique-ids",
        "--model=unique-ids",
        "0 generate nil → 5; 1 generate nil → 6; 2 generate nil → 5; 3 generate nil → 5; 4 invoke generate nil; \
         4 info generate nil",
        INVALID,
        INVALID,
    ),
    ("counter", "--model=counter", "", VALID, UNKNOWN),
    ("counter", "--model=counter", "3 read nil → 0", VALID, VALID),
    (
        "counter",
        "--model=counter",
        "3 invoke add 2; 3 fail add 2; 3 read nil → 0",
        VALID,
        VALID,
    ),
    (
        "counter",
        "--model=counter",
        "3 invoke add 2; 4 read nil → 0; 4 read nil → 2",
        VALID,
        VALID,
    ),
    ("counter", "--model=counter", "3 read nil → 2", INVALID, INVALID),
    (
        "counter",
        "--model=counter",
        "0 invoke read nil; 1 invoke add 3; 2 invoke read nil; 3 invoke add 5; 4 invoke read nil; 5 invoke add 10; \
         6 invoke read nil; 7 invoke add 20; 8 invoke read nil; 0 ok read 15; 1 ok add 3; 2 ok read 0; 3 ok add 5; \
         4 ok read 8; 5 ok add 10; 6 ok read 200; 7 ok add 20; 8 ok read 38",
        INVALID,
        INVALID,
    ),
    (
        "counter",
        "--model=counter",
        "0 invoke read nil; 1 invoke add 3; 0 ok read 0; 0 invoke read nil; 1 ok add 3; 1 invoke add 4; 0 ok read 7; \
         0 invoke read nil; 1 ok add 4; 0 ok read 9",
        INVALID,
        INVALID,
    ),
    ("set-full", FULL, "0 add 7 → 7", UNKNOWN, UNKNOWN),
    (
        "set-full",
        FULL,
        "0 invoke add 7; 1 read nil → #{}",
        UNKNOWN,
        UNKNOWN,
    ),
    // A read that ran at the same time as the last add is no final one here; by `set` these are valid.
    (
        "set-full",
        FULL,
        "1 invoke read nil; 0 invoke add 7; 1 ok read #{7}; 0 ok add 7",
        VALID,
        UNKNOWN,
    ),
    (
        "set-full",
        FULL,
        "1 invoke read nil; 0 add 7 → 7; 1 ok read #{7}",
        VALID,
        UNKNOWN,
    ),
    (
        "set-full",
        FULL,
        "0 invoke add 7; 1 read nil → #{7}; 0 ok add 7",
        VALID,
        UNKNOWN,
    ),
    (
        "set-full",
        FULL,
        "0 invoke add 7; 1 invoke read nil; 0 ok add 7; 1 ok read #{7}",
        VALID,
        UNKNOWN,
    ),
    ("set-full", FULL, "0 add 7 → 7; 1 read nil → #{7}", VALID, VALID),
    (
        "set-full",
        FULL,
        "0 add 7 → 7; 1 read nil → #{}",
        INVALID,
        INVALID,
    ),
    (
        "set-full",
        FULL,
        "1 invoke read nil; 0 invoke add 7; 1 ok read #{}; 0 ok add 7",
        UNKNOWN,
        UNKNOWN,
    ),
    (
        "set-full",
        FULL,
        "1 invoke read nil; 0 add 7 → 7; 1 ok read #{}",
        UNKNOWN,
        UNKNOWN,
    ),
    (
        "set-full",
        FULL,
        "0 invoke add 7; 1 read nil → #{}; 0 ok add 7",
        UNKNOWN,
        UNKNOWN,
    ),
    (
        "set-full",
        FULL,
        "0 invoke add 7; 1 invoke read nil; 0 ok add 7; 1 ok read #{}",
        UNKNOWN,
        UNKNOWN,
    ),
    (
        "set-full",
        FULL,
        "0 invoke add 7; 1 invoke add 8; 2 read nil → #{8}; 0 ok add 7; 1 ok add 8; 2 read nil → #{7 8}; 2 read nil → #{7}; \
         2 read nil → #{}",
        INVALID,
        INVALID,
    ),
    (
        "set-full",
        FULL,
        "0 add 7 → 7; 1 invoke add 8; 2 read nil → #{8}; 1 ok add 8; 2 invoke read nil; 3 read nil → #{8}; 2 ok read #{7}",
        INVALID,
        INVALID,
    ),
    (
        "long-fork",
        "--model=long-fork",
        "0 invoke read [[:r 4 nil] [:r 5 nil] [:r 6 nil]]; 1 invoke read [[:r 6 nil] [:r 4 nil] [:r 5 nil]]; \
         0 ok read [[:r 4 1] [:r 5 1] [:r 6 nil]]; 1 ok read [[:r 6 1] [:r 4 1] [:r 5 nil]]",
        INVALID,
        INVALID,
    ),
    (
        "causal-reverse",
        REVERSE,
        "3 write 7 → 7; 3 write 8 → 8; 3 read nil → [7 8]",
        VALID,
        VALID,
    ),
    (
        "causal-reverse",
        REVERSE,
        "3 write 7 → 7; 3 write 8 → 8; 3 read nil → [7]",
        VALID,
        VALID,
    ),
    (
        "causal-reverse",
        REVERSE,
        "3 write 7 → 7; 3 write 8 → 8; 3 read nil → [8]",
        INVALID,
        INVALID,
    ),
    (
        "causal-reverse",
        REVERSE,
        "3 write 5 → 5; 3 write 6 → 6; 3 write 7 → 7; 3 write 8 → 8; 3 write 9 → 9; 3 read nil → [5 6 7 8 9]",
        VALID,
        VALID,
    ),
    (
        "causal-reverse",
        REVERSE,
        "3 invoke write 8; 4 write 7 → 7; 5 invoke read nil; 3 ok write 8; 5 ok read [7 8]",
        VALID,
        VALID,
    ),
    (
        "causal-reverse",
        REVERSE,
        "3 invoke write 7; 4 invoke write 8; 3 ok write 7; 5 invoke read nil; 4 ok write 8; 5 ok read [8 7]",
        VALID,
        VALID,
    ),
];

/// The history as a file.
fn text(history: &str) -> String {
    match history {
        "" => "[]\n".to_owned(),
        history => edn(history),
    }
}

#[test]
fn what_jepsens_own_tests_have_is_judged_alike() {
    let directory = tempfile::tempdir().unwrap();
    // How many cases each test has, and how many of them have the same verdict here.
    let mut counts: BTreeMap<&str, (u32, u32)> = BTreeMap::new();
    for (test, flags, history, jepsen, here) in CASES {
        let flags: Vec<&str> = flags.split(' ').collect();
        let (found, told) = check_with(directory.path(), "history.edn", &text(history), &flags);
        assert_eq!(found, Some(*here), "{test}, {history}:\n{told}");
        // Nothing is accused that Jepsen acquits, and nothing acquitted that it accuses.
        assert!(jepsen == here || *here == UNKNOWN, "{test}, {history}");
        let (cases, same) = counts.entry(test).or_default();
        *cases += 1;
        *same += u32::from(jepsen == here);
    }
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/benchmarks.md")).unwrap();
    for (test, (cases, same)) in counts {
        let row = format!("| `{test}` | {cases} | {same} |");
        assert!(page.contains(&row), "docs/benchmarks.md lacks `{row}`");
    }
}

#[test]
fn what_is_no_final_read_is_valid_for_a_set() {
    let directory = tempfile::tempdir().unwrap();
    for (test, _, history, jepsen, here) in CASES {
        if *test == "set-full" && *jepsen == VALID && *here == UNKNOWN {
            let (found, told) = check_with(directory.path(), "history.edn", &text(history), &["--model=set"]);
            assert_eq!(found, Some(VALID), "{history}:\n{told}");
        }
    }
}
