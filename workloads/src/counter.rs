//! `counter`: many independent counters, a few in use at a time; add a small positive amount, read.
//!
//! A counter shows what a store makes of changes that depend on what was there before: an add that is done
//! twice, or not at all, or half, stays visible in every later read.
//!
//! Invariant: to one counter the same amount is added every time. Then its adds are interchangeable and the
//! judgement is exact in O(n log n), where different amounts would need a search; and since the amounts of
//! different counters differ, an add that went to the wrong one shows. Amounts are positive, so that reads
//! can never fall. Source: Jepsen's `counter` workload.

use std::sync::Arc;
use std::sync::atomic::AtomicI64;

use history::{ObjectKind, Op, Value};

use crate::adds::Adds;
use crate::last_reads::LastReads;
use crate::parted::{Parted, Watched};
use crate::{Entry, Workload, WorkloadOptions, judge_by};

pub(crate) const ENTRY: Entry = Entry {
    name: "counter",
    description: "counters under add of positive amounts and read; judged for linearizability",
    make,
};

pub(crate) const MODEL: &str = "counter";

/// What is added to a counter each time: 1 to 5.
pub(crate) fn amount(key: i64) -> i64 {
    1 + key % 5
}

fn make(options: &WorkloadOptions) -> Workload {
    let begun = Arc::new(AtomicI64::new(0));
    let parted = Arc::new(Parted::default());
    Workload {
        generator: Box::new(Watched::new(
            Adds::new(options, begun.clone(), false, |key, _| amount(key)),
            parted.clone(),
        )),
        final_generator: Some(Box::new(LastReads::new(options, begun, parted, |key| Op::Read {
            key: Value::Int(key),
        }))),
        object: ObjectKind::Counter,
        model: MODEL,
        stream: Some(checker::stream::Stream::new(&judge_by(MODEL))),
    }
}
