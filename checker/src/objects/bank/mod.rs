//! A bank whose transfers preserve the total (`bank`, and `bank-overdraft` where balances may be negative).

mod exact;
mod model;

use std::collections::BTreeSet;

use history::{History, OpKind, Value};
use rustc_hash::FxHashMap;

use crate::engine::publish::{self, Judged};
use crate::model::{Calls, Recorded};
use crate::objects::entry::Entry;
use crate::partition::partition;
use crate::verdict::{Algorithm, Decision};
use model::{accounts, balances, is_missing, readable, transferred};

pub use model::{Balances, Bank};

const READS: Algorithm = Algorithm("bank-reads");

const WRONG_INITIAL: &str =
    "a bank begins with its balances, such as {0 10, 1 10}, or with nil if no one knows them";

pub(crate) const BANK: Entry = Entry {
    name: "bank",
    about: "a bank whose transfers preserve the total, without overdrafts; --initial says the balances",
    promise: "balanced",
    operations: &[OpKind::Transfer, OpKind::Read],
    per_key: true,
    suits: |seen| seen.kinds.contains(&OpKind::Transfer),
    initial: || Value::Nil,
    initial_is: |initial| {
        bank(initial, false)
            .map(drop)
            .ok_or_else(|| WRONG_INITIAL.to_owned())
    },
    owned: false,
    readable: Some(readable),
    weaken: |_, _, _| Err("it promises no order".to_owned()),
    account: None,
    monitor: |_, _| Err("a bank is judged when all has been read".to_owned()),
    ways: &[READS],
    decide: |history, indices, initial, _| decide(history, indices, bank(initial, false)),
};

pub(crate) const OVERDRAFT: Entry = Entry {
    name: "bank-overdraft",
    about: "the same where balances may be negative",
    suits: |_| false,
    decide: |history, indices, initial, _| decide(history, indices, bank(initial, true)),
    ..BANK
};

fn bank(initial: &Value, overdraft: bool) -> Option<Bank> {
    let initial = match initial {
        Value::Nil => None,
        known => Some(balances(known)?),
    };
    Some(Bank { initial, overdraft })
}

fn decide(history: &History, indices: &[usize], bank: Option<Bank>) -> (Decision, Algorithm) {
    let Some(bank) = bank else {
        return (Decision::Unknown(WRONG_INITIAL.to_owned()), Algorithm::NONE);
    };
    let whole = match bank.initial {
        Some(_) => indices.to_vec(),
        None => of_all_accounts(&bank, history, indices),
    };
    let calls = Calls::read(&bank, history, &whole);
    let are_compared = whole.len() == indices.len() && (bank.initial.is_some() || !exact::are_apart(&calls));
    let judged = exact::judge(&bank, &calls);
    match publish::publish(&bank, history, &calls, judged, READS) {
        Some((Decision::Valid(_), _)) if !are_compared => {
            let why = "not every read shows the same accounts, and all that transfers name: --initial says which there \
                       are, and their balances";
            (Decision::Unknown(why.to_owned()), Algorithm::NONE)
        }
        Some(decided) => decided,
        None => (
            Decision::Unknown("internal: no way decided".to_owned()),
            Algorithm::NONE,
        ),
    }
}

/// Whether balances are negative at times, and nothing else is wrong with any of them.
pub(crate) fn is_only_overdrawn(history: &History) -> bool {
    let (initial, overdraft) = (None, true);
    let bank = Bank { initial, overdraft };
    let is_right = |indices: &Vec<usize>| {
        let calls = Calls::read(&bank, history, &of_all_accounts(&bank, history, indices));
        matches!(exact::judge(&bank, &calls), Judged::Order(_))
    };
    let reads = history
        .operations
        .iter()
        .filter_map(|operation| bank.op(operation));
    let mut held = reads.flatten().filter_map(|(_, balance)| balance);
    held.any(|balance| balance < 0) && partition(history).values().all(is_right)
}

/// The operations without those reads that do not show an account which a transfer names: what the others make
/// together may change.
fn of_all_accounts(bank: &Bank, history: &History, indices: &[usize]) -> Vec<usize> {
    let of = |index: usize| &history.operations[index];
    let transfers = indices.iter().filter_map(|&index| transferred(of(index)));
    let named: BTreeSet<Value> = transfers.flatten().collect();
    let mut known: FxHashMap<Vec<Value>, bool> = FxHashMap::default();
    let mut shows_all = |index: usize| match bank.op(of(index)) {
        None => true,
        Some(seen) => *known
            .entry(accounts(&seen))
            .or_insert_with_key(|shown| !named.iter().any(|account| is_missing(account, shown))),
    };
    indices
        .iter()
        .copied()
        .filter(|&index| shows_all(index))
        .collect()
}
