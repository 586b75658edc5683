//! Who gets what: clients and the nemesis apart, or a generator for each thread.

use std::collections::BTreeMap;

use history::EventKind;

use crate::{Context, Generator, Next, Thread};

/// One generator for the clients, one for the nemesis. Both are updated with every event.
pub struct Split<C, N> {
    clients: C,
    nemesis: N,
}

/// Clients are given operations of `clients`, the nemesis those of `nemesis`.
pub fn split<C: Generator, N: Generator>(clients: C, nemesis: N) -> Split<C, N> {
    Split { clients, nemesis }
}

/// `child` for clients; the nemesis is done at once.
pub fn clients<G: Generator>(child: G) -> Split<G, crate::Nothing> {
    split(child, crate::nothing())
}

/// `child` for the nemesis; clients are done at once.
pub fn nemesis<G: Generator>(child: G) -> Split<crate::Nothing, G> {
    split(crate::nothing(), child)
}

impl<C: Generator, N: Generator> Generator for Split<C, N> {
    fn next(&mut self, ctx: &Context) -> Next {
        match ctx.thread {
            Thread::Client(_) => self.clients.next(ctx),
            Thread::Nemesis => self.nemesis.next(ctx),
        }
    }

    fn update(&mut self, ctx: &Context, event: &EventKind) {
        self.clients.update(ctx, event);
        self.nemesis.update(ctx, event);
    }
}

/// A separate generator for each thread.
pub struct EachThread<F> {
    make: F,
    children: BTreeMap<Thread, Box<dyn Generator>>,
}

/// A fresh child for each thread, made when that thread first asks; it is updated with that thread's events
/// only.
pub fn each_thread<F: FnMut(Thread) -> Box<dyn Generator> + Send>(make: F) -> EachThread<F> {
    EachThread {
        make,
        children: BTreeMap::new(),
    }
}

impl<F: FnMut(Thread) -> Box<dyn Generator> + Send> Generator for EachThread<F> {
    fn next(&mut self, ctx: &Context) -> Next {
        self.children
            .entry(ctx.thread)
            .or_insert_with(|| (self.make)(ctx.thread))
            .next(ctx)
    }

    fn update(&mut self, ctx: &Context, event: &EventKind) {
        if let Some(child) = self.children.get_mut(&ctx.thread) {
            child.update(ctx, event);
        }
    }
}
