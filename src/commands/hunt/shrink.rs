//! Simpler schedules than one that showed a violation: with faults left out, then with shorter ones. Pure.
//!
//! The order is that of delta debugging (Zeller and Hildebrandt, "Simplifying and Isolating Failure-Inducing
//! Input", 2002): the larger parts first, because a run takes long and most faults have nothing to do with
//! the violation.

use std::time::Duration;

use nemeses::Schedule;

/// Faults shorter than this are not shortened further.
const SHORT: Duration = Duration::from_millis(200);

/// Each of them is strictly simpler than `schedule`, so the search for simpler ones ends.
pub(super) fn simpler(schedule: &Schedule) -> Vec<Schedule> {
    let count = schedule.faults.len();
    let without = |from: usize, to: usize| {
        let mut faults = schedule.faults.clone();
        faults.drain(from..to);
        Schedule { faults }
    };
    let mut simpler = Vec::new();
    let mut part = count.div_ceil(2);
    while part >= 1 && count > 1 {
        let mut from = 0;
        while from < count {
            let to = (from + part).min(count);
            if to - from < count {
                simpler.push(without(from, to));
            }
            from = to;
        }
        if part == 1 {
            break;
        }
        part = part.div_ceil(2);
    }
    for place in 0..count {
        if schedule.faults[place].lasts > SHORT {
            let mut shorter = schedule.clone();
            shorter.faults[place].lasts /= 2;
            simpler.push(shorter);
        }
    }
    simpler
}

#[cfg(test)]
mod tests {
    use nemeses::Scheduled;

    use super::*;

    fn schedule(lasts_ms: &[u64]) -> Schedule {
        let fault = |&lasts_ms: &u64| Scheduled {
            at: Duration::from_secs(lasts_ms),
            lasts: Duration::from_millis(lasts_ms),
            nemesis: "kill".into(),
            target: "one".into(),
        };
        Schedule {
            faults: lasts_ms.iter().map(fault).collect(),
        }
    }

    fn durations(schedule: &Schedule) -> Vec<u128> {
        schedule
            .faults
            .iter()
            .map(|fault| fault.lasts.as_millis())
            .collect()
    }

    #[test]
    fn halves_then_single_faults_then_shorter_ones() {
        let found: Vec<Vec<u128>> = simpler(&schedule(&[100, 101, 102, 1000]))
            .iter()
            .map(durations)
            .collect();
        let expected: [&[u128]; 7] = [
            &[102, 1000],
            &[100, 101],
            &[101, 102, 1000],
            &[100, 102, 1000],
            &[100, 101, 1000],
            &[100, 101, 102],
            &[100, 101, 102, 500],
        ];
        assert_eq!(found, expected);
        assert!(simpler(&schedule(&[100])).is_empty());
    }

    /// The result of shrinking if exactly the faults of 111 and 222 ms cause the violation.
    #[test]
    fn only_the_guilty_are_left() {
        let mut current = schedule(&[150, 111, 170, 180, 190, 222, 199]);
        let shows = |schedule: &Schedule| {
            let lasts = durations(schedule);
            lasts.contains(&111) && lasts.contains(&222)
        };
        while let Some(next) = simpler(&current).into_iter().find(shows) {
            current = next;
        }
        assert_eq!(durations(&current), [111, 222]);
    }
}
