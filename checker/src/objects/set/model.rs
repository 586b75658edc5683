//! A set (`set`).
//!
//! `add(element)` puts an element in; adding it again changes nothing. `remove(element)` takes it out;
//! removing what is not there changes nothing. What either answers is not looked at. `read` answers with all
//! elements, in any order; nil is the empty set. An answer that names an element twice is not a set, so
//! nothing explains it. An `add` or `remove` that ended with `info` may take effect at any time after its
//! invocation, or never; a failed one never does. An open or failed read tells nothing. Source: Jepsen's
//! `set` and `set-full` workloads, with linearizable reads.

use std::collections::BTreeSet;

use history::{Op, OpKind, Operation, Outcome, Value};

use crate::engine::publish::Projected;
use crate::model::{Effect, Model, Recorded, answer, tree_bytes};

/// A set.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Set {
    /// What it holds at first.
    pub initial: BTreeSet<Value>,
}

/// What can be done to a [`Set`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum SetOp {
    /// An element was put in.
    Add(Value),
    /// An element was taken out.
    Remove(Value),
    /// It was seen to hold these and no other, in ascending order.
    Read(Vec<Value>),
}

impl Set {
    /// The set that holds the elements of a list at first; nothing for nil.
    pub fn new(initial: &Value) -> Set {
        let initial = elements(initial).unwrap_or_default();
        Set {
            initial: initial.iter().cloned().collect(),
        }
    }
}

/// The elements of an answer, if it can be one.
pub(crate) fn elements(value: &Value) -> Option<&[Value]> {
    match value {
        Value::Nil => Some(&[]),
        other => other.elements(),
    }
}

impl Model for Set {
    type Op = SetOp;
    type State = BTreeSet<Value>;

    fn init(&self) -> Self::State {
        self.initial.clone()
    }

    fn apply(&self, state: &mut Self::State, op: &SetOp) -> bool {
        match op {
            SetOp::Add(element) => {
                state.insert(element.clone());
                true
            }
            SetOp::Remove(element) => {
                state.remove(element);
                true
            }
            SetOp::Read(seen) => state.len() == seen.len() && state.iter().eq(seen),
        }
    }

    fn effect(&self, op: &SetOp) -> Effect {
        match op {
            SetOp::Add(_) | SetOp::Remove(_) => Effect::Change,
            SetOp::Read(_) => Effect::Pure,
        }
    }

    fn heap_bytes(&self, state: &Self::State) -> usize {
        tree_bytes::<Value>(state.len())
    }
}

/// The parts are the elements. Those that were there at first are there, so they must be named.
impl Projected for Set {
    fn project(&self, op: &SetOp, parts: &[Value]) -> Option<SetOp> {
        let is_part = |element: &Value| parts.contains(element) || self.initial.contains(element);
        match op {
            SetOp::Add(element) | SetOp::Remove(element) => is_part(element).then(|| op.clone()),
            SetOp::Read(seen) => Some(SetOp::Read(
                seen.iter().filter(|element| is_part(element)).cloned().collect(),
            )),
        }
    }
}

impl Recorded for Set {
    fn op(&self, operation: &Operation) -> Option<SetOp> {
        match (&operation.op, &operation.outcome) {
            (Op::Add { value, .. }, Outcome::Ok(_) | Outcome::Info(_)) => Some(SetOp::Add(value.clone())),
            (Op::Remove { value, .. }, Outcome::Ok(_) | Outcome::Info(_)) => {
                Some(SetOp::Remove(value.clone()))
            }
            (Op::Read { .. }, Outcome::Ok(_)) => {
                let mut seen = elements(answer(operation)?)?.to_vec();
                seen.sort_unstable();
                Some(SetOp::Read(seen))
            }
            _ => None,
        }
    }
}

pub(super) fn readable(operation: &Operation) -> Result<(), &'static str> {
    let is_readable = operation.op.kind() != OpKind::Read
        || answer(operation).is_none_or(|value| elements(value).is_some());
    is_readable.then_some(()).ok_or("a list of elements")
}
