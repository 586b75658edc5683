//! One register: with read, write and compare-and-set, or without the last (`cas-register`, `register`).

mod blocks;
mod earliest_conflict;
mod exact;
mod growing_blocks;
mod model;
mod monitor;
mod prepare;
mod projection;
mod proof;
mod rearrange;
mod returns;
mod sentences;
mod silent_cas;
pub mod validate;

use history::{History, OpKind, Value};

use crate::consistency::weaken;
use crate::engine::by_search::{by_search, searched};
use crate::engine::search::{Limits, Search, Searched, Tried};
use crate::model::{Call, Calls};
use crate::objects::entry::Entry;
use crate::verdict::{Algorithm, Conflict, Decision};
use exact::Exact;
use monitor::register_monitor;
use prepare::{Needed, Prepared};
use rearrange::Arrangement;
use silent_cas::{Placed, place};

pub use model::{Register, RegisterOp};

pub(crate) const CAS_REGISTER: Entry = Entry {
    name: "cas-register",
    about: "a register with read, write and compare-and-set",
    promise: "linearizable",
    operations: &[OpKind::Read, OpKind::Write, OpKind::Cas],
    per_key: true,
    suits: |seen| {
        let is_own = seen.kinds.contains(&OpKind::Cas) || seen.kinds.is_empty();
        !seen.is_versioned() && seen.is_of_registers() && is_own
    },
    initial: || Value::Nil,
    initial_is: |_| Ok(()),
    owned: false,
    readable: None,
    weaken: |history, initial, limits| Ok(weaken(history, initial, limits)),
    account: None,
    monitor: register_monitor,
    ways: &[Algorithm::REGISTER_EXACT, Algorithm::COUNTING, Algorithm::SEARCH],
    decide,
};

pub(crate) const REGISTER: Entry = Entry {
    name: "register",
    about: "a register with read and write",
    promise: "linearizable",
    operations: &[OpKind::Read, OpKind::Write],
    suits: |seen| !seen.is_versioned() && seen.is_of_registers(),
    ..CAS_REGISTER
};

/// How many operations the projections to single values may have together.
const MOST_PROJECTED: usize = 20_000_000;

/// How many other orders are tried.
const MOST_ORDERS: usize = 100;

/// Judges one register: exactly where every value is written once, else by the search.
fn decide(history: &History, indices: &[usize], initial: &Value, limits: &Limits) -> (Decision, Algorithm) {
    let register = Register {
        initial: initial.clone(),
    };
    let Some(prepared) = Prepared::new(history, indices, &register.initial) else {
        return by_search(&register, history, indices, limits);
    };
    let needed = prepared.needed();
    let contradiction = |proof, algorithm| {
        let conflict = sentences::conflict(history, &register.initial, proof);
        let decision = match validate::conflict(&register.initial, history, indices, &conflict) {
            Ok(()) => Decision::Invalid(Box::new(Conflict {
                confirmed: true,
                ..conflict
            })),
            Err(why) => Decision::unknown(format!("internal: the conflict is wrong: {why}")),
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
                    Err(why) => Decision::unknown(format!("internal: the linearization is wrong: {why}")),
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
    // A cas that failed without telling what it found may have been made to fail by any open operation;
    // otherwise those that no one can have noticed are left out.
    let any_not = prepared.steps.iter().any(|step| step.lacked().is_some());
    let steps = prepared.steps.iter().enumerate();
    let worth: Vec<usize> = steps
        .filter(|(number, _)| any_not || needed.keep[*number])
        .map(|(_, step)| step.index as usize)
        .collect();
    let calls = Calls::read(&register, history, &worth);
    let found = search_register(&register, &calls.calls, limits);
    (searched(&register, history, &calls, found), Algorithm::SEARCH)
}

/// Places the cas that failed without telling what they found, in other orders where they do not fit into the
/// first one.
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
        Err(number) => return Searched::GaveUp(format!("call {number} ends before it begins").into()),
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
