//! A search through all orders, for any model: Wing & Gong's algorithm with Lowe's just-in-time linearization.
//!
//! J. M. Wing and C. Gong, "Testing and verifying concurrent objects", J. Parallel Distrib. Comput. 17, 1993; G. Lowe,
//! "Testing for linearizability", Concurrency Computat.: Pract. Exper. 29, 2017.
//!
//! The search walks the events in order. At a configuration (which operations are linearized, and the state), any
//! operation that began before the first completion of an unlinearized one may come next. Configurations that were
//! seen before are not entered again.
//!
//! Three things are not tried, without loss:
//! - A pure operation ([`Effect::Pure`]) is linearized as soon as it is enabled and legal, without an alternative: in
//!   any linearization from here it can be moved to the front.
//! - An open operation without effect is left out.
//! - Of open operations that are equal the one that began first goes first: they are interchangeable.
//!
//! Invariant: the limits count work and memory, never time, so the answer is the same on every machine.

use history::{History, OPEN};
use rustc_hash::{FxHashMap, FxHashSet};

use crate::model::{Effect, Model};
use crate::prepare::finish;
use crate::verdict::Linearization;

/// How hard to try, for each key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// How many bytes the remembered configurations may take, about.
    pub memo_bytes: usize,
    /// How many candidates may be looked at.
    pub steps: u64,
}

impl Default for Limits {
    /// Half a gigabyte and a thousand million candidates: some ten seconds.
    fn default() -> Self {
        Limits {
            memo_bytes: 512 << 20,
            steps: 1_000_000_000,
        }
    }
}

/// What a search found out. Operations are indices into the history's operations.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Searched {
    /// Linearizable, in this order.
    Found(Linearization),
    /// Not linearizable.
    Stuck(Stuck),
    /// Undecided: the limits were reached. What and how far, in words.
    GaveUp(String),
}

/// Where a search ended that found no order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stuck {
    /// The operation that no order of the operations before its completion can include.
    pub operation: usize,
    /// An order that includes every definite operation which completed before that one did.
    pub prefix: Linearization,
    /// Definite operations that `prefix` leaves out too although they had begun by then.
    pub pending: Vec<usize>,
}

/// Searches for a linearization of the operations `indices` of `history`.
///
/// Operations that end before they begin make it give up.
pub fn search<M: Model>(model: &M, history: &History, indices: &[usize], limits: &Limits) -> Searched {
    Search::new(model, history, indices).run(limits)
}

struct Item {
    index: usize,
    start: u64,
    finish: u64,
    pure: bool,
    /// For an open item, an equal one that began earlier.
    twin: Option<usize>,
    /// Its bit among the definite ones, or among the open ones.
    bit: usize,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Event {
    Start(usize),
    Finish(usize),
}

/// Where to look for the next operation: first along the list of events, then among the open items.
#[derive(Clone, Copy)]
enum Cursor {
    Event(usize),
    Open(usize),
}

struct Frame<S> {
    item: usize,
    /// The state before.
    state: S,
    /// Where to go on if this choice was wrong; `None` if there was no choice.
    resume: Option<Cursor>,
}

struct Search<'a, M: Model> {
    model: &'a M,
    history: &'a History,
    items: Vec<Item>,
    definite: usize,
    /// Open items in the order of their invocations.
    open: Vec<usize>,
    /// The events of definite items, a doubly linked list with the last element as its head and tail.
    events: Vec<Event>,
    next: Vec<usize>,
    previous: Vec<usize>,
    /// Where each definite item's two events stand.
    at: Vec<(usize, usize)>,
    done: Bits,
    spent: Bits,
    stack: Vec<Frame<M::State>>,
    /// The best that was reached: the blocking item, and the linearization up to there, of which `shared` items are
    /// still on the stack.
    best: Option<usize>,
    best_order: Vec<usize>,
    shared: usize,
}

impl<'a, M: Model> Search<'a, M> {
    fn new(model: &'a M, history: &'a History, indices: &[usize]) -> Self {
        let mut indices = indices.to_vec();
        indices.sort_by_key(|&index| history.operations[index].invoked);
        let (mut items, mut open) = (Vec::new(), Vec::new());
        let mut twins = FxHashMap::default();
        let mut events = Vec::new();
        let mut definite = 0;
        for index in indices {
            let operation = &history.operations[index];
            let effect = model.effect(operation);
            let (start, finish) = (operation.invoked, finish(operation));
            let is_open = finish == OPEN;
            let pure = effect == Effect::Pure;
            if effect == Effect::None || (pure && is_open) {
                continue;
            }
            let number = items.len();
            let (mut twin, mut bit) = (None, definite);
            if is_open {
                twin = twins.insert(&operation.op, number);
                bit = open.len();
                open.push(number);
            } else {
                definite += 1;
                events.push((start, Event::Start(number)));
                events.push((finish, Event::Finish(number)));
            }
            items.push(Item {
                index,
                start,
                finish,
                pure,
                twin,
                bit,
            });
        }
        events.sort_by_key(|(position, _)| *position);
        let events: Vec<Event> = events.into_iter().map(|(_, event)| event).collect();
        let mut at = vec![(0, 0); items.len()];
        for (place, event) in events.iter().enumerate() {
            match event {
                Event::Start(number) => at[*number].0 = place,
                Event::Finish(number) => at[*number].1 = place,
            }
        }
        let ring = events.len() + 1;
        Search {
            model,
            history,
            definite,
            done: Bits::new(definite),
            spent: Bits::new(open.len()),
            open,
            next: (0..ring).map(|place| (place + 1) % ring).collect(),
            previous: (0..ring).map(|place| (place + ring - 1) % ring).collect(),
            events,
            at,
            items,
            stack: Vec::new(),
            best: None,
            best_order: Vec::new(),
            shared: 0,
        }
    }

    fn run(mut self, limits: &Limits) -> Searched {
        if let Some(item) = self.items.iter().find(|item| item.finish <= item.start) {
            return Searched::GaveUp(format!("operation {} ends before it begins", item.index));
        }
        let head = self.events.len();
        let mut state = self.model.init();
        let mut memo: FxHashSet<(Box<[u64]>, M::State)> = FxHashSet::default();
        let (mut memo_bytes, mut steps, mut left) = (0, 0u64, self.definite);
        let mut cursor = Cursor::Event(self.next[head]);
        let mut fresh = true;
        while left > 0 {
            if steps > limits.steps {
                return self.gave_up("at the limit of steps", memo.len());
            }
            if memo_bytes > limits.memo_bytes {
                return self.gave_up("at the limit of memory", memo.len());
            }
            if std::mem::take(&mut fresh)
                && let Some(item) = self.pure_now(&state, &mut steps)
            {
                self.stack.push(Frame {
                    item,
                    state: state.clone(),
                    resume: None,
                });
                self.lift(item);
                left -= 1;
                fresh = true;
                cursor = Cursor::Event(self.next[head]);
                continue;
            }
            steps += 1;
            let (item, resume) = match cursor {
                Cursor::Event(place) => match self.events[place] {
                    Event::Start(item) => (item, Cursor::Event(self.next[place])),
                    Event::Finish(_) => {
                        cursor = Cursor::Open(0);
                        continue;
                    }
                },
                Cursor::Open(number) => {
                    // Definite items are left, so one of them completes first.
                    let blocking = self.first_finish();
                    match self.open.get(number) {
                        Some(&item) if self.items[item].start < self.items[blocking].finish => {
                            (item, Cursor::Open(number + 1))
                        }
                        _ => {
                            self.remember_best(blocking);
                            match self.back(&mut left) {
                                Some((before, resume)) => (state, cursor) = (before, resume),
                                None => return self.stuck(),
                            }
                            continue;
                        }
                    }
                }
            };
            cursor = resume;
            if let Some(after) = self.try_next(item, &state) {
                let is_definite = self.lift(item);
                let key = (self.key(), after);
                memo_bytes += 64 + 8 * key.0.len() + 2 * size_of::<M::State>();
                if memo.contains(&key) {
                    self.unlift(item);
                    continue;
                }
                let after = key.1.clone();
                memo.insert(key);
                left -= usize::from(is_definite);
                self.stack.push(Frame {
                    item,
                    state: std::mem::replace(&mut state, after),
                    resume: Some(resume),
                });
                cursor = Cursor::Event(self.next[head]);
                fresh = true;
            }
        }
        Searched::Found(self.indices(self.stack.iter().map(|frame| frame.item)))
    }

    /// A pure item that is enabled and legal.
    fn pure_now(&self, state: &M::State, steps: &mut u64) -> Option<usize> {
        let mut place = self.next[self.events.len()];
        while let Some(Event::Start(item)) = self.events.get(place).copied() {
            *steps += 1;
            let candidate = &self.items[item];
            if candidate.pure && self.step(item, state).is_some() {
                return Some(item);
            }
            place = self.next[place];
        }
        None
    }

    /// The state after `item`, if it may be tried.
    fn try_next(&self, item: usize, state: &M::State) -> Option<M::State> {
        let candidate = &self.items[item];
        if candidate.pure {
            return None;
        }
        if candidate.finish == OPEN {
            let twin_unspent = candidate
                .twin
                .is_some_and(|twin| !self.spent.has(self.items[twin].bit));
            if self.spent.has(candidate.bit) || twin_unspent {
                return None;
            }
        }
        self.step(item, state)
    }

    fn step(&self, item: usize, state: &M::State) -> Option<M::State> {
        self.model
            .step(state, &self.history.operations[self.items[item].index])
    }

    /// The unlinearized definite item that completes first.
    fn first_finish(&self) -> usize {
        let mut place = self.next[self.events.len()];
        loop {
            match self.events[place] {
                Event::Finish(item) => return item,
                Event::Start(_) => place = self.next[place],
            }
        }
    }

    /// Takes an item out of what is left; whether it is a definite one.
    fn lift(&mut self, item: usize) -> bool {
        let is_definite = self.items[item].finish != OPEN;
        if is_definite {
            for place in [self.at[item].0, self.at[item].1] {
                let (previous, next) = (self.previous[place], self.next[place]);
                self.next[previous] = next;
                self.previous[next] = previous;
            }
            self.done.set(self.items[item].bit);
        } else {
            self.spent.set(self.items[item].bit);
        }
        is_definite
    }

    /// The reverse of [`Self::lift`], which must be undone last first.
    fn unlift(&mut self, item: usize) -> bool {
        let is_definite = self.items[item].finish != OPEN;
        if is_definite {
            for place in [self.at[item].1, self.at[item].0] {
                let (previous, next) = (self.previous[place], self.next[place]);
                self.next[previous] = place;
                self.previous[next] = place;
            }
            self.done.clear(self.items[item].bit);
        } else {
            self.spent.clear(self.items[item].bit);
        }
        is_definite
    }

    /// Undoes choices back to one that has alternatives: the state there and where to go on.
    fn back(&mut self, left: &mut usize) -> Option<(M::State, Cursor)> {
        while let Some(frame) = self.stack.pop() {
            self.shared = self.shared.min(self.stack.len());
            *left += usize::from(self.unlift(frame.item));
            if let Some(resume) = frame.resume {
                return Some((frame.state, resume));
            }
        }
        None
    }

    /// Which items are linearized, relative to the first one that is not.
    fn key(&mut self) -> Box<[u64]> {
        let (offset, done) = self.done.window();
        let mut key = Vec::with_capacity(2 + done.len() + self.spent.words.len());
        key.extend([offset as u64, done.len() as u64]);
        key.extend_from_slice(done);
        key.extend_from_slice(&self.spent.words);
        key.into_boxed_slice()
    }

    fn remember_best(&mut self, blocking: usize) {
        let better = |best: usize| self.items[best].finish < self.items[blocking].finish;
        if self.best.is_none_or(better) {
            self.best = Some(blocking);
            self.best_order.truncate(self.shared);
            self.best_order
                .extend(self.stack[self.shared..].iter().map(|frame| frame.item));
            self.shared = self.stack.len();
        }
    }

    fn stuck(self) -> Searched {
        let Some(blocking) = self.best else {
            return Searched::GaveUp("internal: the search ended without having begun".to_owned());
        };
        let placed: FxHashSet<usize> = self.best_order.iter().copied().collect();
        let until = self.items[blocking].finish;
        let pending = (0..self.items.len()).filter(|number| {
            let item = &self.items[*number];
            item.finish != OPEN && item.start < until && *number != blocking && !placed.contains(number)
        });
        Searched::Stuck(Stuck {
            operation: self.items[blocking].index,
            pending: self.indices(pending),
            prefix: self.indices(self.best_order.iter().copied()),
        })
    }

    fn gave_up(&self, limit: &str, configurations: usize) -> Searched {
        let placed = self
            .best_order
            .iter()
            .filter(|&&item| self.items[item].finish != OPEN)
            .count();
        Searched::GaveUp(format!(
            "gave up {limit} after {configurations} configurations; {placed} of {} operations have an order",
            self.definite
        ))
    }

    fn indices(&self, items: impl Iterator<Item = usize>) -> Vec<usize> {
        items.map(|item| self.items[item].index).collect()
    }
}

/// A set of small numbers that knows where its first gap and its last element are, to the word.
struct Bits {
    words: Vec<u64>,
    /// All words before this one are full.
    full: usize,
    /// No word from this one on has an element.
    end: usize,
}

impl Bits {
    fn new(count: usize) -> Self {
        Bits {
            words: vec![0; count.div_ceil(64)],
            full: 0,
            end: 0,
        }
    }

    fn has(&self, bit: usize) -> bool {
        self.words[bit / 64] >> (bit % 64) & 1 == 1
    }

    fn set(&mut self, bit: usize) {
        self.words[bit / 64] |= 1 << (bit % 64);
        self.end = self.end.max(bit / 64 + 1);
    }

    fn clear(&mut self, bit: usize) {
        self.words[bit / 64] &= !(1 << (bit % 64));
        self.full = self.full.min(bit / 64);
    }

    /// The number of full words at the front, and the words from there to the last one in use: equal sets have equal
    /// windows.
    fn window(&mut self) -> (usize, &[u64]) {
        while self.full < self.words.len() && self.words[self.full] == u64::MAX {
            self.full += 1;
        }
        while self.end > 0 && self.words[self.end - 1] == 0 {
            self.end -= 1;
        }
        (self.full, &self.words[self.full.min(self.end)..self.end])
    }
}
