//! Re-checks what the algorithms claim about any model, without knowing how they came to it.
//!
//! Invariant: [`linearization`] uses nothing but the model and real time.

use history::OPEN;
use rustc_hash::FxHashSet;

use crate::engine::second_opinion::{Replay, replay};
use crate::model::{Call, Calls, Model};
use crate::verdict::Conflict;

/// Whether `order`, a list of numbers of calls, is a linearization: it respects real time, holds every
/// definite call once, and the model explains every answer.
///
/// # Errors
/// What is wrong with it.
pub fn linearization<M: Model>(model: &M, calls: &[Call<M::Op>], order: &[usize]) -> Result<(), String> {
    let mut placed = vec![false; calls.len()];
    // More than one only where the model leaves a choice.
    let (mut states, mut next) = (vec![model.init()], Vec::new());
    let mut latest_start = 0;
    for &number in order {
        let call = calls.get(number).ok_or("it names a call that does not exist")?;
        if std::mem::replace(&mut placed[number], true) {
            return Err(format!("call {number} stands there twice"));
        }
        if call.finish < latest_start {
            return Err(format!(
                "call {number} had completed before one that stands before it began"
            ));
        }
        latest_start = latest_start.max(call.start);
        if !step_all(model, &call.op, &mut states, &mut next) {
            return Err(format!("the model does not explain call {number}"));
        }
    }
    match (0..calls.len()).find(|&number| !placed[number] && calls[number].finish != OPEN) {
        Some(number) => Err(format!("call {number} is missing")),
        None => Ok(()),
    }
}

/// Replaces the states that are possible before `op` by those that are possible after it; whether there is
/// any. `next` is room to work in.
fn step_all<M: Model>(model: &M, op: &M::Op, states: &mut Vec<M::State>, next: &mut Vec<M::State>) -> bool {
    // A state may be large, and a long order passes through many: where there is one it is changed where it
    // is.
    if let [state] = states.as_mut_slice()
        && !model.branches(op)
    {
        return model.apply(state, op);
    }
    for state in states.drain(..) {
        model.steps(&state, op, next);
    }
    std::mem::swap(states, next);
    let mut seen = FxHashSet::default();
    states.retain(|state| seen.insert(state.clone()));
    !states.is_empty()
}

/// Whether the operations up to the completion that a [`Rule::NoOrder`](crate::Rule::NoOrder) names first
/// have no order, and the prefix is one of operations at the beginning. `Ok(false)` if the former could
/// neither be confirmed nor refuted within limits.
///
/// # Errors
/// What is wrong with it.
pub fn no_order<M: Model>(model: &M, calls: &Calls<M::Op>, conflict: &Conflict) -> Result<bool, String> {
    let first = conflict.operations.first().ok_or("no operation is named")?;
    let blocking = calls
        .indices
        .binary_search(first)
        .map_err(|_| "it names an operation that takes no part")?;
    let until = calls.calls[blocking].finish;
    let prefix = calls.numbers(&conflict.prefix);
    if prefix.len() != conflict.prefix.len() {
        return Err("its prefix names operations that take no part".to_owned());
    }
    // What precedes something in the prefix must stand there, too.
    let last_start = prefix
        .iter()
        .map(|&number| calls.calls[number].start)
        .max()
        .unwrap_or(0);
    let mut before: Vec<Call<M::Op>> = calls.calls.clone();
    for call in &mut before {
        if call.finish >= last_start {
            call.finish = OPEN;
        }
    }
    for &number in &prefix {
        before[number].finish = calls.calls[number].finish;
    }
    linearization(model, &before, &prefix)
        .map_err(|why| format!("the longest linearizable prefix is none: {why}"))?;
    match replay(model, &calls.calls, until) {
        Replay::Possible => Err("there is an order".to_owned()),
        Replay::Impossible => Ok(true),
        Replay::GaveUp => Ok(false),
    }
}
