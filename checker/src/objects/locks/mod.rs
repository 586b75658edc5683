//! Locks: without a holder's name (`mutex`), with it (`lock`), with tokens (`fenced-lock`), and as leases (`lease`).

pub(crate) mod fenced;
pub(crate) mod lease;
mod lease_exact;
pub(crate) mod lock;
mod lock_exact;
pub(crate) mod mutex;
mod mutex_exact;

pub use fenced::{FencedLock, FencedLockOp, FencedLockState};
pub use lease::{Lease, LeaseOp, LeaseState};
pub use lock::{Lock, LockOp};
pub use mutex::{Mutex, MutexOp};
