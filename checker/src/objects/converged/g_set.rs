//! A set that only grows and converges (`g-set`).
//!
//! Final reads must hold every element whose add was acknowledged; no read at all may show an element that no
//! operation had begun to add, or one twice. Source: Maelstrom's workload `g-set`, and
//! `set-full` of jepsen.checker, by which it is judged; that one also accepts what it finds in reads that ran
//! at the same time as the last add.

use history::{History, OPEN, Op, Outcome, Value};
use rustc_hash::{FxHashMap, FxHashSet};

use super::last_reads::{DIFFER, LastReads, NONE, TOO_SOON};
use crate::engine::publish::by_themselves;
use crate::model::answer;
use crate::objects::set::elements;
use crate::sentence::{op, phantom, sentence};
use crate::verdict::{Decision, Rule};

/// The adds of an element that did not fail.
struct Added {
    /// When the first of them began.
    since: u64,
    /// One that was acknowledged.
    acknowledged: Option<usize>,
}

pub(super) fn decide(history: &History, indices: &[usize], initial: &[Value]) -> Decision {
    let initial: FxHashSet<&Value> = initial.iter().collect();
    let mut added: FxHashMap<&Value, Added> = FxHashMap::default();
    for &index in indices {
        let operation = &history.operations[index];
        if let (Op::Add { value, .. }, Outcome::Ok(_) | Outcome::Info(_)) =
            (&operation.op, &operation.outcome)
        {
            let since = operation.invoked;
            let new = added.entry(value).or_insert(Added {
                since,
                acknowledged: None,
            });
            new.since = new.since.min(since);
            if matches!(operation.outcome, Outcome::Ok(_)) {
                new.acknowledged = new.acknowledged.or(Some(index));
            }
        }
    }
    for &index in indices {
        if let Some(decision) = impossible(history, index, &initial, &added) {
            return decision;
        }
    }
    let LastReads {
        reads: last,
        are_final,
    } = LastReads::of(history, indices);
    let mut seen_by_all: Option<FxHashSet<&Value>> = None;
    let mut differ = false;
    for &read in &last {
        let seen: FxHashSet<&Value> = seen(history, read).iter().collect();
        let is_lost = |element: &Value| !seen.contains(element);
        let lacks = added
            .iter()
            .any(|(element, added)| added.acknowledged.is_some() && is_lost(element));
        if !are_final && (lacks || initial.iter().any(|element| is_lost(element))) {
            return Decision::unknown(TOO_SOON);
        }
        if let Some(element) = initial.iter().find(|element| is_lost(element)) {
            let why = format!(" lacks {element}, which was there from the start.");
            return by_themselves(
                history,
                Rule::Lost,
                vec![read],
                vec![sentence![op(read), why]],
                true,
            );
        }
        let acknowledged = added.iter().filter_map(|(element, added)| {
            let add = added.acknowledged.filter(|_| is_lost(element))?;
            Some((add, *element))
        });
        if let Some((add, element)) = acknowledged.min() {
            return lost(history, add, read, element);
        }
        differ |= seen_by_all.as_ref().is_some_and(|before| *before != seen);
        seen_by_all = Some(seen);
    }
    let is_acknowledged = added.values().any(|added| added.acknowledged.is_some());
    match (last.is_empty() || !is_acknowledged, differ) {
        (true, _) => Decision::unknown(NONE.to_owned()),
        (false, true) => Decision::unknown(DIFFER.to_owned()),
        (false, false) => Decision::Valid(Vec::new()),
    }
}

fn seen(history: &History, read: usize) -> &[Value] {
    let answer = answer(&history.operations[read]);
    answer.and_then(elements).unwrap_or_default()
}

/// What no read can show, at any time.
fn impossible(
    history: &History,
    index: usize,
    initial: &FxHashSet<&Value>,
    added: &FxHashMap<&Value, Added>,
) -> Option<Decision> {
    let operation = &history.operations[index];
    if !matches!(operation.op, Op::Read { .. }) {
        return None;
    }
    let mut shown = FxHashSet::default();
    for element in seen(history, index) {
        let (rule, why) = match added.get(element) {
            _ if !shown.insert(element) => (
                Rule::Duplicate,
                sentence![op(index), format!(" lists {element} twice.")],
            ),
            _ if initial.contains(element) => continue,
            None => (Rule::NeverWritten, phantom(op(index), element)),
            Some(added) if operation.completed != OPEN && operation.completed < added.since => (
                Rule::OutOfOrder,
                sentence![
                    op(index),
                    format!(" shows {element} before any operation began to add it.")
                ],
            ),
            Some(_) => continue,
        };
        return Some(by_themselves(history, rule, vec![index], vec![why], true));
    }
    None
}

fn lost(history: &History, add: usize, read: usize, element: &Value) -> Decision {
    let sentences = vec![
        sentence![op(add), " was acknowledged before ", op(read), " began."],
        format!("That read was final, and yet it lacks {element}.").into(),
    ];
    let [added, seen_by] = [add, read].map(|index| &history.operations[index]);
    let holds = added.completed < seen_by.invoked && !seen(history, read).contains(element);
    by_themselves(history, Rule::Lost, vec![add, read], sentences, holds)
}
