//! Looks for an order of all operations that explains every answer, without ever going back.
//!
//! Answers take effect as soon as they can, which loses nothing. A write must wait until everybody who was answered with
//! the present value of its register has had it; a value that a cas replaced can be overwritten by that cas only. What is
//! left to choose is which of the possible writes comes next: the one whose value was the first to be acknowledged or
//! seen in real time. Constraints that are known to hold ([`super::happens`]) keep most wrong choices away.
//! The result is an order, or nothing; that an order is right is found out by replaying it.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::explain::Explanation;
use super::trace::{INITIAL, NONE, Trace};

/// An order of the kept steps, or none was found. `before` are pairs of steps that must keep their order. If `timely`,
/// writes keep their order in real time too, which many stores see to.
pub(super) fn schedule(
    trace: &Trace,
    explanation: &Explanation,
    before: &[(u32, u32)],
    timely: bool,
) -> Option<Vec<u32>> {
    let mut schedule = Schedule::new(trace, explanation, before);
    if timely {
        schedule.gate();
    }
    loop {
        while let Some(step) = schedule.ready.pop() {
            schedule.offer(step);
        }
        let Some(Reverse((_, key))) = schedule.free.pop() else {
            break;
        };
        let key = key as usize;
        let next = schedule.next[key];
        let top = schedule.writes[key].peek().map(|entry| entry.0.1);
        if schedule.left[key] > 0 || (next != NONE && top != Some(next)) {
            continue;
        }
        if let Some(step) = top {
            schedule.writes[key].pop();
            schedule.execute(step);
        }
    }
    (schedule.order.len() == schedule.count).then_some(schedule.order)
}

struct Schedule<'a> {
    trace: &'a Trace<'a>,
    explanation: &'a Explanation,
    /// Whom a step holds up: `followers[first[s]..first[s + 1]]`.
    first: Vec<u32>,
    followers: Vec<u32>,
    waits: Vec<u32>,
    ready: Vec<u32>,
    /// How many answers each write has; the cas that replaces it does not count.
    answers: Vec<u32>,
    /// The cas that replaces each write.
    replacer: Vec<u32>,
    /// For each register: what was written last, how many answers are due from it, the cas that must come next.
    current: Vec<u32>,
    left: Vec<u32>,
    next: Vec<u32>,
    /// For each register the writes that could come next, and the failed cas that wait for another value.
    writes: Vec<BinaryHeap<Reverse<(u64, u32)>>>,
    parked: Vec<Vec<u32>>,
    /// Registers that may be written, by their first writes. Some entries are out of date.
    free: BinaryHeap<Reverse<(u64, u32)>>,
    /// When a value was first acknowledged or seen.
    shown: Vec<u64>,
    /// If writes keep their order in real time: the kept writes by completion and by invocation, and how many of
    /// them are done and let through.
    by_finish: Vec<u32>,
    by_start: Vec<u32>,
    gone: usize,
    through: usize,
    done: Vec<bool>,
    order: Vec<u32>,
    count: usize,
}

impl<'a> Schedule<'a> {
    fn new(trace: &'a Trace<'a>, explanation: &'a Explanation, before: &[(u32, u32)]) -> Self {
        let (steps, keys) = (trace.steps.len(), trace.keys.len());
        let kept = |step: u32| explanation.kept[step as usize];
        let mut pairs: Vec<(u32, u32)> = Vec::with_capacity(2 * steps + before.len());
        for steps in &trace.by_process {
            // An open step is the last one.
            pairs.extend(steps.windows(2).map(|pair| (pair[0], pair[1])));
        }
        let (mut answers, mut replacer) = (vec![0u32; steps], vec![NONE; steps]);
        let (mut left, mut initial_replacer) = (vec![0u32; keys], vec![NONE; keys]);
        let mut shown: Vec<u64> = trace.steps.iter().map(|step| step.finish).collect();
        for (number, step) in (0u32..).zip(&trace.steps) {
            let source = explanation.source[number as usize];
            if !kept(number) || source == NONE {
                continue;
            }
            let cas = step.writes != NONE;
            if source == INITIAL {
                match cas {
                    true => initial_replacer[step.key as usize] = number,
                    false => left[step.key as usize] += 1,
                }
                continue;
            }
            pairs.push((source, number));
            match cas {
                true => replacer[source as usize] = number,
                false => answers[source as usize] += 1,
            }
            if step.finish > trace.steps[source as usize].start {
                shown[source as usize] = shown[source as usize].min(step.finish);
            }
        }
        pairs.extend_from_slice(before);
        pairs.retain(|&(x, y)| kept(x) && kept(y));
        let mut first = vec![0u32; steps + 1];
        let mut waits = vec![0u32; steps];
        for &(x, y) in &pairs {
            first[x as usize + 1] += 1;
            waits[y as usize] += 1;
        }
        for step in 0..steps {
            first[step + 1] += first[step];
        }
        let mut place = first.clone();
        let mut followers = vec![0u32; pairs.len()];
        for (x, y) in pairs {
            followers[place[x as usize] as usize] = y;
            place[x as usize] += 1;
        }
        Schedule {
            ready: (0..steps as u32)
                .filter(|&step| kept(step) && waits[step as usize] == 0)
                .collect(),
            first,
            followers,
            waits,
            answers,
            replacer,
            current: vec![INITIAL; keys],
            left,
            next: initial_replacer,
            writes: vec![BinaryHeap::new(); keys],
            parked: vec![Vec::new(); keys],
            free: BinaryHeap::new(),
            shown,
            by_finish: Vec::new(),
            by_start: Vec::new(),
            gone: 0,
            through: 0,
            done: vec![false; steps],
            order: Vec::with_capacity(steps),
            count: explanation.kept.iter().filter(|kept| **kept).count(),
            trace,
            explanation,
        }
    }

    /// From now on a write waits for those that had completed when it was invoked.
    fn gate(&mut self) {
        let steps = &self.trace.steps;
        let kept = |step: &u32| self.explanation.kept[*step as usize] && steps[*step as usize].writes != NONE;
        self.by_start = (0..steps.len() as u32).filter(kept).collect();
        self.by_finish = self.by_start.clone();
        self.by_finish
            .sort_unstable_by_key(|&step| steps[step as usize].finish);
        for &write in &self.by_start {
            self.waits[write as usize] += 1;
        }
        self.ready.retain(|&step| steps[step as usize].writes == NONE);
        self.let_through();
    }

    fn let_through(&mut self) {
        while self
            .by_finish
            .get(self.gone)
            .is_some_and(|&write| self.done[write as usize])
        {
            self.gone += 1;
        }
        let first = self.by_finish.get(self.gone);
        let until = first.map_or(u64::MAX, |&write| self.trace.steps[write as usize].finish);
        while let Some(&write) = self.by_start.get(self.through)
            && self.trace.steps[write as usize].start < until
        {
            self.through += 1;
            self.waits[write as usize] -= 1;
            if self.waits[write as usize] == 0 {
                self.ready.push(write);
            }
        }
    }

    /// A step that nothing holds up any more: done at once if it writes nothing and the value allows it.
    fn offer(&mut self, number: u32) {
        let step = &self.trace.steps[number as usize];
        let key = step.key as usize;
        if step.writes != NONE {
            self.writes[key].push(Reverse((self.shown[number as usize], number)));
            self.offer_key(key);
        } else if step.not != NONE && self.value(key) == step.not {
            self.parked[key].push(number);
        } else if step.sees != NONE && self.value(key) != step.sees {
            // A value that has gone by cannot come back: the order is a wrong one.
        } else {
            if step.sees != NONE && self.explanation.source[number as usize] == self.current[key] {
                self.left[key] -= 1;
            }
            self.execute(number);
            self.offer_key(key);
        }
    }

    fn value(&self, key: usize) -> u32 {
        match self.current[key] {
            INITIAL => self.trace.initial[key],
            write => self.trace.steps[write as usize].writes,
        }
    }

    /// Puts the register among those that may be written, if it may.
    fn offer_key(&mut self, key: usize) {
        if self.left[key] > 0 {
            return;
        }
        let next = self.next[key];
        if next != NONE {
            // Only the cas may come; it is taken out of turn.
            if self.waits[next as usize] == 0 && self.writes[key].iter().any(|entry| entry.0.1 == next) {
                self.writes[key].retain(|entry| entry.0.1 != next);
                self.writes[key].push(Reverse((0, next)));
                self.free.push(Reverse((self.shown[next as usize], key as u32)));
            }
        } else if let Some(Reverse((shown, _))) = self.writes[key].peek() {
            self.free.push(Reverse((*shown, key as u32)));
        }
    }

    fn execute(&mut self, number: u32) {
        let step = &self.trace.steps[number as usize];
        let key = step.key as usize;
        if step.writes != NONE {
            let expected = self.next[key];
            let source = self.explanation.source[number as usize];
            if (expected != NONE && expected != number) || (source != NONE && source != self.current[key]) {
                // A cas whose value has gone by: the order is a wrong one.
                return;
            }
            self.current[key] = number;
            self.left[key] = self.answers[number as usize];
            self.next[key] = self.replacer[number as usize];
        }
        self.order.push(number);
        let (from, to) = (self.first[number as usize], self.first[number as usize + 1]);
        for place in from..to {
            let follower = self.followers[place as usize];
            self.waits[follower as usize] -= 1;
            if self.waits[follower as usize] == 0 {
                self.ready.push(follower);
            }
        }
        if step.writes != NONE {
            self.done[number as usize] = true;
            self.let_through();
            self.ready.append(&mut self.parked[key]);
            self.offer_key(key);
        }
    }
}
