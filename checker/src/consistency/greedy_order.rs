//! Looks for an order of all operations that explains every answer, and learns from wrong choices.
//!
//! Answers take effect as soon as they can, which loses nothing. A write must wait until everybody who was
//! answered with the present value of its register has had it; a value that a cas replaced can be overwritten
//! by that cas only. What is left to choose is which of the possible writes comes next: the one whose value
//! was the first to be acknowledged or seen in real time. Constraints that are known to hold
//! ([`super::happens_before`]) keep most wrong choices away. The result is an order, or nothing; that an
//! order is right is found out by replaying it.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::reads_from::Explanation;
use super::steps::{INITIAL, NONE, Trace};

/// An order of the kept steps, or none was found. `before` are pairs of steps that must keep their order. If
/// `timely`, writes keep their order in real time too, which many stores see to. After a wrong choice it goes
/// on somehow, to see what else was wrong, and begins again with what it has learnt, as long as `work` (about
/// the steps taken) is not used up.
pub(super) fn schedule(
    trace: &Trace,
    explanation: &Explanation,
    before: &[(u32, u32)],
    timely: bool,
    work: u64,
) -> Option<Vec<u32>> {
    let mut before = before.to_vec();
    let mut left = work / 64;
    loop {
        let mut schedule = Schedule::new(trace, explanation, &before);
        if timely {
            schedule.gate();
        }
        let learnt = schedule.run(&mut left);
        if learnt.is_empty() {
            return (!schedule.broken && schedule.order.len() == schedule.count).then_some(schedule.order);
        }
        let spent = schedule.count as u64;
        if left < spent {
            return None;
        }
        left -= spent;
        before.extend(learnt);
    }
}

/// How many wrong choices are learnt from before beginning again.
const MOST_LEARNT: usize = 2_000;
/// How far the way from a blocked answer to the write that it waits for is followed.
const MOST_FOLLOWED: usize = 64;

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
    /// For each register: what was written last, how many answers are due from it, the cas that must come
    /// next.
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
    /// If writes keep their order in real time: the kept writes by completion and by invocation, and how many
    /// of them are done and let through.
    by_finish: Vec<u32>,
    by_start: Vec<u32>,
    gone: usize,
    through: usize,
    done: Vec<bool>,
    /// Pairs of steps that must keep their order, the later one first, sorted.
    after: Vec<(u32, u32)>,
    /// How many steps of each process are done.
    heads: Vec<u32>,
    /// Whether a wrong choice was passed over, so that the order is none.
    broken: bool,
    order: Vec<u32>,
    count: usize,
}

impl<'a> Schedule<'a> {
    fn new(trace: &'a Trace<'a>, explanation: &'a Explanation, before: &[(u32, u32)]) -> Self {
        let (steps, keys) = (trace.steps.len(), trace.keys.len());
        let mut after: Vec<(u32, u32)> = before.iter().map(|&(first, then)| (then, first)).collect();
        after.sort_unstable();
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
            after,
            heads: vec![0; trace.by_process.len()],
            broken: false,
            order: Vec::with_capacity(steps),
            count: explanation.kept.iter().filter(|kept| **kept).count(),
            trace,
            explanation,
        }
    }

    /// Takes all steps, passing over wrong choices. Returns pairs of writes that should have had the other
    /// order.
    fn run(&mut self, work: &mut u64) -> Vec<(u32, u32)> {
        let mut learnt = Vec::new();
        loop {
            while let Some(step) = self.ready.pop() {
                self.offer(step);
            }
            let Some(Reverse((_, key))) = self.free.pop() else {
                let cost = self.left.len() as u64;
                if self.order.len() == self.count || learnt.len() >= MOST_LEARNT || *work < cost {
                    break;
                }
                *work -= cost;
                let Some((key, first, then)) = self.wrong_choice() else {
                    break;
                };
                learnt.push((first, then));
                self.broken = true;
                self.left[key] = 0;
                self.next[key] = NONE;
                self.offer_key(key);
                continue;
            };
            let key = key as usize;
            let next = self.next[key];
            let top = self.writes[key].peek().map(|entry| entry.0.1);
            if self.left[key] > 0 || (next != NONE && top != Some(next)) {
                continue;
            }
            if let Some(step) = top {
                self.writes[key].pop();
                self.execute(step);
            }
        }
        learnt
    }

    /// Nothing can go on. Finds a register whose present value came too early: someone who is to be answered
    /// with it waits, over others perhaps, for another write of the register. Of several the one whose value
    /// came up last.
    fn wrong_choice(&self) -> Option<(usize, u32, u32)> {
        let mut worst: Option<(bool, u64, (usize, u32, u32))> = None;
        for key in 0..self.left.len() {
            let current = self.current[key];
            if current == INITIAL || (self.left[key] == 0 && self.next[key] == NONE) {
                continue;
            }
            for sight in self.due(current) {
                let Some((write, direct)) = self.waits_for(sight, key) else {
                    continue;
                };
                let candidate = (direct, self.shown[current as usize], (key, write, current));
                if worst.is_none_or(|worst| (worst.0, worst.1) < (candidate.0, candidate.1)) {
                    worst = Some(candidate);
                }
            }
        }
        worst.map(|(_, _, choice)| choice)
    }

    /// Who is still to be answered with `write`.
    fn due(&self, write: u32) -> impl Iterator<Item = u32> + '_ {
        let (from, to) = (self.first[write as usize], self.first[write as usize + 1]);
        let followers = self.followers[from as usize..to as usize].iter().copied();
        followers
            .filter(move |&step| self.explanation.source[step as usize] == write && !self.done[step as usize])
    }

    /// The write of the register `key` that `sight` waits for, and whether without another register between.
    fn waits_for(&self, sight: u32, key: usize) -> Option<(u32, bool)> {
        let mut process = self.trace.steps[sight as usize].process as usize;
        let mut direct = true;
        for _ in 0..MOST_FOLLOWED {
            let &head = self.trace.by_process[process].get(self.heads[process] as usize)?;
            let step = &self.trace.steps[head as usize];
            let source = self.explanation.source[head as usize];
            if source < INITIAL && !self.done[source as usize] {
                process = self.trace.steps[source as usize].process as usize;
            } else if self.waits[head as usize] > 0 {
                process = self.trace.steps[self.held_up_by(head)? as usize].process as usize;
            } else if step.writes == NONE {
                return None;
            } else if step.key as usize == key {
                return Some((head, direct));
            } else {
                let current = self.current[step.key as usize];
                let next = if current == INITIAL {
                    None
                } else {
                    self.due(current).next()
                };
                process = self.trace.steps[next? as usize].process as usize;
                direct = false;
            }
        }
        None
    }

    /// Some step that must come before `step` and is not done, other than its source.
    fn held_up_by(&self, step: u32) -> Option<u32> {
        let from = self.after.partition_point(|&(then, _)| then < step);
        let pairs = self.after[from..].iter().take_while(|&&(then, _)| then == step);
        let mut open = pairs
            .map(|&(_, first)| first)
            .filter(|&first| !self.done[first as usize]);
        open.next().or_else(|| {
            self.by_finish
                .get(self.gone)
                .copied()
                .filter(|&first| first != step)
        })
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
        } else if step.sees != NONE && self.explanation.source[number as usize] != self.current[key] {
            // What has gone by cannot come back: the order is a wrong one. Others may go on.
            self.broken = true;
            self.execute(number);
        } else {
            if step.sees != NONE {
                self.left[key] = self.left[key].saturating_sub(1);
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
                self.broken = true;
            }
            self.current[key] = number;
            self.left[key] = self.answers[number as usize];
            self.next[key] = self.replacer[number as usize];
        }
        self.order.push(number);
        self.done[number as usize] = true;
        self.heads[step.process as usize] += 1;
        let (from, to) = (self.first[number as usize], self.first[number as usize + 1]);
        for place in from..to {
            let follower = self.followers[place as usize];
            self.waits[follower as usize] -= 1;
            if self.waits[follower as usize] == 0 {
                self.ready.push(follower);
            }
        }
        if step.writes != NONE {
            self.let_through();
            self.ready.append(&mut self.parked[key]);
            self.offer_key(key);
        }
    }
}
