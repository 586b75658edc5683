//! What kind of object a client's operations address.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::OpKind;

/// The kind of object that a workload's operations address. The same word can mean different requests: `read`
/// of a register is one value, of a set all its elements. So a client learns the kind before its first
/// operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ObjectKind {
    /// Registers: read, write, cas.
    Register,
    /// Sets that only grow: add, read (a list of the elements, in any order).
    Set,
    /// Counters: add an integer, read.
    Counter,
    /// Counters whose adds clients repeat under a session until they are answered: add, read.
    OnceCounter,
    /// Locks: acquire (answered with a fencing token, an integer, where the store has one), release.
    Lock,
    /// Lists under transactions: txn of read, append, version.
    List,
    /// Registers whose changes can be watched: write (answered with the revision of the write), watch.
    Watched,
}

impl ObjectKind {
    /// All kinds.
    pub const ALL: [ObjectKind; 7] = [
        ObjectKind::Register,
        ObjectKind::Set,
        ObjectKind::Counter,
        ObjectKind::OnceCounter,
        ObjectKind::Lock,
        ObjectKind::List,
        ObjectKind::Watched,
    ];

    /// The operations that such an object supports.
    pub fn operations(self) -> &'static [OpKind] {
        match self {
            ObjectKind::Register => &[OpKind::Read, OpKind::Write, OpKind::Cas],
            ObjectKind::Set | ObjectKind::Counter | ObjectKind::OnceCounter => &[OpKind::Read, OpKind::Add],
            ObjectKind::Lock => &[OpKind::Acquire, OpKind::Release],
            ObjectKind::List => &[OpKind::Txn],
            ObjectKind::Watched => &[OpKind::Write, OpKind::Watch],
        }
    }

    /// The name used in messages and reports.
    pub fn name(self) -> &'static str {
        match self {
            ObjectKind::Register => "register",
            ObjectKind::Set => "set",
            ObjectKind::Counter => "counter",
            ObjectKind::OnceCounter => "counter with sessions",
            ObjectKind::Lock => "lock",
            ObjectKind::List => "list",
            ObjectKind::Watched => "watched register",
        }
    }
}

impl fmt::Display for ObjectKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
