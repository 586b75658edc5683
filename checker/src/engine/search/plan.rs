//! What a search is about, laid out before it begins: events in order, classes of equal operations, and a
//! slot (a bit) for every definite call while it runs.
//!
//! Invariants:
//! - A slot belongs to one call between its start and its finish, and is free for another one afterwards.
//!   There are as many slots as calls ever run at the same time, however long the history is.
//! - Open calls have no slot: equal ones are interchangeable and only counted. Open pure calls are left out.

use std::hash::Hash;

use history::OPEN;
use rustc_hash::FxHashMap;

use crate::model::{Call, Effect, Model};

/// A class of equal operations, by number.
pub(super) type Class = u32;
/// Stands for no slot: that of open calls.
pub(super) const NO_SLOT: u32 = u32::MAX;

/// What happens next. Calls by number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Event {
    Start(u32),
    Finish(u32),
}

/// One call, as far as the search needs it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Item {
    pub class: Class,
    pub slot: u32,
    pub finish: u64,
}

pub(super) struct Plan<'a, O> {
    /// By call number; what is left out has an item all the same.
    pub items: Vec<Item>,
    /// In the order of time.
    pub events: Vec<Event>,
    /// One operation of each class, and what it can do.
    pub ops: Vec<&'a O>,
    pub effects: Vec<Effect>,
    /// For each class its open calls, in the order of their starts.
    pub open: Vec<Vec<u32>>,
    /// How many slots there are.
    pub slots: usize,
    /// How many definite calls there are.
    pub definite: usize,
}

impl<'a, O: Eq + Hash> Plan<'a, O> {
    /// Lays out the calls.
    ///
    /// # Errors
    /// The number of a call that ends before it begins.
    pub fn new<M: Model<Op = O>>(model: &M, calls: &'a [Call<O>]) -> Result<Self, usize> {
        if let Some(number) = calls.iter().position(|call| call.finish <= call.start) {
            return Err(number);
        }
        let mut plan = Plan {
            items: Vec::with_capacity(calls.len()),
            events: Vec::new(),
            ops: Vec::new(),
            effects: Vec::new(),
            open: Vec::new(),
            slots: 0,
            definite: 0,
        };
        let mut classes: FxHashMap<&O, Class> = FxHashMap::default();
        let mut events = Vec::with_capacity(2 * calls.len());
        for (number, call) in (0u32..).zip(calls) {
            let class = *classes.entry(&call.op).or_insert_with(|| {
                plan.ops.push(&call.op);
                plan.effects.push(model.effect(&call.op));
                plan.open.push(Vec::new());
                (plan.ops.len() - 1) as Class
            });
            plan.items.push(Item {
                class,
                slot: NO_SLOT,
                finish: call.finish,
            });
            if call.finish != OPEN {
                plan.definite += 1;
                events.push((call.start, Event::Start(number)));
                events.push((call.finish, Event::Finish(number)));
            } else if plan.effects[class as usize] != Effect::Pure {
                events.push((call.start, Event::Start(number)));
            }
        }
        events.sort_unstable_by_key(|(position, _)| *position);

        let mut vacant = Vec::new();
        for &(_, event) in &events {
            match event {
                Event::Start(number) if plan.items[number as usize].finish == OPEN => {
                    plan.open[plan.items[number as usize].class as usize].push(number);
                }
                Event::Start(number) => {
                    let slot = vacant.pop().unwrap_or_else(|| {
                        plan.slots += 1;
                        plan.slots as u32 - 1
                    });
                    plan.items[number as usize].slot = slot;
                }
                Event::Finish(number) => vacant.push(plan.items[number as usize].slot),
            }
        }
        plan.events = events.into_iter().map(|(_, event)| event).collect();
        Ok(plan)
    }
}
