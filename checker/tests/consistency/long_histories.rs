//! Long histories whose answers are known by construction.

use checker::consistency::{AnomalyKind, Finding, Findings, Guarantee, Limits, explains, weaken};
use history::{History, Value};

use crate::build::{Reads, Replicated, replicated};

const PLAN: Replicated = Replicated {
    operations: 8_000,
    clients: 10,
    keys: 1,
    values: None,
    lag: 50,
    info_per_mille: 5,
    reads: Reads::Forward,
};

fn judge(history: &History) -> Findings {
    weaken(history, &Value::Int(0), &Limits::default())
}

#[track_caller]
fn sequential(history: &History) -> Findings {
    let still = judge(history);
    for judged in &still.models {
        assert_eq!(judged.finding, Finding::Holds, "{}", judged.guarantee);
    }
    let all: Vec<usize> = (0..history.operations.len()).collect();
    assert_eq!(explains(history, &all, &Value::Int(0), &still.witness), Ok(()));
    assert_eq!(still.strongest(), [Guarantee::SequentialConsistency]);
    still
}

/// Each process reads a prefix of one order and never goes back: sequentially consistent, however stale.
#[test]
fn forward_reads_are_sequentially_consistent() {
    for seed in 0..12 {
        for (keys, clients, lag) in [(1, 10, 50), (1, 3, 1_000), (4, 10, 50), (30, 20, 300)] {
            let history = replicated(
                seed,
                Replicated {
                    keys,
                    clients,
                    lag,
                    ..PLAN
                },
            );
            let still = sequential(&history);
            assert!(still.staleness.stale > 100, "{:?}", still.staleness);
            assert!(
                still.staleness.max_ns > still.staleness.median_ns,
                "{:?}",
                still.staleness
            );
            assert!(still.anomalies.is_empty(), "{:?}", still.anomalies);
        }
    }
}

/// Fewer values, so that no one can tell which write an answer came from: never wrong, sometimes unknown.
#[test]
fn repeated_values_are_never_wrong() {
    let mut holds = 0;
    for seed in 0..20 {
        let plan = Replicated {
            values: Some(5),
            keys: 1 + seed as i64 % 2,
            ..PLAN
        };
        let history = replicated(
            seed,
            Replicated {
                operations: 300,
                lag: 5,
                clients: 4,
                ..plan
            },
        );
        let still = judge(&history);
        for judged in &still.models {
            assert_ne!(judged.finding.name(), "violated", "seed {seed}: {judged:?}");
        }
        holds += usize::from(still.strongest() == [Guarantee::SequentialConsistency]);
    }
    assert!(holds >= 5, "{holds}");
}

#[test]
fn going_back_is_not_monotonic() {
    for seed in 0..12 {
        for keys in [1, 4] {
            let history = replicated(
                seed,
                Replicated {
                    reads: Reads::BackInTime,
                    keys,
                    ..PLAN
                },
            );
            let still = judge(&history);
            for model in [Guarantee::MonotonicReads, Guarantee::SequentialConsistency] {
                let finding = still.finding(model);
                let Some(Finding::Violated(evidence)) = finding else {
                    panic!("{model}: {finding:?}")
                };
                assert!(
                    (2..=30).contains(&evidence.operations.len()),
                    "{model}: {evidence:#?}"
                );
            }
            assert!(
                still
                    .anomalies
                    .iter()
                    .any(|anomaly| anomaly.kind == AnomalyKind::BackInTime)
            );
        }
    }
}

/// A long one on one key and with a hundred clients is decided; hopeless ones end, and are not accused.
#[test]
fn long_ones_end() {
    let plan = Replicated {
        operations: 100_000,
        clients: 100,
        lag: 1_000,
        ..PLAN
    };
    sequential(&replicated(1, plan));
    let many_keys = Replicated {
        operations: 20_000,
        keys: 200,
        ..plan
    };
    let repeated = Replicated {
        values: Some(5),
        ..plan
    };
    for plan in [many_keys, repeated] {
        let still = judge(&replicated(2, plan));
        assert!(
            still
                .models
                .iter()
                .all(|judged| judged.finding.name() != "violated"),
            "{still:?}"
        );
    }
}

/// Where nothing lags behind, nothing is stale and nothing is strange, whatever the outcomes and values.
#[test]
fn fresh_answers_are_not_called_stale() {
    for seed in 0..10 {
        for values in [None, Some(5)] {
            let plan = Replicated {
                lag: 0,
                keys: 1 + seed as i64 % 3,
                info_per_mille: 30,
                values,
                ..PLAN
            };
            let still = judge(&replicated(seed, plan));
            assert!(still.staleness.answers > 4_000, "{:?}", still.staleness);
            assert_eq!(
                (still.staleness.stale, &still.staleness.sentence),
                (0, &None),
                "seed {seed}"
            );
            assert!(still.anomalies.is_empty(), "seed {seed}: {:?}", still.anomalies);
        }
    }
}
