//! `exactly-once`: counters whose adds are sent again and again until they are answered; each is to count
//! once.
//!
//! Every other client sends a request once, because one that repeats it hides what the store does. This one
//! repeats it under a session and a number, as the clients of such stores do, and puts on trial what the
//! store makes of that: an add that was applied twice stays visible in every later read. Only systems with
//! sessions can be tested so.
//!
//! Source: Ongaro, "Consensus: Bridging Theory and Practice", 2014, section 6.3.

use std::sync::Arc;
use std::sync::atomic::AtomicI64;

use history::{ObjectKind, Op, Value};

use crate::adds::Adds;
use crate::last_reads::LastReads;
use crate::parted::{Parted, Watched};
use crate::{Entry, Workload, WorkloadOptions, counter, judge_by};

pub(crate) const ENTRY: Entry = Entry {
    name: "exactly-once",
    description: "counters under adds that clients repeat until they are answered; judged for linearizability",
    make,
};

fn make(options: &WorkloadOptions) -> Workload {
    let begun = Arc::new(AtomicI64::new(0));
    let parted = Arc::new(Parted::default());
    let adds = Adds::new(options, begun.clone(), false, |key, _| counter::amount(key));
    Workload {
        generator: Box::new(Watched::new(adds, parted.clone())),
        final_generator: Some(Box::new(LastReads::new(options, begun, parted, |key| Op::Read {
            key: Value::Int(key),
        }))),
        object: ObjectKind::OnceCounter,
        model: counter::MODEL,
        stream: Some(checker::stream::Stream::new(&judge_by(counter::MODEL))),
    }
}
