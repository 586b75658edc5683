//! Operations, constraints and times in words.

use history::{Answer, Failure, Op, Operation, Outcome};

use super::constraint_graph::{Edge, Why};
use super::findings::Evidence;
use super::reads_from::Explanation;
use super::steps::{INITIAL, Trace};
use crate::describe::when;

/// More steps of a circle are not told one by one.
const MOST_TOLD: usize = 6;

/// A time for people: `1.8 s`, `12 ms`, `3 µs`, never more than it is.
pub(super) fn seconds(ns: u64) -> String {
    match ns {
        1_000_000_000.. => format!("{}.{} s", ns / 1_000_000_000, ns / 100_000_000 % 10),
        10_000_000.. => format!("{} ms", ns / 1_000_000),
        1_000_000.. => format!("{}.{} ms", ns / 1_000_000, ns / 100_000 % 10),
        1_000.. => format!("{} µs", ns / 1_000),
        _ => format!("{ns} ns"),
    }
}

/// One operation: who, what, with which answer, when.
pub(super) fn describe(trace: &Trace, index: usize) -> String {
    let operation = &trace.history.operations[index];
    let key = match trace.keys.len() {
        0 | 1 => String::new(),
        _ => format!(" on key {}", operation.op.key()),
    };
    format!(
        "process {}'s {}{key} ({})",
        operation.process,
        what(operation),
        when(operation)
    )
}

fn what(operation: &Operation) -> String {
    let open = if operation.outcome.is_info() {
        " of unknown outcome"
    } else {
        ""
    };
    match (&operation.op, &operation.outcome) {
        (Op::Read { .. }, Outcome::Ok(Answer { value: Some(value) })) => format!("read of {value}"),
        (Op::Write { value, .. }, _) => format!("write of {value}{open}"),
        (Op::Cas { expected, new, .. }, Outcome::Fail(Failure::Mismatch { current: Some(found) })) => {
            format!("failed cas from {expected} to {new}, which found {found}")
        }
        (Op::Cas { expected, new, .. }, Outcome::Fail(_)) => format!("failed cas from {expected} to {new}"),
        (Op::Cas { expected, new, .. }, _) => format!("cas from {expected} to {new}{open}"),
        (op, _) => format!("{}{open}", op.kind()),
    }
}

/// With a capital letter at the start.
pub(super) fn start(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(char::to_uppercase);
    first.into_iter().flatten().chain(letters).collect()
}

/// Tells of a circle of constraints. `proofs` are further constraints that the circle's were derived from; `complete` is
/// false if there are so many that some were left out.
pub(super) fn circle(
    trace: &Trace,
    explanation: &Explanation,
    edges: &[Edge],
    proofs: &[Edge],
    complete: bool,
) -> Evidence {
    let mut taking_part = Vec::new();
    for edge in edges.iter().chain(proofs) {
        for step in [edge.from, edge.to, edge.by[0], edge.by[1]] {
            if (step as usize) < trace.steps.len() {
                taking_part.push(step);
                let source = explanation.source[step as usize];
                // What an answer came from belongs to it. Others can do without.
                if source < INITIAL && (edge.by.contains(&step) || edge.why == Why::Source) {
                    taking_part.push(source);
                }
            }
        }
    }
    let shown = add_seers(explanation, &mut taking_part);
    let words = Words { trace, explanation };
    let mut told: Vec<String> = Vec::new();
    let mut at = 0;
    while at < edges.len() {
        let (sentence, length) = words.constraint(&edges[at..]);
        told.push(sentence);
        at += length;
    }
    let more = told.len().saturating_sub(MOST_TOLD);
    told.truncate(MOST_TOLD);
    if more > 0 {
        told.push(format!("And so on, {more} steps more, back to the first."));
    }
    for (open, seer) in shown.into_iter().take(MOST_TOLD) {
        let (open, seer) = (words.node(open), words.node(seer));
        told.push(format!("{} happened: {seer} was answered with it.", start(&open)));
    }
    told.push(match complete {
        true => "That is a circle: no order fulfils all of it.".to_owned(),
        false => {
            "That is a circle: no order fulfils all of it, and what it follows from (not all listed).".into()
        }
    });
    let mut operations: Vec<usize> = taking_part
        .iter()
        .map(|&step| trace.steps[step as usize].index as usize)
        .collect();
    operations.sort_unstable();
    Evidence {
        operations,
        sentences: told,
    }
}

/// That an open step happened must be shown: adds a step that saw what it wrote, and so on until a definite one.
/// Returns pairs of both. `steps` gets rid of duplicates.
fn add_seers(explanation: &Explanation, steps: &mut Vec<u32>) -> Vec<(u32, u32)> {
    steps.sort_unstable();
    steps.dedup();
    let mut shown = Vec::new();
    let mut at = 0;
    while let Some(&step) = steps.get(at) {
        if let Some(&seer) = explanation.seen_by.get(&step) {
            shown.push((step, seer));
            if !steps.contains(&seer) {
                steps.push(seer);
            }
        }
        at += 1;
    }
    shown
}

struct Words<'a> {
    trace: &'a Trace<'a>,
    explanation: &'a Explanation,
}

impl Words<'_> {
    /// The first constraint of `edges` in words, and of how many edges it consists.
    fn constraint(&self, edges: &[Edge]) -> (String, usize) {
        let edge = edges[0];
        let (from, by) = (self.value(edge.from), edge.by[0]);
        let text = match edge.why {
            Why::First => format!(
                "{} was there before {}.",
                self.value(edge.from),
                self.value(edge.to)
            ),
            Why::Process | Why::Guess => {
                format!("{} came before {}.", self.node(edge.from), self.node(edge.to))
            }
            Why::Source => format!("{} was answered with {from}.", self.node(edge.to)),
            Why::Own => format!(
                "Process {} had written {from} when it was answered with {}: {}.",
                self.process(by),
                self.value(edge.to),
                self.node(by)
            ),
            Why::Again => format!(
                "Process {} was answered with {from} and later with {}: {}, {}.",
                self.process(by),
                self.value(edge.to),
                self.node(by),
                self.node(edge.by[1])
            ),
            Why::BeforeSight => format!(
                "{} comes before {}, which was answered with {}, so it comes before {}.",
                self.node(edge.from),
                self.node(by),
                self.value(edge.to),
                self.node(edge.to)
            ),
            Why::AfterSight => format!(
                "{} was answered with {}, so it comes before {}, which overwrote that.",
                self.node(edge.from),
                self.value(self.source(edge.from)),
                self.node(edge.to)
            ),
            Why::WroteBefore | Why::Seen | Why::SawBefore | Why::Kept | Why::Floor => {
                return self.through_helpers(edges);
            }
        };
        (start(&text), 1)
    }

    fn through_helpers(&self, edges: &[Edge]) -> (String, usize) {
        let out = edges.iter().position(|edge| edge.why == Why::Floor);
        let length = out.map_or(edges.len(), |out| out + 1);
        let (first, last) = (edges[0], edges[length - 1]);
        let met = edges[..length]
            .iter()
            .find(|edge| matches!(edge.why, Why::WroteBefore | Why::SawBefore));
        let met = met.map(|edge| (self.process(edge.by[0]), self.value(self.source(edge.by[0]))));
        let (who, met) = met.unwrap_or_default();
        let how = match first.why {
            Why::WroteBefore => "written",
            _ => "been answered with",
        };
        let text = format!(
            "Process {who} was answered with {met}, whose process had {how} {} before, and with {}: {}.",
            self.value(first.from),
            self.value(last.to),
            self.node(last.by[0])
        );
        (text, length)
    }

    fn source(&self, step: u32) -> u32 {
        let key = self.trace.steps[step as usize].key;
        super::guarantees::source_node(self.trace, self.explanation.source[step as usize], key)
    }

    fn process(&self, step: u32) -> String {
        let index = self.trace.steps[step as usize].index as usize;
        self.trace.history.operations[index].process.to_string()
    }

    /// What a write wrote; the whole write where its value says too little.
    fn value(&self, node: u32) -> String {
        let steps = self.trace.steps.len();
        if node as usize >= steps {
            let key = node as usize - steps;
            return match self.trace.initial.get(key) {
                Some(&value) => format!("the initial value {}", self.trace.values[value as usize]),
                None => "it".to_owned(),
            };
        }
        let value = self.trace.steps[node as usize].writes;
        match self.trace.writers.get(value as usize) {
            Some(writers) if writers.len() == 1 => self.trace.values[value as usize].to_string(),
            _ => self.node(node),
        }
    }

    fn node(&self, node: u32) -> String {
        match self.trace.steps.get(node as usize) {
            Some(step) => describe(self.trace, step.index as usize),
            None => self.value(node),
        }
    }
}
