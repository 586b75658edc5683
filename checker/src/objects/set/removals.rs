//! Sets from which elements are taken out: what contradicts itself for one element, whatever the order of the
//! reads was. The rest is left to the search.
//!
//! An element must be there if an add of it had completed before a read began and no removal can have come
//! between; it cannot be there if a removal had completed and no add can have come between, or before any add
//! began. An operation can have come between if it began before the read ended and ended after the other one
//! began. Linear in the answers, times the elements that can be lacking.

use rustc_hash::{FxHashMap, FxHashSet};

use history::Value;

use super::model::{Set, SetOp};
use crate::engine::publish::{Contradiction, Judged};
use crate::model::Calls;
use crate::sentence::{op, sentence};
use crate::verdict::Rule;

/// How many pairs of a read and an element are looked at.
const MOST_PAIRS: usize = 20_000_000;

/// Calls by number, those that began first in front.
#[derive(Default)]
struct Element {
    adds: Vec<usize>,
    removals: Vec<usize>,
}

pub(super) fn judge(set: &Set, calls: &Calls<SetOp>) -> Judged {
    let mut elements: FxHashMap<&Value, Element> = FxHashMap::default();
    let mut reads: Vec<(usize, &[Value])> = Vec::new();
    for (number, call) in calls.calls.iter().enumerate() {
        match &call.op {
            SetOp::Add(value) => elements.entry(value).or_default().adds.push(number),
            SetOp::Remove(value) => elements.entry(value).or_default().removals.push(number),
            SetOp::Read(seen) => reads.push((number, seen)),
        }
    }
    for element in elements.values_mut() {
        for numbers in [&mut element.adds, &mut element.removals] {
            numbers.sort_unstable_by_key(|&number| calls.calls[number].start);
        }
    }
    let finder = Finder { set, calls, elements };
    let looked_at = reads.len().saturating_mul(finder.elements.len());
    let found = reads.iter().find_map(|&(read, seen)| {
        let shown = finder.shown(read, seen);
        shown.or_else(|| {
            (looked_at <= MOST_PAIRS)
                .then(|| finder.lacking(read, seen))
                .flatten()
        })
    });
    found.map_or(Judged::Other, Judged::Contradiction)
}

struct Finder<'a> {
    set: &'a Set,
    calls: &'a Calls<SetOp>,
    elements: FxHashMap<&'a Value, Element>,
}

impl Finder<'_> {
    /// A mistake in what a read shows.
    fn shown(&self, read: usize, seen: &[Value]) -> Option<Contradiction> {
        if let Some(pair) = seen.windows(2).find(|pair| pair[0] == pair[1]) {
            let why = format!(" lists {} twice.", pair[0]);
            return Some(about(
                Rule::Duplicate,
                &pair[0],
                vec![read],
                sentence![op(read), why],
            ));
        }
        seen.iter().find_map(|value| {
            let nothing = Element::default();
            let element = self.elements.get(value).unwrap_or(&nothing);
            let is_initial = self.set.initial.contains(value);
            let can_be = is_initial || element.adds.iter().any(|&add| self.begins_before_end(add, read));
            if !can_be {
                let why = format!(" shows {value}, which no operation can have added by then.");
                return Some(about(
                    Rule::NeverWritten,
                    value,
                    vec![read],
                    sentence![op(read), why],
                ));
            }
            let gone = self.undone(read, &element.removals, &element.adds)?;
            let why = sentence![
                op(gone),
                " had completed before ",
                op(read),
                format!(" began, and nothing can have added {value} again in between. Yet it is there.")
            ];
            Some(about(Rule::ComesBack, value, vec![read, gone], why))
        })
    }

    /// Something that a read should show.
    fn lacking(&self, read: usize, seen: &[Value]) -> Option<Contradiction> {
        let seen: FxHashSet<&Value> = seen.iter().collect();
        let lost = self.elements.iter().filter(|(value, _)| !seen.contains(**value));
        let lost = lost.filter_map(|(value, element)| {
            let put = self.undone(read, &element.adds, &element.removals)?;
            Some((put, *value))
        });
        let (put, value) = lost.min()?;
        let why = sentence![
            op(put),
            " had completed before ",
            op(read),
            format!(" began, and nothing can have removed {value} in between. Yet it is lacking.")
        ];
        Some(about(Rule::Lost, value, vec![read, put], why))
    }

    /// The last of some operations that had completed before a read began, if none of the others can have
    /// undone it before that.
    fn undone(&self, read: usize, done: &[usize], others: &[usize]) -> Option<usize> {
        let call = |number: usize| &self.calls.calls[number];
        let before = done.iter().rev().copied();
        let last = before
            .into_iter()
            .find(|&number| call(number).finish < call(read).start)?;
        let can_undo =
            |&other: &usize| call(other).finish > call(last).start && self.begins_before_end(other, read);
        (!others.iter().any(can_undo)).then_some(last)
    }

    fn begins_before_end(&self, number: usize, read: usize) -> bool {
        self.calls.calls[number].start < self.calls.calls[read].finish
    }
}

fn about(rule: Rule, value: &Value, shown: Vec<usize>, why: crate::sentence::Sentence) -> Contradiction {
    Contradiction {
        about: vec![value.clone()],
        ..Contradiction::whole(rule, shown, vec![why])
    }
}
