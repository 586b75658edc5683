//! A lock that its holder can take again (`reentrant-lock`).

mod exact;
mod model;

use history::{History, OpKind, Value};

use crate::consistency::sequential;
use crate::engine::by_search::by_search;
use crate::engine::frontier::by_frontier;
use crate::engine::publish;
use crate::engine::search::Limits;
use crate::model::Calls;
use crate::objects::entry::{Entry, only_nil};
use crate::verdict::{Algorithm, Decision};
use model::readable;

pub use model::{ReentrantLock, ReentrantLockOp, ReentrantLockState};

const EXACT: Algorithm = Algorithm("reentrant-lock-exact");

pub(crate) const ENTRY: Entry = Entry {
    name: "reentrant-lock",
    about: "a lock that its holder can take again, with tokens that grow where there are any",
    promise: "linearizable",
    operations: &[OpKind::Acquire, OpKind::TryAcquire, OpKind::Release],
    per_key: true,
    // A plain lock is meant where nothing else is said.
    suits: |_| false,
    initial: || Value::Nil,
    initial_is: |initial| only_nil(initial, "a reentrant-lock begins free: nil"),
    owned: true,
    readable: Some(readable),
    weaken: |history, _, limits| Ok(sequential(&ReentrantLock, true, history, limits)),
    account: None,
    monitor: |_, limits| Ok(by_frontier(ReentrantLock, limits)),
    ways: &[EXACT, Algorithm::SEARCH],
    decide,
};

fn decide(history: &History, indices: &[usize], _: &Value, limits: &Limits) -> (Decision, Algorithm) {
    let calls = Calls::read(&ReentrantLock, history, indices);
    let judged = exact::judge(&calls);
    publish::publish(&ReentrantLock, history, &calls, judged, EXACT)
        .unwrap_or_else(|| by_search(&ReentrantLock, history, indices, limits))
}
