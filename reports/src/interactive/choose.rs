//! Which operations a page holds when it cannot hold all of them.
//!
//! Two kinds: everything that happened around the moments that matter, as wide as there is room; and wherever
//! they are, the operations on the keys that contradict themselves, those with unknown outcomes and the
//! slowest ones.

use std::collections::BTreeSet;

use checker::Analysis;
use history::{History, Operation};

/// The most links of one conflict.
pub(super) const MOST_LINKS: usize = 200;
/// The share of the room that single operations may take.
const SINGLES_SHARE: usize = 6;
/// The most operations of the key of one conflict.
const MOST_OF_KEY: usize = 4_000;
/// How many of the slowest answers.
const SLOWEST: usize = 100;
/// The narrowest radius around a moment.
const NARROWEST_NS: u64 = 5_000_000;
/// So many conflicts have their keys shown.
const MOST_KEYS: usize = 5;

/// What a page holds.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Chosen {
    /// Indices into the history's operations, in order.
    pub operations: Vec<usize>,
    /// The stretches of time of which every operation is among them, nanoseconds, in order and apart.
    pub whole: Vec<(u64, u64)>,
}

/// At most `most` operations, those around `moments` first.
pub(super) fn choose(history: &History, analysis: &Analysis, moments: &[u64], most: usize) -> Chosen {
    let operations = &history.operations;
    let end_ns = history.end_ns;
    if operations.len() <= most {
        return Chosen {
            operations: (0..operations.len()).collect(),
            whole: vec![(0, end_ns)],
        };
    }
    let mut chosen = singles(history, analysis, most / SINGLES_SHARE);
    let room = most - chosen.len();
    let fits = |windows: &[(u64, u64)]| operations.iter().filter(|x| runs_in(x, windows)).count() <= room;
    let whole = widest(moments, NARROWEST_NS, end_ns, fits);
    chosen.extend((0..operations.len()).filter(|&index| runs_in(&operations[index], &whole)));
    Chosen {
        operations: chosen.into_iter().collect(),
        whole,
    }
}

/// Operations that are shown wherever they are.
fn singles(history: &History, analysis: &Analysis, most: usize) -> BTreeSet<usize> {
    let operations = &history.operations;
    let mut chosen = BTreeSet::new();
    let mut add = |indices: &mut dyn Iterator<Item = usize>| {
        for index in indices {
            if chosen.len() >= most {
                return;
            }
            chosen.insert(index);
        }
    };
    for conflict in &analysis.conflicts {
        let links = conflict.links.iter().take(MOST_LINKS);
        let named = conflict.operations.iter().chain(links).copied();
        add(&mut named.filter(|&index| index < operations.len()));
    }
    for conflict in analysis.conflicts.iter().take(MOST_KEYS) {
        let Some(first) = conflict.operations.first() else {
            continue;
        };
        let mut same: Vec<usize> = (0..operations.len())
            .filter(|&index| *operations[index].op.key() == conflict.key)
            .collect();
        same.sort_by_key(|index| index.abs_diff(*first));
        add(&mut same.into_iter().take(MOST_OF_KEY));
    }
    let mut slowest: Vec<usize> = (0..operations.len())
        .filter(|&index| operations[index].outcome.is_answer())
        .collect();
    let took = |&index: &usize| {
        let x: &Operation = &operations[index];
        std::cmp::Reverse(x.completed_ns.map_or(0, u64::from).saturating_sub(x.invoked_ns))
    };
    if slowest.len() > SLOWEST {
        slowest.select_nth_unstable_by_key(SLOWEST, took);
        slowest.truncate(SLOWEST);
    }
    add(&mut slowest.into_iter());
    let unknown = |index: &usize| operations[*index].outcome.is_info();
    add(&mut (0..operations.len()).filter(unknown));
    chosen
}

/// The widest stretches around the moments, each of the same radius, that `fits` allows: around all of them,
/// or where even `narrowest` is too much for that, around the first ones.
pub(super) fn widest(
    moments: &[u64],
    narrowest: u64,
    end_ns: u64,
    fits: impl Fn(&[(u64, u64)]) -> bool,
) -> Vec<(u64, u64)> {
    let mut moments = moments;
    while !moments.is_empty() && !fits(&windows(moments, narrowest, end_ns)) {
        moments = &moments[..moments.len() / 2];
    }
    let (mut low, mut high) = (narrowest, end_ns.max(narrowest));
    // Half a per cent is exact enough.
    while high - low > low / 200 + 1 {
        let middle = low + (high - low) / 2;
        match fits(&windows(moments, middle, end_ns)) {
            true => low = middle,
            false => high = middle,
        }
    }
    windows(moments, low, end_ns)
}

/// The stretches within `radius` of a moment, those that touch taken together.
fn windows(moments: &[u64], radius: u64, end_ns: u64) -> Vec<(u64, u64)> {
    let mut windows: Vec<(u64, u64)> = moments
        .iter()
        .map(|at| (at.saturating_sub(radius), at.saturating_add(radius).min(end_ns)))
        .collect();
    windows.sort_unstable();
    let mut apart: Vec<(u64, u64)> = Vec::new();
    for (from, to) in windows {
        match apart.last_mut() {
            Some(last) if from <= last.1 => last.1 = last.1.max(to),
            _ => apart.push((from, to)),
        }
    }
    apart
}

/// Whether an operation ran in one of the windows. For one that never ended and was not given up, only
/// its beginning counts: such operations are shown everywhere anyway.
fn runs_in(operation: &Operation, windows: &[(u64, u64)]) -> bool {
    let from = operation.invoked_ns;
    let to = operation.completed_ns.map_or(from, u64::from).max(from);
    touches(windows, from, to)
}

/// Whether one of the windows, which are in order and apart, has a moment in common with `[from, to]`.
pub(super) fn touches(windows: &[(u64, u64)], from: u64, to: u64) -> bool {
    let next = windows.partition_point(|window| window.1 < from);
    windows.get(next).is_some_and(|window| window.0 <= to)
}

#[cfg(test)]
mod tests {
    use super::*;
    use checker::{Options, check};
    use history::{Op, Outcome};

    fn history(count: u64) -> History {
        let operation = |n: u64| Operation {
            process: (n % 7) as u32,
            op: Op::Read { key: 1.into() },
            outcome: Outcome::ok(),
            invoked: 2 * n,
            completed: 2 * n + 1,
            invoked_ns: n * 1_000_000,
            completed_ns: Some((n * 1_000_000 + 2_500_000).into()),
            node: None,
        };
        History {
            operations: (0..count).map(operation).collect(),
            end_ns: count * 1_000_000,
            ..History::default()
        }
    }

    #[test]
    fn what_is_called_whole_is_whole() {
        let history = history(50_000);
        let analysis = check(&history, &Options::default());
        for (moments, most) in [
            (vec![10_000_000_000, 40_000_000_000, 41_000_000_000], 5_000),
            (vec![0], 1_000),
            ((0..40_000).map(|n| n * 1_000_000).collect(), 2_000),
            (vec![], 600),
        ] {
            let chosen = choose(&history, &analysis, &moments, most);
            assert!(chosen.operations.len() <= most, "{}", chosen.operations.len());
            assert!(chosen.operations.is_sorted());
            for (index, operation) in history.operations.iter().enumerate() {
                if runs_in(operation, &chosen.whole) {
                    assert!(chosen.operations.binary_search(&index).is_ok(), "{index}");
                }
            }
            if let Some(first) = moments.first() {
                assert!(
                    chosen.whole.iter().any(|(from, to)| from <= first && first <= to),
                    "{moments:?}: {:?}",
                    chosen.whole
                );
                // The room is used.
                assert!(chosen.operations.len() > most / 3, "{}", chosen.operations.len());
            }
        }
    }

    #[test]
    fn a_small_history_is_whole() {
        let history = history(100);
        let chosen = choose(&history, &check(&history, &Options::default()), &[5], 100);
        assert_eq!(chosen.operations.len(), 100);
        assert_eq!(chosen.whole, [(0, history.end_ns)]);
    }
}
