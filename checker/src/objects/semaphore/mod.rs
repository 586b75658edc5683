//! A semaphore: a lock with several holders (`semaphore`).

mod exact;
mod model;

use history::{History, OpKind, Value};

use crate::consistency::sequential;
use crate::engine::by_search::by_search;
use crate::engine::frontier::by_frontier;
use crate::engine::publish;
use crate::engine::search::Limits;
use crate::model::Calls;
use crate::objects::entry::Entry;
use crate::objects::locks::is_tried;
use crate::verdict::{Algorithm, Decision};

pub use model::{Semaphore, SemaphoreOp};

const EXACT: Algorithm = Algorithm("semaphore-exact");

const WRONG_INITIAL: &str =
    "a semaphore begins with the number of its permits, such as 2, or with nil if no one knows it";

pub(crate) const ENTRY: Entry = Entry {
    name: "semaphore",
    about: "a lock with several holders; --initial says how many permits there are",
    promise: "linearizable",
    operations: &[OpKind::Acquire, OpKind::TryAcquire, OpKind::Release],
    per_key: true,
    // A lock is meant where nothing else is said.
    suits: |_| false,
    initial: || Value::Nil,
    initial_is: |initial| {
        semaphore(initial)
            .map(drop)
            .ok_or_else(|| WRONG_INITIAL.to_owned())
    },
    owned: true,
    readable: Some(is_tried),
    weaken: |history, initial, limits| {
        let semaphore = semaphore(initial).ok_or(WRONG_INITIAL)?;
        Ok(sequential(&semaphore, true, history, limits))
    },
    account: None,
    monitor: |initial, limits| {
        let semaphore = semaphore(initial).ok_or(WRONG_INITIAL)?;
        Ok(by_frontier(semaphore, limits))
    },
    ways: &[EXACT, Algorithm::SEARCH],
    decide,
};

fn semaphore(initial: &Value) -> Option<Semaphore> {
    let permits = match initial {
        Value::Nil => None,
        Value::Int(permits) => Some(u32::try_from(*permits).ok()?),
        _ => return None,
    };
    Some(Semaphore { permits })
}

fn decide(history: &History, indices: &[usize], initial: &Value, limits: &Limits) -> (Decision, Algorithm) {
    let Some(semaphore) = semaphore(initial) else {
        return (Decision::unknown(WRONG_INITIAL.to_owned()), Algorithm::NONE);
    };
    let calls = Calls::read(&semaphore, history, indices);
    let judged = exact::judge(&semaphore, &calls);
    let (decision, by) = publish::publish(&semaphore, history, &calls, judged, EXACT)
        .unwrap_or_else(|| by_search(&semaphore, history, indices, limits));
    match decision {
        // With enough permits everything has an order.
        Decision::Valid(_) if semaphore.permits.is_none() => {
            let why = "no one said how many permits there are: --initial says it";
            (Decision::unknown(why.to_owned()), Algorithm::NONE)
        }
        decision => (decision, by),
    }
}
