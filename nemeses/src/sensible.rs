//! Whether a schedule keeps to the rules by which faults overlap: for those that a hunt varies.

use crate::nemesis::Entry;
use crate::overlap::{may_begin, may_meet};
use crate::{Schedule, Scheduled, find};

/// Whether a schedule keeps to the rules, on so many nodes. One that a user writes need not.
pub fn is_sensible(schedule: &Schedule, nodes: usize) -> bool {
    let faults: Option<Vec<(&Scheduled, &Entry)>> = (schedule.faults.iter())
        .map(|fault| Some((fault, find(&fault.nemesis)?)))
        .collect();
    let Some(faults) = faults else { return false };
    let takes_part = |name: &str| faults.iter().any(|(fault, _)| fault.nemesis == name);
    let is_void = |(fault, entry): &(&Scheduled, &Entry)| {
        let kind = fault.target.aim().and_then(|aim| aim.kind.as_deref());
        let void = entry.alongside.void;
        void.is_some_and(|(of, nemesis)| kind == Some(of) && takes_part(nemesis))
    };
    let get_along = |place: usize, other: usize| {
        let ((first, one), (second, two)) = (faults[place], faults[other]);
        let (one_ends, two_ends) = (first.at + first.lasts, second.at + second.lasts);
        if second.at >= one_ends {
            return true;
        }
        let ends_first = if one_ends <= two_ends { one } else { two };
        may_meet(one, two) && may_begin(two, one, &first.target, nodes) && !ends_first.alongside.ends_alone
    };
    // Faults stand in the order of their beginnings.
    let all_pairs = || (0..faults.len()).flat_map(|one| (one + 1..faults.len()).map(move |two| (one, two)));
    !faults.iter().any(is_void) && all_pairs().all(|(one, two)| get_along(one, two))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schedules_that_keep_to_the_rules() {
        // `NEMESIS:TARGET AT-END`, whether it makes sense on 3 nodes.
        for (faults, expected) in [
            ("kill:one 0-9, pause:one 3-5", true),
            ("kill:one 0-9, kill:one 3-5", false),
            ("kill:one 0-3, kill:one 3-5", true),
            ("power:all 0-2, disk-full:one 1-3", false),
            ("kill:all 0-2, pause:one 1-3", false),
            ("partition:halves 0-3, transfer:one 1-2", false),
            ("membership:one 0-2, kill:one 1-3", false),
            ("membership:one 0-4, kill:one 1-3", true),
            ("fsync:lie@one 0-1, power:all 5-6", false),
            ("fsync:slow@one 0-1, power:all 5-6", true),
        ] {
            let scheduled = |text: &str| {
                let (fault, times) = text.trim().split_once(' ').expect("times");
                let (nemesis, target) = fault.split_once(':').expect("a target");
                let (at, end) = times.split_once('-').expect("an end");
                let time = |text: &str| std::time::Duration::from_secs(text.parse().expect("a number"));
                Scheduled {
                    at: time(at),
                    lasts: time(end) - time(at),
                    nemesis: nemesis.to_owned(),
                    target: target.into(),
                }
            };
            let schedule = Schedule {
                faults: faults.split(',').map(scheduled).collect(),
            };
            assert_eq!(is_sensible(&schedule, 3), expected, "{faults}");
        }
    }
}
