//! Transactions whose reads agree on the order of writes (`long-fork`).
//!
//! Every key is written once. A transaction that sees a write of x and none of y puts the one before the
//! other; one that sees y and no x puts them the other way round, so that no order of the writes explains
//! both: a long fork, which snapshot isolation and all that is stronger forbid. Source: `tests/long_fork` of
//! Jepsen; Y. Sovran et al., "Transactional storage for geo-replicated systems", SOSP 2011.
//!
//! Reads need not be of the same keys. The work is that of all pairs of a key that was seen and one that was
//! not, in one transaction.

use history::{History, Key, MicroOp, Op, Operation, Outcome, Value, tell};
use rustc_hash::{FxHashMap, FxHashSet};

use crate::engine::publish::by_themselves;
use crate::model::{answer, in_order};
use crate::sentence::{op, phantom, sentence};
use crate::verdict::{Decision, Rule};

/// How many pairs of keys are looked at.
const MOST_PAIRS: usize = 20_000_000;

/// A group and a key in it.
type Name<'a> = (&'a Key, &'a Key);

/// What a transaction read: of each key the first answer, without what it wrote itself before.
fn reads(operation: &Operation) -> Vec<(Name<'_>, &Value)> {
    let Op::Txn {
        key: group,
        micro_ops,
    } = &operation.op
    else {
        return Vec::new();
    };
    let Some(answers) = answer(operation).and_then(in_order) else {
        return Vec::new();
    };
    let mut touched = FxHashSet::default();
    let steps = micro_ops
        .iter()
        .zip(answers)
        .filter(|(step, _)| touched.insert(step.key()));
    let read = steps.filter(|(step, _)| matches!(step, MicroOp::Read { .. }));
    read.map(|(step, seen)| ((group, step.key()), seen)).collect()
}

/// The writes of each key that may have happened.
fn writes<'a>(history: &'a History, indices: &[usize]) -> FxHashMap<Name<'a>, Vec<&'a Value>> {
    let mut writes: FxHashMap<Name<'a>, Vec<&'a Value>> = FxHashMap::default();
    for &index in indices {
        let operation = &history.operations[index];
        let Op::Txn {
            key: group,
            micro_ops,
        } = &operation.op
        else {
            continue;
        };
        if matches!(operation.outcome, Outcome::Fail(_)) {
            continue;
        }
        for step in micro_ops {
            if let MicroOp::Write { key, value } = step {
                writes.entry((group, key)).or_default().push(value);
            }
        }
    }
    writes
}

pub(super) fn decide(history: &History, indices: &[usize]) -> Decision {
    let writes = writes(history, indices);
    let mut pairs: FxHashMap<[Name<'_>; 2], usize> = FxHashMap::default();
    let mut known: FxHashSet<[Vec<Name<'_>>; 2]> = FxHashSet::default();
    let (mut work, mut are_tested) = (0, false);
    let mut again: Option<Name<'_>> = None;
    for &index in indices {
        let (mut seen, mut unseen) = (Vec::new(), Vec::new());
        for (name, value) in reads(&history.operations[index]) {
            let written = writes.get(&name).map_or(&[][..], |values| values);
            if !value.is_nil() && !written.contains(&value) {
                let why = phantom(op(index), value);
                return by_themselves(history, Rule::NeverWritten, vec![index], vec![why], true);
            }
            match written.len() {
                2.. => again = again.or(Some(name)),
                _ if value.is_nil() => unseen.push(name),
                _ => seen.push(name),
            }
        }
        are_tested |= seen.len() + unseen.len() > 1;
        seen.sort_unstable();
        unseen.sort_unstable();
        let read = [seen, unseen];
        if known.contains(&read) {
            continue;
        }
        work += read[0].len() * read[1].len();
        if work > MOST_PAIRS {
            return Decision::unknown("its transactions read too many pairs of keys".to_owned());
        }
        for &one in &read[0] {
            for &other in &read[1] {
                if let Some(&before) = pairs.get(&[other, one]) {
                    return fork(history, [before, index], [other, one]);
                }
                pairs.entry([one, other]).or_insert(index);
            }
        }
        known.insert(read);
    }
    match (again, are_tested) {
        (Some((_, key)), _) => Decision::unknown(format!(
            "the key {} is written more than once, and a long fork shows where keys are written once",
            tell::value(key)
        )),
        (None, false) => Decision::unknown("no transaction read two keys".to_owned()),
        (None, true) => Decision::Valid(Vec::new()),
    }
}

/// The first transaction saw the first key and not the second, the other one the other way round.
fn fork(history: &History, [one, other]: [usize; 2], [x, y]: [Name<'_>; 2]) -> Decision {
    let saw = |index: usize, name: Name<'_>| {
        let reads = reads(&history.operations[index]);
        let found = reads.into_iter().find(|(other, _)| *other == name);
        found.map(|(_, value)| !value.is_nil())
    };
    let holds = [(one, x), (other, y)]
        .iter()
        .all(|&(index, name)| saw(index, name) == Some(true))
        && [(one, y), (other, x)]
            .iter()
            .all(|&(index, name)| saw(index, name) == Some(false));
    let [x, y] = [x, y].map(|(_, key)| tell::value(key));
    let sentences = vec![
        sentence![op(one), format!(" sees the write of {x} and not that of {y}.")],
        sentence![op(other), format!(" sees the write of {y} and not that of {x}.")],
        "Each is written once, so neither write can have come first.".into(),
    ];
    by_themselves(history, Rule::Diverged, vec![one, other], sentences, holds)
}

pub(super) fn readable(operation: &Operation) -> Result<(), &'static str> {
    let is_readable = match &operation.op {
        Op::Txn { micro_ops, .. } => {
            let are_known =
                (micro_ops.iter()).all(|step| matches!(step, MicroOp::Read { .. } | MicroOp::Write { .. }));
            let are_answered = answer(operation)
                .is_none_or(|all| in_order(all).is_some_and(|answers| answers.len() == micro_ops.len()));
            are_known && are_answered
        }
        _ => false,
    };
    is_readable
        .then_some(())
        .ok_or("a transaction of reads and writes")
}
