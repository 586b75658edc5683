//! What used to make the search give up: values that repeat among many operations that run at the same time,
//! texts that are also written, garbage behind many open operations, one hard key among others. Each is
//! decided, and long histories that are valid by construction are found to be valid.

mod common;
mod simulated;

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use checker::objects::find;
use checker::{Analysis, Limits, Options, Rule, Verdict, check};
use common::{history, info, ok, operation};
use history::{Key, MicroOp, Op, Operation, Outcome, Value};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use simulated::objects::{self, Objects, Values};
use simulated::{Object, Shape, simulate};

/// Few enough steps that no history here is decided by trying everything.
const STEPS: u64 = 3_000_000;

fn judged(model: &str, operations: Vec<Operation>) -> Analysis {
    let options = Options {
        model: find(model).unwrap(),
        limits: Limits {
            steps: STEPS,
            ..Limits::default()
        },
        ..Options::default()
    };
    check(&history(operations), &options)
}

/// Operations one after the other, or, where several stand together, at the same time; each by a process of
/// its own.
fn in_turn(turns: Vec<Vec<(Op, Outcome)>>) -> Vec<Operation> {
    let (mut now, mut process, mut all) = (0, 0, Vec::new());
    for turn in turns {
        let count = turn.len() as u64;
        for (place, (op, outcome)) in (0..).zip(turn) {
            process += 1;
            all.push(operation(process, op, outcome, now + place, now + count + place));
        }
        now += 2 * count;
    }
    all
}

fn append(key: i64, text: &str) -> (Op, Outcome) {
    let (key, value) = (Value::Int(key), Value::text(text));
    (Op::Append { key, value }, ok())
}

fn write(key: i64, text: &str) -> (Op, Outcome) {
    let (key, value) = (Value::Int(key), Value::text(text));
    (Op::Write { key, value }, ok())
}

fn read(key: i64, seen: Value) -> (Op, Outcome) {
    let key = Value::Int(key);
    (Op::Read { key }, Outcome::ok_value(seen))
}

fn pieces(count: i64) -> Vec<String> {
    // Not in the order in which they begin.
    (0..count)
        .map(|number| format!("<{}>", number * 7 % count))
        .collect()
}

/// A text that was written, and to which much is then appended at the same time.
fn written_text(key: i64, loses: bool) -> Vec<Vec<(Op, Outcome)>> {
    let pieces = pieces(16);
    let mut all: Vec<(Op, Outcome)> = (0..16)
        .map(|number| append(key, &format!("<{number}>")))
        .collect();
    let early = format!("p{}", pieces[..3].concat());
    all.push(read(key, Value::text(&early)));
    let seen = match loses {
        true => pieces[..15].concat(),
        false => pieces.concat(),
    };
    vec![
        vec![write(key, "p")],
        all,
        vec![read(key, Value::text(&format!("p{seen}")))],
    ]
}

#[test]
fn a_text_that_was_written_is_decided() {
    for (loses, expected) in [(false, Verdict::Valid), (true, Verdict::Invalid)] {
        let analysis = judged("kv-append", in_turn(written_text(0, loses)));
        assert_eq!(analysis.verdict, expected, "{analysis:?}");
    }
}

#[test]
fn a_hard_key_keeps_no_other_from_being_judged() {
    // Powers of two are added at the same time, and what is read cannot be told from them quickly.
    let mut turns = Vec::new();
    for key in 0..4 {
        turns.push(hard_counter(key));
    }
    turns.push(vec![(add(99, 5), ok())]);
    turns.push(vec![read(99, Value::Int(0))]);
    let operations = in_turn(turns);
    for early_stop in [false, true] {
        let options = Options {
            model: find("counter").unwrap(),
            early_stop,
            limits: Limits {
                steps: 1 << 30,
                memory_bytes: 1 << 24,
                stop: vec![Arc::new(AtomicBool::new(false))],
            },
            ..Options::default()
        };
        let analysis = check(&history(operations.clone()), &options);
        assert_eq!(analysis.verdict, Verdict::Invalid, "{analysis:?}");
        assert_eq!(analysis.conflicts[0].key, Key::Int(99));
    }
}

fn add(key: i64, amount: i64) -> Op {
    Op::Add {
        key: Value::Int(key),
        value: Value::Int(amount),
    }
}

/// Too many different amounts, of both signs, for any choice to be tried out.
fn hard_counter(key: i64) -> Vec<(Op, Outcome)> {
    let amount = |number: i64| (1 << number) * if number % 2 == 0 { 3 } else { -2 };
    let mut all: Vec<(Op, Outcome)> = (0..40).map(|number| (add(key, amount(number)), ok())).collect();
    all.push(read(key, Value::Int(1_234_567)));
    all
}

#[test]
fn an_element_that_was_appended_twice_hides_nothing() {
    let append = |element: i64| {
        let micro = MicroOp::Append {
            key: Value::Int(0),
            value: Value::Int(element),
        };
        let (key, micro_ops) = (Key::Nil, vec![micro]);
        (Op::Txn { key, micro_ops }, ok())
    };
    let read = |elements: Vec<i64>| {
        let micro_ops = vec![MicroOp::Read { key: Value::Int(0) }];
        let seen = Value::list(elements.into_iter().map(Value::Int).collect());
        let key = Key::Nil;
        (
            Op::Txn { key, micro_ops },
            Outcome::ok_value(Value::list(vec![seen])),
        )
    };
    let order: Vec<i64> = (0..14).map(|number| number * 5 % 14).collect();
    for (last, expected) in [
        (order.clone(), Verdict::Valid),
        (order[..13].to_vec(), Verdict::Invalid),
    ] {
        let mut concurrent: Vec<_> = (0..14).map(append).collect();
        concurrent.push(read([&[99, 99], &order[..4]].concat()));
        let analysis = judged(
            "list-append",
            in_turn(vec![
                vec![append(99)],
                vec![append(99)],
                concurrent,
                vec![read([&[99, 99], &last[..]].concat())],
            ]),
        );
        assert_eq!(analysis.verdict, expected, "{analysis:?}");
    }
}

#[test]
fn a_value_that_was_queued_twice_hides_nothing() {
    let into = |value: i64| {
        let (key, value) = (Key::Nil, Value::Int(value));
        (Op::Enqueue { key, value }, ok())
    };
    let out = |value: i64| {
        (
            Op::Dequeue { key: Key::Nil },
            Outcome::ok_value(Value::Int(value)),
        )
    };
    for model in ["fifo-queue", "unordered-queue"] {
        for (last, expected) in [(3, Verdict::Valid), (99, Verdict::Invalid)] {
            let mut turns = vec![vec![into(99)], vec![into(99)], vec![out(99)], vec![out(99)]];
            turns.push((0..14).map(into).collect());
            turns.extend((0..14).map(|number| vec![out((number * 5 + 3) % 14)]).take(13));
            turns.push(vec![out(if last == 99 { 99 } else { (13 * 5 + 3) % 14 })]);
            let analysis = judged(model, in_turn(turns));
            assert_eq!(analysis.verdict, expected, "{model}: {analysis:?}");
            assert!(!analysis.decided_by.contains_key("search"), "{analysis:?}");
        }
    }
}

/// Equal values of which one begins first and the other one ends first, among many others.
#[test]
fn values_queued_twice_at_the_same_time_are_decided() {
    let (key, count) = (|| Key::Nil, 14);
    let values: Vec<i64> = (0..count)
        .map(|number| if number % 5 == 4 { 4 } else { number })
        .collect();
    let mut taken: Vec<i64> = values.clone();
    taken.rotate_left(5);
    for spoilt in [false, true] {
        // All are put in at the same time, and end in the opposite order.
        let enqueue = |place: u64| {
            let value = Value::Int(values[place as usize]);
            operation(place, Op::Enqueue { key: key(), value }, ok(), place, 100 - place)
        };
        let mut operations: Vec<Operation> = (0..count as u64).map(enqueue).collect();
        for (place, &value) in (0..).zip(&taken) {
            let value = if spoilt && place == 13 { taken[0] } else { value };
            let outcome = Outcome::ok_value(Value::Int(value));
            let (from, to) = (200 + 2 * place, 201 + 2 * place);
            operations.push(operation(50, Op::Dequeue { key: key() }, outcome, from, to));
        }
        let analysis = judged("fifo-queue", operations);
        let expected = if spoilt { Verdict::Invalid } else { Verdict::Valid };
        assert_eq!(analysis.verdict, expected, "{analysis:?}");
    }
}

#[test]
fn what_nobody_wrote_is_found_behind_many_open_operations() {
    let open = |op: (Op, Outcome)| vec![(op.0, info())];
    let mut text: Vec<_> = (0..60)
        .map(|number| open(append(0, ["a", "b"][number % 2])))
        .collect();
    text.push(vec![read(0, Value::text("abc"))]);
    let mut list: Vec<_> = (0..60)
        .map(|number| {
            let (key, value) = (Value::Int(0), Value::Int(number % 2));
            open((Op::Append { key, value }, info()))
        })
        .collect();
    let elements = |values: &[i64]| Value::list(values.iter().copied().map(Value::Int).collect());
    list.push(vec![read(0, elements(&[0, 1, 2]))]);
    for (model, turns) in [("kv-append", text), ("list-append", list)] {
        let analysis = judged(model, in_turn(turns));
        assert_eq!(analysis.verdict, Verdict::Invalid, "{analysis:?}");
        assert_eq!(analysis.conflicts[0].rule, Rule::NeverWritten, "{analysis:?}");
    }
}

#[test]
fn what_came_out_more_often_than_it_went_in_is_found_behind_many_open_operations() {
    let value = || Value::Int(7);
    let into = |outcome| {
        let (key, value) = (Key::Nil, value());
        vec![(Op::Enqueue { key, value }, outcome)]
    };
    let out = || vec![(Op::Dequeue { key: Key::Nil }, Outcome::ok_value(value()))];
    let unknown = || vec![(Op::Dequeue { key: Key::Nil }, info())];
    for model in ["fifo-queue", "unordered-queue"] {
        let mut turns: Vec<_> = (0..20).map(|_| unknown()).collect();
        turns.extend([into(ok()), into(ok()), out(), out(), out()]);
        let analysis = judged(model, in_turn(turns));
        assert_eq!(analysis.verdict, Verdict::Invalid, "{analysis:?}");
        assert_eq!(analysis.conflicts[0].rule, Rule::TooOften, "{analysis:?}");
    }
}

/// Judges long histories that are valid by construction.
fn long(
    name: &str,
    operations: usize,
    clients: usize,
    info_per_mille: u32,
    object: &dyn Fn() -> Box<dyn Object>,
) {
    let options = Options {
        model: find(name).unwrap(),
        ..Options::default()
    };
    for seed in 0..6 {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let shape = Shape {
            operations,
            clients,
            info_per_mille,
            fail_per_mille: 20,
        };
        let history = simulate(&mut rng, shape, &mut *object());
        let analysis = check(&history, &options);
        assert_eq!(
            analysis.verdict,
            Verdict::Valid,
            "{name}, seed {seed}: {analysis:?}"
        );
    }
}

#[test]
fn long_texts_that_are_written_are_valid() {
    for few in [false, true] {
        long("kv-append", 3_000, 10, 2, &|| {
            Box::new(objects::Text {
                writes: true,
                few,
                ..objects::Text::default()
            })
        });
    }
}

#[test]
fn long_queues_with_repeated_values_are_valid() {
    for is_fifo in [false, true] {
        let name = if is_fifo { "fifo-queue" } else { "unordered-queue" };
        long(name, 20_000, 5, 0, &|| {
            Box::new(objects::Queue {
                is_fifo,
                values: Values::Rarely,
                last: 0,
                holds: Default::default(),
            })
        });
    }
}

#[test]
fn long_lists_with_repeated_elements_are_valid() {
    long("list-append", 400, 5, 5, &|| {
        Box::new(Objects::new(true, Values::Few, 3, 3))
    });
}

#[test]
fn long_transactions_on_registers_are_valid() {
    for values in [Values::Few, Values::Fresh] {
        long("multi-register", 600, 5, 3, &|| {
            Box::new(Objects::new(false, values, 4, 3))
        });
    }
}

#[test]
fn counters_with_different_amounts_are_valid() {
    long("counter", 400, 5, 10, &|| {
        let amounts = (0..8).map(|power| 1 << (3 * power)).collect();
        Box::new(objects::Counter { amounts, count: 0 })
    });
}
