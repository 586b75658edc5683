//! `append`: transactions that read lists and append to them, on a few lists at a time.
//!
//! ```text
//!  txn(append 3 17, read 4)      txn(read 3, version 3)      txn(append 5 18, append 3 19, read 3) …
//! ```
//!
//! A read of a list shows every append to it, in order: so the order in which transactions took effect can be
//! inferred from the answers, and contradictions can be named. Some transactions that only read also request
//! the version of what they read, so that list and version are seen together: a version is the number of
//! changes, and must be the same for the same list on every node. A read answers with a whole list, so a list
//! gets only so many appends before a fresh one takes its place.
//!
//! Invariants: no element is appended twice in a run, to any list, and none twice to a list in one
//! transaction; a version is requested only in transactions that do not append. So histories can be judged
//! exactly in near-linear time. Source: Jepsen's list-append workload; K. Kingsbury and P. Alvaro, "Elle",
//! VLDB 2020.

mod transactions;

use std::sync::Arc;
use std::sync::atomic::AtomicI64;

use history::{MicroOp, ObjectKind, Op, Value};

use crate::last_reads::LastReads;
use crate::parted::{Parted, Watched};
use crate::{Entry, Workload, WorkloadOptions, judge_by};
use transactions::Transactions;

pub(crate) const ENTRY: Entry = Entry {
    name: "append",
    description: "lists under transactions of reads and appends; judged for strict serializability, and versions by \
                  the number of appends",
    make,
};

const MODEL: &str = "list-append";

fn make(options: &WorkloadOptions) -> Workload {
    let begun = Arc::new(AtomicI64::new(0));
    let parted = Arc::new(Parted::default());
    Workload {
        generator: Box::new(Watched::new(
            Transactions::new(options, begun.clone()),
            parted.clone(),
        )),
        final_generator: Some(Box::new(LastReads::new(options, begun, parted, |key| Op::Txn {
            key: Value::Nil,
            micro_ops: vec![
                MicroOp::Read { key: Value::Int(key) },
                MicroOp::Version { key: Value::Int(key) },
            ],
        }))),
        object: ObjectKind::List,
        model: MODEL,
        stream: Some(checker::stream::Stream::new(&judge_by(MODEL))),
    }
}
