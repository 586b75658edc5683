//! Whether the store was there for its clients: overall, and how a fault was felt and for how long.
//!
//! All of it is measured by answers (`ok`, and a cas that was compared and refused), in slices of
//! [`SLICE_NS`].
//!
//! - The reference of a fault is the median rate of answers in the last [`BEFORE_SLICES`] slices before it
//!   that were *undisturbed*: in no fault, and not in the time that the store took to come back from one.
//!   Where there were not [`FEWEST_SLICES`] of them before, all undisturbed slices of the run count.
//! - The fault is *felt* where the rate falls below half of the reference, and by more than chance explains
//!   (three standard deviations of a Poisson distribution), before the fault ends or within [`GRACE_NS`]
//!   after.
//! - The store is *back* when, [`BACK_SLICES`] slices in a row, the rate is half of the reference or more.
//! - What happens after the next fault begins, or later than [`LONGEST_NS`] after the end, is no longer
//!   attributed to a fault. Where the store was not back by then, all that is known is the least time that it
//!   took: until the last slice below half.
//!
//! The slices of a fault begin with it; only whole ones count.

use history::{History, TestRecord};

use crate::results::{Availability, FaultRow, Recovery};

/// A tenth of a second.
pub(crate) const SLICE_NS: u64 = 100_000_000;
const BEFORE_SLICES: usize = 20;
const FEWEST_SLICES: usize = 5;
const BACK_SLICES: u64 = 3;
const GRACE_NS: u64 = 1_000_000_000;
const LONGEST_NS: u64 = 10_000_000_000;
/// Twelve days.
const MOST_SLICES: usize = 10_000_000;
/// Below so many answers a slice, one without any may be chance.
const FEWEST: u32 = 9;

/// The times of answers of a main phase.
pub(crate) struct Answers {
    /// Sorted, nanoseconds since the start of the run.
    times: Vec<u64>,
    /// How many in each slice.
    slices: Vec<u32>,
    begin_ns: u64,
    end_ns: u64,
    invoked: usize,
}

impl Answers {
    pub fn new(record: &TestRecord, history: &History) -> Answers {
        let begin_ns = history.operations.first().map_or(0, |first| first.invoked_ns);
        let end_ns = match record.time_limit_s {
            limit_s if limit_s > 0.0 => history.end_ns.min((limit_s * 1e9) as u64),
            _ => history.end_ns,
        };
        let invoked = history.operations.partition_point(|x| x.invoked_ns <= end_ns);
        let mut times: Vec<u64> = (history.operations[..invoked].iter())
            .filter(|operation| operation.outcome.is_answer())
            .filter_map(|operation| Some(operation.completed_ns?.get()))
            .filter(|ns| *ns <= end_ns)
            .collect();
        times.sort_unstable();
        // Times that cannot be those of a run, such as nanoseconds since 1970, are not counted.
        let count = usize::try_from(end_ns / SLICE_NS + 1).unwrap_or(usize::MAX);
        let mut slices = vec![0; if count > MOST_SLICES { 0 } else { count }];
        for time in &times {
            if let Some(slice) = slices.get_mut((time / SLICE_NS) as usize) {
                *slice += 1;
            }
        }
        Answers {
            times,
            slices,
            begin_ns,
            end_ns,
            invoked,
        }
    }

    /// Nothing where no operation was invoked.
    pub fn availability(&self) -> Option<Availability> {
        // The last slice may be a short one.
        let whole = self
            .slices
            .get((self.begin_ns / SLICE_NS) as usize..self.slices.len().saturating_sub(1))?;
        if self.invoked == 0 || whole.is_empty() {
            return None;
        }
        let answered = whole.iter().filter(|count| **count > 0).count();
        Some(Availability {
            slice_ms: SLICE_NS as f64 / 1e6,
            share_of_time: answered as f64 / whole.len() as f64,
            share_of_operations: self.times.len() as f64 / self.invoked as f64,
            longest_gap_ms: self.longest_gap_ms(self.begin_ns, self.end_ns),
        })
    }

    /// How a fault was felt; `next_s` is when the next one began. `disturbed` has a place for each slice;
    /// those that the store took to come back are marked there. Nothing where the fault is not part of the
    /// main phase.
    fn recovery(&self, fault: &FaultRow, next_s: Option<f64>, disturbed: &mut [bool]) -> Option<Recovery> {
        let (start_ns, fault_end_ns) = (ns(fault.start_s), fault.end_s.map_or(self.end_ns, ns));
        let horizon_ns = (fault_end_ns.saturating_add(LONGEST_NS))
            .min(self.end_ns)
            .min(next_s.map_or(u64::MAX, ns));
        if horizon_ns <= start_ns {
            return None;
        }
        let end_ns = fault_end_ns.min(horizon_ns);
        let grace_ns = end_ns.saturating_add(GRACE_NS).min(horizon_ns);
        // A silence that has begun by then is seen to its end.
        let next = self
            .times
            .get(self.times.partition_point(|time| *time < grace_ns));
        let quiet_ns = next.map_or(horizon_ns, |time| (*time).min(horizon_ns));
        let begin = |slice: u64| start_ns + slice * SLICE_NS;
        let whole = (horizon_ns - start_ns) / SLICE_NS;
        let reference = self.reference(start_ns, disturbed).filter(|_| whole > 0);
        let Some(reference) = reference.filter(|reference| *reference >= FEWEST) else {
            return Some(Recovery {
                longest_gap_ms: self.longest_gap_ms(start_ns, quiet_ns),
                ..Recovery::default()
            });
        };
        let count = |slice: u64| self.count(begin(slice), begin(slice + 1));
        let is_half = |slice: u64| count(slice) * 2 >= reference;
        let is_dip = |slice: u64| {
            !is_half(slice)
                && f64::from(count(slice)) + 3.0 * f64::from(reference).sqrt() <= f64::from(reference)
        };
        let Some(dip) = (0..whole)
            .take_while(|slice| begin(*slice) < grace_ns)
            .find(|slice| is_dip(*slice))
        else {
            return Some(Recovery {
                felt: Some(false),
                longest_gap_ms: self.longest_gap_ms(start_ns, quiet_ns),
                recovery_ms: Some(0.0),
                ..Recovery::default()
            });
        };
        let back = (dip..)
            .take_while(|slice| slice + BACK_SLICES <= whole)
            .find(|&slice| (slice..slice + BACK_SLICES).all(is_half));
        let until_ns = back.map_or(horizon_ns, begin);
        disturb(disturbed, end_ns, until_ns);
        let ms = |ns: u64| ns as f64 / 1e6;
        let last_below = (dip..whole).rev().find(|slice| !is_half(*slice)).unwrap_or(dip);
        Some(Recovery {
            felt: Some(true),
            longest_gap_ms: self.longest_gap_ms(start_ns, until_ns.max(grace_ns)),
            recovery_ms: back.map(|slice| ms(slice * SLICE_NS)),
            recovery_at_least_ms: back.is_none().then(|| ms((last_below + 1) * SLICE_NS)),
            after_end_ms: back
                .map(begin)
                .filter(|back| *back > end_ns)
                .map(|back| ms(back - end_ns)),
        })
    }

    /// The usual number of answers in a slice, at the time of a fault.
    fn reference(&self, start_ns: u64, disturbed: &[bool]) -> Option<u32> {
        // Neither the first slice nor the last is a whole one.
        let whole = (self.begin_ns / SLICE_NS) as usize + 1..self.slices.len().saturating_sub(1);
        let undisturbed = |range: std::ops::Range<usize>| range.filter(|slice| !disturbed[*slice]);
        let first = ((start_ns / SLICE_NS) as usize).min(whole.end);
        let mut counts: Vec<u32> = undisturbed(whole.start.min(first)..first)
            .rev()
            .take(BEFORE_SLICES)
            .map(|slice| self.slices[slice])
            .collect();
        if counts.len() < FEWEST_SLICES {
            counts = undisturbed(whole).map(|slice| self.slices[slice]).collect();
        }
        counts.sort_unstable();
        (counts.len() >= FEWEST_SLICES).then(|| counts[counts.len() / 2])
    }

    /// How many answers came within `[from, to)`.
    fn count(&self, from: u64, to: u64) -> u32 {
        let before = |limit: u64| self.times.partition_point(|time| *time < limit);
        (before(to) - before(from)) as u32
    }

    /// The longest time without an answer within `[from, to]`, milliseconds.
    fn longest_gap_ms(&self, from: u64, to: u64) -> f64 {
        let first = self.times.partition_point(|time| *time < from);
        let mut last = from;
        let mut longest = 0;
        for &time in self.times[first..].iter().take_while(|time| **time <= to) {
            longest = longest.max(time - last);
            last = time;
        }
        longest.max(to.saturating_sub(last)) as f64 / 1e6
    }
}

/// Adds to each fault how it was felt.
pub(crate) fn add_recoveries(answers: &Answers, faults: &mut [FaultRow]) {
    let mut disturbed = vec![false; answers.slices.len()];
    let mut drawn: Vec<&mut FaultRow> = faults.iter_mut().filter(|fault| fault.is_drawn()).collect();
    drawn.sort_by(|one, other| one.start_s.total_cmp(&other.start_s));
    for fault in &drawn {
        let end_ns = fault.end_s.map_or(answers.end_ns, ns).min(answers.end_ns);
        disturb(&mut disturbed, ns(fault.start_s), end_ns);
    }
    let starts: Vec<f64> = drawn.iter().map(|fault| fault.start_s).collect();
    for fault in drawn {
        let next_s = starts.iter().copied().find(|start_s| *start_s > fault.start_s);
        fault.recovery = answers.recovery(fault, next_s, &mut disturbed);
    }
}

/// Marks the slices from one time to another, as far as there are slices.
fn disturb(disturbed: &mut [bool], from_ns: u64, to_ns: u64) {
    let place = |ns: u64| {
        usize::try_from(ns / SLICE_NS)
            .unwrap_or(usize::MAX)
            .min(disturbed.len())
    };
    let (from, to) = (place(from_ns), place(to_ns.saturating_add(SLICE_NS)));
    disturbed[from.min(to)..to].fill(true);
}

fn ns(s: f64) -> u64 {
    (s * 1e9) as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::FaultHold;
    use history::{Op, Operation, Outcome};

    /// Answers every 10 ms but for the stretches without any, milliseconds.
    fn answers(length_ms: u64, without: &[(u64, u64)]) -> Answers {
        answers_at(0..length_ms, without)
    }

    fn answers_at(range_ms: std::ops::Range<u64>, without: &[(u64, u64)]) -> Answers {
        let length_ms = range_ms.end;
        let times = range_ms.step_by(10);
        let operations = times
            .filter(|at| !without.iter().any(|(from, to)| (from..to).contains(&at)))
            .map(|at| Operation {
                process: 0,
                op: Op::Read { key: 1.into() },
                outcome: Outcome::ok(),
                invoked: 2 * at,
                completed: 2 * at + 1,
                invoked_ns: at * 1_000_000,
                completed_ns: Some((at * 1_000_000 + 1_000).into()),
                node: None,
            });
        let history = History {
            operations: operations.collect(),
            end_ns: length_ms * 1_000_000,
            ..History::default()
        };
        Answers::new(&TestRecord::default(), &history)
    }

    fn fault(start_s: f64, end_s: f64) -> FaultRow {
        FaultRow {
            nemesis: "kill".into(),
            target: "leader".into(),
            detail: String::new(),
            nodes: Vec::new(),
            start_s,
            end_s: Some(end_s),
            hold: FaultHold::Verified,
            why: None,
            recovery: None,
        }
    }

    /// How one fault was felt, from second 5 to 8 of 20.
    fn felt(without: &[(u64, u64)], next_s: Option<f64>) -> Recovery {
        let answers = answers(20_000, without);
        let mut faults = vec![fault(5.0, 8.0)];
        faults.extend(next_s.map(|start_s| fault(start_s, start_s + 1.0)));
        add_recoveries(&answers, &mut faults);
        faults[0].recovery.expect("it is drawn")
    }

    #[test]
    fn a_fault_is_felt_from_its_start_until_the_rate_is_back() {
        let check = |without: &[(u64, u64)], next_s, recovery_ms: Option<f64>, after_end_ms: Option<f64>| {
            let found = felt(without, next_s);
            let is_felt = recovery_ms != Some(0.0);
            assert_eq!(
                (found.felt, found.recovery_ms, found.after_end_ms),
                (Some(is_felt), recovery_ms, after_end_ms),
                "{without:?}"
            );
            assert_eq!(found.recovery_at_least_ms.is_some(), recovery_ms.is_none());
            found
        };
        assert!(check(&[], None, Some(0.0), None).longest_gap_ms < 11.0);
        // A new leader within the fault.
        let gap = check(&[(5_000, 6_200)], None, Some(1_200.0), None).longest_gap_ms;
        assert!((gap - 1_200.0).abs() < 11.0, "{gap}");
        // No quorum until the end, and then an election.
        check(&[(5_000, 8_500)], None, Some(3_500.0), Some(500.0));
        // The heal is what hurts.
        let gap = check(&[(8_050, 11_000)], None, Some(6_000.0), Some(3_000.0)).longest_gap_ms;
        assert!((gap - 2_950.0).abs() < 11.0, "{gap}");
        // As short as can be seen.
        check(&[(5_000, 5_150)], None, Some(100.0), None);
        // Not back before the next fault, or before the end of the run.
        let cut_off = check(&[(5_000, 9_500)], Some(9.0), None, None);
        assert_eq!(cut_off.recovery_at_least_ms, Some(4_000.0));
        check(&[(5_000, 20_000)], None, None, None);
        // Back, but not for long enough to be sure.
        let cut_off = check(&[(5_000, 8_800)], Some(9.0), None, None);
        assert_eq!(cut_off.recovery_at_least_ms, Some(3_800.0));
        // Back only for a moment.
        check(&[(5_000, 6_000), (6_100, 7_000)], None, Some(2_000.0), None);
        // What came before is not its own, nor what came long after.
        check(&[(4_700, 4_900)], None, Some(0.0), None);
        assert!(check(&[(12_000, 14_000)], None, Some(0.0), None).longest_gap_ms < 11.0);
    }

    #[test]
    fn a_long_outage_is_no_reference_for_the_next_fault() {
        let answers = answers(30_000, &[(5_000, 11_500), (12_000, 14_500)]);
        let mut faults = vec![fault(5.0, 6.0), fault(12.0, 13.0)];
        add_recoveries(&answers, &mut faults);
        let found: Vec<_> = faults
            .iter()
            .filter_map(|fault| fault.recovery?.recovery_ms)
            .collect();
        assert_eq!(found, [6_500.0, 2_500.0]);
    }

    #[test]
    fn where_there_was_little_only_silence_is_told() {
        let little = felt(&[(0, 5_000), (8_000, 20_000)], None);
        assert_eq!((little.felt, little.recovery_ms), (None, None));
        // Until ten seconds after its end.
        assert!((little.longest_gap_ms - 10_000.0).abs() < 21.0, "{little:?}");
        let mut late = vec![fault(5.0, 8.0)];
        add_recoveries(&answers(1_000, &[]), &mut late);
        assert_eq!(late[0].recovery, None);
        assert_eq!(answers(0, &[]).availability(), None);
        // Times since 1970.
        let far = u64::MAX / 1_000_000;
        let since_1970 = answers_at(far - 20..far, &[]);
        assert_eq!(since_1970.availability(), None);
        let mut unfinished = vec![FaultRow {
            end_s: None,
            ..fault(1.0, 2.0)
        }];
        add_recoveries(&since_1970, &mut unfinished);
        assert_eq!(unfinished[0].recovery.and_then(|recovery| recovery.felt), None);
    }

    #[test]
    fn availability_is_a_share_of_time() {
        let found = answers(10_000, &[(5_000, 7_000)])
            .availability()
            .expect("there were operations");
        assert!((found.share_of_time - 0.8).abs() < 0.011, "{found:?}");
        assert!((found.longest_gap_ms - 2_000.0).abs() < 11.0, "{found:?}");
        assert!(found.share_of_operations > 0.99, "{found:?}");
    }
}
