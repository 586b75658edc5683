//! When perjury's faults left a majority of the nodes alone: a store that then stands still has no excuse.
//!
//! Invariant: in doubt it was not left alone. A fault whose reach is not certain, such as links that form a
//! ring or packets that are late, spares no one.

use history::{Pick, Target, Whom};

use crate::results::FaultRow;

/// A stretch of time, seconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Stretch {
    pub from_s: f64,
    pub to_s: f64,
}

/// The stretches until `end_s` in which faults touched fewer than half of so many nodes and, if one is given,
/// not this node.
pub(super) fn spared(faults: &[FaultRow], nodes: usize, node: Option<&str>, end_s: f64) -> Vec<Stretch> {
    let drawn = || faults.iter().filter(|fault| fault.is_drawn());
    let end_of = |fault: &FaultRow| fault.end_s.unwrap_or(f64::INFINITY).min(end_s);
    let mut edges: Vec<f64> = drawn().flat_map(|fault| [fault.start_s, end_of(fault)]).collect();
    edges.extend([0.0, end_s]);
    edges.sort_by(f64::total_cmp);
    let mut stretches: Vec<Stretch> = Vec::new();
    for pair in edges.windows(2) {
        let (from_s, to_s) = (pair[0], pair[1]);
        if to_s <= from_s || to_s > end_s {
            continue;
        }
        let in_force = drawn().filter(|fault| fault.start_s < to_s && end_of(fault) > from_s);
        if !is_spared(in_force, nodes, node) {
            continue;
        }
        match stretches.last_mut() {
            Some(last) if last.to_s == from_s => last.to_s = to_s,
            _ => stretches.push(Stretch { from_s, to_s }),
        }
    }
    stretches
}

/// Whether a fault may have kept this node from answering at this time.
pub(super) fn is_touched(faults: &[FaultRow], node: &str, time_s: f64) -> bool {
    let in_force = |fault: &&FaultRow| {
        fault.is_drawn() && fault.start_s <= time_s && fault.end_s.is_none_or(|end_s| time_s <= end_s)
    };
    let mut faults = faults.iter().filter(in_force);
    faults.any(|fault| touched_by(fault).is_none_or(|nodes| nodes.contains(&node)))
}

/// Whether these faults together touch fewer than half of so many nodes and, if one is given, not this node.
pub(super) fn is_spared<'f>(
    in_force: impl Iterator<Item = &'f FaultRow>,
    nodes: usize,
    node: Option<&str>,
) -> bool {
    let mut touched: Vec<&str> = Vec::new();
    for fault in in_force {
        match touched_by(fault) {
            Some(its) => touched.extend(its),
            None => return false,
        }
    }
    touched.sort_unstable();
    touched.dedup();
    2 * touched.len() < nodes && node.is_none_or(|node| !touched.contains(&node))
}

/// The nodes that a fault may have kept from taking part; `None` where that is not certain.
fn touched_by(fault: &FaultRow) -> Option<Vec<&str>> {
    let nodes = || Some(fault.nodes.iter().map(String::as_str).collect());
    match fault.nemesis.as_str() {
        // Those who remain members must agree without the others.
        "kill" | "crash-loop" | "restart" | "pause" | "power" | "disk-full" | "fsync" | "membership"
        | "client-partition" => nodes().filter(|nodes: &Vec<&str>| !nodes.is_empty()),
        "partition" => match Target::from(fault.target.as_str()).aim()?.whom.as_ref()? {
            Whom::Pick(Pick::One | Pick::Leader | Pick::Minority)
            | Whom::Pick(Pick::MinorityWithLeader | Pick::MinorityWithoutLeader) => nodes(),
            _ => None,
        },
        // Done at once; a store is to go on meanwhile.
        "transfer" | "compact" => Some(Vec::new()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::FaultHold;

    /// `NEMESIS:TARGET@NODES FROM-TO`
    fn fault(text: &str) -> FaultRow {
        let (what, times) = text.split_once(' ').unwrap();
        let (nemesis, rest) = what.split_once(':').unwrap();
        let (target, nodes) = rest.split_once('@').unwrap();
        let (from, to) = times.split_once('-').unwrap();
        FaultRow {
            nemesis: nemesis.into(),
            target: target.into(),
            detail: String::new(),
            nodes: nodes
                .split('+')
                .filter(|name| !name.is_empty())
                .map(str::to_owned)
                .collect(),
            start_s: from.parse().unwrap(),
            end_s: to.parse().ok(),
            hold: FaultHold::Verified,
            why: None,
            recovery: None,
        }
    }

    #[test]
    fn a_majority_is_spared_or_not() {
        // Faults, the node if one is meant, the stretches of 10 s in which 3 nodes are spared.
        for (faults, node, expected) in [
            (&[][..], None, "0-10"),
            (&["kill:one@n1 2-4"], None, "0-10"),
            (&["kill:one@n1 2-4"], Some("n1"), "0-2 4-10"),
            (&["kill:one@n1 2-4"], Some("n2"), "0-10"),
            (&["kill:majority@n1+n2 2-4"], None, "0-2 4-10"),
            (&["kill:one@n1 2-5", "pause:one@n2 4-7"], None, "0-4 5-10"),
            (&["kill:one@n1 2-5", "pause:one@n1 4-7"], None, "0-10"),
            (&["partition:leader@n3 1-3"], None, "0-10"),
            (&["partition:halves@n3 1-3"], None, "0-1 3-10"),
            (&["packet:delay@n1 1-3"], None, "0-1 3-10"),
            (&["transfer:one@n1 1-3"], None, "0-10"),
            (&["membership:one@n1 1-3"], None, "0-10"),
            (&["membership:one@n1 1-4", "kill:one@n2 2-3"], None, "0-2 3-10"),
            (&["kill:one@n1 2-"], Some("n1"), "0-2"),
        ] {
            let faults: Vec<FaultRow> = faults.iter().map(|text| fault(text)).collect();
            let found = spared(&faults, 3, node, 10.0).into_iter();
            let told: Vec<String> = found
                .map(|stretch| format!("{}-{}", stretch.from_s, stretch.to_s))
                .collect();
            assert_eq!(told.join(" "), expected, "{faults:?}");
        }
    }
}
