//! Lists that transactions append to and read (`list-append`).

mod exact;
mod growing;
mod model;
mod proof;
mod revisions;
mod seen;
mod unwritten;

use history::{History, OpKind, Value};

use crate::consistency::sequential;
use crate::engine::by_search::by_search_of;
use crate::engine::components;
use crate::engine::frontier::by_frontier;
use crate::engine::growing::decision;
use crate::engine::search::Limits;
use crate::model::Calls;
use crate::objects::entry::Entry;
use crate::objects::multi::keys;
use crate::verdict::{Algorithm, Decision};
use model::{begins_empty, readable};
use seen::SeenLists;

pub use model::{AppendedList, ListAppend, ListMicro};

pub(crate) const ENTRY: Entry = Entry {
    name: "list-append",
    about: "lists that transactions read and append to",
    promise: "strictly serializable",
    operations: &[OpKind::Txn, OpKind::Read, OpKind::Append],
    per_key: false,
    suits: |seen| {
        let is_list = seen.element_appended || seen.list_read && seen.kinds.contains(&OpKind::Append);
        seen.txn_appended || is_list && !seen.txn_written || seen.only_reads_lists()
    },
    initial: || Value::list(Vec::new()),
    initial_is: |initial| Ok(begins_empty(initial)?),
    owned: false,
    readable: Some(readable),
    weaken: |history, _, limits| Ok(sequential(&ListAppend, false, history, limits)),
    account: None,
    monitor: |initial, limits| {
        begins_empty(initial)?;
        Ok(by_frontier(ListAppend, limits))
    },
    ways: &[
        revisions::ALGORITHM,
        exact::ALGORITHM,
        Algorithm::UNWRITTEN,
        Algorithm::GROWING,
        Algorithm::SEARCH,
    ],
    decide,
};

fn decide(history: &History, indices: &[usize], initial: &Value, limits: &Limits) -> (Decision, Algorithm) {
    if let Err(why) = begins_empty(initial) {
        return (Decision::unknown(why.to_owned()), Algorithm::NONE);
    }
    let decide = |indices: &[usize], limits: &Limits| {
        let calls = Calls::read(&ListAppend, history, indices);
        if let Some(decided) = revisions::refute(history, &calls) {
            return decided;
        }
        let decided = exact::decide(history, &calls)
            .or_else(|| unwritten::refute(history, &calls))
            .or_else(|| {
                let found = growing::judge(&calls.calls)?;
                let decision = decision(&ListAppend, history, &calls, found);
                Some((decision, Algorithm::GROWING))
            });
        decided.unwrap_or_else(|| {
            let (seen, seen_calls) = SeenLists::new(&calls.calls);
            by_search_of(&ListAppend, history, &calls, (&seen, &seen_calls), limits)
        })
    };
    components::decide(
        history,
        indices,
        limits,
        |index, see| keys(&history.operations[index].op, see),
        decide,
    )
}
