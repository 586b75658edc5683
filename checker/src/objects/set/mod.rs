//! A set that only grows (`set`).

mod exact;
mod fates;
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
use model::readable;

pub use fates::{ElementFate, Fate, SetFull, set_full};
pub(crate) use model::elements;
pub use model::{Set, SetOp};

const EXACT: Algorithm = Algorithm("set-exact");

pub(crate) const ENTRY: Entry = Entry {
    name: "set",
    about: "a set that only grows, with add and a read of all elements",
    promise: "linearizable",
    operations: &[OpKind::Add, OpKind::Read],
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
    account: Some(|history| set_full(history).sentences(history)),
    monitor: |initial, limits| Ok(by_frontier(Set::new(initial), limits)),
    ways: &[EXACT, Algorithm::SEARCH],
    decide,
};

fn decide(history: &History, indices: &[usize], initial: &Value, limits: &Limits) -> (Decision, Algorithm) {
    let initial = initial.clone();
    if elements(&initial).is_none() {
        return (
            Decision::Unknown("a set begins with a list of elements".to_owned()),
            Algorithm::NONE,
        );
    }
    let set = Set::new(&initial);
    let calls = Calls::read(&set, history, indices);
    let judged = exact::judge(&set, history, &calls);
    publish::publish(&set, history, &calls, judged, EXACT)
        .unwrap_or_else(|| by_search(&set, history, indices, limits))
}
