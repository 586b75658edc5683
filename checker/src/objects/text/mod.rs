//! Texts that operations append to (`kv-append`).

mod blocks;
mod exact;
mod growing;
mod model;
mod pieces;
mod seen;
#[cfg(test)]
mod tests;
mod unwritten;

use history::{History, OpKind, Value};

use crate::consistency::sequential;
use crate::engine::by_search::by_search_of;
use crate::engine::frontier::by_frontier;
use crate::engine::growing::decision;
use crate::engine::publish::{self, Judged};
use crate::engine::search::Limits;
use crate::model::Calls;
use crate::objects::entry::Entry;
use crate::verdict::{Algorithm, Decision};
use model::{WRONG_INITIAL, readable, text};
use seen::SeenText;

pub use model::{KvAppend, KvAppendOp};

const EXACT: Algorithm = Algorithm("append-exact");
const BLOCKS: Algorithm = Algorithm("text-blocks");

pub(crate) const ENTRY: Entry = Entry {
    name: "kv-append",
    about: "a text with read, write and append",
    promise: "linearizable",
    operations: &[OpKind::Read, OpKind::Write, OpKind::Append],
    per_key: true,
    suits: |seen| !seen.list_read && seen.kinds.contains(&OpKind::Append),
    initial: || Value::text(""),
    initial_is: |initial| text(initial).map(drop).ok_or_else(|| WRONG_INITIAL.to_owned()),
    owned: false,
    readable: Some(readable),
    weaken: |history, initial, limits| {
        Ok(sequential(
            &KvAppend {
                initial: text(initial).ok_or(WRONG_INITIAL)?.to_string(),
            },
            true,
            history,
            limits,
        ))
    },
    account: None,
    monitor: |initial, limits| {
        let initial = text(initial).ok_or(WRONG_INITIAL)?.to_string();
        Ok(by_frontier(KvAppend { initial }, limits))
    },
    ways: &[
        EXACT,
        Algorithm::UNWRITTEN,
        BLOCKS,
        Algorithm::GROWING,
        Algorithm::SEARCH,
    ],
    decide,
};

fn decide(history: &History, indices: &[usize], initial: &Value, limits: &Limits) -> (Decision, Algorithm) {
    let Some(initial) = text(initial) else {
        return (Decision::unknown(WRONG_INITIAL.to_owned()), Algorithm::NONE);
    };
    let text = KvAppend {
        initial: initial.to_string(),
    };
    let calls = Calls::read(&text, history, indices);
    match exact::judge(&text, history, &calls) {
        Judged::Order(order) => (publish::valid(&text, &calls, &order), EXACT),
        Judged::Contradiction(found) => {
            let decision = exact::invalid(&text, history, &calls, found);
            (decision, EXACT)
        }
        Judged::Other => {
            if let Some(decision) = unwritten::refute(&text, history, &calls) {
                return (decision, Algorithm::UNWRITTEN);
            }
            if let Some(decision) = blocks::decide(&text, history, &calls) {
                return (decision, BLOCKS);
            }
            if let Some(found) = growing::judge(&text, &calls.calls) {
                return (decision(&text, history, &calls, found), Algorithm::GROWING);
            }
            let (seen, seen_calls) = SeenText::new(&text, &calls.calls);
            by_search_of(&text, history, &calls, (&seen, &seen_calls), limits)
        }
    }
}
