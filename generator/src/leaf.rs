//! The leaves: generators without children.

use std::collections::{BTreeMap, VecDeque};

use history::Op;

use crate::{Action, Context, Generator, Next, Thread};

/// Whatever a closure says.
pub struct Func<F>(F);

/// Calls a closure, which must keep the rules of [`Generator`].
pub fn func<F: FnMut(&Context) -> Next + Send>(f: F) -> Func<F> {
    Func(f)
}

impl<F: FnMut(&Context) -> Next + Send> Generator for Func<F> {
    fn next(&mut self, ctx: &Context) -> Next {
        (self.0)(ctx)
    }
}

/// Client operations without end, at once.
pub struct Ops<F>(F);

/// Operations from a closure, without end, for clients only.
pub fn ops<F: FnMut(&Context) -> Op + Send>(f: F) -> Ops<F> {
    Ops(f)
}

impl<F: FnMut(&Context) -> Op + Send> Generator for Ops<F> {
    fn next(&mut self, ctx: &Context) -> Next {
        match ctx.thread {
            Thread::Client(_) => Next::op(ctx, (self.0)(ctx)),
            Thread::Nemesis => Next::Done,
        }
    }
}

/// A list of actions, each for the next thread of its kind that asks.
pub struct List {
    ops: VecDeque<Action>,
    nemesis: VecDeque<Action>,
}

/// Hands out the actions in order: each client action to the next client thread that asks, each action of the
/// nemesis to the nemesis.
pub fn list(actions: impl IntoIterator<Item = Action>) -> List {
    let (ops, nemesis) = actions
        .into_iter()
        .partition(|action| matches!(action, Action::Op(_)));
    List { ops, nemesis }
}

/// One action, once.
pub fn once(action: Action) -> List {
    list([action])
}

impl Generator for List {
    fn next(&mut self, ctx: &Context) -> Next {
        let queue = match ctx.thread {
            Thread::Client(_) => &mut self.ops,
            Thread::Nemesis => &mut self.nemesis,
        };
        match queue.pop_front() {
            Some(action) => Next::Do {
                at_ns: ctx.now_ns,
                action,
            },
            None => Next::Done,
        }
    }
}

/// Nothing, for a while.
pub struct Sleep {
    length_ns: u64,
    ends_ns: BTreeMap<Thread, u64>,
}

/// Nothing for `length_ns` from the time at which a thread first asks; then done, for that thread.
pub fn sleep(length_ns: u64) -> Sleep {
    Sleep {
        length_ns,
        ends_ns: BTreeMap::new(),
    }
}

impl Generator for Sleep {
    fn next(&mut self, ctx: &Context) -> Next {
        let end_ns = *self
            .ends_ns
            .entry(ctx.thread)
            .or_insert(ctx.now_ns.saturating_add(self.length_ns));
        if ctx.now_ns < end_ns {
            Next::pending_until(end_ns)
        } else {
            Next::Done
        }
    }
}

/// Nothing at all.
pub struct Nothing;

/// Done at once.
pub fn nothing() -> Nothing {
    Nothing
}

impl Generator for Nothing {
    fn next(&mut self, _: &Context) -> Next {
        Next::Done
    }
}
