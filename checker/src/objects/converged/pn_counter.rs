//! A counter that converges (`pn-counter`).
//!
//! What processes read last must be the sum of all additions that were acknowledged and of any choice of
//! those of unknown outcome. Source: Maelstrom's workload `pn-counter`, also for counters that only grow
//! (`g-counter`).
//!
//! The possible sums are kept as ranges without gaps, of which there are few where amounts are small.

use history::{History, Op, Outcome};

use super::last_reads::{DIFFER, NONE, last_reads};
use crate::engine::publish::by_themselves;
use crate::model::answer;
use crate::objects::counter::{amount, count};
use crate::sentence::{op, sentence};
use crate::verdict::{Decision, Rule};

/// How many ranges are kept.
const MOST_RANGES: usize = 100_000;
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
    let last = last_reads(history, indices);
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
        let all = match open.is_empty() {
            true => format!("The additions make {}.", sums.words()),
            false => format!(
                "The additions that were acknowledged make {certain}, and with those of unknown outcome {}.",
                sums.words()
            ),
        };
        let last = sentence![
            op(read),
            " is the last read of its process, begun after the last addition had completed."
        ];
        // Summed up anew, within the bounds that any choice has.
        let (less, more): (i128, i128) = (
            open.iter().map(|x| x.min(&0)).sum(),
            open.iter().map(|x| x.max(&0)).sum(),
        );
        let is_outside = !(certain + less..=certain + more).contains(&seen);
        let holds = is_outside || !is_sum(&open, seen - certain);
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

/// Whether some of the amounts make the sum, tried one by one; also where that takes too long, it says no.
fn is_sum(amounts: &[i128], sum: i128) -> bool {
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
