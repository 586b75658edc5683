//! Which operations a picture shows: those of the proof, and as many neighbours as can be read.

use std::collections::BTreeSet;

use checker::Conflict;
use history::{Answer, Failure, History, Op, Operation, Outcome, Value};

use super::axis::TimeAxis;
use crate::results::Results;
use crate::summary::{node_name, operation_text, seconds, shortened};

/// The most bars in a picture.
const MOST_BARS: usize = 36;
/// The most operations of a proof that are drawn; a longer proof stands in the table.
const MOST_PROOF: usize = 20;
/// The most links for which the axis makes room.
const MOST_LINKS_SEEN: usize = 4;
/// The most lanes, so that a picture fits on a page.
const MOST_LANES: usize = 16;
/// The longest label, characters.
const LABEL_CHARS: usize = 32;

/// A picture before it is drawn.
pub(super) struct Scene {
    pub axis: TimeAxis,
    pub lanes: Vec<Lane>,
    /// How many lanes, from the first one, belong to the proof.
    pub proof_lanes: usize,
    /// What the picture shows, in words, for those who cannot see it.
    pub description: String,
}

/// One process.
pub(super) struct Lane {
    pub process: u32,
    pub bars: Vec<Bar>,
}

/// One operation.
pub(super) struct Bar {
    /// Its number in the table of the proof.
    pub number: Option<usize>,
    /// Whether it is a cas that ties the proof together.
    pub is_link: bool,
    pub from_ns: u64,
    /// `None` if nobody knows whether and when it happened.
    pub to_ns: Option<u64>,
    /// `ok`, `fail` or `info`.
    pub outcome: &'static str,
    pub label: String,
    pub title: String,
}

pub(super) fn scene(results: &Results, history: &History, conflict: &Conflict) -> Option<Scene> {
    let operations = &history.operations;
    let exists = |index: &usize| *index < operations.len();
    let proof: Vec<usize> = conflict
        .operations
        .iter()
        .copied()
        .filter(exists)
        .take(MOST_PROOF)
        .collect();
    let room_for_links = MOST_PROOF.saturating_sub(proof.len());
    let links: Vec<usize> = conflict
        .links
        .iter()
        .copied()
        .filter(exists)
        .take(room_for_links)
        .collect();
    if proof.is_empty() {
        return None;
    }
    // Few links are worth a place of their own on the axis; many would leave none for the proof.
    let seen_links = if links.len() <= MOST_LINKS_SEEN {
        links.as_slice()
    } else {
        &[]
    };
    let seen = proof.iter().chain(seen_links);
    let axis = TimeAxis::new(&seen.map(|&index| span(&operations[index])).collect::<Vec<_>>());
    let chosen = choose(history, conflict, &proof, &links, &axis);

    let mut lanes: Vec<Lane> = Vec::new();
    for &index in &chosen {
        let operation = &operations[index];
        let bar = bar(results, index, operation, &proof, &links);
        match lanes.iter().position(|lane| lane.process == operation.process) {
            Some(lane) => lanes[lane].bars.push(bar),
            None if lanes.len() < MOST_LANES => lanes.push(Lane {
                process: operation.process,
                bars: vec![bar],
            }),
            None => {}
        }
    }
    let proof_lanes = lanes
        .iter()
        .filter(|lane| lane.bars.iter().any(|bar| bar.number.is_some()))
        .count();
    let first_number = |lane: &Lane| {
        lane.bars
            .iter()
            .filter_map(|bar| bar.number)
            .min()
            .unwrap_or(usize::MAX)
    };
    lanes.sort_by_key(|lane| (first_number(lane), lane.process));
    Some(Scene {
        axis,
        lanes,
        proof_lanes,
        description: format!(
            "Timeline of the operations on key {} that contradict each other: {}",
            conflict.key,
            conflict.sentences.join(" ")
        ),
    })
}

/// The time that an operation takes on the picture. One without an end takes none, lest it swallow the axis.
fn span(operation: &Operation) -> (u64, u64) {
    let from = operation.invoked_ns;
    (from, end(operation).unwrap_or(from).max(from))
}

/// When an operation certainly had ended.
fn end(operation: &Operation) -> Option<u64> {
    operation
        .completed_ns
        .filter(|_| !operation.outcome.is_info())
        .map(u64::from)
}

/// The proof, its links, and the neighbours that tell most: those that name a value of the proof first, then those
/// nearest in time.
fn choose(
    history: &History,
    conflict: &Conflict,
    proof: &[usize],
    links: &[usize],
    axis: &TimeAxis,
) -> Vec<usize> {
    let operations = &history.operations;
    let mut chosen: Vec<usize> = Vec::with_capacity(MOST_BARS);
    let mut seen = BTreeSet::new();
    for &index in proof.iter().chain(links) {
        if seen.insert(index) {
            chosen.push(index);
        }
    }
    let values: BTreeSet<&Value> = proof
        .iter()
        .flat_map(|&index| values(&operations[index]))
        .collect();
    let distance = |operation: &Operation| {
        let (from, to) = span(operation);
        proof
            .iter()
            .map(|&index| {
                let (a, b) = span(&operations[index]);
                from.saturating_sub(b).max(a.saturating_sub(to))
            })
            .min()
            .unwrap_or(u64::MAX)
    };
    let shown = |operation: &Operation| {
        let (from, to) = span(operation);
        axis.shows(from as f64, to as f64 + 1.0)
    };
    let mut neighbours: Vec<(bool, u64, usize)> = operations
        .iter()
        .enumerate()
        .filter(|(index, operation)| *operation.op.key() == conflict.key && !seen.contains(index))
        .filter(|(_, operation)| shown(operation))
        .map(|(index, operation)| {
            let is_stranger = !self::values(operation).iter().any(|value| values.contains(value));
            (is_stranger, distance(operation), index)
        })
        .collect();
    neighbours.sort_unstable();
    let room = MOST_BARS.saturating_sub(chosen.len());
    chosen.extend(neighbours.into_iter().take(room).map(|(_, _, index)| index));
    chosen
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

fn bar(results: &Results, index: usize, operation: &Operation, proof: &[usize], links: &[usize]) -> Bar {
    let text = operation_text(operation);
    let to_ns = end(operation);
    let ending = match (to_ns, operation.outcome.reason()) {
        (_, Some(reason)) => format!(
            "{}: {} {}",
            operation.outcome.name(),
            reason.class,
            reason.message
        ),
        (Some(to), None) => {
            format!(
                "{} after {:.3} ms",
                operation.outcome.name(),
                (to.saturating_sub(operation.invoked_ns)) as f64 / 1e6
            )
        }
        (None, None) => operation.outcome.name().to_owned(),
    };
    let node = operation.node.map_or_else(String::new, |node| {
        format!(" at {}", node_name(&results.test, node))
    });
    Bar {
        number: proof
            .iter()
            .position(|&other| other == index)
            .map(|position| position + 1),
        is_link: links.contains(&index),
        from_ns: operation.invoked_ns,
        to_ns,
        outcome: operation.outcome.name(),
        label: shortened(&text, LABEL_CHARS),
        title: shortened(
            &format!(
                "{text}, process {}{node}, invoked at {:.6} s, {ending}",
                operation.process,
                seconds(operation.invoked_ns)
            ),
            300,
        ),
    }
}
