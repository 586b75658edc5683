//! The definitions, tried out literally: every choice of what happened, of sources and of orders.

use checker::consistency::Guarantee;
use history::{Failure, History, Key, OPEN, Op, Outcome, Value};

/// One operation that counts.
#[derive(Clone, Debug)]
struct Act {
    process: u32,
    invoked: u64,
    key: Key,
    sees: Option<Value>,
    writes: Option<Value>,
    not: Option<Value>,
    open: bool,
}

/// The initial value as a source.
const INITIAL: usize = usize::MAX;

fn acts(history: &History) -> Vec<Act> {
    let mut acts = Vec::new();
    for operation in &history.operations {
        let (sees, writes, not) = match (&operation.op, &operation.outcome) {
            (_, Outcome::Fail(Failure::Error(_))) => continue,
            (Op::Read { .. }, Outcome::Ok(answer)) => (answer.value.clone(), None, None),
            (Op::Write { value, .. }, _) => (None, Some(value.clone()), None),
            (Op::Cas { expected, .. }, Outcome::Fail(Failure::Mismatch { current })) => match current {
                Some(current) => (Some(current.clone()), None, Some(expected.clone())),
                None => (None, None, Some(expected.clone())),
            },
            (Op::Cas { expected, new, .. }, _) => (Some(expected.clone()), Some(new.clone()), None),
            _ => continue,
        };
        acts.push(Act {
            process: operation.process,
            invoked: operation.invoked,
            key: operation.op.key().clone(),
            sees,
            writes,
            not,
            open: operation.completed == OPEN,
        });
    }
    acts
}

/// Whether the history has the guarantee, all registers beginning with 0.
pub fn has(history: &History, guarantee: Guarantee) -> bool {
    let acts = acts(history);
    match guarantee {
        Guarantee::SequentialConsistency => sequential(&acts, &mut vec![false; acts.len()], &mut Vec::new()),
        Guarantee::SequentialPerKey => {
            let mut keys: Vec<&Key> = acts.iter().map(|act| &act.key).collect();
            keys.sort_unstable();
            keys.dedup();
            keys.iter().all(|key| {
                let of: Vec<Act> = acts.iter().filter(|act| act.key == **key).cloned().collect();
                sequential(&of, &mut vec![false; of.len()], &mut Vec::new())
            })
        }
        _ => subsets(&acts).into_iter().any(|happened| {
            // A cas that changes nothing is a read.
            let happened: Vec<Act> = (happened.into_iter())
                .map(|act| {
                    if act.sees == act.writes {
                        Act { writes: None, ..act }
                    } else {
                        act
                    }
                })
                .collect();
            any_sources(&happened, &mut Vec::new(), &|sources| match guarantee {
                Guarantee::CausalConvergence => convergent(&happened, sources),
                session => any_orders(&happened, sources, session),
            })
        }),
    }
}

/// Puts one act after the other, each process in order, open ones or not.
fn sequential(acts: &[Act], done: &mut Vec<bool>, state: &mut Vec<(Key, Value)>) -> bool {
    if (0..acts.len()).all(|act| done[act] || acts[act].open) {
        return true;
    }
    for number in 0..acts.len() {
        let act = &acts[number];
        let held_up = (0..acts.len()).any(|other| {
            !done[other] && acts[other].process == act.process && acts[other].invoked < act.invoked
        });
        let value = state.iter().rev().find(|(key, _)| *key == act.key);
        let value = value.map_or(Value::Int(0), |(_, value)| value.clone());
        let legal = act.sees.as_ref().is_none_or(|seen| *seen == value) && act.not.as_ref() != Some(&value);
        if done[number] || held_up || !legal {
            continue;
        }
        done[number] = true;
        let before = state.len();
        state.extend(act.writes.clone().map(|new| (act.key.clone(), new)));
        let found = sequential(acts, done, state);
        state.truncate(before);
        done[number] = false;
        if found {
            return true;
        }
    }
    false
}

fn subsets(acts: &[Act]) -> Vec<Vec<Act>> {
    let open: Vec<usize> = (0..acts.len()).filter(|&act| acts[act].open).collect();
    (0..1usize << open.len())
        .map(|mask| {
            let left_out = |act: usize| {
                open.iter()
                    .position(|&o| o == act)
                    .is_some_and(|bit| mask >> bit & 1 == 0)
            };
            (0..acts.len())
                .filter(|&act| !left_out(act))
                .map(|act| acts[act].clone())
                .collect()
        })
        .collect()
}

fn before(acts: &[Act], x: usize, y: usize) -> bool {
    acts[x].process == acts[y].process && acts[x].invoked < acts[y].invoked
}

fn any_sources(acts: &[Act], sources: &mut Vec<usize>, test: &dyn Fn(&[usize]) -> bool) -> bool {
    let number = sources.len();
    let Some(act) = acts.get(number) else {
        return test(sources);
    };
    let mut choices: Vec<usize> = Vec::new();
    match &act.sees {
        // No source is asked for.
        None => choices.push(INITIAL),
        Some(seen) => {
            choices.extend((*seen == Value::Int(0)).then_some(INITIAL));
            let wrote =
                |other: usize| acts[other].key == act.key && acts[other].writes.as_ref() == Some(seen);
            choices.extend(
                (0..acts.len())
                    .filter(|&other| other != number && wrote(other) && !before(acts, number, other)),
            );
        }
    }
    choices.into_iter().any(|choice| {
        sources.push(choice);
        let found = any_sources(acts, sources, test);
        sources.pop();
        found
    })
}

fn permutations(items: &mut Vec<usize>, from: usize, test: &mut dyn FnMut(&[usize]) -> bool) -> bool {
    if from == items.len() {
        return test(items);
    }
    for place in from..items.len() {
        items.swap(from, place);
        let found = permutations(items, from + 1, test);
        items.swap(from, place);
        if found {
            return true;
        }
    }
    false
}

/// Whether the writes of each key have an order that fulfils a session guarantee. One permutation of all
/// writes orders each key's.
fn any_orders(acts: &[Act], sources: &[usize], guarantee: Guarantee) -> bool {
    let mut writes: Vec<usize> = (0..acts.len())
        .filter(|&act| acts[act].writes.is_some())
        .collect();
    permutations(&mut writes, 0, &mut |order| {
        let place = |write: usize| match write {
            INITIAL => -1,
            write => order
                .iter()
                .position(|&other| other == write)
                .map_or(-1, |place| place as i64),
        };
        let same_key = |x: usize, y: usize| acts[x].key == acts[y].key;
        let base = order.iter().all(|&y| {
            let own = order
                .iter()
                .all(|&x| !(same_key(x, y) && before(acts, x, y)) || place(x) < place(y));
            own && (acts[y].sees.is_none() || place(sources[y]) < place(y))
        });
        base && fulfils(acts, sources, guarantee, &place)
    })
}

fn fulfils(acts: &[Act], sources: &[usize], guarantee: Guarantee, place: &dyn Fn(usize) -> i64) -> bool {
    let all = || 0..acts.len();
    let reads = |act: usize| acts[act].sees.is_some();
    let same_key = |x: usize, y: usize| acts[x].key == acts[y].key;
    let goes_on = |r1: usize, r2: usize| r1 == r2 || before(acts, r1, r2);
    // Whether who was answered at r1 with w3 sees x from then on.
    let sees_from = |r1: usize, x: usize, key: usize| {
        all().all(|r2| !(reads(r2) && goes_on(r1, r2) && same_key(key, r2)) || place(x) <= place(sources[r2]))
    };
    match guarantee {
        Guarantee::ReadYourWrites => all().all(|w| {
            acts[w].writes.is_none()
                || all().all(|r| {
                    !(reads(r) && before(acts, w, r) && same_key(w, r)) || place(w) <= place(sources[r])
                })
        }),
        Guarantee::MonotonicReads => all().all(|r1| {
            !reads(r1)
                || all().all(|r2| {
                    !(reads(r2) && before(acts, r1, r2) && same_key(r1, r2))
                        || place(sources[r1]) <= place(sources[r2])
                })
        }),
        Guarantee::MonotonicWrites => all().filter(|&r1| reads(r1) && sources[r1] != INITIAL).all(|r1| {
            let w3 = sources[r1];
            all().all(|w2| !(acts[w2].writes.is_some() && before(acts, w2, w3)) || sees_from(r1, w2, w2))
        }),
        Guarantee::WritesFollowReads => all().filter(|&r1| reads(r1) && sources[r1] != INITIAL).all(|r1| {
            let w3 = sources[r1];
            all().all(|r0| !(reads(r0) && goes_on(r0, w3)) || sees_from(r1, sources[r0], r0))
        }),
        _ => unreachable!("not a session guarantee"),
    }
}

fn convergent(acts: &[Act], sources: &[usize]) -> bool {
    let count = acts.len();
    let mut past = vec![vec![false; count]; count];
    for y in 0..count {
        for (x, row) in past.iter_mut().enumerate() {
            row[y] = before(acts, x, y) || (acts[y].sees.is_some() && sources[y] == x);
        }
    }
    for k in 0..count {
        for x in 0..count {
            for y in 0..count {
                past[x][y] |= past[x][k] && past[k][y];
            }
        }
    }
    if (0..count).any(|x| past[x][x]) {
        return false;
    }
    let mut writes: Vec<usize> = (0..count).filter(|&act| acts[act].writes.is_some()).collect();
    permutations(&mut writes, 0, &mut |order| {
        let extends =
            (0..order.len()).all(|later| (0..later).all(|earlier| !past[order[later]][order[earlier]]));
        extends
            && (0..count).filter(|&r| acts[r].sees.is_some()).all(|r| {
                let mut visible = order
                    .iter()
                    .rev()
                    .filter(|&&w| past[w][r] && acts[w].key == acts[r].key);
                visible.next().copied().unwrap_or(INITIAL) == sources[r]
            })
    })
}
