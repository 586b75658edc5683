//! Two leaders in one term: what no consensus with terms allows, for each node votes once in a term (Raft,
//! "Election Safety", §5.2).
//!
//! Who led when comes from the nodes themselves: from what they reported of themselves while they led
//! ([`NoteKind::Led`]), and from their logs. A leader that was frozen or cut off may still believe that it
//! leads, but in an older term.

use std::collections::BTreeMap;

use history::units::seconds;
use history::{Fact, LogWeight, NoteKind, Observed};

use super::{Looked, proof};
use crate::results::Observation;

/// The most terms that are shown.
const MOST: usize = 3;

pub(super) fn observe(looked: &Looked) -> Vec<Observation> {
    // For each term who led in it, with the evidence.
    let mut led: BTreeMap<u64, BTreeMap<&str, (Option<f64>, String)>> = BTreeMap::new();
    for (time_ns, note) in &looked.history.notes {
        let Some(Fact::Led(terms)) = note.fact.as_ref().filter(|_| note.kind == NoteKind::Led) else {
            continue;
        };
        for term in terms {
            let time_s = seconds(*time_ns);
            let line = format!(
                "{} reported that it led in term {term} (at {time_s:.2} s)",
                note.node
            );
            let nodes = led.entry(*term).or_default();
            nodes.entry(&note.node).or_insert((Some(time_s), line));
        }
    }
    for text in &looked.logs.found {
        if text.pattern.weight != LogWeight::Leads {
            continue;
        }
        for (term, line) in &text.numbers {
            let line = format!("{} logged: {line}", text.node);
            let nodes = led.entry(*term).or_default();
            nodes.entry(&text.node).or_insert((None, line));
        }
    }
    let both = led.into_iter().filter(|(_, nodes)| nodes.len() > 1);
    both.take(MOST)
        .map(|(term, nodes)| {
            let names: Vec<&str> = nodes.keys().copied().collect();
            let times = nodes.values().filter_map(|(time_s, _)| *time_s);
            let time_s = times.reduce(f64::max);
            Observation {
                time_s,
                evidence: nodes.values().map(|(_, line)| line.clone()).collect(),
                ..proof(
                    Observed::TwoLeaders,
                    format!("{} led in term {term}, which has one leader", names.join(" and ")),
                    looked.damage(time_s),
                )
            }
        })
        .collect()
}
