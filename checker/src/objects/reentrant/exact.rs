//! Locks that their holders can take again, without tokens: exact, O(n log n).
//!
//! A process does one thing after the other, so that what it does from a taking of a lock that it did not
//! hold to the release that gives back the last taking is a section, and sections must not overlap
//! ([`sections`]): the completions and starts within one lie between those of its first taking and of its
//! last release. A release of unknown outcome took effect, and a taking of unknown outcome, which retires its
//! process, did not: either binds less.

use history::{OPEN, Value};
use rustc_hash::FxHashMap;

use super::model::ReentrantLockOp;
use crate::engine::publish::{Contradiction, Judged};
use crate::engine::sections::{self, Section};
use crate::model::Calls;
use crate::sentence::{Sentence, op, sentence};
use crate::verdict::Rule;

/// Judges a lock.
pub(super) fn judge(calls: &Calls<ReentrantLockOp>) -> Judged {
    let has_order = |op: ReentrantLockOp| match op {
        ReentrantLockOp::Acquire(_, token) => token.is_none(),
        ReentrantLockOp::Release(_) => true,
        ReentrantLockOp::Held => false,
    };
    let held = match held(calls) {
        Ok(held) => held,
        Err(contradiction) => return Judged::Contradiction(contradiction),
    };
    let times: Vec<Section> = held.iter().map(|held| held.times(calls)).collect();
    match sections::order(&times) {
        // Tokens and what was found held may forbid it.
        Ok(_) if !calls.calls.iter().all(|call| has_order(call.op)) => Judged::Other,
        Ok(order) => {
            let calls = order.into_iter().flat_map(|number| held[number].calls.iter());
            Judged::Order(calls.copied().collect())
        }
        Err((one, other)) => Judged::Contradiction(overlap(&held[one], &held[other])),
    }
}

/// What a process did while it held the lock.
struct Held {
    calls: Vec<usize>,
    /// How many takings are not given back; 0 if it ended.
    times: usize,
}

impl Held {
    fn taking(&self) -> usize {
        self.calls[0]
    }

    fn release(&self) -> Option<usize> {
        self.calls.last().copied().filter(|_| self.times == 0)
    }

    fn times(&self, calls: &Calls<ReentrantLockOp>) -> Section {
        Section {
            first_finish: calls.calls[self.taking()].finish,
            last_start: (self.release()).map_or(u64::MAX, |number| calls.calls[number].start),
        }
    }
}

/// The sections, or a process that gave back what it did not hold.
fn held(calls: &Calls<ReentrantLockOp>) -> Result<Vec<Held>, Contradiction> {
    let mut started: Vec<usize> = (0..calls.calls.len()).collect();
    started.sort_by_key(|&number| calls.calls[number].start);
    let mut sections: Vec<Held> = Vec::new();
    let mut last: FxHashMap<u32, usize> = FxHashMap::default();
    for number in started {
        let call = &calls.calls[number];
        let is_open = call.finish == OPEN;
        let Some(process) = call.op.process() else {
            continue;
        };
        let holding = last
            .get(&process)
            .copied()
            .filter(|&place| sections[place].times > 0);
        match (call.op, holding) {
            (ReentrantLockOp::Held, _) => {}
            (ReentrantLockOp::Acquire(..), _) if is_open => {}
            (ReentrantLockOp::Acquire(..), Some(place)) => {
                sections[place].calls.push(number);
                sections[place].times += 1;
            }
            (ReentrantLockOp::Acquire(..), None) => {
                last.insert(process, sections.len());
                sections.push(Held {
                    calls: vec![number],
                    times: 1,
                });
            }
            (ReentrantLockOp::Release(_), Some(place)) => {
                sections[place].calls.push(number);
                sections[place].times -= 1;
            }
            (ReentrantLockOp::Release(_), None) if is_open => {}
            (ReentrantLockOp::Release(_), None) => return Err(not_held(number, process)),
        }
    }
    Ok(sections)
}

/// About all that the process did.
fn not_held(number: usize, process: u32) -> Contradiction {
    let why = sentence![
        op(number),
        " succeeded although its process did not hold the lock."
    ];
    Contradiction {
        about: vec![Value::Int(i64::from(process))],
        ..Contradiction::whole(Rule::TwoHolders, vec![number], vec![why])
    }
}

fn overlap(one: &Held, other: &Held) -> Contradiction {
    let line = |held: &Held, other: &Held| -> Sentence {
        match other.release() {
            Some(release) => sentence![
                op(held.taking()),
                " had completed before ",
                op(release),
                " began."
            ],
            None => sentence![
                op(held.taking()),
                " succeeded, and the process of ",
                op(other.taking()),
                " never freed the lock."
            ],
        }
    };
    let sentences = vec![
        line(one, other),
        line(other, one),
        "So both held the lock at the same time.".into(),
    ];
    let shown = [one, other]
        .into_iter()
        .flat_map(|held| [Some(held.taking()), held.release()])
        .flatten()
        .collect();
    Contradiction::whole(Rule::TwoHolders, shown, sentences)
}
