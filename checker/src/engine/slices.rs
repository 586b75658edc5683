//! Several objects judged in slices of work, so that a hard one keeps no other from being judged.
//!
//! Each gets so many steps of the search, those that ran out of them get eight times as many in the next
//! round, and so on: what is easy to decide is decided first, whatever stands before it, and what is hard
//! takes little more than twice its steps at worst. (Iterative deepening: R. E. Korf, "Depth-first
//! iterative-deepening", Artificial Intelligence 27, 1985.)
//!
//! Invariant: slices count steps, never time, so the answer is the same on every machine, unless the caller
//! raises [`Limits::stop`].

use rayon::prelude::*;

use crate::engine::search::Limits;
use crate::verdict::{Algorithm, Decision};

/// How many steps each object gets in the first round: less than a tenth of a second.
const FIRST: u64 = 1 << 19;
/// How many times as many it gets in the next one.
const GROWTH: u64 = 8;

/// Judges each part by `decide`, in parallel. Where `one_is_enough`, nothing is begun once one of them is
/// known to be invalid.
pub(crate) fn judge<T: Sync>(
    parts: &[T],
    limits: &Limits,
    one_is_enough: bool,
    decide: impl Fn(&T, &Limits) -> (Decision, Algorithm) + Sync,
) -> Vec<(Decision, Algorithm)> {
    let within = |steps: u64| Limits {
        steps,
        ..limits.clone()
    };
    let mut steps = match parts {
        [_] => limits.steps,
        _ => FIRST.min(limits.steps),
    };
    let first = within(steps);
    let mut found: Vec<_> = parts.par_iter().map(|part| decide(part, &first)).collect();
    while steps < limits.steps && !limits.is_stopped() {
        let left: Vec<usize> = (0..parts.len())
            .filter(|&place| ran_out(&found[place].0))
            .collect();
        let is_settled = || {
            let mut decisions = found.iter().map(|(decision, _)| decision);
            one_is_enough && decisions.any(|decision| matches!(decision, Decision::Invalid(_)))
        };
        if left.is_empty() || is_settled() {
            break;
        }
        steps = match left[..] {
            // No one else waits.
            [_] => limits.steps,
            _ => steps.saturating_mul(GROWTH).min(limits.steps),
        };
        let more = within(steps);
        let again: Vec<_> = left
            .par_iter()
            .map(|&place| decide(&parts[place], &more))
            .collect();
        for (place, decided) in left.into_iter().zip(again) {
            found[place] = decided;
        }
    }
    found
}

/// Whether more steps might decide it.
fn ran_out(decision: &Decision) -> bool {
    matches!(decision, Decision::Unknown(why) if why.ran_out_of_steps())
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;
    use crate::undecided::{Limit, Undecided};

    /// Parts that take so many steps each, all valid but the one that takes 7.
    fn judged(needs: &[u64], most: u64, one_is_enough: bool) -> (Vec<&'static str>, u64) {
        let (limits, spent) = (
            Limits {
                steps: most,
                ..Limits::default()
            },
            Mutex::new(0),
        );
        let decide = |&needed: &u64, limits: &Limits| {
            *spent.lock().unwrap() += needed.min(limits.steps);
            let decision = match needed {
                _ if needed > limits.steps => Decision::unknown(Undecided::Limit {
                    limit: Limit::Steps,
                    steps: limits.steps,
                    peak_bytes: 0,
                    placed: 0,
                    completed: 1,
                }),
                7 => Decision::unknown("it is another one's fault".to_owned()),
                8 => Decision::Invalid(Box::new(crate::engine::by_search::no_order(
                    &history::History {
                        operations: vec![history::Operation {
                            process: 0,
                            op: history::Op::Read {
                                key: history::Key::Nil,
                            },
                            outcome: history::Outcome::ok(),
                            invoked: 0,
                            completed: 1,
                            invoked_ns: 0,
                            completed_ns: None,
                            node: None,
                        }],
                        ..history::History::default()
                    },
                    crate::engine::search::Stuck {
                        operation: 0,
                        prefix: Vec::new(),
                        last_change: None,
                        pending: Vec::new(),
                    },
                    None,
                ))),
                _ => Decision::Valid(vec![0]),
            };
            (decision, Algorithm::SEARCH)
        };
        let decided = judge(needs, &limits, one_is_enough, decide);
        let names = decided.iter().map(|(decision, _)| decision.verdict().name());
        (names.collect(), spent.into_inner().unwrap())
    }

    #[test]
    fn all_are_judged_and_little_is_done_twice() {
        let (easy, hard, endless) = (10, FIRST * 100, u64::MAX);
        let (found, spent) = judged(&[hard, easy, hard], endless, true);
        assert_eq!(found, ["valid"; 3]);
        assert!(spent < 2 * hard * 15 / 7 + 2 * FIRST + easy, "{spent}");
        // One alone is done once.
        let (found, spent) = judged(&[hard], endless, true);
        assert_eq!((found, spent), (vec!["valid"], hard));
        // The limit is the last slice.
        let (found, _) = judged(&[hard, easy, hard + 1], hard, true);
        assert_eq!(found, ["valid", "valid", "unknown"]);
        // What more steps do not help is not tried again.
        let (found, spent) = judged(&[7, easy], endless, true);
        assert_eq!((found, spent), (vec!["unknown", "valid"], 17));
    }

    #[test]
    fn an_easy_refutation_is_found_before_what_is_hard() {
        let (found, spent) = judged(&[u64::MAX, u64::MAX - 1, 8], u64::MAX, true);
        assert_eq!(found, ["unknown", "unknown", "invalid"]);
        assert!(spent <= 2 * FIRST + 8, "{spent}");
    }
}
