//! A set (`set`).

mod exact;
mod fates;
mod model;
mod removals;
mod witness;

use history::{History, OpKind, Operation, Value};

use crate::consistency::sequential;
use crate::engine::by_search::by_search;
use crate::engine::frontier::by_frontier;
use crate::engine::publish;
use crate::engine::search::Limits;
use crate::model::Calls;
use crate::objects::entry::Entry;
use crate::verdict::{Algorithm, Decision};
use model::readable;

pub use fates::{ElementFate, Fate, SetFull, set_full};
pub(crate) use model::elements;
pub use model::{Set, SetOp};

const EXACT: Algorithm = Algorithm("set-exact");
const REMOVALS: Algorithm = Algorithm("set-removals");

pub(crate) const ENTRY: Entry = Entry {
    name: "set",
    about: "a set with add, remove and a read of all elements",
    promise: "linearizable",
    operations: &[OpKind::Add, OpKind::Remove, OpKind::Read],
    per_key: true,
    suits: |seen| seen.list_read || seen.set_read || !seen.integer_read,
    initial: || Value::list(Vec::new()),
    initial_is: |initial| match elements(initial) {
        Some(_) => Ok(()),
        None => Err("a set begins with a list of elements".to_owned()),
    },
    owned: false,
    readable: Some(readable),
    weaken: |history, initial, limits| Ok(sequential(&Set::new(initial), true, history, limits)),
    account: Some(account),
    monitor: |initial, limits| Ok(by_frontier(Set::new(initial), limits)),
    ways: &[EXACT, REMOVALS, Algorithm::SEARCH],
    decide,
};

/// What became of every element, where none was taken out on purpose.
fn account(history: &History) -> Vec<String> {
    let is_removal = |operation: &Operation| operation.op.kind() == OpKind::Remove;
    match history.operations.iter().any(is_removal) {
        true => Vec::new(),
        false => set_full(history).sentences(history),
    }
}

fn decide(history: &History, indices: &[usize], initial: &Value, limits: &Limits) -> (Decision, Algorithm) {
    let initial = initial.clone();
    if elements(&initial).is_none() {
        return (
            Decision::unknown("a set begins with a list of elements".to_owned()),
            Algorithm::NONE,
        );
    }
    let set = Set::new(&initial);
    let calls = Calls::read(&set, history, indices);
    let (judged, by) = match calls.calls.iter().any(|call| matches!(call.op, SetOp::Remove(_))) {
        true => (removals::judge(&set, &calls, limits), REMOVALS),
        false => (exact::judge(&set, history, &calls), EXACT),
    };
    publish::publish(&set, history, &calls, judged, by)
        .unwrap_or_else(|| by_search(&set, history, indices, limits))
}
