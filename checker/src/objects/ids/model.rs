//! A generator of ids (`unique-ids`).
//!
//! `generate` answers with an id that it never gave out before. Ids have no order. One that ended with `info`
//! may have given out any id, which no one saw. Source: Jepsen's `unique-ids` checker.
//!
//! Linearizable iff no id was given out twice: any order that respects real time will do.

use history::{Op, Operation, Value};
use rustc_hash::FxHashSet;

use crate::engine::publish::Projected;
use crate::model::{Model, Recorded, answer, array_bytes};

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
