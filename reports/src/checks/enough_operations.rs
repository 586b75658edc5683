//! Whether enough operations completed for a verdict to mean anything: a store that does nothing makes no
//! mistakes.

use history::ErrorClass;
use history::units::plural;

use super::silence::silence;
use super::{Judged, unknown_if_any};
use crate::observe::not_recovered::excused;
use crate::results::{Check, CheckName};

/// The fewest `ok` operations on which a run can be called valid.
pub const FEWEST_OK: u64 = 10;

/// Valid or unknown.
///
/// A record without a system (`TestRecord::default()`, for a bare history file) is no run: such a history is
/// judged by what it says, however short it is, as long as anything in it is `ok`.
pub(super) fn check(judged: &Judged) -> Check {
    let Judged {
        record,
        history,
        operations,
        total,
        ..
    } = *judged;
    let is_run = !record.system.is_empty();
    let fewest = if is_run { FEWEST_OK } else { 1 };
    let mut reasons = Vec::new();
    if total.ok < fewest {
        reasons.push(format!(
            "only {} of {} operations were ok; at least {fewest} must be",
            total.ok, total.invoked
        ));
    }
    let silent = operations
        .iter()
        .filter(|row| is_run && row.counts.ok + row.counts.mismatch == 0);
    for row in silent {
        reasons.push(format!(
            "no {} operation was answered ({} invoked)",
            row.f, row.counts.invoked
        ));
    }
    // Garbage may be the store's: a value that was cut off is one that no process wrote, but no model sees
    // it.
    let garbled = (history.operations.iter())
        .filter_map(|operation| operation.outcome.reason())
        .filter(|reason| reason.class == ErrorClass::Protocol)
        .count();
    if garbled > 0 {
        reasons.push(format!(
            "{} could not be understood, so it is unknown whether they were right",
            plural(garbled as u64, "answer")
        ));
    }
    reasons.extend(excused(judged.looked));
    reasons.extend(silence(history, judged.faults));
    unknown_if_any(CheckName::EnoughOperations, reasons)
}
