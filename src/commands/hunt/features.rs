//! What a run reached, each situation a string: a schedule that reaches what no other did is worth varying.
//!
//! Situations are states of the store, not counts: which role a fault hit and how far the nodes that it cut
//! off fell behind meanwhile, what came together on the same node or another, who was elected during it, and
//! which errors clients saw while what was wrong.

use std::collections::BTreeSet;

use history::units::seconds;
use history::{Failure, History, Outcome};
use reports::{FaultHold, FaultRow, Results};

use super::draw::Pair;

/// What one run reached.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Reached {
    /// The situations.
    pub situations: BTreeSet<String>,
    /// The kinds that came together: the one in whose time the other began first.
    pub pairs: BTreeSet<Pair>,
    /// Which of them with the leader among the nodes that either hit.
    pub with_leader: BTreeSet<Pair>,
}

/// Everything that this run reached.
pub fn reached(results: &Results, history: &History) -> Reached {
    let mut reached = Reached::default();
    let held: Vec<&FaultRow> = results
        .faults
        .iter()
        .filter(|fault| fault.hold == FaultHold::Verified)
        .collect();
    let acknowledged = acknowledged(history);
    for (place, one) in held.iter().enumerate() {
        let role = role(results, one);
        let elected = elected(results, one.start_s, end_of(one));
        let behind = acknowledged.partition_point(|time| *time < end_of(one))
            - acknowledged.partition_point(|time| *time < one.start_s);
        let name = &one.nemesis;
        reached.situations.insert(format!(
            "{name} on {role}: {} updates behind, {elected} elected",
            magnitude(behind)
        ));
        for other in &held[place + 1..] {
            if other.start_s >= end_of(one) {
                continue;
            }
            let pair = (name.clone(), other.nemesis.clone());
            let meets_leader = role == "leader" || self::role(results, other) == "leader";
            if meets_leader {
                reached.with_leader.insert(pair.clone());
            }
            let nodes = match other.nodes.iter().any(|node| one.nodes.contains(node)) {
                true => "the same node",
                false => "another node",
            };
            let both_s = end_of(one).min(end_of(other));
            reached.situations.insert(format!(
                "{} on {} in {name} on {role}, {nodes}, {} elected",
                other.nemesis,
                self::role(results, other),
                self::elected(results, other.start_s, both_s)
            ));
            reached.pairs.insert(pair);
        }
    }
    for operation in &history.operations {
        let reason = match &operation.outcome {
            Outcome::Fail(Failure::Error(reason)) | Outcome::Info(reason) => reason,
            _ => continue,
        };
        let time_s = seconds(operation.completed_ns.map_or(operation.invoked_ns, |ns| ns.get()));
        let wrong: BTreeSet<&str> = (held.iter())
            .filter(|fault| fault.start_s <= time_s && time_s <= end_of(fault))
            .map(|fault| fault.nemesis.as_str())
            .collect();
        let wrong = Vec::from_iter(wrong).join("+");
        reached.situations.insert(format!(
            "{} of {} in [{wrong}]",
            reason.class,
            operation.op.kind()
        ));
    }
    for observation in &results.observations {
        let by = observation.explained_by.as_deref().unwrap_or("nothing");
        let by = by.split(' ').next().unwrap_or_default();
        reached
            .situations
            .insert(format!("{} by {by}", observation.what.name()));
    }
    reached
}

/// When updates were acknowledged, seconds, in order.
fn acknowledged(history: &History) -> Vec<f64> {
    let updates = history
        .operations
        .iter()
        .filter(|operation| !operation.op.is_read_only() && matches!(operation.outcome, Outcome::Ok(_)));
    let mut times: Vec<f64> = updates
        .filter_map(|operation| Some(seconds(operation.completed_ns?.get())))
        .collect();
    times.sort_by(f64::total_cmp);
    times
}

fn end_of(fault: &FaultRow) -> f64 {
    fault.end_s.unwrap_or(f64::INFINITY)
}

/// Whom a fault hit: by the last change of leader that was seen before it.
fn role(results: &Results, fault: &FaultRow) -> &'static str {
    let mut changes = results.leader_changes.iter();
    let leads = changes.rfind(|change| change.time_s <= fault.start_s);
    match leads {
        _ if fault.nodes.is_empty() => "links",
        None => "unknown",
        Some(change) if fault.nodes.contains(&change.node) => "leader",
        Some(_) => "followers",
    }
}

/// How many leaders were elected in a span: none, one, or more.
fn elected(results: &Results, from_s: f64, to_s: f64) -> &'static str {
    let changes = results.leader_changes.iter();
    match changes
        .filter(|change| (from_s..to_s).contains(&change.time_s))
        .count()
    {
        0 => "none",
        1 => "one",
        _ => "several",
    }
}

/// 0, 1, 4, 16, 64, …
fn magnitude(number: usize) -> usize {
    match number {
        0 => 0,
        number => 1 << (number.ilog2() / 2 * 2),
    }
}

#[cfg(test)]
mod tests {
    use super::magnitude;

    #[test]
    fn magnitudes() {
        for (number, expected) in [(0, 0), (1, 1), (3, 1), (4, 4), (15, 4), (16, 16), (1000, 256)] {
            assert_eq!(magnitude(number), expected, "{number}");
        }
    }
}
