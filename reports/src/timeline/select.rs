//! Which operations a picture shows: those of the conflict, and as many neighbours as can be read.
//!
//! Invariant: at most [`MOST_BARS`] bars in [`MOST_LANES`] lanes around a conflict; what these limits exclude
//! is counted.

use std::collections::{BTreeSet, HashMap};

use checker::{Conflict, Rule};
use history::tell::{self, cut};
use history::{Answer, Failure, History, Op, Operation, Outcome, Value};

use super::arrow::{Arrow, arrows};
use super::axis::{LEFT_PX, RIGHT_PX, TimeAxis};
use super::order::{Place, places};
use super::{Subject, label};

/// The most bars in the picture of a conflict.
pub(super) const MOST_BARS: usize = 60;
/// The most lanes, so that the picture fits on a page.
pub(super) const MOST_LANES: usize = 24;
/// Neighbours open no further lanes from here on: a crowd hides what it surrounds.
const MOST_NEAR_LANES: usize = 14;
/// The most operations of a proof that are drawn; a longer proof is in the table only.
const MOST_PROOF: usize = 20;
/// The most links for which the axis makes room.
const MOST_LINKS_SEEN: usize = 4;
/// How many operations from the end of the longest order the axis makes room for.
const MOST_LAST: usize = 8;
/// An object with so few operations is shown from its first to its last one, wherever the conflict is.
const MOST_SEEN_WHOLE: usize = 30;
/// The most operations of a history that is drawn whole, and the most lanes then.
pub(super) const MOST_WHOLE: usize = 200;
const MOST_WHOLE_LANES: usize = 60;
/// The room for one operation where a whole history is drawn, and the widest picture, pixels.
const WHOLE_PX: f64 = 96.0;
const WIDEST_PX: f64 = 9_000.0;

/// The longest description, characters.
const DESCRIPTION_CHARS: usize = 1_000;

/// A picture before it is drawn.
pub(super) struct Scene {
    pub axis: TimeAxis,
    pub lanes: Vec<Lane>,
    /// How many lanes, from the first one, belong to the proof.
    pub proof_lanes: usize,
    pub arrows: Vec<Arrow>,
    /// Up to when the longest order reaches, nanoseconds.
    pub boundary_ns: Option<u64>,
    /// How many operations of the time shown were left out.
    pub omitted: usize,
    /// What the picture shows, in words, for those who cannot see it.
    pub description: String,
}

/// One process.
pub(super) struct Lane {
    pub process: u32,
    pub bars: Vec<Bar>,
}

/// Why an operation is in the picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Role {
    /// What cannot be, with its number in the conflict.
    Culprit(usize),
    /// What shows it, with its number in the conflict.
    Witness(usize),
    /// A cas that ties the conflict together.
    Link,
    /// It has a place in an order of the whole history.
    Placed,
    /// It happened nearby.
    Near,
}

/// One operation.
pub(super) struct Bar {
    pub role: Role,
    /// Its place in the order that was found.
    pub place: Option<Place>,
    pub from_ns: u64,
    /// `None` if it is unknown whether and when it happened.
    pub to_ns: Option<u64>,
    /// `ok`, `fail` or `info`.
    pub outcome: &'static str,
    pub label: String,
    /// A shorter one, for where there is little room.
    pub letters: String,
    pub title: String,
}

/// The operations of a conflict and what happened around them.
pub(super) fn conflict(subject: &Subject, conflict: &Conflict) -> Option<Scene> {
    let operations = &subject.history.operations;
    let exists = |index: &&usize| **index < operations.len();
    let of = |indices: &[usize], most: usize| -> Vec<usize> {
        indices.iter().filter(exists).copied().take(most).collect()
    };
    let proof = of(&conflict.operations, MOST_PROOF);
    let mut drawn = proof.clone();
    drawn.extend(
        (named(subject, conflict).into_iter())
            .filter(|index| !proof.contains(index))
            .take(MOST_PROOF - proof.len()),
    );
    let numbers = numbers(operations, &drawn);
    let links = of(&conflict.links, MOST_PROOF.saturating_sub(proof.len()));
    let first = &operations[*proof.first()?];
    let boundary_ns = (conflict.rule == Rule::NoOrder && !conflict.prefix.is_empty())
        .then(|| end_ns(first).unwrap_or(subject.history.end_ns));
    let places = boundary_ns.map_or_else(HashMap::new, |until_ns| {
        places(subject.history, &conflict.prefix, until_ns)
    });
    let last: Vec<usize> = match boundary_ns {
        Some(_) => of(
            &conflict.prefix[conflict.prefix.len().saturating_sub(MOST_LAST)..],
            MOST_LAST,
        ),
        None => Vec::new(),
    };
    // Few links are worth a place of their own on the axis; many would leave none for the proof.
    let seen_links = if links.len() <= MOST_LINKS_SEEN {
        links.as_slice()
    } else {
        &[]
    };
    // Open ones may have begun long ago.
    let ended = last.iter().filter(|index| end_ns(&operations[**index]).is_some());
    let object: Vec<usize> = (0..operations.len())
        .filter(|&index| !subject.per_key || *operations[index].op.key() == conflict.key)
        .take(MOST_SEEN_WHOLE + 1)
        .collect();
    let whole: &[usize] = match object.len() <= MOST_SEEN_WHOLE {
        true => &object,
        false => &[],
    };
    let seen = drawn.iter().chain(seen_links).chain(ended).chain(whole);
    let spans: Vec<(u64, u64)> = seen.map(|&index| span(&operations[index])).collect();
    let axis = TimeAxis::new(&spans, RIGHT_PX, subject.history.times);

    let mut cast = Cast {
        most_near_lanes: MOST_NEAR_LANES,
        ..Cast::new(subject, &places, MOST_BARS, MOST_LANES)
    };
    for (place, &index) in drawn.iter().enumerate() {
        let role = if is_culprit(conflict.rule, place + 1) {
            Role::Culprit
        } else {
            Role::Witness
        };
        cast.add(index, role(numbers[place]));
    }
    for &index in &links {
        cast.add(index, Role::Link);
    }
    for index in neighbours(subject, conflict, &proof, boundary_ns, &last, &axis) {
        cast.add(index, Role::Near);
    }
    let cut_off =
        |all: &[usize], shown: &[usize]| all.iter().filter(exists).count().saturating_sub(shown.len());
    Some(Scene {
        arrows: (arrows(operations, conflict, &proof).into_iter())
            .map(|arrow| Arrow {
                from: numbers[arrow.from - 1],
                to: numbers[arrow.to - 1],
                ..arrow
            })
            .collect(),
        boundary_ns,
        omitted: cast.omitted + cut_off(&conflict.operations, &proof) + cut_off(&conflict.links, &links),
        description: cut(
            &format!(
                "Timeline of the operations that contradict each other: {}",
                conflict.plain(subject.history)
            ),
            DESCRIPTION_CHARS,
        ),
        ..cast.scene(axis)
    })
}

/// The operations that a conflict names: its own, then those that only its sentences name.
pub(crate) fn named(subject: &Subject, conflict: &Conflict) -> Vec<usize> {
    let exists = |index: &usize| *index < subject.history.operations.len();
    let mut named: Vec<usize> = conflict.operations.iter().copied().filter(exists).collect();
    for index in conflict
        .sentences
        .iter()
        .flat_map(|sentence| sentence.operations())
    {
        if exists(&index) && !named.contains(&index) && !conflict.links.contains(&index) {
            named.push(index);
        }
    }
    named
}

/// The numbers of operations where they are shown: in the order in which they began, from 1.
pub(crate) fn numbers(operations: &[Operation], named: &[usize]) -> Vec<usize> {
    let mut by_time: Vec<usize> = (0..named.len()).collect();
    by_time.sort_by_key(|&place| {
        let index = named[place];
        operations
            .get(index)
            .map(|operation| (operation.invoked_ns, operation.invoked))
    });
    let mut numbers = vec![0; named.len()];
    for (number, place) in (1..).zip(by_time) {
        numbers[place] = number;
    }
    numbers
}

/// All operations of a small history, in an order that explains them.
pub(super) fn whole(subject: &Subject, order: &[usize]) -> Option<Scene> {
    let operations = &subject.history.operations;
    if order.is_empty() || operations.len() > MOST_WHOLE {
        return None;
    }
    let places = places(subject.history, order, subject.history.end_ns);
    let mut crowd: HashMap<u32, usize> = HashMap::new();
    for operation in operations {
        *crowd.entry(operation.process).or_default() += 1;
    }
    let most = crowd.values().copied().max().unwrap_or(1);
    let right_px = (LEFT_PX + most as f64 * WHOLE_PX).clamp(RIGHT_PX, WIDEST_PX);
    let spans: Vec<(u64, u64)> = operations.iter().map(span).collect();
    let mut cast = Cast::new(subject, &places, MOST_WHOLE, MOST_WHOLE_LANES);
    for index in 0..operations.len() {
        let role = if places.contains_key(&index) {
            Role::Placed
        } else {
            Role::Near
        };
        cast.add(index, role);
    }
    Some(Scene {
        description: format!(
            "Timeline of all {} operations, with an order that explains every answer",
            operations.len()
        ),
        ..cast.scene(TimeAxis::new(&spans, right_px, subject.history.times))
    })
}

/// The operations that were chosen so far.
struct Cast<'a> {
    subject: &'a Subject<'a>,
    places: &'a HashMap<usize, Place>,
    most_bars: usize,
    most_lanes: usize,
    most_near_lanes: usize,
    chosen: BTreeSet<usize>,
    lanes: Vec<Lane>,
    omitted: usize,
}

impl<'a> Cast<'a> {
    fn new(
        subject: &'a Subject<'a>,
        places: &'a HashMap<usize, Place>,
        most_bars: usize,
        most_lanes: usize,
    ) -> Self {
        Cast {
            subject,
            places,
            most_bars,
            most_lanes,
            most_near_lanes: most_lanes,
            chosen: BTreeSet::new(),
            lanes: Vec::new(),
            omitted: 0,
        }
    }

    /// Gives an operation its bar if it has none yet and there is room.
    fn add(&mut self, index: usize, role: Role) {
        let operation = &self.subject.history.operations[index];
        if self.chosen.contains(&index) {
            return;
        }
        let lane = self
            .lanes
            .iter()
            .position(|lane| lane.process == operation.process);
        let most_lanes = match role {
            Role::Near => self.most_near_lanes,
            _ => self.most_lanes,
        };
        if self.chosen.len() >= self.most_bars || (lane.is_none() && self.lanes.len() >= most_lanes) {
            self.omitted += 1;
            return;
        }
        self.chosen.insert(index);
        let bar = bar(self.subject, operation, role, self.places.get(&index).copied());
        match lane {
            Some(lane) => self.lanes[lane].bars.push(bar),
            None => self.lanes.push(Lane {
                process: operation.process,
                bars: vec![bar],
            }),
        }
    }

    /// The lanes of the proof are on top, in the order in which their operations began.
    fn scene(mut self, axis: TimeAxis) -> Scene {
        let begin = |lane: &Lane| {
            let proof = lane.bars.iter().filter(|bar| bar.is_proof());
            proof.map(|bar| bar.from_ns).min().unwrap_or(u64::MAX)
        };
        self.lanes.sort_by_key(|lane| (begin(lane), lane.process));
        Scene {
            axis,
            proof_lanes: self.lanes.iter().filter(|lane| lane.has_proof()).count(),
            lanes: self.lanes,
            arrows: Vec::new(),
            boundary_ns: None,
            omitted: self.omitted,
            description: String::new(),
        }
    }
}

impl Lane {
    pub fn has_proof(&self) -> bool {
        self.bars.iter().any(Bar::is_proof)
    }
}

impl Bar {
    /// Its number in the conflict.
    pub fn number(&self) -> Option<usize> {
        match self.role {
            Role::Culprit(number) | Role::Witness(number) => Some(number),
            Role::Link | Role::Placed | Role::Near => None,
        }
    }

    pub fn is_proof(&self) -> bool {
        self.number().is_some()
    }
}

fn bar(subject: &Subject, operation: &Operation, role: Role, place: Option<Place>) -> Bar {
    let key = match operation.op.key() {
        key if !subject.per_key && !key.is_nil() => cut(&format!("[{key}] "), 24),
        _ => String::new(),
    };
    Bar {
        role,
        place,
        from_ns: operation.invoked_ns,
        to_ns: end_ns(operation),
        outcome: operation.outcome.name(),
        label: format!("{key}{}", tell::short(operation)),
        letters: format!("{key}{}", tell::letters(operation)),
        title: label::title(operation, subject.nodes, subject.history.times),
    }
}

/// The time that an operation takes on the picture. One without an end takes none, or it would swallow the
/// axis.
fn span(operation: &Operation) -> (u64, u64) {
    let from = operation.invoked_ns;
    (from, end_ns(operation).unwrap_or(from).max(from))
}

/// When an operation certainly had ended.
fn end_ns(operation: &Operation) -> Option<u64> {
    operation
        .completed_ns
        .filter(|_| !operation.outcome.is_info())
        .map(u64::from)
}

/// The other operations of the time shown, the most informative ones first: the last ones of the longest
/// order, those that name a value of the proof, those nearest in time.
fn neighbours(
    subject: &Subject,
    conflict: &Conflict,
    proof: &[usize],
    boundary_ns: Option<u64>,
    last: &[usize],
    axis: &TimeAxis,
) -> Vec<usize> {
    let History { operations, .. } = subject.history;
    let proof_values: BTreeSet<&Value> = proof
        .iter()
        .flat_map(|&index| values(&operations[index]))
        .collect();
    let proof_spans: Vec<(u64, u64)> = match boundary_ns {
        // Where the search ended is what matters then.
        Some(at) => vec![(at, at)],
        None => proof.iter().map(|&index| span(&operations[index])).collect(),
    };
    let distance = |(from, to): (u64, u64)| {
        let gaps = (proof_spans.iter()).map(|&(a, b)| from.saturating_sub(b).max(a.saturating_sub(to)));
        gaps.min().unwrap_or(u64::MAX)
    };
    // What runs all the time says least.
    let is_long = |(from, to): (u64, u64)| from as f64 <= axis.begin_ns() && to as f64 >= axis.end_ns();
    let mut near: Vec<(bool, bool, bool, u64, usize)> = (operations.iter().enumerate())
        .filter(|(_, operation)| !subject.per_key || *operation.op.key() == conflict.key)
        .filter_map(|(index, operation)| {
            let (from, to) = span(operation);
            (axis.shows(from as f64, to as f64) || last.contains(&index)).then(|| {
                let is_unrelated = boundary_ns.is_none()
                    && !values(operation).iter().any(|value| proof_values.contains(value));
                let span = (from, to);
                (
                    !last.contains(&index),
                    is_unrelated,
                    is_long(span),
                    distance(span),
                    index,
                )
            })
        })
        .collect();
    near.sort_unstable();
    near.into_iter().map(|(.., index)| index).collect()
}

/// The values that an operation names.
fn values(operation: &Operation) -> Vec<&Value> {
    let mut values = match &operation.op {
        Op::Write { value, .. }
        | Op::Append { value, .. }
        | Op::Add { value, .. }
        | Op::Enqueue { value, .. } => vec![value],
        Op::Cas { expected, new, .. } => vec![expected, new],
        _ => Vec::new(),
    };
    if let Outcome::Ok(Answer { value: Some(value) })
    | Outcome::Fail(Failure::Mismatch { current: Some(value) }) = &operation.outcome
    {
        values.push(value);
    }
    values
}

/// Whether it is this operation of the conflict that cannot be, given the others.
fn is_culprit(rule: Rule, number: usize) -> bool {
    match rule {
        // None is worse than the others.
        Rule::Circle | Rule::Cycle => true,
        Rule::ReplacedTwice => number <= 2,
        _ => number == 1,
    }
}
