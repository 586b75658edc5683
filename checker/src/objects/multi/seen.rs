//! Registers as far as anyone can tell them apart: values that no one compared with anything are one.
//!
//! For the search: a register that no one reads is always the same, and so are all that no one reads again in
//! it. Values are merged that allow the same operations for ever, which changes no verdict.

use history::{Key, Value};
use rustc_hash::FxHashMap;

use super::model::{MultiRegister, RegisterMicro};
use crate::model::{Call, Effect, Model, array_bytes};

/// A value of a register, by number; 0 for all that no one compared with anything.
type Number = u32;

/// Registers of which nothing is known but what answers can show.
pub(super) struct SeenRegisters {
    initial: Vec<Number>,
}

/// One step of what is done to [`SeenRegisters`]; registers and values by number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum SeenMicro {
    /// A register was seen to hold this.
    Read(u32, Number),
    /// A register was seen to hold something else.
    Not(u32, Number),
    /// A register was set to this.
    Write(u32, Number),
}

impl SeenRegisters {
    /// The registers of these calls, and what they do to them.
    pub fn new(
        registers: &MultiRegister,
        calls: &[Call<Vec<RegisterMicro>>],
    ) -> (Self, Vec<Call<Vec<SeenMicro>>>) {
        let mut keys: FxHashMap<&Key, u32> = FxHashMap::default();
        let mut values: FxHashMap<(&Key, &Value), Number> = FxHashMap::default();
        for micro in calls.iter().flat_map(|call| &call.op) {
            let (count, next) = (keys.len() as u32, values.len() as Number + 1);
            if let RegisterMicro::Read(key, value) | RegisterMicro::Not(key, value) = micro {
                keys.entry(key).or_insert(count);
                values.entry((key, value)).or_insert(next);
            }
        }
        let value = |key: &Key, value: &Value| values.get(&(key, value)).copied().unwrap_or(0);
        // A register that no one looks at has no number.
        let micro = |micro: &RegisterMicro| match micro {
            RegisterMicro::Read(key, seen) => Some(SeenMicro::Read(keys[key], value(key, seen))),
            RegisterMicro::Not(key, other) => Some(SeenMicro::Not(keys[key], value(key, other))),
            RegisterMicro::Write(key, new) => Some(SeenMicro::Write(*keys.get(key)?, value(key, new))),
        };
        let call = |call: &Call<Vec<RegisterMicro>>| Call {
            op: call.op.iter().filter_map(micro).collect(),
            start: call.start,
            finish: call.finish,
        };
        let mut initial = vec![0; keys.len()];
        for (key, number) in &keys {
            initial[*number as usize] = value(key, &registers.initial);
        }
        (SeenRegisters { initial }, calls.iter().map(call).collect())
    }
}

impl Model for SeenRegisters {
    type Op = Vec<SeenMicro>;
    /// What each register holds.
    type State = Vec<Number>;

    const LOOPS: bool = true;

    fn init(&self) -> Self::State {
        self.initial.clone()
    }

    fn apply(&self, state: &mut Self::State, op: &Self::Op) -> bool {
        op.iter().all(|micro| match *micro {
            SeenMicro::Read(register, value) => state[register as usize] == value,
            SeenMicro::Not(register, value) => state[register as usize] != value,
            SeenMicro::Write(register, value) => {
                state[register as usize] = value;
                true
            }
        })
    }

    fn effect(&self, op: &Self::Op) -> Effect {
        match op.iter().any(|micro| matches!(micro, SeenMicro::Write(..))) {
            true => Effect::Change,
            false => Effect::Pure,
        }
    }

    fn heap_bytes(&self, state: &Self::State) -> usize {
        array_bytes::<Number>(state.capacity())
    }
}
