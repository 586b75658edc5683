//! Nodes whose states differ at one index: they applied the same log and came to different results.

use std::collections::BTreeMap;

use history::units::{plural, seconds};
use history::{Fact, NoteKind, Observed, StateHash};

use super::{Looked, proof};
use crate::results::Observation;

/// Who had which hash, and when it was read first.
type Hashes<'a> = BTreeMap<&'a str, BTreeMap<&'a str, f64>>;

pub(super) fn observe(looked: &Looked) -> Vec<Observation> {
    let mut states: BTreeMap<(u64, u64), Hashes> = BTreeMap::new();
    for (time_ns, note) in &looked.history.notes {
        if note.kind == NoteKind::State
            && let Some(Fact::State(StateHash { index, base, hash })) = &note.fact
        {
            let hashes = states.entry((*index, *base)).or_default();
            let nodes = hashes.entry(hash).or_default();
            nodes.entry(&note.node).or_insert(seconds(*time_ns));
        }
    }
    let mut differ = states.into_iter().filter(|(_, hashes)| hashes.len() > 1);
    let Some(((index, base), hashes)) = differ.next() else {
        return Vec::new();
    };
    let more = differ.count() as u64;
    let after = match base {
        0 => String::new(),
        base => format!(", with everything before {base} dropped"),
    };
    let later = match more {
        0 => String::new(),
        more => format!(", and at {}", plural(more, "later one")),
    };
    let lines = hashes.iter().flat_map(|(hash, nodes)| {
        let line = move |(node, time_s): (&&str, &f64)| format!("{node}: {hash} (read at {time_s:.2} s)");
        nodes.iter().map(line)
    });
    let times = hashes.values().flat_map(BTreeMap::values).copied();
    let time_s = times.reduce(f64::max);
    vec![Observation {
        time_s,
        count: more + 1,
        evidence: lines.collect(),
        ..proof(
            Observed::Diverged,
            format!("the nodes' states differ at index {index}{after}{later}"),
            looked.damage(time_s),
        )
    }]
}
