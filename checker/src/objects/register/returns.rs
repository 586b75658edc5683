//! A value that comes back more often than there are operations that can have brought it: a refuter for
//! registers whose values repeat, in O(n log n).
//!
//! ```text
//!   seen:   |-v-|    |-not v-|   |-v-|       |-not v-|   |-v-|
//!                    <----- gap 1 ----->     <----- gap 2 ----->
//! ```
//!
//! Somewhere between the moment at which the register did not hold v and the later one at which it did, some
//! operation made it v: one whose own interval meets the gap. Gaps do not overlap and an operation happens
//! once, so each gap needs an operation of its own. If a row of gaps meets fewer operations than it has gaps,
//! nothing explains it (the easy direction of Hall's theorem).
//!
//! Invariant: a refuter. What it does not refute may still have no order.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use rustc_hash::FxHashMap;

use super::prepare::{INITIAL, Prepared, Step, ValueId};
use super::proof::Proof;
use crate::verdict::Rule;

/// How many operations of a row are named first; the others are links.
const MOST_NAMED: usize = 4;

/// A moment without the value and a later one with it, by steps; no step stands for the beginning.
#[derive(Clone, Copy)]
struct Gap {
    without: Option<usize>,
    with: usize,
    start: u32,
    finish: u32,
}

/// Steps that show different values, with the value, the one that completes first in front.
type FirstTwo = [Option<(ValueId, usize)>; 2];

/// What the steps show and do, value by value.
struct Seen<'a> {
    steps: &'a [Step],
    /// For each value the definite steps that show it, by their invocations, each with the one from there on
    /// that completes first.
    with: FxHashMap<ValueId, Vec<(u32, usize)>>,
    /// All definite steps by their invocations, each with the one from there on that completes first among
    /// those that show any value, and first among those that show another one than that.
    any: Vec<(u32, FirstTwo)>,
}

/// A row of gaps with too few operations, if one is found: in the value that shows it first.
pub(crate) fn too_often(prepared: &Prepared) -> Option<Proof> {
    let seen = Seen::new(&prepared.steps);
    let mut writers: FxHashMap<ValueId, Vec<usize>> = FxHashMap::default();
    for (number, step) in prepared.steps.iter().enumerate() {
        if let Some(value) = step.written() {
            writers.entry(value).or_default().push(number);
        }
    }
    let mut values: Vec<ValueId> = seen.with.keys().copied().collect();
    values.sort_unstable();
    let rows = values.into_iter().filter_map(|value| {
        let writers = writers.get(&value).map_or(&[][..], Vec::as_slice);
        too_few(&prepared.steps, &seen.gaps(value), writers)
    });
    let row = rows.min_by_key(|row| row.last().map(|gap| gap.finish))?;

    // The last gap first, and then backwards: what is named is what shows it.
    let mut chain: Vec<usize> = Vec::new();
    for gap in row.iter().rev() {
        chain.push(prepared.steps[gap.with].index as usize);
        chain.extend(gap.without.map(|number| prepared.steps[number].index as usize));
    }
    let links = chain.split_off(chain.len().min(MOST_NAMED));
    Some(Proof {
        rule: Rule::TooOften,
        operations: chain,
        links,
    })
}

/// The shortest row of gaps that meets fewer writers than it has gaps and ends where the first gap goes
/// without one.
fn too_few(steps: &[Step], gaps: &[Gap], writers: &[usize]) -> Option<Vec<Gap>> {
    // Every gap takes, of the writers that meet it, the one that completes first.
    let mut ready: BinaryHeap<Reverse<(u32, usize)>> = BinaryHeap::new();
    let mut begun = 0;
    let lacks = gaps.iter().position(|gap| {
        while begun < writers.len() && steps[writers[begun]].start < gap.finish {
            ready.push(Reverse((steps[writers[begun]].finish, begun)));
            begun += 1;
        }
        loop {
            match ready.pop() {
                Some(Reverse((finish, _))) if finish < gap.start => {}
                other => return other.is_none(),
            }
        }
    })?;
    let end = gaps[lacks].finish;
    let mut finishes: Vec<u32> = writers
        .iter()
        .filter(|&&number| steps[number].start < end)
        .map(|&number| steps[number].finish)
        .collect();
    finishes.sort_unstable();
    (0..=lacks).rev().find_map(|first| {
        let meeting = finishes.len() - finishes.partition_point(|finish| *finish < gaps[first].start);
        (meeting < lacks - first + 1).then(|| gaps[first..=lacks].to_vec())
    })
}

impl<'a> Seen<'a> {
    fn new(steps: &'a [Step]) -> Self {
        let mut with: FxHashMap<ValueId, Vec<(u32, usize)>> = FxHashMap::default();
        let mut any: Vec<(u32, FirstTwo)> = Vec::with_capacity(steps.len());
        let finish = |number: usize| steps[number].finish;
        for (number, step) in steps.iter().enumerate().rev() {
            if step.is_open() {
                continue;
            }
            for value in shown(step).into_iter().flatten() {
                let later = with.entry(value).or_default();
                let first = match later.last() {
                    Some(&(_, other)) if finish(other) < step.finish => other,
                    _ => number,
                };
                later.push((step.start, first));
            }
            let mut best = any.last().map_or([None, None], |(_, best)| *best);
            for value in shown(step).into_iter().flatten() {
                best = best_two(best, (value, number), &finish);
            }
            any.push((step.start, best));
        }
        any.reverse();
        for later in with.values_mut() {
            later.reverse();
        }
        Seen { steps, with, any }
    }

    /// The definite step that shows `value`, was invoked behind `time`, and completes first.
    fn next_with(&self, value: ValueId, time: Option<u32>) -> Option<usize> {
        let later = self.with.get(&value)?;
        let place = later.partition_point(|(start, _)| Some(*start) <= time);
        later.get(place).map(|(_, number)| *number)
    }

    /// The definite step that shows another value, was invoked behind `time`, and completes first.
    fn next_without(&self, value: ValueId, time: u32) -> Option<usize> {
        let place = self.any.partition_point(|(start, _)| *start <= time);
        let (_, best) = self.any.get(place)?;
        best.iter()
            .flatten()
            .find(|(other, _)| *other != value)
            .map(|(_, number)| *number)
    }

    /// Gaps of `value`, one after the other, as many as there are if always the next moment is taken.
    fn gaps(&self, value: ValueId) -> Vec<Gap> {
        let mut gaps = Vec::new();
        // At first it holds the initial value.
        let (mut without, mut behind) = (None, None);
        if value == INITIAL {
            let Some(first) = self.next_without(value, 0) else {
                return gaps;
            };
            (without, behind) = (Some(first), Some(self.steps[first].finish));
        }
        while let Some(with) = self.next_with(value, behind) {
            gaps.push(Gap {
                without,
                with,
                start: without.map_or(0, |number: usize| self.steps[number].start),
                finish: self.steps[with].finish,
            });
            let Some(next) = self.next_without(value, self.steps[with].finish) else {
                break;
            };
            (without, behind) = (Some(next), Some(self.steps[next].finish));
        }
        gaps
    }
}

/// The values that the register held at some moment of a definite step.
fn shown(step: &Step) -> [Option<ValueId>; 2] {
    [step.seen(), step.written()]
}

/// The two steps that complete first and show different values.
fn best_two(best: FirstTwo, new: (ValueId, usize), finish: &impl Fn(usize) -> u32) -> FirstTwo {
    let earlier =
        |old: Option<(ValueId, usize)>| old.is_none_or(|(_, number)| finish(new.1) < finish(number));
    match best {
        [Some((value, _)), second] if value == new.0 => {
            if earlier(best[0]) {
                [Some(new), second]
            } else {
                best
            }
        }
        [first, _] if earlier(first) => [Some(new), first],
        [first, second] if earlier(second) => [first, Some(new)],
        _ => best,
    }
}
