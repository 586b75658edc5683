//! Which reads of a bank show all of its accounts, where no one says which there are; and whether nothing but
//! overdrafts is wrong with them.

use std::collections::BTreeSet;

use history::{History, Value};
use rustc_hash::FxHashMap;

use super::exact;
use super::model::{Bank, accounts, is_missing, transferred};
use crate::engine::publish::Judged;
use crate::model::{Calls, Recorded};
use crate::partition::partition;

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

/// The operations without those reads that do not show an account which a transfer names: what the others
/// make together may change.
pub(super) fn of_all_accounts(bank: &Bank, history: &History, indices: &[usize]) -> Vec<usize> {
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
