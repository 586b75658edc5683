//! Says in plain sentences why the operations of a conflict contradict each other.

use history::{History, Op, Operation, Outcome, Value};

use crate::describe::describe;
use crate::engine::search::Stuck;
use crate::engine::validate::{sees, writes};
use crate::objects::register::proof::Proof;
use crate::verdict::{Conflict, Rule};

/// The conflict that `proof` shows. Indices that the history lacks make it say less.
pub(crate) fn conflict(history: &History, initial: &Value, proof: Proof) -> Conflict {
    let shown: Vec<&Operation> = proof
        .operations
        .iter()
        .filter_map(|&index| history.operations.get(index))
        .collect();
    let (sentences, stale_by_ns) = match (proof.rule, shown.as_slice()) {
        (Rule::NeverWritten, [x, ..]) => (never_written(history, x), None),
        (Rule::FoundExpected, [x, ..]) => (
            vec![format!(
                "{} found the very value that it expected, and yet it failed.",
                start(x)
            )],
            None,
        ),
        (Rule::ReplacedTwice, [x, y, ..]) => (replaced_twice(x, y), None),
        (Rule::Circle, _) => (circle(&shown, proof.links.len()), None),
        (Rule::OutOfOrder, [first, then, ..]) => out_of_order(first, then),
        (Rule::ComesBack, [d, c, rest @ ..]) => comes_back(initial, d, c, rest),
        (Rule::HeldThroughout, [not, around @ ..]) => (held_throughout(initial, not, around), None),
        (Rule::TooOften, [with, ..]) => too_often(with, &shown, proof.links.len()),
        _ => (Vec::new(), None),
    };
    Conflict {
        key: shown
            .first()
            .map(|operation| operation.op.key().clone())
            .unwrap_or_default(),
        operations: proof.operations,
        links: proof.links,
        sentences,
        rule: proof.rule,
        stale_by_ns,
        prefix: Vec::new(),
        confirmed: true,
    }
}

/// The conflict at which a search ended.
///
/// `state` tells in words what the object holds behind the prefix.
pub(crate) fn no_order(history: &History, stuck: Stuck, state: Option<String>) -> Conflict {
    /// How many operations beside the one that cannot be placed are named.
    const MOST_NAMED: usize = 5;
    let of = |&index: &usize| &history.operations[index];
    let blocked = of(&stuck.operation);
    let mut sentences = vec![format!(
        "No order explains {} together with all that had completed by then.",
        describe(blocked)
    )];
    let mut operations = vec![stuck.operation];
    let count = stuck.prefix.len();
    let have = match count {
        1 => "1 operation has an order".to_owned(),
        _ => format!("{count} operations have an order"),
    };
    match (stuck.last_change, state) {
        (Some(last), state) => {
            operations.push(last);
            let state = state.map_or_else(String::new, |state| format!("; then {state}"));
            sentences.push(format!(
                "Without it {have}, in which the last change is {}{state}.",
                describe(of(&last))
            ));
        }
        (None, Some(state)) if count > 0 => {
            sentences.push(format!("Without it {have} in which nothing changes: {state}."));
        }
        (None, _) => {}
    }
    let pending: Vec<usize> = stuck.pending.iter().rev().copied().take(MOST_NAMED - 1).collect();
    if !pending.is_empty() {
        let words: Vec<String> = pending.iter().map(|index| describe(of(index))).collect();
        sentences.push(format!("Still running were {}.", words.join(", ")));
        operations.extend(pending);
    }
    Conflict {
        key: blocked.op.key().clone(),
        operations,
        links: Vec::new(),
        sentences,
        rule: Rule::NoOrder,
        stale_by_ns: None,
        prefix: stuck.prefix,
        confirmed: false,
    }
}

fn never_written(history: &History, x: &Operation) -> Vec<String> {
    let Some(value) = sees(x) else { return Vec::new() };
    let mut sentences = vec![format!(
        "{} shows a value that nobody can have written: {value}.",
        start(x)
    )];
    let failed = history.operations.iter().find(|y| {
        y.op.key() == x.op.key() && matches!(y.outcome, Outcome::Fail(_)) && new_value(y) == Some(value)
    });
    if let Some(failed) = failed {
        sentences.push(format!(
            "Only {} would have written it, and that certainly did not happen.",
            describe(failed)
        ));
    }
    sentences
}

fn replaced_twice(x: &Operation, y: &Operation) -> Vec<String> {
    vec![
        format!("{} and {} both replaced the same value.", start(x), describe(y)),
        match sees(x) {
            Some(value) => {
                format!("But {value} was there only once, so only one of them can have succeeded.")
            }
            None => String::new(),
        },
    ]
}

fn circle(shown: &[&Operation], more: usize) -> Vec<String> {
    let words: Vec<String> = shown.iter().map(|operation| describe(operation)).collect();
    let more = if more > 0 {
        format!(" and {more} more")
    } else {
        String::new()
    };
    vec![
        format!("These succeeded: {}{more}.", words.join(", ")),
        "Each of them needs a value that only the next one writes, in a circle, so none can have been the first.".into(),
    ]
}

fn out_of_order(first: &Operation, then: &Operation) -> (Vec<String>, Option<u64>) {
    let order = format!("{} had completed before {} began.", start(then), describe(first));
    let (why, stale) = match (sees(first), sees(then), writes(first)) {
        // Both on one chain: either the value was read before it was written, or it was seen after it was replaced.
        (_, Some(seen), Some(written)) if seen == written && writes(then).is_none() => (
            format!(
                "But only {} wrote {seen}, so that answer showed a value that was not there yet.",
                describe(first)
            ),
            None,
        ),
        (Some(seen), _, None) => (
            format!("By then {seen} had been replaced, and it was written only once."),
            stale_by(first, then),
        ),
        _ => (
            "But the value of the earlier one was made from that of the later one, by one cas after the other."
                .into(),
            None,
        ),
    };
    (vec![order, why], stale)
}

fn comes_back(
    initial: &Value,
    d: &Operation,
    c: &Operation,
    rest: &[&Operation],
) -> (Vec<String>, Option<u64>) {
    let value = |x: &Operation| writes(x).or(sees(x)).map(Value::to_string).unwrap_or_default();
    // A cas is late if what it expected had been replaced.
    let needs = |x: &Operation| sees(x).or(writes(x)).map(Value::to_string).unwrap_or_default();
    let mut sentences = vec![format!("{} began after {} had completed.", start(d), describe(c))];
    // Where b is c it is named once.
    let first = match rest {
        [b, a, ..] => Some((*b, *a)),
        [a] => Some((c, *a)),
        [] => None,
    };
    match first {
        Some((b, a)) => {
            let after = if std::ptr::eq(b, c) {
                "that one".to_owned()
            } else {
                describe(b)
            };
            let came_of = if needs(d) == value(a) {
                String::new()
            } else {
                format!(", which led to {},", needs(d))
            };
            sentences.push(format!("{} had completed before {after} began.", start(a)));
            sentences.push(format!(
                "So {}{came_of} was replaced by {} and cannot have come back: each value was written only once.",
                value(a),
                value(b)
            ));
        }
        None => {
            let before = needs(d);
            let came = match before == initial.to_string() {
                true => "is the initial value",
                false => "came of the initial value by cas alone",
            };
            sentences.push(format!(
                "But {before} {came}, and {} had replaced it; it cannot have come back.",
                value(c)
            ));
        }
    }
    let stale = sees(d).and_then(|_| stale_by(d, c));
    (sentences, stale)
}

fn held_throughout(initial: &Value, not: &Operation, around: &[&Operation]) -> Vec<String> {
    let Op::Cas { expected, .. } = &not.op else {
        return Vec::new();
    };
    let before = match around {
        [before, _, ..] => format!("since {}", describe(before)),
        _ => format!("as the initial value {initial}"),
    };
    let after = around.last().map(|after| describe(after)).unwrap_or_default();
    vec![
        format!(
            "{} failed although the register held {expected} all the while.",
            start(not)
        ),
        format!(
            "It was there before, {before}, and still after, as {after} shows; it was written only once."
        ),
    ]
}

fn too_often(with: &Operation, shown: &[&Operation], more: usize) -> (Vec<String>, Option<u64>) {
    // The value is the one that the operation before this one does not show.
    let other = |value: &&Value| {
        shown
            .get(1)
            .is_none_or(|x| sees(x) != Some(*value) && writes(x) != Some(*value))
    };
    let value = [sees(with), writes(with)]
        .into_iter()
        .flatten()
        .find(other)
        .map(Value::to_string)
        .unwrap_or_default();
    let times = (shown.len() + more).div_ceil(2);
    let Some(without) = shown.get(1) else {
        let why = format!("Nothing that had begun by then can have written {value}.");
        return (vec![format!("{} shows {value}.", start(with)), why], None);
    };
    let sentences = if times == 1 {
        vec![
            format!("{} began after {} had completed.", start(with), describe(without)),
            format!(
                "So {value} must have come back after that one, but no operation that ran in between can have written it."
            ),
        ]
    } else {
        vec![
            format!(
                "The value {value} is seen {times} times after something else was, at last by {} after {}.",
                describe(with),
                describe(without)
            ),
            format!("But fewer than {times} operations that ran in that time can have written {value}."),
        ]
    };
    let stale = (times == 1).then(|| stale_by(with, without)).flatten();
    (sentences, stale)
}

/// How long `late` began after `replaced` had completed.
fn stale_by(late: &Operation, replaced: &Operation) -> Option<u64> {
    late.invoked_ns.checked_sub(replaced.completed_ns?.get())
}

/// [`describe`] at the start of a sentence.
pub(crate) fn start(operation: &Operation) -> String {
    let text = describe(operation);
    let mut letters = text.chars();
    letters
        .next()
        .map(|first| first.to_uppercase().chain(letters).collect())
        .unwrap_or_default()
}

fn new_value(operation: &Operation) -> Option<&Value> {
    match &operation.op {
        Op::Write { value, .. } | Op::Cas { new: value, .. } => Some(value),
        _ => None,
    }
}
