//! The operations as plots see them, and how many points or slices of time a plot can hold.

use std::collections::HashMap;

use history::History;
use history::units::seconds;

use crate::class::Class;

/// The most slices of time in a plot.
const MOST_SLICES: f64 = 200.0;

/// One operation that ended, or was given up.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Sample {
    pub class: Class,
    pub invoked_s: f64,
    pub completed_s: f64,
}

impl Sample {
    pub fn latency_ms(&self) -> f64 {
        (self.completed_s - self.invoked_s) * 1e3
    }

    /// Whether the store answered, so that the latency is the store's and not the client's patience.
    pub fn is_answer(&self) -> bool {
        matches!(self.class, Class::Ok | Class::Mismatch)
    }
}

/// The operations of a history that ended, or were given up, in the order of their invocations.
pub(crate) fn samples(history: &History) -> Vec<Sample> {
    history
        .operations
        .iter()
        .filter_map(|operation| {
            let completed_ns = operation.completed_ns?.get();
            let class = Class::of(&operation.outcome);
            Some(Sample {
                class,
                invoked_s: seconds(operation.invoked_ns),
                completed_s: seconds(completed_ns.max(operation.invoked_ns)),
            })
        })
        .collect()
}

/// The length of a slice of time, seconds: the shortest of 0.1, 0.2, 0.5, 1, 2, 5, … that gives few enough
/// slices.
pub(crate) fn slice_s(duration_s: f64) -> f64 {
    let mut decade = 0.1;
    loop {
        for step in [1.0, 2.0, 5.0] {
            if duration_s <= decade * step * MOST_SLICES {
                return decade * step;
            }
        }
        decade *= 10.0;
    }
}

/// A point of a scatter plot in pixels, and how many operations it represents.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Point<T> {
    pub at: T,
    pub count: u32,
}

/// Thins points until at most `most` are left: of those in one cell of a grid one stays. Where points are
/// sparse they all stay, so no outlier is lost; the highest point of all always stays.
///
/// `place` gives a point's position in pixels, which count downwards.
pub(crate) fn thin<T: Copy>(points: &[T], place: impl Fn(&T) -> (f64, f64), most: usize) -> Vec<Point<T>> {
    let mut cell = 1.0;
    loop {
        if let Some(thinned) = thin_to(points, &place, cell, most) {
            return thinned;
        }
        cell *= 1.5;
    }
}

/// One point a cell, or nothing if that makes more than `most`.
fn thin_to<T: Copy>(
    points: &[T],
    place: impl Fn(&T) -> (f64, f64),
    cell: f64,
    most: usize,
) -> Option<Vec<Point<T>>> {
    let mut cells: HashMap<(i64, i64), usize> = HashMap::new();
    let mut kept: Vec<Point<T>> = Vec::new();
    let mut highest = (f64::INFINITY, 0);
    for (index, at) in points.iter().enumerate() {
        let (x, y) = place(at);
        let next = kept.len();
        let slot = *cells
            .entry(((x / cell) as i64, (y / cell) as i64))
            .or_insert(next);
        if slot == next {
            if next == most {
                return None;
            }
            kept.push(Point { at: *at, count: 0 });
        }
        kept[slot].count += 1;
        // Any point of the cell, each with the same chance (from a hash of its place), so that the grid does
        // not show.
        let hash = (index as u32).wrapping_mul(0x9e37_79b9) >> 8;
        if y < highest.0 {
            highest = (y, slot);
            kept[slot].at = *at;
        } else if slot != highest.1 && hash.is_multiple_of(kept[slot].count) {
            kept[slot].at = *at;
        }
    }
    Some(kept)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thinning_keeps_the_sparse_and_the_highest() {
        // A block of 100 × 100 points and three outliers, one of which is the highest point (least y).
        let mut points: Vec<(f64, f64)> = (0..10_000)
            .map(|n| (f64::from(n % 100), 200.0 + f64::from(n / 100)))
            .collect();
        let outliers = [(700.5, 3.25), (900.0, 150.0), (20.0, 60.0)];
        points.extend(outliers);
        let thinned = thin(&points, |point| *point, 500);
        assert!(thinned.len() <= 500, "{}", thinned.len());
        assert!(thinned.len() > 100, "{}", thinned.len());
        for outlier in outliers {
            assert!(thinned.contains(&Point {
                at: outlier,
                count: 1
            }));
        }
        assert_eq!(thinned.iter().map(|point| point.count).sum::<u32>(), 10_003);
        assert_eq!(thin(&points, |point| *point, 20_000).len(), 10_003);
        assert_eq!(thin(&[], |point: &(f64, f64)| *point, 10), []);
    }

    #[test]
    fn slices_are_round_and_few() {
        for (duration_s, expected) in [
            (0.0, 0.1),
            (1.0, 0.1),
            (20.0, 0.1),
            (20.1, 0.2),
            (30.0, 0.2),
            (600.0, 5.0),
        ] {
            assert!(
                (slice_s(duration_s) - expected).abs() < 1e-9,
                "{duration_s}: {}",
                slice_s(duration_s)
            );
        }
    }
}
