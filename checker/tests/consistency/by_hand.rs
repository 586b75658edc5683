//! Small histories by hand: which models hold, what the sentences say, how stale answers were.

use checker::consistency::{AnomalyKind, Finding, Findings, Guarantee, Limits, weaken};
use history::{History, Outcome, Value};

use crate::build::{Builder, cas, info, read, saw, sequence, write};
use Guarantee::*;

fn judge(history: &History) -> Findings {
    weaken(history, &Value::Int(0), &Limits::default())
}

#[track_caller]
fn check(
    operations: &[(u32, history::Op, Outcome)],
    violated: &[Guarantee],
    in_short: &str,
) -> (History, Findings) {
    let history = sequence(operations);
    let still = judge(&history);
    for judged in &still.models {
        let expected = if violated.contains(&judged.guarantee) {
            "violated"
        } else {
            "holds"
        };
        assert_eq!(judged.finding.name(), expected, "{}", judged.guarantee);
    }
    assert_eq!(still.in_short(), in_short);
    (history, still)
}

fn evidence(history: &History, still: &Findings, guarantee: Guarantee) -> Vec<String> {
    match still.finding(guarantee) {
        Some(Finding::Violated(evidence)) => evidence
            .sentences
            .iter()
            .map(|sentence| sentence.plain(history))
            .collect(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_stale_read_by_another_process() {
    let (history, still) = check(
        &[
            (0, write(0, 1), Outcome::ok()),
            (0, write(0, 2), Outcome::ok()),
            (1, read(0), saw(1)),
        ],
        &[],
        "sequentially consistent; answers up to 1.0 ms stale",
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
        still.staleness.sentence.unwrap().plain(&history),
        "Process 1's read of 1 (4.000–5.000 ms) was stale by at least 1.0 ms: its value had been overwritten when \
         process 0's write of 2 (2.000–3.000 ms) completed."
    );
    assert_eq!(still.witness, [0, 2, 1]);
}

#[test]
fn own_writes_forgotten() {
    let (history, still) = check(
        &[(0, write(0, 1), Outcome::ok()), (0, read(0), saw(0))],
        &[
            SequentialConsistency,
            SequentialPerKey,
            CausalConvergence,
            ReadYourWrites,
        ],
        "holds: monotonic reads, monotonic writes, writes follow reads; violated: read your writes; \
         answers up to 1.0 ms stale",
    );
    assert_eq!(
        evidence(&history, &still, SequentialConsistency),
        [
            "The initial value 0 was there before 1.",
            "Process 0 had already written 1 when process 0's read of 0 (2.000–3.000 ms) returned the initial value 0.",
            "That is a cycle, so no order satisfies all of these.",
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
    let (_, still) = check(
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
        "holds: read your writes, monotonic writes, writes follow reads; violated: monotonic reads; \
         answers up to 3.0 ms stale",
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
        "sequentially consistent key by key; also holds: writes follow reads; violated: monotonic writes; \
         answers up to 5.0 ms stale",
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
        "sequentially consistent key by key; also holds: monotonic writes; violated: writes follow reads; \
         answers up to 7.0 ms stale",
    );
}

/// Dekker's: each process writes one register and does not see what the other one wrote. Causal, not
/// sequential.
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
        "sequentially consistent key by key; also holds: causal convergence; violated: sequential consistency; \
         answers up to 5.0 ms stale",
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
    // A write of unknown outcome may be late: that is no one's loss.
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
