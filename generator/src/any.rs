//! The soonest of several generators.

use std::collections::BTreeMap;

use history::EventKind;

use crate::{Action, Context, Generator, Next, Thread};

/// Whichever child has something to do first.
pub struct Any {
    children: Vec<Child>,
}

struct Child {
    generator: Box<dyn Generator>,
    /// What it answered to a thread and was not picked: time and action. One slot a thread, never lost.
    slots: BTreeMap<Thread, (u64, Action)>,
}

/// Asks every child and takes the earliest answer; the first child wins a tie. The others' answers are kept
/// for the same thread.
pub fn any(children: Vec<Box<dyn Generator>>) -> Any {
    let children = children
        .into_iter()
        .map(|generator| Child {
            generator,
            slots: BTreeMap::new(),
        })
        .collect();
    Any { children }
}

impl Generator for Any {
    fn next(&mut self, ctx: &Context) -> Next {
        let mut pending = Next::Done;
        let mut soonest: Option<(u64, usize)> = None;
        for (index, child) in self.children.iter_mut().enumerate() {
            if !child.slots.contains_key(&ctx.thread) {
                match child.generator.next(ctx) {
                    // "At once" becomes the present, so that an older answer comes before a newer one.
                    Next::Do { at_ns, action } => {
                        child.slots.insert(ctx.thread, (at_ns.max(ctx.now_ns), action));
                    }
                    other => pending = pending.sooner(other),
                }
            }
            if let Some(&(at_ns, _)) = child.slots.get(&ctx.thread)
                && soonest.is_none_or(|(best_ns, _)| at_ns < best_ns)
            {
                soonest = Some((at_ns, index));
            }
        }
        let Some((at_ns, index)) = soonest else {
            return pending;
        };
        // A pending child may yet be sooner: do not sleep past what wakes it.
        if at_ns > ctx.now_ns && pending != Next::Done {
            return pending.sooner(Next::pending_until(at_ns));
        }
        match self.children[index].slots.remove(&ctx.thread) {
            Some((_, action)) => Next::Do {
                at_ns: at_ns.max(ctx.now_ns),
                action,
            },
            None => pending,
        }
    }

    fn update(&mut self, ctx: &Context, event: &EventKind) {
        for child in &mut self.children {
            child.generator.update(ctx, event);
        }
    }
}
