//! What the search over all orders finds out about an object, in terms of the history, and re-checked.

use history::{History, OPEN};

use crate::engine::publish::{self, Contradiction};
use crate::engine::search::{Limits, Searched, Stuck, search};
use crate::engine::second_opinion::{Replay, replay};
use crate::engine::validate;
use crate::model::{Call, Calls, Model, Recorded};
use crate::sentence::{Sentence, op, sentence};
use crate::verdict::{Algorithm, Conflict, Decision, Rule};

/// Judges by the search, and re-checks what it says.
pub(crate) fn by_search<M: Recorded>(
    model: &M,
    history: &History,
    indices: &[usize],
    limits: &Limits,
) -> (Decision, Algorithm) {
    let calls = Calls::read(model, history, indices);
    let found = search(model, &calls.calls, limits);
    (searched(model, history, &calls, found), Algorithm::SEARCH)
}

/// Likewise, but another model is searched in place of `model`, to which the same orders of `seen`, call by
/// call the same as `calls`, are possible. What is said is re-checked with `model`.
pub(crate) fn by_search_of<M: Recorded, S: Model>(
    model: &M,
    history: &History,
    calls: &Calls<M::Op>,
    (other, seen): (&S, &[Call<S::Op>]),
    limits: &Limits,
) -> (Decision, Algorithm) {
    let found = search(other, seen, limits);
    (searched(model, history, calls, found), Algorithm::SEARCH)
}

/// The decision that there is no order of all calls, which was found out in a way that tells no more than a
/// few of them, as far as replaying them does not refute it.
pub(crate) fn no_order_of_all<M: Recorded>(
    model: &M,
    history: &History,
    calls: &Calls<M::Op>,
    numbers: Vec<usize>,
    why: Sentence,
) -> Decision {
    let confirmed = match replay(model, &calls.calls, OPEN - 1) {
        Replay::Possible => {
            return Decision::unknown("internal: the conflict is wrong: there is an order".to_owned());
        }
        outcome => outcome == Replay::Impossible,
    };
    let found = Contradiction::whole(Rule::NoOrder, numbers, vec![why]);
    publish::conflict(history, calls, found, Vec::new(), confirmed)
}

/// What a search found, in terms of the history, and re-checked.
pub(crate) fn searched<M: Recorded>(
    model: &M,
    history: &History,
    calls: &Calls<M::Op>,
    found: Searched,
) -> Decision {
    let decision = match found {
        Searched::Found(order) => Decision::Valid(calls.to_indices(&order)),
        Searched::Stuck(stuck) => {
            let state = calls.state_after(model, &stuck.prefix);
            let stuck = stuck.map(|number| calls.indices[number]);
            Decision::Invalid(Box::new(no_order(history, stuck, state)))
        }
        Searched::GaveUp(why) => Decision::unknown(why),
    };
    verified(model, calls, decision)
}

/// Lets pass only what the validators accept.
pub(crate) fn verified<M: Recorded>(model: &M, calls: &Calls<M::Op>, decision: Decision) -> Decision {
    match decision {
        Decision::Valid(order) => {
            match validate::linearization(model, &calls.calls, &calls.numbers(&order)) {
                Ok(()) => Decision::Valid(order),
                Err(why) => Decision::unknown(format!("internal: the linearization is wrong: {why}")),
            }
        }
        Decision::Invalid(conflict) => match validate::no_order(model, calls, &conflict) {
            Ok(confirmed) => Decision::Invalid(Box::new(Conflict {
                confirmed,
                ..*conflict
            })),
            Err(why) => Decision::unknown(format!("internal: the conflict is wrong: {why}")),
        },
        Decision::Unknown(why) => Decision::Unknown(why),
    }
}

/// The conflict at which a search ended.
///
/// `state` says what the object holds after the prefix.
pub(crate) fn no_order(history: &History, stuck: Stuck, state: Option<String>) -> Conflict {
    /// How many operations beside the one that cannot be placed are named.
    const MOST_NAMED: usize = 5;
    let mut sentences = vec![sentence![
        "No order explains ",
        op(stuck.operation),
        " together with everything that completed before it did."
    ]];
    let mut operations = vec![stuck.operation];
    let count = stuck.prefix.len();
    let have = match count {
        1 => "1 operation has an order".to_owned(),
        _ => format!("{count} operations have an order"),
    };
    match (stuck.last_change, state) {
        (Some(last), state) => {
            operations.push(last);
            let state = state.map_or_else(String::new, |state| format!("; after that {state}"));
            sentences.push(sentence![
                format!("Without it {have}, in which the last change is "),
                op(last),
                state,
                "."
            ]);
        }
        (None, Some(state)) if count > 0 => {
            sentences.push(format!("Without it {have} in which nothing changes: {state}.").into());
        }
        (None, _) => {}
    }
    let pending: Vec<usize> = stuck.pending.iter().rev().copied().take(MOST_NAMED - 1).collect();
    if !pending.is_empty() {
        let named = Sentence::join(pending.iter().map(|&index| op(index)), ", ");
        sentences.push(sentence!["Still running: ", named, "."]);
        operations.extend(pending);
    }
    Conflict {
        key: history.operations[stuck.operation].op.key().clone(),
        operations,
        links: Vec::new(),
        sentences,
        rule: Rule::NoOrder,
        stale_by_ns: None,
        prefix: stuck.prefix,
        confirmed: false,
    }
}
