//! `lock-fenced`: the operations of [`lock`](super::lock), judged by what a lock on a lease can promise.
//!
//! A holder may lose the lock without knowing, but every acquisition is answered with a token, an integer
//! that is greater than all tokens before: a resource that remembers the greatest token it has seen can
//! reject the former holder. Source: M. Kleppmann, "How to do distributed locking", 2016.

use crate::{Entry, locking};

pub(crate) const ENTRY: Entry = Entry {
    name: "lock-fenced",
    description: "the operations of lock; judged by the fencing tokens: a holder may lose its lock, but tokens must grow",
    make: |options| locking::workload("lease", options),
};
