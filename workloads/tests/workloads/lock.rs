//! What `lock` and `lock-fenced` do.

use std::collections::{BTreeMap, BTreeSet};

use generator::sim::{End, Run, Sim};
use generator::{Context, Thread, limit};
use history::{ErrorClass, EventKind, ObjectKind, Op, Outcome, Value};

use crate::make;
use crate::memory::Store;

const MS: u64 = 1_000_000;

fn answered(clients: usize, ops: u64, mut answer: impl FnMut(&Context, &Op) -> Outcome) -> Run {
    let workload = make("lock", 1, clients);
    let sim = Sim {
        clients,
        ..Sim::default()
    };
    sim.run(&mut limit(ops, workload.generator), |ctx, action| {
        let generator::Action::Op(op) = action else {
            panic!("{action:?} is none for a client");
        };
        (MS, EventKind::Complete(answer(ctx, op)))
    })
}

/// What each thread invoked and how it ended, with the nanoseconds since its last completion.
fn by_thread(run: &Run) -> BTreeMap<Thread, Vec<(u64, Op, Outcome)>> {
    let mut threads: BTreeMap<Thread, Vec<(u64, Op, Outcome)>> = BTreeMap::new();
    let mut last: BTreeMap<Thread, u64> = BTreeMap::new();
    for step in &run.steps {
        let since = step.time_ns - last.insert(step.thread, step.time_ns).unwrap_or_default();
        let done = threads.entry(step.thread).or_default();
        match &step.event {
            EventKind::Invoke { op, .. } => done.push((since, op.clone(), Outcome::unrecorded())),
            EventKind::Complete(outcome) => {
                done.last_mut().expect("invoked before").2 = outcome.clone();
            }
            _ => {}
        }
    }
    threads
}

#[test]
fn threads_hold_what_they_took_and_rest_where_they_failed() {
    let mut store = Store::of(ObjectKind::Lock);
    let mut workload = make("lock", 1, 10);
    let run = crate::run(&mut workload, 10, 20_000, &mut store);
    let (mut long_holds, mut outlasting) = (0, 0);
    let mut taken = 0;
    for ops in by_thread(&run).values() {
        for pair in ops.windows(2) {
            let ((_, before, outcome), (since, after, _)) = (&pair[0], &pair[1]);
            let least_most_ms = match (before, outcome, after) {
                (Op::Acquire { key }, Outcome::Ok(_), Op::Release { key: other }) => {
                    assert_eq!(key, other);
                    taken += 1;
                    long_holds += u64::from((100 * MS..=1_000 * MS).contains(since));
                    outlasting += u64::from(*since > 1_000 * MS);
                    [0, 6_000]
                }
                (Op::Acquire { .. }, Outcome::Fail(_), Op::Acquire { .. }) => [10, 50],
                (Op::Release { .. }, Outcome::Ok(_), Op::Acquire { .. }) => [0, 20],
                other => panic!("{other:?}"),
            };
            let [least_ns, most_ns] = least_most_ms.map(|ms| ms * MS);
            assert!((least_ns..=most_ns).contains(since), "{pair:?}");
        }
    }
    let some = taken / 50..taken / 10;
    assert!(
        taken > 200 && some.contains(&long_holds) && some.contains(&outlasting),
        "{long_holds} of {taken} are long, {outlasting} outlast leases"
    );
}

#[test]
fn few_locks() {
    for (clients, locks) in [(1, 1), (5, 1), (6, 2), (40, 13)] {
        let run = answered(clients, 200, |_, _| Outcome::ok());
        let keys: BTreeSet<Value> = run.ops().iter().map(|(_, _, op)| op.key().clone()).collect();
        assert_eq!(keys.len(), locks, "{clients} clients");
    }
}

#[test]
fn what_may_still_be_held_is_not_acquired() {
    // What a release ends with, and whether it is tried again.
    let cases = [
        (Outcome::ok(), false),
        (Outcome::mismatch(None), false),
        (Outcome::fail(ErrorClass::Rejected, "not yours"), false),
        (Outcome::info(ErrorClass::Timeout, ""), false),
        (Outcome::fail(ErrorClass::Unavailable, "no leader"), true),
        (Outcome::fail(ErrorClass::ConnectionRefused, ""), true),
    ];
    for (ending, again) in cases {
        let run = answered(2, 100, |_, op| match op {
            Op::Acquire { .. } => Outcome::ok(),
            _ => ending.clone(),
        });
        for ops in by_thread(&run).values() {
            for pair in ops.windows(2) {
                let ((_, before, _), (_, after, _)) = (&pair[0], &pair[1]);
                let releases = matches!(after, Op::Release { .. });
                let expected = matches!(before, Op::Acquire { .. }) || again;
                assert_eq!(releases, expected, "{ending:?}: {pair:?}");
            }
        }
    }
}

#[test]
fn an_acquire_of_unknown_outcome_is_not_released() {
    for ending in [
        Outcome::mismatch(None),
        Outcome::info(ErrorClass::Timeout, ""),
        Outcome::fail(ErrorClass::Unavailable, "no leader"),
    ] {
        let run = answered(3, 100, |_, _| ending.clone());
        for (_, _, op) in run.ops() {
            assert!(matches!(op, Op::Acquire { .. }), "{ending:?}: {op}");
        }
    }
}

#[test]
fn at_the_end_each_thread_gets_a_lock_that_nobody_used() {
    // Which try of an acquire succeeds, and how many operations each thread has then.
    for (succeeds_at, expected) in [(1, 2), (3, 4), (6, 5)] {
        let mut workload = make("lock", 1, 4);
        let mut store = Store::of(ObjectKind::Lock);
        let first = crate::run(&mut workload, 4, 500, &mut store);
        let used: BTreeSet<Value> = first.ops().iter().map(|(_, _, op)| op.key().clone()).collect();
        let mut last = workload.final_generator.take().expect("there is one");
        let sim = Sim {
            clients: 4,
            nemesis: true,
            ..Sim::default()
        };
        let mut tries: BTreeMap<Value, u32> = BTreeMap::new();
        let run = sim.run(&mut last, |_, action| {
            let generator::Action::Op(op) = action else {
                panic!("{action:?} is none for a client");
            };
            assert!(!used.contains(op.key()), "{op}");
            let tries = tries.entry(op.key().clone()).or_default();
            *tries += 1;
            let outcome = match *tries < succeeds_at {
                true => Outcome::fail(ErrorClass::Unavailable, "no leader"),
                false => Outcome::ok(),
            };
            (MS, EventKind::Complete(outcome))
        });
        assert_eq!(run.end, End::Done);
        for (thread, ops) in by_thread(&run) {
            assert_eq!(ops.len(), expected, "{thread:?}");
        }
    }
}
