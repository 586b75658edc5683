//! Nodes whose states differ at one index: they applied the same log and came to different results.

use std::collections::BTreeMap;

use history::units::seconds;
use history::{Fact, NoteKind, Observed, StateHash};

use super::{Looked, proof};
use crate::results::Observation;

/// The most indices that are shown.
const MOST: usize = 5;

/// Who had which hash, and when it was read.
type Hashes<'a> = BTreeMap<&'a str, Vec<(&'a str, f64)>>;

pub(super) fn observe(looked: &Looked) -> Vec<Observation> {
    let mut states: BTreeMap<(u64, u64), Hashes> = BTreeMap::new();
    for (time_ns, note) in &looked.history.notes {
        if note.kind == NoteKind::State
            && let Some(Fact::State(StateHash { index, base, hash })) = &note.fact
        {
            let hashes = states.entry((*index, *base)).or_default();
            hashes
                .entry(hash)
                .or_default()
                .push((&note.node, seconds(*time_ns)));
        }
    }
    let differ = states.into_iter().filter(|(_, hashes)| hashes.len() > 1);
    differ
        .take(MOST)
        .map(|((index, base), hashes)| {
            let after = match base {
                0 => String::new(),
                base => format!(", with everything before {base} dropped"),
            };
            let text = format!("the nodes' states differ at index {index}{after}");
            let lines = hashes.iter().flat_map(|(hash, nodes)| {
                let line =
                    move |(node, time_s): &(&str, f64)| format!("{node}: {hash} (read at {time_s:.2} s)");
                nodes.iter().map(line)
            });
            let times = hashes.values().flatten().map(|(_, time_s)| *time_s);
            Observation {
                time_s: times.reduce(f64::max),
                evidence: lines.collect(),
                ..proof(Observed::Diverged, text, looked.damage())
            }
        })
        .collect()
}
