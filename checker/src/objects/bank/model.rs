//! A bank (`bank`, `bank-overdraft`).
//!
//! `transfer` moves money from one account to another, so that the balances of all accounts make the same
//! total at any time; `read` answers with all of them, as a map or as a list. Every read is judged by itself:
//! whether the reads are of moments in one order is not asked, as in Jepsen's `tests/bank`, which is the
//! source. An account without a balance is wrong, and in a bank without overdrafts a negative one is.
//!
//! What the balances are at first says which accounts there are and what they make together. Where no one
//! says it, reads of the same accounts must make the same, if they show all that transfers name.

use std::collections::BTreeMap;

use history::{Op, OpKind, Operation, Outcome, Value};

use crate::engine::publish::Projected;
use crate::model::{Model, Recorded, answer, tree_bytes};

/// A bank.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bank {
    /// The balances at first; `None` if no one knows.
    pub initial: Option<Balances>,
    /// Whether balances may be negative.
    pub overdraft: bool,
}

/// Accounts and what is in them, ascending; `None` for nil.
pub type Balances = Vec<(Value, Option<i64>)>;

impl Bank {
    /// What is wrong with a read whatever else is read.
    pub(super) fn wrong(&self, seen: &Balances) -> Option<Wrong> {
        if let Some((account, _)) = seen.iter().find(|(_, balance)| balance.is_none()) {
            return Some(Wrong::Nil(account.clone()));
        }
        if let Some(initial) = &self.initial {
            let is_known = |account: &Value| initial.iter().any(|(known, _)| known == account);
            if let Some((account, _)) = seen.iter().find(|(account, _)| !is_known(account)) {
                return Some(Wrong::Unexpected(account.clone()));
            }
            if total(seen) != total(initial) {
                return Some(Wrong::Total(total(initial)));
            }
        }
        if self.overdraft {
            return None;
        }
        let negative = |balance: &Option<i64>| balance.is_some_and(|balance| balance < 0);
        let (account, _) = seen.iter().find(|(_, balance)| negative(balance))?;
        Some(Wrong::Negative(account.clone()))
    }
}

/// What can be wrong with a read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Wrong {
    /// This account has no balance.
    Nil(Value),
    /// There is no such account.
    Unexpected(Value),
    /// The balances do not make this total.
    Total(i128),
    /// This account's balance is negative.
    Negative(Value),
}

/// What all balances make together.
pub(super) fn total(balances: &Balances) -> i128 {
    let balances = balances.iter().filter_map(|(_, balance)| *balance);
    balances.map(i128::from).sum()
}

/// The accounts without their balances.
pub(super) fn accounts(balances: &Balances) -> Vec<Value> {
    balances.iter().map(|(account, _)| account.clone()).collect()
}

impl Model for Bank {
    /// What was read.
    type Op = Balances;
    /// For the accounts that were read together their total.
    type State = BTreeMap<Vec<Value>, i128>;

    fn init(&self) -> Self::State {
        BTreeMap::new()
    }

    fn apply(&self, state: &mut Self::State, seen: &Balances) -> bool {
        let all = total(seen);
        self.wrong(seen).is_none() && *state.entry(accounts(seen)).or_insert(all) == all
    }

    fn heap_bytes(&self, state: &Self::State) -> usize {
        state
            .keys()
            .map(|accounts| size_of_val(&**accounts))
            .sum::<usize>()
            + tree_bytes::<(Vec<Value>, i128)>(state.len())
    }
}

/// Every read is a part of its own.
impl Projected for Bank {}

impl Recorded for Bank {
    fn op(&self, operation: &Operation) -> Option<Balances> {
        match operation.op.kind() {
            OpKind::Read => balances(answer(operation)?),
            _ => None,
        }
    }
}

/// The balances that a value names; those of a list belong to the accounts 0, 1, ….
pub(super) fn balances(value: &Value) -> Option<Balances> {
    let balance = |balance: &Value| match balance {
        Value::Nil => Some(None),
        Value::Int(balance) => Some(Some(*balance)),
        _ => None,
    };
    match value {
        Value::Map(pairs) => {
            let pair = |(account, held): &(Value, Value)| Some((account.clone(), balance(held)?));
            pairs.iter().map(pair).collect()
        }
        Value::List(held) => {
            let pair = |(account, held): (i64, &Value)| Some((Value::Int(account), balance(held)?));
            (0..).zip(held.iter()).map(pair).collect()
        }
        _ => None,
    }
}

/// Whether an account is none of these.
pub(super) fn is_missing(account: &Value, accounts: &[Value]) -> bool {
    // In JSON the names in a map are texts.
    let is_same = |one: &Value, other: &Value| match (one, other) {
        (Value::Int(number), Value::Text(text)) | (Value::Text(text), Value::Int(number)) => {
            text.parse() == Ok(*number)
        }
        _ => one == other,
    };
    !accounts.iter().any(|known| is_same(known, account))
}

/// The two accounts of a transfer that may have happened, if it tells them.
pub(super) fn transferred(operation: &Operation) -> Option<[Value; 2]> {
    let Op::Transfer {
        value: Value::Map(pairs),
        ..
    } = &operation.op
    else {
        return None;
    };
    let named = |name: &str| {
        let is_it = |key: &Value| match key {
            Value::Text(text) => text.as_str() == name,
            key => key.keyword() == Some(name),
        };
        let found = pairs.iter().find(|(key, _)| is_it(key));
        found.map(|(_, account)| account.clone())
    };
    let is_known = !matches!(operation.outcome, Outcome::Fail(_));
    is_known.then(|| Some([named("from")?, named("to")?])).flatten()
}

pub(super) fn readable(operation: &Operation) -> Result<(), &'static str> {
    let is_readable = operation.op.kind() != OpKind::Read
        || answer(operation).is_none_or(|value| value.is_nil() || balances(value).is_some());
    is_readable.then_some(()).ok_or("a map of accounts and balances")
}
