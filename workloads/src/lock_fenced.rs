//! `lock-fenced`: the operations of [`lock`](super::lock), judged by what a lock on a lease can promise.
//!
//! A holder may lose the lock without knowing, but every acquisition is answered with a token, an integer that is greater
//! than all tokens before: whoever guards a resource by the greatest token seen can turn the former holder away. Source:
//! M. Kleppmann, "How to do distributed locking", 2016.

use history::{ObjectKind, OpKind};

use crate::locking::{Locking, last_locks};
use crate::{Entry, Workload, WorkloadOptions, judge_by};

pub(crate) const ENTRY: Entry = Entry {
    name: "lock-fenced",
    description: "the operations of lock; judged by the fencing tokens: a holder may lose its lock, but tokens must grow",
    make,
};

const MODEL: &str = "lease";

fn make(options: &WorkloadOptions) -> Workload {
    Workload {
        name: ENTRY.name,
        generator: Box::new(Locking::new(options)),
        final_generator: Some(Box::new(last_locks(options))),
        object: ObjectKind::Lock,
        needs: &[OpKind::Acquire, OpKind::Release],
        model: MODEL,
        stream: Some(checker::stream::Stream::new(&judge_by(MODEL))),
        check: Box::new(|history| checker::judge(history, &judge_by(MODEL))),
    }
}
