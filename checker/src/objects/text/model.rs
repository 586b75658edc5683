//! A text to which more is appended (`kv-append`).
//!
//! `read` answers with the whole text; nil is the empty text. `write(text)` replaces it, `append(text)` puts
//! more behind it; either may, after `info`, take effect at any time after its invocation, or never; a failed
//! one never does. Every key is a text of its own, empty at first. Source: Porcupine's key-value model with
//! get, put and append, after the 6.824 laboratories.

use std::sync::Arc;

use history::tell;
use history::{Op, Operation, Outcome, Value};

use crate::model::{Effect, Model, Recorded, answer, array_bytes};

/// A text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KvAppend {
    /// What it is at first.
    pub initial: String,
}

/// What can be done to a [`KvAppend`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum KvAppendOp {
    /// It was seen to be this.
    Read(Arc<String>),
    /// It was set to this.
    Write(Arc<String>),
    /// This was put behind it.
    Append(Arc<String>),
}

impl Model for KvAppend {
    type Op = KvAppendOp;
    type State = String;

    fn init(&self) -> String {
        self.initial.clone()
    }

    fn apply(&self, state: &mut String, op: &KvAppendOp) -> bool {
        match op {
            KvAppendOp::Read(seen) => return *state == **seen,
            KvAppendOp::Write(text) => state.clone_from(text),
            KvAppendOp::Append(text) => state.push_str(text),
        }
        true
    }

    fn effect(&self, op: &KvAppendOp) -> Effect {
        match op {
            KvAppendOp::Read(_) => Effect::Pure,
            KvAppendOp::Write(_) => Effect::Overwrite,
            KvAppendOp::Append(_) => Effect::Change,
        }
    }

    fn heap_bytes(&self, state: &Self::State) -> usize {
        array_bytes::<u8>(state.capacity())
    }

    fn describe(&self, state: &Self::State) -> Option<String> {
        Some(format!(
            "the value is {}",
            tell::value(&Value::text(state.as_str()))
        ))
    }
}

impl Recorded for KvAppend {
    fn op(&self, operation: &Operation) -> Option<KvAppendOp> {
        match (&operation.op, &operation.outcome) {
            (Op::Read { .. }, Outcome::Ok(_)) => Some(KvAppendOp::Read(text(answer(operation)?)?)),
            (_, Outcome::Fail(_)) => None,
            (Op::Write { value, .. }, _) => Some(KvAppendOp::Write(text(value)?)),
            (Op::Append { value, .. }, _) => Some(KvAppendOp::Append(text(value)?)),
            _ => None,
        }
    }
}

pub(super) fn text(value: &Value) -> Option<Arc<String>> {
    match value {
        Value::Nil => Some(Arc::default()),
        Value::Text(text) => Some(text.clone()),
        _ => None,
    }
}

pub(super) const WRONG_INITIAL: &str = "a text begins with a text";

pub(super) fn readable(operation: &Operation) -> Result<(), &'static str> {
    let is_readable = match &operation.op {
        Op::Write { value, .. } | Op::Append { value, .. } => text(value).is_some(),
        _ => answer(operation).is_none_or(|value| text(value).is_some()),
    };
    is_readable.then_some(()).ok_or("a text")
}
