//! What the checker says depends on the order of positions and on which values are equal, on nothing else
//! about them.

mod common;

use checker::{Verdict, check_key};
use common::*;
use history::{Failure, History, OPEN, Op, Outcome, Value};

/// How often each verdict must come out, so that the histories are known to be worth comparing.
const LEAST: usize = 300;

/// The verdicts on random histories, each the same before and after `change`, which may not change anything
/// else either if `exactly`.
fn unchanged(exactly: bool, change: impl Fn(&mut History)) {
    let (mut valid, mut invalid) = (0, 0);
    for seed in 0..4_000 {
        let history = random_history(seed, 8, seed % 4 != 0);
        let mut changed = history.clone();
        change(&mut changed);
        let (before, by) = check_key(&history, &all(&history), &options());
        let (after, also_by) = check_key(&changed, &all(&changed), &options());
        assert_eq!(
            (before.verdict(), by),
            (after.verdict(), also_by),
            "seed {seed}: {changed:#?}"
        );
        if exactly {
            assert_eq!(before, after, "seed {seed}");
        }
        match before.verdict() {
            Verdict::Valid => valid += 1,
            _ => invalid += 1,
        }
    }
    assert!(
        valid > LEAST && invalid > LEAST,
        "{valid} valid, {invalid} invalid"
    );
}

#[test]
fn positions_may_be_any_numbers() {
    // The last invocation or completion is just below OPEN, which needs all 64 bits.
    unchanged(true, |history| {
        let positions = history.operations.iter().flat_map(|x| [x.invoked, x.completed]);
        let last = positions.filter(|position| *position != OPEN).max().unwrap_or(0);
        for operation in &mut history.operations {
            let stretch = |position: u64| match position {
                0 => 0,
                OPEN => OPEN,
                _ => OPEN - 1 - (last - position) * (1 << 40),
            };
            operation.invoked = stretch(operation.invoked);
            operation.completed = stretch(operation.completed);
        }
    });
}

#[test]
fn values_may_be_far_apart() {
    let far = |value: i64| Value::Int(value * 1_000_000_000_000);
    let text = |value: i64| Value::text(&value.to_string());
    // 0 is what registers hold at first, and stays.
    let rename = |history: &mut History, name: &dyn Fn(i64) -> Value| {
        let renamed = |value: &mut Value| match value {
            Value::Int(int) if *int != 0 => *value = name(*int),
            _ => {}
        };
        for operation in &mut history.operations {
            match &mut operation.op {
                Op::Write { value, .. } => renamed(value),
                Op::Cas { expected, new, .. } => [expected, new].into_iter().for_each(renamed),
                _ => {}
            }
            match &mut operation.outcome {
                Outcome::Ok(answer) => answer.value.iter_mut().for_each(renamed),
                Outcome::Fail(Failure::Mismatch { current }) => current.iter_mut().for_each(renamed),
                _ => {}
            }
        }
    };
    unchanged(false, |history| rename(history, &far));
    unchanged(false, |history| rename(history, &text));
}
