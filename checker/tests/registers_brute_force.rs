//! The algorithms against brute force over all orders, on small random histories.

mod common;

use checker::engine::search::{Limits, Searched, search};
use checker::{Algorithm, Decision, Rule, Verdict, check_key, engine::validate};
use common::*;
use history::{OPEN, Op, Outcome, Value};
use std::collections::BTreeMap;

/// What came out how often; a generator that stops making something interesting is found out by the asserts
/// below.
#[derive(Default, Debug)]
struct Tally {
    valid: usize,
    invalid: usize,
    exact: usize,
    rules: BTreeMap<Rule, usize>,
}

fn agree(seeds: std::ops::Range<u64>, most: usize, unique: bool) -> Tally {
    let mut tally = Tally::default();
    for seed in seeds {
        let history = random_history(seed, most, unique);
        let calls = calls(&history).calls;
        let expected = brute_force(&register(), &calls);
        let (decision, algorithm) = check_key(&history, &all(&history), &options());
        let verdict = if expected {
            Verdict::Valid
        } else {
            Verdict::Invalid
        };
        assert_eq!(
            decision.verdict(),
            verdict,
            "seed {seed}: {decision:?} by {algorithm:?}\n{history:#?}"
        );
        assert_shown(&history, &decision);

        let searched = search(&register(), &calls, &Limits::default());
        let found = matches!(searched, Searched::Found(_));
        assert!(
            found == expected && !matches!(searched, Searched::GaveUp(_)),
            "seed {seed}: {searched:?}\n{history:#?}"
        );
        if let Searched::Found(order) = searched {
            validate::linearization(&register(), &calls, &order).unwrap();
        }

        tally.exact += usize::from(algorithm == Algorithm::REGISTER_EXACT);
        tally.valid += usize::from(expected);
        tally.invalid += usize::from(!expected);
        if let Decision::Invalid(conflict) = decision {
            *tally.rules.entry(conflict.rule).or_default() += 1;
            assert!(conflict.confirmed, "seed {seed}");
        }
    }
    tally
}

/// It brings a value that is there already, but no one ever wrote what it expects.
#[test]
fn a_cas_that_cannot_have_happened_changes_nothing() {
    let (mut exact, mut all_exact) = (0, 0);
    for seed in 0..20_000 {
        let mut history = random_history(seed, 7, true);
        let before = check_key(&history, &all(&history), &options());
        let written = history
            .operations
            .iter()
            .find_map(|operation| match &operation.op {
                Op::Write { value, .. } | Op::Cas { new: value, .. } => Some(value.clone()),
                _ => None,
            });
        let Some(new) = written else { continue };
        let place = seed % (2 * history.operations.len() as u64);
        let later = |position: u64| position + u64::from(position >= place && position != OPEN);
        for operation in &mut history.operations {
            operation.invoked = later(operation.invoked);
            operation.completed = later(operation.completed);
        }
        let mut open = history.operations[0].clone();
        (open.process, open.outcome) = (99, Outcome::unrecorded());
        (open.invoked, open.completed) = (place, OPEN);
        let (key, expected) = (Value::Nil, Value::Int(999));
        open.op = Op::Cas { key, expected, new };
        history.operations.push(open);
        history.operations.sort_by_key(|operation| operation.invoked);
        let (decision, algorithm) = check_key(&history, &all(&history), &options());
        assert_eq!(
            decision.verdict(),
            before.0.verdict(),
            "seed {seed}\n{history:#?}"
        );
        all_exact += usize::from(before.1 == Algorithm::REGISTER_EXACT);
        exact += usize::from(algorithm == Algorithm::REGISTER_EXACT);
    }
    // Values are no longer unique only where no operation but such cas brings one.
    assert!(exact > 10_000 && exact > all_exact * 98 / 100, "{exact}");
}

#[test]
fn unique_values() {
    let tally = agree(0..120_000, 8, true);
    println!("{tally:?}");
    assert!(
        tally.valid > 20_000 && tally.invalid > 20_000 && tally.exact > 110_000,
        "{tally:?}"
    );
    let every_rule = [
        Rule::NeverWritten,
        Rule::FoundExpected,
        Rule::ReplacedTwice,
        Rule::Circle,
        Rule::OutOfOrder,
        Rule::ComesBack,
        Rule::HeldThroughout,
        Rule::NoOrder,
    ];
    assert!(
        every_rule.iter().all(|rule| tally.rules.get(rule) >= Some(&20)),
        "{tally:?}"
    );
}

#[test]
fn repeated_values() {
    let tally = agree(1_000_000..1_120_000, 8, false);
    println!("{tally:?}");
    assert!(
        tally.valid > 15_000 && tally.invalid > 15_000 && tally.exact < 100_000,
        "{tally:?}"
    );
    assert!(tally.rules[&Rule::NoOrder] > 5_000, "{tally:?}");
}
