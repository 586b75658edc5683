//! Histories of harnesses that record whole operations, each with the times of its call and its return.
//!
//! Both ends belong to an operation: one that is called at the moment at which another returns overlaps it,
//! as a clock may tell the same time twice (Porcupine, `model.go`).

use rustc_hash::FxHashMap;

use crate::{History, Ns, OPEN, Op, Operation, Outcome};

/// One operation.
pub(crate) struct Interval {
    /// Who called it. What one client called before an earlier operation of its own had returned is
    /// attributed to a process of its own.
    pub client: i64,
    pub op: Op,
    pub outcome: Outcome,
    /// Nanoseconds on one clock.
    pub call_ns: i64,
    /// When it returned, or when the client gave up.
    pub return_ns: i64,
}

/// The history of some operations, in any order.
pub(crate) fn history(mut intervals: Vec<Interval>) -> History {
    intervals.sort_by_key(|interval| interval.call_ns);
    // Times before the start of the clock are shifted, so that none is negative.
    let first_ns = intervals.first().map_or(0, |interval| interval.call_ns).min(0);
    let since = |ns: i64| u64::try_from(i128::from(ns) - i128::from(first_ns)).unwrap_or(0);
    // Calls come before returns of the same time.
    let mut ends: Vec<(i64, bool, usize)> = Vec::with_capacity(intervals.len() * 2);
    for (number, interval) in intervals.iter().enumerate() {
        ends.push((interval.call_ns, false, number));
        if !interval.outcome.is_info() {
            ends.push((interval.return_ns.max(interval.call_ns), true, number));
        }
    }
    ends.sort_unstable();
    let mut history = History::default();
    // The process of each client and when it is free again; `None` for never.
    let mut processes: FxHashMap<i64, (u32, Option<i64>)> = FxHashMap::default();
    let mut next = 0;
    for Interval {
        client,
        op,
        outcome,
        call_ns,
        return_ns,
    } in intervals
    {
        let free_ns = (!outcome.is_info()).then_some(return_ns);
        let process = match processes.get(&client) {
            Some((process, Some(free))) if *free < call_ns => *process,
            _ => {
                next += 1;
                next - 1
            }
        };
        processes.insert(client, (process, free_ns));
        history.end_ns = history.end_ns.max(since(return_ns)).max(since(call_ns));
        history.operations.push(Operation {
            process,
            op,
            outcome,
            invoked: 0,
            completed: OPEN,
            invoked_ns: since(call_ns),
            completed_ns: Some(Ns::new(since(return_ns))),
            node: None,
        });
    }
    for (position, (_, is_return, number)) in (0..).zip(ends) {
        let operation = &mut history.operations[number];
        match is_return {
            true => operation.completed = position,
            false => operation.invoked = position,
        }
    }
    history
}
