//! What `set` and `counter` do.

use std::collections::{BTreeMap, BTreeSet};

use history::{Op, OpKind, Value};

use crate::memory::Store;
use crate::{make, run};

/// The operations of a run.
fn ops(name: &str, seed: u64) -> Vec<Op> {
    let mut workload = make(name, seed, 10);
    let mut store = Store::of(workload.object);
    let run = run(&mut workload, 10, 20_000, &mut store);
    run.ops().into_iter().map(|(_, _, op)| op.clone()).collect()
}

#[test]
fn keys_rotate_and_a_third_of_the_threads_only_reads() {
    for name in ["set", "counter"] {
        let ops = ops(name, 1);
        let mut uses: BTreeMap<&Value, u32> = BTreeMap::new();
        for op in &ops {
            *uses.entry(op.key()).or_default() += 1;
        }
        // All but those that live longer.
        assert!(uses.values().filter(|&&uses| uses > 300).count() <= 4, "{name}");
        assert!(uses.len() > 60, "{name}: {} keys", uses.len());
        let reads = ops.iter().filter(|op| op.kind() == OpKind::Read).count();
        assert!((8_000..9_600).contains(&reads), "{name}: {reads} of 20,000 read");
    }
}

#[test]
fn no_element_is_added_twice() {
    let mut added = BTreeSet::new();
    for op in ops("set", 2) {
        if let Op::Add { value, .. } = op {
            assert!(added.insert(value.clone()), "{value}");
        }
    }
}

#[test]
fn a_counter_is_given_one_amount() {
    let mut amounts: BTreeMap<Value, Value> = BTreeMap::new();
    for op in ops("counter", 3) {
        if let Op::Add { key, value } = op {
            assert!(value > Value::Int(0), "{value}");
            assert_eq!(*amounts.entry(key).or_insert(value.clone()), value);
        }
    }
    let different: BTreeSet<&Value> = amounts.values().collect();
    assert_eq!(different.len(), 5);
}
