//! Nodes whose memory or data grew steadily, far beyond what was written.
//!
//! The samples after the first quarter of the run are cut into three parts; each must be clearly larger than
//! the one before, by the median, and from the first to the last by more than the bound and by more than
//! [`BYTES_AN_OPERATION`] for each operation that succeeded meanwhile. A store that fills its caches or keeps
//! old revisions stays far below that.

use history::units::{seconds, size};
use history::{Fact, Observed, Size};

use super::{Looked, observation};
use crate::results::Observation;

/// What an operation may leave behind, bytes.
const BYTES_AN_OPERATION: u64 = 64 << 10;
/// Fewer samples of a node say nothing.
const FEWEST: usize = 12;

pub(super) fn observe(looked: &Looked) -> Vec<Observation> {
    let Some(bound) = looked.bound(Observed::Growth) else {
        return Vec::new();
    };
    let mut found = Vec::new();
    for node in &looked.record.nodes {
        let samples: Vec<(u64, Size)> = (looked.history.notes.iter())
            .filter(|(_, note)| note.node == *node)
            .filter_map(|(time_ns, note)| match note.fact {
                Some(Fact::Size(size)) => Some((*time_ns, size)),
                _ => None,
            })
            .collect();
        for (what, of) in MEASURES {
            let values: Vec<(u64, u64)> = samples.iter().map(|(ns, size)| (*ns, of(size))).collect();
            let Some((from, to)) = growth(&values) else {
                continue;
            };
            let grown = to.1 - from.1;
            let written = (looked.history.operations.iter())
                .filter(|operation| operation.outcome.is_answer() && !operation.op.is_read_only())
                .filter(|operation| (from.0..to.0).contains(&operation.invoked_ns))
                .count() as u64;
            if grown as f64 > bound && grown > written.saturating_mul(BYTES_AN_OPERATION) {
                let text = format!(
                    "the {what} of {node} grew from {} at {:.0} s to {} at {:.0} s while {written} operations \
                     changed something",
                    size(from.1),
                    seconds(from.0),
                    size(to.1),
                    seconds(to.0),
                );
                found.push(Observation {
                    time_s: Some(seconds(to.0)),
                    node: Some(node.clone()),
                    ..observation(Observed::Growth, text)
                });
            }
        }
    }
    found
}

type Measure = (&'static str, fn(&Size) -> u64);

const MEASURES: [Measure; 2] = [
    ("memory", |size| size.memory_bytes),
    ("data", |size| size.data_bytes),
];

/// The medians of the first and the last part, with the times of their middles, if each part is at least a
/// tenth larger than the one before.
fn growth(samples: &[(u64, u64)]) -> Option<((u64, u64), (u64, u64))> {
    let after = samples.get(samples.len() / 4..)?;
    if samples.len() < FEWEST {
        return None;
    }
    let parts: Vec<(u64, u64)> = after
        .chunks(after.len().div_ceil(3))
        .map(|part| {
            let mut values: Vec<u64> = part.iter().map(|(_, value)| *value).collect();
            values.sort_unstable();
            (part[part.len() / 2].0, values[values.len() / 2])
        })
        .collect();
    let grows = |pair: &[(u64, u64)]| pair[1].1 as f64 > pair[0].1 as f64 * 1.1;
    match (parts.first(), parts.last()) {
        (Some(first), Some(last)) if parts.len() == 3 && parts.windows(2).all(grows) => Some((*first, *last)),
        _ => None,
    }
}
