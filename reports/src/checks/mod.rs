//! What a run is judged by. The verdict of a run is decided here and nowhere else: every check of [`ALL`]
//! comes to a verdict of its own, and [`merge`] makes one of them, of which `src/exit.rs` makes the exit code
//! (0 valid, 1 invalid, 2 unknown).
//!
//! Invariants:
//! - Only what proves that the store broke a promise makes a run invalid: its answers, and what was observed
//!   of it that nothing but the store explains. Whatever else went wrong makes the run unknown: then the
//!   test, and not the store, needs attention.
//! - Invalid beats unknown beats valid: a contradiction stays one, however little happened around it.
//! - A check that is not valid says why, in at least one reason.

mod enough_operations;
mod faults_took_hold;
mod linearizable;
mod observed;
mod silence;

use checker::{Analysis, Verdict};
use history::{History, TestRecord};

use crate::observe::Looked;
use crate::results::{Check, CheckName, Counts, FaultRow, KindCounts, Observation};

pub use enough_operations::FEWEST_OK;
pub(crate) use faults_took_hold::{failed, only_one_skipped};

/// Every check, in the order in which they are reported.
const ALL: &[fn(&Judged) -> Check] = &[
    linearizable::check,
    observed::not_recovered,
    observed::two_leaders,
    observed::diverged,
    observed::log,
    faults_took_hold::check,
    enough_operations::check,
    observed::fail_on,
];

/// All that a check may look at.
pub(crate) struct Judged<'a> {
    pub looked: &'a Looked<'a>,
    pub observations: &'a [Observation],
    pub record: &'a TestRecord,
    pub history: &'a History,
    pub analysis: &'a Analysis,
    pub faults: &'a [FaultRow],
    pub operations: &'a [KindCounts],
    pub total: Counts,
}

/// Carries out every check.
pub(crate) fn judge(judged: &Judged) -> Vec<Check> {
    ALL.iter().map(|check| check(judged)).collect()
}

/// The verdict on the run: the worst one of its checks.
pub(crate) fn merge(checks: &[Check]) -> Verdict {
    let verdicts = checks.iter().map(|check| check.verdict);
    verdicts.fold(Verdict::Valid, Verdict::merge)
}

/// A check that can only be valid or unknown.
fn unknown_if_any(name: CheckName, reasons: Vec<String>) -> Check {
    let verdict = match reasons.is_empty() {
        true => Verdict::Valid,
        false => Verdict::Unknown,
    };
    Check {
        name,
        verdict,
        reasons,
    }
}
