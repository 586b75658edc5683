//! Several registers that are read and written together (`multi-register`).
//!
//! A transaction reads and writes registers, in order, all at once; what it reads after it wrote is what it
//! wrote. Plain reads, writes and cas by key are transactions of one step. Every register holds 0 at first. A
//! transaction that ended with `info` may take effect at any time after its invocation, wholly, or never;
//! what it read is unknown. A failed one never does. An answer of nil in the place of a read tells that the
//! register holds nil. Source: the `multi-register` of Knossos' model.clj; linearizable transactions are
//! strictly serializable (Herlihy and Wing 1990, section 3).
//!
//! Transactions on different groups of objects share none, even if they call them the same. Registers that no
//! transaction connects are judged apart, and where one stands alone as a plain register is.

use std::collections::BTreeMap;

use history::{Failure, History, Key, MicroOp, Op, Operation, Outcome, Value};

use crate::model::{Effect, Model, Recorded, answer, tree_bytes};

/// Several registers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MultiRegister {
    /// What each holds at first.
    pub initial: Value,
}

/// One step of what is done to a [`MultiRegister`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum RegisterMicro {
    /// A register was seen to hold this.
    Read(Key, Value),
    /// A register was seen to hold something else.
    Not(Key, Value),
    /// A register was set to this.
    Write(Key, Value),
}

impl Model for MultiRegister {
    /// What was done at once, in order.
    type Op = Vec<RegisterMicro>;
    /// What the registers hold that do not hold what they held at first.
    type State = BTreeMap<Key, Value>;

    fn init(&self) -> Self::State {
        BTreeMap::new()
    }

    fn apply(&self, state: &mut Self::State, op: &Self::Op) -> bool {
        op.iter().all(|micro| match micro {
            RegisterMicro::Read(key, value) => state.get(key).unwrap_or(&self.initial) == value,
            RegisterMicro::Not(key, value) => state.get(key).unwrap_or(&self.initial) != value,
            RegisterMicro::Write(key, value) if *value == self.initial => {
                state.remove(key);
                true
            }
            RegisterMicro::Write(key, value) => {
                state.insert(key.clone(), value.clone());
                true
            }
        })
    }

    fn effect(&self, op: &Self::Op) -> Effect {
        match op.iter().any(|micro| matches!(micro, RegisterMicro::Write(..))) {
            true => Effect::Change,
            false => Effect::Pure,
        }
    }

    fn heap_bytes(&self, state: &Self::State) -> usize {
        tree_bytes::<(Key, Value)>(state.len())
    }
}

impl Recorded for MultiRegister {
    fn op(&self, operation: &Operation) -> Option<Self::Op> {
        let happened = !matches!(operation.outcome, Outcome::Fail(_));
        let answer = answer(operation);
        let micro: Self::Op = match &operation.op {
            Op::Read { key } => vec![RegisterMicro::Read(key.clone(), answer?.clone())],
            Op::Write { key, value } if happened => vec![RegisterMicro::Write(key.clone(), value.clone())],
            Op::Cas { key, expected, .. } if !happened => match &operation.outcome {
                Outcome::Fail(Failure::Mismatch { current }) => {
                    let found = current
                        .clone()
                        .map(|current| RegisterMicro::Read(key.clone(), current));
                    let not = RegisterMicro::Not(key.clone(), expected.clone());
                    found.into_iter().chain([not]).collect()
                }
                _ => return None,
            },
            Op::Cas { key, expected, new } => vec![
                RegisterMicro::Read(key.clone(), expected.clone()),
                RegisterMicro::Write(key.clone(), new.clone()),
            ],
            Op::Txn {
                key: group,
                micro_ops,
            } if happened => {
                let answers = match answer {
                    Some(Value::List(answers)) => &answers[..],
                    _ => &[],
                };
                let micro = |(place, op): (usize, &MicroOp)| match op {
                    MicroOp::Read { key } => Some(RegisterMicro::Read(
                        object(group, key),
                        answers.get(place)?.clone(),
                    )),
                    MicroOp::Write { key, value } => {
                        Some(RegisterMicro::Write(object(group, key), value.clone()))
                    }
                    MicroOp::Append { .. } | MicroOp::Version { .. } => None,
                };
                micro_ops.iter().enumerate().filter_map(micro).collect()
            }
            _ => return None,
        };
        (!micro.is_empty()).then_some(micro)
    }
}

/// The object that a step of a transaction addresses. Groups share none, whatever their objects are called.
pub(crate) fn object(group: &Key, key: &Key) -> Key {
    match group {
        Key::Nil => key.clone(),
        group => Key::list(vec![group.clone(), key.clone()]),
    }
}

/// The objects that an operation addresses.
pub(crate) fn keys(op: &Op, see: &mut dyn FnMut(&Key)) {
    match op {
        Op::Txn { key, micro_ops } => micro_ops.iter().for_each(|micro| see(&object(key, micro.key()))),
        _ => see(op.key()),
    }
}

/// Whether the answer to a transaction has a place for each of its steps.
pub(crate) fn is_answered(operation: &Operation) -> bool {
    match (&operation.op, answer(operation)) {
        (Op::Txn { micro_ops, .. }, Some(Value::List(answers))) => answers.len() == micro_ops.len(),
        (Op::Txn { .. }, Some(_)) => false,
        _ => true,
    }
}

/// Whether transactions saw nil, which no one wrote, and no one saw `initial` without that someone wrote it:
/// the registers then cannot have begun with `initial`.
pub(crate) fn began_with_nil(history: &History, initial: &Value) -> bool {
    // Nil and `initial`, seen and written.
    let (mut seen, mut written) = ([false; 2], [false; 2]);
    let note = |which: &mut [bool; 2], value: &Value| {
        which[0] |= value.is_nil();
        which[1] |= value == initial;
    };
    for operation in &history.operations {
        match (&operation.op, answer(operation)) {
            (Op::Txn { micro_ops, .. }, answer) => {
                for (place, micro) in micro_ops.iter().enumerate() {
                    match (micro, answer) {
                        (MicroOp::Write { value, .. }, _) => note(&mut written, value),
                        (MicroOp::Read { .. }, Some(Value::List(answers))) => {
                            answers.get(place).iter().for_each(|value| note(&mut seen, value));
                        }
                        _ => {}
                    }
                }
            }
            (Op::Write { value, .. } | Op::Cas { new: value, .. }, _) => note(&mut written, value),
            // A plain read of nil may claim nothing.
            (Op::Read { .. }, Some(value)) if !value.is_nil() => note(&mut seen, value),
            _ => {}
        }
    }
    seen[0] && !written[0] && (!seen[1] || written[1])
}

pub(super) fn readable(operation: &Operation) -> Result<(), &'static str> {
    let appends = |micro: &MicroOp| matches!(micro, MicroOp::Append { .. });
    let is_register = !matches!(&operation.op, Op::Txn { micro_ops, .. } if micro_ops.iter().any(appends));
    let is_readable = is_register && is_answered(operation);
    is_readable
        .then_some(())
        .ok_or("a transaction of reads and writes")
}
