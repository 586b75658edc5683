//! One after the other: per thread (`sequence`, `repeat`), or with a barrier for all (`phases`).

use std::collections::{BTreeMap, BTreeSet};

use history::EventKind;

use crate::{Context, Generator, Next, Thread};

/// How often a thread at a barrier looks again, nanoseconds. That the last thread came to the barrier is not
/// an event, so nothing else would wake the others.
const BARRIER_POLL_NS: u64 = 5_000_000;

/// Children one after the other, each thread at its own pace.
pub struct Sequence {
    children: Vec<Box<dyn Generator>>,
    /// At which child a thread is.
    position: BTreeMap<Thread, usize>,
}

/// Each thread goes on to the next child as soon as the present one has nothing more for it. There is no
/// barrier: see [`phases`].
pub fn sequence(children: Vec<Box<dyn Generator>>) -> Sequence {
    Sequence {
        children,
        position: BTreeMap::new(),
    }
}

impl Generator for Sequence {
    fn next(&mut self, ctx: &Context) -> Next {
        let position = self.position.entry(ctx.thread).or_default();
        while let Some(child) = self.children.get_mut(*position) {
            match child.next(ctx) {
                Next::Done => *position += 1,
                other => return other,
            }
        }
        Next::Done
    }

    fn update(&mut self, ctx: &Context, event: &EventKind) {
        for child in &mut self.children {
            child.update(ctx, event);
        }
    }
}

/// Fresh copies of a generator, one after the other.
pub struct Repeat<F> {
    make: F,
    times: Option<u64>,
    rounds: BTreeMap<Thread, Round>,
}

struct Round {
    number: u64,
    child: Box<dyn Generator>,
    /// Whether it has handed out or waited for anything. A copy that has not would be followed by endless
    /// others.
    did_something: bool,
}

/// Each thread goes through its own copies, made by `make` from the round's number (0, 1, …) and updated only
/// with that thread's events. Ends after `times` rounds if given, and after a round with nothing in it.
pub fn repeat<F: FnMut(u64) -> Box<dyn Generator> + Send>(times: Option<u64>, make: F) -> Repeat<F> {
    Repeat {
        make,
        times,
        rounds: BTreeMap::new(),
    }
}

impl<F: FnMut(u64) -> Box<dyn Generator> + Send> Generator for Repeat<F> {
    fn next(&mut self, ctx: &Context) -> Next {
        if self.times == Some(0) {
            return Next::Done;
        }
        let round = self.rounds.entry(ctx.thread).or_insert_with(|| Round {
            number: 0,
            child: (self.make)(0),
            did_something: false,
        });
        loop {
            let next = round.child.next(ctx);
            if next != Next::Done {
                round.did_something = true;
                return next;
            }
            let number = round.number + 1;
            if !round.did_something || self.times.is_some_and(|times| number >= times) {
                return Next::Done;
            }
            *round = Round {
                number,
                child: (self.make)(number),
                did_something: false,
            };
        }
    }

    fn update(&mut self, ctx: &Context, event: &EventKind) {
        if let Some(round) = self.rounds.get_mut(&ctx.thread) {
            round.child.update(ctx, event);
        }
    }
}

/// Children one after the other, with a barrier between them.
pub struct Phases {
    children: Vec<Box<dyn Generator>>,
    with_nemesis: bool,
    current: usize,
    /// The threads that have nothing more to do in the current phase.
    finished: BTreeSet<Thread>,
}

/// The next phase begins only when every client thread is done with the present one. A thread asks only while
/// it is free, so nothing is in flight then.
///
/// The nemesis takes no part and is done at once, unless [`Phases::with_nemesis`].
pub fn phases(children: Vec<Box<dyn Generator>>) -> Phases {
    Phases {
        children,
        with_nemesis: false,
        current: 0,
        finished: BTreeSet::new(),
    }
}

impl Phases {
    /// Makes the nemesis take part; every phase then waits for it too. The run must have one.
    pub fn with_nemesis(mut self) -> Phases {
        self.with_nemesis = true;
        self
    }
}

impl Generator for Phases {
    fn next(&mut self, ctx: &Context) -> Next {
        if ctx.thread == Thread::Nemesis && !self.with_nemesis {
            return Next::Done;
        }
        let threads = ctx.clients + usize::from(self.with_nemesis);
        while let Some(child) = self.children.get_mut(self.current) {
            if !self.finished.contains(&ctx.thread) {
                let next = child.next(ctx);
                if next != Next::Done {
                    return next;
                }
                self.finished.insert(ctx.thread);
            }
            if self.current + 1 == self.children.len() {
                return Next::Done;
            }
            if self.finished.len() < threads {
                return Next::pending_until(ctx.now_ns.saturating_add(BARRIER_POLL_NS));
            }
            self.finished.clear();
            self.current += 1;
        }
        Next::Done
    }

    fn update(&mut self, ctx: &Context, event: &EventKind) {
        for child in &mut self.children {
            child.update(ctx, event);
        }
    }
}
