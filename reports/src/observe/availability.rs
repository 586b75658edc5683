//! Availability: how long it took until anything was answered after a fault had ended, and for what share of
//! the time nothing was.

use history::Observed;
use history::units::seconds;

use super::{Looked, observation};
use crate::results::{FaultRow, Observation};

/// Fewer operations without an answer are no silence.
const FEWEST: usize = 5;

pub(super) fn observe(looked: &Looked) -> Vec<Observation> {
    let mut found: Vec<Observation> = slow_recoveries(looked).collect();
    found.extend(unavailable(looked));
    found
}

/// The slowest recovery beyond the bound. The end of a fault counts where no other one is in force then, and
/// what follows until the next one begins.
fn slow_recoveries(looked: &Looked) -> impl Iterator<Item = Observation> {
    let bound_s = looked.bound(Observed::SlowRecovery).unwrap_or(f64::INFINITY);
    let mut answers: Vec<f64> = (looked.history.operations.iter())
        .filter(|operation| operation.outcome.is_answer())
        .filter_map(|operation| Some(seconds(operation.completed_ns?.get())))
        .collect();
    answers.sort_by(f64::total_cmp);
    let asked_until_s = (looked.history.operations.iter())
        .filter_map(|operation| operation.completed_ns)
        .map(|ns| seconds(ns.get()))
        .fold(0.0, f64::max);
    let drawn: Vec<&FaultRow> = looked.faults.iter().filter(|fault| fault.is_drawn()).collect();
    let mut slow: Vec<(f64, f64, &FaultRow)> = Vec::new();
    for fault in &drawn {
        let Some(end_s) = fault.end_s else { continue };
        let is_alone = drawn.iter().all(|other| {
            let others_end_s = other.end_s.unwrap_or(f64::INFINITY);
            other.start_s > end_s || others_end_s <= end_s
        });
        let starts = drawn.iter().map(|other| other.start_s);
        let next_s = starts
            .filter(|start_s| *start_s > end_s)
            .fold(asked_until_s, f64::min);
        let first = answers.get(answers.partition_point(|time_s| *time_s < end_s));
        let took_s = first.copied().unwrap_or(f64::INFINITY).min(next_s) - end_s;
        let unanswered = (looked.history.operations.iter())
            .filter(|operation| (end_s..end_s + took_s).contains(&seconds(operation.invoked_ns)))
            .filter(|operation| !operation.outcome.is_answer())
            .count();
        // Clients that ask for nothing are answered nothing.
        if is_alone && took_s > bound_s && unanswered >= FEWEST {
            slow.push((took_s, end_s, fault));
        }
    }
    slow.sort_by(|one, other| other.0.total_cmp(&one.0));
    let count = slow.len() as u64;
    slow.into_iter()
        .take(1)
        .map(move |(took_s, end_s, fault)| Observation {
            time_s: Some(end_s),
            count,
            ..observation(
                Observed::SlowRecovery,
                format!(
                    "nothing was answered for {took_s:.1} s after the end of the fault {}",
                    fault.name_and_target()
                ),
            )
        })
}

/// That nothing was answered for a larger share of the time than the user allows.
fn unavailable(looked: &Looked) -> Option<Observation> {
    let bound = looked.bound(Observed::Unavailable)?;
    let availability = looked.availability?;
    let share = 1.0 - availability.share_of_time;
    (share > bound).then(|| {
        let text = format!(
            "nothing was answered for {:.1} % of the time, more than {:.1} %",
            share * 100.0,
            bound * 100.0
        );
        observation(Observed::Unavailable, text)
    })
}
