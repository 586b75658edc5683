//! Where operations stand among each other.
//!
//! ```text
//!  time        5       5       5        7
//!  event    a begins b begins c ends  a ends      c precedes neither a nor b
//!  position    0       1       2        3
//! ```
//!
//! Times of one clock order events, and those of equal times are concurrent as far as they can be: what
//! begins comes before what ends. A coarse clock that rounds all times in the same way therefore accuses no
//! one.

use std::hash::Hash;

use rustc_hash::FxHashMap;

use super::ColumnsError;
use crate::{History, Ns, OPEN, Operation};

/// A history of operations whose `invoked` and `completed` are positions, or else times.
///
/// # Errors
/// When two events have one position.
pub(super) fn arranged(mut operations: Vec<Operation>, has_positions: bool) -> Result<History, ColumnsError> {
    if has_positions {
        are_distinct(&operations)?;
    } else {
        place(&mut operations);
    }
    let in_order = |pair: &[Operation]| pair[0].invoked <= pair[1].invoked;
    if !operations.windows(2).all(in_order) {
        operations.sort_unstable_by_key(|operation| operation.invoked);
    }
    let last = |operation: &Operation| operation.completed_ns.map_or(operation.invoked_ns, Ns::get);
    Ok(History {
        end_ns: operations.iter().map(last).max().unwrap_or_default(),
        operations,
        ..History::default()
    })
}

/// Turns times into positions.
fn place(operations: &mut [Operation]) {
    let mut events: Vec<(u64, bool, usize)> = Vec::with_capacity(operations.len() * 2);
    for (index, operation) in operations.iter().enumerate() {
        events.push((operation.invoked, false, index));
        if operation.completed != OPEN {
            events.push((operation.completed, true, index));
        }
    }
    events.sort_unstable();
    for (position, (_, is_end, index)) in events.into_iter().enumerate() {
        let operation = &mut operations[index];
        match is_end {
            true => operation.completed = position as u64,
            false => operation.invoked = position as u64,
        }
    }
}

fn are_distinct(operations: &[Operation]) -> Result<(), ColumnsError> {
    let ends = |operation: &Operation| Some(operation.completed).filter(|end| *end != OPEN);
    let points = operations
        .iter()
        .flat_map(|operation| [Some(operation.invoked), ends(operation)]);
    let mut points: Vec<u64> = points.flatten().collect();
    points.sort_unstable();
    match points.windows(2).find(|pair| pair[0] == pair[1]) {
        Some(pair) => Err(ColumnsError::File(format!(
            "two events are at the position {}; the columns `invoked` and `completed` count events from 0, or are left out",
            pair[0]
        ))),
        None => Ok(()),
    }
}

/// Gives a process a new number where it goes on while its last operation is still open. Processes are told
/// apart within each `scope`.
pub(super) fn renumber<S: Hash + Eq>(history: &mut History, scope: impl Fn(&Operation) -> S) {
    let mut next = history.operations.iter().map(|operation| operation.process).max();
    // The number by which each process goes on, and when its last operation ended.
    let mut running: FxHashMap<(u32, S), (u32, u64)> = FxHashMap::default();
    for operation in &mut history.operations {
        let who = (operation.process, scope(operation));
        let fresh = match running.get(&who) {
            Some((number, ended)) if *ended < operation.invoked => *number,
            Some(_) => {
                history.is_renumbered = true;
                // Where numbers run out, processes share the last one.
                next = next.map(|last| last.saturating_add(1));
                next.unwrap_or_default()
            }
            None => operation.process,
        };
        operation.process = fresh;
        running.insert(who, (fresh, operation.completed));
    }
}
