//! `set`: many independent sets that only grow, a few in use at a time; add and read.
//!
//! ```text
//!  set 0  ├── add 1, read, add 3, read, … ──┤ set 5 ├── …
//!  set 1    ├── add 2, add 4, read, … ─────────┤ set 6 …     after the heal: every set is read once more
//!  …                                                  ──────►
//! ```
//!
//! An element that was acknowledged and is missing from a later read was lost; the account says for each how
//! it fared. A read answers with all elements, so a set gets only so many operations before a fresh one takes
//! its place.
//!
//! Invariant: no element is added twice in a run, to any set. So histories can be judged exactly in
//! near-linear time. Source: Jepsen's `set` and `set-full` workloads.

use std::sync::Arc;
use std::sync::atomic::AtomicI64;

use history::{ObjectKind, Op, Value};

use crate::adds::Adds;
use crate::last_reads::LastReads;
use crate::parted::{Parted, Watched};
use crate::{Entry, Workload, WorkloadOptions, judge_by};

pub(crate) const ENTRY: Entry = Entry {
    name: "set",
    description: "sets that only grow, under add and read of all elements; judged for linearizability, and each \
                  element accounted for",
    make,
};

const MODEL: &str = "set";

fn make(options: &WorkloadOptions) -> Workload {
    let begun = Arc::new(AtomicI64::new(0));
    let parted = Arc::new(Parted::default());
    Workload {
        generator: Box::new(Watched::new(
            Adds::new(options, begun.clone(), true, |_, number| number),
            parted.clone(),
        )),
        final_generator: Some(Box::new(LastReads::new(options, begun, parted, |key| Op::Read {
            key: Value::Int(key),
        }))),
        object: ObjectKind::Set,
        model: MODEL,
        stream: Some(checker::stream::Stream::new(&judge_by(MODEL))),
    }
}
