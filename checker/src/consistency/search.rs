//! A bounded search for an order of all operations, for values that repeat and for what the quick ways leave
//! open.
//!
//! A configuration is how far each process has come and what the registers hold; each is looked at once.
//! Operations that write nothing take effect at once where they are legal, which loses nothing: they hold up
//! no one. Depth first, with the write that was acknowledged first tried first.

use rustc_hash::FxHashSet;

use super::steps::{NONE, Trace};

/// How a search ended.
pub(super) enum Searched {
    /// An order of steps that explains every answer.
    Found(Vec<u32>),
    /// There is none.
    Exhausted,
    /// More configurations than allowed.
    GaveUp,
}

/// Searches through at most `configurations` configurations that take at most `cells` numbers together, of
/// which no more than `work` are written.
pub(super) fn search(trace: &Trace, configurations: usize, cells: usize, work: u64) -> Searched {
    let processes = trace.by_process.len();
    let width = processes + trace.keys.len();
    let most = configurations.min(cells / width.max(1));
    let mut start = vec![0u32; width];
    start[processes..].copy_from_slice(&trace.initial);
    let mut seen: FxHashSet<Box<[u32]>> = FxHashSet::default();
    let mut order: Vec<u32> = Vec::new();
    // A configuration before its writes-nothing steps, the length of the order that led to it, and its last
    // step.
    let mut stack: Vec<(Box<[u32]>, usize, u32)> = vec![(start.into(), 0, NONE)];
    let mut written = 0u64;
    while let Some((mut at, length, last)) = stack.pop() {
        written += width as u64;
        order.truncate(length);
        if last != NONE {
            order.push(last);
        }
        settle(trace, &mut at, &mut order);
        if is_end(trace, &at) {
            return Searched::Found(order);
        }
        if seen.contains(&at) {
            continue;
        }
        if seen.len() >= most || stack.len() >= most || written > work {
            return Searched::GaveUp;
        }
        let mut choices: Vec<(u64, u32)> = Vec::new();
        for (process, steps) in trace.by_process.iter().enumerate() {
            let Some(&number) = steps.get(at[process] as usize) else {
                continue;
            };
            let step = &trace.steps[number as usize];
            let holds = at[processes + step.key as usize];
            if step.writes != NONE && (step.sees == NONE || step.sees == holds) {
                choices.push((step.finish, number));
            }
        }
        choices.sort_unstable();
        written += (width * choices.len()) as u64;
        for &(_, number) in choices.iter().rev() {
            let step = &trace.steps[number as usize];
            let mut next = at.clone();
            next[step.process as usize] += 1;
            next[processes + step.key as usize] = step.writes;
            stack.push((next, order.len(), number));
        }
        seen.insert(at);
    }
    Searched::Exhausted
}

/// Takes all steps that write nothing and are legal.
fn settle(trace: &Trace, at: &mut [u32], order: &mut Vec<u32>) {
    let processes = trace.by_process.len();
    for (process, steps) in trace.by_process.iter().enumerate() {
        while let Some(&number) = steps.get(at[process] as usize) {
            let step = &trace.steps[number as usize];
            let holds = at[processes + step.key as usize];
            if step.writes != NONE || (step.sees != NONE && step.sees != holds) || step.not == holds {
                break;
            }
            order.push(number);
            at[process] += 1;
        }
    }
}

/// Whether nothing but open steps is left.
fn is_end(trace: &Trace, at: &[u32]) -> bool {
    let mut processes = trace.by_process.iter().zip(at);
    processes.all(|(steps, &place)| {
        let next = steps.get(place as usize);
        next.is_none_or(|&next| trace.steps[next as usize].is_open())
    })
}
