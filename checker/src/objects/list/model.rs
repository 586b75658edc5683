//! Lists to which transactions append (`list-append`).
//!
//! A transaction reads lists and appends elements to them, in order, all at once; it sees what it appended
//! itself. Plain reads and appends by key are transactions of one step. Every list is empty at first, which a
//! read may show as nil. A transaction that ended with `info` may take effect at any time after its
//! invocation, wholly, or never; what it read is unknown. A failed one never does. Linearizable transactions
//! are strictly serializable. Source: Jepsen's list-append workload; K. Kingsbury and P. Alvaro, "Elle:
//! inferring isolation anomalies from experimental observations", VLDB 2020.
//!
//! A transaction that asks for a list's version is told how many transactions have appended to it so far
//! (each counts once, whatever it appends; itself where it did before), and the revision of the last one:
//! versions of a list are equal iff their revisions are, and grow with them. A list to which no one appended
//! has version and revision 0, or nil. Source: `version` and `mod_revision` of etcd's `KeyValue` (etcd API
//! reference). That revisions agree is judged beside the model ([`revisions`](super::revisions)).
//!
//! Transactions on different groups of objects share none, even if they call them the same. Lists that no
//! transaction connects are judged apart.

use std::collections::BTreeMap;

use history::{Key, MicroOp, Op, Operation, Outcome, Value};

use crate::model::{Effect, Model, Recorded, answer, array_bytes, in_order, tree_bytes};
use crate::objects::multi::{is_answered, object};

/// Several lists, empty at first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ListAppend;

/// One step of what is done to a [`ListAppend`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ListMicro {
    /// A list was seen to be this.
    Read(Key, Vec<Value>),
    /// This was put behind a list.
    Append(Key, Value),
    /// A list was seen to have this version and this revision.
    Version(Key, i64, i64),
}

/// One list of a [`ListAppend`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct AppendedList {
    /// What it holds.
    pub elements: Vec<Value>,
    /// How many transactions have appended to it.
    pub version: i64,
}

impl Model for ListAppend {
    /// What was done at once, in order.
    type Op = Vec<ListMicro>;
    /// The lists that are not empty.
    type State = BTreeMap<Key, AppendedList>;

    fn init(&self) -> Self::State {
        BTreeMap::new()
    }

    fn apply(&self, state: &mut Self::State, op: &Self::Op) -> bool {
        op.iter().enumerate().all(|(place, micro)| match micro {
            ListMicro::Read(key, seen) => state.get(key).map_or(&[][..], |list| &list.elements) == seen,
            ListMicro::Version(key, version, _) => state.get(key).map_or(0, |list| list.version) == *version,
            ListMicro::Append(key, element) => {
                let list = state.entry(key.clone()).or_default();
                list.elements.push(element.clone());
                let is_again =
                    |micro: &ListMicro| matches!(micro, ListMicro::Append(other, _) if other == key);
                list.version += i64::from(!op[..place].iter().any(is_again));
                true
            }
        })
    }

    fn effect(&self, op: &Self::Op) -> Effect {
        match op.iter().any(|micro| matches!(micro, ListMicro::Append(..))) {
            true => Effect::Change,
            false => Effect::Pure,
        }
    }

    fn heap_bytes(&self, state: &Self::State) -> usize {
        let lists = state
            .values()
            .map(|list| array_bytes::<Value>(list.elements.capacity()));
        tree_bytes::<(Key, AppendedList)>(state.len()) + lists.sum::<usize>()
    }
}

impl Recorded for ListAppend {
    fn op(&self, operation: &Operation) -> Option<Self::Op> {
        if matches!(operation.outcome, Outcome::Fail(_)) {
            return None;
        }
        let answer = answer(operation);
        let micro: Self::Op = match &operation.op {
            Op::Read { key } => vec![ListMicro::Read(key.clone(), in_order(answer?)?.to_vec())],
            Op::Append { key, value } => vec![ListMicro::Append(key.clone(), value.clone())],
            Op::Txn {
                key: group,
                micro_ops,
            } => {
                let answers = match answer {
                    Some(Value::List(answers)) => &answers[..],
                    _ => &[],
                };
                let micro = |(place, op): (usize, &MicroOp)| match op {
                    MicroOp::Read { key } => {
                        let seen = in_order(answers.get(place)?)?;
                        Some(ListMicro::Read(object(group, key), seen.to_vec()))
                    }
                    MicroOp::Append { key, value } => {
                        Some(ListMicro::Append(object(group, key), value.clone()))
                    }
                    MicroOp::Version { key } => {
                        let (version, revision) = version(answers.get(place)?)?;
                        Some(ListMicro::Version(object(group, key), version, revision))
                    }
                    MicroOp::Write { .. } => None,
                };
                micro_ops.iter().enumerate().filter_map(micro).collect()
            }
            _ => return None,
        };
        (!micro.is_empty()).then_some(micro)
    }
}

pub(super) fn begins_empty(initial: &Value) -> Result<(), &'static str> {
    match in_order(initial) {
        Some([]) => Ok(()),
        _ => Err("lists begin empty"),
    }
}

/// A version and a revision, as an answer tells them.
fn version(answer: &Value) -> Option<(i64, i64)> {
    match in_order(answer)? {
        [] if answer.is_nil() => Some((0, 0)),
        [Value::Int(version), Value::Int(revision)] => Some((*version, *revision)),
        _ => None,
    }
}

pub(super) fn readable(operation: &Operation) -> Result<(), &'static str> {
    is_readable(operation)
        .then_some(())
        .ok_or("a transaction of reads of lists, appends and versions")
}

fn is_readable(operation: &Operation) -> bool {
    let answer = answer(operation);
    match (&operation.op, answer) {
        (Op::Txn { micro_ops, .. }, _) => {
            let mut places = micro_ops.iter().enumerate();
            is_answered(operation)
                && places.all(|(place, micro)| match (micro, answer) {
                    (MicroOp::Write { .. }, _) => false,
                    (MicroOp::Read { .. }, Some(Value::List(answers))) => in_order(&answers[place]).is_some(),
                    (MicroOp::Version { .. }, Some(Value::List(answers))) => {
                        version(&answers[place]).is_some()
                    }
                    _ => true,
                })
        }
        (Op::Read { .. }, Some(seen)) => in_order(seen).is_some(),
        _ => true,
    }
}
