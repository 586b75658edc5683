//! Several registers that transactions read and write together (`multi-register`).

mod model;
mod seen;
mod unwritten;

use history::{History, MicroOp, Op, OpKind, Operation, Outcome, Value};

use crate::consistency::sequential;
use crate::engine::by_search::by_search_of;
use crate::engine::components;
use crate::engine::frontier::by_frontier;
use crate::engine::search::Limits;
use crate::model::{Calls, answer};
use crate::objects::entry::Entry;
use crate::objects::register::CAS_REGISTER;
use crate::verdict::{Algorithm, Decision};
use model::readable;
use seen::SeenRegisters;

pub use model::{MultiRegister, RegisterMicro};
pub(crate) use model::{began_with_nil, is_answered, keys, object};

pub(crate) const ENTRY: Entry = Entry {
    name: "multi-register",
    about: "registers that transactions read and write together",
    promise: "strictly serializable",
    operations: &[OpKind::Txn, OpKind::Read, OpKind::Write, OpKind::Cas],
    per_key: false,
    suits: |seen| !seen.txn_appended && seen.is_of_registers(),
    initial: || Value::Int(0),
    initial_is: |_| Ok(()),
    owned: false,
    readable: Some(readable),
    weaken: |history, initial, limits| {
        Ok(sequential(
            &MultiRegister {
                initial: initial.clone(),
            },
            false,
            history,
            limits,
        ))
    },
    account: None,
    monitor: |initial, limits| {
        let initial = initial.clone();
        Ok(by_frontier(MultiRegister { initial }, limits))
    },
    ways: &[
        Algorithm::REGISTER_EXACT,
        Algorithm::COUNTING,
        Algorithm::UNWRITTEN,
        Algorithm::SEARCH,
    ],
    decide,
};

fn decide(history: &History, indices: &[usize], initial: &Value, limits: &Limits) -> (Decision, Algorithm) {
    let registers = MultiRegister {
        initial: initial.clone(),
    };
    let plain = History {
        operations: history.operations.iter().map(plain).collect(),
        ..History::default()
    };
    let decide = |indices: &[usize], limits: &Limits| {
        let is_plain = |&index: &usize| plain.operations[index].op.kind() != OpKind::Txn;
        let mut keys = indices.iter().map(|&index| plain.operations[index].op.key());
        let first = keys.next();
        if indices.iter().all(is_plain) && keys.all(|key| Some(key) == first) {
            (CAS_REGISTER.decide)(&plain, indices, initial, limits)
        } else {
            let calls = Calls::read(&registers, history, indices);
            if let Some(decision) = unwritten::refute(&registers, history, &calls) {
                return (decision, Algorithm::UNWRITTEN);
            }
            let (seen, seen_calls) = SeenRegisters::new(&registers, &calls.calls);
            by_search_of(&registers, history, &calls, (&seen, &seen_calls), limits)
        }
    };
    components::decide(
        history,
        indices,
        limits,
        |index, see| keys(&history.operations[index].op, see),
        decide,
    )
}

/// A transaction of one step as the plain operation that it is.
fn plain(operation: &Operation) -> Operation {
    let Op::Txn {
        key: group,
        micro_ops,
    } = &operation.op
    else {
        return operation.clone();
    };
    let (op, outcome) = match &micro_ops[..] {
        [MicroOp::Read { key }] => {
            let outcome = match answer(operation) {
                Some(Value::List(answers)) if answers.len() == 1 => Outcome::ok_value(answers[0].clone()),
                _ => operation.outcome.clone(),
            };
            let key = object(group, key);
            (Op::Read { key }, outcome)
        }
        [MicroOp::Write { key, value }] => {
            let (key, value) = (object(group, key), value.clone());
            (Op::Write { key, value }, operation.outcome.clone())
        }
        _ => return operation.clone(),
    };
    Operation {
        op,
        outcome,
        ..operation.clone()
    }
}
