//! The closed vocabulary of operations that clients ask of a store.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{Key, Value};

/// One operation, as a client asks it of a store.
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
        /// What it shall hold.
        value: Value,
    },
    /// Set the register named `key` to `new` if it holds `expected` (compare-and-set).
    Cas {
        /// The register.
        #[serde(default)]
        key: Key,
        /// What it must hold.
        expected: Value,
        /// What it shall hold.
        new: Value,
    },
}

/// The name of an operation without its arguments.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OpKind {
    /// [`Op::Read`]
    Read,
    /// [`Op::Write`]
    Write,
    /// [`Op::Cas`]
    Cas,
}

impl Op {
    /// Which operation this is.
    pub fn kind(&self) -> OpKind {
        match self {
            Op::Read { .. } => OpKind::Read,
            Op::Write { .. } => OpKind::Write,
            Op::Cas { .. } => OpKind::Cas,
        }
    }

    /// The object that it addresses.
    pub fn key(&self) -> &Key {
        match self {
            Op::Read { key } | Op::Write { key, .. } | Op::Cas { key, .. } => key,
        }
    }

    /// Whether it can never change the store, so that its failure is always certain.
    pub fn is_read_only(&self) -> bool {
        match self {
            Op::Read { .. } => true,
            Op::Write { .. } | Op::Cas { .. } => false,
        }
    }
}

impl OpKind {
    /// The name used in journals, flags and reports.
    pub fn name(self) -> &'static str {
        match self {
            OpKind::Read => "read",
            OpKind::Write => "write",
            OpKind::Cas => "cas",
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
        }
    }
}
