//! A generator of ids (`unique-ids`).
//!
//! `generate` answers with an id that it never gave out before. Ids have no order. One that ended with `info` may have
//! given out any id, which nobody saw. Source: Jepsen's `unique-ids` checker.
//!
//! Linearizable iff no id was given out twice: any order that respects real time will do.

use history::{History, Op, OpKind, Operation, Value};
use rustc_hash::{FxHashMap, FxHashSet};

use crate::Options;
use crate::consistency::sequential;
use crate::engine::frontier::by_frontier;
use crate::engine::publish::{self, Contradiction, Judged, Projected};
use crate::model::{Calls, Model, Recorded, array_bytes};
use crate::objects::{Entry, answer, by_search};
use crate::sentence::{op, sentence};
use crate::verdict::{Algorithm, Decision, Rule};

pub(crate) const ENTRY: Entry = Entry {
    name: "unique-ids",
    about: "a generator that gives every id out once",
    promise: "linearizable",
    operations: &[OpKind::Generate],
    per_key: true,
    suits: |_| true,
    initial: || Value::Nil,
    readable: None,
    weaken: |history, _, limits| Ok(sequential(&UniqueIds, true, history, limits)),
    account: None,
    watch: |_, limits| Ok(by_frontier(UniqueIds, limits)),
    decide,
};

/// A generator of ids.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct UniqueIds;

/// This id was given out.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct UniqueIdsOp(pub Value);

/// What was given out; hashed by its size alone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GivenOut(FxHashSet<Value>);

impl std::hash::Hash for GivenOut {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.0.len().hash(state);
    }
}

impl Model for UniqueIds {
    type Op = UniqueIdsOp;
    type State = GivenOut;

    fn init(&self) -> GivenOut {
        GivenOut::default()
    }

    fn apply(&self, state: &mut GivenOut, op: &UniqueIdsOp) -> bool {
        state.0.insert(op.0.clone())
    }

    fn heap_bytes(&self, state: &Self::State) -> usize {
        array_bytes::<(Value, u8)>(state.0.capacity())
    }
}

/// The parts are the ids.
impl Projected for UniqueIds {
    fn project(&self, op: &UniqueIdsOp, parts: &[Value]) -> Option<UniqueIdsOp> {
        parts.contains(&op.0).then(|| op.clone())
    }
}

impl Recorded for UniqueIds {
    fn op(&self, operation: &Operation) -> Option<UniqueIdsOp> {
        match operation.op {
            Op::Generate { .. } => answer(operation).cloned().map(UniqueIdsOp),
            _ => None,
        }
    }
}

fn decide(history: &History, indices: &[usize], options: &Options) -> (Decision, Algorithm) {
    let calls = Calls::read(&UniqueIds, history, indices);
    let judged = judge(&calls);
    publish::publish(&UniqueIds, history, &calls, judged, Algorithm("unique-ids-exact"))
        .unwrap_or_else(|| by_search(&UniqueIds, history, indices, options))
}

fn judge(calls: &Calls<UniqueIdsOp>) -> Judged {
    let mut given: FxHashMap<&Value, usize> = FxHashMap::default();
    let mut order: Vec<usize> = (0..calls.calls.len()).collect();
    order.sort_by_key(|&number| calls.calls[number].start);
    for &number in &order {
        let id = &calls.calls[number].op.0;
        if let Some(other) = given.insert(id, number) {
            return Judged::Contradiction(Contradiction {
                rule: Rule::Duplicate,
                shown: vec![other, number],
                about: vec![id.clone()],
                also: Vec::new(),
                sentences: vec![sentence![
                    op(other),
                    " and ",
                    op(number),
                    " were given the same id."
                ]],
                stale_by_ns: None,
            });
        }
    }
    Judged::Order(order)
}
