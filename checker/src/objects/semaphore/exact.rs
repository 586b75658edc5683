//! Semaphores whose permits are all acquired and released: exact, O(n log n).
//!
//! A process does one thing after the other, so a permit is held for certain from the completion of its
//! taking to the start of the release that gives it back (the last taken first). If these times overlap no
//! more often than there are permits, then the order of the completions of takings and the starts of releases
//! is one; and less than this no order holds. A taking of unknown outcome retires its process and is left
//! out; a release of unknown outcome took effect at its start.

use history::{OPEN, Value};
use rustc_hash::FxHashMap;

use super::model::{Semaphore, SemaphoreOp};
use crate::engine::publish::{Contradiction, Judged};
use crate::model::Calls;
use crate::sentence::{Sentence, op, sentence};
use crate::verdict::Rule;

/// How many holders are named.
const MOST_NAMED: usize = 4;

pub(super) fn judge(semaphore: &Semaphore, calls: &Calls<SemaphoreOp>) -> Judged {
    let found = Finder {
        semaphore,
        calls,
        given_back: FxHashMap::default(),
    };
    found.judge().unwrap_or_else(Judged::Contradiction)
}

struct Finder<'a> {
    semaphore: &'a Semaphore,
    calls: &'a Calls<SemaphoreOp>,
    /// The release of each taking that was given back.
    given_back: FxHashMap<usize, usize>,
}

impl Finder<'_> {
    fn judge(mut self) -> Result<Judged, Contradiction> {
        let calls = &self.calls.calls;
        let mut started: Vec<usize> = (0..calls.len()).collect();
        started.sort_by_key(|&number| calls[number].start);
        let mut holding: FxHashMap<u32, Vec<usize>> = FxHashMap::default();
        // The completions of takings and the starts of releases.
        let mut points: Vec<(u64, usize)> = Vec::with_capacity(calls.len());
        let mut is_exhausted = false;
        for number in started {
            let call = &calls[number];
            match call.op {
                SemaphoreOp::Acquire(_) if call.finish == OPEN => {}
                SemaphoreOp::Acquire(process) => {
                    holding.entry(process).or_default().push(number);
                    points.push((call.finish, number));
                }
                SemaphoreOp::Release(process) => match holding.get_mut(&process).and_then(Vec::pop) {
                    Some(taking) => {
                        self.given_back.insert(taking, number);
                        points.push((call.start, number));
                    }
                    None if call.finish == OPEN => {}
                    None => return Err(not_held(number, process)),
                },
                SemaphoreOp::Exhausted => is_exhausted = true,
            }
        }
        points.sort_unstable();
        if let Some(permits) = self.semaphore.permits {
            let mut held = Vec::new();
            for &(_, number) in &points {
                match calls[number].op {
                    SemaphoreOp::Acquire(_) => held.push(number),
                    _ => held.retain(|taking| self.given_back.get(taking) != Some(&number)),
                }
                if held.len() > permits as usize {
                    return Err(self.too_many(permits, held));
                }
            }
        }
        if is_exhausted {
            return Ok(Judged::Other);
        }
        Ok(Judged::Order(
            points.into_iter().map(|(_, number)| number).collect(),
        ))
    }

    fn too_many(&self, permits: u32, mut held: Vec<usize>) -> Contradiction {
        // The one that was too many first.
        held.reverse();
        let named = Sentence::join(held.iter().take(MOST_NAMED).map(|&number| op(number)), ", ");
        let more = match held.len().saturating_sub(MOST_NAMED) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        let sentences = vec![
            sentence![
                named,
                format!("{more} had completed before any of them was given back.")
            ],
            format!(
                "So {} permits were held at once, and there are {permits}.",
                held.len()
            )
            .into(),
        ];
        let releases = held.iter().filter_map(|taking| self.given_back.get(taking));
        let mut also: Vec<usize> = releases.copied().collect();
        also.extend(held.iter().skip(MOST_NAMED));
        held.truncate(MOST_NAMED);
        Contradiction {
            also,
            ..Contradiction::whole(Rule::TwoHolders, held, sentences)
        }
    }
}

/// About all that the process did.
fn not_held(number: usize, process: u32) -> Contradiction {
    let why = sentence![op(number), " succeeded although its process held no permit."];
    Contradiction {
        about: vec![Value::Int(i64::from(process))],
        ..Contradiction::whole(Rule::TwoHolders, vec![number], vec![why])
    }
}
