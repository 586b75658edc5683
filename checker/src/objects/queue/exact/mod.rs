//! Queues whose values are put in once each, or can be taken for such ([`repeated`]): exact, O(n log n).
//!
//! A. Bouajjani, M. Emmi, C. Enea and J. Hamza, "On reducing linearizability to state reachability", ICALP
//! 2015, name the patterns that make a queue wrong: a value that no one put in, one taken twice, two values
//! taken against the order in which they were put in, and an empty queue with something in it. Z. H. Lee and
//! U. Mathur, "Efficient decrease-and-conquer linearizability monitoring", OOPSLA 2025, tighten the
//! intervals: a value is put in before it is taken out, so the first may end no later than the second, and
//! the second begin no earlier than the first. Then:
//! - Value a must go before b if its enqueue or its dequeue completed before that of b began. Two such orders
//!   of intervals together have no cycle unless there is one of two values, which one sweep finds. Any order
//!   of the values that respects the relation gives the enqueues and the dequeues, and the two sequences
//!   merge.
//! - A dequeue that found nothing needs a moment at which no value is certainly in. Such moments cut the
//!   history into phases; every value fits into one wholly, and cutting makes nothing precede anything new.
//! - A dequeue of unknown outcome may have taken any one value. Values that no one else took, and that must
//!   be gone by a deadline, are matched with them, earliest deadline first. Where the deadlines depend on the
//!   moments chosen, the earliest and the latest moments are tried; if neither will do, and nothing forces a
//!   contradiction, the search must help.

mod repeated;
mod why;

use history::{OPEN, Value};
use rustc_hash::FxHashMap;

use super::op::QueueOp;
use crate::engine::publish::{Contradiction, Judged};
use crate::model::{Call, Calls};

/// What [`judge`] found out.
pub(crate) struct Found {
    pub judged: Judged,
    /// What the dequeues of unknown outcome that take part took, by number.
    pub taken: Vec<(usize, Value)>,
}

/// Why values cannot be followed one by one.
enum Unfit {
    /// Some were put in more than once.
    Repeated,
    /// It is known already.
    Judged(Judged),
}

impl From<Judged> for Unfit {
    fn from(judged: Judged) -> Unfit {
        Unfit::Judged(judged)
    }
}

/// One value's way through the queue.
#[derive(Clone, Copy, Debug)]
struct Item<'a> {
    value: &'a Value,
    enqueue: usize,
    dequeue: Option<usize>,
    /// When it can have been put in, tightened.
    into: [u64; 2],
    /// When it can have been taken out, tightened; from [`OPEN`] if it never was.
    out: [u64; 2],
}

/// A value that must be gone by some time, and what shows it: another item, or a dequeue that found nothing.
#[derive(Clone, Copy, Debug)]
struct Deadline {
    item: usize,
    by: u64,
    because: Because,
}

#[derive(Clone, Copy, Debug)]
enum Because {
    Later(usize),
    Empty(usize),
}

/// Judges a queue that is empty at first.
pub(crate) fn judge(calls: &Calls<QueueOp>, is_fifo: bool) -> Found {
    let mut queue = match Queue::new(calls, is_fifo) {
        Ok(queue) => queue,
        Err(Unfit::Repeated) => return repeated::judge(calls, is_fifo),
        Err(Unfit::Judged(judged)) => {
            return Found {
                judged,
                taken: Vec::new(),
            };
        }
    };
    let judged = match queue.judge() {
        Ok(Some(order)) => Judged::Order(order),
        Ok(None) => Judged::Other,
        Err(contradiction) => Judged::Contradiction(contradiction),
    };
    let is_open = |number: usize| calls.calls[number].op == QueueOp::Take;
    let taken = queue.items.iter().filter_map(|item| {
        let number = item.dequeue.filter(|&number| is_open(number))?;
        Some((number, item.value.clone()))
    });
    Found {
        judged,
        taken: taken.collect(),
    }
}

struct Queue<'a> {
    calls: &'a Calls<QueueOp>,
    is_fifo: bool,
    items: Vec<Item<'a>>,
    /// Dequeues that found nothing.
    empties: Vec<usize>,
    /// Dequeues of unknown outcome, by their starts.
    takes: Vec<usize>,
}

impl<'a> Queue<'a> {
    /// One into which nothing was put yet.
    fn empty(calls: &'a Calls<QueueOp>, is_fifo: bool) -> Self {
        Queue {
            calls,
            is_fifo,
            items: Vec::new(),
            empties: Vec::new(),
            takes: Vec::new(),
        }
    }

    /// Follows every value.
    fn new(calls: &'a Calls<QueueOp>, is_fifo: bool) -> Result<Self, Unfit> {
        let mut queue = Queue::empty(calls, is_fifo);
        let mut by_value: FxHashMap<&Value, (Option<usize>, Option<usize>)> = FxHashMap::default();
        let mut twice = None;
        for (number, call) in calls.calls.iter().enumerate() {
            match &call.op {
                QueueOp::Enqueue(value) => {
                    if by_value.entry(value).or_default().0.replace(number).is_some() {
                        return Err(Unfit::Repeated);
                    }
                }
                QueueOp::Dequeue(value) => {
                    let other = by_value.entry(value).or_default().1.replace(number);
                    twice = twice.or(other.map(|other| (value, other, number)));
                }
                QueueOp::Empty => queue.empties.push(number),
                QueueOp::Take if call.finish == OPEN => queue.takes.push(number),
                QueueOp::Take => return Err(Judged::Other.into()),
            }
        }
        if let Some((value, one, other)) = twice {
            return Err(Judged::Contradiction(queue.taken_twice(value, one, other)).into());
        }
        queue
            .takes
            .sort_unstable_by_key(|&number| calls.calls[number].start);
        for (value, way) in by_value {
            let item = match way {
                (Some(enqueue), dequeue) => queue.item(value, enqueue, dequeue),
                (None, Some(dequeue)) => {
                    return Err(Judged::Contradiction(queue.phantom(value, dequeue)).into());
                }
                (None, None) => continue,
            };
            if item.out[1] < item.into[0] {
                return Err(Judged::Contradiction(queue.too_early(&item)).into());
            }
            // What no one saw may as well never have been put in.
            if item.dequeue.is_some() || calls.calls[item.enqueue].finish != OPEN {
                queue.items.push(item);
            }
        }
        queue.items.sort_unstable_by_key(|item| item.into[0]);
        Ok(queue)
    }

    fn item(&self, value: &'a Value, enqueue: usize, dequeue: Option<usize>) -> Item<'a> {
        let into = self.call(enqueue);
        let (mut out_start, mut out_finish) = (OPEN, OPEN);
        if let Some(out) = dequeue.map(|number| self.call(number)) {
            (out_start, out_finish) = (out.start.max(into.start), out.finish);
        }
        Item {
            value,
            enqueue,
            dequeue,
            into: [into.start, into.finish.min(out_finish)],
            out: [out_start, out_finish],
        }
    }

    fn call(&self, number: usize) -> &'a Call<QueueOp> {
        &self.calls.calls[number]
    }

    /// The order; `None` if the search must help.
    fn judge(&mut self) -> Result<Option<Vec<usize>>, Contradiction> {
        let cuts = if self.takes.is_empty() || self.items.iter().all(|item| item.dequeue.is_some()) {
            self.cuts(true, false)?
        } else {
            self.cuts(false, false)?;
            let forced: Vec<(u64, u64, usize)> = self
                .empties
                .iter()
                .map(|&number| (self.call(number).start, self.call(number).finish, number))
                .collect();
            self.matched(self.deadlines(&forced))
                .map_err(|late| self.not_taken(late))?;
            let Some((cuts, matched)) = self.chosen()? else {
                return Ok(None);
            };
            for (item, take) in matched {
                self.items[item] = self.item(self.items[item].value, self.items[item].enqueue, Some(take));
            }
            cuts
        };
        if self.is_fifo {
            self.in_order()?;
        }
        Ok(self.order(cuts))
    }

    /// Moments at which the queue can have been empty, and who took what, tried with the earliest and with
    /// the latest moments.
    #[expect(
        clippy::type_complexity,
        reason = "two lists of pairs, taken apart by the only caller"
    )]
    fn chosen(&self) -> Result<Option<(Vec<(u64, usize)>, Vec<(usize, usize)>)>, Contradiction> {
        for latest in [false, true] {
            let cuts = self.cuts(false, latest)?;
            let moments: Vec<(u64, u64, usize)> = cuts
                .iter()
                .map(|&(moment, number)| (moment, moment, number))
                .collect();
            if let Ok(matched) = self.matched(self.deadlines(&moments)) {
                return Ok(Some((cuts, matched)));
            }
        }
        Ok(None)
    }

    /// For each dequeue that found nothing a moment at which the queue can have been empty: as late in its
    /// interval as possible, or as early. A moment is the position of the last event before it. With `all`,
    /// what no one is known to have taken is still in.
    fn cuts(&self, all: bool, latest: bool) -> Result<Vec<(u64, usize)>, Contradiction> {
        // While a value is certainly in: from the event with which it starts to before that with which it
        // ends.
        let mut held: Vec<[u64; 2]> = self
            .items
            .iter()
            .filter(|item| (all || item.dequeue.is_some()) && item.into[1] < item.out[0])
            .map(|item| [item.into[1], item.out[0]])
            .collect();
        held.sort_unstable();
        let mut blocks: Vec<[u64; 2]> = Vec::new();
        for [from, to] in held {
            match blocks.last_mut().filter(|block| from <= block[1]) {
                Some(block) => block[1] = block[1].max(to),
                None => blocks.push([from, to]),
            }
        }
        let mut cuts = Vec::with_capacity(self.empties.len());
        for &number in &self.empties {
            let call = self.call(number);
            let wanted = if latest { call.finish - 1 } else { call.start };
            let place = blocks.partition_point(|block| block[0] <= wanted);
            let block = place
                .checked_sub(1)
                .map(|place| blocks[place])
                .filter(|block| wanted < block[1]);
            let moment = match block {
                None => wanted,
                Some([from, _]) if latest => from.wrapping_sub(1),
                Some([_, to]) => to,
            };
            if !(call.start..call.finish).contains(&moment) {
                return Err(self.not_empty(number, all));
            }
            cuts.push((moment, number));
        }
        cuts.sort_unstable_by_key(|&(moment, number)| (moment, self.call(number).start));
        Ok(cuts)
    }

    /// Which of the values that no one is known to have taken must have been taken, and by when. `empty` are
    /// the intervals in which the queue was empty: what was in before the first time must be gone by the
    /// second.
    fn deadlines(&self, empty: &[(u64, u64, usize)]) -> Vec<Deadline> {
        // (after which moment, gone by when, because of what), the strictest first.
        let mut limits: Vec<(u64, u64, Because)> = Vec::new();
        limits.extend(
            empty
                .iter()
                .map(|&(after, by, number)| (after, by, Because::Empty(number))),
        );
        if self.is_fifo {
            let dequeued = self
                .items
                .iter()
                .enumerate()
                .filter(|(_, item)| item.dequeue.is_some());
            limits.extend(dequeued.map(|(number, item)| (item.into[0], item.out[1], Because::Later(number))));
        }
        limits.sort_unstable_by_key(|&(after, by, _)| (after, by));
        // From each limit on the strictest that follows.
        for place in (1..limits.len()).rev() {
            let (_, by, because) = limits[place];
            if by < limits[place - 1].1 {
                (limits[place - 1].1, limits[place - 1].2) = (by, because);
            }
        }
        let left = self
            .items
            .iter()
            .enumerate()
            .filter(|(_, item)| item.dequeue.is_none());
        left.filter_map(|(item, way)| {
            let place = limits.partition_point(|&(after, ..)| after < way.into[1]);
            let &(_, by, because) = limits.get(place)?;
            Some(Deadline { item, by, because })
        })
        .collect()
    }

    /// Which item was taken by which dequeue of unknown outcome.
    ///
    /// # Errors
    /// The deadlines, earliest first, up to the first that cannot be kept.
    fn matched(&self, mut deadlines: Vec<Deadline>) -> Result<Vec<(usize, usize)>, Vec<Deadline>> {
        deadlines.sort_unstable_by_key(|deadline| (deadline.by, deadline.item));
        let mut matched = Vec::with_capacity(deadlines.len());
        for (place, deadline) in deadlines.iter().enumerate() {
            match self.takes.get(place) {
                // A moment is named by the event before it, so the take may begin with that very event.
                Some(&take) if self.call(take).start <= deadline.by => matched.push((deadline.item, take)),
                _ => {
                    deadlines.truncate(place + 1);
                    return Err(deadlines);
                }
            }
        }
        Ok(matched)
    }

    /// No value is taken against the order in which they were put in.
    fn in_order(&self) -> Result<(), Contradiction> {
        let mut by_finish: Vec<&Item> = self.items.iter().collect();
        by_finish.sort_unstable_by_key(|item| item.into[1]);
        let mut before = by_finish.into_iter().peekable();
        let mut last: Option<&Item> = None;
        for then in &self.items {
            while let Some(first) = before.next_if(|first| first.into[1] < then.into[0]) {
                last = last.filter(|last| last.out[0] >= first.out[0]).or(Some(first));
            }
            if let Some(first) = last.filter(|first| then.dequeue.is_some() && then.out[1] < first.out[0]) {
                return Err(self.overtaken(first, then));
            }
        }
        Ok(())
    }

    /// The linearization, phase by phase.
    fn order(&self, cuts: Vec<(u64, usize)>) -> Option<Vec<usize>> {
        let mut moments: Vec<u64> = cuts.iter().map(|&(moment, _)| moment).collect();
        moments.dedup();
        let mut phases: Vec<Vec<&Item>> = vec![Vec::new(); moments.len() + 1];
        for item in &self.items {
            // The first phase that does not end before both can have begun.
            phases[moments.partition_point(|&moment| moment < item.out[0])].push(item);
        }
        let mut order = Vec::with_capacity(self.calls.calls.len());
        let mut cuts = cuts.into_iter().peekable();
        for (number, items) in phases.into_iter().enumerate() {
            if self.is_fifo {
                fifo(items, &mut order)?;
            } else {
                bag(items, &mut order);
            }
            while let Some((_, empty)) = cuts.next_if(|(moment, _)| moments.get(number) == Some(moment)) {
                order.push(empty);
            }
        }
        Some(order)
    }
}

/// Without order everything happens as soon as it can.
fn bag(items: Vec<&Item>, order: &mut Vec<usize>) {
    let mut points: Vec<(u64, bool, usize)> = Vec::with_capacity(2 * items.len());
    for item in items {
        points.push((item.into[0], false, item.enqueue));
        points.extend(item.dequeue.map(|number| (item.out[0], true, number)));
    }
    points.sort_unstable();
    order.extend(points.into_iter().map(|(.., number)| number));
}

/// Orders the values, then merges their enqueues and dequeues: a dequeue goes first unless an enqueue that is
/// not placed yet completed before it. `None` if there is no such order.
fn fifo(items: Vec<&Item>, order: &mut Vec<usize>) -> Option<()> {
    let (taken, mut left): (Vec<&Item>, Vec<&Item>) =
        items.into_iter().partition(|item| item.dequeue.is_some());
    left.sort_unstable_by_key(|item| item.into[0]);
    let taken = values_in_order(&taken)?;
    let put: Vec<&Item> = taken.iter().copied().chain(left).collect();
    // For each place the earliest completion of an enqueue from there on.
    let mut earliest = vec![OPEN; put.len() + 1];
    for place in (0..put.len()).rev() {
        earliest[place] = earliest[place + 1].min(put[place].into[1]);
    }
    let mut place = 0;
    for (got, item) in taken.iter().enumerate() {
        while place <= got || earliest[place] < item.out[0] {
            order.push(put[place].enqueue);
            place += 1;
        }
        order.extend(item.dequeue);
    }
    order.extend(put[place..].iter().map(|item| item.enqueue));
    Some(())
}

/// Sorts values so that none stands behind one that must go later.
fn values_in_order<'a, 'b>(items: &[&'b Item<'a>]) -> Option<Vec<&'b Item<'a>>> {
    let sorted = |key: fn(&Item) -> u64| {
        let mut numbers: Vec<usize> = (0..items.len()).collect();
        numbers.sort_unstable_by_key(|&number| key(items[number]));
        numbers
    };
    let (into_start, into_finish) = (sorted(|item| item.into[0]), sorted(|item| item.into[1]));
    let (out_start, out_finish) = (sorted(|item| item.out[0]), sorted(|item| item.out[1]));
    let mut is_placed = vec![false; items.len()];
    // 2 when neither the enqueue nor the dequeue of another one must go first.
    let mut free = vec![0; items.len()];
    let mut ready = Vec::new();
    let (mut at, mut order) = ([0; 4], Vec::with_capacity(items.len()));
    while order.len() < items.len() {
        while is_placed[into_finish[at[0]]] {
            at[0] += 1;
        }
        while is_placed[out_finish[at[1]]] {
            at[1] += 1;
        }
        let into_by = items[into_finish[at[0]]].into[1];
        let out_by = items[out_finish[at[1]]].out[1];
        while let Some(&number) = into_start
            .get(at[2])
            .filter(|&&number| items[number].into[0] < into_by)
        {
            free[number] += 1;
            ready.extend((free[number] == 2).then_some(number));
            at[2] += 1;
        }
        while let Some(&number) = out_start
            .get(at[3])
            .filter(|&&number| items[number].out[0] < out_by)
        {
            free[number] += 1;
            ready.extend((free[number] == 2).then_some(number));
            at[3] += 1;
        }
        let next = ready.pop()?;
        is_placed[next] = true;
        order.push(items[next]);
    }
    Some(order)
}
