//! What schedules are drawn with: times between two bounds, and bags that give everything once before
//! anything twice.

use std::time::Duration;

use rand::RngExt;
use rand::seq::SliceRandom;
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

    /// Draws a time, nanoseconds.
    pub fn draw_ns(self, rng: &mut ChaCha8Rng) -> u64 {
        (self.least_ns * (self.most_ns / self.least_ns).powf(rng.random())) as u64
    }
}

/// Things drawn at random without replacement; when empty, all are put back.
pub(crate) struct Bag<T> {
    all: Vec<T>,
    left: Vec<T>,
}

impl<T: Clone> Bag<T> {
    pub fn new(all: Vec<T>) -> Bag<T> {
        Bag {
            all,
            left: Vec::new(),
        }
    }

    /// Keeps those that are wanted.
    pub fn retain(&mut self, is_wanted: impl Fn(&T) -> bool) {
        self.all.retain(&is_wanted);
        self.left.retain(is_wanted);
    }

    /// One of them; `None` if there never was any.
    pub fn draw(&mut self, rng: &mut ChaCha8Rng) -> Option<T> {
        if self.left.is_empty() {
            self.left.extend(self.all.iter().cloned());
            self.left.shuffle(rng);
        }
        self.left.pop()
    }
}
