//! A counter that converges (`pn-counter`).
//!
//! Final reads must show the sum of all additions that were acknowledged and of any choice of those of
//! unknown outcome. Any read shows the sum of some choice of the additions that had begun: a state is merged
//! from the updates that it has heard of (Shapiro et al., "A comprehensive study of Convergent and
//! Commutative Replicated Data Types", 2011, specification 7). Source: Maelstrom's workload `pn-counter`,
//! also for counters that only grow (`g-counter`).
//!
//! The possible sums are kept as ranges without gaps, of which there are few where amounts are small.

use history::{History, Op, Operation, Outcome};

use super::last_reads::{DIFFER, LastReads, NONE, TOO_SOON};
use crate::engine::publish::by_themselves;
use crate::model::answer;
use crate::objects::counter::{amount, count};
use crate::sentence::{op, sentence};
use crate::verdict::{Decision, Rule};

/// How many ranges are kept.
const MOST_RANGES: usize = 100_000;
/// How many ranges are looked at for what no read can show.
const MOST_LOOKED_AT: usize = 10_000_000;
/// How many ranges are shown.
const MOST_SHOWN: usize = 3;

/// Sums, as ranges that include their ends, ascending, with gaps between them.
pub(super) struct Sums(Vec<(i128, i128)>);

impl Sums {
    fn new(sum: i128) -> Sums {
        Sums(vec![(sum, sum)])
    }

    /// The sums with and without this amount.
    fn or_more(&self, amount: i128) -> Sums {
        let more = self
            .0
            .iter()
            .map(|&(least, most)| (least + amount, most + amount));
        let mut all: Vec<(i128, i128)> = self.0.iter().copied().chain(more).collect();
        all.sort_unstable();
        let mut merged: Vec<(i128, i128)> = Vec::with_capacity(all.len());
        for (least, most) in all {
            match merged.last_mut().filter(|last| least <= last.1 + 1) {
                Some(last) => last.1 = last.1.max(most),
                None => merged.push((least, most)),
            }
        }
        Sums(merged)
    }

    fn contains(&self, sum: i128) -> bool {
        let behind = self.0.partition_point(|&(least, _)| least <= sum);
        behind > 0 && sum <= self.0[behind - 1].1
    }

    fn words(&self) -> String {
        let range = |&(least, most): &(i128, i128)| match least == most {
            true => least.to_string(),
            false => format!("{least} to {most}"),
        };
        let shown: Vec<String> = self.0.iter().take(MOST_SHOWN).map(range).collect();
        let more = if self.0.len() > MOST_SHOWN { ", …" } else { "" };
        format!("{}{more}", shown.join(", "))
    }
}

pub(super) fn decide(history: &History, indices: &[usize], initial: i128) -> Decision {
    if let Some(decision) = impossible(history, indices, initial) {
        return decision;
    }
    let mut certain = initial;
    let mut open = Vec::new();
    for &index in indices {
        let operation = &history.operations[index];
        let Op::Add { value, .. } = &operation.op else {
            continue;
        };
        let amount = i128::from(amount(value).unwrap_or_default());
        match operation.outcome {
            Outcome::Ok(_) => certain += amount,
            Outcome::Info(_) => open.push(amount),
            Outcome::Fail(_) => {}
        }
    }
    let LastReads {
        reads: last,
        are_final,
    } = LastReads::of(history, indices);
    let mut sums = Sums::new(certain);
    for &amount in open.iter().filter(|_| !last.is_empty()) {
        sums = sums.or_more(amount);
        if sums.0.len() > MOST_RANGES {
            return Decision::unknown("there are too many possible sums of additions of unknown outcome");
        }
    }
    let count = |read: usize| answer(&history.operations[read]).and_then(count);
    for &read in &last {
        let Some(seen) = count(read).filter(|seen| !sums.contains(*seen)) else {
            continue;
        };
        if !are_final {
            return Decision::unknown(TOO_SOON);
        }
        let all = match open.is_empty() {
            true => format!("The additions make {}.", sums.words()),
            false => format!(
                "The additions that were acknowledged make {certain}, and with those of unknown outcome {}.",
                sums.words()
            ),
        };
        let last = sentence![
            op(read),
            " is a final read, begun after the last addition had completed."
        ];
        let holds = !is_sum(&open, seen - certain);
        return by_themselves(
            history,
            Rule::OutOfBounds,
            vec![read],
            vec![last, all.into()],
            holds,
        );
    }
    match last.first() {
        None => Decision::unknown(NONE.to_owned()),
        Some(&first) if last.iter().any(|&read| count(read) != count(first)) => {
            Decision::unknown(DIFFER.to_owned())
        }
        Some(_) => Decision::Valid(Vec::new()),
    }
}

/// A read of what no choice of the additions that had begun makes.
fn impossible(history: &History, indices: &[usize], initial: i128) -> Option<Decision> {
    let operation = |index: usize| &history.operations[index];
    let mut added: Vec<(u64, i128)> = Vec::new();
    let mut reads: Vec<(u64, usize, i128)> = Vec::new();
    for &index in indices {
        let Operation { op, outcome, .. } = operation(index);
        match (op, outcome) {
            (Op::Add { value, .. }, Outcome::Ok(_) | Outcome::Info(_)) => {
                let amount = i128::from(amount(value).unwrap_or_default());
                added.push((operation(index).invoked, amount));
            }
            (Op::Read { .. }, Outcome::Ok(_)) => {
                let seen = answer(operation(index)).and_then(count);
                reads.extend(seen.map(|seen| (operation(index).completed, index, seen)));
            }
            _ => {}
        }
    }
    added.sort_unstable();
    reads.sort_unstable();
    let mut sums = Sums::new(initial);
    let (mut begun, mut looked_at) = (0, 0);
    for (completed, read, seen) in reads {
        while let Some(&(_, amount)) = added.get(begun).filter(|(invoked, _)| *invoked < completed) {
            sums = sums.or_more(amount);
            looked_at += sums.0.len();
            begun += 1;
            if sums.0.len() > MOST_RANGES || looked_at > MOST_LOOKED_AT {
                return None;
            }
        }
        if !sums.contains(seen) {
            let amounts: Vec<i128> = added[..begun].iter().map(|(_, amount)| *amount).collect();
            let sentences = vec![
                sentence![
                    op(read),
                    " shows what no choice of the additions makes that had begun."
                ],
                format!("They make {}.", sums.words()).into(),
            ];
            let holds = !is_sum(&amounts, seen - initial);
            return Some(by_themselves(
                history,
                Rule::OutOfBounds,
                vec![read],
                sentences,
                holds,
            ));
        }
    }
    None
}

/// Whether some of the amounts make the sum, tried one by one within the bounds that any choice has; also
/// where that takes too long, it says no.
fn is_sum(amounts: &[i128], sum: i128) -> bool {
    let bound = |side: fn(i128) -> i128| amounts.iter().map(|amount| side(*amount)).sum::<i128>();
    if !(bound(|amount| amount.min(0))..=bound(|amount| amount.max(0))).contains(&sum) {
        return false;
    }
    /// How many sums are tried.
    const MOST: usize = 1 << 16;
    let mut sums = std::collections::BTreeSet::from([0]);
    for amount in amounts {
        let more: Vec<i128> = sums.iter().map(|sum| sum + amount).collect();
        sums.extend(more);
        if sums.len() > MOST {
            return false;
        }
    }
    sums.contains(&sum)
}

#[cfg(test)]
mod tests {
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::*;

    #[test]
    fn ranges_hold_the_sums_of_all_choices_and_no_other() {
        for seed in 0..2_000 {
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            let count = rng.random_range(0..8);
            let amounts: Vec<i128> = (0..count).map(|_| rng.random_range(-20..40)).collect();
            let sums = amounts
                .iter()
                .fold(Sums::new(5), |sums, &amount| sums.or_more(amount));
            let chosen = |choice: u32| {
                let amounts = amounts.iter().enumerate();
                let sum: i128 = amounts
                    .filter(|(n, _)| choice >> n & 1 == 1)
                    .map(|(_, x)| x)
                    .sum();
                5 + sum
            };
            let possible: Vec<i128> = (0..1 << count).map(chosen).collect();
            for sum in -200..400 {
                assert_eq!(sums.contains(sum), possible.contains(&sum), "seed {seed}: {sum}");
                assert_eq!(
                    is_sum(&amounts, sum - 5),
                    possible.contains(&sum),
                    "seed {seed}: {sum}"
                );
            }
        }
    }
}
