//! Says in plain sentences why the operations of a conflict contradict each other.

use history::{History, Op, Operation, Outcome, Value};

use super::proof::Proof;
use super::validate::{sees, writes};
use crate::sentence::{Piece, Sentence, found_expected, op, phantom, sentence};
use crate::verdict::{Conflict, Rule};

/// An operation that a sentence is to name.
#[derive(Clone, Copy)]
struct Shown<'a> {
    index: usize,
    operation: &'a Operation,
}

impl<'a> Shown<'a> {
    fn name(self) -> Piece {
        op(self.index)
    }

    fn sees(self) -> Option<&'a Value> {
        sees(self.operation)
    }

    fn writes(self) -> Option<&'a Value> {
        writes(self.operation)
    }
}

/// The conflict that `proof` shows. Indices that the history lacks make it say less.
pub(crate) fn conflict(history: &History, initial: &Value, proof: Proof) -> Conflict {
    let show = |&index: &usize| {
        let operation = history.operations.get(index)?;
        Some(Shown { index, operation })
    };
    let shown: Vec<Shown> = proof.operations.iter().filter_map(show).collect();
    let (sentences, stale_by_ns) = match (proof.rule, shown.as_slice()) {
        (Rule::NeverWritten, [x, ..]) => (never_written(history, *x), None),
        (Rule::FoundExpected, [x, ..]) => (vec![found_expected(x.name())], None),
        (Rule::ReplacedTwice, [x, y, ..]) => (replaced_twice(*x, *y), None),
        (Rule::Circle, _) => (circle(&shown, proof.links.len()), None),
        (Rule::OutOfOrder, [first, then, ..]) => out_of_order(*first, *then),
        (Rule::ComesBack, [d, c, rest @ ..]) => comes_back(initial, *d, *c, rest),
        (Rule::HeldThroughout, [not, around @ ..]) => (held_throughout(initial, *not, around), None),
        (Rule::TooOften, [with, ..]) => too_often(*with, &shown, proof.links.len()),
        _ => (Vec::new(), None),
    };
    Conflict {
        key: shown
            .first()
            .map(|shown| shown.operation.op.key().clone())
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

fn never_written(history: &History, x: Shown) -> Vec<Sentence> {
    let Some(value) = x.sees() else { return Vec::new() };
    let mut sentences = vec![phantom(x.name(), value)];
    let failed = history.operations.iter().position(|y| {
        y.op.key() == x.operation.op.key()
            && matches!(y.outcome, Outcome::Fail(_))
            && new_value(y) == Some(value)
    });
    if let Some(failed) = failed {
        sentences.push(sentence![
            "Only ",
            op(failed),
            " would have written it, and that one had no effect."
        ]);
    }
    sentences
}

fn replaced_twice(x: Shown, y: Shown) -> Vec<Sentence> {
    let but = match x.sees() {
        Some(value) => format!("But {value} was there only once, so only one of them can have succeeded."),
        None => String::new(),
    };
    vec![
        sentence![x.name(), " and ", y.name(), " both replaced the same value."],
        but.into(),
    ]
}

fn circle(shown: &[Shown], more: usize) -> Vec<Sentence> {
    let named = Sentence::join(shown.iter().map(|shown| shown.name()), ", ");
    let more = if more > 0 {
        format!(" and {more} more")
    } else {
        String::new()
    };
    vec![
        sentence!["These succeeded: ", named, more, "."],
        "Each of them needs a value that only the next one writes, in a circle, so none can have been the first.".into(),
    ]
}

fn out_of_order(first: Shown, then: Shown) -> (Vec<Sentence>, Option<u64>) {
    let order = sentence![then.name(), " had completed before ", first.name(), " began."];
    let (why, stale) = match (first.sees(), then.sees(), first.writes()) {
        // Both on one chain: either the value was read before it was written, or it was seen after it was
        // replaced.
        (_, Some(seen), Some(written)) if seen == written && then.writes().is_none() => (
            sentence![
                "But only ",
                first.name(),
                format!(" wrote {seen}, so that answer showed a value that was not there yet.")
            ],
            None,
        ),
        (Some(seen), _, None) => (
            format!("By then {seen} had been replaced, and it was written only once.").into(),
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

fn comes_back(initial: &Value, d: Shown, c: Shown, rest: &[Shown]) -> (Vec<Sentence>, Option<u64>) {
    let value = |x: Shown| x.writes().or(x.sees()).map(Value::to_string).unwrap_or_default();
    // A cas is late if what it expected had been replaced.
    let needs = |x: Shown| x.sees().or(x.writes()).map(Value::to_string).unwrap_or_default();
    let mut sentences = vec![sentence![d.name(), " began after ", c.name(), " had completed."]];
    // Where b is c it is named once.
    let first = match rest {
        [b, a, ..] => Some((*b, *a)),
        [a] => Some((c, *a)),
        [] => None,
    };
    match first {
        Some((b, a)) => {
            let after = match b.index == c.index {
                true => Sentence::from("that one"),
                false => b.name().into(),
            };
            let came_of = if needs(d) == value(a) {
                String::new()
            } else {
                format!(", which led to {},", needs(d))
            };
            sentences.push(sentence![a.name(), " had completed before ", after, " began."]);
            let gone = format!(
                "So {}{came_of} was replaced by {} and cannot have come back: each value was written only once.",
                value(a),
                value(b)
            );
            sentences.push(gone.into());
        }
        None => {
            let before = needs(d);
            let came = match before == initial.to_string() {
                true => "is the initial value",
                false => "was made from the initial value by cas alone",
            };
            let gone = format!(
                "But {before} {came}, and {} had replaced it; it cannot have come back.",
                value(c)
            );
            sentences.push(gone.into());
        }
    }
    let stale = d.sees().and_then(|_| stale_by(d, c));
    (sentences, stale)
}

fn held_throughout(initial: &Value, not: Shown, around: &[Shown]) -> Vec<Sentence> {
    let Op::Cas { expected, .. } = &not.operation.op else {
        return Vec::new();
    };
    let before = match around {
        [before, _, ..] => sentence!["since ", before.name()],
        _ => format!("as the initial value {initial}").into(),
    };
    let after = around.last().map(|after| after.name());
    vec![
        sentence![
            not.name(),
            format!(" failed although the register held {expected} the whole time.")
        ],
        sentence![
            "It was there before, ",
            before,
            ", and still after, as ",
            after,
            " shows; it was written only once."
        ],
    ]
}

fn too_often(with: Shown, shown: &[Shown], more: usize) -> (Vec<Sentence>, Option<u64>) {
    // The value is the one that the operation before this one does not show.
    let other = |value: &&Value| {
        shown
            .get(1)
            .is_none_or(|x| x.sees() != Some(*value) && x.writes() != Some(*value))
    };
    let value = [with.sees(), with.writes()]
        .into_iter()
        .flatten()
        .find(other)
        .map(Value::to_string)
        .unwrap_or_default();
    let times = (shown.len() + more).div_ceil(2);
    let Some(&without) = shown.get(1) else {
        let why = format!("No operation that had begun by then can have written {value}.");
        return (
            vec![sentence![with.name(), format!(" shows {value}.")], why.into()],
            None,
        );
    };
    let sentences = if times == 1 {
        let why = format!(
            "So {value} must have come back after that one, but no operation that ran in between can have \
             written it."
        );
        vec![
            sentence![with.name(), " began after ", without.name(), " had completed."],
            why.into(),
        ]
    } else {
        let seen = format!("The value {value} is seen {times} times after something else was, last by ");
        vec![
            sentence![seen, with.name(), " after ", without.name(), "."],
            format!("But fewer than {times} operations that ran in that time can have written {value}.")
                .into(),
        ]
    };
    let stale = (times == 1).then(|| stale_by(with, without)).flatten();
    (sentences, stale)
}

/// How long `late` began after `replaced` had completed.
fn stale_by(late: Shown, replaced: Shown) -> Option<u64> {
    let replaced_ns = replaced.operation.completed_ns?.get();
    late.operation.invoked_ns.checked_sub(replaced_ns)
}

fn new_value(operation: &Operation) -> Option<&Value> {
    match &operation.op {
        Op::Write { value, .. } | Op::Cas { new: value, .. } => Some(value),
        _ => None,
    }
}
