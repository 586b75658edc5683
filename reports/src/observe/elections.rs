//! Changes of leader that no fault explains: none is in force, and none has ended for a while.

use history::units::seconds;
use history::{NoteKind, Observed};

use super::{Looked, observation};
use crate::results::Observation;

/// How long after a fault, and after the first leader, a change of leader may be its doing, seconds.
const SETTLES_S: f64 = 5.0;

pub(super) fn observe(looked: &Looked) -> Vec<Observation> {
    let leaders = looked
        .history
        .notes
        .iter()
        .filter(|(_, note)| note.kind == NoteKind::Leader);
    let leaders: Vec<(f64, &str, Option<u64>)> = leaders
        .map(|(time_ns, note)| (seconds(*time_ns), note.node.as_str(), note.term))
        .collect();
    let mut found: Vec<Observation> = Vec::new();
    for pair in leaders.windows(2) {
        let [(_, before, old_term), (time_s, after, term)] = pair else {
            continue;
        };
        // The same node may have been elected again.
        let is_elected = before != after || old_term.is_some() && term.is_some() && old_term != term;
        if !is_elected || *time_s < leaders[0].0 + SETTLES_S || is_near_fault(looked, *time_s) {
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
            1 => "another node came to lead although there was no fault".to_owned(),
            count => format!("another node came to lead {count} times although there was no fault"),
        };
    }
    found
}

fn is_near_fault(looked: &Looked, time_s: f64) -> bool {
    let mut faults = looked.faults.iter().filter(|fault| fault.is_drawn());
    faults.any(|fault| {
        let over_s = fault.end_s.map_or(f64::INFINITY, |end_s| end_s + SETTLES_S);
        (fault.start_s..=over_s).contains(&time_s)
    })
}
