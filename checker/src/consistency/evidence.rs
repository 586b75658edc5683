//! What shows that a model is violated: operations, and constraints on their order, as sentences.

use super::constraint_graph::{Edge, Why};
use super::findings::Evidence;
use super::reads_from::{Explanation, source_node};
use super::steps::{INITIAL, Trace};
use crate::sentence::{Sentence, op, sentence};

/// How many steps of a circle are explained one by one.
const MOST_EXPLAINED: usize = 6;

/// An operation, with its key where there are several.
pub(super) fn name(trace: &Trace, index: usize) -> Sentence {
    match trace.keys.len() {
        0 | 1 => op(index).into(),
        _ => {
            let key = trace.history.operations[index].op.key();
            sentence![op(index), format!(" on key {key}")]
        }
    }
}

/// Explains a cycle of constraints. `proofs` are further constraints from which those of the cycle were
/// derived; `complete` is false if there are so many that some were left out.
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
    let names = Names { trace, explanation };
    let mut sentences: Vec<Sentence> = Vec::new();
    let mut at = 0;
    while at < edges.len() {
        let (sentence, length) = names.constraint(&edges[at..]);
        sentences.push(sentence);
        at += length;
    }
    let more = sentences.len().saturating_sub(MOST_EXPLAINED);
    sentences.truncate(MOST_EXPLAINED);
    if more > 0 {
        sentences.push(format!("And so on: {more} more steps lead back to the first.").into());
    }
    for (open, seer) in shown.into_iter().take(MOST_EXPLAINED) {
        let (open, seer) = (names.node(open), names.node(seer));
        sentences.push(sentence![
            open,
            " happened, because ",
            seer,
            " returned its value."
        ]);
    }
    sentences.push(
        match complete {
            true => "That is a cycle, so no order satisfies all of these.",
            false => "That is a cycle, so no order satisfies all of these and what they follow from (not all listed).",
        }
        .into(),
    );
    let mut operations: Vec<usize> = taking_part
        .iter()
        .map(|&step| trace.steps[step as usize].index as usize)
        .collect();
    operations.sort_unstable();
    Evidence {
        operations,
        sentences,
    }
}

/// That an open step happened must be shown: adds a step that saw what it wrote, and so on until a definite
/// one. Returns pairs of both. `steps` gets rid of duplicates.
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

struct Names<'a> {
    trace: &'a Trace<'a>,
    explanation: &'a Explanation,
}

impl Names<'_> {
    /// The first constraint of `edges` as a sentence, and of how many edges it consists.
    fn constraint(&self, edges: &[Edge]) -> (Sentence, usize) {
        let edge = edges[0];
        let (from, by) = (self.value(edge.from), edge.by[0]);
        let text = match edge.why {
            Why::First => sentence![from, " was there before ", self.value(edge.to), "."],
            Why::Process | Why::Guess => {
                sentence![self.node(edge.from), " came before ", self.node(edge.to), "."]
            }
            Why::Source => sentence![self.node(edge.to), " returned ", from, "."],
            Why::Own => sentence![
                format!("Process {} had already written ", self.process(by)),
                from,
                " when ",
                self.node(by),
                " returned ",
                self.value(edge.to),
                "."
            ],
            Why::Again => sentence![
                format!("Process {} saw ", self.process(by)),
                from,
                " and later ",
                self.value(edge.to),
                ": ",
                self.node(by),
                ", then ",
                self.node(edge.by[1]),
                "."
            ],
            Why::BeforeSight => sentence![
                self.node(edge.from),
                " comes before ",
                self.node(by),
                ", which returned ",
                self.value(edge.to),
                ", so it also comes before ",
                self.node(edge.to),
                "."
            ],
            Why::AfterSight => sentence![
                self.node(edge.from),
                " returned ",
                self.value(self.source(edge.from)),
                ", so it comes before ",
                self.node(edge.to),
                ", which overwrote that."
            ],
            Why::WroteBefore | Why::Seen | Why::SawBefore | Why::Kept | Why::Floor => {
                return self.through_helpers(edges);
            }
        };
        (text, 1)
    }

    fn through_helpers(&self, edges: &[Edge]) -> (Sentence, usize) {
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
            _ => "seen",
        };
        let text = sentence![
            format!("Process {who} saw "),
            met,
            format!(", whose process had already {how} "),
            self.value(first.from),
            ", and yet ",
            self.node(last.by[0]),
            " returned ",
            self.value(last.to),
            "."
        ];
        (text, length)
    }

    fn source(&self, step: u32) -> u32 {
        let key = self.trace.steps[step as usize].key;
        source_node(self.trace, self.explanation.source[step as usize], key)
    }

    fn process(&self, step: u32) -> String {
        let index = self.trace.steps[step as usize].index as usize;
        self.trace.history.operations[index].process.to_string()
    }

    /// What a write wrote; the whole write where its value says too little.
    fn value(&self, node: u32) -> Sentence {
        let steps = self.trace.steps.len();
        if node as usize >= steps {
            let key = node as usize - steps;
            return match self.trace.initial.get(key) {
                Some(&value) => format!("the initial value {}", self.trace.values[value as usize]).into(),
                None => "it".into(),
            };
        }
        let value = self.trace.steps[node as usize].writes;
        match self.trace.writers.get(value as usize) {
            Some(writers) if writers.len() == 1 => self.trace.values[value as usize].to_string().into(),
            _ => self.node(node),
        }
    }

    fn node(&self, node: u32) -> Sentence {
        match self.trace.steps.get(node as usize) {
            Some(step) => name(self.trace, step.index as usize),
            None => self.value(node),
        }
    }
}
