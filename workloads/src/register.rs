//! `register`: many independent registers, a few in use at a time; read, write, cas.
//!
//! ```text
//!  key 0  ├── 300 operations ──┤ key 5 ├── …
//!  key 1    ├── 300 operations ───┤ key 6 …            after the heal: every key is read once more
//!  …                                          ──────►
//! ```
//!
//! Linearizability is local (Herlihy and Wing 1990, theorem 1), so each key is judged alone; few operations a
//! key keep that cheap, and many threads on few keys make the operations meet, which is what shows bugs.
//!
//! Invariant: no value is written twice in a run, to any key, but by a cas that must fail. Each value that
//! was read names the write that it saw, and the judgement is exact in O(n log n).

mod traffic;

use std::sync::Arc;
use std::sync::atomic::AtomicI64;

use history::{ObjectKind, Op, Value};

use crate::last_reads::LastReads;
use crate::parted::{Parted, Watched};
use crate::{Entry, Workload, WorkloadOptions};
use traffic::Traffic;

pub(crate) const ENTRY: Entry = Entry {
    name: "register",
    description: "independent registers under read, write and cas; judged for linearizability",
    make,
};

fn make(options: &WorkloadOptions) -> Workload {
    // How many keys were begun; the last reads must know it, and are made before the first one is.
    let begun = Arc::new(AtomicI64::new(0));
    let parted = Arc::new(Parted::default());
    Workload {
        generator: Box::new(Watched::new(Traffic::new(options, begun.clone()), parted.clone())),
        final_generator: Some(Box::new(LastReads::new(options, begun, parted, |key| Op::Read {
            key: Value::Int(key),
        }))),
        object: ObjectKind::Register,
        model: "cas-register",
        stream: Some(checker::stream::Stream::new(&checker::Options::default())),
    }
}
