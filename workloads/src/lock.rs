//! `lock`: threads take one of a few locks, hold it for a while and give it back; never may two hold it at once.
//!
//! That is what people expect of a lock, and what no lock on a lease can promise: a holder that is paused or cut off
//! loses it without knowing (M. Kleppmann, "How to do distributed locking", 2016). So stores that are in order by their
//! own book fail here; what they do promise is judged by [`lock-fenced`](super::lock_fenced).

use crate::{Entry, locking};

pub(crate) const ENTRY: Entry = Entry {
    name: "lock",
    description: "a few locks under acquire and release; judged as mutexes: never two holders at once, which a lease alone cannot promise when its holder stands still",
    make: |options| locking::workload("mutex", options),
};
