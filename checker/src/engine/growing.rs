//! Something that only grows, at the end, whatever repeats in it: decided exactly, in O(n log n).
//!
//! The longest answer tells the order in which parts were put there, but where a part repeats not who did it.
//! One walk through the events decides. It puts off every part until a completion asks for it, its own or
//! that of a read that shows it; then the parts before it come first, each by the running operation that can
//! have put it there and completes first, open ones last. Parts behind the longest answer come when their
//! operations complete, once the answer is whole. A read is placed as soon as what is there fits.
//!
//! Nothing is lost by that. What is there may be kept short until then, since what was put off is still
//! running when it is asked for, and a longer beginning allows no read that a shorter one does not lead to.
//! Of two equal operations of which one completes first that one may go first: otherwise exchange them. And
//! where one of them must stand behind the longest answer, the other one may.
//!
//! The answer that tells the order may complete after the operation that finds no place in it. Then these two
//! contradict each other, and nothing is wrong before the answer. (Putting off: Lowe's
//! just-in-time linearization, Concurrency Computat.: Pract. Exper. 29, 2017; who completes first goes first:
//! J. R. Jackson's rule, as in `objects/counter`.)

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use history::{History, OPEN};
use rustc_hash::FxHashMap;

use crate::engine::by_search::{no_order_of_all, searched};
use crate::engine::search::{Searched, Stuck};
use crate::model::{Call, Calls, Recorded};
use crate::sentence::{op, sentence};
use crate::verdict::Decision;

/// What is done to something that grows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Growth {
    /// This part, by number, is put at the end.
    Append(u32),
    /// So many parts of the longest answer are seen to be there.
    Read(usize),
}

/// What was found out.
pub(crate) enum Grown {
    /// It is linearizable in this order.
    Order(Vec<usize>),
    /// It is not, and that shows when this call completes.
    Stuck(Stuck),
    /// It is not: there is no place for a call in what a read shows that completes later.
    Misplaced { call: usize, reader: usize },
}

/// What was found out, in terms of the history, and re-checked.
pub(crate) fn decision<M: Recorded>(
    model: &M,
    history: &History,
    calls: &Calls<M::Op>,
    found: Grown,
) -> Decision {
    match found {
        Grown::Order(order) => searched(model, history, calls, Searched::Found(order)),
        Grown::Stuck(stuck) => searched(model, history, calls, Searched::Stuck(stuck)),
        Grown::Misplaced { call, reader } => {
            let why = sentence![
                "No order explains ",
                op(call),
                " together with what ",
                op(reader),
                " shows and all that had completed by then."
            ];
            no_order_of_all(model, history, calls, vec![call, reader], why)
        }
    }
}

/// Judges what is done to something of which `longest` is the longest answer, part by part. No read shows
/// more.
pub(crate) fn judge(longest: &[u32], calls: &[Call<Growth>]) -> Grown {
    let mut events: Vec<(u64, usize)> = Vec::with_capacity(2 * calls.len());
    for (number, call) in calls.iter().enumerate() {
        events.push((call.start, number));
        if call.finish != OPEN {
            events.push((call.finish, number));
        }
    }
    events.sort_unstable();
    let mut walk = Walk {
        longest,
        length: 0,
        order: Vec::with_capacity(calls.len()),
        placed: vec![false; calls.len()],
        running: FxHashMap::default(),
        waiting: FxHashMap::default(),
    };
    for (position, number) in events {
        let call = &calls[number];
        if position == call.start {
            walk.start(number, call);
        } else if !walk.finish(number, call.op) {
            return walk.ended(number, calls);
        }
    }
    Grown::Order(walk.order)
}

struct Walk<'a> {
    longest: &'a [u32],
    /// How many parts are there: of the longest answer, or one more if there is something behind it.
    length: usize,
    order: Vec<usize>,
    placed: Vec<bool>,
    /// The running operations that put a part there, those that complete first in front.
    running: FxHashMap<u32, BinaryHeap<Reverse<(u64, usize)>>>,
    /// Running reads of more than is there.
    waiting: FxHashMap<usize, Vec<usize>>,
}

impl Walk<'_> {
    fn place(&mut self, number: usize) {
        self.placed[number] = true;
        self.order.push(number);
    }

    fn start(&mut self, number: usize, call: &Call<Growth>) {
        match call.op {
            Growth::Append(part) => {
                let running = self.running.entry(part).or_default();
                running.push(Reverse((call.finish, number)));
            }
            Growth::Read(seen) if seen == self.length => self.place(number),
            Growth::Read(seen) => self.waiting.entry(seen).or_default().push(number),
        }
    }

    /// Lets an operation complete; `false` if it cannot have happened.
    fn finish(&mut self, number: usize, op: Growth) -> bool {
        while !self.placed[number] {
            let goes_on = match op {
                // It would have been placed.
                Growth::Read(seen) if seen <= self.length => false,
                _ if self.length < self.longest.len() => self.grow(),
                Growth::Append(_) => {
                    // No part of an answer is left that could be its own.
                    self.length = self.longest.len() + 1;
                    self.place(number);
                    true
                }
                Growth::Read(_) => false,
            };
            if !goes_on {
                return false;
            }
        }
        true
    }

    /// Puts the next part of the longest answer there.
    fn grow(&mut self) -> bool {
        let running = self.running.get_mut(&self.longest[self.length]);
        let Some(Reverse((_, next))) = running.and_then(BinaryHeap::pop) else {
            return false;
        };
        self.place(next);
        self.length += 1;
        for read in self.waiting.remove(&self.length).unwrap_or_default() {
            self.place(read);
        }
        true
    }

    /// Why there is no order if this call cannot have happened.
    fn ended(self, number: usize, calls: &[Call<Growth>]) -> Grown {
        // So much must be known of the longest answer: what has been placed, and what could not be.
        let is_missed = matches!(calls[number].op, Growth::Read(seen) if seen <= self.length);
        let known = (self.length + usize::from(!is_missed)).min(self.longest.len());
        let tells = |&other: &usize| matches!(calls[other].op, Growth::Read(seen) if seen >= known);
        let reader = (0..calls.len())
            .filter(tells)
            .min_by_key(|&other| calls[other].finish);
        match reader {
            Some(reader) if calls[reader].finish > calls[number].finish => {
                let call = number;
                Grown::Misplaced { call, reader }
            }
            _ => Grown::Stuck(self.stuck(number, calls)),
        }
    }

    fn stuck(self, number: usize, calls: &[Call<Growth>]) -> Stuck {
        let until = calls[number].finish;
        let is_pending = |&other: &usize| {
            let call = &calls[other];
            !self.placed[other] && other != number && call.start < until && call.finish != OPEN
        };
        let changes = |number: &&usize| matches!(calls[**number].op, Growth::Append(_));
        Stuck {
            operation: number,
            last_change: self.order.iter().rev().find(changes).copied(),
            pending: (0..calls.len()).filter(is_pending).collect(),
            prefix: self.order,
        }
    }
}
