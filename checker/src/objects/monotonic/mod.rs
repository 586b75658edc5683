//! Numbers that grow in real time, as timestamps do (`monotonic`).

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
use crate::verdict::{Algorithm, Decision};
use model::{number, readable};

pub use model::{Monotonic, MonotonicOp};

const EXACT: Algorithm = Algorithm("monotonic-exact");

pub(crate) const ENTRY: Entry = Entry {
    name: "monotonic",
    about: "a source of growing numbers: each that is generated exceeds all before it",
    promise: "linearizable",
    operations: &[OpKind::Generate, OpKind::Read],
    per_key: true,
    // Ids need not grow, and what registers hold neither: this is for a user to ask.
    suits: |_| false,
    initial: || Value::Nil,
    initial_is: |initial| match initial.is_nil() || number(initial).is_some() {
        true => Ok(()),
        false => Err("growing numbers begin with an integer, or with nil for any".to_owned()),
    },
    owned: false,
    readable: Some(readable),
    weaken: |history, initial, limits| Ok(sequential(&monotonic(initial), true, history, limits)),
    account: None,
    monitor: |initial, limits| Ok(by_frontier(monotonic(initial), limits)),
    ways: &[EXACT, Algorithm::SEARCH],
    decide,
};

fn monotonic(initial: &Value) -> Monotonic {
    let initial = number(initial);
    Monotonic { initial }
}

fn decide(history: &History, indices: &[usize], initial: &Value, limits: &Limits) -> (Decision, Algorithm) {
    let monotonic = monotonic(initial);
    let calls = Calls::read(&monotonic, history, indices);
    let judged = exact::judge(&monotonic, &calls);
    publish::publish(&monotonic, history, &calls, judged, EXACT)
        .unwrap_or_else(|| by_search(&monotonic, history, indices, limits))
}
