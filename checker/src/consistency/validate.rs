//! The validator: does an order explain a history sequentially? It shares nothing with what found the order.

use history::{Failure, History, Key, Op, Outcome, Value};
use rustc_hash::{FxHashMap, FxHashSet};

/// Whether `order` (indices into [`History::operations`]) shows that the operations `indices` are
/// sequentially consistent, all registers beginning with `initial`: every definite operation stands in it
/// that had an effect or told something, none twice, each process's in its order, and each answer is what a
/// register would have given.
///
/// # Errors
/// In words: what is wrong with it.
pub fn explains(
    history: &History,
    indices: &[usize],
    initial: &Value,
    order: &[usize],
) -> Result<(), String> {
    let allowed: FxHashSet<usize> = indices.iter().copied().collect();
    let mut done: FxHashSet<usize> = FxHashSet::default();
    let mut registers: FxHashMap<&Key, &Value> = FxHashMap::default();
    let mut last: FxHashMap<u32, u64> = FxHashMap::default();
    for &index in order {
        let operation = match history.operations.get(index) {
            Some(operation) if allowed.contains(&index) && done.insert(index) => operation,
            _ => {
                return Err(format!(
                    "operation {index} stands twice in the order or does not belong there"
                ));
            }
        };
        let before = last.insert(operation.process, operation.invoked);
        if before.is_some_and(|before| before >= operation.invoked) {
            return Err(format!(
                "operation {index} stands behind a later one of its process"
            ));
        }
        let register = registers.entry(operation.op.key()).or_insert(initial);
        let legal = match (&operation.op, &operation.outcome) {
            (Op::Read { .. }, Outcome::Ok(answer)) => {
                answer.value.as_ref().is_none_or(|seen| seen == *register)
            }
            (Op::Read { .. }, Outcome::Info(_)) => true,
            (Op::Write { value, .. }, Outcome::Ok(_) | Outcome::Info(_)) => {
                *register = value;
                true
            }
            (Op::Cas { expected, new, .. }, Outcome::Ok(_) | Outcome::Info(_)) => {
                let matches = expected == *register;
                *register = new;
                matches
            }
            (Op::Cas { expected, .. }, Outcome::Fail(Failure::Mismatch { current })) => {
                expected != *register && current.as_ref().is_none_or(|current| current == *register)
            }
            _ => false,
        };
        if !legal {
            return Err(format!("operation {index} cannot stand where it does"));
        }
    }
    let missing = indices.iter().find(|&&index| {
        let operation = &history.operations[index];
        let told = match &operation.outcome {
            Outcome::Ok(answer) => !matches!(operation.op, Op::Read { .. }) || answer.value.is_some(),
            Outcome::Fail(Failure::Mismatch { .. }) => true,
            Outcome::Fail(Failure::Error(_)) | Outcome::Info(_) => false,
        };
        told && !done.contains(&index)
    });
    match missing {
        Some(index) => Err(format!("operation {index} is missing")),
        None => Ok(()),
    }
}
