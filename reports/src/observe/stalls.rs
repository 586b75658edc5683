//! Stalls: updates or reads that no client gets an answer to, or a node that answers nothing, although
//! perjury's faults left a majority of the nodes, and that node, alone.
//!
//! Source: what a consensus store promises beside safety: with a majority of the nodes up and connected it
//! goes on (Raft, Ongaro and Ousterhout 2014, section 5.4.3; Howard and Abraham, "Raft does not Guarantee
//! Liveness in the face of Network Faults", 2020).

use history::units::seconds;
use history::{Hold, NemesisSpan, Note, NoteKind, Observed, Operation};

use super::spared::{Stretch, is_touched, spared};
use super::{Looked, observation};
use crate::results::Observation;

/// Fewer operations without an answer are no silence.
const FEWEST: usize = 5;

pub(super) fn observe(looked: &Looked) -> Vec<Observation> {
    let mut found: Vec<Observation> = stalls(looked).into_iter().collect();
    found.extend(silent_nodes(looked));
    found
}

/// The longest time in which no update was acknowledged, or no read was answered.
fn stalls(looked: &Looked) -> Option<Observation> {
    let bound_s = looked.bound(Observed::Stall)?;
    let stretches = spared(looked.faults, looked.record.nodes.len(), None, until_s(looked));
    let kinds = [("update was acknowledged", false), ("read was answered", true)];
    let longest = kinds.into_iter().filter_map(|(what, reads)| {
        let of_kind = |operation: &&Operation| operation.op.is_read_only() == reads;
        let operations: Vec<&Operation> = looked.history.operations.iter().filter(of_kind).collect();
        // Who asks a node that a fault holds may wait for it.
        let asks = |operation: &Operation| {
            let name = operation
                .node
                .and_then(|node| looked.record.nodes.get(usize::from(node)));
            name.is_none_or(|name| !is_touched(looked.faults, name, seconds(operation.invoked_ns)))
        };
        Some((what, longest_gap(&operations, &stretches, asks)?))
    });
    let (what, gap) = longest.max_by(|one, other| one.1.length_s().total_cmp(&other.1.length_s()))?;
    (gap.length_s() > bound_s).then(|| Observation {
        time_s: Some(gap.from_s),
        ..observation(
            Observed::Stall,
            format!(
                "no {what} for {:.1} s, although faults left a majority of the nodes alone",
                gap.length_s()
            ),
        )
    })
}

/// The nodes that answered nothing for longer than the bound: the longest silence of each, in one
/// observation, because what silences several is one event.
fn silent_nodes(looked: &Looked) -> Option<Observation> {
    let bound_s = looked.bound(Observed::SilentNode)?;
    let names = looked.record.nodes.iter().enumerate();
    let silent = names.filter_map(|(index, name)| {
        let mut stretches = spared(
            looked.faults,
            looked.record.nodes.len(),
            Some(name),
            until_s(looked),
        );
        stretches.extend(last_reads(looked));
        let asked = |operation: &&Operation| operation.node.map(usize::from) == Some(index);
        let operations: Vec<&Operation> = looked.history.operations.iter().filter(asked).collect();
        let gap = longest_gap(&operations, &stretches, |_| true)?;
        let is_told = gap.length_s() > bound_s && !has_ended(looked, name, &operations, gap);
        is_told.then_some((name, gap))
    });
    let mut silent: Vec<(&String, Stretch)> = silent.collect();
    silent.sort_by(|one, other| other.1.length_s().total_cmp(&one.1.length_s()));
    let (name, longest) = *silent.first()?;
    let others: Vec<&str> = silent[1..].iter().map(|(name, _)| name.as_str()).collect();
    let others = match others.is_empty() {
        true => String::new(),
        false => format!("; {} too, for more than {bound_s:.1} s", others.join(", ")),
    };
    Some(Observation {
        time_s: Some(longest.from_s),
        node: Some(name.clone()),
        count: silent.len() as u64,
        ..observation(
            Observed::SilentNode,
            format!(
                "{name} answered nothing for {:.1} s, although faults left it and a majority of the nodes alone{others}",
                longest.length_s()
            ),
        )
    })
}

/// Whether the process of a node had ended by itself, which a fault explains, and was not back before this
/// silence.
fn has_ended(looked: &Looked, name: &str, operations: &[&Operation], silence: Stretch) -> bool {
    let ends = looked.history.notes.iter().filter_map(|(time_ns, note)| {
        let time_s = seconds(*time_ns);
        let is_end = note.kind == NoteKind::Crash && note.node == name && time_s < silence.to_s;
        (is_end && looked.fatal(name, Some(time_s)).is_some()).then_some(time_s)
    });
    let Some(ended_s) = ends.fold(None, |last, time_s| Some(time_s.max(last.unwrap_or(time_s)))) else {
        return false;
    };
    let mut later = (operations.iter()).filter(|operation| {
        let is_later = seconds(operation.invoked_ns) > ended_s;
        is_later
            && operation
                .completed_ns
                .is_some_and(|ns| seconds(ns.get()) <= silence.from_s)
    });
    !later.any(|operation| operation.outcome.is_answer())
}

/// The end of the main phase: whether the whole store comes back is another observation's matter.
fn until_s(looked: &Looked) -> f64 {
    seconds(last_heal(looked).map_or(looked.history.end_ns, |heal| heal.invoked_ns))
}

/// The last reads, after everything was healed and the store had answered; `None` where a node may have a
/// reason not to answer them: a fault that could not be undone, damage, or a run that was stopped.
fn last_reads(looked: &Looked) -> Option<Stretch> {
    let heal = last_heal(looked)?;
    let is_verified = heal.outcome.as_ref()?.hold == Hold::Verified;
    let is_stopped = |(_, note): &(u64, Note)| matches!(note.kind, NoteKind::Stopped | NoteKind::NotBack);
    if !is_verified || looked.damage(None).is_some() || looked.history.notes.iter().any(is_stopped) {
        return None;
    }
    let healed_ns = heal.completed_ns?;
    let later = || (looked.history.operations.iter()).filter(|operation| operation.invoked_ns > healed_ns);
    let from_ns = later().map(|operation| operation.invoked_ns).min()?;
    let to_ns = later().filter_map(|operation| operation.completed_ns).max()?;
    Some(Stretch {
        from_s: seconds(from_ns),
        to_s: seconds(to_ns.get()),
    })
}

fn last_heal<'a>(looked: &Looked<'a>) -> Option<&'a NemesisSpan> {
    looked.history.nemesis.iter().rfind(|span| span.op.is_heal())
}

/// The longest part of a stretch in which none of these operations was answered although some that count were
/// invoked.
fn longest_gap(
    operations: &[&Operation],
    stretches: &[Stretch],
    counts: impl Fn(&Operation) -> bool,
) -> Option<Stretch> {
    let mut answers: Vec<f64> = (operations.iter())
        .filter(|operation| operation.outcome.is_answer())
        .filter_map(|operation| Some(seconds(operation.completed_ns?.get())))
        .collect();
    answers.sort_by(f64::total_cmp);
    let unanswered = |gap: &Stretch| {
        let asked = operations
            .iter()
            .filter(|operation| (gap.from_s..gap.to_s).contains(&seconds(operation.invoked_ns)))
            .filter(|operation| counts(operation));
        asked.take(FEWEST).count() == FEWEST
    };
    let gaps = stretches.iter().flat_map(|stretch| {
        let first = answers.partition_point(|time_s| *time_s < stretch.from_s);
        let last = answers.partition_point(|time_s| *time_s <= stretch.to_s);
        let inner = answers[first..last].iter().copied();
        let edges: Vec<f64> = [stretch.from_s]
            .into_iter()
            .chain(inner)
            .chain([stretch.to_s])
            .collect();
        let pairs = edges.windows(2).map(|pair| Stretch {
            from_s: pair[0],
            to_s: pair[1],
        });
        let longest = pairs.max_by(|one, other| one.length_s().total_cmp(&other.length_s()));
        longest.filter(unanswered)
    });
    gaps.max_by(|one, other| one.length_s().total_cmp(&other.length_s()))
}

impl Stretch {
    fn length_s(self) -> f64 {
        self.to_s - self.from_s
    }
}
