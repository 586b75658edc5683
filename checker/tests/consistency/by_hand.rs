//! Small histories by hand: which models hold, what the sentences say, how stale answers were.

use checker::consistency::{AnomalyKind, Finding, Guarantee, Limits, Still, weaken};
use history::{Outcome, Value};

use crate::build::{Builder, cas, info, read, saw, sequence, write};
use Guarantee::*;

fn judge(history: &history::History) -> Still {
    weaken(history, &Value::Int(0), &Limits::default())
}

#[track_caller]
fn check(operations: &[(u32, history::Op, Outcome)], violated: &[Guarantee], sentence: &str) -> Still {
    let still = judge(&sequence(operations));
    for judged in &still.models {
        let expected = if violated.contains(&judged.guarantee) {
            "violated"
        } else {
            "holds"
        };
        assert_eq!(judged.finding.name(), expected, "{}", judged.guarantee);
    }
    assert_eq!(still.sentence(), sentence);
    still
}

fn evidence(still: &Still, guarantee: Guarantee) -> Vec<String> {
    match still.finding(guarantee) {
        Some(Finding::Violated(evidence)) => evidence.sentences.clone(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_stale_read_of_somebody_else() {
    let still = check(
        &[
            (0, write(0, 1), Outcome::ok()),
            (0, write(0, 2), Outcome::ok()),
            (1, read(0), saw(1)),
        ],
        &[],
        "Not linearizable; sequentially consistent; answers up to 1.0 ms stale.",
    );
    assert_eq!(
        (
            still.staleness.stale,
            still.staleness.worst,
            still.staleness.overwritten_by
        ),
        (1, Some(2), Some(1))
    );
    assert_eq!(
        still.staleness.sentence,
        "Process 1's read of 1 (4.000–5.000 ms) was stale by at least 1.0 ms: its value had been overwritten when \
         process 0's write of 2 (2.000–3.000 ms) completed."
    );
    assert_eq!(still.witness, [0, 2, 1]);
}

#[test]
fn own_writes_forgotten() {
    let still = check(
        &[(0, write(0, 1), Outcome::ok()), (0, read(0), saw(0))],
        &[
            SequentialConsistency,
            SequentialPerKey,
            CausalConvergence,
            ReadYourWrites,
        ],
        "Not linearizable; still monotonic reads, monotonic writes, writes follow reads; violates read your writes; \
         answers up to 1.0 ms stale.",
    );
    assert_eq!(
        evidence(&still, SequentialConsistency),
        [
            "The initial value 0 was there before 1.",
            "Process 0 had written 1 when it was answered with the initial value 0: process 0's read of 0 \
             (2.000–3.000 ms).",
            "That is a circle: no order fulfils all of it.",
        ]
    );
    let lost = &still.anomalies[0];
    assert_eq!(
        (lost.kind, lost.operations.as_slice()),
        (AnomalyKind::LostWrite, &[0, 1][..])
    );
}

#[test]
fn reads_that_go_back() {
    let still = check(
        &[
            (0, write(0, 1), Outcome::ok()),
            (0, write(0, 2), Outcome::ok()),
            (1, read(0), saw(2)),
            (1, read(0), saw(1)),
        ],
        &[
            SequentialConsistency,
            SequentialPerKey,
            CausalConvergence,
            MonotonicReads,
        ],
        "Not linearizable; still read your writes, monotonic writes, writes follow reads; violates monotonic reads; \
         answers up to 3.0 ms stale.",
    );
    assert_eq!(still.anomalies[0].kind, AnomalyKind::BackInTime);
}

#[test]
fn a_flag_before_its_data() {
    let operations = [
        (0, write(0, 1), Outcome::ok()),
        (0, write(1, 2), Outcome::ok()),
        (1, read(1), saw(2)),
        (1, read(0), saw(0)),
    ];
    check(
        &operations,
        &[SequentialConsistency, CausalConvergence, MonotonicWrites],
        "Not linearizable; sequentially consistent key by key; still writes follow reads; violates monotonic writes; \
         answers up to 5.0 ms stale.",
    );
}

#[test]
fn an_answer_before_its_question() {
    let operations = [
        (0, write(0, 1), Outcome::ok()),
        (1, read(0), saw(1)),
        (1, write(1, 2), Outcome::ok()),
        (2, read(1), saw(2)),
        (2, read(0), saw(0)),
    ];
    check(
        &operations,
        &[SequentialConsistency, CausalConvergence, WritesFollowReads],
        "Not linearizable; sequentially consistent key by key; still monotonic writes; violates writes follow reads; \
         answers up to 7.0 ms stale.",
    );
}

/// Dekker's: each process writes one register and does not see what the other one wrote. Causal, not sequential.
#[test]
fn store_buffering() {
    let operations = [
        (0, write(0, 1), Outcome::ok()),
        (1, write(1, 2), Outcome::ok()),
        (0, read(1), saw(0)),
        (1, read(0), saw(0)),
    ];
    check(
        &operations,
        &[SequentialConsistency],
        "Not linearizable; sequentially consistent key by key; still causal convergence; violates sequential consistency; \
         answers up to 5.0 ms stale.",
    );
}

#[test]
fn anomalies() {
    let kind = |operations: &[(u32, history::Op, Outcome)]| judge(&sequence(operations)).anomalies[0].kind;
    assert_eq!(kind(&[(0, read(0), saw(7))]), AnomalyKind::NeverWritten);
    assert_eq!(
        kind(&[(0, read(0), saw(7)), (1, write(0, 7), Outcome::ok())]),
        AnomalyKind::FromTheFuture
    );
    assert_eq!(
        kind(&[(0, cas(0, 0, 1), Outcome::mismatch(Some(Value::Int(0))))]),
        AnomalyKind::FoundExpected
    );
    // A cas went through that cannot have met the write in between.
    assert_eq!(
        kind(&[
            (0, write(0, 1), Outcome::ok()),
            (1, cas(0, 0, 2), Outcome::ok()),
            (2, read(0), saw(2))
        ]),
        AnomalyKind::LostWrite
    );
    // A write of unknown outcome may be late: that is nobody's loss.
    let late = [
        (0, write(0, 1), info()),
        (1, read(0), saw(0)),
        (1, read(0), saw(1)),
    ];
    let still = judge(&sequence(&late));
    assert!(
        still.anomalies.is_empty() && still.staleness.stale == 0,
        "{still:?}"
    );
}

/// What cannot be judged is unknown, and says why.
#[test]
fn not_for_this_module() {
    let mut builder = Builder::default();
    builder.invoke(0, read(0));
    let index = builder.invoke(0, read(0));
    builder.complete(index, saw(0));
    builder.did(1, history::Op::Acquire { key: Value::Nil }, Outcome::ok());
    let still = judge(&builder.history);
    assert!(
        still
            .models
            .iter()
            .all(|judged| judged.finding.name() == "unknown"),
        "{still:?}"
    );
    let empty = judge(&sequence(&[]));
    assert_eq!(empty.strongest(), [SequentialConsistency]);
}
