//! What was observed of the store beside its answers: one file for each kind of observation, and one list
//! ([`ALL`]).
//!
//! Invariants:
//! - Everything comes from the history, the plan and the logs in the run directory.
//! - What perjury's own faults may explain proves nothing and fails nothing, whatever `--fail-on` says; the
//!   observation says which fault.

mod availability;
mod crashes;
mod diverged;
mod elections;
mod growth;
mod log_lines;
pub(crate) mod not_recovered;
mod spared;
mod stalls;
#[cfg(test)]
mod tests;
mod two_leaders;

use history::{Bound, History, Observed, TestRecord};

use crate::node_logs::NodeLogs;
use crate::results::{Availability, FaultRow, LatencyRow, Observation};

/// Each kind of observation, in the order in which they are reported.
const ALL: &[fn(&Looked) -> Vec<Observation>] = &[
    not_recovered::observe,
    two_leaders::observe,
    diverged::observe,
    log_lines::observe,
    crashes::observe,
    elections::observe,
    growth::observe,
    availability::observe,
    stalls::observe,
];

/// All that an observation may look at.
pub(crate) struct Looked<'a> {
    pub record: &'a TestRecord,
    pub history: &'a History,
    pub faults: &'a [FaultRow],
    pub logs: &'a NodeLogs,
    pub availability: Option<Availability>,
    pub latency: &'a [LatencyRow],
}

/// Everything that was observed. Those that the user asked for fail the run.
pub(crate) fn observe(looked: &Looked) -> Vec<Observation> {
    let mut all: Vec<Observation> = ALL.iter().flat_map(|observe| observe(looked)).collect();
    for observation in &mut all {
        let is_asked = looked
            .record
            .fail_on
            .iter()
            .any(|fail| fail.what == observation.what);
        observation.fails = observation.proves || is_asked && observation.explained_by.is_none();
    }
    all
}

impl Looked<'_> {
    /// From where on something is told: as the user says, as it is known of the system, or else by default;
    /// nothing where it is told only on demand.
    fn bound(&self, what: Observed) -> Option<f64> {
        let mut asked = self.record.fail_on.iter().filter(|fail| fail.what == what);
        let given = asked.find_map(|fail| fail.bound);
        given.or(match what.bound() {
            Bound::Seconds(default) => {
                let usual_s = self.record.recovers_within_s.unwrap_or(default);
                Some(usual_s.max(SLOW_ANSWERS * self.slow_answer_s()))
            }
            Bound::Bytes(default) => Some(default),
            Bound::None | Bound::Share => None,
        })
    }

    /// How long nine of ten answers took at most, seconds, to the kind of operation that took longest: on a
    /// machine without time for its processes everything takes long, and with a slow disk every update does,
    /// elections among them. What less than a tenth of the operations met, a stall, does not lengthen it.
    /// Nothing of few answers, whose slowest may be the stall itself.
    fn slow_answer_s(&self) -> f64 {
        let kinds = self.latency.iter().filter(|row| row.count >= MANY_ANSWERS);
        kinds.map(|row| row.latency_ms_p90 / 1e3).fold(0.0, f64::max)
    }

    /// The first fault that broke what disks promise by `time_s` or, where it is not known when it was, ever:
    /// after it a store need not know what it wrote.
    fn damage(&self, time_s: Option<f64>) -> Option<&FaultRow> {
        let mut damaging = damaging(self.faults);
        let first = damaging.find(|(_, since_s)| time_s.is_none_or(|time_s| *since_s <= time_s));
        first.map(|(fault, _)| fault)
    }

    /// The last fault that may have made a process end by itself: one that took hold on that node by `time_s`
    /// or, where it is not known when it was, ever.
    fn fatal(&self, node: &str, time_s: Option<f64>) -> Option<&FaultRow> {
        let mut faults = self.faults.iter().filter(|fault| {
            let (is_fatal, lasts_s) = may_end(fault);
            let until_s = fault.end_s.map_or(f64::INFINITY, |end_s| end_s + lasts_s);
            let in_time = time_s.is_none_or(|time_s| (fault.start_s..=until_s).contains(&time_s));
            let on_it = fault.nodes.is_empty() || fault.nodes.iter().any(|name| name == node);
            is_fatal && fault.is_drawn() && in_time && on_it
        });
        faults.next_back()
    }
}

/// As many slow answers are no stall: a recovery is made of some dozens of messages and syncs.
const SLOW_ANSWERS: f64 = 30.0;
/// So many answers of a kind say how long they take.
const MANY_ANSWERS: u64 = 200;

/// For how long after its end a node may end because of a fault that does no lasting damage, seconds.
const AFTERMATH_S: f64 = 10.0;

/// Whether a store may rather end than go on under a fault, and for how long after its end: what a disk did
/// not keep may come to light much later, but not what a clock showed.
fn may_end(fault: &FaultRow) -> (bool, f64) {
    match fault.nemesis.as_str() {
        "corrupt" | "disk-full" => (true, f64::INFINITY),
        "fsync" => (!fault.target.contains("slow"), f64::INFINITY),
        "clock" | "membership" => (true, AFTERMATH_S),
        _ => (false, 0.0),
    }
}

/// The faults that break what disks promise, and since when, seconds: a disk that says it has synced has lost
/// nothing before the power fails.
fn damaging(faults: &[FaultRow]) -> impl Iterator<Item = (&FaultRow, f64)> {
    let drawn = faults.iter().filter(|fault| fault.is_drawn());
    drawn.filter_map(|fault| match fault.nemesis.as_str() {
        "corrupt" => Some((fault, fault.start_s)),
        "fsync" if fault.target.contains("lie") => {
            let loses = |power: &&FaultRow| {
                power.nemesis == "power"
                    && power.is_drawn()
                    && power.start_s >= fault.start_s
                    && power.nodes.iter().any(|node| fault.nodes.contains(node))
            };
            let first = faults.iter().filter(loses).map(|power| power.start_s);
            Some((fault, first.reduce(f64::min)?))
        }
        _ => None,
    })
}

/// An observation that proves nothing yet.
fn observation(what: Observed, text: String) -> Observation {
    Observation {
        what,
        proves: false,
        fails: false,
        time_s: None,
        node: None,
        count: 1,
        text,
        explained_by: None,
        evidence: Vec::new(),
    }
}

/// What a broken promise is made of: it proves one unless a fault explains it.
fn proof(what: Observed, text: String, explained_by: Option<&FaultRow>) -> Observation {
    Observation {
        proves: explained_by.is_none(),
        explained_by: explained_by.map(FaultRow::name_and_target),
        ..observation(what, text)
    }
}
