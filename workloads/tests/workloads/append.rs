//! What `append` does.

use std::collections::{BTreeMap, BTreeSet};

use history::{MicroOp, Op, Value};

use crate::memory::Store;
use crate::{make, run};

fn transactions(seed: u64) -> Vec<Vec<MicroOp>> {
    let mut workload = make("append", seed, 10);
    let mut store = Store::of(workload.object);
    let run = run(&mut workload, 10, 20_000, &mut store);
    let micro_ops = |op: &Op| match op {
        Op::Txn { micro_ops, .. } => micro_ops.clone(),
        other => panic!("{other} is no transaction"),
    };
    run.ops().into_iter().map(|(_, _, op)| micro_ops(op)).collect()
}

fn is_append(op: &MicroOp) -> bool {
    matches!(op, MicroOp::Append { .. })
}

#[test]
fn transactions_have_one_to_four_steps_and_many_only_read() {
    let transactions = transactions(1);
    let lengths: BTreeSet<usize> = transactions.iter().map(Vec::len).collect();
    assert_eq!(lengths, BTreeSet::from([1, 2, 3, 4]));
    let appending = transactions
        .iter()
        .filter(|steps| steps.iter().any(is_append))
        .count();
    assert!((10_000..12_500).contains(&appending), "{appending}");
    let versions = |steps: &&Vec<MicroOp>| steps.iter().any(|op| matches!(op, MicroOp::Version { .. }));
    let versioned = transactions.iter().filter(versions).count();
    assert!((2_800..4_500).contains(&versioned), "{versioned}");
}

#[test]
fn elements_are_unique_and_lists_stay_short() {
    let mut elements = BTreeSet::new();
    let mut appends: BTreeMap<Value, u32> = BTreeMap::new();
    for steps in transactions(2) {
        let mut own = BTreeSet::new();
        for op in steps {
            if let MicroOp::Append { key, value } = op {
                assert!(elements.insert(value.clone()), "{value}");
                assert!(own.insert(key.clone()), "two appends to {key}");
                *appends.entry(key).or_default() += 1;
            }
        }
    }
    // All but those that live longer.
    assert!(appends.values().filter(|&&count| count > 48).count() <= 4);
    assert!(appends.len() > 100, "{} lists", appends.len());
}

#[test]
fn versions_are_asked_beside_reads_and_never_beside_appends() {
    for steps in transactions(3) {
        for (place, op) in steps.iter().enumerate() {
            if let MicroOp::Version { key } = op {
                assert!(!steps.iter().any(is_append), "{steps:?}");
                assert_eq!(steps[place - 1], MicroOp::Read { key: key.clone() });
            }
        }
    }
}
