//! Banks: each read by itself, and against the total of the reads before it. O(n).
//!
//! What shows that money appeared or vanished comes before overdrafts, which a bank may allow.

use history::Value;
use rustc_hash::FxHashMap;

use super::model::{Balances, Bank, Wrong, accounts, total};
use crate::engine::publish::{Contradiction, Judged};
use crate::model::Calls;
use crate::sentence::{op, sentence};
use crate::verdict::Rule;

pub(super) fn judge(bank: &Bank, calls: &Calls<Balances>) -> Judged {
    let mut order: Vec<usize> = (0..calls.calls.len()).collect();
    order.sort_by_key(|&number| calls.calls[number].start);
    let mut negative = None;
    let mut totals: FxHashMap<Vec<Value>, (i128, usize)> = FxHashMap::default();
    for &number in &order {
        let seen = &calls.calls[number].op;
        match bank.wrong(seen) {
            Some(Wrong::Negative(account)) => {
                negative = negative.or(Some((number, account)));
            }
            Some(wrong) => return Judged::Contradiction(by_itself(number, seen, &wrong)),
            None => {}
        }
        let all = total(seen);
        let (before, other) = *totals.entry(accounts(seen)).or_insert((all, number));
        if before != all {
            return Judged::Contradiction(unequal([other, number], [before, all]));
        }
    }
    match negative {
        Some((number, account)) => {
            let wrong = Wrong::Negative(account);
            Judged::Contradiction(by_itself(number, &calls.calls[number].op, &wrong))
        }
        None => Judged::Order(order),
    }
}

/// Whether reads were of different accounts, so that not all of them were compared.
pub(super) fn are_apart(calls: &Calls<Balances>) -> bool {
    let mut reads = calls.calls.iter().map(|call| accounts(&call.op));
    match reads.next() {
        Some(first) => reads.any(|other| other != first),
        None => false,
    }
}

fn by_itself(number: usize, seen: &Balances, wrong: &Wrong) -> Contradiction {
    let (rule, why) = match wrong {
        Wrong::Nil(account) => (
            Rule::Lost,
            format!(" shows the account {account} without a balance."),
        ),
        Wrong::Unexpected(account) => (
            Rule::NeverWritten,
            format!(" shows the account {account}, which the bank does not have."),
        ),
        Wrong::Total(right) => (
            Rule::OutOfBounds,
            format!(
                " shows {} in all accounts together, and there are {right}.",
                total(seen)
            ),
        ),
        Wrong::Negative(account) => (
            Rule::OutOfBounds,
            format!(" shows a negative balance of the account {account}."),
        ),
    };
    Contradiction::whole(rule, vec![number], vec![sentence![op(number), why]])
}

fn unequal([one, other]: [usize; 2], [before, all]: [i128; 2]) -> Contradiction {
    let sentences = vec![
        sentence![op(one), format!(" shows {before} in all accounts together.")],
        sentence![op(other), format!(" shows {all} in the same accounts.")],
        "Transfers do not change the total.".into(),
    ];
    Contradiction::whole(Rule::OutOfBounds, vec![one, other], sentences)
}
