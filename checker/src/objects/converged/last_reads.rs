//! What processes read last, after everything that was put in.
//!
//! An object that only promises to converge may answer anything for a while. What counts is what each process
//! read at the very end, begun after the last update had completed; runs leave the store some time before
//! (`final-generator` in Maelstrom's workloads `g-set` and `pn-counter`).

use history::{History, OpKind, Operation, Outcome};
use rustc_hash::FxHashMap;

use crate::model::answer;

/// Why there is no verdict where there are none.
pub(super) const NONE: &str =
    "no process read last, after the last update had completed, so that nothing shows what it converged to";
/// Why there is none where they differ in what may be.
pub(super) const DIFFER: &str = "what processes read last differs, but only in updates of unknown outcome, which may have come in between";

/// The answered reads with which processes end, after the last update that is known to have completed.
pub(super) fn last_reads(history: &History, indices: &[usize]) -> Vec<usize> {
    let of = |index: usize| &history.operations[index];
    let is_read = |operation: &Operation| operation.op.kind() == OpKind::Read;
    let updates = indices.iter().map(|&index| of(index));
    let settled = updates
        .filter(|operation| !is_read(operation) && matches!(operation.outcome, Outcome::Ok(_)))
        .map(|operation| operation.completed)
        .max();
    let mut last: FxHashMap<u32, usize> = FxHashMap::default();
    for &index in indices {
        let place = last.entry(of(index).process).or_insert(index);
        if of(*place).invoked < of(index).invoked {
            *place = index;
        }
    }
    let is_last = |&index: &usize| {
        let operation = of(index);
        is_read(operation)
            && answer(operation).is_some()
            && settled.is_none_or(|settled| settled < operation.invoked)
    };
    let mut reads: Vec<usize> = last.into_values().filter(is_last).collect();
    reads.sort_unstable_by_key(|&index| of(index).invoked);
    reads
}
