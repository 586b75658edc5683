//! What made a run invalid, and when that showed first; and what a hunt tells of it. The commands that run
//! many tests share this.

use std::path::Path;

use checker::Verdict;
use reports::{CheckName, Results};
use serde::{Deserialize, Serialize};

/// The file in which a hunt says what came of it.
pub const FILE: &str = "hunt.json";

/// What was found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Found {
    /// The rule that the history breaks, or the observation that made the run invalid.
    pub by: String,
    /// When that was first seen, seconds since the start of the run, or of the hunt.
    pub after_s: f64,
}

/// What came of a hunt so far.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Hunted {
    /// How many runs there were.
    pub runs: u64,
    /// The first violation.
    pub found: Option<Found>,
}

impl Found {
    /// What made this run invalid; nothing of a run that is not.
    pub fn first(results: &Results) -> Option<Found> {
        if results.verdict != Verdict::Invalid {
            return None;
        }
        let observed = results
            .observations
            .iter()
            .filter(|observation| observation.fails);
        let mut found: Vec<Found> = observed
            .map(|observation| Found {
                by: observation.what.name().to_owned(),
                after_s: observation.time_s.unwrap_or(results.duration_s),
            })
            .collect();
        let is_broken = |name| {
            let mut checks = results.checks.iter();
            checks.any(|check| check.name == name && check.verdict == Verdict::Invalid)
        };
        if is_broken(CheckName::Linearizable) {
            // Clients end as soon as a violation shows, or else it showed in the last reads.
            let stopped = results.notes.iter().find(|note| note.note == "stopped");
            let rule = results
                .conflicts
                .first()
                .map(|conflict| conflict.rule.to_string());
            found.push(Found {
                by: rule.unwrap_or_else(|| "history".to_owned()),
                after_s: stopped.map_or(results.duration_s, |note| note.row.time_s),
            });
        }
        found.sort_by(|one, other| one.after_s.total_cmp(&other.after_s));
        found.into_iter().next().or_else(|| {
            let mut checks = results.checks.iter();
            let broken = checks.rfind(|check| check.verdict == Verdict::Invalid)?;
            Some(Found {
                by: broken.name.name().to_owned(),
                after_s: results.duration_s,
            })
        })
    }
}

impl Hunted {
    /// Reads what a hunt wrote into its directory, if it did.
    pub fn read(place: &Path) -> Option<Hunted> {
        serde_json::from_slice(&std::fs::read(place.join(FILE)).ok()?).ok()
    }
}
