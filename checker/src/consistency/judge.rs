//! Decides each model: quick ways first, then consequences, then a bounded search.
//!
//! Invariants:
//! - "Holds" is said of sequential consistency only with an order that was replayed, of another model only
//!   when its own constraints have no circle under a complete explanation, or because a stronger model holds.
//! - "Violated" is said only of what every explanation contradicts: from certain sources alone, or from all
//!   explanations.

use history::{History, Value};
use rustc_hash::FxHashSet;

use super::constraint_graph::{Edge, Why, contradiction};
use super::evidence::{circle, name};
use super::findings::{Evidence, Finding, Guarantee};
use super::greedy_order::schedule;
use super::happens_before::{self, Followed};
use super::reads_from::{Explanation, Explanations};
use super::search::{Searched, search};
use super::steps::{INITIAL, NONE, Trace};
use super::validate::explains;
use super::{Limits, guarantees};
use crate::sentence::sentence;
use crate::sentence::{found_expected, phantom};

/// Histories up to this length get their evidence made smaller after a search.
const MOST_SHRUNK: usize = 60;

/// Whether one explanation fulfils a model.
enum Checked {
    Fulfilled,
    Broken(Evidence),
    TooMuch(String),
}

/// What a step that cannot be explained at all says against every model.
pub(super) fn unexplained(trace: &Trace) -> Option<Evidence> {
    let number = trace.unexplained()?;
    let step = &trace.steps[number as usize];
    let value = trace.values[step.sees as usize];
    let mut operations = vec![step.index as usize];
    let sentence = match trace.writers[step.sees as usize].first() {
        None => phantom(name(trace, step.index as usize), value),
        Some(&writer) => {
            operations.push(trace.steps[writer as usize].index as usize);
            let name = name(trace, step.index as usize);
            sentence![
                name,
                " shows a value that only its own process wrote, and only later."
            ]
        }
    };
    operations.sort_unstable();
    Some(Evidence {
        operations,
        sentences: vec![sentence],
    })
}

/// A session guarantee.
pub(super) fn session(
    trace: &Trace,
    explanations: &Explanations,
    guarantee: Guarantee,
    limits: &Limits,
) -> Finding {
    over_explanations(
        trace,
        explanations,
        limits,
        |explanation| match guarantees::constraints(trace, explanation, guarantee, limits.work) {
            None => Checked::TooMuch("too many constraints for the limit".into()),
            Some(constraints) => {
                match contradiction(constraints.nodes, constraints.real, &constraints.edges) {
                    None => Checked::Fulfilled,
                    Some(edges) => {
                        let edges: Vec<_> = edges
                            .into_iter()
                            .map(|edge| constraints.edges[edge as usize])
                            .collect();
                        Checked::Broken(circle(trace, explanation, &edges, &[], true))
                    }
                }
            }
        },
    )
}

/// Causal convergence.
pub(super) fn causal(trace: &Trace, explanations: &Explanations, limits: &Limits) -> Finding {
    over_explanations(
        trace,
        explanations,
        limits,
        |explanation| match happens_before::causal(trace, explanation, limits) {
            Followed::Circle(evidence) => Checked::Broken(evidence),
            Followed::Edges(_) => Checked::Fulfilled,
            Followed::TooMuch(why) => Checked::TooMuch(why),
        },
    )
}

fn over_explanations(
    trace: &Trace,
    explanations: &Explanations,
    limits: &Limits,
    check: impl Fn(&Explanation) -> Checked,
) -> Finding {
    match check(&explanations.certain) {
        Checked::Broken(evidence) => return Finding::Violated(evidence),
        Checked::TooMuch(why) => return Finding::Unknown { why },
        Checked::Fulfilled if explanations.is_certain() => return Finding::Holds,
        Checked::Fulfilled => {}
    }
    if let Checked::Fulfilled = check(&explanations.freshest(trace)) {
        return Finding::Holds;
    }
    let steps = trace.steps.len().max(1) as u64;
    if explanations.count > limits.explanations.min(limits.work / 64 / steps) {
        let why = format!(
            "values repeat, so that {} answers may have come from several writes, and the likeliest choice fails",
            explanations.choices.len()
        );
        return Finding::Unknown { why };
    }
    let mut all = Evidence::default();
    for number in 0..explanations.count {
        match check(&explanations.nth(trace, number)) {
            Checked::Fulfilled => return Finding::Holds,
            Checked::TooMuch(why) => return Finding::Unknown { why },
            Checked::Broken(evidence) => {
                if number == 0 {
                    all.sentences = evidence.sentences;
                }
                all.operations.extend(evidence.operations);
            }
        }
    }
    let ways = explanations.count;
    all.sentences.insert(
        0,
        format!("Values repeat. Each of the {ways} ways in which writes can explain the answers fails, for example:")
            .into(),
    );
    with_all_writers(trace, &mut all.operations);
    Finding::Violated(all)
}

/// Adds all operations that may have written what `operations` saw.
fn with_all_writers(trace: &Trace, operations: &mut Vec<usize>) {
    let mut all: FxHashSet<usize> = operations.iter().copied().collect();
    loop {
        let before = all.len();
        let seen = trace
            .steps
            .iter()
            .filter(|step| step.sees != NONE && all.contains(&(step.index as usize)));
        let writers: Vec<usize> = seen
            .flat_map(|step| &trace.writers[step.sees as usize])
            .map(|&writer| trace.steps[writer as usize].index as usize)
            .collect();
        all.extend(writers);
        if all.len() == before {
            break;
        }
    }
    *operations = all.into_iter().collect();
    operations.sort_unstable();
}

/// Sequential consistency of the operations `indices`, with the order that shows it.
pub(super) fn sequential(
    trace: &Trace,
    indices: &[usize],
    initial: &Value,
    explanations: &Explanations,
    limits: &Limits,
) -> (Finding, Vec<usize>) {
    if let Some(index) = trace.found_expected {
        let evidence = Evidence {
            operations: vec![index],
            sentences: vec![found_expected(name(trace, index))],
        };
        return (Finding::Violated(evidence), Vec::new());
    }
    let confirmed = |order: Vec<u32>| -> Option<Vec<usize>> {
        let order: Vec<usize> = order
            .into_iter()
            .map(|step| trace.steps[step as usize].index as usize)
            .collect();
        explains(trace.history, indices, initial, &order)
            .is_ok()
            .then_some(order)
    };
    let certain = &explanations.certain;
    let likely = match explanations.is_certain() {
        true => certain,
        false => &explanations.freshest(trace),
    };
    let near = near_constraints(trace, likely);
    for timely in [true, false] {
        if let Some(order) = schedule(trace, likely, &near, timely, limits.work).and_then(confirmed) {
            return (Finding::Holds, order);
        }
    }
    let derived = |edges: Vec<Edge>| -> Vec<(u32, u32)> {
        let derived = edges
            .iter()
            .filter(|edge| matches!(edge.why, Why::BeforeSight | Why::AfterSight));
        derived.map(|edge| (edge.from, edge.to)).collect()
    };
    if let Some(guesses) = in_real_time(trace, likely, limits)
        && let Followed::Edges(edges) = happens_before::sequential(trace, likely, &guesses, limits)
        && let Some(order) = schedule(trace, likely, &derived(edges), true, limits.work).and_then(confirmed)
    {
        return (Finding::Holds, order);
    }
    let mut why = match happens_before::sequential(trace, certain, &[], limits) {
        Followed::Circle(evidence) => return (Finding::Violated(evidence), Vec::new()),
        Followed::TooMuch(why) => why,
        Followed::Edges(edges) => {
            if let Some(order) =
                schedule(trace, likely, &derived(edges), false, limits.work).and_then(confirmed)
            {
                return (Finding::Holds, order);
            }
            "neither a contradiction nor an order was found".to_owned()
        }
    };
    match search(trace, limits.configurations, limits.cells, limits.work) {
        Searched::Found(order) => match confirmed(order) {
            Some(order) => return (Finding::Holds, order),
            None => why = "internal: the order that was found is wrong".into(),
        },
        Searched::Exhausted => {
            return (Finding::Violated(exhausted(trace, initial, limits)), Vec::new());
        }
        Searched::GaveUp => {
            why += "; a search through all orders did not end within its limits";
        }
    }
    (Finding::Unknown { why }, Vec::new())
}

/// Constraints on the writes of a register that are found without clocks: what a process saw or wrote before
/// it saw or wrote something else.
fn near_constraints(trace: &Trace, explanation: &Explanation) -> Vec<(u32, u32)> {
    let mut pairs = Vec::with_capacity(trace.steps.len());
    let mut last: rustc_hash::FxHashMap<(u32, u32), u32> = rustc_hash::FxHashMap::default();
    for (number, step) in (0u32..).zip(&trace.steps) {
        if !explanation.kept[number as usize] {
            continue;
        }
        let last = last.entry((step.process, step.key)).or_insert(INITIAL);
        let source = explanation.source[number as usize];
        let written = if step.writes == NONE { NONE } else { number };
        for next in [source, written] {
            if next < INITIAL {
                if *last < INITIAL && *last != next {
                    pairs.push((*last, next));
                }
                *last = next;
            }
        }
    }
    pairs
}

/// Pairs of writes of which the first had completed when the second was invoked, without most of those that
/// follow from others; none if they are too many.
fn in_real_time(trace: &Trace, explanation: &Explanation, limits: &Limits) -> Option<Vec<(u32, u32)>> {
    let steps = &trace.steps;
    let kept = |step: &u32| explanation.kept[*step as usize] && steps[*step as usize].writes != NONE;
    let writes: Vec<u32> = (0..steps.len() as u32).filter(kept).collect();
    // For each write the first completion among those that begin with it or later: anyone who begins after
    // that follows.
    let mut first_finish: Vec<u64> = writes.iter().map(|&write| steps[write as usize].finish).collect();
    for place in (1..writes.len()).rev() {
        first_finish[place - 1] = first_finish[place - 1].min(first_finish[place]);
    }
    let mut pairs = Vec::new();
    for &write in &writes {
        let finish = steps[write as usize].finish;
        let after = writes.partition_point(|&other| steps[other as usize].start <= finish);
        let Some(&until) = first_finish.get(after) else {
            continue;
        };
        let direct = writes[after..]
            .iter()
            .take_while(|&&other| steps[other as usize].start <= until);
        pairs.extend(direct.map(|&other| (write, other)));
        if pairs.len() > limits.cells / 4 {
            return None;
        }
    }
    Some(pairs)
}

/// The evidence of a search that found nothing: all operations, without the reads that do not matter.
fn exhausted(trace: &Trace, initial: &Value, limits: &Limits) -> Evidence {
    let mut operations: Vec<usize> = trace.steps.iter().map(|step| step.index as usize).collect();
    operations.sort_unstable();
    if operations.len() <= MOST_SHRUNK {
        let reads = trace.steps.iter().filter(|step| step.writes == NONE);
        for read in reads.map(|step| step.index as usize) {
            let without: Vec<usize> = operations
                .iter()
                .copied()
                .filter(|&index| index != read)
                .collect();
            let Ok(smaller) = Trace::new(trace.history, &without, initial) else {
                continue;
            };
            if let Searched::Exhausted = search(&smaller, limits.configurations, limits.cells, limits.work) {
                operations = without;
            }
        }
    }
    Evidence {
        sentences: vec![
            format!(
                "A search through all orders of these {} operations found none that explains every answer.",
                operations.len()
            )
            .into(),
        ],
        operations,
    }
}

/// Sequential consistency of each key by itself. Ends at the first key that violates it.
pub(super) fn per_key(trace: &Trace, initial: &Value, limits: &Limits) -> Finding {
    let mut keys: Vec<Vec<usize>> = vec![Vec::new(); trace.keys.len()];
    for step in &trace.steps {
        keys[step.key as usize].push(step.index as usize);
    }
    let limits = Limits {
        work: (limits.work / keys.len().max(1) as u64).max(100_000),
        configurations: (limits.configurations / keys.len().max(1)).max(100),
        ..limits.clone()
    };
    let mut unknown: Option<String> = None;
    for (key, indices) in keys.iter().enumerate() {
        let finding = one_key(trace.history, indices, initial, &limits);
        match finding {
            Finding::Holds => {}
            Finding::Violated(mut evidence) => {
                if let Some(first) = evidence.sentences.first_mut() {
                    *first = sentence![format!("Key {}: ", trace.keys[key]), std::mem::take(first)];
                }
                return Finding::Violated(evidence);
            }
            Finding::Unknown { why } => {
                unknown.get_or_insert_with(|| format!("key {}: {why}", trace.keys[key]));
            }
        }
    }
    match unknown {
        Some(why) => Finding::Unknown { why },
        None => Finding::Holds,
    }
}

fn one_key(history: &History, indices: &[usize], initial: &Value, limits: &Limits) -> Finding {
    match Trace::new(history, indices, initial) {
        Err(why) => Finding::Unknown { why },
        Ok(trace) => match unexplained(&trace) {
            Some(evidence) => Finding::Violated(evidence),
            None => sequential(&trace, indices, initial, &Explanations::new(&trace), limits).0,
        },
    }
}
