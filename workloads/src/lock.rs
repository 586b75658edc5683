//! `lock`: threads take one of a few locks, hold it for a while and give it back; never may two hold it at
//! once.
//!
//! That is what most users expect of a lock, and what no lock on a lease can promise: a holder that is paused
//! or cut off loses it without knowing (M. Kleppmann, "How to do distributed locking", 2016). So stores that
//! keep their own promises fail here; those promises are judged by [`lock-fenced`](super::lock_fenced).

use crate::{Entry, locking};

pub(crate) const ENTRY: Entry = Entry {
    name: "lock",
    description: "a few locks under acquire and release; judged as mutexes: never two holders at once, which a lease cannot guarantee while its \
                  holder is paused",
    make: |options| locking::workload("mutex", options),
};
