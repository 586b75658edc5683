//! A register whose changes can be followed (`watch`).
//!
//! Every write gets a revision, greater than those of all writes before; it may answer with it. A watch from
//! a revision answers with a revision up to which it heard, at least that of the last write, and with every
//! write from the one to the other, each once, in order, with its value. Revisions need not be consecutive:
//! others may count on the same scale. A write that ended with `info` may take effect at any time after its
//! invocation, or never; a failed one never does; a watch that failed or ended with `info` tells nothing.
//!
//! A store may drop old revisions. A watch that asked for dropped ones answers with a third part as well: the
//! first revision from which it heard everything. What lies between the two, and only that, is unseen and
//! proves nothing, neither that the store kept it nor that it lost it.
//!
//! Source: etcd's guarantees for watches (ordered, unique, reliable, atomic; etcd API guarantees), and the
//! check of watches in etcd's robustness tests.
//!
//! As an object: its state is the list of all writes, and a watch shows the last of them. A write whose
//! revision no one told may have any that fits, so each carries the bounds of what it can be.

use std::sync::Arc;

use history::units::{grouped, plural};
use history::{History, Op, Operation, Outcome, Value};

use crate::model::{Model, Recorded, answer, array_bytes, in_order};

/// A register that was never written at first, whose changes can be followed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Watched;

/// What can be done to a [`Watched`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum WatchedOp {
    /// This was written, with this revision where it is known.
    Write(Value, Option<i64>),
    /// Changes were asked for.
    Watch {
        /// The first revision that it was to hear of and that the store had not dropped.
        from: i64,
        /// The revision up to which it heard.
        through: i64,
        /// The revisions and values of which it heard.
        events: Arc<Vec<(i64, Value)>>,
    },
}

/// One write of a [`Watched`]'s past.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Event {
    value: Value,
    /// The least and the greatest revision that it can have.
    least: i64,
    most: i64,
}

/// The past of a [`Watched`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct WatchedState {
    events: Vec<Event>,
    /// Up to where watches have heard: what is written later has a greater revision.
    heard: Option<i64>,
}

impl WatchedState {
    /// Draws what follows for the other writes from what was learnt about the one at `place`; whether that is
    /// possible.
    fn settle(&mut self, place: usize) -> bool {
        let is_possible = |event: &Event| event.least <= event.most;
        if !is_possible(&self.events[place]) {
            return false;
        }
        for place in (0..place).rev() {
            let most = self.events[place + 1].most.saturating_sub(1);
            let event = &mut self.events[place];
            if event.most <= most {
                break;
            }
            event.most = most;
            if !is_possible(event) {
                return false;
            }
        }
        for place in place + 1..self.events.len() {
            let least = self.events[place - 1].least.saturating_add(1);
            let event = &mut self.events[place];
            if event.least >= least {
                break;
            }
            event.least = least;
            if !is_possible(event) {
                return false;
            }
        }
        true
    }
}

impl Model for Watched {
    type Op = WatchedOp;
    type State = WatchedState;

    fn init(&self) -> WatchedState {
        WatchedState::default()
    }

    fn apply(&self, state: &mut WatchedState, op: &WatchedOp) -> bool {
        match op {
            WatchedOp::Write(value, revision) => {
                let before = state.events.last().map(|last| last.least).max(state.heard);
                let lowest = before.map_or(i64::MIN, |before| before.saturating_add(1));
                let (least, most) = revision.map_or((lowest, i64::MAX), |told| (told, told));
                let place = state.events.len();
                state.events.push(Event {
                    value: value.clone(),
                    least,
                    most,
                });
                least >= lowest && state.settle(place)
            }
            WatchedOp::Watch {
                from,
                through,
                events,
            } => {
                state.heard = state.heard.max(Some(*through));
                let Some(before) = state.events.len().checked_sub(events.len()) else {
                    return false;
                };
                for (place, (revision, value)) in (before..).zip(&**events) {
                    let event = &mut state.events[place];
                    let is_possible = event.value == *value
                        && (*from..=*through).contains(revision)
                        && (event.least..=event.most).contains(revision);
                    (event.least, event.most) = (*revision, *revision);
                    if !is_possible || !state.settle(place) {
                        return false;
                    }
                }
                // Whatever it did not tell lies before its range.
                let Some(last) = before.checked_sub(1) else {
                    return true;
                };
                let most = &mut state.events[last].most;
                *most = (*most).min(from.saturating_sub(1)).min(*through);
                state.settle(last)
            }
        }
    }

    fn heap_bytes(&self, state: &WatchedState) -> usize {
        array_bytes::<Event>(state.events.capacity())
    }
}

impl Recorded for Watched {
    fn op(&self, operation: &Operation) -> Option<WatchedOp> {
        match (&operation.op, &operation.outcome) {
            (_, Outcome::Fail(_)) => None,
            (Op::Write { value, .. }, _) => {
                let revision = match answer(operation) {
                    Some(Value::Int(revision)) => Some(*revision),
                    _ => None,
                };
                Some(WatchedOp::Write(value.clone(), revision))
            }
            (Op::Watch { from, .. }, Outcome::Ok(_)) => {
                let heard = heard(answer(operation)?)?;
                Some(WatchedOp::Watch {
                    from: heard.begun.map_or(*from, |begun| begun.max(*from)),
                    through: heard.through,
                    events: Arc::new(heard.events),
                })
            }
            _ => None,
        }
    }
}

/// What a watch answered.
struct Heard {
    /// Up to where it heard.
    through: i64,
    /// The revisions with their values.
    events: Vec<(i64, Value)>,
    /// From where on, if the store had dropped what came before.
    begun: Option<i64>,
}

fn heard(answer: &Value) -> Option<Heard> {
    let (through, events, begun) = match in_order(answer)? {
        [Value::Int(through), events] => (through, events, None),
        // Nothing that it has not yet reached can have been dropped.
        [Value::Int(through), events, Value::Int(begun)] if *begun <= through.saturating_add(1) => {
            (through, events, Some(*begun))
        }
        _ => return None,
    };
    let event = |event: &Value| match in_order(event)? {
        [Value::Int(revision), value] => Some((*revision, value.clone())),
        _ => None,
    };
    let events: Option<Vec<_>> = in_order(events)?.iter().map(event).collect();
    Some(Heard {
        through: *through,
        events: events?,
        begun,
    })
}

/// How many watches did not hear all that they asked for because the store had dropped it, in a sentence.
pub(super) fn unseen(history: &History) -> Vec<String> {
    let mut watches = 0_u64;
    let mut cut: Vec<u64> = Vec::new();
    for operation in &history.operations {
        if let (Op::Watch { from, .. }, Some(answer)) = (&operation.op, answer(operation)) {
            watches += 1;
            let begun = heard(answer).and_then(|heard| heard.begun);
            cut.extend(
                begun
                    .filter(|begun| begun > from)
                    .map(|begun| from.abs_diff(begun)),
            );
        }
    }
    match cut.iter().max() {
        None => Vec::new(),
        Some(most) => vec![format!(
            "{} of {} to watches leave out revisions that the store had dropped (compaction), at most {} at a \
             time; what it did with those is not judged by them.",
            grouped(cut.len() as u64),
            plural(watches, "answer"),
            grouped(*most)
        )],
    }
}

pub(super) fn readable(operation: &Operation) -> Result<(), &'static str> {
    let (is_readable, expected) = match (&operation.op, answer(operation)) {
        (Op::Watch { .. }, Some(answer)) => (
            heard(answer).is_some(),
            "a list of a revision and a list of [revision value], and of the first revision that was kept, if any was \
             not",
        ),
        (_, Some(revision)) => (
            matches!(revision, Value::Int(_) | Value::Nil),
            "an integer revision",
        ),
        (_, None) => (true, ""),
    };
    is_readable.then_some(()).ok_or(expected)
}
