//! From what an exact algorithm found to a decision: an order is replayed, a contradiction is derived again.
//!
//! Invariants:
//! - Each algorithm is exact on the inputs that it accepts, and says [`Judged::Other`] on the rest.
//! - An order is replayed on the model ([`valid`]), a contradiction is derived again by brute force from the
//!   operations that it names ([`invalid`]); what fails there is `unknown`.

use history::{History, OPEN, Value};
use rustc_hash::FxHashMap;

use crate::engine::second_opinion::{Replay, replay};
use crate::engine::validate;
use crate::model::{Call, Calls, Effect, Model};
use crate::sentence::Sentence;
use crate::verdict::{Algorithm, Conflict, Decision, Rule};

/// What an algorithm found out. Calls by number.
#[derive(Debug)]
pub(crate) enum Judged {
    /// Linearizable in this order.
    Order(Vec<usize>),
    /// Not linearizable.
    Contradiction(Contradiction),
    /// The algorithm does not apply.
    Other,
}

/// Calls that contradict each other.
#[derive(Debug)]
pub(crate) struct Contradiction {
    pub rule: Rule,
    /// The calls to show, by number, in the order in which to read them.
    pub shown: Vec<usize>,
    /// What the contradiction is about: elements, versions, whatever [`Projected::project`] goes by. Empty if
    /// the calls shown are whole parts, so that all others may be left out.
    pub about: Vec<Value>,
    /// Answers that it also needs, by number.
    pub also: Vec<usize>,
    /// At most three plain sentences, whose operations are calls by number.
    pub sentences: Vec<Sentence>,
    /// As in [`Conflict::stale_by_ns`].
    pub stale_by_ns: Option<u64>,
}

impl Contradiction {
    /// One about all that the calls shown did, and about nothing else.
    pub(crate) fn whole(rule: Rule, shown: Vec<usize>, sentences: Vec<Sentence>) -> Contradiction {
        let (about, also) = (Vec::new(), Vec::new());
        Contradiction {
            rule,
            shown,
            about,
            also,
            sentences,
            stale_by_ns: None,
        }
    }
}

/// A model of objects made of parts that do not notice each other: if all is linearizable, so is any choice
/// of parts. Of open calls that are equal no more can matter than there are other calls.
pub(crate) trait Projected: Model {
    /// What remains of an operation if nothing but `parts` exists; `None` for nothing. Not asked by
    /// contradictions that name no parts.
    fn project(&self, _op: &Self::Op, _parts: &[Value]) -> Option<Self::Op> {
        None
    }
}

/// The decision that an order is worth: valid if the model explains it.
pub(crate) fn valid<M: Model>(model: &M, calls: &Calls<M::Op>, order: &[usize]) -> Decision {
    match validate::linearization(model, &calls.calls, order) {
        Ok(()) => Decision::Valid(calls.to_indices(order)),
        Err(why) => Decision::unknown(format!("internal: the linearization is wrong: {why}")),
    }
}

/// The decision that a contradiction is worth: invalid if brute force finds no order either for all that was
/// done to the parts which it is about, together with the answers which it names.
pub(crate) fn invalid<M: Projected>(
    model: &M,
    history: &History,
    calls: &Calls<M::Op>,
    found: Contradiction,
) -> Decision {
    let mut rest: Vec<Call<M::Op>> = Vec::new();
    let mut numbers = Vec::new();
    let mut open: FxHashMap<M::Op, Vec<(u64, usize)>> = FxHashMap::default();
    for (number, call) in calls.calls.iter().enumerate() {
        let is_shown = found.shown.contains(&number) || found.also.contains(&number);
        // Answers may be left out, and only those to be shown are needed.
        let remains = match (is_shown, found.about.is_empty()) {
            (true, true) => Some(call.op.clone()),
            (false, true) => None,
            (false, false) if model.effect(&call.op) == Effect::Pure => None,
            (_, false) => model.project(&call.op, &found.about),
        };
        match remains {
            Some(op) if call.finish == OPEN && !is_shown => {
                open.entry(op).or_default().push((call.start, number));
            }
            Some(op) => {
                let (start, finish) = (call.start, call.finish);
                rest.push(Call { op, start, finish });
                numbers.push(number);
            }
            None => {}
        }
    }
    let others = rest.len() + open.len();
    for (op, mut equal) in open {
        equal.sort_unstable();
        for (start, number) in equal.into_iter().take(others) {
            let (op, finish) = (op.clone(), OPEN);
            rest.push(Call { op, start, finish });
            numbers.push(number);
        }
    }
    // What begins after the last completion cannot matter.
    let until = rest
        .iter()
        .map(|call| call.finish)
        .filter(|&finish| finish != OPEN)
        .max()
        .unwrap_or(0);
    match replay(model, &rest, until) {
        Replay::Possible => {
            Decision::unknown("internal: the conflict is wrong: there is an order".to_owned())
        }
        outcome => {
            let links = numbers
                .into_iter()
                .filter(|number| !found.shown.contains(number) && calls.calls[*number].start < until);
            let mut links: Vec<usize> = links.map(|number| calls.indices[number]).collect();
            links.sort_unstable();
            conflict(history, calls, found, links, outcome == Replay::Impossible)
        }
    }
}

/// The decision for a contradiction that was confirmed elsewhere.
pub(crate) fn conflict<O>(
    history: &History,
    calls: &Calls<O>,
    found: Contradiction,
    links: Vec<usize>,
    confirmed: bool,
) -> Decision {
    let operations = calls.to_indices(&found.shown);
    let key = operations
        .first()
        .map(|&index| history.operations[index].op.key().clone());
    Decision::Invalid(Box::new(Conflict {
        key: key.unwrap_or_default(),
        operations,
        links,
        sentences: (found.sentences.into_iter())
            .map(|sentence| sentence.renumbered(|number| calls.indices[number]))
            .collect(),
        rule: found.rule,
        stale_by_ns: found.stale_by_ns,
        prefix: Vec::new(),
        confirmed,
    }))
}

/// Publishes what an algorithm found out; `None` if it does not apply.
pub(crate) fn publish<M: Projected>(
    model: &M,
    history: &History,
    calls: &Calls<M::Op>,
    judged: Judged,
    algorithm: Algorithm,
) -> Option<(Decision, Algorithm)> {
    match judged {
        Judged::Order(order) => Some((valid(model, calls, &order), algorithm)),
        Judged::Contradiction(found) => Some((invalid(model, history, calls, found), algorithm)),
        Judged::Other => None,
    }
}

/// The decision for operations that contradict each other by themselves, whatever the order was: they are
/// named by their indices into the history. `holds` derives the contradiction again from nothing else.
pub(crate) fn by_themselves(
    history: &History,
    rule: Rule,
    operations: Vec<usize>,
    sentences: Vec<Sentence>,
    holds: bool,
) -> Decision {
    let Some(first) = operations.first().filter(|_| holds) else {
        return Decision::unknown("internal: the conflict is wrong: it does not follow".to_owned());
    };
    Decision::Invalid(Box::new(Conflict {
        key: history.operations[*first].op.key().clone(),
        operations,
        links: Vec::new(),
        sentences,
        rule,
        stale_by_ns: None,
        prefix: Vec::new(),
        confirmed: true,
    }))
}
