//! Sets from which elements are taken out: looks for an order, guided by what the reads show.
//!
//! Once it is settled at which moments the reads happened, elements do not notice each other. So what is kept
//! is one order of the reads so far, and for each element by itself all that it can have come to: whether it
//! is there, and which of the operations on it that still run have happened. An operation is placed when it
//! completes, and not before (Lowe's just-in-time linearization). Where that leaves a running read without a
//! chance, that read is placed first, and so on. Where it leads nowhere, the last decision is made in another
//! way, within limits.
//!
//! It finds orders, and nothing follows from its finding none. O(events × (elements that are there + running
//! reads)) unless decisions are undone.

use std::collections::BTreeSet;

use history::{OPEN, Value};
use rustc_hash::FxHashMap;

use super::model::{Set, SetOp};
use crate::engine::search::Limits;
use crate::model::Calls;

/// How many elements are looked at, at most, and what they can come to.
const MOST_WORK: u64 = 50_000_000;
/// How many of an element's possibilities are kept.
const MOST_POSSIBLE: usize = 64;
/// How many decisions are open to be made in another way.
const MOST_CHOICES: usize = 5_000;

/// An order of the calls, if one is found.
pub(super) fn order(set: &Set, calls: &Calls<SetOp>, limits: &Limits) -> Option<Vec<usize>> {
    let mut walk = Walk::new(set, calls)?;
    walk.run(limits)?;
    Some(walk.order())
}

/// A call, with what it speaks of by number.
enum What {
    /// It adds or removes this element.
    Change { element: usize, adds: bool },
    /// It shows the elements of this answer.
    Read { answer: usize },
}

/// What an element can have come to.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Possible {
    is_there: bool,
    /// Which of the running changes have happened, by their bits.
    done: u64,
    /// The last change, in [`Walk::changes`].
    last: Option<usize>,
}

/// A change that runs.
#[derive(Clone, Copy)]
struct Running {
    number: usize,
    adds: bool,
    bit: u64,
}

/// A change that happened, in one of the possible orders of its element.
struct Changed {
    number: usize,
    /// Before which step.
    step: usize,
    before: Option<usize>,
}

/// How it was before, to go back.
enum Before {
    Possible(usize, Vec<Possible>),
    Running(usize, Vec<Running>),
    Reads(Vec<usize>),
    Placed(usize),
}

/// How long everything was that grows, to go back there.
#[derive(Clone, Copy)]
struct Mark {
    trail: usize,
    log: usize,
    changes: usize,
}

/// Where it can go another way, and how many ways were tried.
#[derive(Clone, Copy)]
struct Choice {
    event: usize,
    mark: Mark,
    tried: usize,
}

/// What keeps a call from being placed.
enum Blocked {
    /// This read would be left without a chance.
    By(usize),
    Always,
}

struct Walk<'a> {
    calls: &'a Calls<SetOp>,
    what: Vec<What>,
    /// The elements of each answer, ascending.
    answers: Vec<Vec<usize>>,
    /// When removals (0) and adds (1) of each element begin, ascending.
    starts: Vec<[Vec<u64>; 2]>,
    /// When, which call, and whether it begins.
    events: Vec<(u64, usize, bool)>,

    now: u64,
    possible: Vec<Vec<Possible>>,
    running: Vec<Vec<Running>>,
    /// All elements that may be there or that something is done to, and perhaps others.
    active: BTreeSet<usize>,
    /// Reads that run and are not placed yet.
    reads: Vec<usize>,
    is_placed: Vec<bool>,
    /// The reads in their order, with their steps.
    log: Vec<(usize, usize)>,
    changes: Vec<Changed>,
    trail: Vec<Before>,
    /// How many calls were placed, also in vain.
    steps: usize,
    work: u64,
}

impl<'a> Walk<'a> {
    /// `None` if an answer shows what no one can have put in, or one thing twice.
    fn new(set: &Set, calls: &'a Calls<SetOp>) -> Option<Self> {
        let mut numbers: FxHashMap<&Value, usize> = FxHashMap::default();
        let mut possible = Vec::new();
        for value in &set.initial {
            numbers.insert(value, possible.len());
            possible.push(only(true));
        }
        let active: BTreeSet<usize> = (0..possible.len()).collect();
        let mut starts: Vec<[Vec<u64>; 2]> = vec![Default::default(); possible.len()];
        for call in &calls.calls {
            if let SetOp::Add(value) | SetOp::Remove(value) = &call.op {
                let element = *numbers.entry(value).or_insert(possible.len());
                if element == possible.len() {
                    possible.push(only(false));
                    starts.push(Default::default());
                }
                let adds = matches!(call.op, SetOp::Add(_));
                starts[element][usize::from(adds)].push(call.start);
            }
        }
        starts
            .iter_mut()
            .flatten()
            .for_each(|starts| starts.sort_unstable());
        let mut answers: Vec<Vec<usize>> = Vec::new();
        let mut known: FxHashMap<&[Value], usize> = FxHashMap::default();
        let (mut what, mut events) = (Vec::new(), Vec::new());
        for (number, call) in calls.calls.iter().enumerate() {
            what.push(match &call.op {
                SetOp::Add(value) | SetOp::Remove(value) => What::Change {
                    element: *numbers.get(value)?,
                    adds: matches!(call.op, SetOp::Add(_)),
                },
                SetOp::Read(seen) => {
                    let answer = *known.entry(seen).or_insert(answers.len());
                    if answer == answers.len() {
                        let elements: Option<Vec<usize>> =
                            seen.iter().map(|value| numbers.get(value).copied()).collect();
                        let mut elements = elements?;
                        elements.sort_unstable();
                        if elements.windows(2).any(|pair| pair[0] == pair[1]) {
                            return None;
                        }
                        answers.push(elements);
                    }
                    What::Read { answer }
                }
            });
            events.push((call.start, number, true));
            if call.finish != OPEN {
                events.push((call.finish, number, false));
            }
        }
        events.sort_unstable();
        Some(Walk {
            calls,
            what,
            answers,
            starts,
            events,
            now: 0,
            running: vec![Vec::new(); possible.len()],
            possible,
            active,
            reads: Vec::new(),
            is_placed: vec![false; calls.calls.len()],
            log: Vec::new(),
            changes: Vec::new(),
            trail: Vec::new(),
            steps: 0,
            work: 0,
        })
    }

    /// Goes through all events; `None` if that leads nowhere.
    fn run(&mut self, limits: &Limits) -> Option<()> {
        let mut choices: Vec<Choice> = Vec::new();
        let mut event = 0;
        while event < self.events.len() {
            if event.is_multiple_of(1 << 6) && limits.is_stopped() {
                return None;
            }
            let is_choice = !self.events[event].2 && !self.reads.is_empty();
            if is_choice {
                choices.push(Choice {
                    event,
                    mark: self.mark(),
                    tried: 0,
                });
            }
            if self.pass(event) {
                event += 1;
                continue;
            }
            if choices.len() > MOST_CHOICES {
                choices.drain(..choices.len() - MOST_CHOICES);
            }
            event = self.another_way(&mut choices, limits)? + 1;
        }
        Some(())
    }

    /// Makes the last decision in another way, or the one before it: another read goes first. Up to which
    /// event that goes.
    fn another_way(&mut self, choices: &mut Vec<Choice>, limits: &Limits) -> Option<usize> {
        loop {
            if self.work > MOST_WORK.min(limits.steps) || limits.is_stopped() {
                return None;
            }
            let choice = choices.last_mut()?;
            let Choice { event, mark, tried } = *choice;
            choice.tried += 1;
            self.undo(mark);
            self.now = self.events[event].0;
            let Some(&read) = self.reads.get(tried) else {
                choices.pop();
                continue;
            };
            if read != self.events[event].1 && self.place(read, &mut vec![read]) && self.pass(event) {
                return Some(event);
            }
        }
    }

    /// Lets an event happen; whether that is possible.
    fn pass(&mut self, event: usize) -> bool {
        let (now, number, begins) = self.events[event];
        self.now = now;
        match self.what[number] {
            What::Change { element, adds } if begins => {
                let taken = self.running[element]
                    .iter()
                    .fold(0, |taken, other| taken | other.bit);
                let is_open = self.calls.calls[number].finish == OPEN;
                let bit = match (!taken).trailing_zeros() {
                    // One that may be left out.
                    32.. if is_open => return true,
                    64 => return false,
                    free => 1 << free,
                };
                let mut running = self.running[element].clone();
                running.push(Running { number, adds, bit });
                self.set_running(element, running);
                self.active.insert(element);
                true
            }
            What::Read { .. } if begins => {
                let mut reads = self.reads.clone();
                reads.push(number);
                self.set_reads(reads);
                let active = self.active.iter();
                active
                    .into_iter()
                    .all(|&element| self.has_chance(number, element))
            }
            What::Read { .. } if self.is_placed[number] => true,
            _ => self.place(number, &mut vec![number]),
        }
    }

    /// Places a call, and before it the reads that would otherwise be left without a chance; `above` are
    /// those for which it is placed.
    fn place(&mut self, number: usize, above: &mut Vec<usize>) -> bool {
        loop {
            let mark = self.mark();
            let blocked = match self.try_to_place(number) {
                Ok(()) => return true,
                Err(blocked) => blocked,
            };
            self.undo(mark);
            let Blocked::By(read) = blocked else { return false };
            if above.contains(&read) {
                return false;
            }
            above.push(read);
            if !self.place(read, above) {
                return false;
            }
            above.pop();
        }
    }

    fn try_to_place(&mut self, number: usize) -> Result<(), Blocked> {
        self.steps += 1;
        let mut changed = Vec::new();
        match self.what[number] {
            What::Change { element, .. } => {
                let is_it = |running: &&Running| running.number == number;
                let Some(bit) = self.running[element].iter().find(is_it).map(|it| it.bit) else {
                    return Err(Blocked::Always);
                };
                let mut next = self.come_to(element);
                next.retain(|possible| possible.done & bit != 0);
                next.iter_mut().for_each(|possible| possible.done &= !bit);
                let mut running = self.running[element].clone();
                running.retain(|other| other.number != number);
                self.set_running(element, running);
                self.narrow(element, next, &mut changed)?;
            }
            What::Read { answer } => {
                let active: Vec<usize> = self.active.iter().copied().collect();
                let is_active = |element: &usize| self.active.contains(element);
                if !self.answers[answer].iter().all(is_active) {
                    return Err(Blocked::Always);
                }
                self.work += active.len() as u64;
                for element in active {
                    let shown = self.shows(number, element);
                    let mut next = match self.running[element].is_empty() {
                        true => self.possible[element].clone(),
                        false => self.come_to(element),
                    };
                    next.retain(|possible| possible.is_there == shown);
                    self.narrow(element, next, &mut changed)?;
                    if !shown && self.running[element].is_empty() {
                        self.active.remove(&element);
                    }
                }
                // What shows the same happens at the same time.
                let answer_of = |read: usize| match self.what[read] {
                    What::Read { answer } => Some(answer),
                    What::Change { .. } => None,
                };
                let is_same = |&&read: &&usize| answer_of(read) == Some(answer);
                let same: Vec<usize> = self.reads.iter().filter(is_same).copied().collect();
                let reads = self
                    .reads
                    .iter()
                    .copied()
                    .filter(|read| !same.contains(read))
                    .collect();
                self.set_reads(reads);
                for read in same {
                    self.is_placed[read] = true;
                    self.trail.push(Before::Placed(read));
                    self.log.push((self.steps, read));
                }
            }
        }
        for element in changed {
            let hopeless = self.reads.iter().find(|&&read| !self.has_chance(read, element));
            if let Some(&read) = hopeless {
                return Err(Blocked::By(read));
            }
        }
        Ok(())
    }

    /// All that an element can come to by what runs.
    fn come_to(&mut self, element: usize) -> Vec<Possible> {
        let mut possible = self.possible[element].clone();
        let mut place = 0;
        while let Some(&from) = possible.get(place) {
            place += 1;
            self.work += 1;
            for running in &self.running[element] {
                if from.done & running.bit != 0 || possible.len() >= MOST_POSSIBLE {
                    continue;
                }
                let (is_there, done) = (running.adds, from.done | running.bit);
                if possible
                    .iter()
                    .any(|other| (other.is_there, other.done) == (is_there, done))
                {
                    continue;
                }
                let last = Some(self.changes.len());
                self.changes.push(Changed {
                    number: running.number,
                    step: self.steps,
                    before: from.last,
                });
                possible.push(Possible { is_there, done, last });
            }
        }
        possible
    }

    /// Leaves an element no more than these, and of these what is no worse than others.
    fn narrow(
        &mut self,
        element: usize,
        next: Vec<Possible>,
        changed: &mut Vec<usize>,
    ) -> Result<(), Blocked> {
        if next.is_empty() {
            return Err(Blocked::Always);
        }
        // What changes nothing can still happen, and what is open need not.
        let free = |is_there: bool| {
            let is_free =
                |other: &&Running| other.adds == is_there || self.calls.calls[other.number].finish == OPEN;
            let bits = self.running[element]
                .iter()
                .filter(is_free)
                .map(|other| other.bit);
            bits.fold(0, |bits, bit| bits | bit)
        };
        let free = [free(false), free(true)];
        let is_worse = |one: &Possible, other: &Possible| {
            let more = one.done & !other.done;
            one.is_there == other.is_there
                && other.done & !one.done == 0
                && more != 0
                && more & !free[usize::from(one.is_there)] == 0
        };
        let is_best = |one: &&Possible| !next.iter().any(|other| is_worse(one, other));
        let best: Vec<Possible> = next.iter().filter(is_best).copied().collect();
        if self.possible[element] == best {
            return Ok(());
        }
        let old = std::mem::replace(&mut self.possible[element], best);
        self.trail.push(Before::Possible(element, old));
        changed.push(element);
        Ok(())
    }

    /// Whether an element can still come to what a read shows of it.
    fn has_chance(&self, read: usize, element: usize) -> bool {
        let shown = self.shows(read, element);
        let of_running = || {
            let running = self.running[element]
                .iter()
                .filter(|running| running.adds == shown);
            running.fold(0, |bits, running| bits | running.bit)
        };
        let possible = &self.possible[element];
        possible.iter().any(|possible| possible.is_there == shown)
            || {
                let bits = of_running();
                possible.iter().any(|possible| bits & !possible.done != 0)
            }
            || {
                let starts = &self.starts[element][usize::from(shown)];
                let later = starts.partition_point(|&start| start <= self.now);
                starts
                    .get(later)
                    .is_some_and(|&start| start < self.calls.calls[read].finish)
            }
    }

    fn shows(&self, read: usize, element: usize) -> bool {
        match self.what[read] {
            What::Read { answer } => self.answers[answer].binary_search(&element).is_ok(),
            What::Change { .. } => false,
        }
    }

    fn set_running(&mut self, element: usize, running: Vec<Running>) {
        let old = std::mem::replace(&mut self.running[element], running);
        self.trail.push(Before::Running(element, old));
    }

    fn set_reads(&mut self, reads: Vec<usize>) {
        let old = std::mem::replace(&mut self.reads, reads);
        self.trail.push(Before::Reads(old));
    }

    fn mark(&self) -> Mark {
        Mark {
            trail: self.trail.len(),
            log: self.log.len(),
            changes: self.changes.len(),
        }
    }

    fn undo(&mut self, mark: Mark) {
        for before in self.trail.drain(mark.trail..).rev() {
            match before {
                Before::Possible(element, possible) => {
                    self.possible[element] = possible;
                    self.active.insert(element);
                }
                Before::Running(element, running) => {
                    self.running[element] = running;
                    self.active.insert(element);
                }
                Before::Reads(reads) => self.reads = reads,
                Before::Placed(read) => self.is_placed[read] = false,
            }
        }
        self.log.truncate(mark.log);
        self.changes.truncate(mark.changes);
    }

    /// The order that was found.
    fn order(&self) -> Vec<usize> {
        // Before each step the changes, in the order in which they were made, then the read.
        let mut order: Vec<(usize, usize, usize)> = Vec::new();
        for possible in &self.possible {
            let mut last = possible.first().and_then(|possible| possible.last);
            while let Some(place) = last {
                let change = &self.changes[place];
                order.push((change.step, place, change.number));
                last = change.before;
            }
        }
        let reads = self.log.iter().map(|&(step, read)| (step, usize::MAX, read));
        order.extend(reads);
        order.sort_unstable();
        order.into_iter().map(|(.., number)| number).collect()
    }
}

fn only(is_there: bool) -> Vec<Possible> {
    vec![Possible {
        is_there,
        done: 0,
        last: None,
    }]
}
