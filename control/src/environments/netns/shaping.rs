//! What a shaped link does with a packet: whether it passes, how often, how late and how whole. Pure.
//!
//! Invariant: with the same seed, the same packets at the same times have the same fate.
//!
//! The order is that of tc-netem(8): loss, duplication, corruption, then the link's rate, then delay.
//! Reordering is netem's too: a share of the packets skips the delay.

use std::time::{Duration, Instant};

use rand::{Rng, RngExt};

use crate::Shape;

/// What would wait longer than this for its turn on a slow link is dropped, as by a router with a full queue.
const LONGEST_QUEUE: Duration = Duration::from_secs(1);

/// One copy of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Passing {
    /// When it may go on.
    pub due: Instant,
    /// Whether a bit of it is to be flipped.
    pub corrupt: bool,
}

/// The state of one link.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lane {
    /// When a slow link has sent all that it took.
    busy_until: Instant,
}

impl Lane {
    pub(super) fn new(now: Instant) -> Lane {
        Lane { busy_until: now }
    }

    /// The copies of a packet that go on: none, one or two.
    pub(super) fn pass(
        &mut self,
        shape: &Shape,
        now: Instant,
        bytes: usize,
        rng: &mut impl Rng,
    ) -> [Option<Passing>; 2] {
        let mut happens = |share: f64| share > 0.0 && rng.random::<f64>() < share;
        if happens(shape.loss) {
            return [None, None];
        }
        let is_double = happens(shape.duplicate);
        let corrupt = happens(shape.corrupt);
        let skips = happens(shape.reorder);
        let mut copy = |corrupt| {
            let start = match shape.rate {
                0 => now,
                rate => {
                    let begins = self.busy_until.max(now);
                    if begins - now > LONGEST_QUEUE {
                        return None;
                    }
                    self.busy_until = begins + Duration::from_secs_f64(bytes as f64 * 8.0 / rate as f64);
                    self.busy_until
                }
            };
            let delay = match skips {
                true => Duration::ZERO,
                false => jittered(shape, rng),
            };
            Some(Passing {
                due: start + delay,
                corrupt,
            })
        };
        let first = copy(corrupt);
        [first, is_double.then(|| copy(false)).flatten()]
    }
}

fn jittered(shape: &Shape, rng: &mut impl Rng) -> Duration {
    if shape.jitter.is_zero() {
        return shape.delay;
    }
    let least = shape.delay.saturating_sub(shape.jitter);
    let most = shape.delay + shape.jitter;
    least + (most - least).mul_f64(rng.random::<f64>())
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    use super::*;

    const MS: Duration = Duration::from_millis(1);

    /// The delays in milliseconds of this many packets of 1250 bytes, one every millisecond, and how many are
    /// corrupt.
    fn passed(shape: Shape, count: u32) -> (Vec<f64>, usize) {
        let mut rng = ChaCha8Rng::seed_from_u64(3);
        let start = Instant::now();
        let mut lane = Lane::new(start);
        let (mut delays, mut corrupt) = (Vec::new(), 0);
        for n in 0..count {
            let now = start + MS * n;
            for copy in lane.pass(&shape, now, 1250, &mut rng).into_iter().flatten() {
                delays.push((copy.due - now).as_secs_f64() * 1e3);
                corrupt += usize::from(copy.corrupt);
            }
        }
        (delays, corrupt)
    }

    #[test]
    fn shares_are_kept() {
        let cases = [
            (Shape::default(), 1000..=1000, 0..=0),
            (
                Shape {
                    loss: 0.3,
                    ..Shape::default()
                },
                650..=750,
                0..=0,
            ),
            (
                Shape {
                    loss: 1.0,
                    ..Shape::default()
                },
                0..=0,
                0..=0,
            ),
            (
                Shape {
                    duplicate: 0.2,
                    ..Shape::default()
                },
                1150..=1250,
                0..=0,
            ),
            (
                Shape {
                    corrupt: 0.5,
                    ..Shape::default()
                },
                1000..=1000,
                450..=550,
            ),
        ];
        for (shape, passing, corrupting) in cases {
            let (delays, corrupt) = passed(shape, 1000);
            assert!(
                passing.contains(&delays.len()),
                "{shape:?}: {} passed",
                delays.len()
            );
            assert!(corrupting.contains(&corrupt), "{shape:?}: {corrupt} corrupt");
        }
    }

    #[test]
    fn delays_are_kept() {
        let delayed = Shape {
            delay: 20 * MS,
            ..Shape::default()
        };
        assert!(
            passed(delayed, 50)
                .0
                .iter()
                .all(|&delay| (delay - 20.0).abs() < 1e-6)
        );
        let (jittered, _) = passed(
            Shape {
                jitter: 10 * MS,
                ..delayed
            },
            500,
        );
        assert!(jittered.iter().all(|delay| (10.0..=30.0).contains(delay)));
        assert!(jittered.iter().any(|&delay| delay < 13.0) && jittered.iter().any(|&delay| delay > 27.0));
        let (reordered, _) = passed(
            Shape {
                reorder: 0.25,
                ..delayed
            },
            400,
        );
        let skipped = reordered.iter().filter(|delay| **delay < 1e-6).count();
        assert!((70..=130).contains(&skipped), "{skipped}");
    }

    #[test]
    fn a_slow_link_sends_one_after_the_other_and_drops_what_waits_too_long() {
        // 1250 bytes are 10 ms at 1 Mbit/s, and one comes every millisecond.
        let (delays, _) = passed(
            Shape {
                rate: 1_000_000,
                ..Shape::default()
            },
            1000,
        );
        assert!(
            (delays[0] - 10.0).abs() < 1e-6 && (delays[1] - 19.0).abs() < 1e-6,
            "{:?}",
            &delays[..2]
        );
        // A second's worth is queued, and then one in ten goes through.
        assert!((180..=220).contains(&delays.len()), "{}", delays.len());
        assert!(delays.iter().all(|&delay| delay <= 1011.0));
    }
}
