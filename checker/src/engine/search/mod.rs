//! A search through all orders, for any model.
//!
//! J. M. Wing and C. Gong, "Testing and verifying concurrent objects", J. Parallel Distrib. Comput. 17, 1993;
//! G. Lowe, "Testing for linearizability", Concurrency Computat.: Pract. Exper. 29, 2017 (just-in-time
//! linearization). What it does beyond them:
//! - A pure call ([`crate::Effect::Pure`]) is linearized as soon as it is legal: in any linearization from
//!   there it can be moved to the front.
//! - Of running calls that are equal the one that finishes first goes first: otherwise exchange them. A
//!   definite one goes before an open one, and open ones are only counted.
//! - A call that overwrites ([`crate::Effect::Overwrite`]) is settled when another one that overwrites is
//!   linearized: it can stand immediately before that one, where no one notices.
//! - A call that changes nothing in the state at hand is settled there ([`Model::LOOPS`]): it can stand
//!   there, where no one notices, unless it is used later.
//! - A configuration is dropped if another one has the same state, owes less and has lost less.
//! - Where the set of configurations grows too large, it is bounded from both sides: passes that keep only
//!   some of them can show that a history is linearizable, passes that join them can show that it is not.
//!
//! Invariant: the limits count work and memory, never time, so the answer is the same on every machine,
//! unless the caller raises [`Limits::stop`].

mod configurations;
mod pass;
mod plan;
pub(crate) mod stretch;
mod table;
#[cfg(test)]
mod tests;
mod trace;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use history::OPEN;

use crate::model::{Call, Effect, Model};
use crate::undecided::{Limit, Undecided};
use pass::{Budget, Mode, Pass, Passed};
use plan::{Event, Plan};
use table::{Spent, Table};
use trace::Trace;

/// How hard to try, for each key.
#[derive(Clone, Debug)]
pub struct Limits {
    /// How many bytes the search may take beside the history.
    pub memory_bytes: usize,
    /// How many steps of the model may be looked at.
    pub steps: u64,
    /// The search gives up soon after one of these becomes true: for a limit of time, which is the caller's
    /// affair.
    pub stop: Vec<Arc<AtomicBool>>,
}

impl Default for Limits {
    /// A gigabyte and a thousand million steps: some ten seconds.
    fn default() -> Self {
        Limits {
            memory_bytes: 1 << 30,
            steps: 1_000_000_000,
            stop: Vec::new(),
        }
    }
}

impl Limits {
    /// Whether the caller wants it to end.
    pub(crate) fn is_stopped(&self) -> bool {
        self.stop.iter().any(|stop| stop.load(Ordering::Relaxed))
    }

    /// Why to give up, if there is a reason.
    fn reached(&self, steps: u64, bytes: usize) -> Option<Limit> {
        if steps > self.steps {
            Some(Limit::Steps)
        } else if bytes > self.memory_bytes {
            Some(Limit::Memory)
        } else if self.is_stopped() {
            Some(Limit::Stopped)
        } else {
            None
        }
    }
}

/// What a search found out. Calls by number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Searched {
    /// Linearizable, in this order.
    Found(Vec<usize>),
    /// Not linearizable.
    Stuck(Stuck),
    /// Undecided: a limit was reached, or a call does not end later than it begins.
    GaveUp(Undecided),
}

/// Where a search ended that found no order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stuck {
    /// The call that no order of the calls before its completion can include.
    pub operation: usize,
    /// An order that includes every definite call which completed before that one did.
    pub prefix: Vec<usize>,
    /// The last call in `prefix` that may have changed the state.
    pub last_change: Option<usize>,
    /// Definite calls that `prefix` leaves out too although they had begun by then.
    pub pending: Vec<usize>,
}

impl Stuck {
    /// Why there is no order, in a few lines for people: what fits nowhere, the longest order, what that
    /// leaves and what was still running. `model` and `calls` are those that were searched.
    ///
    /// # Panics
    /// If `calls` are others.
    pub fn explain<M: Model>(&self, model: &M, calls: &[Call<M::Op>]) -> String {
        /// How many calls are named from the end of the order.
        const MOST_NAMED: usize = 10;
        let words = |number: usize| {
            let Call { op, start, finish } = &calls[number];
            match *finish {
                OPEN => format!("call {number}, {op:?} (from {start}, no answer)"),
                finish => format!("call {number}, {op:?} ({start}–{finish})"),
            }
        };
        let blocked = words(self.operation);
        let mut lines = vec![format!(
            "No order explains {blocked} together with all that had completed by then."
        )];
        let skipped = self.prefix.len().saturating_sub(MOST_NAMED);
        let (mut states, mut next) = (vec![model.init()], Vec::new());
        for (place, &number) in self.prefix.iter().enumerate() {
            for state in states.drain(..) {
                model.steps(&state, &calls[number].op, &mut next);
            }
            std::mem::swap(&mut states, &mut next);
            if place == 0 {
                let before = match skipped {
                    0 => String::new(),
                    _ => format!(", of which the last {MOST_NAMED} are"),
                };
                lines.push(format!(
                    "Without it {} calls have an order{before}:",
                    self.prefix.len()
                ));
            }
            if place >= skipped {
                lines.push(format!("  {}", words(number)));
            }
        }
        if let [state] = states.as_slice() {
            lines.push(format!("That leaves {state:?}, in which it is impossible."));
        }
        if !self.pending.is_empty() {
            let pending = self.pending.iter().rev().take(MOST_NAMED);
            let running: Vec<String> = pending.map(|&number| words(number)).collect();
            lines.push(format!("Still running were {}.", running.join("; ")));
        }
        lines.join("\n")
    }

    /// The same with other numbers.
    pub(crate) fn map(self, number: impl Fn(usize) -> usize) -> Stuck {
        Stuck {
            operation: number(self.operation),
            prefix: self.prefix.into_iter().map(&number).collect(),
            last_change: self.last_change.map(&number),
            pending: self.pending.into_iter().map(&number).collect(),
        }
    }
}

/// Up to which width each effort goes; the last one is bounded by the limits alone.
const EFFORTS: [usize; 5] = [1, 5, 7, 8, 9];

/// Searches for a linearization.
///
/// A call that does not end later than it begins is a mistake in the calls, not in what they tell: nothing is
/// searched then, and [`Searched::GaveUp`] names the call.
pub fn search<M: Model>(model: &M, calls: &[Call<M::Op>], limits: &Limits) -> Searched {
    match Search::new(model, calls, limits) {
        Ok(mut search) => search.run(0),
        Err(number) => {
            let why = format!(
                "nothing was searched: call {number} does not end later than it begins ({}, {})",
                calls[number].start, calls[number].finish
            );
            Searched::GaveUp(why.into())
        }
    }
}

/// A search that goes on width by width.
pub(crate) struct Search<'a, M: Model> {
    plan: Plan<'a, M::Op>,
    table: Table<'a, M>,
    spent: Spent,
    budget: Budget<'a>,
}

/// What came of one width.
pub(crate) enum Tried {
    /// That is the answer.
    Decided(Searched),
    /// No one knows; what was kept did not survive this event.
    Undecided(usize),
}

impl<'a, M: Model> Search<'a, M> {
    /// Prepares a search.
    ///
    /// # Errors
    /// The number of a call that ends before it begins.
    pub fn new(model: &'a M, calls: &'a [Call<M::Op>], limits: &'a Limits) -> Result<Self, usize> {
        let plan = Plan::new(model, calls)?;
        Ok(Search {
            table: Table::new(model, plan.ops.clone()),
            plan,
            spent: Spent::new(),
            budget: Budget {
                limits,
                steps: 0,
                peak_bytes: 0,
            },
        })
    }

    /// Tries harder and harder, from effort number `first` on, until one decides.
    pub fn run(&mut self, first: usize) -> Searched {
        for (effort, &level) in EFFORTS.iter().enumerate().skip(first) {
            let until = match self.narrow(effort) {
                Tried::Decided(searched) => return searched,
                Tried::Undecided(event) => event + 1,
            };
            if let Some(searched) = self.broad(level, until) {
                return searched;
            }
        }
        // The last effort is exact unless a limit ends it.
        Searched::GaveUp("internal: the search ended undecided".into())
    }

    /// Tries to show with moderate effort that there is no order: a call before whose completion there is
    /// none.
    pub fn refute(&mut self) -> Option<usize> {
        const LEVEL: usize = 5;
        let until = self.plan.events.len();
        let dead_end = match self.pass(LEVEL, Mode::Narrow).run(until, LEVEL) {
            Passed::Ended { event, certain: true } => Some(event),
            Passed::Ended { event, .. } => match self.pass(LEVEL, Mode::Broad).run(event + 1, LEVEL) {
                Passed::Ended { event, .. } => Some(event),
                Passed::Through(_) | Passed::Limit { .. } => None,
            },
            Passed::Through(_) | Passed::Limit { .. } => None,
        };
        match dead_end.map(|event| self.plan.events[event]) {
            Some(Event::Finish(call)) => Some(call as usize),
            _ => None,
        }
    }

    /// There is no order up to the finish of `call`.
    pub fn stuck_at(&mut self, call: usize) -> Searched {
        let finish = Event::Finish(call as u32);
        match self.plan.events.iter().position(|event| *event == finish) {
            Some(event) => self.stuck(0, event),
            None => Searched::GaveUp("internal: a call without a completion cannot be placed".into()),
        }
    }

    fn pass(&mut self, level: usize, mode: Mode) -> Pass<'_, 'a, M> {
        Pass::new(
            &self.plan,
            &mut self.table,
            &mut self.spent,
            &mut self.budget,
            level,
            mode,
        )
    }

    /// Tries to find an order.
    pub fn narrow(&mut self, effort: usize) -> Tried {
        let until = self.plan.events.len();
        let mut pass = self.pass(0, Mode::Narrow);
        let passed = pass.run(until, EFFORTS[effort]);
        let trace = std::mem::take(&mut pass.trace);
        match passed {
            Passed::Through(tip) => Tried::Decided(Searched::Found(self.order(tip, until, trace))),
            Passed::Ended { event, certain: true } => Tried::Decided(self.stuck(effort, event)),
            Passed::Ended { event, .. } => Tried::Undecided(event),
            Passed::Limit { event, limit } => Tried::Decided(self.gave_up(event, limit)),
        }
    }

    /// Tries to show that there is none, not even up to event number `until`.
    pub fn broad(&mut self, level: usize, until: usize) -> Option<Searched> {
        match self.pass(level, Mode::Broad).run(until, level) {
            Passed::Through(_) => None,
            Passed::Ended { event, .. } => Some(self.stuck(0, event)),
            Passed::Limit { event, limit } => Some(self.gave_up(event, limit)),
        }
    }

    fn order(&mut self, tip: u32, until: usize, trace: Trace) -> Vec<usize> {
        let order = trace.order(tip, until, &self.plan, &mut self.table);
        order.into_iter().map(|call| call as usize).collect()
    }

    fn gave_up(&self, event: usize, limit: Limit) -> Searched {
        let placed = self.plan.events[..event]
            .iter()
            .filter(|event| matches!(event, Event::Finish(_)))
            .count();
        Searched::GaveUp(Undecided::Limit {
            limit,
            steps: self.budget.steps,
            peak_bytes: self.budget.peak_bytes,
            placed,
            completed: self.plan.definite,
        })
    }

    /// There is no order up to the finish that is event number `event`. What comes before may have none
    /// either, but then that was not found out: the prefix is the longest order that is found with little
    /// effort.
    pub fn stuck(&mut self, effort: usize, event: usize) -> Searched {
        let Event::Finish(blocking) = self.plan.events[event] else {
            return Searched::GaveUp("internal: the search is stuck at a start".into());
        };
        let mut pass = self.pass(0, Mode::Narrow);
        let (tip, until) = match pass.run(event, EFFORTS[effort]) {
            Passed::Through(tip) => (tip, event),
            // That there is none stands all the same.
            Passed::Limit { .. } => return self.stuck_behind(blocking, Vec::new(), 0),
            Passed::Ended { event, certain: true } => return self.stuck(effort, event),
            Passed::Ended { event, .. } => return self.stuck_before(effort, blocking, event),
        };
        let trace = std::mem::take(&mut pass.trace);
        let prefix = self.order(tip, until, trace);
        self.stuck_behind(blocking, prefix, until)
    }

    /// The same, where an order is only known for what comes before event number `until`.
    fn stuck_before(&mut self, effort: usize, blocking: u32, until: usize) -> Searched {
        let mut pass = self.pass(0, Mode::Narrow);
        let prefix = match pass.run(until, EFFORTS[effort]) {
            Passed::Through(tip) => {
                let trace = std::mem::take(&mut pass.trace);
                self.order(tip, until, trace)
            }
            _ => Vec::new(),
        };
        self.stuck_behind(blocking, prefix, until)
    }

    fn stuck_behind(&self, blocking: u32, prefix: Vec<usize>, until: usize) -> Searched {
        let mut is_running = vec![false; self.plan.items.len()];
        for event in &self.plan.events[..until] {
            match *event {
                Event::Start(call) => {
                    is_running[call as usize] = self.plan.items[call as usize].finish != OPEN
                }
                Event::Finish(call) => is_running[call as usize] = false,
            }
        }
        for &call in &prefix {
            is_running[call] = false;
        }
        is_running[blocking as usize] = false;
        let changes =
            |&&call: &&usize| self.plan.effects[self.plan.items[call].class as usize] != Effect::Pure;
        Searched::Stuck(Stuck {
            operation: blocking as usize,
            last_change: prefix.iter().rev().find(changes).copied(),
            pending: (0..is_running.len()).filter(|&call| is_running[call]).collect(),
            prefix,
        })
    }
}
