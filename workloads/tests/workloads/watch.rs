//! What `watch` does.

use std::collections::{BTreeMap, BTreeSet};

use generator::Thread;
use generator::sim::{Run, Sim};
use history::{EventKind, Op, OpKind, Outcome, Value};

use crate::memory::Store;
use crate::{make, run};

const CLIENTS: usize = 10;

/// The watches of each thread with the revision up to which they received changes.
fn watches(run: &Run) -> BTreeMap<Thread, Vec<(Value, i64, i64)>> {
    let mut threads: BTreeMap<Thread, Vec<(Value, i64, i64)>> = BTreeMap::new();
    let mut asked = BTreeMap::new();
    for step in &run.steps {
        match &step.event {
            EventKind::Invoke { op, .. } => {
                asked.insert(step.thread, op.clone());
            }
            EventKind::Complete(outcome) => {
                let Some(Op::Watch { key, from }) = asked.remove(&step.thread) else {
                    continue;
                };
                let through = match outcome {
                    Outcome::Ok(answer) => match &answer.value {
                        Some(Value::List(parts)) => match parts[0] {
                            Value::Int(through) => through,
                            _ => panic!("no revision: {outcome:?}"),
                        },
                        _ => panic!("no list: {outcome:?}"),
                    },
                    // Nothing was received.
                    _ => from - 1,
                };
                threads.entry(step.thread).or_default().push((key, from, through));
            }
            _ => {}
        }
    }
    threads
}

#[test]
fn answers_join_without_gap() {
    for timeout_every in [0, 30] {
        let mut workload = make("watch", 1, CLIENTS);
        let mut store = Store::of(workload.object);
        store.timeout_every = timeout_every;
        let run = run(&mut workload, CLIENTS, 20_000, &mut store);
        let watches = watches(&run);
        assert_eq!(watches.len(), CLIENTS, "every thread watches");
        for pair in watches.values().flat_map(|watches| watches.windows(2)) {
            let ((key, _, through), (next, from, _)) = (&pair[0], &pair[1]);
            assert!(key != next || *from == through + 1, "{pair:?}");
        }
    }
}

#[test]
fn a_third_of_the_threads_only_watches_and_keys_get_so_many_writes() {
    let mut workload = make("watch", 2, CLIENTS);
    let mut store = Store::of(workload.object);
    let run = run(&mut workload, CLIENTS, 20_000, &mut store);
    let mut writes: BTreeMap<Value, u32> = BTreeMap::new();
    let mut values = BTreeSet::new();
    let mut writers = BTreeSet::new();
    for (_, thread, op) in run.ops() {
        if let Op::Write { key, value } = op {
            *writes.entry(key.clone()).or_default() += 1;
            assert!(values.insert(value.clone()), "{value}");
            writers.insert(thread);
        }
    }
    assert_eq!(writers.len(), CLIENTS - CLIENTS / 3);
    assert!(writes.values().all(|&writes| writes <= 300));
    assert!(writes.len() > 20, "{} keys", writes.len());
}

#[test]
fn the_last_watches_begin_before_the_first_change() {
    let mut workload = make("watch", 3, CLIENTS);
    let mut last = workload.final_generator.take().expect("watch has last watches");
    let mut store = Store::of(workload.object);
    let first = run(&mut workload, CLIENTS, 20_000, &mut store);
    let writes = first
        .ops()
        .iter()
        .filter(|(_, _, op)| op.kind() == OpKind::Write)
        .count();
    let mut told = 0;
    let sim = Sim {
        clients: CLIENTS,
        ..Sim::default()
    };
    sim.run(&mut last, |ctx, action| {
        let ending = store.perform(ctx, action);
        if let EventKind::Complete(Outcome::Ok(answer)) = &ending.1
            && let Some(Value::List(parts)) = &answer.value
            && let Value::List(events) = &parts[1]
        {
            told += events.len();
        }
        ending
    });
    assert_eq!(told, CLIENTS * writes, "every thread receives every write");
}
