//! Locks without owner that no one found taken: exact, O(n log n).
//!
//! Takings and releases alternate, and those of a kind are interchangeable. One walk through the events
//! decides, putting off everything until a completion asks for it: a taking that completes while the lock is
//! taken asks for a release, and the other way round; of those that are running the one that completes first
//! goes first, open ones last.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use history::{History, OPEN};

use super::mutex::{Mutex, MutexOp};
use crate::engine::by_search::no_order;
use crate::engine::publish::{self, Contradiction};
use crate::engine::search::Stuck;
use crate::engine::validate;
use crate::model::Calls;
use crate::sentence::{op, sentence};
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
                // Left to the search.
                MutexOp::Held => {}
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
    publish::valid(&Mutex, calls, &order)
}

/// The conflict of a call that cannot be placed: too many of its kind in too short a time, or at least the
/// longest prefix.
fn stuck(
    history: &History,
    calls: &Calls<MutexOp>,
    number: usize,
    order: Vec<usize>,
    placed: &[bool],
) -> Decision {
    let blocked = &calls.calls[number];
    if let Some(crowd) = Crowd::find(calls, number) {
        return crowd.decision(history, calls);
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
    let state = calls.state_after(&Mutex, &stuck.prefix);
    let conflict = no_order(history, stuck.map(|number| calls.indices[number]), state);
    match validate::no_order(&Mutex, calls, &conflict) {
        Ok(confirmed) => Decision::Invalid(Box::new(Conflict {
            confirmed,
            ..conflict
        })),
        Err(why) => Decision::unknown(format!("internal: the conflict is wrong: {why}")),
    }
}

/// Calls of one kind that all ran within some time, too many for the calls of the other kind that ran at that
/// time at all: between any two of them there must be one of those. The lock is free at first, so a release
/// needs a taking also before the first one.
struct Crowd {
    /// The call that makes it too many.
    last: usize,
    /// When the time begins; `None` for the beginning of the history.
    after: Option<u64>,
}

impl Crowd {
    /// The shortest time that ends with the completion of a call and in which there are too many like it.
    fn find(calls: &Calls<MutexOp>, last: usize) -> Option<Crowd> {
        let of = |number: usize| &calls.calls[number];
        let (kind, end) = (of(last).op, of(last).finish);
        let mut events: Vec<(u64, bool)> = Vec::new();
        // Those of the other kind that were still running at the end.
        let mut others = 0;
        for call in calls.calls.iter().filter(|call| call.start < end) {
            if call.op == kind && call.finish <= end {
                events.push((call.start, true));
            } else if call.op != kind && call.finish < end {
                events.push((call.finish, false));
            } else {
                others += usize::from(call.op != kind);
            }
        }
        events.sort_unstable();
        let mut alike = 0;
        for &(position, is_alike) in events.iter().rev() {
            if is_alike {
                alike += 1;
                if alike >= others + 2 {
                    return Some(Crowd {
                        last,
                        after: Some(position),
                    });
                }
            } else {
                others += 1;
            }
        }
        (kind == MutexOp::Release && alike > others).then_some(Crowd { last, after: None })
    }

    /// The conflict, once it is counted again.
    fn decision(&self, history: &History, calls: &Calls<MutexOp>) -> Decision {
        /// How many calls are named.
        const MOST_NAMED: usize = 4;
        let last = &calls.calls[self.last];
        let is_within = |start: u64| self.after.is_none_or(|after| start >= after);
        let mut alike = Vec::new();
        let mut others = Vec::new();
        for (number, call) in calls.calls.iter().enumerate() {
            if call.op == last.op && is_within(call.start) && call.finish <= last.finish {
                alike.push(number);
            } else if call.op != last.op && is_within(call.finish) && call.start < last.finish {
                others.push(number);
            }
        }
        let free_at_first = usize::from(self.after.is_none());
        if alike.len() + free_at_first < others.len() + 2
            || (free_at_first == 1 && last.op != MutexOp::Release)
        {
            return Decision::unknown("internal: the conflict is wrong: there are not too many".to_owned());
        }
        let (verb, back, article) = match last.op {
            MutexOp::Acquire => ("acquired the lock", "release", "a"),
            MutexOp::Release | MutexOp::Held => ("released the lock", "acquire", "an"),
        };
        alike.sort_by_key(|&number| calls.calls[number].start);
        alike.retain(|&number| number != self.last);
        let shown: Vec<usize> = [self.last]
            .into_iter()
            .chain(alike.iter().copied().take(MOST_NAMED - 1))
            .collect();
        let sentences = match (alike[..].first(), alike.len() + 1, others.len()) {
            (Some(&other), 2, 0) => vec![
                sentence![op(other), " and ", op(self.last), format!(" both {verb}.")],
                format!("There was no {back} between the two.").into(),
            ],
            (Some(&first), count, others) => vec![
                sentence![
                    "From ",
                    op(first),
                    " to ",
                    op(self.last),
                    format!(", {count} calls {verb}.")
                ],
                format!(
                    "There must be {article} {back} between any two of them, but only {others} ran then."
                )
                .into(),
            ],
            (None, ..) => vec![sentence![
                op(self.last),
                " released a lock that no process had begun to acquire."
            ]],
        };
        let found = Contradiction {
            rule: Rule::TwoHolders,
            shown,
            about: Vec::new(),
            also: Vec::new(),
            sentences,
            stale_by_ns: None,
        };
        publish::conflict(history, calls, found, Vec::new(), true)
    }
}
