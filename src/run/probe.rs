//! When none of the last reads was answered: the same reads again, until one is or the store's time is over.
//!
//! They are operations of the history like any other, and judged as such.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use generator::{Action, Context, Generator, Next, Thread};
use history::{EventKind, Op};

/// How many operations are remembered.
const MOST: usize = 64;
/// How many are called in a second, by all threads together.
const RATE: f64 = 10.0;

/// The operations that a generator called for and that change nothing, the first so many.
pub type Remembered = Arc<Mutex<Vec<Op>>>;

/// The child, whose operations are remembered from now on.
pub fn remember(child: Box<dyn Generator>) -> (Box<dyn Generator>, Remembered) {
    let ops = Remembered::default();
    let remembering = Remembering {
        child,
        ops: ops.clone(),
    };
    (Box::new(remembering), ops)
}

/// These operations in turn, until one is answered or `limit` has passed; `None` if there are none.
pub fn probe(ops: &Remembered, limit: Duration) -> Option<Box<dyn Generator>> {
    let ops = ops.lock().unwrap_or_else(PoisonError::into_inner).clone();
    if ops.is_empty() {
        return None;
    }
    let mut turns = ops.into_iter().cycle();
    // A cycle of something has no end.
    let calls = generator::func(move |ctx: &Context| match turns.next() {
        Some(op) => Next::op(ctx, op),
        None => Next::Done,
    });
    let paced = generator::rate(RATE, 0, generator::clients(calls)).evenly();
    let limited = generator::time_limit(limit.as_nanos() as u64, paced);
    Some(Box::new(UntilAnswered {
        child: limited,
        answered: false,
    }))
}

struct Remembering {
    child: Box<dyn Generator>,
    ops: Remembered,
}

impl Generator for Remembering {
    fn next(&mut self, ctx: &Context) -> Next {
        let next = self.child.next(ctx);
        if let Next::Do {
            action: Action::Op(op),
            ..
        } = &next
            && op.is_read_only()
        {
            let mut ops = self.ops.lock().unwrap_or_else(PoisonError::into_inner);
            if ops.len() < MOST {
                ops.push(op.clone());
            }
        }
        next
    }

    fn update(&mut self, ctx: &Context, event: &EventKind) {
        self.child.update(ctx, event);
    }
}

struct UntilAnswered<G> {
    child: G,
    answered: bool,
}

impl<G: Generator> Generator for UntilAnswered<G> {
    fn next(&mut self, ctx: &Context) -> Next {
        if self.answered || ctx.thread == Thread::Nemesis {
            return Next::Done;
        }
        self.child.next(ctx)
    }

    fn update(&mut self, ctx: &Context, event: &EventKind) {
        if let EventKind::Complete(outcome) = event {
            self.answered |= outcome.is_answer();
        }
        self.child.update(ctx, event);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use generator::list;
    use generator::sim::Sim;
    use history::{ErrorClass, Outcome};

    fn read(key: i64) -> Op {
        Op::Read { key: key.into() }
    }

    #[test]
    fn what_was_read_is_read_again_until_it_is_answered() {
        let write = Op::Write {
            key: 1.into(),
            value: 1.into(),
        };
        let last = list([read(1), write, read(2)].map(Action::Op));
        let (mut last, ops) = remember(Box::new(generator::clients(last)));
        let sim = Sim {
            clients: 2,
            ..Sim::default()
        };
        sim.run_ok(&mut last, 1_000);
        assert_eq!(*ops.lock().unwrap(), [read(1), read(2)]);
        for (answered_from, least, most) in [(0, 1, 2), (30, 31, 32), (1_000, 45, 51)] {
            let mut probe = probe(&ops, Duration::from_secs(5)).unwrap();
            let mut called = 0;
            let run = sim.run(&mut probe, |_, _| {
                called += 1;
                let outcome = match called > answered_from {
                    true => Outcome::ok(),
                    false => Outcome::fail(ErrorClass::Timeout, "no answer"),
                };
                (1_000, EventKind::Complete(outcome))
            });
            let count = run.ops().len();
            assert!((least..=most).contains(&count), "{count} for {answered_from}");
        }
        assert!(probe(&Remembered::default(), Duration::from_secs(5)).is_none());
    }
}
