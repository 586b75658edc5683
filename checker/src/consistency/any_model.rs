//! Sequential consistency for any model: is there an order that keeps every process' own and explains every
//! answer?
//!
//! A bounded depth-first search. A configuration is how far each process has come and the state; where there
//! is a choice it is looked at once. Pure operations ([`Effect::Pure`]) take effect as soon as they are
//! legal, which holds up no one. What completed first is tried first. Operations of unknown outcome are the
//! last ones of their processes, and may be left out.

use history::{History, OPEN};
use rustc_hash::{FxHashMap, FxHashSet};

use super::{Evidence, Finding, Findings, Guarantee, Judged, Limits};

use crate::model::{Effect, Recorded, finish};
use crate::partition::partition;

/// How a search ended.
#[derive(Debug, PartialEq, Eq)]
enum Searched {
    /// An order of operations, as indices into the history.
    Found(Vec<usize>),
    /// There is none.
    Exhausted,
    /// A limit was reached.
    GaveUp,
}

/// What a history of objects of this model still is: sequentially consistent or not, each object by itself if
/// they are independent, for all together where that settles it.
pub(crate) fn sequential<M: Recorded>(
    model: &M,
    per_key: bool,
    history: &History,
    limits: &Limits,
) -> Findings {
    let keys: Vec<Vec<usize>> = match per_key {
        true => partition(history).into_values().collect(),
        false => vec![(0..history.operations.len()).collect()],
    };
    let (mut gave_up, mut exhausted, mut witness) = (false, false, Vec::new());
    for indices in &keys {
        match search(model, history, indices, limits) {
            Searched::Found(order) if explains(model, history, indices, &order) => witness = order,
            Searched::Exhausted => exhausted = true,
            Searched::Found(_) | Searched::GaveUp => gave_up = true,
        }
    }
    let unknown = |why: &str| Finding::Unknown { why: why.to_owned() };
    let each = match (exhausted, gave_up) {
        (true, _) => Finding::Violated(Evidence {
            operations: Vec::new(),
            sentences: vec!["No order that keeps the order of each process explains all answers.".into()],
        }),
        (false, true) => unknown("a limit of the search was reached"),
        (false, false) => Finding::Holds,
    };
    let all = match each {
        Finding::Holds if keys.len() > 1 => {
            unknown("processes go from key to key, and that is followed for registers only")
        }
        ref each => each.clone(),
    };
    let models = [
        (Guarantee::SequentialConsistency, all),
        (Guarantee::SequentialPerKey, each),
    ];
    Findings {
        keys: keys.len(),
        models: models
            .into_iter()
            .map(|(guarantee, finding)| Judged { guarantee, finding })
            .collect(),
        witness: if keys.len() == 1 { witness } else { Vec::new() },
        ..Findings::default()
    }
}

/// One operation.
struct Step<O> {
    op: O,
    index: usize,
    finish: u64,
}

/// Each process' operations in its own order.
fn by_process<M: Recorded>(model: &M, history: &History, indices: &[usize]) -> Vec<Vec<Step<M::Op>>> {
    let mut slots: FxHashMap<u32, usize> = FxHashMap::default();
    let mut processes: Vec<Vec<Step<M::Op>>> = Vec::new();
    let mut indices = indices.to_vec();
    indices.sort_unstable_by_key(|&index| history.operations[index].invoked);
    for index in indices {
        let operation = &history.operations[index];
        if let Some(op) = model.op(operation) {
            let slot = *slots.entry(operation.process).or_insert_with(|| {
                processes.push(Vec::new());
                processes.len() - 1
            });
            processes[slot].push(Step {
                op,
                index,
                finish: finish(operation),
            });
        }
    }
    processes
}

fn search<M: Recorded>(model: &M, history: &History, indices: &[usize], limits: &Limits) -> Searched {
    let processes = by_process(model, history, indices);
    // States may be as large as the history is long.
    let most = limits
        .configurations
        .min(limits.cells / (4 * (processes.len() + indices.len())).max(1));
    let mut seen: FxHashSet<(Vec<u32>, M::State)> = FxHashSet::default();
    let mut order: Vec<usize> = Vec::new();
    let mut stack = vec![(vec![0u32; processes.len()], model.init(), 0)];
    let mut branches: Vec<Vec<usize>> = vec![Vec::new()];
    let (mut work, mut next) = (0u64, Vec::new());
    while let (Some((mut at, state, length)), Some(taken)) = (stack.pop(), branches.pop()) {
        order.truncate(length);
        order.extend(taken);
        // Pure operations, until none is legal.
        for (slot, steps) in processes.iter().enumerate() {
            while let Some(step) = steps.get(at[slot] as usize)
                && model.effect(&step.op) == Effect::Pure
                && (step.finish == OPEN || model.step(&state, &step.op).is_some())
            {
                if step.finish != OPEN {
                    order.push(step.index);
                }
                at[slot] += 1;
            }
        }
        let left = |slot: usize| processes[slot].get(at[slot] as usize);
        if (0..processes.len()).all(|slot| left(slot).is_none_or(|step| step.finish == OPEN)) {
            return Searched::Found(order);
        }
        let mut choices: Vec<(u64, usize)> = (0..processes.len())
            .filter_map(|slot| Some((left(slot)?.finish, slot)))
            .collect();
        choices.sort_unstable();
        work += choices.len() as u64;
        if choices.len() > 1 && !seen.insert((at.clone(), state.clone())) {
            continue;
        }
        if seen.len() > most || stack.len() > most || work > limits.work || limits.is_stopped() {
            return Searched::GaveUp;
        }
        for &(_, slot) in choices.iter().rev() {
            let step = &processes[slot][at[slot] as usize];
            model.steps(&state, &step.op, &mut next);
            for after in next.drain(..) {
                let mut at = at.clone();
                at[slot] += 1;
                stack.push((at, after, order.len()));
                branches.push(vec![step.index]);
            }
        }
    }
    Searched::Exhausted
}

/// Whether an order explains the history, checked apart from the search: every definite operation stands in
/// it once, each process' in its order, and each is legal for some choice of states.
fn explains<M: Recorded>(model: &M, history: &History, indices: &[usize], order: &[usize]) -> bool {
    let mut left: FxHashSet<usize> = indices
        .iter()
        .copied()
        .filter(|&index| finish(&history.operations[index]) != OPEN)
        .filter(|&index| model.op(&history.operations[index]).is_some())
        .collect();
    let allowed: FxHashSet<usize> = indices.iter().copied().collect();
    let mut last: FxHashMap<u32, u64> = FxHashMap::default();
    let mut states: FxHashSet<M::State> = FxHashSet::from_iter([model.init()]);
    for &index in order {
        if !allowed.contains(&index) {
            return false;
        }
        let operation = &history.operations[index];
        let before = last.insert(operation.process, operation.invoked);
        let Some(op) = model.op(operation) else {
            return false;
        };
        if before.is_some_and(|before| before >= operation.invoked) {
            return false;
        }
        left.remove(&index);
        let mut next = Vec::new();
        for state in &states {
            model.steps(state, &op, &mut next);
        }
        states = next.into_iter().collect();
    }
    left.is_empty() && !states.is_empty()
}

#[cfg(test)]
mod tests {
    use history::{ErrorClass, Key, Op, Operation, Outcome, Value};

    use super::*;
    use crate::objects::{Counter, Set};

    fn operation(process: u32, at: u64, op: Op, outcome: Outcome) -> Operation {
        Operation {
            process,
            op,
            completed: if outcome.is_info() { OPEN } else { at + 1 },
            outcome,
            invoked: at,
            invoked_ns: at,
            completed_ns: None,
            node: None,
        }
    }

    fn add(value: i64) -> Op {
        Op::Add {
            key: Key::Nil,
            value: Value::Int(value),
        }
    }

    fn read() -> Op {
        Op::Read { key: Key::Nil }
    }

    fn still(model: &impl Recorded, operations: Vec<Operation>) -> Vec<&'static str> {
        let history = History {
            operations,
            ..History::default()
        };
        let still = sequential(model, true, &history, &Limits::default());
        still.models.iter().map(|judged| judged.finding.name()).collect()
    }

    #[test]
    fn a_stale_read_is_still_sequentially_consistent() {
        let saw = |value| Outcome::ok_value(Value::Int(value));
        let stale = |process, seen| {
            vec![
                operation(0, 0, add(1), Outcome::ok()),
                operation(process, 2, read(), saw(seen)),
            ]
        };
        let counter = Counter::default();
        assert_eq!(still(&counter, stale(1, 0)), ["holds", "holds"]);
        // Its own writes a process must see.
        assert_eq!(still(&counter, stale(0, 0)), ["violated", "violated"]);
        assert_eq!(still(&counter, stale(0, 1)), ["holds", "holds"]);
    }

    #[test]
    fn what_may_have_happened_is_tried_both_ways() {
        let list =
            |values: &[i64]| Outcome::ok_value(Value::list(values.iter().copied().map(Value::Int).collect()));
        let info = || Outcome::info(ErrorClass::Timeout, "");
        for (seen, expected) in [(vec![1], "holds"), (vec![], "holds"), (vec![2], "violated")] {
            let operations = vec![
                operation(0, 0, add(1), info()),
                operation(1, 2, read(), list(&seen)),
            ];
            assert_eq!(
                still(&Set::default(), operations),
                [expected, expected],
                "{seen:?}"
            );
        }
        // Two processes that saw two adds in different orders.
        let operations = vec![
            operation(0, 0, add(1), Outcome::ok()),
            operation(1, 2, add(2), Outcome::ok()),
            operation(2, 4, read(), list(&[1])),
            operation(3, 6, read(), list(&[2])),
        ];
        assert_eq!(still(&Set::default(), operations), ["violated", "violated"]);
    }
}
