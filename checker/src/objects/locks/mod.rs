//! Locks: without an owner (`mutex`), with one (`lock`), with fencing tokens (`fenced-lock`), and those that
//! expire (`lease`).

mod fenced;
mod held;
mod lease;
mod lease_exact;
mod lock;
mod lock_exact;
mod mutex;
mod mutex_exact;
mod tried;

use history::{History, OpKind, Value};

use crate::consistency::sequential;
use crate::engine::by_search::by_search;
use crate::engine::frontier::by_frontier;
use crate::engine::publish;
use crate::engine::search::Limits;
use crate::model::Calls;
use crate::objects::entry::{Entry, only_nil};
use crate::verdict::{Algorithm, Decision};

pub use fenced::{FencedLock, FencedLockOp, FencedLockState};
pub use lease::{Lease, LeaseOp, LeaseState};
pub use lock::{Lock, LockOp};
pub use mutex::{Mutex, MutexOp};
pub(crate) use tried::{Try, is_tried, tried};

const MUTEX_EXACT: Algorithm = Algorithm("mutex-exact");

pub(crate) const MUTEX: Entry = Entry {
    name: "mutex",
    about: "a lock that anybody can give back",
    promise: "linearizable",
    operations: &[OpKind::Acquire, OpKind::TryAcquire, OpKind::Release],
    per_key: true,
    suits: |_| true,
    initial: || Value::Nil,
    initial_is: |initial| only_nil(initial, "a mutex begins free: nil"),
    owned: false,
    readable: Some(is_tried),
    weaken: |history, _, limits| Ok(sequential(&Mutex, true, history, limits)),
    account: None,
    monitor: |_, limits| Ok(by_frontier(Mutex, limits)),
    ways: &[MUTEX_EXACT, Algorithm::SEARCH],
    decide: decide_mutex,
};

fn decide_mutex(history: &History, indices: &[usize], _: &Value, limits: &Limits) -> (Decision, Algorithm) {
    let calls = Calls::read(&Mutex, history, indices);
    if calls.calls.iter().any(|call| call.op == MutexOp::Held) {
        return by_search(&Mutex, history, indices, limits);
    }
    (mutex_exact::decide(history, &calls), MUTEX_EXACT)
}

const LOCK_EXACT: Algorithm = Algorithm("lock-exact");

pub(crate) const LOCK: Entry = Entry {
    name: "lock",
    about: "a lock that only its holder can give back",
    promise: "linearizable",
    operations: &[OpKind::Acquire, OpKind::TryAcquire, OpKind::Release],
    per_key: true,
    suits: |_| true,
    initial: || Value::Nil,
    initial_is: |initial| only_nil(initial, "a lock begins free: nil"),
    owned: true,
    readable: Some(is_tried),
    weaken: |history, _, limits| Ok(sequential(&Lock, true, history, limits)),
    account: None,
    monitor: |_, limits| Ok(by_frontier(Lock, limits)),
    ways: &[LOCK_EXACT, Algorithm::SEARCH],
    decide: decide_lock,
};

fn decide_lock(history: &History, indices: &[usize], _: &Value, limits: &Limits) -> (Decision, Algorithm) {
    let calls = Calls::read(&Lock, history, indices);
    let judged = lock_exact::judge(&calls);
    publish::publish(&Lock, history, &calls, judged, LOCK_EXACT)
        .unwrap_or_else(|| by_search(&Lock, history, indices, limits))
}

const FENCED_EXACT: Algorithm = Algorithm("fenced-lock-exact");

pub(crate) const FENCED: Entry = Entry {
    name: "fenced-lock",
    about: "a lock that only its holder can give back, with tokens that grow",
    promise: "linearizable",
    operations: &[OpKind::Acquire, OpKind::TryAcquire, OpKind::Release],
    per_key: true,
    suits: |seen| seen.token,
    initial: || Value::Nil,
    initial_is: |initial| only_nil(initial, "a fenced-lock begins free: nil"),
    owned: true,
    readable: Some(fenced::readable),
    weaken: |history, _, limits| Ok(sequential(&FencedLock, true, history, limits)),
    account: None,
    monitor: |_, limits| Ok(by_frontier(FencedLock, limits)),
    ways: &[FENCED_EXACT, Algorithm::SEARCH],
    decide: decide_fenced,
};

fn decide_fenced(history: &History, indices: &[usize], _: &Value, limits: &Limits) -> (Decision, Algorithm) {
    let calls = Calls::read(&FencedLock, history, indices);
    let judged = lock_exact::judge_fenced(&calls);
    publish::publish(&FencedLock, history, &calls, judged, FENCED_EXACT)
        .unwrap_or_else(|| by_search(&FencedLock, history, indices, limits))
}

const LEASE_EXACT: Algorithm = Algorithm("lease-exact");

pub(crate) const LEASE: Entry = Entry {
    name: "lease",
    about: "a lock that its holder may lose, with tokens that grow",
    promise: "fenced",
    operations: &[OpKind::Acquire, OpKind::TryAcquire, OpKind::Release],
    per_key: true,
    // Stands behind the locks that promise more, which suit all of its histories.
    suits: |_| true,
    initial: || Value::Nil,
    initial_is: |initial| only_nil(initial, "a lease begins free: nil"),
    owned: true,
    readable: Some(lease::readable),
    weaken: |history, _, limits| Ok(sequential(&Lease, true, history, limits)),
    account: None,
    monitor: |_, limits| Ok(by_frontier(Lease, limits)),
    ways: &[LEASE_EXACT, Algorithm::SEARCH],
    decide: decide_lease,
};

fn decide_lease(history: &History, indices: &[usize], _: &Value, limits: &Limits) -> (Decision, Algorithm) {
    let calls = Calls::read(&Lease, history, indices);
    let judged = lease_exact::judge(&calls);
    publish::publish(&Lease, history, &calls, judged, LEASE_EXACT)
        .unwrap_or_else(|| by_search(&Lease, history, indices, limits))
}
