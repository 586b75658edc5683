//! Changes of leader that no fault explains: none that touched the leader or took a majority is in force, or
//! was a while ago. A node that comes back must not unseat a leader that a majority follows (Ongaro, thesis
//! of 2014, section 4.2.3 and 9.6); without a pre-vote it does.

use history::units::seconds;
use history::{NoteKind, Observed};

use super::spared::is_spared;
use super::{Looked, SLOW_ANSWERS, observation};
use crate::results::{FaultRow, Observation};

/// How long after a fault, and after the first leader, a change of leader may be its doing, seconds; less of
/// a system that is known to recover sooner, and longer where everything takes long.
const SETTLES_S: f64 = 5.0;

fn settles_s(looked: &Looked) -> f64 {
    let usual_s = looked.record.recovers_within_s.unwrap_or(SETTLES_S);
    usual_s.min(SETTLES_S).max(SLOW_ANSWERS * looked.slow_answer_s())
}

pub(super) fn observe(looked: &Looked) -> Vec<Observation> {
    let leaders = looked
        .history
        .notes
        .iter()
        .filter(|(_, note)| note.kind == NoteKind::Leader);
    let leaders: Vec<(f64, &str, Option<u64>)> = leaders
        .map(|(time_ns, note)| (seconds(*time_ns), note.node.as_str(), note.term))
        .collect();
    let settles_s = settles_s(looked);
    let mut found: Vec<Observation> = Vec::new();
    for pair in leaders.windows(2) {
        let [(_, before, old_term), (time_s, after, term)] = pair else {
            continue;
        };
        // The same node may have been elected again.
        let is_elected = before != after || old_term.is_some() && term.is_some() && old_term != term;
        if !is_elected || *time_s < leaders[0].0 + settles_s || may_be_a_fault(looked, *time_s, before) {
            continue;
        }
        let line = format!("{time_s:.1} s: {after} came to lead after {before}");
        match found.first_mut() {
            Some(first) => {
                first.count += 1;
                first.evidence.push(line);
            }
            None => found.push(Observation {
                time_s: Some(*time_s),
                node: Some((*after).to_owned()),
                evidence: vec![line],
                ..observation(Observed::Election, String::new())
            }),
        }
    }
    for election in &mut found {
        election.text = match election.count {
            1 => format!("another node came to lead {NO_FAULT}"),
            count => format!("another node came to lead {count} times {NO_FAULT}"),
        };
    }
    found
}

const NO_FAULT: &str = "although no fault had touched the leader or a majority";

/// Whether faults may have brought about that this leader lost its leadership.
fn may_be_a_fault(looked: &Looked, time_s: f64, leader: &str) -> bool {
    let drawn = looked.faults.iter().filter(|fault| fault.is_drawn());
    let settles_s = settles_s(looked);
    let near: Vec<&FaultRow> = drawn
        .filter(|fault| {
            let over_s = fault.end_s.map_or(f64::INFINITY, |end_s| end_s + settles_s);
            (fault.start_s..=over_s).contains(&time_s)
        })
        .collect();
    // Meant to change the leader, or known to.
    let changes_leaders = |fault: &&FaultRow| matches!(fault.nemesis.as_str(), "transfer" | "membership");
    near.iter().any(changes_leaders) || !is_spared(near.into_iter(), looked.record.nodes.len(), Some(leader))
}
