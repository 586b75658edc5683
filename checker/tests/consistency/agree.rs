//! Every model agrees with brute force, and every piece of evidence convicts by itself.

use std::collections::BTreeMap;

use checker::consistency::{Evidence, Finding, Guarantee, Limits, explains, weaken};
use history::{History, Op, Outcome, Value};

use crate::brute::has;
use crate::build::{lines, random_history};

/// How often what came out: a generator that stops making something interesting is found out.
type Tally = BTreeMap<String, usize>;

fn agree(seeds: std::ops::Range<u64>, unique: bool, limits: &Limits) -> Tally {
    let initial = Value::Int(0);
    let mut tally = Tally::new();
    for seed in seeds {
        let history = random_history(seed, unique);
        let still = weaken(&history, &initial, limits);
        for judged in &still.models {
            let expected = has(&history, judged.guarantee);
            let agrees = match &judged.finding {
                Finding::Holds => expected,
                Finding::Violated(evidence) => !expected && convicts(&history, judged.guarantee, evidence),
                Finding::Unknown { .. } => format!("{limits:?}") != format!("{:?}", Limits::default()),
            };
            let history = lines(&history);
            assert!(
                agrees,
                "seed {seed}: {} is {expected}\n{judged:#?}\n{history}",
                judged.guarantee
            );
            *tally
                .entry(format!("{} {}", judged.guarantee, judged.finding.name()))
                .or_default() += 1;
        }
        if still.finding(Guarantee::SequentialConsistency) == Some(&Finding::Holds) {
            let all: Vec<usize> = (0..history.operations.len()).collect();
            assert_eq!(
                explains(&history, &all, &initial, &still.witness),
                Ok(()),
                "seed {seed}"
            );
        }
        for strong in Guarantee::ALL {
            for weak in Guarantee::ALL {
                let (x, y) = (still.finding(strong), still.finding(weak));
                if let (Some(Finding::Violated(_)), Some(Finding::Holds)) = (x, y) {
                    *tally.entry(format!("{weak} but not {strong}")).or_default() += 1;
                }
            }
        }
    }
    println!("{tally:#?}");
    tally
}

/// Each two models are told apart by some of the histories, unless the one implies the other.
fn assert_interesting(tally: &Tally) {
    let count = |what: String| tally.get(&what).copied().unwrap_or(0);
    for strong in Guarantee::ALL {
        assert!(count(format!("{strong} holds")) > 10_000 && count(format!("{strong} violated")) > 3_000);
        for weak in Guarantee::ALL {
            let apart = count(format!("{weak} but not {strong}"));
            assert_eq!(
                apart >= 5,
                !weak.implies(strong),
                "{weak} but not {strong}: {apart}"
            );
        }
    }
}

/// Whether the operations of the evidence violate the model without the others. Where a cas takes part, what
/// it replaced may be another matter, so all writes stay.
fn convicts(history: &History, guarantee: Guarantee, evidence: &Evidence) -> bool {
    let changes = |op: &Op, outcome: &Outcome| !op.is_read_only() && !matches!(outcome, Outcome::Fail(_));
    let with_cas = evidence.operations.iter().any(|&index| {
        let operation = &history.operations[index];
        matches!(operation.op, Op::Cas { .. }) && changes(&operation.op, &operation.outcome)
    });
    let mut smaller = history.clone();
    let mut index = 0;
    smaller.operations.retain(|operation| {
        index += 1;
        evidence.operations.contains(&(index - 1)) || (with_cas && changes(&operation.op, &operation.outcome))
    });
    !evidence.sentences.is_empty() && !has(&smaller, guarantee)
}

#[test]
fn unique_values() {
    assert_interesting(&agree(0..100_000, true, &Limits::default()));
}

#[test]
fn repeated_values() {
    assert_interesting(&agree(1_000_000..1_100_000, false, &Limits::default()));
}

/// Each strategy by itself may leave more unknown, but is never wrong.
#[test]
fn with_limits() {
    let no_search = Limits {
        configurations: 0,
        ..Limits::default()
    };
    let no_clocks = Limits {
        cells: 0,
        ..Limits::default()
    };
    let no_choice = Limits {
        explanations: 0,
        ..no_search.clone()
    };
    let nothing = Limits {
        work: 0,
        ..no_choice.clone()
    };
    for limits in [no_search, no_clocks, no_choice, nothing] {
        agree(2_000_000..2_010_000, true, &limits);
        agree(3_000_000..3_010_000, false, &limits);
    }
}
