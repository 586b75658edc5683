//! Ids that are given out once each (`unique-ids`).

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

pub use model::{UniqueIds, UniqueIdsOp};

const EXACT: Algorithm = Algorithm("unique-ids-exact");

pub(crate) const ENTRY: Entry = Entry {
    name: "unique-ids",
    about: "a generator that hands out each id once",
    promise: "linearizable",
    operations: &[OpKind::Generate],
    per_key: true,
    suits: |_| true,
    initial: || Value::Nil,
    initial_is: |initial| only_nil(initial, "unique-ids begin with none given out: nil"),
    owned: false,
    readable: None,
    weaken: |history, _, limits| Ok(sequential(&UniqueIds, true, history, limits)),
    account: None,
    monitor: |_, limits| Ok(by_frontier(UniqueIds, limits)),
    ways: &[EXACT, Algorithm::SEARCH],
    decide,
};

fn decide(history: &History, indices: &[usize], _: &Value, limits: &Limits) -> (Decision, Algorithm) {
    let calls = Calls::read(&UniqueIds, history, indices);
    let judged = exact::judge(&calls);
    publish::publish(&UniqueIds, history, &calls, judged, EXACT)
        .unwrap_or_else(|| by_search(&UniqueIds, history, indices, limits))
}
