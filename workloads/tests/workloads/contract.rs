//! What every workload must keep to.

use std::collections::{BTreeMap, BTreeSet};

use generator::Action;
use generator::sim::{End, Sim};
use history::{ErrorClass, EventKind, MicroOp, ObjectKind, Op, OpKind, Outcome, Value};
use workloads::{ALL, WorkloadOptions, find};

use crate::memory::Store;
use crate::{make, run};

#[test]
fn the_list_names_what_it_makes() {
    for entry in ALL {
        let workload = (entry.make)(&WorkloadOptions::default());
        assert!(!entry.description.is_empty());
        assert!(workload.stream.is_some() && checker::objects::find(workload.model).is_some());
    }
    assert!(find("no such workload").is_none());
}

#[test]
fn equal_seeds_ask_for_the_same() {
    for entry in ALL {
        let ops = |seed| {
            let mut workload = make(entry.name, seed, 5);
            let mut store = Store::of(workload.object);
            run(&mut workload, 5, 2_000, &mut store).steps
        };
        assert_eq!(ops(5), ops(5), "{}", entry.name);
        assert_ne!(ops(5), ops(6), "{}", entry.name);
    }
}

#[test]
fn each_does_its_operations_with_any_number_of_threads() {
    use OpKind::{Acquire, Add, Cas, Read, Release, Txn, Watch, Write};
    let expected: BTreeMap<&str, &[OpKind]> = BTreeMap::from([
        ("register", &[Read, Write, Cas][..]),
        ("set", &[Read, Add]),
        ("counter", &[Read, Add]),
        ("exactly-once", &[Read, Add]),
        ("lock", &[Acquire, Release]),
        ("lock-fenced", &[Acquire, Release]),
        ("append", &[Txn]),
        ("watch", &[Write, Watch]),
    ]);
    for entry in ALL {
        let expected: BTreeSet<OpKind> = expected[entry.name].iter().copied().collect();
        for clients in [1, 2, 3, 17] {
            let mut workload = make(entry.name, 1, clients);
            let mut store = Store::of(workload.object);
            let run = run(&mut workload, clients, 1_000, &mut store);
            let called: BTreeSet<OpKind> = run.ops().iter().map(|(_, _, op)| op.kind()).collect();
            let about = format!("{}, {clients} clients", entry.name);
            assert!(called.is_subset(&expected), "{about}: {called:?}");
            if clients > 1 {
                assert_eq!(called, expected, "{about}");
            }
            // A system that has such objects can do all of it.
            let operations = workload.object.operations();
            assert!(called.iter().all(|kind| operations.contains(kind)), "{about}");
        }
    }
}

/// The object that a read of the last phase is about.
fn subject(op: &Op) -> Value {
    match op {
        Op::Txn { micro_ops, .. } => micro_ops[0].key().clone(),
        op => op.key().clone(),
    }
}

/// The objects that an operation of the main phase is about.
fn subjects(op: &Op) -> Vec<Value> {
    match op {
        Op::Txn { micro_ops, .. } => micro_ops.iter().map(MicroOp::key).cloned().collect(),
        op => vec![op.key().clone()],
    }
}

#[test]
fn every_key_is_read_at_the_end_until_a_read_succeeds() {
    for entry in ALL {
        let mut workload = make(entry.name, 6, 4);
        let mut last = workload.final_generator.take().expect("all have a last phase");
        if workload.object == ObjectKind::Lock {
            // A lock cannot be read.
            continue;
        }
        let mut store = Store::of(workload.object);
        let first = run(&mut workload, 4, 5_000, &mut store);
        let used: BTreeSet<Value> = first
            .ops()
            .into_iter()
            .flat_map(|(_, _, op)| subjects(op))
            .collect();
        assert!(used.len() > 4, "{}: keys rotate", entry.name);

        let each = entry.name == "watch";
        let mut tries: BTreeMap<_, u32> = BTreeMap::new();
        let sim = Sim {
            clients: 4,
            nemesis: true,
            ..Sim::default()
        };
        let run = sim.run(&mut last, |ctx, action| {
            let Action::Op(op) = action else {
                panic!("{action:?} is none for a client");
            };
            assert!(op.is_read_only(), "{op}");
            let key = subject(op);
            let tries = tries
                .entry((each.then_some(ctx.thread), key.clone()))
                .or_default();
            *tries += 1;
            let Value::Int(number) = key else {
                panic!("{key} is no number");
            };
            // Keys of each third kind never answer, the next kind answers at the third try.
            let answers = match number % 3 {
                0 => false,
                1 => *tries == 3,
                _ => true,
            };
            let outcome = match answers {
                true => Outcome::ok_value(Value::Nil),
                false => Outcome::fail(ErrorClass::Unavailable, "no leader"),
            };
            (1_000_000, EventKind::Complete(outcome))
        });
        assert_eq!(run.end, End::Done, "{}", entry.name);
        for ((_, key), tries) in &tries {
            let Value::Int(number) = *key else {
                panic!("{key} is no number");
            };
            assert_eq!(
                *tries,
                [5, 3, 1][number as usize % 3],
                "{}, key {key}",
                entry.name
            );
        }
        let threads = if each { 4 } else { 1 };
        for key in &used {
            let times = tries.keys().filter(|(_, other)| other == key).count();
            assert_eq!(times, threads, "{}, key {key}", entry.name);
        }
    }
}

#[test]
fn every_node_is_asked_for_what_may_differ_between_nodes() {
    for name in ["register", "set", "counter", "append"] {
        let options = WorkloadOptions {
            seed: 7,
            clients: 6,
            nodes: 3,
            ..WorkloadOptions::default()
        };
        let mut workload = (find(name).expect("in the list").make)(&options);
        let mut last = workload.final_generator.take().expect("all have a last phase");
        let mut store = Store::of(workload.object);
        store.timeout_every = 500;
        let first = run(&mut workload, 6, 5_000, &mut store);
        // What an update that was not answered is about.
        let mut open = BTreeMap::new();
        let mut unanswered: BTreeSet<Value> = BTreeSet::new();
        for step in &first.steps {
            match &step.event {
                EventKind::Invoke { op, .. } => drop(open.insert(step.thread, op.clone())),
                EventKind::Complete(Outcome::Info(_)) if !open[&step.thread].is_read_only() => {
                    let update = &open[&step.thread];
                    unanswered.extend(match update {
                        Op::Txn { micro_ops, .. } => micro_ops
                            .iter()
                            .filter(|op| matches!(op, MicroOp::Append { .. }))
                            .map(|op| op.key().clone())
                            .collect(),
                        op => vec![op.key().clone()],
                    });
                }
                _ => {}
            }
        }
        assert!(!unanswered.is_empty());
        let mut asked: BTreeMap<Value, BTreeSet<usize>> = BTreeMap::new();
        let (mut unanswered_in_a_row, mut last_ns) = (0, 0);
        let sim = Sim {
            clients: 6,
            nemesis: true,
            ..Sim::default()
        };
        let run = sim.run(&mut last, |ctx, action| {
            let (Action::Op(op), generator::Thread::Client(thread)) = (action, ctx.thread) else {
                panic!("{action:?} is none for a client");
            };
            let node = thread % 3;
            asked.entry(subject(op)).or_default().insert(node);
            // The third node is gone.
            let outcome = match node {
                2 => {
                    unanswered_in_a_row += 1;
                    last_ns = ctx.now_ns;
                    Outcome::fail(ErrorClass::ConnectionRefused, "")
                }
                _ => Outcome::ok_value(Value::Nil),
            };
            (1_000_000, EventKind::Complete(outcome))
        });
        assert_eq!(run.end, End::Done, "{name}");
        for key in &unanswered {
            assert!(
                asked[key].is_superset(&[0, 1].into()),
                "{name}, key {key}: {asked:?}"
            );
        }
        let all = asked.values().filter(|nodes| nodes.len() > 1).count();
        assert!(
            all < asked.len() || name == "append",
            "{name}: not everything is asked of all"
        );
        assert!(
            unanswered_in_a_row < 400,
            "{name}: a node that is gone is asked {unanswered_in_a_row} times"
        );
        assert!(
            (12_000_000_000..20_000_000_000).contains(&last_ns),
            "{name}: patiently, until {last_ns} ns"
        );
    }
}
