//! What a history's values look like: where several models have the same operations, these tell them apart.

use std::collections::BTreeSet;

use history::{History, Key, MicroOp, Op, OpKind, Operation, Outcome, Value};
use rustc_hash::FxHashSet;

use crate::model::{answer, is_integer};
use crate::objects::bank::is_only_overdrawn;
use crate::objects::locks::{Try, tried};

/// What was seen in a history.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// Kinds of operations.
    pub kinds: BTreeSet<OpKind>,
    /// A read answered with a list.
    pub list_read: bool,
    /// A read answered with a set.
    pub set_read: bool,
    /// A read answered with an integer.
    pub integer_read: bool,
    /// A read answered with `[integer, value]`.
    pub pair_read: bool,
    /// A read answered with something else than `[integer, value]` or nil.
    pub other_read: bool,
    /// Every such pair could as well be two of the values that were written.
    pub pairs_of_written: bool,
    /// A read answered with a map.
    pub map_read: bool,
    /// A list or a set was written.
    pub list_written: bool,
    /// A map was written.
    pub map_written: bool,
    /// Something that is not text was appended by [`Op::Append`].
    pub element_appended: bool,
    /// A transaction appended.
    pub txn_appended: bool,
    /// A transaction wrote.
    pub txn_written: bool,
    /// Taking a lock was answered with an integer.
    pub token: bool,
    /// A process took a lock again that it had taken and not begun to give back.
    pub taken_again: bool,
    /// The balances of a bank are negative at times, and nothing else is wrong with them.
    pub overdrawn: bool,
}

impl Seen {
    /// Whether its reads answer with versions.
    pub fn is_versioned(&self) -> bool {
        self.pair_read && !self.other_read && !self.list_written
    }

    /// Whether its reads answer with values of the sort that is written.
    pub fn is_of_registers(&self) -> bool {
        (!(self.list_read || self.set_read) || self.list_written) && (!self.map_read || self.map_written)
    }

    /// Whether it only consists of reads, and some answer with lists.
    pub fn only_reads_lists(&self) -> bool {
        let is_read = |kind: &OpKind| matches!(kind, OpKind::Read | OpKind::Txn);
        self.list_read
            && !self.set_read
            && !self.integer_read
            && !self.txn_written
            && self.kinds.iter().all(is_read)
    }

    /// Why what it looks like may be something else: the models that were chosen by its looks alone may then
    /// wrong it.
    pub fn doubt(&self) -> Option<&'static str> {
        if self.pairs_of_written {
            Some(
                "its reads may answer with [version value], or with two of the values that were written, as rows of a \
                 table: --model versioned-register says that they are versions",
            )
        } else if self.taken_again {
            Some(
                "a process takes again what it holds: --model mutex says that it is a plain lock, --model reentrant-lock \
                 that its holder may do so, --model semaphore that there are several permits",
            )
        } else if self.overdrawn {
            Some(
                "balances are negative: --model bank says that they may not be, --model bank-overdraft that they may",
            )
        } else {
            None
        }
    }

    /// Looks at every operation.
    pub fn new(history: &History) -> Seen {
        let mut seen = Seen::default();
        for operation in &history.operations {
            seen.kinds.insert(operation.op.kind());
            match &operation.op {
                Op::Read { .. } => {
                    let Some(value) = answer(operation).filter(|value| !value.is_nil()) else {
                        continue;
                    };
                    seen.read(value);
                    match value.elements() {
                        Some([Value::Int(_), _]) if !seen.set_read => seen.pair_read = true,
                        _ => seen.other_read = true,
                    }
                }
                Op::Write { value, .. } | Op::Cas { new: value, .. } => seen.written(value),
                Op::Append { value, .. } => seen.element_appended |= !matches!(value, Value::Text(_)),
                Op::Acquire { .. } | Op::TryAcquire { .. } => {
                    seen.token |= matches!(answer(operation), Some(Value::Int(_)));
                }
                Op::Txn { micro_ops, .. } => {
                    let answers = answer(operation).and_then(Value::elements).unwrap_or_default();
                    let answers = answers.iter().map(Some).chain(std::iter::repeat(None));
                    for (op, answer) in micro_ops.iter().zip(answers) {
                        seen.txn_appended |= matches!(op, MicroOp::Append { .. });
                        match (op, answer) {
                            (MicroOp::Write { value, .. }, _) => {
                                seen.txn_written = true;
                                seen.written(value);
                            }
                            (MicroOp::Read { .. }, Some(value)) => seen.read(value),
                            _ => {}
                        }
                    }
                }
                _ => {}
            }
        }
        seen.taken_again = is_taken_again(history);
        seen.overdrawn = seen.kinds.contains(&OpKind::Transfer) && is_only_overdrawn(history);
        seen.pairs_of_written = seen.is_versioned() && are_pairs_of_written(history);
        seen
    }

    fn read(&mut self, value: &Value) {
        match value {
            Value::List(_) => self.list_read = true,
            Value::Set(_) => self.set_read = true,
            Value::Map(_) => self.map_read = true,
            Value::Int(_) | Value::Form(_) => self.integer_read |= is_integer(value),
            Value::Text(_) | Value::Nil => {}
        }
    }

    fn written(&mut self, value: &Value) {
        self.list_written |= value.elements().is_some();
        self.map_written |= matches!(value, Value::Map(_));
    }
}

/// Whether a process took a lock again that it had taken and not begun to give back.
fn is_taken_again(history: &History) -> bool {
    let mut holding: FxHashSet<(u32, &Key)> = FxHashSet::default();
    let is_of_lock = |operation: &&Operation| {
        let kind = operation.op.kind();
        matches!(kind, OpKind::Acquire | OpKind::TryAcquire | OpKind::Release)
    };
    let mut started: Vec<&Operation> = history.operations.iter().filter(is_of_lock).collect();
    started.sort_by_key(|operation| operation.invoked);
    started.into_iter().any(|operation| {
        let held = (operation.process, operation.op.key());
        match (operation.op.kind(), &operation.outcome) {
            // Who wants to give it back, in vain or not, takes it for a plain lock.
            (OpKind::Release, _) => {
                holding.remove(&held);
                false
            }
            (_, Outcome::Ok(_)) => tried(operation) != Try::Held && !holding.insert(held),
            _ => false,
        }
    })
}

/// Whether every read that answered with two values answered with two of those that were written.
fn are_pairs_of_written(history: &History) -> bool {
    let written = |operation: &Operation| match &operation.op {
        Op::Write { value, .. } | Op::Cas { new: value, .. } => Some(value.clone()),
        _ => None,
    };
    let written: FxHashSet<Value> = history.operations.iter().filter_map(written).collect();
    let mut reads = history
        .operations
        .iter()
        .filter(|operation| operation.op.kind() == OpKind::Read);
    reads.all(|read| {
        let pair = answer(read).and_then(Value::elements).unwrap_or_default();
        pair.iter().all(|value| written.contains(value))
    })
}
