//! What stores with leases, watches and versions promise, by hand: the verdict, the rule, and the sentences.

mod common;

use checker::{Options, Rule, Verdict, judge, objects};
use common::{history, info, ok, operation, saw};
use history::{History, Key, MicroOp, Op, Operation, Outcome, Value};

const KEY: Key = Key::Nil;

fn acquire() -> Op {
    Op::Acquire { key: KEY }
}

fn release() -> Op {
    Op::Release { key: KEY }
}

fn watch(from: i64) -> Op {
    Op::Watch { key: KEY, from }
}

fn heard(through: i64, events: &[(i64, i64)]) -> Outcome {
    let event = |(revision, value): &(i64, i64)| Value::list(vec![(*revision).into(), (*value).into()]);
    let events = events.iter().map(event).collect();
    Outcome::ok_value(Value::list(vec![through.into(), Value::list(events)]))
}

fn options(model: &str) -> Options {
    Options {
        model: objects::find(model).unwrap(),
        ..Options::default()
    }
}

#[track_caller]
fn valid(model: &str, operations: Vec<Operation>) {
    let analysis = judge(&history(operations), &options(model));
    assert_eq!(analysis.verdict, Verdict::Valid, "{analysis:?}");
}

#[track_caller]
fn invalid(model: &str, rule: Rule, shown: &[usize], sentences: &[&str], operations: Vec<Operation>) {
    let history: History = history(operations);
    let analysis = judge(&history, &options(model));
    assert_eq!(analysis.verdict, Verdict::Invalid, "{analysis:?}");
    let conflict = &analysis.conflicts[0];
    assert_eq!(
        (conflict.rule, &conflict.operations[..]),
        (rule, shown),
        "{conflict:?}"
    );
    assert_eq!(common::plain(&history, &conflict.sentences), sentences);
    assert!(conflict.confirmed);
}

#[test]
fn a_lease_may_run_out_but_not_be_given_back_then() {
    let taken_over = |outcome: Outcome| {
        vec![
            operation(0, acquire(), saw(5), 0, 1),
            operation(1, acquire(), saw(6), 2, 3),
            operation(0, release(), outcome, 4, 5),
            operation(1, release(), ok(), 6, 7),
        ]
    };
    valid("lease", taken_over(info()));
    valid("lease", taken_over(common::fail()));
    invalid(
        "lease",
        Rule::TwoHolders,
        &[2, 1, 0, 3],
        &[
            "Process 0's release (4.000–5.000 ms) began after process 1's acquire that answered 6 \
             (2.000–3.000 ms) had completed.",
            "It succeeded although it released the lock of token 5 (process 0's acquire that answered 5 \
             (0.000–1.000 ms)) after token 6 had been given out.",
        ],
        taken_over(ok()),
    );
    invalid(
        "lease",
        Rule::TwoHolders,
        &[2, 1],
        &[
            "Process 0's release (4.000–5.000 ms) succeeded although its process did not hold the lock.",
            "It had not acquired it again since process 0's release (2.000–3.000 ms).",
        ],
        vec![
            operation(0, acquire(), saw(5), 0, 1),
            operation(0, release(), ok(), 2, 3),
            operation(0, release(), ok(), 4, 5),
        ],
    );
}

#[test]
fn a_mutex_does_not_mind_tokens() {
    let twice = |from| operation(1, acquire(), saw(2), from, from + 1);
    let once = operation(0, acquire(), saw(1), 0, 1);
    let back = operation(0, release(), ok(), 2, 3);
    valid("mutex", vec![once.clone(), back, twice(4)]);
    let analysis = judge(&history(vec![once, twice(4)]), &options("mutex"));
    assert_eq!(analysis.verdict, Verdict::Invalid);
    assert_eq!(analysis.conflicts[0].rule, Rule::TwoHolders);
}

#[test]
fn a_watch_tells_of_every_write_in_its_range() {
    let writes = || {
        vec![
            operation(0, common::write(7), saw(10), 0, 1),
            operation(0, common::write(8), saw(12), 2, 3),
            operation(1, common::write(9), info(), 4, 5),
        ]
    };
    let with = |from: i64, answer: Outcome| {
        let mut operations = writes();
        operations.push(operation(2, watch(from), answer, 6, 7));
        operations
    };
    valid("watch", with(1, heard(12, &[(10, 7), (12, 8)])));
    valid("watch", with(11, heard(15, &[(12, 8), (14, 9)])));
    valid("watch", with(13, heard(20, &[])));
    invalid(
        "watch",
        Rule::MissedEvent,
        &[3, 0],
        &[
            "Process 2's watch from 1 that answered [12 [[12 8]]] (6.000–7.000 ms) does not report revision \
             10, which lies in its range.",
            "But process 0's write of 7 (0.000–1.000 ms) was answered with that revision.",
        ],
        with(1, heard(12, &[(12, 8)])),
    );
    invalid(
        "watch",
        Rule::EndedEarly,
        &[3, 1],
        &[
            "Process 2's watch from 1 that answered [11 [[10 7]]] (6.000–7.000 ms) began after process 0's \
             write of 8 (2.000–3.000 ms) had completed.",
            "But it is complete only up to revision 11, and the latter reached 12.",
        ],
        with(1, heard(11, &[(10, 7)])),
    );
    invalid(
        "watch",
        Rule::WrongRevision,
        &[3, 0],
        &[
            "Process 2's watch from 1 that answered [12 [[11 7] [12 8]]] (6.000–7.000 ms) reports a change at \
             revision 11 that only process 0's write of 7 (0.000–1.000 ms) can have made.",
            "But that one was answered with revision 10.",
        ],
        with(1, heard(12, &[(11, 7), (12, 8)])),
    );
    invalid(
        "watch",
        Rule::NeverWritten,
        &[3],
        &[
            "Process 2's watch from 13 that answered [15 [[13 1]]] (6.000–7.000 ms) reports a write of 1 at \
             revision 13.",
            "But no operation that had begun by then can have written it there.",
        ],
        with(13, heard(15, &[(13, 1)])),
    );
}

/// What the store had dropped is unseen; what it had not must be told.
#[test]
fn a_watch_goes_on_after_what_was_dropped() {
    let heard_from = |through: i64, changes: &[(i64, i64)], begun: i64| {
        let changes = changes
            .iter()
            .map(|&(revision, value)| Value::list(vec![revision.into(), value.into()]))
            .collect();
        Outcome::ok_value(Value::list(vec![
            through.into(),
            Value::list(changes),
            begun.into(),
        ]))
    };
    let with = |answer: Outcome| {
        vec![
            operation(0, common::write(7), saw(10), 0, 1),
            operation(0, common::write(8), saw(12), 2, 3),
            operation(2, watch(1), answer, 6, 7),
        ]
    };
    valid("watch", with(heard_from(12, &[(12, 8)], 11)));
    valid("watch", with(heard_from(12, &[], 13)));
    invalid(
        "watch",
        Rule::MissedEvent,
        &[2, 1],
        &[
            "Process 2's watch from 1 that answered [12 [] 11] (6.000–7.000 ms) does not report revision 12, \
             which lies in its range.",
            "But process 0's write of 8 (2.000–3.000 ms) was answered with that revision.",
        ],
        with(heard_from(12, &[], 11)),
    );
    // A change that it says it cannot have seen.
    invalid(
        "watch",
        Rule::OutOfBounds,
        &[2],
        &[
            "Process 2's watch from 1 that answered [12 [[10 7] [12 8]] 11] (6.000–7.000 ms) reports revision \
             10.",
            "It tells of what came from revision 11 on, and says that it is complete up to 12.",
        ],
        with(heard_from(12, &[(10, 7), (12, 8)], 11)),
    );
    // Nobody drops what has not come yet.
    let early = judge(&history(with(heard_from(12, &[], 20))), &options("watch"));
    assert_eq!(early.verdict, Verdict::Unknown);
    let told = judge(&history(with(heard_from(12, &[(12, 8)], 11))), &options("watch")).account;
    assert!(told[0].starts_with("1 of 1 answer to watches"), "{told:?}");
}

/// A watch that is late but otherwise complete is still sequentially consistent.
#[test]
fn a_late_watch_is_still_sequentially_consistent() {
    let late = vec![
        operation(0, common::write(7), saw(10), 0, 1),
        operation(1, watch(1), heard(9, &[]), 2, 3),
    ];
    let analysis = judge(&history(late), &options("watch"));
    let still = analysis.still.expect("it is judged");
    assert_eq!(still.in_short(), "sequentially consistent");
    assert_eq!(analysis.conflicts[0].stale_by_ns, Some(1_000_000));
}

#[test]
fn versions_count_transactions() {
    let list = || Value::Int(3);
    let append = |process, value: i64, from| {
        let micro_ops = vec![MicroOp::Append {
            key: list(),
            value: value.into(),
        }];
        let answer = Outcome::ok_value(Value::list(vec![Value::Nil]));
        operation(process, Op::Txn { key: KEY, micro_ops }, answer, from, from + 1)
    };
    let look = |elements: &[i64], version: i64, revision: i64, from| {
        let micro_ops = vec![MicroOp::Read { key: list() }, MicroOp::Version { key: list() }];
        let seen = Value::list(elements.iter().map(|element| Value::Int(*element)).collect());
        let told = Value::list(vec![version.into(), revision.into()]);
        let answer = Outcome::ok_value(Value::list(vec![seen, told]));
        operation(2, Op::Txn { key: KEY, micro_ops }, answer, from, from + 1)
    };
    let with = |more: Vec<Operation>| {
        let mut operations = vec![append(0, 1, 0), append(0, 2, 2)];
        operations.extend(more);
        operations
    };
    valid("list-append", with(vec![look(&[1, 2], 2, 20, 4)]));
    invalid(
        "list-append",
        Rule::WrongVersion,
        &[2],
        &[
            "Process 2's txn(read 3 → [1 2], version 3 → [3 20]) (4.000–5.000 ms) found a list of 2 elements at \
             version 3.",
            "They were appended by 2 transactions, and each transaction adds 1 to the version.",
        ],
        with(vec![look(&[1, 2], 3, 20, 4)]),
    );
    invalid(
        "list-append",
        Rule::WrongVersion,
        &[2, 3],
        &[
            "Process 2's txn(read 3 → [1 2], version 3 → [2 20]) (4.000–5.000 ms) saw the list 3 at version 2 \
             with revision 20, and process 2's txn(read 3 → [1 2], version 3 → [2 21]) (6.000–7.000 ms) at \
             version 2 with revision 21.",
            "Each version has one revision, and a greater version has a greater revision.",
        ],
        with(vec![look(&[1, 2], 2, 20, 4), look(&[1, 2], 2, 21, 6)]),
    );
}
