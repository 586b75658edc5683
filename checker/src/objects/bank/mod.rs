//! A bank whose transfers preserve the total (`bank`, and `bank-overdraft` where balances may be negative).

mod exact;
mod model;
mod whole;

use history::{History, OpKind, Value};

use crate::engine::publish;
use crate::model::Calls;
use crate::objects::entry::{Entry, judged_at_the_end, promises_no_order};
use crate::verdict::{Algorithm, Decision};
use model::{balances, readable};
use whole::of_all_accounts;

pub use model::{Balances, Bank};
pub(crate) use whole::is_only_overdrawn;

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
    weaken: promises_no_order,
    account: None,
    monitor: judged_at_the_end,
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
        return (Decision::unknown(WRONG_INITIAL.to_owned()), Algorithm::NONE);
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
            (Decision::unknown(why.to_owned()), Algorithm::NONE)
        }
        Some(decided) => decided,
        None => (
            Decision::unknown("internal: no way decided".to_owned()),
            Algorithm::NONE,
        ),
    }
}
