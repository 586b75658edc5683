//! Long histories that are valid by construction, and the same with one answer falsified.
//!
//! Small random histories are not enough: an earlier checker took a write of the value already there for a
//! read, agreed with brute force on thousands of small histories, and failed on these.

mod common;

use checker::{Algorithm, Decision, Rule, Verdict, check_key};
use common::*;
use history::{History, Op, Outcome, Value};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

fn decide(history: &History) -> (Decision, Algorithm) {
    let (decision, algorithm) = check_key(history, &all(history), &options());
    assert_shown(history, &decision);
    (decision, algorithm)
}

#[test]
fn unique_values_are_valid() {
    let long = Long {
        operations: 100_000,
        clients: 30,
        values: None,
        info_per_mille: 5,
        telling: 10,
    };
    for (seed, long) in [
        (1, long),
        (2, Long { clients: 3, ..long }),
        (3, Long { clients: 300, ..long }),
        (
            4,
            Long {
                info_per_mille: 300,
                ..long
            },
        ),
        (
            5,
            Long {
                info_per_mille: 0,
                ..long
            },
        ),
    ] {
        let (decision, algorithm) = decide(&long_history(seed, long));
        assert_eq!(
            decision.verdict(),
            Verdict::Valid,
            "seed {seed}, {long:?}: {decision:?}"
        );
        assert_eq!(algorithm, Algorithm::REGISTER_EXACT, "seed {seed}, {long:?}");
    }
}

#[test]
fn unique_values_with_silent_failures_are_valid() {
    // The order of the midpoints has room for all of them in half of these histories only.
    let mut exact = 0;
    for seed in 0..10 {
        let long = Long {
            operations: 20_000,
            clients: 6,
            values: None,
            info_per_mille: 5,
            telling: 0,
        };
        let (decision, algorithm) = decide(&long_history(seed, long));
        assert_eq!(decision.verdict(), Verdict::Valid, "seed {seed}: {decision:?}");
        exact += usize::from(algorithm == Algorithm::REGISTER_EXACT);
    }
    assert!(exact >= 8, "{exact}");
}

#[test]
fn repeated_values_are_valid() {
    let long = Long {
        operations: 100_000,
        clients: 10,
        values: Some(4),
        info_per_mille: 0,
        telling: 10,
    };
    for (seed, long) in [
        (1, long),
        (
            2,
            Long {
                clients: 20,
                telling: 3,
                ..long
            },
        ),
        (
            3,
            Long {
                operations: 10_000,
                info_per_mille: 5,
                ..long
            },
        ),
        (
            4,
            Long {
                operations: 10_000,
                info_per_mille: 20,
                telling: 5,
                ..long
            },
        ),
    ] {
        let (decision, algorithm) = decide(&long_history(seed, long));
        assert_eq!(
            decision.verdict(),
            Verdict::Valid,
            "seed {seed}, {long:?}: {decision:?}"
        );
        assert_eq!(algorithm, Algorithm::SEARCH, "seed {seed}, {long:?}");
    }
}

/// Changes what one successful read saw.
fn falsify(history: &mut History, index: usize, value: i64) {
    history.operations[index].outcome = saw(value);
}

fn reads(history: &History) -> Vec<(usize, i64)> {
    let answer = |(index, operation): (usize, &history::Operation)| match (&operation.op, &operation.outcome)
    {
        (Op::Read { .. }, Outcome::Ok(answer)) => match answer.value {
            Some(Value::Int(value)) => Some((index, value)),
            _ => None,
        },
        _ => None,
    };
    history.operations.iter().enumerate().filter_map(answer).collect()
}

#[test]
fn an_old_value_is_stale() {
    let long = Long {
        operations: 20_000,
        clients: 10,
        values: None,
        info_per_mille: 5,
        telling: 10,
    };
    let mut rng = ChaCha8Rng::seed_from_u64(7);
    for seed in 0..20 {
        let mut history = long_history(seed, long);
        let reads = reads(&history);
        // What was read 200 reads ago was replaced long ago: 10 clients cannot be that far apart.
        let place = rng.random_range(200..reads.len());
        let (index, old) = (reads[place].0, reads[place - 200].1);
        falsify(&mut history, index, old);
        let (Decision::Invalid(conflict), _) = decide(&history) else {
            panic!("seed {seed}: not found")
        };
        assert!(
            matches!(conflict.rule, Rule::ComesBack | Rule::OutOfOrder),
            "{conflict:?}"
        );
        assert!(conflict.operations.contains(&index), "{conflict:?}");
        assert!(conflict.stale_by_ns > Some(0), "{conflict:?}");
    }
}

#[test]
fn a_value_from_the_future_and_one_from_nowhere() {
    let long = Long {
        operations: 20_000,
        clients: 10,
        values: None,
        info_per_mille: 5,
        telling: 10,
    };
    for seed in 0..10 {
        let history = long_history(seed, long);
        let reads = reads(&history);
        let (index, _) = reads[100];
        for (value, expected) in [(reads[2_000].1, None), (-5, Some(Rule::NeverWritten))] {
            let mut history = history.clone();
            falsify(&mut history, index, value);
            let (Decision::Invalid(conflict), _) = decide(&history) else {
                panic!("seed {seed}: not found")
            };
            assert!(conflict.operations.contains(&index), "{conflict:?}");
            assert!(expected.is_none_or(|rule| rule == conflict.rule), "{conflict:?}");
        }
    }
}

#[test]
fn a_lost_write_is_found() {
    // Everything that one write brought about is as if it had never been: anyone who read its value reads the
    // one before.
    let long = Long {
        operations: 5_000,
        clients: 5,
        values: None,
        info_per_mille: 0,
        telling: 10,
    };
    let mut found = 0;
    for seed in 0..30 {
        let mut history = long_history(seed, long);
        let seen = reads(&history);
        let (_, lost) = seen[seen.len() / 2];
        let earlier = seen[..seen.len() / 2]
            .iter()
            .rev()
            .find(|(_, value)| *value != lost)
            .unwrap()
            .1;
        let readers: Vec<usize> = seen
            .iter()
            .filter(|(_, value)| *value == lost)
            .map(|(index, _)| *index)
            .collect();
        for &index in &readers {
            falsify(&mut history, index, earlier);
        }
        match decide(&history).0 {
            Decision::Invalid(conflict) => {
                found += 1;
                let named =
                    |index: &usize| conflict.operations.contains(index) || conflict.links.contains(index);
                assert!(readers.iter().any(named), "{conflict:?}");
            }
            // Where the write and its readers ran side by side, the write may as well have come first.
            Decision::Valid(_) => {}
            Decision::Unknown(why) => panic!("seed {seed}: {why}"),
        }
    }
    assert!(found >= 15, "{found}");
}

#[test]
fn a_value_that_is_read_before_it_was_written() {
    let long = Long {
        operations: 2_000,
        clients: 5,
        values: Some(4),
        info_per_mille: 2,
        telling: 10,
    };
    for seed in 0..20 {
        let mut history = long_history(seed, long);
        let index = reads(&history)[300].0;
        falsify(&mut history, index, 9);
        // Someone wrote 9, so that no shorter proof does; but only after that read.
        let read_at = history.operations[index].completed;
        let later = history
            .operations
            .iter_mut()
            .find(|other| other.invoked > read_at && other.op == write(1));
        later.unwrap().op = write(9);
        let (decision, _) = decide(&history);
        let Decision::Invalid(conflict) = decision else {
            panic!("seed {seed}: {decision:?}")
        };
        assert_eq!(
            (conflict.rule, conflict.operations[0]),
            (Rule::TooOften, index),
            "{conflict:?}"
        );
    }
}
