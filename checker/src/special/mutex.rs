//! Locks without owner: exact, O(n log n).
//!
//! Takings and releases alternate, and those of a kind are interchangeable. One walk through the events decides, putting
//! off everything until a completion asks for it: a taking that completes while the lock is taken asks for a release, and
//! the other way round; of those that are running the one that completes first goes first, open ones last.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use history::{History, OPEN};

use super::Contradiction;
use crate::describe::describe;
use crate::model::Calls;
use crate::models::{Mutex, MutexOp};
use crate::search::Stuck;
use crate::sentences::{self, start};
use crate::validate;
use crate::verdict::{Conflict, Decision, Rule};

/// What runs, by the time at which it completes.
type Running = BinaryHeap<Reverse<(u64, usize)>>;

/// Judges a lock.
pub(crate) fn decide(history: &History, calls: &Calls<MutexOp>) -> Decision {
    let mut events: Vec<(u64, usize)> = Vec::with_capacity(2 * calls.calls.len());
    for (number, call) in calls.calls.iter().enumerate() {
        events.push((call.start, number));
        if call.finish != OPEN {
            events.push((call.finish, number));
        }
    }
    events.sort_unstable();
    let mut order: Vec<usize> = Vec::with_capacity(calls.calls.len());
    let mut placed = vec![false; calls.calls.len()];
    let (mut takings, mut releases) = (Running::new(), Running::new());
    let mut is_taken = false;
    for (position, number) in events {
        let call = &calls.calls[number];
        if position == call.start {
            match call.op {
                MutexOp::Acquire => takings.push(Reverse((call.finish, number))),
                MutexOp::Release => releases.push(Reverse((call.finish, number))),
            }
            continue;
        }
        while !placed[number] {
            let running = if is_taken { &mut releases } else { &mut takings };
            // The other kind first if need be, then this one, which is the first to complete of its kind.
            match running.pop() {
                Some(Reverse((_, next))) => {
                    placed[next] = true;
                    order.push(next);
                    is_taken = !is_taken;
                }
                None => return stuck(history, calls, number, order, &placed),
            }
        }
    }
    super::valid(&Mutex, calls, &order)
}

fn stuck(
    history: &History,
    calls: &Calls<MutexOp>,
    number: usize,
    order: Vec<usize>,
    placed: &[bool],
) -> Decision {
    let blocked = &calls.calls[number];
    if let Some(&before) = order.last()
        && let Some(found) = held_twice(history, calls, before, number)
    {
        return super::conflict(history, calls, found, Vec::new(), true);
    }
    let is_pending = |other: &usize| {
        let call = &calls.calls[*other];
        !placed[*other] && *other != number && call.start < blocked.finish && call.finish != OPEN
    };
    let stuck = Stuck {
        operation: number,
        last_change: order.last().copied(),
        pending: (0..calls.calls.len()).filter(is_pending).collect(),
        prefix: order,
    };
    let conflict = sentences::no_order(history, stuck.map(|number| calls.indices[number]));
    match validate::no_order(&Mutex, calls, &conflict) {
        Ok(confirmed) => Decision::Invalid(Box::new(Conflict {
            confirmed,
            ..conflict
        })),
        Err(why) => Decision::Unknown(format!("internal: the conflict is wrong: {why}")),
    }
}

/// Two of a kind of which both completed, while none of the other kind ran: nothing can stand between them.
fn held_twice(history: &History, calls: &Calls<MutexOp>, one: usize, other: usize) -> Option<Contradiction> {
    let [a, b] = [one, other].map(|number| &calls.calls[number]);
    let (from, until) = (a.start.min(b.start), a.finish.max(b.finish));
    let is_between = calls
        .calls
        .iter()
        .any(|call| call.op != a.op && call.start < until && from < call.finish);
    if a.op != b.op || until == OPEN || is_between {
        return None;
    }
    let of = |number: usize| &history.operations[calls.indices[number]];
    let (both, none) = match a.op {
        MutexOp::Acquire => ("took the lock", "given back"),
        MutexOp::Release => ("gave the lock back", "taken"),
    };
    Some(Contradiction {
        rule: Rule::TwoHolders,
        shown: vec![one, other],
        about: Vec::new(),
        also: Vec::new(),
        sentences: vec![
            format!("{} and {} both {both}.", start(of(one)), describe(of(other))),
            format!("It cannot have been {none} between the two: nobody tried."),
        ],
        stale_by_ns: None,
    })
}
