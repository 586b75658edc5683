//! A register seen through one value: does it hold this value or not?
//!
//! Every linearization of the register is one of this model, so if there is none here, there is none at all.
//! The model has two states and few kinds of operations, so the search stays small where the register's own
//! explodes: above all when a value comes back more often than there are operations that can have brought it.
//!
//! Invariant: only a refusal counts; that the projections all have an order says nothing.

use history::{OPEN, Value};

use super::RegisterOp;
use crate::engine::search::{Limits, Search};
use crate::model::{Call, Effect, Model};

/// A register that is only asked whether it holds one value.
struct Holds {
    at_first: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum HoldsOp {
    /// It was seen to hold the value, or not to.
    Seen(bool),
    /// It was made to hold the value, or another one, whatever it held.
    Made(bool),
    /// It was changed to this from the contrary.
    Changed(bool),
}

impl Model for Holds {
    type Op = HoldsOp;
    type State = bool;

    fn init(&self) -> bool {
        self.at_first
    }

    fn apply(&self, state: &mut bool, op: &HoldsOp) -> bool {
        match *op {
            HoldsOp::Seen(holds) => holds == *state,
            HoldsOp::Made(holds) => {
                *state = holds;
                true
            }
            HoldsOp::Changed(holds) => std::mem::replace(state, holds) != holds,
        }
    }

    fn effect(&self, op: &HoldsOp) -> Effect {
        match op {
            HoldsOp::Seen(_) => Effect::Pure,
            HoldsOp::Made(_) => Effect::Overwrite,
            HoldsOp::Changed(_) => Effect::Change,
        }
    }
}

/// What an operation means for the question whether the register holds `value`; `None` if nothing.
fn project(op: &RegisterOp, value: &Value) -> Option<HoldsOp> {
    Some(match op {
        RegisterOp::Read(seen) | RegisterOp::Found(seen, _) => HoldsOp::Seen(seen == value),
        RegisterOp::Not(other) if other == value => HoldsOp::Seen(false),
        RegisterOp::Not(_) => return None,
        RegisterOp::Write(new) => HoldsOp::Made(new == value),
        RegisterOp::Cas(expected, new) => match (expected == value, new == value) {
            (false, false) => HoldsOp::Seen(false),
            (true, false) => HoldsOp::Changed(false),
            (false, true) => HoldsOp::Changed(true),
            (true, true) => HoldsOp::Seen(true),
        },
    })
}

/// A call, by number, before whose completion there is no order, because of what was seen of `value`.
pub(crate) fn refute(
    initial: &Value,
    calls: &[Call<RegisterOp>],
    value: &Value,
    limits: &Limits,
) -> Option<usize> {
    let mut numbers = Vec::new();
    let mut projected = Vec::new();
    for (number, call) in calls.iter().enumerate() {
        let Some(op) = project(&call.op, value) else {
            continue;
        };
        // What may be left out need not insist on the contrary.
        let op = match op {
            HoldsOp::Changed(holds) if call.finish == OPEN => HoldsOp::Made(holds),
            op => op,
        };
        numbers.push(number);
        projected.push(Call {
            op,
            start: call.start,
            finish: call.finish,
        });
    }
    let model = Holds {
        at_first: initial == value,
    };
    let mut search = Search::new(&model, &projected, limits).ok()?;
    search.refute().map(|number| numbers[number])
}
