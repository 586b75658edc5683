//! Inserts that show in the order of real time (`causal-reverse`).
//!
//! `write` (or `add`) puts an element in, `read` answers with those that are there. A read may be stale; but
//! if it shows an element, it must show all whose writes had been acknowledged before that one's began.
//! Source: `tests/causal_reverse` of Jepsen, after an anomaly of CockroachDB that strict serializability
//! forbids.
//!
//! Of elements that were written several times the first write counts for being shown, and the first that was
//! acknowledged for having to be. The work is that of reading all answers.

use history::{History, Op, Outcome, Value};
use rustc_hash::{FxHashMap, FxHashSet};

use crate::engine::publish::by_themselves;
use crate::model::answer;
use crate::objects::set::elements;
use crate::sentence::{op, phantom, sentence};
use crate::verdict::{Decision, Rule};

/// An element's writes.
struct Written {
    /// When the first of them began, and which one that is.
    began: (u64, usize),
    /// When the first one that was acknowledged had completed, and which one that is.
    completed: Option<(u64, usize)>,
}

pub(super) fn decide(history: &History, indices: &[usize], initial: &[Value]) -> Decision {
    let mut written: FxHashMap<&Value, Written> = FxHashMap::default();
    for &index in indices {
        let operation = &history.operations[index];
        let (Op::Write { value, .. } | Op::Add { value, .. }) = &operation.op else {
            continue;
        };
        if matches!(operation.outcome, Outcome::Fail(_)) {
            continue;
        }
        let began = (operation.invoked, index);
        let completed = matches!(operation.outcome, Outcome::Ok(_)).then_some((operation.completed, index));
        let element = written.entry(value).or_insert(Written { began, completed });
        element.began = element.began.min(began);
        element.completed = element.completed.into_iter().chain(completed).min();
    }
    let mut completed: Vec<(u64, usize, &Value)> = written
        .iter()
        .filter_map(|(value, written)| written.completed.map(|(at, index)| (at, index, *value)))
        .collect();
    completed.sort_unstable();
    let initial: FxHashSet<&Value> = initial.iter().collect();
    let mut is_tested = false;
    for &index in indices {
        let operation = &history.operations[index];
        if !matches!(operation.op, Op::Read { .. }) {
            continue;
        }
        let seen = answer(operation).and_then(elements).unwrap_or_default();
        let seen: FxHashSet<&Value> = seen.iter().filter(|element| !initial.contains(element)).collect();
        if let Some(element) = seen
            .iter()
            .filter(|element| !written.contains_key(**element))
            .min()
        {
            let why = phantom(op(index), element);
            return by_themselves(history, Rule::NeverWritten, vec![index], vec![why], true);
        }
        let latest = seen
            .iter()
            .map(|element| (written[element].began, *element))
            .max();
        let Some(((since, shown), element)) = latest else {
            continue;
        };
        is_tested = true;
        let due = completed.partition_point(|&(at, ..)| at < since);
        let is_shown = |element: &Value| seen.contains(element) || initial.contains(element);
        if let Some(&(_, missing, lacking)) = completed[..due].iter().find(|(.., element)| !is_shown(element))
        {
            return reversed(history, index, (shown, element), (missing, lacking));
        }
    }
    match is_tested {
        true => Decision::Valid(Vec::new()),
        false => Decision::unknown("no read shows an element, so that nothing was tested".to_owned()),
    }
}

fn reversed(
    history: &History,
    read: usize,
    (shown, element): (usize, &Value),
    (missing, lacking): (usize, &Value),
) -> Decision {
    let sentences = vec![
        sentence![op(shown), " began after ", op(missing), " had completed."],
        sentence!["Yet ", op(read), format!(" shows {element} and lacks {lacking}.")],
    ];
    let of = |index: usize| &history.operations[index];
    let seen = answer(of(read)).and_then(elements).unwrap_or_default();
    let holds =
        of(missing).completed < of(shown).invoked && seen.contains(element) && !seen.contains(lacking);
    by_themselves(
        history,
        Rule::OutOfOrder,
        vec![shown, missing, read],
        sentences,
        holds,
    )
}
