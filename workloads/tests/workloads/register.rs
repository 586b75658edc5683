//! What `register` does.

use std::collections::{BTreeMap, BTreeSet};

use generator::sim::{Run, Sim};
use history::{EventKind, ObjectKind, Op, OpKind, Outcome, Value};
use workloads::{WorkloadOptions, find};

use crate::memory::Store;

fn options(seed: u64, clients: usize) -> WorkloadOptions {
    WorkloadOptions {
        seed,
        clients,
        ..WorkloadOptions::default()
    }
}

fn run(options: &WorkloadOptions, ops: u64) -> Run {
    let mut workload = (find("register").expect("in the list").make)(options);
    let store = &mut Store::of(ObjectKind::Register);
    crate::run(&mut workload, options.clients, ops, store)
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
fn a_good_share_of_cas_succeeds_under_contention() {
    for clients in [2, 5, 10, 40] {
        let run = run(&options(1, clients), 20_000);
        let (all, ok) = count(&run, OpKind::Cas);
        assert!(all > 2_000, "{clients} clients: {all} cas");
        assert!(
            ok * 100 >= all * 28,
            "{clients} clients: {ok} of {all} cas succeed"
        );
        assert!(ok < all, "{clients} clients: some must fail");
    }
}

#[test]
fn no_value_is_written_twice() {
    let run = run(&options(2, 10), 20_000);
    let is_new = |value: &Value| matches!(value, Value::Int(_));
    let mut written = BTreeSet::new();
    let mut repeated = Vec::new();
    for (_, _, op) in run.ops() {
        if let Op::Write { value: new, .. } | Op::Cas { new, .. } = op
            && !written.insert(new.clone())
        {
            assert!(matches!(op, Op::Cas { .. }), "{op}");
            repeated.push(op);
        }
    }
    // What these cas expect is written by no one, so that they must fail.
    assert!(repeated.len() > 10 && repeated.len() < 400, "{}", repeated.len());
    for op in repeated {
        let Op::Cas { expected, .. } = op else { continue };
        assert!(is_new(expected) && !written.contains(expected), "{op}");
    }
}

#[test]
fn keys_rotate_and_get_their_share() {
    let options = WorkloadOptions {
        ops_per_key: 100,
        keys_at_once: 4,
        ..options(3, 10)
    };
    let run = run(&options, 10_000);
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
        let run = run(&options, 5_000);
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
fn after_a_stall_every_register_is_read_before_it_is_written() {
    let options = WorkloadOptions {
        keys_at_once: 4,
        ..options(5, 8)
    };
    let mut workload = (find("register").expect("in the list").make)(&options);
    let mut store = Store::of(ObjectKind::Register);
    // Nothing is acknowledged for a second.
    let stall = 2_000_000_000..3_000_000_000_u64;
    let sim = Sim {
        clients: 8,
        end_ns: 4_000_000_000,
        ..Sim::default()
    };
    let run = sim.run(&mut workload.generator, |ctx, action| {
        let (latency_ns, event) = store.perform(ctx, action);
        match stall.contains(&ctx.now_ns) {
            true => (stall.end - ctx.now_ns + latency_ns, event),
            false => (latency_ns, event),
        }
    });
    // From the first acknowledged update on, of the keys that were in use.
    let mut open = BTreeMap::new();
    let (mut is_over, mut before) = (false, BTreeSet::new());
    let mut first: BTreeMap<Value, OpKind> = BTreeMap::new();
    for step in &run.steps {
        match &step.event {
            EventKind::Invoke { op, .. } => {
                open.insert(step.thread, op.clone());
                if !is_over {
                    before.insert(op.key().clone());
                } else if before.contains(op.key()) {
                    first.entry(op.key().clone()).or_insert(op.kind());
                }
            }
            EventKind::Complete(Outcome::Ok(_)) if step.time_ns >= stall.end => {
                is_over |= !open[&step.thread].is_read_only();
            }
            _ => {}
        }
    }
    assert!(first.len() >= 3, "{first:?}");
    assert!(first.values().all(|kind| *kind == OpKind::Read), "{first:?}");
}
