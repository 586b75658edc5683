//! The closed vocabulary of operations that clients invoke on a store.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{Key, Value};

/// One operation, as a client invokes it on a store.
///
/// In JSON it is tagged by `f`, as in Jepsen: `{"f":"cas","key":3,"expected":1,"new":2}`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "f", rename_all = "kebab-case")]
pub enum Op {
    /// Read the register named `key`.
    Read {
        /// The register.
        #[serde(default)]
        key: Key,
    },
    /// Set the register named `key` to `value`.
    Write {
        /// The register.
        #[serde(default)]
        key: Key,
        /// The value to store.
        value: Value,
    },
    /// Set the register named `key` to `new` if it holds `expected` (compare-and-set).
    Cas {
        /// The register.
        #[serde(default)]
        key: Key,
        /// The value that it must hold before.
        expected: Value,
        /// The value to store.
        new: Value,
    },
    /// Append `value` to the text or the list named `key`.
    Append {
        /// The text or list.
        #[serde(default)]
        key: Key,
        /// What is appended: text to a text, an element to a list.
        value: Value,
    },
    /// Add `value` to the set or the counter named `key`.
    Add {
        /// The set or counter.
        #[serde(default)]
        key: Key,
        /// The element, or the amount (negative to subtract).
        value: Value,
    },
    /// Take `value` out of the set named `key`.
    Remove {
        /// The set.
        #[serde(default)]
        key: Key,
        /// The element.
        value: Value,
    },
    /// Take the lock named `key`. A fenced lock answers with its token.
    Acquire {
        /// The lock.
        #[serde(default)]
        key: Key,
    },
    /// Take the lock named `key` if it is free: the answer is `true` or a token, or `false` if it was held.
    TryAcquire {
        /// The lock.
        #[serde(default)]
        key: Key,
    },
    /// Give the lock named `key` back.
    Release {
        /// The lock.
        #[serde(default)]
        key: Key,
    },
    /// Put `value` into the queue named `key`.
    Enqueue {
        /// The queue.
        #[serde(default)]
        key: Key,
        /// The element.
        value: Value,
    },
    /// Take an element out of the queue named `key`; the answer is the element, or nil for an empty queue.
    Dequeue {
        /// The queue.
        #[serde(default)]
        key: Key,
    },
    /// Move money between two accounts of the bank named `key`.
    Transfer {
        /// The bank.
        #[serde(default)]
        key: Key,
        /// What was asked: a map of `:from`, `:to` and `:amount`, as Jepsen's `tests/bank` has it.
        value: Value,
    },
    /// Make an id that was never handed out before; the answer is the id.
    Generate {
        /// The generator.
        #[serde(default)]
        key: Key,
    },
    /// Receive every change of the register named `key` since revision `from`. The answer is a list of two:
    /// the revision up to which changes were received, which is at least the store's own when the watch was
    /// invoked; and the changes with revisions from `from` up to that one, each a list of its revision and
    /// the value that was written. Where the store had dropped some of those revisions, the list has a third
    /// part: the first revision from which all changes were received.
    Watch {
        /// The register.
        #[serde(default)]
        key: Key,
        /// The first revision to receive.
        from: i64,
    },
    /// Do several things at once, all or nothing. The answer is a list with a value for each micro-operation:
    /// what a read saw, nil for the others.
    Txn {
        /// The group of objects that the micro-operations address; nil where there is only one.
        #[serde(default)]
        key: Key,
        /// The micro-operations, in order.
        micro_ops: Vec<MicroOp>,
    },
}

/// One step of an [`Op::Txn`].
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "f", rename_all = "kebab-case", deny_unknown_fields)]
pub enum MicroOp {
    /// Read the register or list named `key`.
    Read {
        /// The object.
        key: Key,
    },
    /// Set the register named `key` to `value`.
    Write {
        /// The object.
        key: Key,
        /// The value to store.
        value: Value,
    },
    /// Append `value` to the list named `key`.
    Append {
        /// The object.
        key: Key,
        /// The element.
        value: Value,
    },
    /// Read how often the object named `key` was changed since it was made, and at which revision of the
    /// whole store it was changed last: the answer is a list of these two numbers, or nil if the object does
    /// not exist. These are the fields `version` and `mod_revision` of etcd's `KeyValue` (etcd API reference,
    /// `mvccpb.KeyValue`).
    Version {
        /// The object.
        key: Key,
    },
}

/// The name of an operation without its arguments.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum OpKind {
    /// [`Op::Read`]
    Read,
    /// [`Op::Write`]
    Write,
    /// [`Op::Cas`]
    Cas,
    /// [`Op::Append`]
    Append,
    /// [`Op::Add`]
    Add,
    /// [`Op::Remove`]
    Remove,
    /// [`Op::Acquire`]
    Acquire,
    /// [`Op::TryAcquire`]
    TryAcquire,
    /// [`Op::Release`]
    Release,
    /// [`Op::Enqueue`]
    Enqueue,
    /// [`Op::Dequeue`]
    Dequeue,
    /// [`Op::Transfer`]
    Transfer,
    /// [`Op::Generate`]
    Generate,
    /// [`Op::Watch`]
    Watch,
    /// [`Op::Txn`]
    Txn,
}

impl Op {
    /// Which operation this is.
    pub fn kind(&self) -> OpKind {
        match self {
            Op::Read { .. } => OpKind::Read,
            Op::Write { .. } => OpKind::Write,
            Op::Cas { .. } => OpKind::Cas,
            Op::Append { .. } => OpKind::Append,
            Op::Add { .. } => OpKind::Add,
            Op::Remove { .. } => OpKind::Remove,
            Op::Acquire { .. } => OpKind::Acquire,
            Op::TryAcquire { .. } => OpKind::TryAcquire,
            Op::Release { .. } => OpKind::Release,
            Op::Enqueue { .. } => OpKind::Enqueue,
            Op::Dequeue { .. } => OpKind::Dequeue,
            Op::Transfer { .. } => OpKind::Transfer,
            Op::Generate { .. } => OpKind::Generate,
            Op::Watch { .. } => OpKind::Watch,
            Op::Txn { .. } => OpKind::Txn,
        }
    }

    /// The object that it addresses.
    pub fn key(&self) -> &Key {
        match self {
            Op::Read { key, .. }
            | Op::Write { key, .. }
            | Op::Cas { key, .. }
            | Op::Append { key, .. }
            | Op::Add { key, .. }
            | Op::Remove { key, .. }
            | Op::Acquire { key, .. }
            | Op::TryAcquire { key, .. }
            | Op::Release { key, .. }
            | Op::Enqueue { key, .. }
            | Op::Dequeue { key, .. }
            | Op::Transfer { key, .. }
            | Op::Generate { key, .. }
            | Op::Watch { key, .. }
            | Op::Txn { key, .. } => key,
        }
    }

    /// Whether it can never change the store, so that its failure is always certain.
    pub fn is_read_only(&self) -> bool {
        match self {
            Op::Read { .. } | Op::Watch { .. } => true,
            Op::Txn { micro_ops, .. } => micro_ops
                .iter()
                .all(|op| matches!(op, MicroOp::Read { .. } | MicroOp::Version { .. })),
            _ => false,
        }
    }
}

impl MicroOp {
    /// The object that it addresses.
    pub fn key(&self) -> &Key {
        match self {
            MicroOp::Read { key }
            | MicroOp::Write { key, .. }
            | MicroOp::Append { key, .. }
            | MicroOp::Version { key } => key,
        }
    }
}

impl OpKind {
    /// All operations, the commonest first.
    pub const ALL: [OpKind; 15] = [
        OpKind::Read,
        OpKind::Write,
        OpKind::Cas,
        OpKind::Append,
        OpKind::Add,
        OpKind::Remove,
        OpKind::Acquire,
        OpKind::TryAcquire,
        OpKind::Release,
        OpKind::Enqueue,
        OpKind::Dequeue,
        OpKind::Transfer,
        OpKind::Generate,
        OpKind::Watch,
        OpKind::Txn,
    ];

    /// The name used in journals, flags and reports.
    pub fn name(self) -> &'static str {
        match self {
            OpKind::Read => "read",
            OpKind::Write => "write",
            OpKind::Cas => "cas",
            OpKind::Append => "append",
            OpKind::Add => "add",
            OpKind::Remove => "remove",
            OpKind::Acquire => "acquire",
            OpKind::TryAcquire => "try-acquire",
            OpKind::Release => "release",
            OpKind::Enqueue => "enqueue",
            OpKind::Dequeue => "dequeue",
            OpKind::Transfer => "transfer",
            OpKind::Generate => "generate",
            OpKind::Watch => "watch",
            OpKind::Txn => "txn",
        }
    }
}

impl fmt::Display for OpKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Display for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Op::Read { key } => write!(f, "read({key})"),
            Op::Write { key, value } => write!(f, "write({key}, {value})"),
            Op::Cas { key, expected, new } => write!(f, "cas({key}, {expected} -> {new})"),
            Op::Append { key, value } => write!(f, "append({key}, {value})"),
            Op::Add { key, value } => write!(f, "add({key}, {value})"),
            Op::Remove { key, value } => write!(f, "remove({key}, {value})"),
            Op::Acquire { key } => write!(f, "acquire({key})"),
            Op::TryAcquire { key } => write!(f, "try-acquire({key})"),
            Op::Release { key } => write!(f, "release({key})"),
            Op::Enqueue { key, value } => write!(f, "enqueue({key}, {value})"),
            Op::Dequeue { key } => write!(f, "dequeue({key})"),
            Op::Transfer { key, value } => write!(f, "transfer({key}, {value})"),
            Op::Generate { key } => write!(f, "generate({key})"),
            Op::Watch { key, from } => write!(f, "watch({key}, from {from})"),
            Op::Txn { micro_ops, .. } => {
                f.write_str("txn(")?;
                for (number, op) in micro_ops.iter().enumerate() {
                    let comma = if number == 0 { "" } else { ", " };
                    match op {
                        MicroOp::Read { key } => write!(f, "{comma}read {key}")?,
                        MicroOp::Write { key, value } => write!(f, "{comma}write {key} {value}")?,
                        MicroOp::Append { key, value } => write!(f, "{comma}append {key} {value}")?,
                        MicroOp::Version { key } => write!(f, "{comma}version {key}")?,
                    }
                }
                f.write_str(")")
            }
        }
    }
}
