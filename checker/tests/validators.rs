//! The validators must refuse what is wrong: false orders of valid histories and false conflicts.

mod common;

use checker::objects::RegisterOp;
use checker::{Call, Conflict, Decision, Model, Rule, check_key, engine::validate};
use common::*;
use history::{History, Key, OPEN};
use proptest::prelude::*;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

const RULES: [Rule; 8] = [
    Rule::NeverWritten,
    Rule::FoundExpected,
    Rule::ReplacedTwice,
    Rule::Circle,
    Rule::OutOfOrder,
    Rule::ComesBack,
    Rule::HeldThroughout,
    Rule::NoOrder,
];

fn some_operations(history: &History, rng: &mut ChaCha8Rng) -> Vec<usize> {
    let mut indices = all(history);
    indices.shuffle(rng);
    indices.truncate(rng.random_range(1..=4));
    indices
}

#[test]
fn no_conflict_is_confirmed_on_a_valid_history() {
    let mut tried = 0;
    for seed in 0..30_000 {
        let history = random_history(seed, 8, seed % 2 == 0);
        let (Decision::Valid(order), _) = check_key(&history, &all(&history), &options()) else {
            continue;
        };
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        for rule in RULES {
            let conflict = Conflict {
                key: Key::Nil,
                operations: some_operations(&history, &mut rng),
                links: if rng.random_bool(0.5) {
                    all(&history)
                } else {
                    Vec::new()
                },
                sentences: Vec::new(),
                rule,
                stale_by_ns: None,
                prefix: order.clone(),
                confirmed: true,
            };
            let answer = confirm(&history, &conflict);
            assert!(answer.is_err(), "seed {seed}: {conflict:?}\n{history:#?}");
            tried += 1;
        }
    }
    assert!(tried > 100_000, "{tried}");
}

#[test]
fn a_conflict_needs_what_it_names() {
    let mut refused = 0;
    for seed in 0..5_000 {
        let history = random_history(seed, 8, true);
        let (Decision::Invalid(conflict), _) = check_key(&history, &all(&history), &options()) else {
            continue;
        };
        if !matches!(
            conflict.rule,
            Rule::OutOfOrder | Rule::ComesBack | Rule::ReplacedTwice | Rule::HeldThroughout
        ) {
            continue;
        }
        for left_out in 0..conflict.operations.len() {
            let mut less = conflict.clone();
            less.operations.remove(left_out);
            let answer = confirm(&history, &less);
            refused += 1;
            assert!(
                answer.is_err(),
                "seed {seed}: {conflict:?} does not need operation {left_out}\n{history:#?}"
            );
        }
    }
    assert!(refused > 1_000, "{refused}");
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(3000) })]

    /// An order is accepted only if the history has one, and a valid one with an operation moved, left out or
    /// doubled only if that is a linearization by the definition.
    #[test]
    fn orders_are_judged_by_the_definition(seed: u64, unique: bool, from in 0usize..7, to in 0usize..7) {
        let history = random_history(seed, 7, unique);
        let calls = calls(&history);
        let mut order = match check_key(&history, &all(&history), &options()).0 {
            Decision::Valid(order) => calls.numbers(&order),
            _ => (0..calls.calls.len()).collect(),
        };
        if from < order.len() && to < order.len() {
            let moved = order.remove(from);
            order.insert(to, moved);
        }
        let accepted = validate::linearization(&register(), &calls.calls, &order).is_ok();
        prop_assert_eq!(accepted, by_definition(&calls.calls, &order));
        if accepted {
            prop_assert!(brute_force(&register(), &calls.calls));
            order.push(order.first().copied().unwrap_or(99));
            prop_assert!(validate::linearization(&register(), &calls.calls, &order).is_err());
        }
    }
}

/// Pair by pair, and step by step.
fn by_definition(calls: &[Call<RegisterOp>], order: &[usize]) -> bool {
    let in_time = order.iter().enumerate().all(|(place, &x)| {
        order[place + 1..]
            .iter()
            .all(|&later| calls[later].finish > calls[x].start)
    });
    let explained = order
        .iter()
        .try_fold(register().init(), |state, &number| {
            register().step(&state, &calls[number].op)
        })
        .is_some();
    let complete = (0..calls.len()).all(|number| order.contains(&number) || calls[number].finish == OPEN);
    in_time && explained && complete
}
