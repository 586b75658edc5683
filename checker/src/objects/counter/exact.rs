//! Counters.
//!
//! *Bounds*, for any amounts: a read cannot show less than the start, plus what was certainly added before it
//! began, plus every subtraction that had begun before it ended; and likewise it has an upper bound. Where
//! nothing is subtracted, it also shows no less than any read that completed before it began, plus what was
//! certainly added between the two.
//!
//! *Equal amounts*: exact. Adds are interchangeable, so one walk through the events decides, putting off
//! every add until a completion asks for it: its own, or that of a read that shows more; then the one that
//! completes first goes first, open ones last. A read is placed as soon as the count fits. Putting off is
//! safe: it keeps the count low, and what was put off is there when it is needed. O(n log n).

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use history::{History, OPEN};
use rustc_hash::FxHashMap;

use super::model::{Counter, CounterOp};
use crate::engine::by_search::no_order;
use crate::engine::publish::{self, Contradiction};
use crate::engine::search::Stuck;
use crate::engine::validate;
use crate::model::Calls;
use crate::sentence::{op, sentence};
use crate::verdict::{Conflict, Decision, Rule};

/// A read outside of its bounds, if there is one.
pub(crate) fn out_of_bounds(
    counter: &Counter,
    history: &History,
    calls: &Calls<CounterOp>,
) -> Option<Decision> {
    let mut events: Vec<(u64, usize)> = Vec::new();
    for (number, call) in calls.calls.iter().enumerate() {
        events.push((call.start, number));
        if call.finish != OPEN {
            events.push((call.finish, number));
        }
    }
    events.sort_unstable();
    let initial = counter.initial;
    // Of what was added: what began and what completed so far, additions and subtractions apart.
    let (mut more_began, mut more_done, mut less_began, mut less_done) = (0i128, 0i128, 0i128, 0i128);
    // The bounds at its start of each read.
    let mut at_start: FxHashMap<usize, (i128, i128)> = FxHashMap::default();
    for (position, number) in events {
        let call = &calls.calls[number];
        let begins = position == call.start;
        match call.op {
            CounterOp::Add(amount) => {
                let amount = i128::from(amount);
                let (more, less) = if begins {
                    (&mut more_began, &mut less_began)
                } else {
                    (&mut more_done, &mut less_done)
                };
                *more += amount.max(0);
                *less += amount.min(0);
            }
            CounterOp::Read(_) if begins => {
                at_start.insert(number, (initial + more_done, initial + less_done));
            }
            CounterOp::Read(seen) => {
                let Some((more_before, less_before)) = at_start.remove(&number) else {
                    continue;
                };
                let lowest = more_before + less_began;
                let highest = less_before + more_began;
                if !(lowest..=highest).contains(&seen) {
                    let sentences = vec![
                        sentence![op(number), " lies outside the possible range."],
                        match lowest == highest {
                            true => {
                                format!("The additions that had completed before it began make {lowest}.")
                                    .into()
                            }
                            false => format!(
                                "The additions before it began and while it ran allow {lowest} to {highest}."
                            )
                            .into(),
                        },
                    ];
                    let found = Contradiction {
                        rule: Rule::OutOfBounds,
                        shown: vec![number],
                        about: Vec::new(),
                        also: Vec::new(),
                        sentences,
                        stale_by_ns: None,
                    };
                    return Some(confirmed(counter, history, calls, found));
                }
            }
        }
    }
    None
}

/// Adds up anew what can have been added before the read that a contradiction names.
fn confirmed(
    counter: &Counter,
    history: &History,
    calls: &Calls<CounterOp>,
    found: Contradiction,
) -> Decision {
    let read = &calls.calls[found.shown[0]];
    let (mut lowest, mut highest) = (counter.initial, counter.initial);
    for call in &calls.calls {
        let CounterOp::Add(amount) = call.op else { continue };
        let amount = i128::from(amount);
        if call.finish < read.start {
            lowest += amount;
            highest += amount;
        } else if call.start < read.finish {
            lowest += amount.min(0);
            highest += amount.max(0);
        }
    }
    match read.op {
        CounterOp::Read(seen) if !(lowest..=highest).contains(&seen) => {
            publish::conflict(history, calls, found, Vec::new(), true)
        }
        _ => Decision::unknown("internal: the conflict is wrong: the read is within its bounds".to_owned()),
    }
}

/// Judges a counter to which the same amount is added every time; `None` for others.
pub(crate) fn equal_amounts(
    counter: &Counter,
    history: &History,
    calls: &Calls<CounterOp>,
) -> Option<Decision> {
    let mut amount = 0;
    for call in &calls.calls {
        match call.op {
            CounterOp::Add(0) | CounterOp::Read(_) => {}
            CounterOp::Add(other) if amount == 0 || amount == other => amount = other,
            CounterOp::Add(_) => return None,
        }
    }
    match (Walk {
        counter,
        calls,
        amount: amount.into(),
    })
    .run()
    {
        Ok(order) => Some(publish::valid(counter, calls, &order)),
        Err(blocked) => Some(blocked.decision(counter, history, calls)),
    }
}

struct Walk<'a> {
    counter: &'a Counter,
    calls: &'a Calls<CounterOp>,
    amount: i128,
}

/// Where the walk ended.
struct Blocked {
    /// What cannot be placed.
    number: usize,
    /// The order so far.
    order: Vec<usize>,
    /// Which calls stand in it.
    placed: Vec<bool>,
}

impl Walk<'_> {
    /// How many adds a read shows, if any number of them makes what it shows.
    fn count(&self, seen: i128) -> Option<usize> {
        let added = seen - self.counter.initial;
        if self.amount == 0 {
            return (added == 0).then_some(0);
        }
        (added % self.amount == 0)
            .then(|| usize::try_from(added / self.amount).ok())
            .flatten()
    }

    fn run(&self) -> Result<Vec<usize>, Blocked> {
        let calls = &self.calls.calls;
        let mut events: Vec<(u64, usize)> = Vec::with_capacity(2 * calls.len());
        for (number, call) in calls.iter().enumerate() {
            events.push((call.start, number));
            if call.finish != OPEN {
                events.push((call.finish, number));
            }
        }
        events.sort_unstable();
        let mut order = Vec::with_capacity(calls.len());
        let mut placed = vec![false; calls.len()];
        let mut waiting: FxHashMap<usize, Vec<usize>> = FxHashMap::default();
        let mut adds: BinaryHeap<Reverse<(u64, usize)>> = BinaryHeap::new();
        let mut count = 0;
        for (position, number) in events {
            let call = &calls[number];
            let begins = position == call.start;
            let target = match call.op {
                CounterOp::Add(0) if begins && call.finish != OPEN => {
                    placed[number] = true;
                    order.push(number);
                    continue;
                }
                CounterOp::Add(0) => continue,
                CounterOp::Add(_) if begins => {
                    adds.push(Reverse((call.finish, number)));
                    continue;
                }
                // It is the first to complete of those that are left.
                CounterOp::Add(_) => count + 1,
                CounterOp::Read(seen) => match self.count(seen) {
                    Some(target) if begins && target == count => {
                        placed[number] = true;
                        order.push(number);
                        continue;
                    }
                    Some(target) if begins => {
                        waiting.entry(target).or_default().push(number);
                        continue;
                    }
                    Some(target) => target,
                    None if begins => continue,
                    None => {
                        return Err(Blocked {
                            number,
                            order,
                            placed,
                        });
                    }
                },
            };
            while !placed[number] {
                let next = (count < target).then(|| adds.pop()).flatten();
                let Some(Reverse((_, add))) = next else {
                    return Err(Blocked {
                        number,
                        order,
                        placed,
                    });
                };
                placed[add] = true;
                order.push(add);
                count += 1;
                for read in waiting.remove(&count).unwrap_or_default() {
                    placed[read] = true;
                    order.push(read);
                }
            }
        }
        Ok(order)
    }
}

impl Blocked {
    /// The conflict: the order so far is the longest prefix, or, for reads that show too little, two reads
    /// say it better.
    fn decision(self, counter: &Counter, history: &History, calls: &Calls<CounterOp>) -> Decision {
        if let Some(found) = self.falls(calls) {
            return publish::conflict(history, calls, found, Vec::new(), true);
        }
        let until = calls.calls[self.number].finish;
        let is_pending = |number: &usize| {
            let call = &calls.calls[*number];
            !self.placed[*number] && *number != self.number && call.start < until && call.finish != OPEN
        };
        let changes = |number: &&usize| matches!(calls.calls[**number].op, CounterOp::Add(_));
        let stuck = Stuck {
            operation: self.number,
            last_change: self.order.iter().rev().find(changes).copied(),
            pending: (0..calls.calls.len()).filter(is_pending).collect(),
            prefix: self.order,
        };
        let state = calls.state_after(counter, &stuck.prefix);
        let conflict = no_order(history, stuck.map(|number| calls.indices[number]), state);
        match validate::no_order(counter, calls, &conflict) {
            Ok(confirmed) => Decision::Invalid(Box::new(Conflict {
                confirmed,
                ..conflict
            })),
            Err(why) => Decision::unknown(format!("internal: the conflict is wrong: {why}")),
        }
    }

    /// A read that had completed before this one began and shows more, where nothing is ever subtracted (or
    /// less, where nothing is added).
    fn falls(&self, calls: &Calls<CounterOp>) -> Option<Contradiction> {
        let late = &calls.calls[self.number];
        let CounterOp::Read(seen) = late.op else {
            return None;
        };
        let grows = calls
            .calls
            .iter()
            .all(|call| !matches!(call.op, CounterOp::Add(..0)));
        let early = calls.calls.iter().position(|call| match call.op {
            CounterOp::Read(other) if call.finish < late.start => {
                if grows {
                    other > seen
                } else {
                    other < seen
                }
            }
            _ => false,
        })?;
        let (never, back) = if grows {
            ("subtracted", "down")
        } else {
            ("added", "up")
        };
        Some(Contradiction {
            rule: Rule::OutOfOrder,
            shown: vec![self.number, early],
            about: Vec::new(),
            also: Vec::new(),
            sentences: vec![
                sentence![op(self.number), " began after ", op(early), " had completed."],
                format!("Nothing is ever {never}, so the count cannot have gone {back}.").into(),
            ],
            stale_by_ns: None,
        })
    }
}
