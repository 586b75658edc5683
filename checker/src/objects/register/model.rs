//! One register with read, write and compare-and-set (`register`, `cas-register`).

use history::{Answer, Failure, History, Op, OpKind, Operation, Outcome, Value};

use super::exact::{self, Exact};
use super::monitor::watch_register;
use super::prepare::{Needed, Prepared};
use super::rearrange::Arrangement;
use super::silent_cas::{Placed, place};
use super::{projection, returns};
use crate::consistency::weaken;
use crate::engine::search::{Limits, Search, Searched, Tried};
use crate::engine::validate;
use crate::model::{Call, Calls, Effect, Model, Recorded};
use crate::objects::{Entry, by_search, searched};
use crate::verdict::{Algorithm, Conflict, Decision};
use crate::{Options, sentences};
use history::tell;

pub(crate) const CAS_REGISTER: Entry = Entry {
    name: "cas-register",
    about: "a register with read, write and compare-and-set",
    promise: "linearizable",
    operations: &[OpKind::Read, OpKind::Write, OpKind::Cas],
    per_key: true,
    suits: |seen| !seen.is_versioned() && (seen.kinds.contains(&OpKind::Cas) || seen.kinds.is_empty()),
    initial: || Value::Nil,
    readable: None,
    weaken: |history, initial, limits| Ok(weaken(history, initial, limits)),
    account: None,
    watch: watch_register,
    decide,
};

pub(crate) const REGISTER: Entry = Entry {
    name: "register",
    about: "a register with read and write",
    promise: "linearizable",
    operations: &[OpKind::Read, OpKind::Write],
    suits: |seen| !seen.is_versioned(),
    ..CAS_REGISTER
};

/// How many operations the projections to single values may have together.
const MOST_PROJECTED: usize = 20_000_000;

/// How many other orders are tried.
const MOST_ORDERS: usize = 100;

/// A register.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Register {
    /// What it holds before the first write.
    pub initial: Value,
}

/// What can be done to a [`Register`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum RegisterOp {
    /// It was seen to hold this: by a read, or by a cas that failed and told what it found.
    Read(Value),
    /// It was seen to hold something else: by a cas that failed and did not tell what it found.
    Not(Value),
    /// It was seen to hold the first value and not the second: impossible where they are equal.
    Found(Value, Value),
    /// It was set to this.
    Write(Value),
    /// It held the first value and was set to the second.
    Cas(Value, Value),
}

impl RegisterOp {
    fn values(&self) -> impl Iterator<Item = &Value> {
        let (first, second) = match self {
            RegisterOp::Read(value) | RegisterOp::Not(value) | RegisterOp::Write(value) => (value, None),
            RegisterOp::Found(value, other) | RegisterOp::Cas(value, other) => (value, Some(other)),
        };
        [Some(first), second].into_iter().flatten()
    }
}

impl Model for Register {
    type Op = RegisterOp;
    type State = Value;

    fn init(&self) -> Value {
        self.initial.clone()
    }

    fn apply(&self, state: &mut Value, op: &RegisterOp) -> bool {
        match self.step(state, op) {
            Some(next) => {
                *state = next;
                true
            }
            None => false,
        }
    }

    /// Without a copy of a state that is only looked at: the search asks for nothing as often as for this.
    fn step(&self, state: &Value, op: &RegisterOp) -> Option<Value> {
        let keep = |legal: bool| legal.then(|| state.clone());
        match op {
            RegisterOp::Read(value) => keep(state == value),
            RegisterOp::Not(value) => keep(state != value),
            RegisterOp::Found(value, not) => keep(state == value && state != not),
            RegisterOp::Write(value) => Some(value.clone()),
            RegisterOp::Cas(expected, new) => (state == expected).then(|| new.clone()),
        }
    }

    fn effect(&self, op: &RegisterOp) -> Effect {
        match op {
            RegisterOp::Read(_) | RegisterOp::Not(_) | RegisterOp::Found(..) => Effect::Pure,
            RegisterOp::Write(_) => Effect::Overwrite,
            RegisterOp::Cas(..) => Effect::Change,
        }
    }

    fn describe(&self, state: &Value) -> Option<String> {
        Some(format!("the value is {}", tell::value(state)))
    }
}

impl Recorded for Register {
    fn op(&self, operation: &Operation) -> Option<RegisterOp> {
        match (&operation.op, &operation.outcome) {
            (Op::Read { .. }, Outcome::Ok(Answer { value: Some(value) })) => {
                Some(RegisterOp::Read(value.clone()))
            }
            (Op::Write { value, .. }, Outcome::Ok(_) | Outcome::Info(_)) => {
                Some(RegisterOp::Write(value.clone()))
            }
            (Op::Cas { expected, .. }, Outcome::Fail(Failure::Mismatch { current })) => Some(match current {
                Some(current) if current == expected => RegisterOp::Found(current.clone(), expected.clone()),
                Some(current) => RegisterOp::Read(current.clone()),
                None => RegisterOp::Not(expected.clone()),
            }),
            // It changed nothing, and so it is as good as a read; open it tells nothing.
            (Op::Cas { expected, new, .. }, Outcome::Ok(_)) if expected == new => {
                Some(RegisterOp::Read(new.clone()))
            }
            (Op::Cas { expected, new, .. }, Outcome::Info(_)) if expected == new => None,
            (Op::Cas { expected, new, .. }, Outcome::Ok(_) | Outcome::Info(_)) => {
                Some(RegisterOp::Cas(expected.clone(), new.clone()))
            }
            // An open read may be left out, a read without its value says nothing, and what failed did not happen.
            _ => None,
        }
    }
}

/// Judges one register: exactly where every value is written once, else by the search.
fn decide(history: &History, indices: &[usize], options: &Options) -> (Decision, Algorithm) {
    let register = Register {
        initial: options.initial(),
    };
    let Some(prepared) = Prepared::new(history, indices, &register.initial) else {
        return by_search(&register, history, indices, options);
    };
    let needed = prepared.needed();
    let contradiction = |proof, algorithm| {
        let conflict = sentences::conflict(history, &register.initial, proof);
        let decision = match validate::conflict(&register.initial, history, indices, &conflict) {
            Ok(()) => Decision::Invalid(Box::new(Conflict {
                confirmed: true,
                ..conflict
            })),
            Err(why) => Decision::Unknown(format!("internal: the conflict is wrong: {why}")),
        };
        (decision, algorithm)
    };
    match exact::decide(&prepared, &needed) {
        Exact::Contradiction(proof) => return contradiction(proof, Algorithm::REGISTER_EXACT),
        Exact::Order(arrangement) => match arrange(&prepared, &needed, arrangement) {
            Placed::Order(order) => {
                // What is not needed any more makes room for the validation.
                drop((prepared, needed));
                let decision = match validate::register(&register.initial, history, indices, &order) {
                    Ok(()) => Decision::Valid(order),
                    Err(why) => Decision::Unknown(format!("internal: the linearization is wrong: {why}")),
                };
                return (decision, Algorithm::REGISTER_EXACT);
            }
            Placed::Contradiction(proof) => return contradiction(proof, Algorithm::REGISTER_EXACT),
            Placed::Misfit(_) => {}
        },
        Exact::Repeated => {
            if let Some(proof) = returns::too_often(&prepared) {
                return contradiction(proof, Algorithm::COUNTING);
            }
        }
    }
    // A cas that failed without telling what it found may have been made to fail by any open operation; otherwise those
    // that nobody can have noticed are left out.
    let any_not = prepared.steps.iter().any(|step| step.lacked().is_some());
    let steps = prepared.steps.iter().enumerate();
    let worth: Vec<usize> = steps
        .filter(|(number, _)| any_not || needed.keep[*number])
        .map(|(_, step)| step.index as usize)
        .collect();
    let calls = Calls::read(&register, history, &worth);
    let found = search_register(&register, &calls.calls, &options.limits);
    (searched(&register, history, &calls, found), Algorithm::SEARCH)
}

/// Places the cas that failed without telling what they found, in other orders where they do not fit into the first one.
fn arrange(prepared: &Prepared, needed: &Needed, mut arrangement: Arrangement) -> Placed {
    for _ in 0..MOST_ORDERS {
        let placed = place(prepared, needed, &arrangement.flow, &arrangement.order);
        let Placed::Misfit(number) = placed else {
            return placed;
        };
        let step = prepared.step(number);
        if !step
            .lacked()
            .is_some_and(|value| arrangement.make_room(prepared, step, value))
        {
            return placed;
        }
    }
    place(prepared, needed, &arrangement.flow, &arrangement.order)
}

/// The search, with the projections to single values as refuters in between.
fn search_register(register: &Register, calls: &[Call<RegisterOp>], limits: &Limits) -> Searched {
    let mut search = match Search::new(register, calls, limits) {
        Ok(search) => search,
        Err(number) => return Searched::GaveUp(format!("call {number} ends before it begins")),
    };
    if let Tried::Decided(searched) = search.narrow(0) {
        return searched;
    }
    let mut values: Vec<&Value> = calls.iter().flat_map(|call| call.op.values()).collect();
    values.sort_unstable();
    values.dedup();
    // With as many values as operations that would take as long as their product.
    if values.len().saturating_mul(calls.len()) > MOST_PROJECTED {
        values.clear();
    }
    for value in values {
        if let Some(blocking) = projection::refute(&register.initial, calls, value, limits) {
            return search.stuck_at(blocking);
        }
    }
    search.run(1)
}
