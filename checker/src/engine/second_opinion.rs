//! A second opinion for the search: runs through the events and keeps the set of all configurations.
//!
//! It shares nothing with the search but the model: no order of trying, no memo, no pruning. It is slower,
//! and it gives up early, but what it says is easy to believe (Lowe's configurations; Knossos' `linear`).

use history::OPEN;
use rustc_hash::FxHashSet;

use crate::model::{Call, Model};

/// How many configurations it keeps or makes for one event at most.
const MOST_CONFIGURATIONS: usize = 10_000;
/// How many configurations it makes in all at most.
const MOST_WORK: usize = 200_000;

/// What it found out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Replay {
    /// There is an order.
    Possible,
    /// There is none.
    Impossible,
    /// There were too many configurations.
    GaveUp,
}

/// Whether the calls, cut off behind position `until`, have a linearization.
pub(crate) fn replay<M: Model>(model: &M, calls: &[Call<M::Op>], until: u64) -> Replay {
    let mut events = Vec::new();
    for (index, call) in calls.iter().enumerate() {
        events.push((call.start, index, true));
        events.push((call.finish, index, false));
    }
    events.retain(|(position, ..)| *position <= until && *position != OPEN);
    events.sort_unstable();

    // A state, and which of the running operations are linearized already (sorted).
    type Configuration<S> = (S, Vec<usize>);
    let mut running: Vec<usize> = Vec::new();
    let mut now: FxHashSet<Configuration<M::State>> = FxHashSet::from_iter([(model.init(), Vec::new())]);
    let (mut work, mut next) = (0, Vec::new());
    for (_, index, begins) in events {
        if begins {
            running.push(index);
            continue;
        }
        // Everything that can happen before `index` completes.
        let mut todo: Vec<_> = now.iter().cloned().collect();
        while let Some((state, done)) = todo.pop() {
            // Once it is linearized the rest can wait.
            if done.binary_search(&index).is_ok() {
                continue;
            }
            for &other in &running {
                let Err(place) = done.binary_search(&other) else {
                    continue;
                };
                model.steps(&state, &calls[other].op, &mut next);
                for after in next.drain(..) {
                    let mut done = done.clone();
                    done.insert(place, other);
                    work += 1;
                    if now.insert((after.clone(), done.clone())) {
                        todo.push((after, done));
                    }
                }
            }
            if now.len() > MOST_CONFIGURATIONS || work > MOST_WORK {
                return Replay::GaveUp;
            }
        }
        now = now
            .into_iter()
            .filter_map(|(state, mut done)| {
                let place = done.binary_search(&index).ok()?;
                done.remove(place);
                Some((state, done))
            })
            .collect();
        running.retain(|other| *other != index);
        if now.is_empty() {
            return Replay::Impossible;
        }
    }
    Replay::Possible
}
