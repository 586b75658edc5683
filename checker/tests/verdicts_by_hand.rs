//! Small histories by hand: what the verdict is, which rule is broken, and what the sentences say.

mod common;

use std::collections::BTreeMap;

use checker::objects::{AppendedList, FifoQueue, KvAppend, ListAppend, MultiRegister, Set, UnorderedQueue};
use checker::{Algorithm, Analysis, Model, Options, Rule, Verdict, check, check_key, partition};
use common::*;
use history::{History, Key, Op, Outcome, Value};

/// One operation of a case: what, how it ended, from when to when (ms, also positions). The process is its
/// place.
type Case<'a> = &'a [(Op, Outcome, u64, u64)];

fn build(case: Case) -> History {
    let operations = (0..).zip(case);
    history(
        operations
            .map(|(process, (op, outcome, from, to))| {
                operation(process, op.clone(), outcome.clone(), *from, *to)
            })
            .collect(),
    )
}

fn judge(case: Case) -> Analysis {
    let history = build(case);
    assert_shown(&history, &check_key(&history, &all(&history), &options()).0);
    check(&history, &options())
}

#[track_caller]
fn valid(by: Algorithm, case: Case) {
    let history = build(case);
    let (decision, algorithm) = check_key(&history, &all(&history), &options());
    assert_shown(&history, &decision);
    assert_eq!(
        (decision.verdict(), algorithm),
        (Verdict::Valid, by),
        "{decision:?}"
    );
    assert!(brute_force(&register(), &calls(&history).calls));
}

#[track_caller]
fn invalid(rule: Rule, stale_by_ms: Option<u64>, operations: &[usize], sentences: &[&str], case: Case) {
    let analysis = judge(case);
    assert_eq!(analysis.verdict, Verdict::Invalid);
    assert!(!brute_force(&register(), &calls(&build(case)).calls));
    let [conflict] = analysis.conflicts.as_slice() else {
        panic!("{analysis:?}")
    };
    assert_eq!(conflict.rule, rule, "{conflict:?}");
    assert_eq!(plain(&build(case), &conflict.sentences), sentences);
    assert_eq!(conflict.operations, operations);
    assert_eq!(conflict.stale_by_ns, stale_by_ms.map(|ms| ms * 1_000_000));
    assert!(conflict.confirmed);
}

#[test]
fn valid_ones() {
    const EXACT: Algorithm = Algorithm::REGISTER_EXACT;
    const SEARCH: Algorithm = Algorithm::SEARCH;
    valid(EXACT, &[]);
    valid(EXACT, &[(read(), saw(0), 0, 1)]);
    // A write of unknown outcome that took effect long after everybody had given up on it.
    valid(
        EXACT,
        &[
            (write(1), info(), 0, 0),
            (write(2), ok(), 1, 2),
            (read(), saw(2), 3, 4),
            (read(), saw(1), 5, 6),
        ],
    );
    // Chains of cas, seen only at their ends.
    valid(
        EXACT,
        &[
            (cas(0, 1), info(), 0, 0),
            (cas(1, 2), info(), 1, 0),
            (read(), saw(0), 2, 3),
            (read(), saw(2), 4, 5),
        ],
    );
    // Two cas of unknown outcome expect the same value: only one can have happened, and no one saw either.
    valid(
        EXACT,
        &[
            (cas(0, 1), info(), 0, 0),
            (cas(0, 2), info(), 1, 0),
            (read(), saw(0), 2, 3),
        ],
    );
    // A cas to the value that it expects is no more than a read.
    valid(EXACT, &[(write(1), ok(), 0, 3), (cas(1, 1), ok(), 1, 2)]);
    // A silent failure that only a write no one saw explains: left to the search.
    valid(
        SEARCH,
        &[(write(1), info(), 0, 0), (cas(0, 5), found_other(), 1, 2)],
    );
    // The initial value is written again.
    valid(
        SEARCH,
        &[
            (write(1), ok(), 0, 1),
            (write(0), ok(), 2, 3),
            (read(), saw(0), 4, 5),
        ],
    );
    // Of two writes of the same value neither may be spent early because it seems to change nothing.
    valid(
        SEARCH,
        &[
            (write(2), ok(), 0, 1),
            (cas(2, 3), ok(), 2, 6),
            (read(), saw(3), 3, 5),
            (write(2), ok(), 4, 7),
            (read(), saw(3), 8, 9),
        ],
    );
}

#[test]
fn a_stale_read() {
    invalid(
        Rule::ComesBack,
        Some(40),
        &[2, 1, 0],
        &[
            "Process 2's read of 1 (70.000–80.000 ms) began after process 1's write of 2 (20.000–30.000 ms) had completed.",
            "Process 0's write of 1 (0.000–10.000 ms) had completed before that one began.",
            "So 1 was replaced by 2 and cannot have come back: each value was written only once.",
        ],
        &[
            (write(1), ok(), 0, 10),
            (write(2), ok(), 20, 30),
            (read(), saw(1), 70, 80),
        ],
    );
}

#[test]
fn the_initial_value_comes_back() {
    invalid(
        Rule::ComesBack,
        Some(2),
        &[1, 0],
        &[
            "Process 1's read of 0 (3.000–4.000 ms) began after process 0's write of 1 (0.000–1.000 ms) had completed.",
            "But 0 is the initial value, and 1 had replaced it; it cannot have come back.",
        ],
        &[(write(1), ok(), 0, 1), (read(), saw(0), 3, 4)],
    );
}

#[test]
fn a_failed_write_is_read() {
    invalid(
        Rule::NeverWritten,
        None,
        &[1],
        &[
            "Process 1's read of 1 (2.000–3.000 ms) shows a value that no operation can have written: 1.",
            "Only process 0's failed write of 1 (0.000–1.000 ms) would have written it, and that one had no effect.",
        ],
        &[(write(1), fail(), 0, 1), (read(), saw(1), 2, 3)],
    );
}

#[test]
fn a_cas_fails_on_what_it_expects() {
    invalid(
        Rule::FoundExpected,
        None,
        &[0],
        &[
            "Process 0's failed cas from 0 to 1, which found 0 (0.000–1.000 ms) found the very value that it expected, and yet it failed.",
        ],
        &[(cas(0, 1), found(0), 0, 1)],
    );
}

#[test]
fn two_cas_of_the_same_value() {
    invalid(
        Rule::ReplacedTwice,
        None,
        &[0, 1],
        &[
            "Process 0's cas from 0 to 1 of unknown outcome (from 0.000 ms, no answer) and process 1's cas from 0 to 2 (1.000–3.000 ms) both replaced the same value.",
            "But 0 was there only once, so only one of them can have succeeded.",
        ],
        &[
            (cas(0, 1), info(), 0, 0),
            (cas(0, 2), ok(), 1, 3),
            (read(), saw(1), 4, 5),
        ],
    );
}

#[test]
fn a_circle_of_cas() {
    invalid(
        Rule::Circle,
        None,
        &[1, 0],
        &[
            "These succeeded: process 1's cas from 2 to 1 (1.000–3.000 ms), process 0's cas from 1 to 2 (0.000–2.000 ms).",
            "Each of them needs a value that only the next one writes, in a circle, so none can have been the first.",
        ],
        &[(cas(1, 2), ok(), 0, 2), (cas(2, 1), ok(), 1, 3)],
    );
}

#[test]
fn a_read_before_the_write() {
    invalid(
        Rule::OutOfOrder,
        None,
        &[1, 0],
        &[
            "Process 0's read of 1 (0.000–1.000 ms) had completed before process 1's write of 1 (2.000–3.000 ms) began.",
            "But only process 1's write of 1 (2.000–3.000 ms) wrote 1, so that answer showed a value that was not there yet.",
        ],
        &[(read(), saw(1), 0, 1), (write(1), ok(), 2, 3)],
    );
}

#[test]
fn a_read_after_the_cas() {
    invalid(
        Rule::OutOfOrder,
        Some(2),
        &[2, 1],
        &[
            "Process 1's cas from 1 to 2 (2.000–3.000 ms) had completed before process 2's read of 1 (5.000–6.000 ms) began.",
            "By then 1 had been replaced, and it was written only once.",
        ],
        &[
            (write(1), ok(), 0, 1),
            (cas(1, 2), ok(), 2, 3),
            (read(), saw(1), 5, 6),
        ],
    );
}

#[test]
fn a_silent_failure_while_the_value_was_there() {
    invalid(
        Rule::HeldThroughout,
        None,
        &[1, 0, 2],
        &[
            "Process 1's failed cas from 1 to 2 (2.000–3.000 ms) failed although the register held 1 the whole time.",
            "It was there before, since process 0's write of 1 (0.000–1.000 ms), and still after, as process 2's read of 1 (4.000–5.000 ms) shows; it was written only once.",
        ],
        &[
            (write(1), ok(), 0, 1),
            (cas(1, 2), found_other(), 2, 3),
            (read(), saw(1), 4, 5),
        ],
    );
}

#[test]
fn no_order() {
    invalid(
        Rule::NoOrder,
        None,
        &[2, 1],
        &[
            "No order explains process 2's cas from 1 to 3 (3.000–6.000 ms) together with everything that completed before it did.",
            "Without it 2 operations have an order, in which the last change is process 1's cas from 1 to 2 (2.000–5.000 ms); after that the value is 2.",
        ],
        &[
            (write(1), ok(), 0, 1),
            (cas(1, 2), ok(), 2, 5),
            (cas(1, 3), ok(), 3, 6),
            (write(3), ok(), 8, 9),
        ],
    );
}

#[test]
fn a_value_that_comes_back_too_often() {
    invalid(
        Rule::TooOften,
        Some(3),
        &[3, 1],
        &[
            "Process 3's read of 2 (6.000–7.000 ms) began after process 1's write of 1 (2.000–3.000 ms) had completed.",
            "So 2 must have come back after that one, but no operation that ran in between can have written it.",
        ],
        &[
            (write(2), ok(), 0, 1),
            (write(1), ok(), 2, 3),
            (read(), saw(1), 4, 5),
            (read(), saw(2), 6, 7),
            (write(1), ok(), 8, 9),
        ],
    );
}

#[test]
fn keys_are_registers_of_their_own() {
    let on = |key: i64, op: Op| match op {
        Op::Read { .. } => Op::Read { key: Key::Int(key) },
        Op::Write { value, .. } => Op::Write {
            key: Key::Int(key),
            value,
        },
        Op::Cas { expected, new, .. } => Op::Cas {
            key: Key::Int(key),
            expected,
            new,
        },
        op => op,
    };
    let case = [
        (on(2, write(1)), ok(), 0, 1),
        (on(1, write(2)), ok(), 2, 3),
        (on(2, read()), saw(1), 4, 5),
        (on(1, read()), saw(0), 6, 7),
        (on(3, write(0)), ok(), 8, 9),
    ];
    let history = build(&case);
    let keys: Vec<_> = partition(&history).into_iter().collect();
    assert_eq!(
        keys,
        [
            (Key::Int(1), vec![1, 3]),
            (Key::Int(2), vec![0, 2]),
            (Key::Int(3), vec![4])
        ]
    );
    let analysis = check(&history, &options());
    assert_eq!(
        (analysis.verdict, analysis.keys, analysis.operations),
        (Verdict::Invalid, 3, 5)
    );
    assert_eq!((analysis.conflicts_total, analysis.unknown_total), (1, 0));
    assert_eq!(
        (
            analysis.conflicts[0].key.clone(),
            &analysis.conflicts[0].operations
        ),
        (Key::Int(1), &vec![3, 1])
    );
    assert_eq!(
        analysis.decided_by,
        BTreeMap::from([("register-exact", 2), ("search", 1)])
    );
}

#[test]
fn the_initial_value_is_the_users() {
    let history = build(&[(read(), Outcome::ok_value(Value::Nil), 0, 1)]);
    assert_eq!(check(&history, &Options::default()).verdict, Verdict::Valid);
    assert_eq!(check(&history, &options()).verdict, Verdict::Invalid);
}

#[test]
fn limits_make_it_unknown() {
    // Any of sixteen writes may be the last one before the read.
    let mut case: Vec<_> = (0..16)
        .map(|i| (write(i % 4), ok(), i as u64, 100 + i as u64))
        .collect();
    case.push((cas(3, 7), ok(), 16, 201));
    case.push((cas(3, 8), ok(), 17, 202));
    let history = build(&case);
    assert_eq!(check(&history, &options()).verdict, Verdict::Valid);
    for limits in [
        checker::Limits {
            steps: 50,
            ..Default::default()
        },
        checker::Limits {
            memory_bytes: 500,
            ..Default::default()
        },
    ] {
        let analysis = check(&history, &Options { limits, ..options() });
        assert_eq!(
            (analysis.verdict, analysis.decided_by["none"]),
            (Verdict::Unknown, 1)
        );
        assert!(analysis.unknown[0].1.starts_with("the limit of "), "{analysis:?}");
    }
}

/// States on the heap are most of what a search holds, and the limit of memory must know of them.
#[test]
fn models_tell_how_large_their_states_are() {
    let values = || (0..1000).map(Value::Int);
    let counted = values().map(|value| (value, 1));
    let ten = AppendedList {
        elements: vec![Value::Nil; 10],
        version: 10,
    };
    for (bytes, least) in [
        (FifoQueue::default().heap_bytes(&values().collect()), 16_000),
        (UnorderedQueue::default().heap_bytes(&counted.collect()), 24_000),
        (Set::default().heap_bytes(&values().collect()), 16_000),
        (KvAppend::default().heap_bytes(&"a".repeat(1000)), 1_000),
        (
            MultiRegister::default().heap_bytes(&values().map(|key| (key, Value::Nil)).collect()),
            32_000,
        ),
        (
            ListAppend.heap_bytes(&values().map(|key| (key, ten.clone())).collect()),
            200_000,
        ),
    ] {
        assert!(
            (least..4 * least).contains(&bytes),
            "{bytes} bytes, at least {least}"
        );
    }
    assert_eq!(register().heap_bytes(&Value::Nil), 0);
}

#[test]
fn nonsense_is_unknown() {
    let backwards = history(vec![operation(0, read(), saw(0), 5, 4)]);
    assert_eq!(check(&backwards, &options()).verdict, Verdict::Unknown);
}

#[test]
fn verdicts_merge() {
    use Verdict::{Invalid, Unknown, Valid};
    for (a, b, both) in [
        (Valid, Valid, Valid),
        (Valid, Unknown, Unknown),
        (Unknown, Invalid, Invalid),
        (Valid, Invalid, Invalid),
    ] {
        assert_eq!((a.merge(b), b.merge(a)), (both, both));
    }
}

/// Orders are kept if they are to be kept, of the valid keys alone, with the initial value that was named.
#[test]
fn an_analysis_carries_its_orders() {
    let on = |key: i64, op: Op| match op {
        Op::Write { value, .. } => Op::Write {
            key: Key::Int(key),
            value,
        },
        _ => Op::Read { key: Key::Int(key) },
    };
    let history = history(vec![
        operation(0, on(1, read()), saw(7), 0, 1),
        operation(1, on(2, write(4)), Outcome::ok(), 2, 3),
        operation(0, on(1, write(3)), Outcome::ok(), 4, 5),
        operation(1, on(2, read()), saw(7), 6, 7),
    ]);
    let options = Options {
        initial: Some(Value::Int(7)),
        ..Options::default()
    };
    let kept = check(
        &history,
        &Options {
            keep_orders: true,
            ..options.clone()
        },
    );
    assert_eq!(kept.orders, [(Key::Int(1), vec![0, 2])]);
    assert_eq!((kept.conflicts.len(), &kept.initial), (1, &Value::Int(7)));
    assert!(check(&history, &options).orders.is_empty());
}
