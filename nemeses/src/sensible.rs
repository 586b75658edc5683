//! Whether a schedule keeps to the rules by which faults overlap: for those that a hunt varies.

use std::time::Duration;

use crate::nemesis::Entry;
use crate::overlap::{Timed, get_along};
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
    let timed: Vec<Timed<Duration>> = (faults.iter())
        .map(|(fault, entry)| Timed {
            entry,
            target: &fault.target,
            begin: fault.at,
            end: fault.at + fault.lasts,
        })
        .collect();
    let others_get_along = |place: usize| {
        let mut others = timed[place + 1..].iter();
        others.all(|other| get_along(&timed[place], other, nodes))
    };
    !faults.iter().any(is_void) && (0..timed.len()).all(others_get_along)
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
                let time = |text: &str| Duration::from_secs(text.parse().expect("a number"));
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
