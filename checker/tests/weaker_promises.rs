//! Models that promise less than one order of everything, against their definitions, pair by pair, on small
//! random histories.

mod common;

use std::collections::BTreeSet;

use checker::consistency::{self, Finding, Guarantee};
use checker::objects::find;
use checker::{Decision, Options, Verdict, check_key};
use common::{all, history, operation};
use history::{Answer, History, Key, MicroOp, Op, OpKind, Operation, Outcome, Value};
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

const KEY: Key = Key::Nil;
const HISTORIES: u64 = 20_000;

/// Judges so many random histories, and compares with the definition; `None` where it leaves the verdict
/// open.
fn agree(
    name: &str,
    histories: u64,
    initial: Value,
    make: impl Fn(&mut ChaCha8Rng) -> History,
    holds: impl Fn(&History) -> Option<bool>,
) {
    let options = Options {
        model: find(name).unwrap(),
        initial: Some(initial),
        ..Options::default()
    };
    let mut verdicts = [0; 3];
    for seed in 0..histories {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let history = make(&mut rng);
        let (decision, by) = check_key(&history, &all(&history), &options);
        let expected = match holds(&history) {
            Some(true) => Verdict::Valid,
            Some(false) => Verdict::Invalid,
            None => Verdict::Unknown,
        };
        let context = || {
            format!(
                "{name}, seed {seed}: {decision:?} by {by}\n{:#?}",
                history.operations
            )
        };
        assert_eq!(decision.verdict(), expected, "{}", context());
        verdicts[expected as usize] += 1;
        if let Decision::Invalid(conflict) = &decision {
            assert!(
                conflict.confirmed && (1..=6).contains(&conflict.operations.len()),
                "{}",
                context()
            );
            assert!((1..=3).contains(&conflict.sentences.len()), "{}", context());
        }
    }
    println!("{name}: {verdicts:?}");
    assert!(
        verdicts[..2].iter().all(|&count| count > 300),
        "{name}: {verdicts:?}"
    );
}

/// Operations of a few processes, that overlap; some fail, and of some no one knows. A process that met that
/// goes on under another number.
fn operations(rng: &mut ChaCha8Rng, mut ask: impl FnMut(&mut ChaCha8Rng) -> (Op, Outcome)) -> History {
    let count: u64 = rng.random_range(2..9);
    let mut positions: Vec<u64> = (0..2 * count).collect();
    // Neighbours change places, so that what overlaps does so by little.
    for _ in 0..count {
        let place = rng.random_range(1..positions.len());
        positions.swap(place - 1, place);
    }
    let mut operations: Vec<Operation> = Vec::new();
    let mut free: Vec<(u64, u64)> = (0..3).map(|process| (0, process)).collect();
    let mut next = 3;
    for pair in positions.chunks(2) {
        let (invoked, completed) = (pair[0].min(pair[1]), pair[0].max(pair[1]));
        let (op, mut outcome) = ask(rng);
        match rng.random_range(0..10) {
            0 => outcome = common::info(),
            1 => outcome = common::fail(),
            _ => {}
        }
        free.shuffle(rng);
        let slot = free.iter().position(|&(since, _)| since <= invoked);
        let slot = slot.unwrap_or_else(|| {
            free.push((0, next));
            next += 1;
            free.len() - 1
        });
        operations.push(operation(free[slot].1, op, outcome.clone(), invoked, completed));
        free[slot] = match outcome.is_info() {
            true => (0, next),
            false => (completed, free[slot].1),
        };
        next += u64::from(outcome.is_info());
    }
    operations.sort_by_key(|operation| operation.invoked);
    history(operations)
}

fn answered(operation: &Operation) -> Option<&Value> {
    match &operation.outcome {
        Outcome::Ok(Answer { value }) => value.as_ref(),
        _ => None,
    }
}

fn some_of(rng: &mut ChaCha8Rng, most: i64) -> Value {
    let shown = (1..=most).filter(|_| rng.random_ratio(2, 3));
    Value::list(shown.map(Value::Int).collect::<Vec<_>>())
}

fn element(operation: &Operation) -> Option<&Value> {
    let may_be = !matches!(operation.outcome, Outcome::Fail(_));
    match &operation.op {
        Op::Write { value, .. } | Op::Add { value, .. } if may_be => Some(value),
        _ => None,
    }
}

fn is_ok(operation: &Operation) -> bool {
    matches!(operation.outcome, Outcome::Ok(_))
}

/// Reads with what they show.
fn shown(history: &History) -> impl Iterator<Item = (&Operation, &[Value])> {
    let read = |operation: &&Operation| matches!(operation.op, Op::Read { .. });
    let reads = history.operations.iter().filter(read);
    reads.filter_map(|operation| Some((operation, answered(operation)?.elements()?)))
}

#[test]
fn causal_reversals() {
    let make = |rng: &mut ChaCha8Rng| {
        let mut last = 0;
        operations(rng, |rng| match rng.random_ratio(1, 3) {
            true => (Op::Read { key: KEY }, Outcome::ok_value(some_of(rng, last))),
            false => {
                last += 1;
                let value = Value::Int(if rng.random_ratio(1, 6) { 1 } else { last });
                (Op::Write { key: KEY, value }, Outcome::ok())
            }
        })
    };
    agree(
        "causal-reverse",
        HISTORIES,
        Value::list(Vec::new()),
        make,
        |history| {
            let writes = |of: &Value| {
                let of = of.clone();
                let writes = history.operations.iter();
                writes.filter(move |operation| element(operation) == Some(&of))
            };
            let mut is_tested = false;
            for (_, seen) in shown(history) {
                is_tested |= !seen.is_empty();
                for one in seen {
                    let began = writes(one).map(|write| write.invoked).min();
                    let Some(began) = began else { return Some(false) };
                    let due = history
                        .operations
                        .iter()
                        .filter(|other| is_ok(other) && element(other).is_some() && other.completed < began);
                    if due
                        .into_iter()
                        .any(|other| !seen.contains(element(other).unwrap()))
                    {
                        return Some(false);
                    }
                }
            }
            is_tested.then_some(true)
        },
    );
}

/// Marks the last read of each process as final, or any reads, or none.
fn mark(rng: &mut ChaCha8Rng, mut history: History) -> History {
    match rng.random_range(0..4) {
        0 => {}
        1 => {
            let reads = history
                .operations
                .iter()
                .filter(|operation| operation.op.kind() == OpKind::Read);
            let marked = reads.filter(|_| rng.random_ratio(1, 2)).map(|read| read.invoked);
            history.final_reads = marked.collect();
        }
        _ => history.take_last_reads_for_final(),
    }
    history
}

/// The answered reads that count for what is left in the end: those that are marked as final, or where none
/// is, those with which processes end; if they began after all acknowledged updates had completed.
fn last_reads(history: &History) -> impl Iterator<Item = &Operation> {
    let operations = &history.operations;
    let counts = move |read: &&Operation| match history.final_reads.is_empty() {
        true => operations
            .iter()
            .all(|other| other.process != read.process || other.invoked <= read.invoked),
        false => history.final_reads.contains(&read.invoked),
    };
    let is_read =
        |operation: &&Operation| operation.op.kind() == OpKind::Read && answered(operation).is_some();
    let updates = operations
        .iter()
        .filter(|operation| operation.op.kind() != OpKind::Read && is_ok(operation));
    let settled = updates.map(|update| update.completed).max();
    operations
        .iter()
        .filter(is_read)
        .filter(counts)
        .filter(move |read| settled.is_none_or(|settled| settled < read.invoked))
}

#[test]
fn growing_sets_that_converge() {
    let make = |rng: &mut ChaCha8Rng| {
        let mut last = 0;
        let count = rng.random_range(1..6);
        let history = operations(rng, |rng| match last == count {
            true => {
                let shown = if rng.random_ratio(2, 3) { 1 } else { 3 };
                let shown = (1..=count).filter(|_| rng.random_range(1..=shown) == 1);
                let shown = Value::list(shown.map(Value::Int).collect::<Vec<_>>());
                (Op::Read { key: KEY }, Outcome::ok_value(shown))
            }
            false => {
                last += 1;
                let value = Value::Int(last);
                (Op::Add { key: KEY, value }, Outcome::ok())
            }
        });
        mark(rng, history)
    };
    agree("g-set", HISTORIES, Value::list(Vec::new()), make, |history| {
        let operations = &history.operations;
        let adds = || operations.iter().filter(|operation| element(operation).is_some());
        for (read, seen) in shown(history) {
            let can_be =
                |value| adds().any(|add| element(add) == Some(value) && add.invoked < read.completed);
            if !seen.iter().all(can_be) {
                return Some(false);
            }
        }
        let last: Vec<&[Value]> = last_reads(history)
            .filter_map(|read| answered(read)?.elements())
            .collect();
        let due = || adds().filter(|add| is_ok(add)).filter_map(element);
        if last.iter().any(|seen| !due().all(|value| seen.contains(value))) {
            // Without marks it may have been read too soon.
            return (!history.final_reads.is_empty()).then_some(false);
        }
        let is_one = last.windows(2).all(|pair| pair[0] == pair[1]);
        (is_one && !last.is_empty() && due().next().is_some()).then_some(true)
    });
}

#[test]
fn counters_that_converge() {
    let make = |rng: &mut ChaCha8Rng| {
        let (mut asked, mut sum) = (0, 0);
        let count = rng.random_range(1..6);
        let amounts = [vec![1], vec![1, -1, 5], vec![2, 3, 10]];
        let amounts = amounts[rng.random_range(0..amounts.len())].clone();
        let history = operations(rng, |rng| match asked == count {
            true => {
                let off = if rng.random_ratio(2, 3) {
                    0
                } else {
                    rng.random_range(-6..4)
                };
                (Op::Read { key: KEY }, Outcome::ok_value(Value::Int(sum + off)))
            }
            false => {
                asked += 1;
                let amount = amounts[rng.random_range(0..amounts.len())];
                sum += amount;
                let value = Value::Int(amount);
                (Op::Add { key: KEY, value }, Outcome::ok())
            }
        });
        mark(rng, history)
    };
    agree("pn-counter", HISTORIES, Value::Int(0), make, |history| {
        let amount = |operation: &Operation| match &operation.op {
            Op::Add {
                value: Value::Int(amount),
                ..
            } if !matches!(operation.outcome, Outcome::Fail(_)) => Some(*amount),
            _ => None,
        };
        // The sums of all choices of some additions, beside those that are certain.
        let sums = |which: &dyn Fn(&Operation) -> Option<bool>| {
            let mut sums = BTreeSet::from([0]);
            for operation in &history.operations {
                let (Some(amount), Some(is_certain)) = (amount(operation), which(operation)) else {
                    continue;
                };
                let with: BTreeSet<i64> = sums.iter().map(|sum| sum + amount).collect();
                match is_certain {
                    true => sums = with,
                    false => sums.extend(with),
                }
            }
            sums
        };
        let seen = |read: &Operation| match answered(read) {
            Some(Value::Int(seen)) => Some(*seen),
            _ => None,
        };
        let reads = history
            .operations
            .iter()
            .filter(|operation| operation.op.kind() == OpKind::Read);
        for read in reads {
            let begun = sums(&|add| (add.invoked < read.completed).then_some(false));
            if seen(read).is_some_and(|seen| !begun.contains(&seen)) {
                return Some(false);
            }
        }
        let last: Vec<i64> = last_reads(history).filter_map(seen).collect();
        let due = sums(&|add| Some(is_ok(add)));
        if last.iter().any(|seen| !due.contains(seen)) {
            return (!history.final_reads.is_empty()).then_some(false);
        }
        (!last.is_empty() && last.windows(2).all(|pair| pair[0] == pair[1])).then_some(true)
    });
}

#[test]
fn long_forks() {
    let make = |rng: &mut ChaCha8Rng| {
        let mut last = 0;
        operations(rng, |rng| match rng.random_ratio(1, 2) && last > 1 {
            false => {
                last += 1;
                let (key, value) = (Value::Int(last), Value::Int(1));
                let micro_ops = vec![MicroOp::Write { key, value }];
                let answers = Value::list(vec![Value::Nil]);
                (Op::Txn { key: KEY, micro_ops }, Outcome::ok_value(answers))
            }
            true => {
                let keys: Vec<i64> = (1..=last).filter(|_| rng.random_ratio(4, 5)).collect();
                let read = |key: &i64| MicroOp::Read {
                    key: Value::Int(*key),
                };
                let seen = |_: &i64| {
                    if rng.random_ratio(4, 5) {
                        Value::Int(1)
                    } else {
                        Value::Nil
                    }
                };
                let micro_ops = keys.iter().map(read).collect();
                let answers = Value::list(keys.iter().map(seen).collect());
                (Op::Txn { key: KEY, micro_ops }, Outcome::ok_value(answers))
            }
        })
    };
    agree("long-fork", HISTORIES, Value::Nil, make, |history| {
        let may_be = |operation: &&Operation| !matches!(operation.outcome, Outcome::Fail(_));
        let writes = history.operations.iter().filter(may_be);
        let written: Vec<Key> = writes
            .flat_map(|operation| match &operation.op {
                Op::Txn { micro_ops, .. } => micro_ops.clone(),
                _ => Vec::new(),
            })
            .filter(|step| matches!(step, MicroOp::Write { .. }))
            .map(|step| step.key().clone())
            .collect();
        let reads = || {
            history.operations.iter().filter_map(|operation| {
                let Op::Txn { micro_ops, .. } = &operation.op else {
                    return None;
                };
                let answers = answered(operation)?.elements()?;
                let is_read = matches!(micro_ops.first(), Some(MicroOp::Read { .. }));
                let pairs = micro_ops
                    .iter()
                    .zip(answers)
                    .map(|(step, seen)| (step.key(), !seen.is_nil()));
                is_read.then(|| pairs.collect::<Vec<_>>())
            })
        };
        if reads()
            .flatten()
            .any(|(key, seen)| seen && !written.contains(key))
        {
            return Some(false);
        }
        let is_fork = |one: &[(&Key, bool)], other: &[(&Key, bool)]| {
            let differs = |&(key, seen): &(&Key, bool)| {
                let there = other.iter().find(|(other, _)| *other == key)?;
                (there.1 != seen).then_some(seen)
            };
            let more: Vec<bool> = one.iter().filter_map(differs).collect();
            more.contains(&true) && more.contains(&false)
        };
        if reads().any(|one| reads().any(|other| is_fork(&one, &other))) {
            return Some(false);
        }
        reads().any(|read| read.len() > 1).then_some(true)
    });
}

#[test]
fn banks() {
    for overdraft in [false, true] {
        let name = if overdraft { "bank-overdraft" } else { "bank" };
        let make = |rng: &mut ChaCha8Rng| {
            let mut held = [3i64, 3, 4];
            operations(rng, |rng| {
                let value = Value::Nil;
                if rng.random_ratio(1, 2) {
                    let moved = rng.random_range(0..3);
                    held[rng.random_range(0..3)] -= moved;
                    held[rng.random_range(0..3)] += moved;
                    return (Op::Transfer { key: KEY, value }, Outcome::ok());
                }
                let mut seen = held;
                seen[0] += i64::from(rng.random_ratio(1, 20));
                let all = (0..)
                    .zip(seen)
                    .map(|(account, held)| (Value::Int(account), Value::Int(held)));
                (
                    Op::Read { key: KEY },
                    Outcome::ok_value(Value::map(all.collect())),
                )
            })
        };
        agree(name, HISTORIES, Value::Nil, make, |history| {
            let reads = history
                .operations
                .iter()
                .filter_map(|operation| match answered(operation)? {
                    Value::Map(pairs) => Some(
                        pairs
                            .iter()
                            .map(|(_, held)| match held {
                                Value::Int(held) => *held,
                                _ => 0,
                            })
                            .collect::<Vec<_>>(),
                    ),
                    _ => None,
                });
            let reads: Vec<Vec<i64>> = reads.collect();
            let total = |read: &Vec<i64>| read.iter().sum::<i64>();
            let is_kept = reads.windows(2).all(|pair| total(&pair[0]) == total(&pair[1]));
            Some(is_kept && (overdraft || reads.iter().flatten().all(|&held| held >= 0)))
        });
    }
}

#[test]
fn causal_registers() {
    let make = |rng: &mut ChaCha8Rng| {
        let mut last = 0;
        operations(rng, |rng| {
            let key = Value::Int(rng.random_range(0..2));
            match rng.random_ratio(1, 2) {
                true => {
                    let seen = Value::Int(rng.random_range(0..=last));
                    (Op::Read { key }, Outcome::ok_value(seen))
                }
                false => {
                    last += 1;
                    let value = Value::Int(last);
                    (Op::Write { key, value }, Outcome::ok())
                }
            }
        })
    };
    agree("causal", HISTORIES / 10, Value::Int(0), make, |history| {
        let still = consistency::weaken(history, &Value::Int(0), &consistency::Limits::default());
        let is_it = |judged: &&consistency::Judged| judged.guarantee == Guarantee::CausalConvergence;
        match &still.models.iter().find(is_it).unwrap().finding {
            Finding::Holds => Some(true),
            Finding::Violated(_) => Some(false),
            Finding::Unknown { .. } => None,
        }
    });
}
