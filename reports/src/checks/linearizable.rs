//! Whether the checker found the history to be what its model promises.

use checker::Verdict;
use history::units::plural;

use super::Judged;
use crate::format::promise;
use crate::results::{Check, CheckName};

/// The most undecided keys that are named.
const MOST_UNDECIDED: usize = 5;

/// Invalid, unknown or valid, as the checker says.
pub(super) fn check(judged: &Judged) -> Check {
    let Judged { record, analysis, .. } = *judged;
    let mut reasons = Vec::new();
    if analysis.conflicts_total > 0 {
        reasons.push(format!(
            "{} of {} keys {} not {}",
            analysis.conflicts_total,
            analysis.keys,
            if analysis.conflicts_total == 1 {
                "is"
            } else {
                "are"
            },
            promise(&record.model)
        ));
    }
    for (key, why) in analysis.unknown.iter().take(MOST_UNDECIDED) {
        reasons.push(match analysis.keys {
            // The analysis ended before it looked at any key.
            0 => why.clone(),
            _ => format!("key {key} could not be decided: {why}"),
        });
    }
    let named = analysis.unknown.len().min(MOST_UNDECIDED);
    if analysis.unknown_total > named && named > 0 {
        reasons.push(format!(
            "{} more could not be decided",
            plural((analysis.unknown_total - named) as u64, "key")
        ));
    }
    if analysis.verdict != Verdict::Valid && reasons.is_empty() {
        reasons.push(format!(
            "the checker's verdict is {}, and it gives no reason",
            analysis.verdict
        ));
    }
    Check {
        name: CheckName::Linearizable,
        verdict: analysis.verdict,
        reasons,
    }
}
