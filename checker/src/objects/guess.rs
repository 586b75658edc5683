//! What a history's values look like: where several models have the same operations, these tell them apart.

use std::collections::BTreeSet;

use history::{History, MicroOp, Op, OpKind, Value};
use rustc_hash::FxHashSet;

use crate::model::answer;

/// What was seen in a history.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// Kinds of operations.
    pub kinds: BTreeSet<OpKind>,
    /// A read answered with a list.
    pub list_read: bool,
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
}

impl Seen {
    /// Whether its reads answer with versions.
    pub fn is_versioned(&self) -> bool {
        self.pair_read && !self.other_read && !self.list_written
    }

    /// Whether its reads answer with values of the sort that is written.
    pub fn is_of_registers(&self) -> bool {
        (!self.list_read || self.list_written) && (!self.map_read || self.map_written)
    }

    /// Whether it only consists of reads, and some answer with lists.
    pub fn only_reads_lists(&self) -> bool {
        let is_read = |kind: &OpKind| matches!(kind, OpKind::Read | OpKind::Txn);
        self.list_read && !self.integer_read && !self.txn_written && self.kinds.iter().all(is_read)
    }

    /// Why what it looks like may be something else: the models that were chosen by its looks alone may then
    /// wrong it.
    pub fn doubt(&self) -> Option<&'static str> {
        (self.is_versioned() && self.pairs_of_written).then_some(
            "its reads may answer with [version value], or with two of the values that were written, as rows of a table: \
             --model versioned-register says that they are versions",
        )
    }

    /// Looks at every operation.
    pub fn new(history: &History) -> Seen {
        let mut seen = Seen {
            pairs_of_written: true,
            ..Seen::default()
        };
        let mut written: FxHashSet<&Value> = FxHashSet::default();
        for operation in &history.operations {
            if let Op::Write { value, .. } | Op::Cas { new: value, .. } = &operation.op {
                written.insert(value);
            }
        }
        for operation in &history.operations {
            seen.kinds.insert(operation.op.kind());
            match &operation.op {
                Op::Read { .. } => match answer(operation) {
                    Some(Value::List(values)) => {
                        seen.list_read = true;
                        match &values[..] {
                            [version @ Value::Int(_), value] => {
                                seen.pair_read = true;
                                seen.pairs_of_written &= written.contains(version) && written.contains(value);
                            }
                            _ => seen.other_read = true,
                        }
                    }
                    Some(Value::Int(_)) => (seen.integer_read, seen.other_read) = (true, true),
                    Some(Value::Set(_)) => (seen.list_read, seen.other_read) = (true, true),
                    Some(Value::Map(_)) => (seen.map_read, seen.other_read) = (true, true),
                    Some(Value::Form(form)) => {
                        let digits = form.strip_prefix('-').unwrap_or(form);
                        seen.integer_read |= digits.bytes().all(|byte| byte.is_ascii_digit());
                        seen.other_read = true;
                    }
                    Some(Value::Text(_)) => seen.other_read = true,
                    Some(Value::Nil) | None => {}
                },
                Op::Write { value, .. } | Op::Cas { new: value, .. } => {
                    seen.list_written |= value.elements().is_some();
                    seen.map_written |= matches!(value, Value::Map(_));
                }
                Op::Append { value, .. } => seen.element_appended |= !matches!(value, Value::Text(_)),
                Op::Acquire { .. } => seen.token |= matches!(answer(operation), Some(Value::Int(_))),
                Op::Txn { micro_ops, .. } => {
                    let answers = answer(operation).and_then(Value::elements).unwrap_or_default();
                    let answers = answers.iter().map(Some).chain(std::iter::repeat(None));
                    for (op, answer) in micro_ops.iter().zip(answers) {
                        seen.txn_appended |= matches!(op, MicroOp::Append { .. });
                        match (op, answer) {
                            (MicroOp::Write { value, .. }, _) => {
                                seen.txn_written = true;
                                seen.list_written |= value.elements().is_some();
                                seen.map_written |= matches!(value, Value::Map(_));
                            }
                            (MicroOp::Read { .. }, Some(Value::List(_) | Value::Set(_))) => {
                                seen.list_read = true
                            }
                            (MicroOp::Read { .. }, Some(Value::Map(_))) => seen.map_read = true,
                            _ => {}
                        }
                    }
                }
                _ => {}
            }
        }
        seen
    }
}
