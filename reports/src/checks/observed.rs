//! What was observed of the store beside its answers: a check for each kind that can prove a broken promise,
//! and one for what the user wants a run to fail on (`--fail-on`).

use checker::Verdict;
use history::Observed;

use super::Judged;
use crate::results::{Check, CheckName, Observation};

pub(super) fn not_recovered(judged: &Judged) -> Check {
    of(judged, CheckName::NotRecovered, Observed::NotRecovered)
}

pub(super) fn two_leaders(judged: &Judged) -> Check {
    of(judged, CheckName::TwoLeaders, Observed::TwoLeaders)
}

pub(super) fn diverged(judged: &Judged) -> Check {
    of(judged, CheckName::Diverged, Observed::Diverged)
}

pub(super) fn log(judged: &Judged) -> Check {
    of(judged, CheckName::Log, Observed::Log)
}

/// What proves nothing but is asked for.
pub(super) fn fail_on(judged: &Judged) -> Check {
    let asked = |observation: &&Observation| observation.fails && !observation.proves;
    let found = judged.observations.iter().filter(asked);
    let reasons = found.map(|found| format!("{}: {}", found.what, found.text));
    invalid_if_any(CheckName::FailOn, reasons.collect())
}

fn of(judged: &Judged, name: CheckName, what: Observed) -> Check {
    let proofs = judged.observations.iter();
    let proofs = proofs.filter(|observation| observation.what == what && observation.proves);
    let reasons = proofs.flat_map(|proof| [&proof.text].into_iter().chain(&proof.evidence));
    invalid_if_any(name, reasons.cloned().collect())
}

fn invalid_if_any(name: CheckName, reasons: Vec<String>) -> Check {
    Check {
        name,
        verdict: match reasons.is_empty() {
            true => Verdict::Valid,
            false => Verdict::Invalid,
        },
        reasons,
    }
}
