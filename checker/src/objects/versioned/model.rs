//! A register that counts its versions (`versioned-register`).
//!
//! `write(value)` and `cas(expected, new)` give the register a new version, an integer greater than the one
//! before; they may answer with it. `read` answers `[version, value]`, or nil while the register was never
//! written: version 0. Versions need not be consecutive: etcd's `mod_revision` of a key counts the writes of
//! the whole store. A cas that failed and told what it found is a read of the value alone. Where a version is
//! not told, it is one that no one saw. An initial value other than nil has some version. What ended with
//! `info` may take effect at any time after its invocation, or never; a failed one never does. Source: the
//! etcd API, `KeyValue.mod_revision`, "KV API guarantees".

use history::tell;
use history::{Failure, Op, Operation, Outcome, Value};

use crate::engine::publish::Projected;
use crate::model::{Effect, Model, Recorded, answer};

/// A register that counts its versions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VersionedRegister {
    /// What it holds before the first write.
    pub initial: Value,
}

/// What can be done to a [`VersionedRegister`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum VersionedRegisterOp {
    /// It was seen to have this version and to hold this.
    Read(i64, Value),
    /// It was seen to hold this.
    Saw(Value),
    /// It was seen to hold something else.
    Not(Value),
    /// It was seen to hold the first value and not the second: impossible where they are equal.
    Found(Value, Value),
    /// It was set to this, and got this version if it is known.
    Write(Value, Option<i64>),
    /// It held the first value and was set to the second, and got this version if it is known.
    Cas(Value, Value, Option<i64>),
}

/// What a [`VersionedRegister`] holds.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct VersionedRegisterState {
    value: Value,
    /// The smallest version that it can have.
    version: i128,
    /// Whether that is known to be its version.
    is_exact: bool,
}

impl VersionedRegisterState {
    /// Gives it a new version, and says whether that is greater than the one before.
    fn set(&mut self, new: &Value, version: Option<i64>) -> bool {
        let lowest = self.version + 1;
        self.value = new.clone();
        self.version = version.map_or(lowest, i128::from);
        self.is_exact = version.is_some();
        self.version >= lowest
    }
}

impl Model for VersionedRegister {
    type Op = VersionedRegisterOp;
    type State = VersionedRegisterState;

    fn init(&self) -> VersionedRegisterState {
        VersionedRegisterState {
            value: self.initial.clone(),
            version: 0,
            is_exact: self.initial.is_nil(),
        }
    }

    fn apply(&self, state: &mut VersionedRegisterState, op: &VersionedRegisterOp) -> bool {
        use VersionedRegisterOp::{Cas, Found, Not, Read, Saw, Write};
        match op {
            Read(version, value) => {
                let version = i128::from(*version);
                let is_legal = if state.is_exact {
                    version == state.version
                } else {
                    version >= state.version
                };
                (state.version, state.is_exact) = (version, true);
                is_legal && state.value == *value
            }
            Saw(value) => state.value == *value,
            Not(value) => state.value != *value,
            Found(value, not) => state.value == *value && value != not,
            Write(new, version) => state.set(new, *version),
            Cas(expected, new, version) => state.value == *expected && state.set(new, *version),
        }
    }

    fn effect(&self, op: &VersionedRegisterOp) -> Effect {
        use VersionedRegisterOp::{Cas, Found, Not, Read, Saw, Write};
        match op {
            Saw(_) | Not(_) | Found(..) => Effect::Pure,
            // A read can tell a version that was not known before.
            Read(..) | Write(..) | Cas(..) => Effect::Change,
        }
    }

    fn describe(&self, state: &Self::State) -> Option<String> {
        let version = match state.is_exact {
            true => format!(" at version {}", state.version),
            false => String::new(),
        };
        Some(format!("the value is {}{version}", tell::value(&state.value)))
    }
}

/// The parts are versions with their values, as in answers. A write whose version is not known can have made
/// one that holds what it wrote. A cas is as good as a write, for what it expected may be gone.
impl Projected for VersionedRegister {
    fn project(&self, op: &VersionedRegisterOp, parts: &[Value]) -> Option<VersionedRegisterOp> {
        use VersionedRegisterOp::{Cas, Read, Write};
        let parts = || parts.iter().filter_map(versioned);
        let is_part = |version: i64| parts().any(|(part, _)| part == version);
        match op {
            Read(version, _) => is_part(*version).then(|| op.clone()),
            Write(new, version) | Cas(_, new, version) => {
                let made_part = version.map_or_else(|| parts().any(|(_, value)| value == new), is_part);
                made_part.then(|| Write(new.clone(), *version))
            }
            _ => None,
        }
    }
}

impl Recorded for VersionedRegister {
    fn op(&self, operation: &Operation) -> Option<VersionedRegisterOp> {
        use VersionedRegisterOp::{Cas, Found, Not, Read, Saw, Write};
        match (&operation.op, &operation.outcome) {
            (Op::Read { .. }, Outcome::Ok(_)) => {
                let (version, value) = versioned(answer(operation)?)?;
                Some(Read(version, value.clone()))
            }
            (Op::Cas { expected, .. }, Outcome::Fail(Failure::Mismatch { current })) => Some(match current {
                Some(current) if current == expected => Found(current.clone(), expected.clone()),
                Some(current) => Saw(current.clone()),
                None => Not(expected.clone()),
            }),
            (_, Outcome::Fail(_)) => None,
            (Op::Write { value, .. }, _) => Some(Write(value.clone(), version(operation))),
            (Op::Cas { expected, new, .. }, _) => {
                Some(Cas(expected.clone(), new.clone(), version(operation)))
            }
            _ => None,
        }
    }
}

/// The version that a write answered with.
fn version(operation: &Operation) -> Option<i64> {
    match answer(operation) {
        Some(Value::Int(version)) => Some(*version),
        _ => None,
    }
}

/// The version and the value of a read's answer.
fn versioned(answer: &Value) -> Option<(i64, &Value)> {
    const NIL: &Value = &Value::Nil;
    match answer {
        Value::Nil => Some((0, NIL)),
        Value::List(pair) => match &pair[..] {
            [Value::Int(version), value] => Some((*version, value)),
            _ => None,
        },
        _ => None,
    }
}

pub(super) fn readable(operation: &Operation) -> Result<(), &'static str> {
    let is_readable = answer(operation).is_none_or(|answer| match operation.op {
        Op::Read { .. } => versioned(answer).is_some(),
        _ => matches!(answer, Value::Int(_) | Value::Nil),
    });
    is_readable.then_some(()).ok_or("a version")
}
