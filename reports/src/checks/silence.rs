//! Reasons to mistrust a store that answered only while nothing was wrong. They are part of the check whether
//! there were enough operations.

use history::units::seconds;
use history::{History, Key, Operation};
use rustc_hash::FxHashMap;

use crate::results::{FaultHold, FaultRow};

/// A run that ends sooner after its first fault cannot tell silence from slowness, seconds.
const LEAST_AFTER_FAULT_S: f64 = 1.0;

/// Reasons to mistrust a store that answered only while nothing was wrong.
pub(super) fn silence(history: &History, faults: &[FaultRow]) -> Vec<String> {
    let mut reasons = Vec::new();
    let first = faults.iter().find(|fault| fault.hold == FaultHold::Verified);
    if let Some(fault) = first {
        let after = |operation: &Operation| {
            let end_ns = operation.completed_ns.map_or(0, u64::from);
            operation.outcome.is_answer() && seconds(end_ns) > fault.start_s
        };
        let lasts = seconds(history.end_ns) - fault.start_s > LEAST_AFTER_FAULT_S;
        if lasts && !history.operations.iter().any(after) {
            reasons.push("nothing was answered after the first fault began".to_owned());
        }
    }
    let heal_ns = history
        .nemesis
        .iter()
        .filter(|span| span.op.is_heal())
        .filter_map(|span| span.completed_ns)
        .next_back();
    if let Some(heal_ns) = heal_ns {
        let last = || (history.operations.iter()).filter(|operation| operation.invoked_ns > heal_ns);
        // What was lost shows in the last reads; a key of which none succeeded may hide it.
        let mut read: FxHashMap<&Key, bool> = FxHashMap::default();
        for operation in last().filter(|operation| operation.op.is_read_only()) {
            *read.entry(operation.op.key()).or_default() |= operation.outcome.is_answer();
        }
        let unread = read.values().filter(|is_read| !**is_read).count();
        if last().next().is_some() && !last().any(|operation| operation.outcome.is_answer()) {
            reasons.push("no operation after the last heal was answered".to_owned());
        } else if unread > 0 {
            reasons.push(format!(
                "{unread} of {} keys could not be read after the last heal, so it is unknown what they hold",
                read.len()
            ));
        }
    }
    reasons
}
