//! What a run reached, each feature a string: a schedule that reaches a new one is worth varying further.

use std::collections::BTreeSet;

use reports::{FaultHold, Results};

/// Everything that this run reached.
pub(super) fn features(results: &Results) -> BTreeSet<String> {
    let mut features = BTreeSet::new();
    for row in results.coverage.iter().filter(|row| row.verified > 0) {
        features.insert(format!("{} {} hit {}", row.nemesis, row.target, row.role.name()));
        // Whether the store went on meanwhile: not at all, a little, …
        features.insert(format!(
            "{} {} on {} with {} ok",
            row.nemesis,
            row.target,
            row.role.name(),
            magnitude(row.ok)
        ));
    }
    let held: Vec<_> = (results.faults.iter())
        .filter(|fault| fault.hold == FaultHold::Verified)
        .collect();
    for (position, one) in held.iter().enumerate() {
        for other in &held[position + 1..] {
            if other.start_s < one.end_s.unwrap_or(f64::INFINITY) {
                features.insert(format!("{} during {}", other.nemesis, one.nemesis));
            }
        }
    }
    for row in &results.errors {
        for f in &row.f {
            features.insert(format!("{} {} {} of {f}", row.rule, row.class, row.outcome));
        }
    }
    for note in &results.notes {
        features.insert(format!("note {}", note.note));
    }
    for observation in &results.observations {
        features.insert(format!("observed {}", observation.what));
    }
    features.insert(format!(
        "{} changes of leader",
        magnitude(results.leader_changes.len() as u64)
    ));
    for row in &results.latency {
        features.insert(format!(
            "{} took {} ms",
            row.f,
            magnitude(row.latency_ms_max as u64)
        ));
    }
    features
}

/// 0, 1, 2, 4, 8, …
fn magnitude(number: u64) -> u64 {
    match number {
        0 => 0,
        number => 1 << number.ilog2(),
    }
}

#[cfg(test)]
mod tests {
    use super::magnitude;

    #[test]
    fn magnitudes() {
        for (number, expected) in [(0, 0), (1, 1), (3, 2), (4, 4), (1000, 512)] {
            assert_eq!(magnitude(number), expected, "{number}");
        }
    }
}
