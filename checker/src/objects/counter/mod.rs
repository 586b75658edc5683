//! A counter (`counter`).

mod exact;
mod model;
mod residues;
mod sums;
mod witness;

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

pub use model::{Counter, CounterOp};
pub(crate) use model::{WRONG_INITIAL, amount, count};

const BOUNDS: Algorithm = Algorithm("counter-bounds");
const EXACT: Algorithm = Algorithm("counter-exact");
const RESIDUES: Algorithm = Algorithm("residues");
const SUMS: Algorithm = Algorithm("counter-sums");
const BEAM: Algorithm = Algorithm("beam");

pub(crate) const ENTRY: Entry = Entry {
    name: "counter",
    about: "a counter with add and read",
    promise: "linearizable",
    operations: &[OpKind::Add, OpKind::Read],
    per_key: true,
    suits: |_| true,
    initial: || Value::Int(0),
    initial_is: |initial| count(initial).map(drop).ok_or_else(|| WRONG_INITIAL.to_owned()),
    owned: false,
    readable: Some(readable),
    weaken: |history, initial, limits| {
        Ok(sequential(
            &Counter {
                initial: count(initial).ok_or(WRONG_INITIAL)?,
            },
            true,
            history,
            limits,
        ))
    },
    account: None,
    monitor: |initial, limits| {
        let initial = count(initial).ok_or(WRONG_INITIAL)?;
        Ok(by_frontier(Counter { initial }, limits))
    },
    ways: &[BOUNDS, EXACT, RESIDUES, SUMS, BEAM, Algorithm::SEARCH],
    decide,
};

fn decide(history: &History, indices: &[usize], initial: &Value, limits: &Limits) -> (Decision, Algorithm) {
    let Some(initial) = count(initial) else {
        return (Decision::unknown(WRONG_INITIAL.to_owned()), Algorithm::NONE);
    };
    let counter = Counter { initial };
    let calls = Calls::read(&counter, history, indices);
    if let Some(conflict) = exact::out_of_bounds(&counter, history, &calls) {
        return (conflict, BOUNDS);
    }
    if let Some(decision) = exact::equal_amounts(&counter, history, &calls) {
        return (decision, EXACT);
    }
    if let Some(conflict) = residues::refuted(&counter, history, &calls, limits) {
        return (conflict, RESIDUES);
    }
    if let Some(decision) = sums::decide(&counter, history, &calls, limits) {
        return (decision, SUMS);
    }
    match witness::order(&counter, &calls.calls, limits) {
        Some(order) => (publish::valid(&counter, &calls, &order), BEAM),
        None => by_search(&counter, history, indices, limits),
    }
}
