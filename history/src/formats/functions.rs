//! What a Jepsen operation is called (`:f`), and which operation that is.

use crate::OpKind;

/// The names of the operations that readers know, human-readable.
pub(crate) const KNOWN: &str = "read r get read-init, write w put, cas, append, add, inc incr increment, dec decr \
                                decrement, remove delete, acquire lock, try-acquire try-lock, release unlock, enqueue, \
                                dequeue, drain, transfer, generate, txn";

/// The field `f`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Function {
    Op(OpKind),
    /// Adds to a counter: 1 where it names no amount.
    Increment,
    /// Subtracts from a counter, likewise.
    Decrement,
    /// Takes all elements out of a queue.
    Drain,
    /// Of the nemesis, or unknown.
    Other(Box<str>),
}

impl Function {
    /// `name` is without colon; a namespace plays no role.
    pub fn parse(name: &str) -> Self {
        let local = name.rsplit('/').next().unwrap_or(name);
        Function::Op(match local {
            // The first read of a register in Jepsen's tests/causal.
            "read" | "r" | "get" | "read-init" => OpKind::Read,
            "write" | "w" | "put" => OpKind::Write,
            "cas" => OpKind::Cas,
            "append" => OpKind::Append,
            "add" => OpKind::Add,
            "inc" | "incr" | "increment" => return Function::Increment,
            "dec" | "decr" | "decrement" => return Function::Decrement,
            "remove" | "delete" => OpKind::Remove,
            "acquire" | "lock" => OpKind::Acquire,
            "try-acquire" | "try-lock" => OpKind::TryAcquire,
            "release" | "unlock" => OpKind::Release,
            "enqueue" => OpKind::Enqueue,
            "dequeue" => OpKind::Dequeue,
            "transfer" => OpKind::Transfer,
            "generate" => OpKind::Generate,
            "watch" => OpKind::Watch,
            "txn" => OpKind::Txn,
            "drain" => return Function::Drain,
            _ => return Function::Other(name.into()),
        })
    }

    /// Whether its completion brings an answer that its invocation cannot hold.
    pub fn is_answered(&self) -> bool {
        use OpKind::{Acquire, Dequeue, Generate, Read, Release, TryAcquire};
        matches!(
            self,
            Function::Drain | Function::Op(Read | Dequeue | Generate | Acquire | TryAcquire | Release)
        )
    }

    /// Whether it is none that clients are known to invoke, nor their words.
    pub fn is_unknown(&self) -> bool {
        matches!(self, Function::Other(name) if &**name != "log")
    }

    pub fn name(&self) -> &str {
        match self {
            Function::Op(kind) => kind.name(),
            Function::Increment => "increment",
            Function::Decrement => "decrement",
            Function::Drain => "drain",
            Function::Other(name) => name,
        }
    }
}
