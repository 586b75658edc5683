//! Transactions by hand: on groups of objects, and on registers that began with nil.

mod common;

use checker::objects::{find, guess_initial};
use checker::{Options, Verdict, check};
use common::{history, operation};
use history::{History, Key, MicroOp, Op, Outcome, Value};

/// One transaction after the other: its group, what it does to the object 7, and what it answered.
fn one_by_one(transactions: &[(i64, MicroOp, Value)]) -> History {
    let txn = |(place, (group, micro_op, answer)): (u64, &(i64, MicroOp, Value))| {
        let op = Op::Txn {
            key: Key::Int(*group),
            micro_ops: vec![micro_op.clone()],
        };
        let outcome = Outcome::ok_value(Value::list(vec![answer.clone()]));
        operation(place, op, outcome, 2 * place, 2 * place + 1)
    };
    history((0..).zip(transactions).map(txn).collect())
}

fn verdict(model: &str, history: &History) -> Verdict {
    let options = Options {
        model: find(model).unwrap(),
        ..Options::default()
    };
    check(history, &options).verdict
}

const X: Key = Key::Int(7);

#[test]
fn groups_share_no_objects() {
    let read = || MicroOp::Read { key: X };
    let set = || MicroOp::Write {
        key: X,
        value: Value::Int(1),
    };
    let append = || MicroOp::Append {
        key: X,
        value: Value::Int(1),
    };
    let one = || Value::list(vec![Value::Int(1)]);
    for (model, change, before, after) in [
        ("multi-register", set(), Value::Int(0), Value::Int(1)),
        ("list-append", append(), Value::Nil, one()),
    ] {
        for (group, seen, expected) in [
            (1, &before, Verdict::Invalid),
            (1, &after, Verdict::Valid),
            (2, &before, Verdict::Valid),
            (2, &after, Verdict::Invalid),
        ] {
            let history = one_by_one(&[(1, change.clone(), Value::Nil), (group, read(), seen.clone())]);
            assert_eq!(
                verdict(model, &history),
                expected,
                "{model}, group {group}, {seen}"
            );
        }
    }
}

#[test]
fn registers_may_begin_with_nil() {
    let read = |seen: Value| (1, MicroOp::Read { key: X }, seen);
    let write = |value: Value| (1, MicroOp::Write { key: X, value }, Value::Nil);
    let (nil, zero) = (Value::Nil, Value::Int(0));
    let initial = |transactions: &[_]| {
        let history = one_by_one(transactions);
        guess_initial(find("multi-register").unwrap(), &history)
    };
    assert_eq!(initial(&[read(nil.clone()), write(Value::Int(1))]), nil);
    assert_eq!(
        initial(&[read(nil.clone()), write(zero.clone()), read(zero.clone())]),
        nil
    );
    assert_eq!(initial(&[read(zero.clone()), write(Value::Int(1))]), zero);
    assert_eq!(initial(&[write(nil.clone()), read(nil.clone())]), zero);
    assert_eq!(initial(&[read(zero.clone()), read(nil.clone())]), zero);
    let plain = history(vec![operation(
        0,
        Op::Read { key: X },
        Outcome::ok_value(nil),
        0,
        1,
    )]);
    assert_eq!(guess_initial(find("multi-register").unwrap(), &plain), zero);
    assert_eq!(
        guess_initial(find("cas-register").unwrap(), &history(vec![])),
        Value::Nil
    );
}
