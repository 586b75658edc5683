//! A register whose changes are watched (`watch`).

mod exact;
mod model;
mod monitor;

use history::{History, OpKind, Value};

use crate::consistency::{self, sequential};
use crate::engine::by_search::by_search;
use crate::engine::search::Limits;
use crate::model::Calls;
use crate::objects::entry::{Entry, only_nil};
use crate::verdict::{Algorithm, Decision};
use model::{readable, unseen};

pub use model::{Watched, WatchedOp, WatchedState};

pub(crate) const ENTRY: Entry = Entry {
    name: "watch",
    about: "a register whose changes are followed by watches that miss none",
    promise: "watched in full and in order",
    operations: &[OpKind::Write, OpKind::Watch],
    per_key: true,
    suits: |_| true,
    initial: || Value::Nil,
    initial_is: |initial| only_nil(initial, "a watched register begins unwritten: nil"),
    owned: false,
    readable: Some(readable),
    weaken: |history, _, limits| {
        // A state is as large as its history is long.
        let limits = consistency::Limits {
            configurations: limits.configurations / 10,
            ..limits.clone()
        };
        Ok(sequential(&Watched, true, history, &limits))
    },
    account: Some(unseen),
    monitor: |_, _| Ok(monitor::watch_monitor()),
    ways: &[exact::ALGORITHM, Algorithm::SEARCH],
    decide,
};

fn decide(history: &History, indices: &[usize], _: &Value, limits: &Limits) -> (Decision, Algorithm) {
    let calls = Calls::read(&Watched, history, indices);
    exact::decide(history, &calls).unwrap_or_else(|| by_search(&Watched, history, indices, limits))
}
