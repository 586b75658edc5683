//! Every model agrees with brute force, and every piece of evidence convicts by itself.

use std::collections::BTreeMap;

use checker::weaker::{Evidence, Finding, Guarantee, Limits, explains, weaken};
use history::{History, Op, Outcome, Value};

use crate::brute::has;
use crate::build::random_history;

/// How often each finding came out: a generator that stops making something interesting is found out.
type Tally = BTreeMap<(Guarantee, &'static str), usize>;

fn agree(seeds: std::ops::Range<u64>, unique: bool) -> Tally {
    let initial = Value::Int(0);
    let mut tally = Tally::new();
    for seed in seeds {
        let history = random_history(seed, unique);
        let still = weaken(&history, &initial, &Limits::default());
        for judged in &still.models {
            let expected = has(&history, judged.guarantee);
            let agrees = match &judged.finding {
                Finding::Holds => expected,
                Finding::Violated(evidence) => !expected && convicts(&history, judged.guarantee, evidence),
                Finding::Unknown { .. } => false,
            };
            assert!(
                agrees,
                "seed {seed}: {} is {expected}\n{judged:#?}\n{history:#?}",
                judged.guarantee
            );
            *tally
                .entry((judged.guarantee, judged.finding.name()))
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
    }
    println!("{tally:#?}");
    for guarantee in Guarantee::ALL {
        for finding in ["holds", "violated"] {
            let count = tally.get(&(guarantee, finding)).copied().unwrap_or(0);
            assert!(count > 1_000, "{guarantee} {finding}: only {count}");
        }
    }
    tally
}

/// Whether the operations of the evidence violate the model without the others. Where a cas takes part, what it
/// replaced may be another matter, so all writes stay.
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
    agree(0..30_000, true);
}

#[test]
fn repeated_values() {
    agree(1_000_000..1_030_000, false);
}
