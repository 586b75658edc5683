//! Counters with different amounts: looks for an order, keeping a few that promise most.
//!
//! A read pins the sum, so what is to be chosen is which of the running additions make it up. One that
//! completes must have happened; what is chosen beyond that may be any few that make up what a read shows,
//! be it one that completes or one that runs and is met on the way. Of all that comes of this, those are kept
//! that leave most of what can be added later, for the longest time, and the fewest reads.
//! Where the counter only grows (or only falls), reads are met in the order of what they show.
//!
//! It finds orders, and nothing follows from its finding none. (Beam search: B. T. Lowerre, "The HARPY speech
//! recognition system", 1976; the choice is subset sum.)

use std::cmp::Reverse;

use history::OPEN;
use rustc_hash::FxHashSet;

use super::model::{Counter, CounterOp};
use crate::engine::search::Limits;
use crate::model::Call;

/// How many orders are kept: one number after the other is tried.
const WIDTHS: [usize; 3] = [16, 100, 600];
/// How many additions are looked at, at most.
const MOST_WORK: u64 = 200_000_000;
/// How many operations are placed, in all the orders that are looked at with one width.
const MOST_PLACED: usize = 10_000_000;
/// How many choices are made of the additions for one read, and how many are looked at for that.
const MOST_CHOSEN: usize = 12;
const MOST_LOOKED_AT: usize = 3_000;
/// From how many additions on that may happen not all choices are looked at.
const MANY: u32 = 14;
/// How many reads are met on the way to what completes.
const MOST_MET: usize = 3;
/// How many operations of a kind run at a time, at most: the bits of a set.
const SLOTS: usize = 128;

/// An order of the calls, if one is found.
pub(super) fn order(counter: &Counter, calls: &[Call<CounterOp>], limits: &Limits) -> Option<Vec<usize>> {
    let plan = Plan::new(counter, calls)?;
    let mut work = 0;
    WIDTHS.iter().find_map(|&width| {
        let beam = Beam {
            plan: &plan,
            limits,
            width,
            work: &mut work,
            placed: Vec::new(),
            adds: Vec::new(),
            reads: Vec::new(),
            now: 0,
        };
        beam.run()
    })
}

/// An event: a call begins or completes.
#[derive(Clone, Copy)]
struct Event {
    time: u64,
    number: usize,
    begins: bool,
    /// Where the call stands among those that run.
    slot: usize,
}

struct Plan<'a> {
    calls: &'a [Call<CounterOp>],
    /// Amounts and counts are turned round where the counter only falls.
    sign: i128,
    is_monotonic: bool,
    initial: i128,
    events: Vec<Event>,
    /// For each event the lowest count that a read shows which begins then or later.
    lowest: Vec<i128>,
    /// How long an operation runs, about.
    usual: u64,
}

impl<'a> Plan<'a> {
    /// `None` if too much runs at a time.
    fn new(counter: &Counter, calls: &'a [Call<CounterOp>]) -> Option<Self> {
        let any = |sign: i64| {
            let is_of =
                |call: &Call<CounterOp>| matches!(call.op, CounterOp::Add(amount) if amount.signum() == sign);
            calls.iter().any(is_of)
        };
        let (grows, falls) = (any(1), any(-1));
        let mut times: Vec<(u64, usize, bool)> = Vec::with_capacity(2 * calls.len());
        let (mut durations, mut definite) = (0, 0);
        for (number, call) in calls.iter().enumerate() {
            times.push((call.start, number, true));
            if call.finish != OPEN {
                times.push((call.finish, number, false));
                durations += call.finish.saturating_sub(call.start);
                definite += 1;
            }
        }
        times.sort_unstable();
        let mut plan = Plan {
            calls,
            sign: if falls && !grows { -1 } else { 1 },
            is_monotonic: !(grows && falls),
            initial: counter.initial,
            events: Vec::with_capacity(times.len()),
            lowest: Vec::new(),
            usual: (durations / definite.max(1)).max(1),
        };
        plan.initial *= plan.sign;
        let mut free: [Vec<usize>; 2] = [(), ()].map(|()| (0..SLOTS).rev().collect());
        let mut slots = vec![None; calls.len()];
        for (time, number, begins) in times {
            let kind = usize::from(matches!(calls[number].op, CounterOp::Read(_)));
            if begins {
                slots[number] = free[kind].pop();
            }
            let slot = match slots[number] {
                Some(slot) => slot,
                // It may be left out.
                None if calls[number].finish == OPEN => continue,
                None => return None,
            };
            if !begins {
                free[kind].push(slot);
            }
            plan.events.push(Event {
                time,
                number,
                begins,
                slot,
            });
        }
        let mut lowest = i128::MAX;
        for event in plan.events.iter().rev() {
            if let (CounterOp::Read(_), true) = (calls[event.number].op, event.begins) {
                lowest = lowest.min(plan.value(event.number));
            }
            plan.lowest.push(lowest);
        }
        plan.lowest.reverse();
        Some(plan)
    }

    /// What is added, or shown.
    fn value(&self, number: usize) -> i128 {
        self.sign
            * match self.calls[number].op {
                CounterOp::Add(amount) => i128::from(amount),
                CounterOp::Read(seen) => seen,
            }
    }
}

/// A call that runs.
#[derive(Clone, Copy)]
struct Running {
    number: usize,
    value: i128,
    finish: u64,
    slot: usize,
}

/// An order so far.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Order {
    count: i128,
    /// The additions that run and have not happened, by slot.
    adds: u128,
    /// The reads that run and were not placed, by slot.
    reads: u128,
    /// What was placed last, in [`Beam::placed`].
    last: Option<u32>,
}

struct Beam<'a> {
    plan: &'a Plan<'a>,
    limits: &'a Limits,
    width: usize,
    work: &'a mut u64,
    /// What was placed, and after what.
    placed: Vec<(u32, Option<u32>)>,
    /// What runs: additions by their completions, and reads by what they show.
    adds: Vec<Running>,
    reads: Vec<Running>,
    now: u64,
}

impl Beam<'_> {
    fn run(mut self) -> Option<Vec<usize>> {
        let mut orders = vec![Order {
            count: self.plan.initial,
            adds: 0,
            reads: 0,
            last: None,
        }];
        for (place, &event) in self.plan.events.iter().enumerate() {
            let most = MOST_WORK.min(self.limits.steps);
            if *self.work > most || self.placed.len() > MOST_PLACED || self.limits.is_stopped() {
                return None;
            }
            self.now = event.time;
            match event.begins {
                true => self.begin(event, &mut orders),
                false => orders = self.complete(event, place, &orders),
            }
            if orders.is_empty() {
                return None;
            }
        }
        let mut order = Vec::new();
        let mut last = orders.first()?.last;
        while let Some(place) = last {
            let (number, before) = self.placed[place as usize];
            order.push(number as usize);
            last = before;
        }
        order.reverse();
        Some(order)
    }

    fn begin(&mut self, event: Event, orders: &mut Vec<Order>) {
        let running = Running {
            number: event.number,
            value: self.plan.value(event.number),
            finish: self.plan.calls[event.number].finish,
            slot: event.slot,
        };
        let bit = 1 << event.slot;
        match self.plan.calls[event.number].op {
            CounterOp::Add(_) => {
                let place = self.adds.partition_point(|other| other.finish <= running.finish);
                self.adds.insert(place, running);
                orders.iter_mut().for_each(|order| order.adds |= bit);
            }
            CounterOp::Read(_) => {
                let place = self.reads.partition_point(|other| other.value <= running.value);
                self.reads.insert(place, running);
                for order in orders.iter_mut() {
                    order.reads |= bit;
                    self.meet(order);
                }
                if self.plan.is_monotonic {
                    orders.retain(|order| order.count <= running.value);
                }
            }
        }
    }

    fn complete(&mut self, event: Event, place: usize, orders: &[Order]) -> Vec<Order> {
        let is_read = matches!(self.plan.calls[event.number].op, CounterOp::Read(_));
        let bit: u128 = 1 << event.slot;
        let is_due = |order: &Order| (if is_read { order.reads } else { order.adds }) & bit != 0;
        let mut next: Vec<Order> = Vec::new();
        // What it is still due in, with how many reads were met for that.
        let mut due: Vec<(Order, usize)> = Vec::new();
        for &order in orders {
            match is_due(&order) {
                true => due.push((order, 0)),
                false => next.push(order),
            }
        }
        let mut seen: FxHashSet<(u128, u128)> = next.iter().map(|order| (order.adds, order.reads)).collect();
        let lowest = self.plan.lowest[place];
        let mut found = Vec::new();
        while let Some((order, met)) = due.pop() {
            if is_read {
                self.ways(order, event.slot, usize::MAX, &mut found);
            } else {
                let alone = self.adds.iter().position(|add| add.slot == event.slot);
                found.extend(alone.map(|alone| self.after(order, &[alone], None)));
            }
            let others: Vec<usize> = self.to_meet(order, event, is_read);
            if self.plan.is_monotonic || met < MOST_MET {
                let has_many = !self.plan.is_monotonic && order.adds.count_ones() > MANY;
                let most = if has_many { 2 } else { usize::MAX };
                for other in others {
                    self.ways(order, other, most, &mut found);
                }
            }
            for mut order in found.drain(..) {
                self.meet(&mut order);
                let is_late =
                    |read: &Running| order.reads & (1 << read.slot) != 0 && read.value < order.count;
                if self.plan.is_monotonic && (order.count > lowest || self.reads.iter().any(is_late)) {
                    continue;
                }
                if !seen.insert((order.adds, order.reads)) {
                    continue;
                }
                match is_due(&order) {
                    true if due.len() < self.width + 16 => due.push((order, met + 1)),
                    true => {}
                    false => next.push(order),
                }
            }
        }
        let running = if is_read { &mut self.reads } else { &mut self.adds };
        running.retain(|running| running.slot != event.slot);
        self.best(next)
    }

    /// Which reads, by slot, may come before what completes.
    fn to_meet(&self, order: Order, event: Event, is_read: bool) -> Vec<usize> {
        let waiting = self
            .reads
            .iter()
            .filter(|read| order.reads & (1 << read.slot) != 0);
        // Where the order of the reads is known it is the next one.
        let most = if self.plan.is_monotonic { 1 } else { usize::MAX };
        let slots = waiting.take(most).map(|read| read.slot);
        slots.filter(|&slot| !is_read || slot != event.slot).collect()
    }

    /// The orders that come of meeting a read next, by no more than so many additions.
    fn ways(&mut self, order: Order, read: usize, most: usize, found: &mut Vec<Order>) {
        let Some(read) = self.reads.iter().find(|running| running.slot == read).copied() else {
            return;
        };
        let is_left = |place: &usize| order.adds & (1 << self.adds[*place].slot) != 0;
        let left: Vec<usize> = (0..self.adds.len()).filter(is_left).collect();
        let sum = read.value - order.count;
        let is_rich = left.len() > MANY as usize;
        let values: Vec<i128> = left.iter().map(|&place| self.adds[place].value).collect();
        let mut sorted: Vec<(i128, usize)> = values.iter().copied().zip(0..).collect();
        sorted.sort_unstable();
        let mut choice = Choice {
            values: &values,
            sorted: &sorted,
            is_monotonic: self.plan.is_monotonic,
            left: MOST_LOOKED_AT,
            most: if is_rich { 4 } else { MOST_CHOSEN },
            chosen: Vec::new(),
            found: Vec::new(),
        };
        let most = most.min(values.len());
        for size in 0..=if is_rich { most.min(3) } else { most } {
            choice.choose(0, size, sum);
            if choice.left == 0
                || choice.found.len() >= choice.most
                || (size >= 2 && is_rich && !choice.found.is_empty())
            {
                break;
            }
        }
        if choice.found.is_empty() && is_rich && sum != 0 && most > 3 {
            choice.choose_many(sum);
        }
        *self.work += (MOST_LOOKED_AT - choice.left + values.len()) as u64;
        for chosen in choice.found {
            let places: Vec<usize> = chosen.into_iter().map(|place| left[place]).collect();
            found.push(self.after(order, &places, Some(read)));
        }
    }

    /// The order with these additions behind it, and then a read.
    fn after(&mut self, mut order: Order, adds: &[usize], read: Option<Running>) -> Order {
        for &place in adds {
            let add = self.adds[place];
            order.count += add.value;
            order.adds &= !(1 << add.slot);
            self.put(&mut order, add.number);
        }
        if let Some(read) = read {
            order.reads &= !(1 << read.slot);
            self.put(&mut order, read.number);
        }
        order
    }

    /// Places the reads that show what the count is.
    fn meet(&mut self, order: &mut Order) {
        let first = self.reads.partition_point(|read| read.value < order.count);
        for place in first..self.reads.len() {
            let read = self.reads[place];
            if read.value != order.count {
                break;
            }
            if order.reads & (1 << read.slot) != 0 {
                order.reads &= !(1 << read.slot);
                self.put(order, read.number);
            }
        }
    }

    fn put(&mut self, order: &mut Order, number: usize) {
        self.placed.push((number as u32, order.last));
        order.last = Some(self.placed.len() as u32 - 1);
    }

    /// Those that promise most.
    fn best(&mut self, mut orders: Vec<Order>) -> Vec<Order> {
        if orders.len() <= self.width {
            return orders;
        }
        /// What an addition is worth that is left for long, and a read that is still to be met.
        const ADD: u64 = 256;
        const READ: u64 = 256;
        let mut worth = [[0u64; SLOTS]; 2];
        for add in &self.adds {
            let left = add.finish.saturating_sub(self.now).min(self.plan.usual);
            worth[0][add.slot] = ADD / 4 + ADD * left / self.plan.usual;
        }
        for read in &self.reads {
            worth[1][read.slot] = READ;
        }
        let of = |bits: u128, worth: &[u64; SLOTS]| {
            let (mut bits, mut sum) = (bits, 0);
            while bits != 0 {
                sum += worth[bits.trailing_zeros() as usize];
                bits &= bits - 1;
            }
            sum
        };
        *self.work += orders.len() as u64 * 8;
        let usual =
            self.adds.iter().map(|add| add.value.abs()).sum::<i128>() / self.adds.len().max(1) as i128;
        let usual = usual.max(1);
        let (reads, is_monotonic) = (&self.reads, self.plan.is_monotonic);
        // Where the count can go either way it should not go astray.
        let far = |order: &Order| {
            let waiting = reads.iter().filter(|read| order.reads & (1 << read.slot) != 0);
            let far: i128 = waiting
                .map(|read| (read.value - order.count).abs() * 16 / usual)
                .sum();
            if is_monotonic { 0 } else { far.min(1 << 40) as i64 }
        };
        let score = |order: &Order| {
            let more = of(order.adds, &worth[0]) as i64 - of(order.reads, &worth[1]) as i64 - far(order);
            (Reverse(more), order.count)
        };
        orders.sort_by_cached_key(score);
        orders.truncate(self.width);
        orders
    }
}

/// Chooses some values that make up a sum.
struct Choice<'a> {
    values: &'a [i128],
    /// The same with their places, ascending.
    sorted: &'a [(i128, usize)],
    /// No value is negative.
    is_monotonic: bool,
    /// How many may still be looked at.
    left: usize,
    /// How many choices are enough.
    most: usize,
    chosen: Vec<usize>,
    found: Vec<Vec<usize>>,
}

impl Choice<'_> {
    /// Some choices of many values: those that come first, as long as they lead there, and a few others.
    fn choose_many(&mut self, sum: i128) {
        let usual =
            self.values.iter().map(|value| value.abs()).sum::<i128>() / self.values.len().max(1) as i128;
        for skipped in 0..4 {
            self.left = MOST_LOOKED_AT / 2;
            let mut rest = sum;
            let mut last = 0;
            for (place, &value) in self.values.iter().enumerate().skip(skipped) {
                if rest.abs() <= 2 * usual {
                    break;
                }
                last = place + 1;
                if value.signum() == rest.signum() {
                    self.chosen.push(place);
                    rest -= value;
                }
            }
            if rest.abs() <= 3 * usual {
                for size in 0..=4.min(self.values.len() - last) {
                    self.choose(last, size, rest);
                    if self.found.len() >= self.most {
                        break;
                    }
                }
            }
            self.chosen.clear();
        }
    }

    /// All choices of so many values from a place on.
    fn choose(&mut self, from: usize, size: usize, sum: i128) {
        if size == 0 {
            if sum == 0 {
                self.found.push(self.chosen.clone());
            }
            return;
        }
        if self.is_monotonic && sum <= 0 {
            return;
        }
        if size == 1 {
            self.left = self.left.saturating_sub(1);
            let first = self.sorted.partition_point(|&one| one < (sum, from));
            let last = self.sorted[first..].iter().take_while(|one| one.0 == sum);
            for &(_, place) in last {
                self.chosen.push(place);
                self.found.push(self.chosen.clone());
                self.chosen.pop();
            }
            return;
        }
        for place in from..(self.values.len() + 1).saturating_sub(size) {
            if self.left == 0 || self.found.len() >= self.most {
                return;
            }
            self.chosen.push(place);
            self.choose(place + 1, size - 1, sum - self.values[place]);
            self.chosen.pop();
        }
    }
}
