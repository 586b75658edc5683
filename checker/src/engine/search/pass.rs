//! One pass through the events, with a set of configurations that is all, some, or more than what is
//! possible.
//!
//! Lowe's just-in-time linearization: nothing is linearized until a definite call that is not yet linearized
//! finishes. Then every configuration in which something is still owed to that call is replaced by those that
//! follow from it by linearizing running calls, that one last.
//!
//! ```text
//!   events       start a   start b   finish b             finish a
//!   set of        {s}       {s}      {s·b, s·a·b}         {s·b·a, s·a·b}
//!   configurations
//! ```
//!
//! - Exactly: the set holds what is possible, apart from what is dominated. If it becomes empty, the history
//!   is not linearizable; if not, it is.
//! - Narrowly: where the set would grow beyond a width, only the most promising configurations are kept. If
//!   one is left at the end, the history is linearizable all the same.
//! - Broadly: where the set would grow, configurations are joined into one that is at least as good. If none
//!   is left, the history is not linearizable all the same.

use std::collections::VecDeque;
use std::ops::Range;

use history::OPEN;
use rustc_hash::FxHashMap;

use super::Limits;
use super::configurations::{Configurations, Keep, Pool, Row, has, set, unset};
use super::plan::{Class, Event, NO_SLOT, Plan};
use super::table::{Spent, StateId, Table};
use super::trace::{ROOT, Trace};
use crate::model::{Effect, Model};
use crate::undecided::Limit;

/// How large the set of configurations may become.
#[derive(Clone, Copy, Debug)]
pub(super) struct Width {
    /// Configurations kept from one event to the next.
    pub kept: usize,
    /// Configurations looked at for one event.
    pub tried: usize,
    /// Whether a narrow pass uses open calls only where nothing else helps.
    pub sparing: bool,
    /// Whether a narrow pass takes the shortest ways only.
    pub hasty: bool,
    /// How many events a narrow pass goes back before it tries this width.
    pub back: usize,
}

/// The widths, one after the other; the last one is bounded by the limits alone.
pub(super) const WIDTHS: [Width; 10] = [
    width(8, 256, true, true, 0),
    width(64, 2 << 10, true, true, 256),
    width(64, 2 << 10, true, true, 2 << 10),
    width(256, 8 << 10, true, false, 1 << 10),
    width(64, 1 << 10, false, true, 512),
    width(128, 4 << 10, false, false, 1 << 10),
    width(512, 32 << 10, false, false, 2 << 10),
    width(4 << 10, 256 << 10, false, false, 4 << 10),
    width(64 << 10, 4 << 20, false, false, usize::MAX),
    width(usize::MAX, usize::MAX, false, false, usize::MAX),
];

const fn width(kept: usize, tried: usize, sparing: bool, hasty: bool, back: usize) -> Width {
    Width {
        kept,
        tried,
        sparing,
        hasty,
        back,
    }
}

/// A narrow pass remembers where it was every so many events, and so many times.
const SNAPSHOT_EVENTS: usize = 64;
const MOST_SNAPSHOTS: usize = 64;

/// What is done where the set becomes larger than that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    /// The least promising are dropped.
    Narrow,
    /// The most similar are joined.
    Broad,
}

/// How a pass ended.
pub(super) enum Passed {
    /// Something is left behind the last event: the tip of a trace.
    Through(u32),
    /// Nothing is left at this event, a finish; whether that is certain.
    Ended { event: usize, certain: bool },
    /// A limit was reached at this event.
    Limit { event: usize, limit: Limit },
}

/// What the passes of one search use up together.
pub(super) struct Budget<'l> {
    pub limits: &'l Limits,
    pub steps: u64,
    /// The largest number of bytes that was in use.
    pub peak_bytes: usize,
}

pub(super) struct Pass<'p, 'a, M: Model> {
    plan: &'p Plan<'a, M::Op>,
    table: &'p mut Table<'a, M>,
    spent: &'p mut Spent,
    budget: &'p mut Budget<'a>,
    /// The width to begin with, and the present one.
    level: usize,
    width: Width,
    mode: Mode,
    pub trace: Trace,
    /// What is possible now.
    pub now: Configurations,
    /// What follows from it, on the way to the event's call and with that call.
    way: Pool,
    reached: Pool,
    exact: bool,
    /// A broad pass met too many states to go on.
    endless: bool,
    /// A limit was reached in the middle of an event: what is left of it shows nothing.
    cut_off: Option<Limit>,
    /// Open calls are not used now.
    sparing: bool,

    /// For each class its running definite calls, as slots, the first to finish in front.
    running: Vec<Vec<u32>>,
    /// How many open calls of each class have begun.
    opened: Vec<u32>,
    /// Classes that change the state and have a running call, and where each stands in that list.
    active: Vec<Class>,
    active_at: FxHashMap<Class, usize>,
    /// Classes of running pure calls.
    pure: Vec<Class>,
    /// The call in each slot.
    call_in: Vec<u32>,
    /// Slots with running calls that overwrite, that change, and that are pure.
    overwriting: Vec<u64>,
    changing: Vec<u64>,
    purely: Vec<u64>,
    /// For each state the pure calls that are legal in it; good until the next pure call starts or finishes.
    legal: FxHashMap<StateId, usize>,
    legal_words: Vec<u64>,
    /// Where a narrow pass can go back to, the earliest in front.
    snapshots: VecDeque<Snapshot>,
}

/// All of a pass that changes from event to event.
struct Snapshot {
    event: usize,
    now: Configurations,
    exact: bool,
    /// For each class that has any: running calls, and how many open ones have begun.
    classes: Vec<(Class, Vec<u32>, u32)>,
    active: Vec<Class>,
    pure: Vec<Class>,
    call_in: Vec<u32>,
    overwriting: Vec<u64>,
    changing: Vec<u64>,
    purely: Vec<u64>,
}

/// Why a pass ended before the end of a stretch.
pub(super) enum Stopped {
    /// Nothing is left at the finish of this call.
    Stuck(u32),
    /// A limit was reached.
    Limit(Limit),
}

impl<'p, 'a, M: Model> Pass<'p, 'a, M> {
    pub fn new(
        plan: &'p Plan<'a, M::Op>,
        table: &'p mut Table<'a, M>,
        spent: &'p mut Spent,
        budget: &'p mut Budget<'a>,
        level: usize,
        mode: Mode,
    ) -> Self {
        let mut now = Configurations::new(plan.slots);
        let words = now.width;
        let mut first = vec![0; now.stride()];
        first[0] = u64::from(Table::<M>::INITIAL);
        first[1] = u64::from(ROOT);
        now.push(&first);
        let keep = match mode {
            Mode::Narrow => Keep::All,
            Mode::Broad => Keep::Joined((WIDTHS[level].kept / 8).clamp(1, 64)),
        };
        Pass {
            trace: Trace::default(),
            now,
            way: Pool::new(plan.slots, keep),
            reached: Pool::new(plan.slots, keep),
            exact: true,
            endless: false,
            cut_off: None,
            sparing: WIDTHS[level].sparing && mode == Mode::Narrow,
            snapshots: VecDeque::new(),
            running: vec![Vec::new(); plan.ops.len()],
            opened: vec![0; plan.ops.len()],
            active: Vec::new(),
            active_at: FxHashMap::default(),
            pure: Vec::new(),
            call_in: vec![0; plan.slots],
            overwriting: vec![0; words],
            changing: vec![0; words],
            purely: vec![0; words],
            legal: FxHashMap::default(),
            legal_words: Vec::new(),
            plan,
            table,
            spent,
            budget,
            level,
            width: WIDTHS[level],
            mode,
        }
    }

    /// Walks through the events before number `until`. Where nothing is left, a narrow pass goes back some
    /// way and tries that stretch again with greater widths, up to number `most`.
    pub fn run(&mut self, until: usize, most: usize) -> Passed {
        let (mut event, mut level, mut problem) = (0, self.level, 0);
        while event < until {
            if self.mode == Mode::Narrow && event.is_multiple_of(SNAPSHOT_EVENTS) {
                if event > problem {
                    level = self.level;
                    self.width = WIDTHS[level];
                }
                self.take_snapshot(event);
            }
            match self.plan.events[event] {
                Event::Start(call) => self.start(call),
                Event::Finish(call) => {
                    if let Some(limit) = self.over_limit() {
                        return Passed::Limit { event, limit };
                    }
                    let goes_on = self.finish(call, event);
                    if let Some(limit) = self.cut_off {
                        return Passed::Limit { event, limit };
                    }
                    if self.endless {
                        // It shows nothing.
                        return Passed::Through(ROOT);
                    }
                    if !goes_on {
                        let certain = self.exact || self.mode == Mode::Broad;
                        level = if event > problem {
                            self.level + 1
                        } else {
                            level + 1
                        };
                        problem = problem.max(event);
                        if certain || level > most {
                            return Passed::Ended {
                                event: problem.max(event),
                                certain,
                            };
                        }
                        self.width = WIDTHS[level];
                        event = self.go_back(event.saturating_sub(self.width.back));
                        continue;
                    }
                }
            }
            event += 1;
        }
        Passed::Through(self.now.row(0).tip())
    }

    /// Walks through a stretch of events without ever going back.
    pub fn walk(&mut self, events: Range<usize>) -> Result<(), Stopped> {
        for event in events {
            match self.plan.events[event] {
                Event::Start(call) => self.start(call),
                Event::Finish(call) => {
                    if let Some(limit) = self.over_limit() {
                        return Err(Stopped::Limit(limit));
                    }
                    let goes_on = self.finish(call, event);
                    if let Some(limit) = self.cut_off {
                        return Err(Stopped::Limit(limit));
                    }
                    if self.endless {
                        return Err(Stopped::Limit(Limit::Possibilities));
                    }
                    if !goes_on {
                        return Err(Stopped::Stuck(call));
                    }
                }
            }
        }
        Ok(())
    }

    fn take_snapshot(&mut self, event: usize) {
        let with_calls = self.active.iter().chain(&self.pure);
        let classes = with_calls
            .map(|&class| {
                let at = class as usize;
                (class, self.running[at].clone(), self.opened[at])
            })
            .collect();
        if self.snapshots.len() == MOST_SNAPSHOTS {
            // The very beginning stays.
            self.snapshots.remove(1);
        }
        self.snapshots.push_back(Snapshot {
            event,
            now: self.now.clone(),
            exact: self.exact,
            classes,
            active: self.active.clone(),
            pure: self.pure.clone(),
            call_in: self.call_in.clone(),
            overwriting: self.overwriting.clone(),
            changing: self.changing.clone(),
            purely: self.purely.clone(),
        });
    }

    /// Restores the latest snapshot that is not later than `event`; where it was taken.
    fn go_back(&mut self, event: usize) -> usize {
        while self.snapshots.len() > 1 && self.snapshots.back().is_some_and(|last| last.event > event) {
            self.snapshots.pop_back();
        }
        let Some(snapshot) = self.snapshots.pop_back() else {
            return event;
        };
        for class in self.active.iter().chain(&self.pure) {
            self.running[*class as usize].clear();
            self.opened[*class as usize] = 0;
        }
        for (class, running, opened) in snapshot.classes {
            self.running[class as usize] = running;
            self.opened[class as usize] = opened;
        }
        self.active_at = (0..)
            .zip(&snapshot.active)
            .map(|(place, &class)| (class, place))
            .collect();
        self.active = snapshot.active;
        self.pure = snapshot.pure;
        self.call_in = snapshot.call_in;
        self.overwriting = snapshot.overwriting;
        self.changing = snapshot.changing;
        self.purely = snapshot.purely;
        self.now = snapshot.now;
        self.exact = snapshot.exact;
        self.forget_legal();
        snapshot.event
    }

    /// Another width than its level's, to begin with.
    #[cfg(test)]
    pub(super) fn set_width(&mut self, kept: usize, tried: usize) {
        self.width.kept = kept;
        self.width.tried = tried;
    }

    fn over_limit(&mut self) -> Option<Limit> {
        let bytes = self.now.bytes()
            + self.way.bytes()
            + self.reached.bytes()
            + self.trace.bytes()
            + self.table.bytes()
            + self.spent.bytes();
        self.budget.peak_bytes = self.budget.peak_bytes.max(bytes);
        self.budget.limits.reached(self.budget.steps, bytes)
    }

    fn start(&mut self, call: u32) {
        let item = self.plan.items[call as usize];
        let class = item.class as usize;
        let effect = self.plan.effects[class];
        if item.finish == OPEN {
            self.opened[class] += 1;
        } else {
            self.call_in[item.slot as usize] = call;
            let finish = |slot: &u32| self.plan.items[self.call_in[*slot as usize] as usize].finish;
            let place = self.running[class].partition_point(|slot| finish(slot) < item.finish);
            self.running[class].insert(place, item.slot);
            match effect {
                Effect::Pure => {
                    set(&mut self.purely, item.slot);
                    if self.running[class].len() == 1 {
                        self.pure.push(item.class);
                    }
                    self.forget_legal();
                    return;
                }
                Effect::Overwrite => set(&mut self.overwriting, item.slot),
                Effect::Change => {}
            }
            set(&mut self.changing, item.slot);
            if M::LOOPS {
                self.forget_legal();
            }
        }
        if !self.active_at.contains_key(&item.class) {
            self.active_at.insert(item.class, self.active.len());
            self.active.push(item.class);
        }
    }

    fn forget_legal(&mut self) {
        self.legal.clear();
        self.legal_words.clear();
    }

    /// Lets a call finish; `false` if nothing is possible any more.
    fn finish(&mut self, call: u32, event: usize) -> bool {
        let slot = self.plan.items[call as usize].slot;
        self.reached.clear();
        self.way.clear();
        let mut row = Vec::new();
        for number in 0..self.now.len() {
            row.clear();
            row.extend_from_slice(self.now.row(number).words());
            self.settle(&mut row);
            let now = Row::of(&row);
            let (is_free, is_gone) = (now.is_free(slot), now.is_gone(slot));
            if is_free {
                self.arrive(&row, slot);
            }
            // Nothing may be owed to it, and yet it may be wanted: this is the last chance to use it.
            if !is_free || !(is_gone || has(&self.purely, slot)) {
                self.way.insert(&row, self.spent);
            }
        }
        self.look_ahead(slot, event);
        if self.sparing && self.reached.rows.len() == 0 {
            // Without open calls there is no way: once more with them.
            self.sparing = false;
            self.way.revive();
            self.look_ahead(slot, event);
        }
        self.sparing = self.width.sparing && self.mode == Mode::Narrow;
        self.retire(call, slot);

        self.now.clear();
        for number in 0..self.reached.rows.len() {
            if !self.reached.is_dead(number) {
                self.now.push(self.reached.rows.row(number).words());
            }
        }
        if self.now.len() > self.width.kept && self.mode == Mode::Narrow {
            self.keep_best();
        }
        if self.mode == Mode::Narrow && self.trace.is_overgrown() {
            let snapshots = self.snapshots.iter_mut().flat_map(|snapshot| snapshot.now.tips());
            self.trace.prune(self.now.tips().chain(snapshots));
        }
        self.now.len() > 0
    }

    /// Marks running calls as settled that are legal and change nothing: pure ones, and others that happen to
    /// do nothing in this state. These may be wanted later all the same.
    fn settle(&mut self, row: &mut [u64]) {
        if self.pure.is_empty() && !M::LOOPS {
            return;
        }
        let state = row[0] as StateId;
        let width = self.purely.len();
        let at = match self.legal.get(&state) {
            Some(&at) => at,
            None => {
                let at = self.legal_words.len();
                self.legal_words.resize(at + width, 0);
                for &class in &self.pure {
                    if self.table.is_legal(state, class) {
                        for &slot in &self.running[class as usize] {
                            set(&mut self.legal_words[at..], slot);
                        }
                    }
                }
                for &class in self.active.iter().filter(|_| M::LOOPS) {
                    let running = &self.running[class as usize];
                    if !running.is_empty() && self.table.stays(state, class) {
                        running
                            .iter()
                            .for_each(|&slot| set(&mut self.legal_words[at..], slot));
                    }
                }
                self.legal.insert(state, at);
                at
            }
        };
        let free = 2 + width;
        for (word, legal) in row[free..].iter_mut().zip(&self.legal_words[at..at + width]) {
            *word |= legal;
        }
    }

    /// Lets the call in `slot` go from a configuration that owes it nothing.
    fn arrive(&mut self, row: &[u64], slot: u32) {
        let width = self.purely.len();
        let mut row = row.to_vec();
        unset(&mut row[2..2 + width], slot);
        unset(&mut row[2 + width..], slot);
        self.reached.insert(&row, self.spent);
    }

    /// Linearizes running calls until the one that finishes has been.
    fn look_ahead(&mut self, slot: u32, event: usize) {
        let is_pure = has(&self.purely, slot);
        let hasty = self.width.hasty && self.mode == Mode::Narrow;
        let enough = if hasty {
            self.width.kept
        } else {
            self.width.kept.saturating_mul(4)
        };
        let mut number = 0;
        let mut row = Vec::new();
        let mut after = Vec::new();
        while number < self.way.rows.len() {
            if self.mode == Mode::Narrow && (number >= self.width.tried || self.reached.rows.len() >= enough)
            {
                self.exact = false;
                return;
            }
            if self.mode == Mode::Broad && number >= self.width.tried {
                // Joined configurations forget which open calls are spent, so that a state may grow without
                // end.
                self.endless = true;
                return;
            }
            self.cut_off = self.over_limit();
            if self.cut_off.is_some() {
                return;
            }
            number += 1;
            if self.way.is_dead(number - 1) {
                continue;
            }
            row.clear();
            row.extend_from_slice(self.way.rows.row(number - 1).words());
            // To one to which nothing is owed only the direct way is worth trying in haste.
            let only = (hasty && !is_pure && Row::of(&row).is_free(slot))
                .then(|| self.plan.items[self.call_in[slot as usize] as usize].class);
            if only.is_some() {
                self.exact = false;
            }
            for place in 0..self.active.len() {
                let class = self.active[place];
                if only.is_some_and(|only| only != class) {
                    continue;
                }
                self.budget.steps += 1;
                let usable = self.usable(&row, class);
                if self.sparing && self.opened[class as usize] > 0 {
                    self.exact = false;
                }
                let states = if usable[0].is_some() { usize::MAX } else { 0 };
                for (used, successor) in
                    (0..states).flat_map(|n| usable.into_iter().flatten().map(move |used| (used, n)))
                {
                    let Some(state) = self.table.step(row[0] as StateId, class, successor) else {
                        break;
                    };
                    after.clear();
                    after.extend_from_slice(&row);
                    self.linearize(&mut after, class, used, state, event);
                    self.settle(&mut after);
                    let done = match is_pure {
                        true => Row::of(&after).is_free(slot),
                        false => used == slot,
                    };
                    if done {
                        self.arrive(&after, slot);
                    } else {
                        self.way.insert(&after, self.spent);
                    }
                }
            }
        }
    }

    /// Which call of a class comes next: the running one that finishes first, else an open one ([`NO_SLOT`]).
    ///
    /// Where configurations are joined, or calls were settled that did nothing, that one may be available
    /// although nothing is owed to it any more; then the first one to which something is owed may be the
    /// better choice.
    fn usable(&self, row: &[u64], class: Class) -> [Option<u32>; 2] {
        let row = Row::of(row);
        let running = &self.running[class as usize];
        if let Some(&first) = running.iter().find(|&&slot| !row.is_gone(slot)) {
            let may_differ = M::LOOPS || self.mode == Mode::Broad;
            let owed = match may_differ && row.is_free(first) {
                true => running.iter().find(|&&slot| !row.is_free(slot)),
                false => None,
            };
            return [Some(first), owed.copied()];
        }
        let opened = self.opened[class as usize];
        let open = opened > 0 && self.spent.count(row.spent(), class) < opened;
        [(open && !self.sparing).then_some(NO_SLOT), None]
    }

    fn linearize(&mut self, row: &mut [u64], class: Class, used: u32, state: StateId, event: usize) {
        let width = self.purely.len();
        let mut spent = Row::of(row).spent();
        let call = if used == NO_SLOT {
            let open = &self.plan.open[class as usize];
            let call = open[self.spent.count(spent, class) as usize];
            spent = self.spent.add(spent, class);
            call
        } else {
            set(&mut row[2..2 + width], used);
            set(&mut row[2 + width..], used);
            self.call_in[used as usize]
        };
        row[0] = u64::from(state) | u64::from(spent) << 32;
        if self.plan.effects[class as usize] == Effect::Overwrite {
            for (word, overwriting) in row[2 + width..].iter_mut().zip(&self.overwriting) {
                *word |= overwriting;
            }
        }
        if self.mode == Mode::Narrow {
            row[1] = u64::from(self.trace.push(row[1] as u32, call, event as u32, state));
        }
    }

    /// Takes a finished call out of what runs.
    fn retire(&mut self, call: u32, slot: u32) {
        let class = self.plan.items[call as usize].class;
        let running = &mut self.running[class as usize];
        running.retain(|other| *other != slot);
        if has(&self.purely, slot) {
            unset(&mut self.purely, slot);
            if running.is_empty() {
                self.pure.retain(|other| *other != class);
            }
            self.forget_legal();
            return;
        }
        unset(&mut self.overwriting, slot);
        unset(&mut self.changing, slot);
        if running.is_empty()
            && self.opened[class as usize] == 0
            && let Some(place) = self.active_at.remove(&class)
        {
            self.active.swap_remove(place);
            if let Some(&moved) = self.active.get(place) {
                self.active_at.insert(moved, place);
            }
        }
        if M::LOOPS {
            self.forget_legal();
        }
    }

    /// Keeps the most promising configurations, some of every state.
    fn keep_best(&mut self) {
        self.exact = false;
        let count = |words: &[u64], among: &[u64], negated: bool| -> u32 {
            words
                .iter()
                .zip(among)
                .map(|(word, among)| (if negated { !word & among } else { word & among }).count_ones())
                .sum()
        };
        let mut scored: Vec<(u32, StateId, u32)> = (0..self.now.len() as u32)
            .map(|number| {
                let row = self.now.row(number as usize);
                let owed =
                    4 * count(row.free(), &self.changing, true) + count(row.free(), &self.purely, true);
                let lost = 2 * count(row.gone(), &self.changing, false) + 6 * self.spent.size(row.spent());
                (owed + lost, row.state(), number)
            })
            .collect();
        scored.sort_unstable();
        // Its rank among those of its state comes first.
        let mut ranks: FxHashMap<StateId, u32> = FxHashMap::default();
        let mut ranked: Vec<(u32, u32, u32)> = scored
            .iter()
            .map(|&(score, state, number)| {
                let rank = ranks.entry(state).or_default();
                *rank += 1;
                (*rank, score, number)
            })
            .collect();
        ranked.sort_unstable();
        ranked.truncate(self.width.kept);
        let mut best = Configurations::new(self.plan.slots);
        for (.., number) in ranked {
            best.push(self.now.row(number as usize).words());
        }
        self.now = best;
    }
}
