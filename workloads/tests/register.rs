//! The register workload on a store in memory.

mod memory;

use std::collections::{BTreeMap, BTreeSet};

use generator::sim::{End, Run, Sim};
use generator::{Action, limit};
use history::{ErrorClass, EventKind, Op, OpKind, Outcome, Value};
use memory::Store;
use workloads::{ALL, Workload, WorkloadOptions, find};

fn register(options: &WorkloadOptions) -> Workload {
    (find("register").expect("in the list").make)(options)
}

fn options(seed: u64, clients: usize) -> WorkloadOptions {
    WorkloadOptions {
        seed,
        clients,
        ..WorkloadOptions::default()
    }
}

fn run(workload: Workload, clients: usize, ops: u64, store: &mut Store) -> Run {
    let sim = Sim {
        clients,
        nemesis: true,
        ..Sim::default()
    };
    let run = sim.run(&mut limit(ops, workload.generator), |_, action| {
        store.perform(action)
    });
    assert_eq!(run.end, End::Done);
    assert_eq!(run.ops().len() as u64, ops);
    run
}

/// How many operations of a kind, and how many of them ended `ok`.
fn count(run: &Run, kind: OpKind) -> (usize, usize) {
    let mut open = BTreeMap::new();
    let (mut all, mut ok) = (0, 0);
    for step in &run.steps {
        match &step.event {
            EventKind::Invoke { op, .. } => {
                all += usize::from(op.kind() == kind);
                open.insert(step.thread, op.kind());
            }
            EventKind::Complete(Outcome::Ok(_)) => ok += usize::from(open[&step.thread] == kind),
            _ => {}
        }
    }
    (all, ok)
}

#[test]
fn the_list_names_what_it_makes() {
    for entry in ALL {
        let workload = (entry.make)(&WorkloadOptions::default());
        assert_eq!(workload.name, entry.name);
        assert!(!workload.needs.is_empty() && !entry.description.is_empty());
    }
    assert!(find("no such workload").is_none());
}

#[test]
fn a_good_share_of_cas_succeeds_under_contention() {
    for clients in [2, 5, 10, 40] {
        let run = run(
            register(&options(1, clients)),
            clients,
            20_000,
            &mut Store::default(),
        );
        let (all, ok) = count(&run, OpKind::Cas);
        assert!(all > 2_000, "{clients} clients: {all} cas");
        assert!(ok * 10 >= all * 3, "{clients} clients: {ok} of {all} cas succeed");
        assert!(ok < all, "{clients} clients: some must fail");
    }
}

#[test]
fn no_value_is_written_twice() {
    let run = run(register(&options(2, 10)), 10, 20_000, &mut Store::default());
    let mut written = BTreeSet::new();
    for (_, _, op) in run.ops() {
        if let Op::Write { value: new, .. } | Op::Cas { new, .. } = op {
            assert!(written.insert(new.clone()), "{op}");
        }
    }
}

#[test]
fn keys_rotate_and_get_their_share() {
    let options = WorkloadOptions {
        ops_per_key: 100,
        keys_at_once: 4,
        ..options(3, 10)
    };
    let run = run(register(&options), 10, 10_000, &mut Store::default());
    let mut ops = BTreeMap::new();
    let mut active: BTreeSet<i64> = BTreeSet::new();
    for (_, _, op) in run.ops() {
        let Value::Int(key) = op.key() else {
            panic!("{op} has no number for a key");
        };
        *ops.entry(*key).or_insert(0) += 1;
        active.insert(*key);
        active.retain(|key| ops[key] < 100);
        assert!(active.len() <= 4, "{active:?}");
    }
    assert!(ops.values().all(|&count| count <= 100));
    assert!(
        ops.len() >= 100 && ops.keys().copied().eq(0..ops.len() as i64),
        "keys are used in order"
    );
}

#[test]
fn readers_only_read_and_somebody_writes() {
    // (clients, share of readers, threads that only read)
    for (clients, share, expected) in [(10, 0.5, 5), (10, 0.0, 0), (10, 1.0, 9), (1, 0.5, 0), (3, 0.5, 2)] {
        let options = WorkloadOptions {
            readers: share,
            ..options(4, clients)
        };
        let run = run(register(&options), clients, 5_000, &mut Store::default());
        let writers: BTreeSet<_> = run
            .ops()
            .into_iter()
            .filter(|(_, _, op)| !op.is_read_only())
            .map(|(_, thread, _)| thread)
            .collect();
        assert_eq!(clients - writers.len(), expected, "{clients} clients, {share}");
    }
}

#[test]
fn equal_seeds_ask_for_the_same() {
    let ops = |seed| run(register(&options(seed, 5)), 5, 2_000, &mut Store::default()).steps;
    assert_eq!(ops(5), ops(5));
    assert_ne!(ops(5), ops(6));
}

#[test]
fn every_key_is_read_at_the_end_until_a_read_succeeds() {
    let mut workload = register(&options(6, 4));
    let mut last = workload.final_generator.take().expect("register has last reads");
    let first = run(workload, 4, 10_000, &mut Store::default());
    let used: BTreeSet<&Value> = first.ops().into_iter().map(|(_, _, op)| op.key()).collect();

    let mut tries: BTreeMap<Value, u32> = BTreeMap::new();
    let sim = Sim {
        clients: 4,
        nemesis: true,
        ..Sim::default()
    };
    let run = sim.run(&mut last, |_, action| {
        let Action::Op(Op::Read { key: Value::Int(key) }) = action else {
            panic!("{action:?} is no read");
        };
        let tries = tries.entry(Value::Int(*key)).or_default();
        *tries += 1;
        // Keys of each third kind never answer, the next kind answers at the third try.
        let answers = match key % 3 {
            0 => false,
            1 => *tries == 3,
            _ => true,
        };
        let failure = Outcome::fail(ErrorClass::Unavailable, "no leader");
        let outcome = if answers {
            Outcome::ok_value(Value::Nil)
        } else {
            failure
        };
        (1_000_000, EventKind::Complete(outcome))
    });
    assert_eq!(run.end, End::Done);
    assert!(used.iter().all(|key| tries.contains_key(*key)));
    for (key, tries) in tries {
        let Value::Int(number) = key else {
            panic!("{key} is no number");
        };
        assert_eq!(tries, [5, 3, 1][number as usize % 3], "key {key}");
    }
}
