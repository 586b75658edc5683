//! Sets from which elements are taken out: what contradicts itself for one element, whatever the order of the
//! reads was, or for two reads, of which neither can have come first; else an order, if one is found
//! ([`witness`]). The rest is left to the search.
//!
//! An element must be there if an add of it had completed before a read began and no removal can have come
//! between; it cannot be there if a removal had completed and no add can have come between, or before any add
//! began. An operation can have come between if it began before the read ended and ended after the other one
//! began. Linear in the answers, times the elements that can be lacking.
//!
//! Of two reads one comes first only if an add can have come between for each element that the other one
//! alone shows, and a removal for each that it alone shows. An operation can have come between if it began
//! before the later one ended and ended after the earlier one began.

use rustc_hash::{FxHashMap, FxHashSet};

use history::Value;

use super::model::{Set, SetOp};
use super::witness;
use crate::engine::publish::{Contradiction, Judged};
use crate::engine::search::Limits;
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

pub(super) fn judge(set: &Set, calls: &Calls<SetOp>, limits: &Limits) -> Judged {
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
    let found = found.or_else(|| finder.two_reads(&reads));
    match found {
        Some(found) => Judged::Contradiction(found),
        None => witness::order(set, calls, limits).map_or(Judged::Other, Judged::Order),
    }
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

    /// Two reads of which neither can have come first: those that run at the same time, and each with the
    /// last that completed before it.
    fn two_reads(&self, reads: &[(usize, &[Value])]) -> Option<Contradiction> {
        let call = |read: usize| &self.calls.calls[read];
        let mut by_start = reads.to_vec();
        by_start.sort_unstable_by_key(|&(read, _)| call(read).start);
        let mut running: Vec<(usize, &[Value])> = Vec::new();
        let mut last: Option<(usize, &[Value])> = None;
        let mut looked_at = 0usize;
        for &one in &by_start {
            let is_over = |other: &(usize, &[Value])| call(other.0).finish < call(one.0).start;
            let over = running.iter().copied().filter(is_over);
            last = over.chain(last).max_by_key(|other| call(other.0).finish);
            running.retain(|other| !is_over(other));
            for &other in running.iter().chain(&last) {
                looked_at += one.1.len() + other.1.len();
                if looked_at > MOST_PAIRS {
                    return None;
                }
                let [other_first, one_first] = [(other, one), (one, other)].map(|(a, b)| self.obstacle(a, b));
                if let (Some(obstacle), Some(another)) = (other_first, one_first) {
                    return Some(diverged(other.0, one.0, obstacle, another));
                }
            }
            running.push(one);
        }
        None
    }

    /// Why one read cannot have come before another one.
    fn obstacle<'b>(&self, first: (usize, &'b [Value]), then: (usize, &'b [Value])) -> Option<Obstacle<'b>> {
        let [early, late] = [first.0, then.0].map(|read| &self.calls.calls[read]);
        if late.finish < early.start {
            return Some(Obstacle::Time);
        }
        let nothing = Element::default();
        let comes_between = |&number: &usize| {
            let call = &self.calls.calls[number];
            call.start < late.finish && call.finish > early.start
        };
        let cannot = |value: &Value, adds: bool| {
            let element = self.elements.get(value).unwrap_or(&nothing);
            let numbers = if adds { &element.adds } else { &element.removals };
            !numbers.iter().any(comes_between)
        };
        let (mut gone, mut news) = (first.1.iter().peekable(), then.1.iter().peekable());
        loop {
            let (value, adds) = match (gone.peek(), news.peek()) {
                (None, None) => return None,
                (Some(one), Some(other)) if one == other => {
                    gone.next();
                    news.next();
                    continue;
                }
                (Some(one), other) if other.is_none_or(|other| one < other) => (gone.next()?, false),
                _ => (news.next()?, true),
            };
            if cannot(value, adds) {
                return Some(Obstacle::Of { value, adds });
            }
        }
    }

    fn begins_before_end(&self, number: usize, read: usize) -> bool {
        self.calls.calls[number].start < self.calls.calls[read].finish
    }
}

/// Why a read cannot have come before another one.
enum Obstacle<'a> {
    /// The other one had completed before it began.
    Time,
    /// Nothing can have put this element in between the two, or taken it out.
    Of { value: &'a Value, adds: bool },
}

/// The first cannot have come first, and neither can the second.
fn diverged(first: usize, second: usize, of_first: Obstacle<'_>, of_second: Obstacle<'_>) -> Contradiction {
    let mut values = Vec::new();
    let mut why = |early: usize, late: usize, obstacle: Obstacle<'_>| match obstacle {
        Obstacle::Time => sentence![op(late), " had completed before ", op(early), " began."],
        Obstacle::Of { value, adds } => {
            let (with, without, done) = match adds {
                true => (late, early, "added"),
                false => (early, late, "removed"),
            };
            values.push(value.clone());
            sentence![
                op(with),
                format!(" shows {value} and "),
                op(without),
                " lacks it, but nothing can have ",
                format!("{done} it between the two if "),
                op(early),
                " came first."
            ]
        }
    };
    let sentences = vec![why(first, second, of_first), why(second, first, of_second)];
    let mut found = Contradiction::whole(Rule::Diverged, vec![first, second], sentences);
    values.dedup();
    found.about = values;
    found
}

fn about(rule: Rule, value: &Value, shown: Vec<usize>, why: crate::sentence::Sentence) -> Contradiction {
    Contradiction {
        about: vec![value.clone()],
        ..Contradiction::whole(rule, shown, vec![why])
    }
}
