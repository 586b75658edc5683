//! Operations at a given rate, by one schedule for all threads.

use history::EventKind;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::{Context, Generator, Next};

/// One schedule for all threads.
///
/// The schedule does not drift: its times depend on the seed alone, not on how long operations take. When
/// every thread is busy it falls behind, and catches up as fast as threads come free. Slow answers therefore
/// never lower the requested load, which would hide them ("coordinated omission", G. Tene, "How NOT to
/// Measure Latency").
pub struct Rate<G> {
    child: G,
    spacing: Spacing,
    mean_ns: f64,
    rng: ChaCha8Rng,
    /// The next free time of the schedule; starts with the first question.
    next_ns: Option<f64>,
}

/// `per_second` operations a second, with the gaps of a Poisson process unless [`Rate::evenly`]. A rate that
/// is not a positive number means no limit.
pub fn rate<G: Generator>(per_second: f64, seed: u64, child: G) -> Rate<G> {
    Rate {
        child,
        spacing: Spacing::Poisson,
        mean_ns: if per_second > 0.0 { 1e9 / per_second } else { 0.0 },
        rng: ChaCha8Rng::seed_from_u64(seed),
        next_ns: None,
    }
}

impl<G> Rate<G> {
    /// All gaps the same.
    pub fn evenly(mut self) -> Rate<G> {
        self.spacing = Spacing::Even;
        self
    }
}

impl<G: Generator> Generator for Rate<G> {
    fn next(&mut self, ctx: &Context) -> Next {
        let slot_ns = *self.next_ns.get_or_insert(ctx.now_ns as f64);
        match self.child.next(ctx) {
            Next::Do { at_ns, action } => {
                let gap_ns = match self.spacing {
                    Spacing::Even => self.mean_ns,
                    // 1 - u lies in (0, 1], so the logarithm is finite.
                    Spacing::Poisson => -self.mean_ns * (1.0 - self.rng.random::<f64>()).ln(),
                };
                self.next_ns = Some(slot_ns + gap_ns);
                Next::Do {
                    at_ns: at_ns.max(slot_ns as u64),
                    action,
                }
            }
            other => other,
        }
    }

    fn update(&mut self, ctx: &Context, event: &EventKind) {
        self.child.update(ctx, event);
    }
}

/// How the times of a schedule are spaced.
#[derive(Clone, Copy, Debug)]
enum Spacing {
    /// All gaps are the same.
    Even,
    /// Exponentially distributed, as between the arrivals of independent users.
    Poisson,
}
