//! A broad pass through one stretch of a history: from the configurations that are possible at its beginning
//! to those at its end. For judging while a history grows ([`crate::stream`]).
//!
//! Invariant: between stretches a configuration speaks of calls by their places among those that are carried
//! on, and of states by what they are, so that nothing of a stretch's tables outlives it.

use super::Limits;
use super::configurations::{Configurations, Row, has, set};
use super::pass::{Budget, Mode, Pass, Stopped};
use super::plan::{Event, Plan};
use super::table::{Spent, Table};
use super::trace::ROOT;
use crate::model::{Call, Model};

/// Which width the pass has.
const LEVEL: usize = 5;

/// A configuration between two stretches. Calls by their places among those that are carried on.
#[derive(Clone, Debug)]
pub(crate) struct Saved<S> {
    state: S,
    /// Running calls that were used.
    gone: Vec<u32>,
    /// Running calls to which nothing is owed any more.
    free: Vec<u32>,
    /// For each class of open calls of which any were used: one of them, and how many.
    spent: Vec<(u32, u32)>,
}

impl<S> Saved<S> {
    /// Nothing has happened.
    pub fn initial(state: S) -> Self {
        Saved {
            state,
            gone: Vec::new(),
            free: Vec::new(),
            spent: Vec::new(),
        }
    }
}

/// What there is to walk through.
pub(crate) struct Passage<'a, M: Model> {
    pub model: &'a M,
    /// All calls that are running or open at the beginning, in the order in which configurations count them,
    /// and then those that start before the end.
    pub calls: &'a [Call<M::Op>],
    /// The beginning and the end.
    pub since: u64,
    pub until: u64,
    pub limits: &'a Limits,
}

/// Where that led.
pub(crate) enum Through<S> {
    /// What is possible at the end, and the calls that are carried on.
    Left {
        saved: Vec<Saved<S>>,
        carried: Vec<usize>,
    },
    /// There is no order that includes this call.
    Stuck(usize),
    /// A limit was reached.
    Lost(String),
}

impl<M: Model> Passage<'_, M> {
    /// Walks through all events before the end.
    pub fn walk(&self, saved: &[Saved<M::State>]) -> Through<M::State> {
        let plan = match Plan::new(self.model, self.calls) {
            Ok(plan) => plan,
            Err(_) => return Through::Lost("an operation ends before it begins".to_owned()),
        };
        let at = |event: &Event| match *event {
            Event::Start(call) => self.calls[call as usize].start,
            Event::Finish(call) => self.calls[call as usize].finish,
        };
        let before = plan.events.partition_point(|event| at(event) < self.since);
        let end = plan.events.partition_point(|event| at(event) < self.until);
        let mut table = Table::new(self.model, plan.ops.clone());
        let mut spent = Spent::new();
        let now = self.load(saved, &plan, &mut table, &mut spent);
        let mut budget = Budget {
            limits: self.limits,
            steps: 0,
            peak_bytes: 0,
        };
        let mut pass = Pass::new(&plan, &mut table, &mut spent, &mut budget, LEVEL, Mode::Broad);
        if let Err(through) = pass.walk(0..before) {
            return lost_or_stuck(through);
        }
        pass.now = now;
        if let Err(through) = pass.walk(before..end) {
            return lost_or_stuck(through);
        }
        let now = std::mem::replace(&mut pass.now, Configurations::new(0));
        drop(pass);
        let goes_on = |&call: &usize| self.calls[call].finish >= self.until;
        let carried: Vec<usize> = (0..self.calls.len()).filter(goes_on).collect();
        let rows = (0..now.len()).map(|number| now.row(number));
        let saved = rows
            .map(|row| save(row, &carried, &plan, &table, &spent))
            .collect();
        Through::Left { saved, carried }
    }

    fn load(
        &self,
        saved: &[Saved<M::State>],
        plan: &Plan<M::Op>,
        table: &mut Table<M>,
        spent: &mut Spent,
    ) -> Configurations {
        let mut now = Configurations::new(plan.slots);
        let width = now.width;
        for saved in saved {
            let mut row = vec![0; now.stride()];
            let mut used = Spent::NONE;
            for &(call, count) in &saved.spent {
                for _ in 0..count {
                    used = spent.add(used, plan.items[call as usize].class);
                }
            }
            row[0] = u64::from(table.number(saved.state.clone())) | u64::from(used) << 32;
            row[1] = u64::from(ROOT);
            for &call in &saved.gone {
                set(&mut row[2..2 + width], plan.items[call as usize].slot);
            }
            for &call in &saved.free {
                set(&mut row[2 + width..], plan.items[call as usize].slot);
            }
            now.push(&row);
        }
        now
    }
}

fn save<M: Model>(
    row: Row,
    carried: &[usize],
    plan: &Plan<M::Op>,
    table: &Table<M>,
    spent: &Spent,
) -> Saved<M::State> {
    let running = || {
        let slots = carried.iter().map(|&call| plan.items[call].slot);
        (0u32..)
            .zip(slots)
            .filter(|(_, slot)| *slot != super::plan::NO_SLOT)
    };
    let among = |bits: &[u64]| {
        running()
            .filter(|(_, slot)| has(bits, *slot))
            .map(|(place, _)| place)
            .collect()
    };
    let mut used = Vec::new();
    for (place, &call) in (0u32..).zip(carried) {
        let item = plan.items[call];
        // The first of its class stands for it.
        if item.slot == super::plan::NO_SLOT && plan.open[item.class as usize].first() == Some(&(call as u32))
        {
            match spent.count(row.spent(), item.class) {
                0 => {}
                count => used.push((place, count)),
            }
        }
    }
    Saved {
        state: table.state(row.state()).clone(),
        gone: among(row.gone()),
        free: among(row.free()),
        spent: used,
    }
}

fn lost_or_stuck<S>(stopped: Stopped) -> Through<S> {
    match stopped {
        Stopped::Stuck(call) => Through::Stuck(call as usize),
        Stopped::Limit(limit) => Through::Lost(limit.to_string()),
    }
}
