//! What processes read last, after everything that was put in.
//!
//! An object that only promises to converge may answer anything for a while. What counts is what was read at
//! the very end, begun after the last update had completed. Where a harness marks final reads
//! ([`History::final_reads`]; `:final? true` in the final generators of Jepsen and Maelstrom), it says that
//! it gave the store the time to converge before them, and only these count. Without marks it is what each
//! process read last, and nothing tells whether it came too soon.

use history::{History, OpKind, Operation, Outcome};
use rustc_hash::FxHashMap;

use crate::model::answer;

/// Why there is no verdict where there are none.
pub(super) const NONE: &str =
    "no process read last, after the last update had completed, so that nothing shows what it converged to";
/// Why there is none where they differ in what may be.
pub(super) const DIFFER: &str = "what processes read last differs, but only in updates of unknown outcome, which may have come in between";
/// Why there is none where they lack what was acknowledged, and may have come too soon.
pub(super) const TOO_SOON: &str = "what processes read last does not hold all that was acknowledged, but maybe it had not had the time \
                                   to: mark reads after such a time with :final? true, or say --last-reads-final";

/// The reads that count.
pub(super) struct LastReads {
    /// In the order in which they began.
    pub reads: Vec<usize>,
    /// The store had had the time to converge before them.
    pub are_final: bool,
}

impl LastReads {
    /// The answered reads that are final, or with which processes end, after the last update that is known to
    /// have completed.
    pub fn of(history: &History, indices: &[usize]) -> LastReads {
        let operation = |index: usize| &history.operations[index];
        let is_read = |operation: &Operation| operation.op.kind() == OpKind::Read;
        let updates = indices.iter().map(|&index| operation(index));
        let settled = updates
            .filter(|operation| !is_read(operation) && matches!(operation.outcome, Outcome::Ok(_)))
            .map(|operation| operation.completed)
            .max();
        let are_final = !history.final_reads.is_empty();
        let last: Vec<usize> = if are_final {
            let is_final = |&index: &usize| history.final_reads.contains(&operation(index).invoked);
            indices.iter().copied().filter(is_final).collect()
        } else {
            let mut last: FxHashMap<u32, usize> = FxHashMap::default();
            for &index in indices {
                let place = last.entry(operation(index).process).or_insert(index);
                if operation(*place).invoked < operation(index).invoked {
                    *place = index;
                }
            }
            last.into_values().collect()
        };
        let counts = |&index: &usize| {
            let operation = operation(index);
            is_read(operation)
                && answer(operation).is_some()
                && settled.is_none_or(|settled| settled < operation.invoked)
        };
        let mut reads: Vec<usize> = last.into_iter().filter(counts).collect();
        reads.sort_unstable_by_key(|&index| operation(index).invoked);
        LastReads { reads, are_final }
    }
}
