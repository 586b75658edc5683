//! When faults come and go: quiet, start, hold, stop, and again; and several faults taking turns.

use std::time::Duration;

use generator::{Action, Context, Generator, Next, Thread};
use history::{EventKind, Hold, NemesisAction, NemesisOp, Target};
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// A time between two bounds, drawn log-uniformly: as often between 0.1 and 0.2 s as between 1 and 2 s,
/// because short times meet elections in progress and long ones outlast them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Span {
    least_ns: f64,
    most_ns: f64,
}

impl Span {
    /// From `least` to `most` times `interval`.
    pub fn of(interval: Duration, (least, most): (f64, f64)) -> Span {
        let interval_ns = (interval.as_nanos() as f64).max(1.0);
        Span {
            least_ns: interval_ns * least,
            most_ns: interval_ns * most,
        }
    }

    fn draw_ns(self, rng: &mut ChaCha8Rng) -> u64 {
        (self.least_ns * (self.most_ns / self.least_ns).powf(rng.random())) as u64
    }
}

/// One fault again and again. Every start is followed by its stop, unless it was skipped.
///
/// ```text
///  ── quiet ──► start ── hold ──► stop ── quiet ──► start …
/// ```
///
/// Both times run from the end of the act before, so that a slow act does not eat the quiet in which the
/// cluster recovers.
pub(crate) struct OnOff {
    nemesis: &'static str,
    hold: Span,
    quiet: Span,
    targets: Bag<Target>,
    /// The target of the start that was handed out and not yet followed by its stop.
    open: Option<Target>,
    rng: ChaCha8Rng,
}

impl OnOff {
    /// `targets` is drawn from without replacement, then filled anew.
    pub fn new(nemesis: &'static str, targets: Vec<Target>, hold: Span, quiet: Span, seed: u64) -> OnOff {
        OnOff {
            nemesis,
            hold,
            quiet,
            targets: Bag::new(targets),
            open: None,
            rng: ChaCha8Rng::seed_from_u64(seed),
        }
    }
}

impl Generator for OnOff {
    fn next(&mut self, ctx: &Context) -> Next {
        if ctx.thread != Thread::Nemesis {
            return Next::Done;
        }
        let (action, target, wait_ns) = match self.open.take() {
            Some(target) => (NemesisAction::Stop, target, self.hold.draw_ns(&mut self.rng)),
            None => {
                let Some(target) = self.targets.draw(&mut self.rng) else {
                    return Next::Done;
                };
                self.open = Some(target.clone());
                (NemesisAction::Start, target, self.quiet.draw_ns(&mut self.rng))
            }
        };
        Next::Do {
            at_ns: ctx.now_ns.saturating_add(wait_ns),
            action: Action::Nemesis(NemesisOp {
                nemesis: self.nemesis.to_owned(),
                action,
                target,
            }),
        }
    }

    fn update(&mut self, ctx: &Context, event: &EventKind) {
        if is_skipped(ctx, event) {
            self.open = None;
        }
    }
}

/// Several faults, one at a time.
pub(crate) struct Turns {
    faults: Vec<Box<dyn Generator>>,
    order: Bag<usize>,
    /// The fault whose start was handed out and not yet followed by its stop.
    current: Option<usize>,
    rng: ChaCha8Rng,
}

impl Turns {
    /// Each fault has its turn once, in random order, before any has its second.
    pub fn new(faults: Vec<Box<dyn Generator>>, seed: u64) -> Turns {
        Turns {
            order: Bag::new((0..faults.len()).collect()),
            faults,
            current: None,
            rng: ChaCha8Rng::seed_from_u64(seed),
        }
    }
}

impl Generator for Turns {
    fn next(&mut self, ctx: &Context) -> Next {
        if ctx.thread != Thread::Nemesis {
            return Next::Done;
        }
        let Some(index) = self.current.or_else(|| self.order.draw(&mut self.rng)) else {
            return Next::Done;
        };
        let next = self.faults[index].next(ctx);
        self.current = match &next {
            Next::Do {
                action: Action::Nemesis(op),
                ..
            } if op.action == NemesisAction::Stop => None,
            _ => Some(index),
        };
        next
    }

    fn update(&mut self, ctx: &Context, event: &EventKind) {
        if let Some(index) = self.current {
            self.faults[index].update(ctx, event);
            if is_skipped(ctx, event) {
                self.current = None;
            }
        }
    }
}

/// Whether an act of the nemesis was not even tried, so that there is nothing to undo.
fn is_skipped(ctx: &Context, event: &EventKind) -> bool {
    let skipped = |hold: &Hold| matches!(hold, Hold::Skipped(_));
    ctx.thread == Thread::Nemesis
        && matches!(event, EventKind::NemesisComplete(outcome) if skipped(&outcome.hold))
}

/// Things drawn at random without replacement; when empty, all are put back.
struct Bag<T> {
    all: Vec<T>,
    left: Vec<T>,
}

impl<T: Clone> Bag<T> {
    fn new(all: Vec<T>) -> Bag<T> {
        Bag {
            all,
            left: Vec::new(),
        }
    }

    fn draw(&mut self, rng: &mut ChaCha8Rng) -> Option<T> {
        if self.left.is_empty() {
            self.left.extend(self.all.iter().cloned());
            self.left.shuffle(rng);
        }
        self.left.pop()
    }
}
