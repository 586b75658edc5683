//! Runs compared: availability, times to recover and latencies of some runs beside those of a baseline.
//!
//! The statistics (and no others):
//! - A figure of a group of runs is the *median* of its samples: one a run, or, of what faults did, one a
//!   fault.
//! - Its interval is the distribution-free one of order statistics: the narrowest pair of samples, symmetric
//!   in rank, that holds the true median with at least 95 % (binomial distribution; Conover, Practical
//!   Nonparametric Statistics, §3.2). It takes six samples; with fewer there is no such interval, and the
//!   least and the largest sample are shown instead.
//! - Two groups *differ* where both have intervals and those do not touch. This errs on the side of caution:
//!   what is called no clear difference may still be one.
//! - Of a fault after which the rate was not seen to come back only the least time is known (a right-censored
//!   sample). The lower end of a median or an interval is that of these least times, the upper end that of
//!   infinite ones, so that they hold whatever the true times were.
//! - Faults of one run are not independent of each other; a comparison of single runs says so.

use checker::Verdict;

use crate::results::Results;

/// So many samples are needed for an interval of 95 %: 1 − 2 · 2⁻⁶ = 0.97, and 0.94 of five.
pub const FEWEST_SAMPLES: usize = 6;

/// Some runs that are taken together.
#[derive(Debug)]
pub struct Group<'a> {
    /// Its name in tables.
    pub name: String,
    /// The runs.
    pub runs: Vec<&'a Results>,
}

/// One figure of every group.
#[derive(Clone, Debug, PartialEq)]
pub struct Comparison {
    /// What is compared.
    pub figure: String,
    /// `ms`, `/s`, `%`.
    pub unit: &'static str,
    /// For each group its samples' median and interval; nothing where it has none.
    pub groups: Vec<Option<Estimate>>,
    /// For each group but the first, how it compares with the first.
    pub changes: Vec<Change>,
}

/// A median with what is known about it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Estimate {
    /// The median of the samples, or where it is censored what it is at least.
    pub median: f64,
    /// Whether the median is not known but for what it is at least.
    pub is_censored: bool,
    /// The interval of 95 %, or the least and the largest sample where there are too few.
    pub low: f64,
    /// Its upper end.
    pub high: f64,
    /// How many samples.
    pub samples: usize,
}

/// How a group compares with the baseline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Their intervals do not touch, and it is the better one.
    Better,
    /// Their intervals do not touch, and it is the worse one.
    Worse,
    /// Their intervals touch.
    NoneClear,
    /// One of them has too few samples for an interval.
    TooFew,
}

/// A sample: what it is at least, and at most.
pub type Sample = (f64, f64);

/// The samples of one run.
type Samples = Box<dyn Fn(&Results) -> Vec<Sample>>;

/// A figure, and where it comes from.
struct Figure {
    name: String,
    unit: &'static str,
    is_higher_better: bool,
    samples: Samples,
}

/// Compares groups; the first one is the baseline. Figures that no group has are left out.
pub fn compare(groups: &[Group]) -> Vec<Comparison> {
    let comparisons = figures(groups).into_iter().map(|figure| {
        let estimates: Vec<Option<Estimate>> = groups
            .iter()
            .map(|group| Estimate::of(group.runs.iter().flat_map(|run| (figure.samples)(run)).collect()))
            .collect();
        let changes = (estimates.iter().skip(1))
            .map(|estimate| change(estimates[0], *estimate, figure.is_higher_better))
            .collect();
        Comparison {
            figure: figure.name,
            unit: figure.unit,
            groups: estimates,
            changes,
        }
    });
    comparisons
        .filter(|comparison| comparison.groups.iter().any(Option::is_some))
        .collect()
}

/// What differs between the plans of the runs although it should not, in sentences; the versions may.
pub fn differences(groups: &[Group]) -> Vec<String> {
    type Field = fn(&Results) -> String;
    let fields: [(&str, Field); 11] = [
        ("the workload", |run| run.test.workload.clone()),
        ("the nemeses", |run| run.test.nemesis.join(",")),
        ("the requested faults", |run| {
            let faults = run.test.requested_faults.clone();
            faults.unwrap_or_else(|| "none in particular".into())
        }),
        ("the interval of faults", |run| {
            let interval_ms = run.test.fault_interval_ms;
            interval_ms.map_or_else(|| "not recorded".into(), |ms| format!("{ms} ms"))
        }),
        ("the number of nodes", |run| run.test.nodes.len().to_string()),
        ("the number of client threads", |run| {
            run.test.concurrency.to_string()
        }),
        ("the rate", |run| {
            run.test
                .rate_per_s
                .map_or_else(|| "as fast as possible".into(), |rate| rate.to_string())
        }),
        ("the time limit", |run| format!("{} s", run.test.time_limit_s)),
        ("the clients' timeout", |run| {
            format!("{} ms", run.test.op_timeout_ms)
        }),
        ("the environment", |run| run.test.env.clone()),
        ("the host", |run| run.test.host.clone()),
    ];
    let runs = || groups.iter().flat_map(|group| group.runs.iter());
    let mut sentences = Vec::new();
    for (name, field) in fields {
        // In the order of the runs, which is that of the groups.
        let mut values: Vec<String> = Vec::new();
        for value in runs().map(|run| field(run)) {
            if !values.contains(&value) {
                values.push(value);
            }
        }
        if values.len() > 1 {
            sentences.push(format!("the runs differ in {name} ({})", values.join(" / ")));
        }
    }
    let single: Vec<&str> = (groups.iter())
        .filter(|group| group.runs.len() == 1 && group.runs[0].faults.len() >= FEWEST_SAMPLES)
        .map(|group| group.name.as_str())
        .collect();
    if !single.is_empty() {
        sentences.push(format!(
            "only one run of {}: the faults of a single run say nothing about how runs vary",
            single.join(", ")
        ));
    }
    sentences
}

/// What is clearly worse than in the baseline, in a sentence each. A verdict needs no statistics.
pub fn worse(groups: &[Group], comparisons: &[Comparison]) -> Vec<String> {
    let Some((base, others)) = groups.split_first() else {
        return Vec::new();
    };
    let verdicts = others.iter().filter_map(|group| {
        let verdict = group.verdict();
        let is_worse = base.verdict().merge(verdict) != base.verdict();
        is_worse.then(|| format!("{}: the verdict is {verdict}", group.name))
    });
    let figures = comparisons.iter().flat_map(|one| {
        let changes = others.iter().zip(&one.changes);
        let worse = changes.filter(|(_, change)| **change == Change::Worse);
        worse.map(|(group, _)| format!("{}: {}", group.name, one.figure))
    });
    verdicts.chain(figures).collect()
}

impl Group<'_> {
    /// The worst verdict of its runs.
    pub(crate) fn verdict(&self) -> Verdict {
        let verdicts = self.runs.iter().map(|run| run.verdict);
        verdicts.fold(Verdict::Valid, Verdict::merge)
    }
}

fn figures(groups: &[Group]) -> Vec<Figure> {
    let one = |name: &str, unit, is_higher_better, of: fn(&Results) -> Option<f64>| Figure {
        name: name.to_owned(),
        unit,
        is_higher_better,
        samples: Box::new(move |run| of(run).into_iter().map(exactly).collect()),
    };
    let mut figures = vec![
        one("ok operations per second", "/s", true, |run| {
            Some(run.ok_ops_per_s)
        }),
        one("time in which something was answered", "%", true, |run| {
            Some(run.availability?.share_of_time * 100.0)
        }),
        one("longest time without an answer", "ms", false, |run| {
            Some(run.availability?.longest_gap_ms)
        }),
    ];
    let runs = || groups.iter().flat_map(|group| group.runs.iter().copied());
    let mut kinds: Vec<_> = runs()
        .flat_map(|run| run.latency.iter().map(|row| row.f))
        .collect();
    kinds.sort();
    kinds.dedup();
    for kind in kinds {
        let of = |quantile: &str, pick: fn(&crate::LatencyRow) -> f64| Figure {
            name: format!("{kind}, {quantile}"),
            unit: "ms",
            is_higher_better: false,
            samples: Box::new(move |run| {
                let rows = run.latency.iter().filter(|row| row.f == kind);
                rows.map(pick).map(exactly).collect()
            }),
        };
        figures.extend([
            of("p50", |row| row.latency_ms_p50),
            of("p99", |row| row.latency_ms_p99),
        ]);
    }
    let mut nemeses: Vec<String> = runs()
        .flat_map(|run| run.faults.iter().map(|fault| fault.nemesis.clone()))
        .collect();
    nemeses.sort();
    nemeses.dedup();
    for nemesis in nemeses {
        let of = |what: &str, pick: fn(crate::Recovery) -> Option<Sample>| {
            let name = nemesis.clone();
            Figure {
                name: format!("{nemesis}: {what}"),
                unit: "ms",
                is_higher_better: false,
                samples: Box::new(move |run| {
                    let faults = run.faults.iter();
                    let held = faults.filter(|fault| fault.nemesis == name && fault.is_verified());
                    held.filter_map(|fault| pick(fault.recovery?)).collect()
                }),
            }
        };
        figures.extend([
            of("rate recovered after", |felt| {
                let censored = || Some((felt.recovery_at_least_ms?, f64::INFINITY));
                felt.recovery_ms.map(exactly).or_else(censored)
            }),
            of("longest time without an answer", |felt| {
                Some(exactly(felt.longest_gap_ms))
            }),
        ]);
    }
    figures
}

impl Estimate {
    /// Of some samples; nothing of none.
    pub fn of(samples: Vec<Sample>) -> Option<Estimate> {
        let (mut least, mut most): (Vec<f64>, Vec<f64>) = samples.into_iter().unzip();
        least.sort_by(f64::total_cmp);
        most.sort_by(f64::total_cmp);
        let count = least.len();
        let middle = |sorted: &[f64]| match count % 2 {
            1 => sorted[count / 2],
            _ => f64::midpoint(sorted[count / 2 - 1], sorted[count / 2]),
        };
        let rank = rank(count).unwrap_or(0);
        Some(Estimate {
            low: *least.get(rank)?,
            high: most[count - 1 - rank],
            median: middle(&least),
            is_censored: middle(&least) != middle(&most),
            samples: count,
        })
    }

    /// Whether `low` and `high` are an interval of 95 %.
    pub fn is_interval(&self) -> bool {
        self.samples >= FEWEST_SAMPLES
    }
}

/// A sample that is known.
pub(crate) fn exactly(value: f64) -> Sample {
    (value, value)
}

/// The largest rank, from 0, such that the samples of that rank from below and from above hold the median
/// with 95 % or more: each tail of the binomial distribution of `count` throws of a coin takes at most 2.5 %.
fn rank(count: usize) -> Option<usize> {
    let mut probability = 0.5f64.powi(i32::try_from(count).ok()?);
    // Of so many that this is nothing, the normal approximation.
    if probability < 1e-300 {
        let half_width = 1.96 * (count as f64).sqrt() / 2.0;
        return Some((count as f64 / 2.0 - half_width - 1.0) as usize);
    }
    let mut tail = 0.0;
    let mut found = None;
    for rank in 0..count / 2 {
        tail += probability;
        if tail > 0.025 {
            break;
        }
        found = Some(rank);
        probability *= (count - rank) as f64 / (rank + 1) as f64;
    }
    found
}

fn change(base: Option<Estimate>, other: Option<Estimate>, is_higher_better: bool) -> Change {
    match (base, other) {
        (Some(base), Some(other)) if base.is_interval() && other.is_interval() => {
            let is_higher = other.low > base.high;
            let is_lower = other.high < base.low;
            match (is_higher, is_lower) {
                (false, false) => Change::NoneClear,
                (higher, _) if higher == is_higher_better => Change::Better,
                _ => Change::Worse,
            }
        }
        _ => Change::TooFew,
    }
}

impl Change {
    /// Its name in tables.
    pub fn name(self) -> &'static str {
        match self {
            Change::Better => "better",
            Change::Worse => "worse",
            Change::NoneClear => "no clear difference",
            Change::TooFew => "too few samples",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks_are_those_of_the_tables() {
        // Conover, table of the sign test: the ranks, from 1, of the interval of the median at 95 %.
        for (count, expected) in [
            (1, None),
            (5, None),
            (6, Some(1)),
            (8, Some(1)),
            (9, Some(2)),
            (12, Some(3)),
            (20, Some(6)),
            (30, Some(10)),
        ] {
            assert_eq!(rank(count).map(|rank| rank + 1), expected, "{count}");
        }
        let many = rank(2_000).expect("an interval");
        assert!((950..=956).contains(&many), "{many}");
    }

    #[test]
    fn the_interval_holds_the_median_as_often_as_it_says() {
        // A sequence that fills the unit interval evenly (Weyl), in samples of eleven: the true median is
        // 0.5.
        let mut value = 0.0f64;
        let mut held = 0;
        const ROUNDS: usize = 4_000;
        let mut state = 7u64;
        for _ in 0..ROUNDS {
            let samples: Vec<Sample> = (0..11)
                .map(|_| {
                    state = state
                        .wrapping_mul(6_364_136_223_846_793_005)
                        .wrapping_add(1_442_695_040_888_963_407);
                    value = (state >> 11) as f64 / (1u64 << 53) as f64;
                    exactly(value)
                })
                .collect();
            let estimate = Estimate::of(samples).expect("there are samples");
            held += usize::from(estimate.low <= 0.5 && 0.5 <= estimate.high);
        }
        let share = held as f64 / ROUNDS as f64;
        assert!((0.95..0.99).contains(&share), "{share}");
    }

    #[test]
    fn differences_are_claimed_only_where_intervals_do_not_touch() {
        let of =
            |from: u32, count: u32| Estimate::of((from..from + count).map(f64::from).map(exactly).collect());
        for (base, other, is_higher_better, expected) in [
            (of(10, 6), of(20, 6), false, Change::Worse),
            (of(10, 6), of(20, 6), true, Change::Better),
            (of(20, 6), of(10, 6), true, Change::Worse),
            (of(10, 6), of(15, 6), true, Change::NoneClear),
            (of(10, 5), of(90, 6), true, Change::TooFew),
            (of(10, 6), None, true, Change::TooFew),
        ] {
            assert_eq!(
                change(base, other, is_higher_better),
                expected,
                "{base:?} {other:?}"
            );
        }
    }
}
