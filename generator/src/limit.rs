//! Ends: after so many operations, after so long, after the first success; and think time.

use history::EventKind;

use crate::{Context, Generator, Next};

/// A child with a bounded number of operations.
pub struct Limit<G> {
    child: G,
    left: u64,
}

/// At most `count` operations of `child`.
pub fn limit<G: Generator>(count: u64, child: G) -> Limit<G> {
    Limit { child, left: count }
}

impl<G: Generator> Generator for Limit<G> {
    fn next(&mut self, ctx: &Context) -> Next {
        if self.left == 0 {
            return Next::Done;
        }
        let next = self.child.next(ctx);
        if matches!(next, Next::Do { .. }) {
            self.left -= 1;
        }
        next
    }

    fn update(&mut self, ctx: &Context, event: &EventKind) {
        self.child.update(ctx, event);
    }
}

/// A child that is cut off after a time.
pub struct TimeLimit<G> {
    child: G,
    length_ns: u64,
    end_ns: Option<u64>,
}

/// What `child` does within `length_ns` of the first question. Operations in flight at the end are not
/// touched; operations meant for later are thrown away.
pub fn time_limit<G: Generator>(length_ns: u64, child: G) -> TimeLimit<G> {
    TimeLimit {
        child,
        length_ns,
        end_ns: None,
    }
}

impl<G: Generator> Generator for TimeLimit<G> {
    fn next(&mut self, ctx: &Context) -> Next {
        let length_ns = self.length_ns;
        let end_ns = *self
            .end_ns
            .get_or_insert_with(|| ctx.now_ns.saturating_add(length_ns));
        if ctx.now_ns >= end_ns {
            return Next::Done;
        }
        match self.child.next(ctx) {
            Next::Do { at_ns, .. } if at_ns >= end_ns => Next::Done,
            Next::Pending { until_ns } => {
                Next::pending_until(until_ns.map_or(end_ns, |until| until.min(end_ns)))
            }
            other => other,
        }
    }

    fn update(&mut self, ctx: &Context, event: &EventKind) {
        self.child.update(ctx, event);
    }
}

/// A child with think time.
pub struct Delay<G> {
    child: G,
    length_ns: u64,
}

/// Delays each operation of `child` until `length_ns` after its thread asked for it.
pub fn delay<G: Generator>(length_ns: u64, child: G) -> Delay<G> {
    Delay { child, length_ns }
}

impl<G: Generator> Generator for Delay<G> {
    fn next(&mut self, ctx: &Context) -> Next {
        match self.child.next(ctx) {
            Next::Do { at_ns, action } => Next::Do {
                at_ns: at_ns.max(ctx.now_ns.saturating_add(self.length_ns)),
                action,
            },
            other => other,
        }
    }

    fn update(&mut self, ctx: &Context, event: &EventKind) {
        self.child.update(ctx, event);
    }
}
