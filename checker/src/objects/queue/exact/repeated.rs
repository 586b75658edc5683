//! Queues into which a value was put more than once.
//!
//! Operations that are equal can change places in an order, so of two that are equal, and of which one both
//! begins and ends first, that one may go first. Where that arranges all that put a value in, and all that
//! took it out, the n-th that came out may be taken for the n-th that went in: what is first in is first out,
//! and without an order they are all the same. Then every value is put in once ([`super`]).
//!
//! Where one began first and another one ended first, both arrangements are tried, value by value where they
//! contradict themselves: an order that is found is one, a contradiction among other values stands, and
//! otherwise the search must help.

use history::{OPEN, Value};
use rustc_hash::{FxHashMap, FxHashSet};

use super::super::op::QueueOp;
use super::{Found, Queue};
use crate::engine::publish::{Contradiction, Judged};
use crate::engine::supply::Supply;
use crate::model::{Call, Calls};

/// How many arrangements are tried.
const MOST_ARRANGEMENTS: usize = 100;

/// Where a value went in and came out, by call number.
#[derive(Default)]
struct Ways {
    into: Vec<usize>,
    out: Vec<usize>,
}

/// Judges a queue that is empty at first.
pub(super) fn judge(calls: &Calls<QueueOp>, is_fifo: bool) -> Found {
    let judged = try_judge(calls, is_fifo).unwrap_or_else(|judged| judged);
    let taken = Vec::new();
    Found { judged, taken }
}

fn try_judge(calls: &Calls<QueueOp>, is_fifo: bool) -> Result<Judged, Judged> {
    let queue = Queue::empty(calls, is_fifo);
    let mut by_value: FxHashMap<&Value, Ways> = FxHashMap::default();
    let (mut empties, mut has_takes) = (Vec::new(), false);
    for (number, call) in calls.calls.iter().enumerate() {
        match &call.op {
            QueueOp::Enqueue(value) => by_value.entry(value).or_default().into.push(number),
            QueueOp::Dequeue(value) => by_value.entry(value).or_default().out.push(number),
            QueueOp::Empty => empties.push(number),
            QueueOp::Take => has_takes = true,
        }
    }
    if let Some(found) = too_often(&queue, &mut by_value) {
        return Err(Judged::Contradiction(found));
    }
    // No one knows what else came out.
    if has_takes {
        return Err(Judged::Other);
    }
    // Values whose operations are arranged by how they end, not by how they begin.
    let mut by_end: FxHashSet<&Value> = FxHashSet::default();
    for _ in 0..MOST_ARRANGEMENTS {
        let mut queue = Queue::empty(calls, is_fifo);
        queue.empties.clone_from(&empties);
        let mut unclear: FxHashSet<&Value> = FxHashSet::default();
        for (&value, ways) in &mut by_value {
            let key = if by_end.contains(value) {
                by_finish
            } else {
                by_start
            };
            let is_clear = arrange(calls, &mut ways.into, key) & arrange(calls, &mut ways.out, key);
            unclear.extend((!is_clear).then_some(value));
            queue.pair(value, ways);
        }
        queue.items.sort_unstable_by_key(|item| item.into[0]);
        let misfit = queue.items.iter().find(|item| item.out[1] < item.into[0]);
        let about = match misfit.map(|item| item.value.clone()) {
            Some(value) => vec![value],
            None => match queue.judge() {
                Ok(Some(order)) => return Ok(Judged::Order(order)),
                Ok(None) => break,
                Err(found) if !found.about.iter().any(|value| unclear.contains(value)) => {
                    return Err(Judged::Contradiction(found));
                }
                Err(found) => found.about,
            },
        };
        let unclear = unclear.into_iter().filter(|value| about.contains(value));
        let before = by_end.len();
        by_end.extend(unclear);
        if by_end.len() == before {
            break;
        }
    }
    Err(Judged::Other)
}

fn by_start(call: &Call<QueueOp>) -> (u64, u64) {
    (call.start, call.finish)
}

fn by_finish(call: &Call<QueueOp>) -> (u64, u64) {
    (call.finish, call.start)
}

/// Arranges equal operations; whether each both begins and ends before the next.
fn arrange(calls: &Calls<QueueOp>, numbers: &mut [usize], key: fn(&Call<QueueOp>) -> (u64, u64)) -> bool {
    numbers.sort_unstable_by_key(|&number| key(&calls.calls[number]));
    numbers.windows(2).all(|pair| {
        let [first, then] = [&calls.calls[pair[0]], &calls.calls[pair[1]]];
        first.start < then.start && first.finish <= then.finish
    })
}

/// A value that came out more often than it can have been put in by then.
fn too_often<'a>(queue: &Queue<'a>, by_value: &mut FxHashMap<&'a Value, Ways>) -> Option<Contradiction> {
    let calls = &queue.calls.calls;
    let into = by_value.iter().flat_map(|(value, ways)| {
        let starts = ways.into.iter().map(|&number| calls[number].start);
        starts.map(|start| (*value, start))
    });
    let supply = Supply::new(into);
    let mut found: Option<(u64, &Value, usize, usize)> = None;
    for (value, ways) in by_value.iter_mut() {
        ways.out.sort_unstable_by_key(|&number| calls[number].finish);
        for (before, &number) in ways.out.iter().enumerate() {
            let finish = calls[number].finish;
            let most = supply.before(value, finish);
            if most <= before && found.is_none_or(|(first, ..)| finish < first) {
                found = Some((finish, value, number, most));
            }
        }
    }
    found.map(|(_, value, number, most)| match most {
        0 => queue.phantom(value, number),
        _ => queue.taken_too_often(value, number, most),
    })
}

impl<'a> Queue<'a> {
    /// Takes the n-th that came out for the n-th that went in.
    fn pair(&mut self, value: &'a Value, ways: &Ways) {
        for (place, &enqueue) in ways.into.iter().enumerate() {
            let dequeue = ways.out.get(place).copied();
            // What no one saw may as well never have been put in.
            if dequeue.is_some() || self.call(enqueue).finish != OPEN {
                self.items.push(self.item(value, enqueue, dequeue));
            }
        }
    }
}
