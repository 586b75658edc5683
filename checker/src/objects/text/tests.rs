//! Each exact procedure against the search, which is held against brute force in `tests/`, on some hundred
//! thousand small histories.

use std::sync::Arc;

use history::{OPEN, Value};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::model::{KvAppend, KvAppendOp};
use super::{blocks, growing};
use crate::engine::growing::decision;
use crate::engine::search::{Limits, Searched, search};
use crate::model::{Call, Calls};
use crate::verdict::Decision;

/// A few operations whose texts are written once each or repeat, most of them answered as a text would.
fn random_calls(seed: u64, replaces: bool, repeats: bool) -> (KvAppend, Vec<Call<KvAppendOp>>) {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let (count, width) = (rng.random_range(2..9), rng.random_range(1..8));
    let initial = ["", "i"][rng.random_range(0..4) / 3].to_owned();
    // All that it was up to now.
    let mut texts = vec![initial.clone()];
    let call = |number: u64| {
        let letter = match repeats {
            true => rng.random_range(0..2),
            false => number as u8,
        };
        let letter = String::from(char::from(b'a' + letter));
        let text = texts.last().cloned().unwrap_or_default();
        let op = match rng.random_range(0..10) {
            0..2 if replaces => {
                texts.push(letter.clone());
                KvAppendOp::Write(letter.into())
            }
            0..5 => {
                texts.push(text + &letter);
                KvAppendOp::Append(letter.into())
            }
            5 => KvAppendOp::Read(Arc::new(texts[rng.random_range(0..texts.len())].clone())),
            6 if !text.is_empty() => KvAppendOp::Read(text[..text.len() - 1].to_owned().into()),
            _ => KvAppendOp::Read(text.into()),
        };
        let start = number * 10 + rng.random_range(0..5);
        let finish = start + 5 + rng.random_range(0..10 * width);
        let is_open = !matches!(op, KvAppendOp::Read(_)) && rng.random_ratio(1, 8);
        Call {
            op,
            // The parities keep positions apart.
            start: start * 100 + 2 * number,
            finish: match is_open {
                true => OPEN,
                false => finish * 100 + 2 * number + 1,
            },
        }
    };
    let mut calls: Vec<Call<KvAppendOp>> = (0..count).map(call).collect();
    // Answers come before what they show, too.
    if rng.random_bool(0.3) {
        let (one, other) = (rng.random_range(0..calls.len()), rng.random_range(0..calls.len()));
        let op = calls[one].op.clone();
        calls[one].op = std::mem::replace(&mut calls[other].op, op);
        for call in &mut calls {
            if matches!(call.op, KvAppendOp::Read(_)) && call.finish == OPEN {
                call.finish = call.start + 1_001;
            }
        }
    }
    (KvAppend { initial }, calls)
}

fn has_order(text: &KvAppend, calls: &[Call<KvAppendOp>]) -> bool {
    match search(text, calls, &Limits::default()) {
        Searched::Found(_) => true,
        Searched::Stuck(_) => false,
        Searched::GaveUp(why) => panic!("{why}"),
    }
}

#[test]
fn something_that_grows_is_decided_whatever_repeats() {
    let mut verdicts = [0, 0];
    for seed in 0..150_000 {
        let (text, calls) = random_calls(seed, false, seed % 4 != 0);
        let Some(found) = growing::judge(&text, &calls) else {
            continue;
        };
        let (history, indices) = (history(&calls), (0..calls.len()).collect());
        let calls = Calls { calls, indices };
        let decision = decision(&text, &history, &calls, found);
        let is_valid = check(seed, &calls, &decision);
        assert_eq!(is_valid, has_order(&text, &calls.calls), "seed {seed}: {calls:?}");
        verdicts[usize::from(is_valid)] += 1;
    }
    assert!(verdicts.iter().all(|count| *count > 10_000), "{verdicts:?}");
}

#[test]
fn texts_that_are_replaced_are_decided_if_nothing_repeats() {
    let mut verdicts = [0, 0];
    for seed in 0..150_000 {
        let (text, calls) = random_calls(seed, true, false);
        let history = history(&calls);
        let indices = (0..calls.len()).collect();
        let calls = Calls { calls, indices };
        let Some(decision) = blocks::decide(&text, &history, &calls) else {
            continue;
        };
        let is_valid = check(seed, &calls, &decision);
        assert_eq!(is_valid, has_order(&text, &calls.calls), "seed {seed}: {calls:?}");
        verdicts[usize::from(is_valid)] += 1;
    }
    assert!(verdicts.iter().all(|count| *count > 10_000), "{verdicts:?}");
}

/// Whether it is valid; nothing is left open, and what is invalid was confirmed.
fn check(seed: u64, calls: &Calls<KvAppendOp>, decision: &Decision) -> bool {
    match decision {
        Decision::Valid(_) => true,
        Decision::Invalid(conflict) => {
            assert!(conflict.confirmed, "seed {seed}: {calls:?}");
            false
        }
        Decision::Unknown(why) => panic!("seed {seed}: {why} {calls:?}"),
    }
}

/// As many operations, for a decision to name.
fn history(calls: &[Call<KvAppendOp>]) -> history::History {
    let operation = |call: &Call<KvAppendOp>| history::Operation {
        process: 0,
        op: history::Op::Read {
            key: history::Key::Nil,
        },
        outcome: history::Outcome::ok_value(Value::Nil),
        invoked: call.start,
        completed: call.finish,
        invoked_ns: 0,
        completed_ns: None,
        node: None,
    };
    history::History {
        operations: calls.iter().map(operation).collect(),
        ..history::History::default()
    }
}
