//! Long histories for every special algorithm: valid by construction they must come out valid, with one
//! planted violation invalid; and what models guess and tell about them.

mod common;
mod simulated;

use checker::objects::{Fate, find, guess, set_full};
use checker::{Options, Verdict, check};
use common::{fail, history, info, ok, operation, read};
use history::{Answer, History, Key, Op, Outcome, Value};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use simulated::objects::{self, Objects, Values};
use simulated::{Object, Shape, simulate};

/// Judges some long histories, and the same with an answer that comes far too late or too early.
fn long(name: &str, algorithm: &str, operations: usize, object: impl Fn() -> Box<dyn Object>) {
    long_with(name, algorithm, operations, 3, object);
}

fn long_with(
    name: &str,
    algorithm: &str,
    operations: usize,
    info_per_mille: u32,
    object: impl Fn() -> Box<dyn Object>,
) {
    let options = Options {
        model: find(name).unwrap(),
        ..Options::default()
    };
    for (seed, clients) in [(1, 5), (2, 30)] {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let shape = Shape {
            operations,
            clients,
            info_per_mille,
            fail_per_mille: 20,
        };
        let mut history = simulate(&mut rng, shape, &mut *object());
        let count = history.operations.len();
        let succeeded = history
            .operations
            .iter()
            .filter(|operation| operation.outcome.is_answer())
            .count();
        assert!(
            succeeded > operations / 3,
            "{name}: only {succeeded} operations succeeded"
        );
        let analysis = check(&history, &options);
        let what = || format!("{name}, {clients} clients, {count} operations: {analysis:?}");
        assert_eq!(analysis.verdict, Verdict::Valid, "{}", what());
        assert_eq!(analysis.decided_by.get(algorithm), Some(&1), "{}", what());

        misplace(&mut rng, &mut history);
        let analysis = check(&history, &options);
        let what = || format!("{name}, {clients} clients, spoilt: {analysis:?}");
        assert_eq!(analysis.verdict, Verdict::Invalid, "{}", what());
        assert!(
            analysis.decided_by.keys().all(|name| *name != "search"),
            "{}",
            what()
        );
        assert!(
            analysis
                .conflicts
                .iter()
                .all(|conflict| conflict.operations.len() <= 6),
            "{}",
            what()
        );
        // Of locks without owners a long story may be too much for the second opinion.
        let is_confirmed = analysis.conflicts.iter().all(|conflict| conflict.confirmed);
        assert!(is_confirmed || name == "mutex", "{}", what());
    }
}

/// Swaps the outcomes of two operations of the same kind, one from the first and one from the last quarter; a
/// lock, whose answers tell nothing, is taken too often.
fn misplace(rng: &mut ChaCha8Rng, history: &mut History) {
    let operations = &mut history.operations;
    let is_told =
        |outcome: &Outcome| matches!(outcome, Outcome::Ok(Answer { value: Some(value) }) if !value.is_nil());
    let told: Vec<usize> = (0..operations.len())
        .filter(|&index| is_told(&operations[index].outcome))
        .collect();
    if told.is_empty() {
        // Take the lock more often at the end than anything open can give it back.
        let open = operations
            .iter()
            .filter(|operation| operation.outcome.is_info())
            .count() as u64;
        let end = operations
            .iter()
            .filter_map(|operation| operation.completed_ns)
            .max()
            .unwrap()
            .get()
            / 1_000_000;
        for number in 0..open + 2 {
            let (from, process) = (end + 10 + 2 * number, 1_000_000_000 + number);
            operations.push(operation(
                process,
                Op::Acquire { key: Key::Nil },
                ok(),
                from,
                from + 1,
            ));
        }
        return;
    }
    let quarter = told.len() / 4;
    let start = rng.random_range(0..quarter);
    let key = |index: usize| match &operations[index].op {
        Op::Txn { micro_ops, .. } => (1, format!("{micro_ops:?}").len() as u64),
        op => (0, op.kind() as u64),
    };
    // Answers that are the same tell nothing when they change places.
    let partner = |early: usize| {
        let mut last = told.iter().rev().take(quarter);
        let late = last.find(|&&late| {
            key(late) == key(early) && operations[late].outcome != operations[early].outcome
        })?;
        Some((early, *late))
    };
    let mut pairs = (0..quarter).filter_map(|more| partner(told[(start + more) % quarter]));
    let (early, late) = pairs.next().expect("some answers differ");
    let outcome = operations[early].outcome.clone();
    operations[early].outcome = std::mem::replace(&mut operations[late].outcome, outcome);
}

#[test]
fn sets() {
    // Few reads: every answer is as long as the set.
    long("set", "set-exact", 20_000, || {
        Box::new(objects::Set::new(Values::Fresh, 1))
    });
}

#[test]
fn ids() {
    let options = Options {
        model: find("unique-ids").unwrap(),
        ..Options::default()
    };
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let shape = Shape {
        operations: 100_000,
        clients: 30,
        info_per_mille: 3,
        fail_per_mille: 20,
    };
    let mut history = simulate(&mut rng, shape, &mut objects::Ids::default());
    assert_eq!(check(&history, &options).verdict, Verdict::Valid);
    history.operations[99_000].outcome = history.operations[5].outcome.clone();
    assert_eq!(check(&history, &options).verdict, Verdict::Invalid);
}

#[test]
fn counters() {
    long("counter", "counter-exact", 100_000, || {
        Box::new(objects::Counter {
            amounts: vec![3],
            count: 0,
        })
    });
}

#[test]
fn mutexes() {
    long("mutex", "mutex-exact", 100_000, || {
        Box::new(objects::Lock::default())
    });
}

#[test]
fn locks() {
    long("lock", "lock-exact", 100_000, || {
        Box::new(objects::Lock {
            has_owners: true,
            ..objects::Lock::default()
        })
    });
}

#[test]
fn fenced_locks() {
    long("fenced-lock", "fenced-lock-exact", 100_000, || {
        Box::new(objects::Lock {
            has_owners: true,
            has_tokens: true,
            ..objects::Lock::default()
        })
    });
}

#[test]
fn leases() {
    long("lease", "lease-exact", 100_000, || {
        Box::new(objects::Lease::new(10))
    });
}

#[test]
fn watches() {
    long("watch", "watch-exact", 20_000, || {
        Box::new(objects::Watched::new(Values::Fresh, 10))
    });
}

#[test]
fn queues() {
    for (name, algorithm, is_fifo) in [
        ("fifo-queue", "fifo-queue-exact", true),
        ("unordered-queue", "unordered-queue-exact", false),
    ] {
        long(name, algorithm, 100_000, || {
            Box::new(objects::Queue {
                is_fifo,
                values: Values::Fresh,
                last: 0,
                holds: Default::default(),
            })
        });
    }
}

#[test]
fn texts() {
    long("kv-append", "append-exact", 4_000, || {
        Box::new(objects::Text::default())
    });
    long("kv-append", "text-blocks", 4_000, || {
        Box::new(objects::Text {
            writes: true,
            ..objects::Text::default()
        })
    });
}

#[test]
fn versioned_registers() {
    let (name, algorithm) = ("versioned-register", "versioned-register-exact");
    long(name, algorithm, 100_000, || {
        Box::new(objects::Versioned::new(Values::Fresh, false, 10))
    });
    // A cas that fails may have found what an open write left, which only the search can place.
    long_with(name, algorithm, 100_000, 0, || {
        Box::new(objects::Versioned::new(Values::Fresh, true, 10))
    });
}

#[test]
fn several_lists() {
    long("list-append", "list-append-exact", 4_000, || {
        Box::new(Objects::new(true, Values::Fresh, 10, 4))
    });
}

#[test]
fn lists_with_versions() {
    long("list-append", "list-append-exact", 4_000, || {
        // As in the workload, a version is asked with its list. Then nothing is left to the search.
        Box::new(objects::Versions(Objects::new(true, Values::Fresh, 10, 3)))
    });
}

/// The guess for a simulated history.
fn guessed(object: &mut dyn Object) -> &'static str {
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let shape = Shape {
        operations: 50,
        clients: 3,
        info_per_mille: 0,
        fail_per_mille: 0,
    };
    guess(&simulate(&mut rng, shape, object)).unwrap().entry.name
}

#[test]
fn models_are_guessed_from_operations_and_values() {
    let lock = |has_tokens| objects::Lock {
        has_owners: true,
        has_tokens,
        ..objects::Lock::default()
    };
    assert_eq!(guessed(&mut objects::Set::new(Values::Fresh, 50)), "set");
    assert_eq!(
        guessed(&mut objects::Counter {
            amounts: vec![1],
            count: 0
        }),
        "counter"
    );
    assert_eq!(guessed(&mut objects::Ids::default()), "unique-ids");
    assert_eq!(guessed(&mut lock(false)), "mutex");
    assert_eq!(guessed(&mut lock(true)), "fenced-lock");
    assert_eq!(guessed(&mut objects::Text::default()), "kv-append");
    assert_eq!(
        guessed(&mut objects::Versioned::new(Values::Fresh, true, 10)),
        "versioned-register"
    );
    assert_eq!(
        guessed(&mut Objects::new(true, Values::Fresh, 3, 3)),
        "list-append"
    );
    assert_eq!(
        guessed(&mut Objects::new(false, Values::Fresh, 3, 3)),
        "multi-register"
    );
    let holds = Default::default();
    // Not every queue keeps its order, so that nothing is said against one that does not.
    let mut queue = objects::Queue {
        is_fifo: true,
        values: Values::Fresh,
        last: 0,
        holds,
    };
    assert_eq!(guessed(&mut queue), "unordered-queue");
    let write = |value| operation(0, common::write(value), ok(), 0, 1);
    assert_eq!(guess(&history(vec![write(1)])).unwrap().entry.name, "register");
    let cas = operation(0, common::cas(0, 1), ok(), 2, 3);
    assert_eq!(
        guess(&history(vec![write(1), cas])).unwrap().entry.name,
        "cas-register"
    );
}

#[test]
fn a_set_is_told_element_by_element() {
    let add = |value| Op::Add {
        key: Key::Nil,
        value: Value::Int(value),
    };
    let saw =
        |values: &[i64]| Outcome::ok_value(Value::list(values.iter().copied().map(Value::Int).collect()));
    let full = set_full(&history(vec![
        operation(0, add(1), ok(), 0, 1),
        operation(0, add(2), ok(), 2, 3),
        operation(0, add(3), info(), 4, 5),
        operation(1, read(), saw(&[1, 2]), 6, 7),
        operation(2, add(4), fail(), 8, 9),
        // Lacks 2, which is lost, and 5, which is only stale.
        operation(3, add(5), ok(), 10, 11),
        operation(1, read(), saw(&[1]), 12, 13),
        operation(1, read(), saw(&[1, 5, 9, 9]), 14, 15),
        operation(3, add(6), ok(), 16, 17),
    ]));
    let counts = (
        full.attempted,
        full.acknowledged,
        full.duplicated,
        full.unexpected,
    );
    assert_eq!(counts, (6, 4, 1, 1));
    // 1 and the unexpected 9 are stable; of 6 no read can tell; of 3 and 4 no one ever knew.
    assert_eq!(
        (full.stable, full.stale, full.lost, full.never_read),
        (2, 1, 1, 1)
    );
    let worst: Vec<_> = full
        .worst
        .iter()
        .map(|end| (end.element.clone(), end.fate, end.latency_ns))
        .collect();
    // 2 was known at 3 ms and seen at 6 ms; 5 was known at 11 ms and missed at 12 ms.
    assert_eq!(
        worst,
        [
            (Value::Int(2), Fate::Lost, 3_000_000),
            (Value::Int(5), Fate::Stale, 1_000_000)
        ]
    );
    assert_eq!(full.worst[0].last_missed_ns, Some(14_000_000));
    assert_eq!(full.stale_latency_ns, Some([1_000_000; 5]));
}
