//! What a history's values look like: where several models have the same operations, these tell them apart.

use std::collections::BTreeSet;

use history::{History, MicroOp, Op, OpKind, Value};

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
    /// A list was written.
    pub list_written: bool,
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

    /// Looks at every operation.
    pub fn new(history: &History) -> Seen {
        let mut seen = Seen::default();
        for operation in &history.operations {
            seen.kinds.insert(operation.op.kind());
            match &operation.op {
                Op::Read { .. } => match answer(operation) {
                    Some(Value::List(values)) => {
                        seen.list_read = true;
                        match values[..] {
                            [Value::Int(_), _] => seen.pair_read = true,
                            _ => seen.other_read = true,
                        }
                    }
                    Some(Value::Int(_)) => (seen.integer_read, seen.other_read) = (true, true),
                    Some(Value::Text(_)) => seen.other_read = true,
                    Some(Value::Nil) | None => {}
                },
                Op::Write { value, .. } | Op::Cas { new: value, .. } => {
                    seen.list_written |= matches!(value, Value::List(_));
                }
                Op::Append { value, .. } => seen.element_appended |= !matches!(value, Value::Text(_)),
                Op::Acquire { .. } => seen.token |= matches!(answer(operation), Some(Value::Int(_))),
                Op::Txn { micro_ops, .. } => {
                    for op in micro_ops {
                        seen.txn_appended |= matches!(op, MicroOp::Append { .. });
                        seen.txn_written |= matches!(op, MicroOp::Write { .. });
                    }
                }
                _ => {}
            }
        }
        seen
    }
}
