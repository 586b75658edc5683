//! Arrows between the operations of a conflict: what must precede what, and who wrote what another needed.
//!
//! Invariant: no arrow says more than the history shows.

use std::fmt::{Result, Write};

use checker::{Conflict, Rule};
use history::{OPEN, Operation};

/// From one operation of the conflict to another, by their numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Arrow {
    pub from: usize,
    pub to: usize,
    pub meaning: Meaning,
}

/// What an arrow says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    /// The former had completed before the latter began.
    Before,
    /// The former wrote what the latter needed.
    Needed,
    /// The former must come before the latter.
    Must,
}

/// The ends and the middle line of a bar that arrows can lead to.
#[derive(Clone, Copy)]
pub(super) struct Target {
    pub from: f64,
    pub to: f64,
    pub y: f64,
}

/// What must precede what, as the sentences of the rule say it.
pub(super) fn arrows(operations: &[Operation], conflict: &Conflict, proof: &[usize]) -> Vec<Arrow> {
    let count = proof.len();
    let before = |pairs: &[(usize, usize)]| -> Vec<Arrow> {
        let precedes = |&&(from, to): &&(usize, usize)| {
            let [x, y] = [from, to].map(|number| &operations[proof[number - 1]]);
            x.completed != OPEN && x.completed < y.invoked
        };
        let arrow = |&(from, to)| Arrow {
            from,
            to,
            meaning: Meaning::Before,
        };
        pairs.iter().filter(precedes).map(arrow).collect()
    };
    match (conflict.rule, count) {
        (Rule::OutOfOrder, 2..) | (Rule::ComesBack, 2) => before(&[(2, 1)]),
        (Rule::ComesBack, 3) => before(&[(2, 1), (3, 2)]),
        (Rule::ComesBack, 4..) => before(&[(2, 1), (4, 3)]),
        (Rule::HeldThroughout, 2) => before(&[(1, 2)]),
        (Rule::HeldThroughout, 3..) => before(&[(2, 1), (1, 3)]),
        (Rule::TooOften, 2..) => {
            let mut numbers: Vec<usize> = (1..=count).collect();
            numbers.sort_by_key(|number| operations[proof[number - 1]].invoked);
            let pairs: Vec<(usize, usize)> = numbers.windows(2).map(|pair| (pair[0], pair[1])).collect();
            before(&pairs)
        }
        // Where a part of the circle is left to the links, it is not drawn as if it were closed.
        (Rule::Circle, 2..) if conflict.links.is_empty() => (1..=count)
            .map(|number| Arrow {
                from: number % count + 1,
                to: number,
                meaning: Meaning::Needed,
            })
            .collect(),
        // Likewise for a cycle of transactions.
        (Rule::Cycle, 2..) if conflict.links.is_empty() && count == conflict.operations.len() => (1..=count)
            .map(|number| Arrow {
                from: number,
                to: number % count + 1,
                meaning: Meaning::Must,
            })
            .collect(),
        _ => Vec::new(),
    }
}

/// The arrows of a conflict between indices into the history's operations, with what they mean: `before`,
/// `needed` or `must`.
pub(crate) fn conflict_arrows(
    operations: &[Operation],
    conflict: &Conflict,
) -> Vec<(usize, usize, &'static str)> {
    let exists = |index: &usize| *index < operations.len();
    let proof: Vec<usize> = conflict.operations.iter().copied().filter(exists).collect();
    let arrows = arrows(operations, conflict, &proof).into_iter();
    arrows
        .map(|arrow| {
            let meaning = match arrow.meaning {
                Meaning::Before => "before",
                Meaning::Needed => "needed",
                Meaning::Must => "must",
            };
            (proof[arrow.from - 1], proof[arrow.to - 1], meaning)
        })
        .collect()
}

/// What precedes leads from the end of one bar to the beginning of another. What was needed leads down on the
/// left and up on the right, so that a circle looks like one.
pub(super) fn write_arrow(out: &mut String, arrow: &Arrow, targets: &[(usize, Target)]) -> Result {
    let find = |number: usize| targets.iter().find(|(other, _)| *other == number);
    let (Some(&(_, from)), Some(&(_, to))) = (find(arrow.from), find(arrow.to)) else {
        return Ok(());
    };
    let (class, x1, x2, bend1, bend2) = match arrow.meaning {
        Meaning::Before => {
            let bend = ((to.from - from.to) / 2.0).clamp(14.0, 90.0);
            ("before", from.to, to.from - 2.0, from.to + bend, to.from - bend)
        }
        Meaning::Needed | Meaning::Must if to.y > from.y => {
            let bend = from.from.min(to.from) - 34.0;
            ("needed", from.from - 2.0, to.from - 3.0, bend, bend)
        }
        Meaning::Needed | Meaning::Must => {
            let bend = from.to.max(to.to) + 34.0;
            ("needed", from.to + 2.0, to.to + 3.0, bend, bend)
        }
    };
    // Between two operations on one lane, the arrow passes above the bars.
    let lift = if from.y == to.y && arrow.meaning != Meaning::Before {
        26.0
    } else {
        0.0
    };
    let (y1, y2) = (from.y, to.y);
    writeln!(
        out,
        r#"<path class="arrow {class}" d="M{x1:.1} {y1:.1}C{bend1:.1} {:.1} {bend2:.1} {:.1} {x2:.1} {y2:.1}" marker-end="url(#arrow-{class})"/>"#,
        y1 - lift,
        y2 - lift
    )
}
