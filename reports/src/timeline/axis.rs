//! A time axis that leaves out what would only be empty.

use history::Times;

use crate::scale::round_step;

/// Where the axis begins, and where it usually ends, pixels.
pub(super) const LEFT_PX: f64 = 120.0;
pub(super) const RIGHT_PX: f64 = 1090.0;
/// The width of a cut.
const CUT_PX: f64 = 56.0;
/// A stretch is cut out if it is longer than this many paddings: what is shorter costs less room than a cut
/// is worth.
const LEAST_CUT: f64 = 8.0;
/// The most pieces; more would be too narrow to read.
const MOST_PIECES: usize = 6;

/// A piece of the axis, drawn to scale unless it is a cut.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Piece {
    pub from_ns: f64,
    pub to_ns: f64,
    pub from_px: f64,
    pub to_px: f64,
    pub is_cut: bool,
}

/// Pieces that join without gaps, in order.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct TimeAxis {
    pub pieces: Vec<Piece>,
    /// Where it ends, pixels.
    pub right_px: f64,
    /// What its times are.
    pub times: Times,
}

impl TimeAxis {
    /// An axis up to `right_px` on which all of `spans` (from, to, nanoseconds; at least one) can be seen.
    pub fn new(spans: &[(u64, u64)], right_px: f64, times: Times) -> TimeAxis {
        let mut spans: Vec<(f64, f64)> = spans.iter().map(|&(from, to)| (from as f64, to as f64)).collect();
        spans.sort_by(|a, b| a.0.total_cmp(&b.0));
        let mut lengths: Vec<f64> = spans.iter().map(|(from, to)| to - from).collect();
        lengths.sort_by(f64::total_cmp);
        let ends = spans.iter().map(|(_, to)| *to).fold(0.0, f64::max);
        // A history of microseconds is drawn as one.
        let least = match (ends - spans[0].0) / 8.0 {
            eighth if eighth >= 1.0 => eighth.min(100_000.0),
            _ => 100_000.0,
        };
        let typical = lengths[lengths.len() / 2]
            .max(lengths[lengths.len() - 1] / 8.0)
            .max(least);
        let mut pad = typical * 0.6;
        let mut windows = merged(&spans, pad, pad * LEAST_CUT);
        while windows.len() > MOST_PIECES {
            pad *= 2.0;
            windows = merged(&spans, pad, pad * LEAST_CUT);
        }
        let cuts = (windows.len() - 1) as f64;
        let total_ns: f64 = windows.iter().map(|(from, to)| to - from).sum();
        let px_per_ns = (right_px - LEFT_PX - cuts * CUT_PX) / total_ns;
        let mut pieces: Vec<Piece> = Vec::new();
        let mut x = LEFT_PX;
        for (from_ns, to_ns) in windows {
            if let Some(before) = pieces.last() {
                let cut = Piece {
                    from_ns: before.to_ns,
                    to_ns: from_ns,
                    from_px: x,
                    to_px: x + CUT_PX,
                    is_cut: true,
                };
                pieces.push(cut);
                x += CUT_PX;
            }
            let to_px = x + (to_ns - from_ns) * px_per_ns;
            pieces.push(Piece {
                from_ns,
                to_ns,
                from_px: x,
                to_px,
                is_cut: false,
            });
            x = to_px;
        }
        TimeAxis {
            pieces,
            right_px,
            times,
        }
    }

    /// The position of a time, pixels; a time outside the axis is put on its edge.
    pub fn x_px(&self, time_ns: f64) -> f64 {
        for piece in &self.pieces {
            if time_ns <= piece.to_ns {
                let share = (time_ns - piece.from_ns).max(0.0) / (piece.to_ns - piece.from_ns);
                return piece.from_px + share * (piece.to_px - piece.from_px);
            }
        }
        self.right_px
    }

    /// The time at the left end, nanoseconds.
    pub fn begin_ns(&self) -> f64 {
        self.pieces.first().map_or(0.0, |piece| piece.from_ns)
    }

    /// The time at the right end, nanoseconds.
    pub fn end_ns(&self) -> f64 {
        self.pieces.last().map_or(0.0, |piece| piece.to_ns)
    }

    /// Whether any part of a span lies in a piece that is drawn to scale.
    pub fn shows(&self, from_ns: f64, to_ns: f64) -> bool {
        self.pieces
            .iter()
            .any(|piece| !piece.is_cut && from_ns <= piece.to_ns && to_ns >= piece.from_ns)
    }

    /// How many nanoseconds a pixel covers in the pieces that are drawn to scale.
    fn ns_per_px(&self) -> f64 {
        self.pieces.first().map_or(1.0, |piece| {
            (piece.to_ns - piece.from_ns) / (piece.to_px - piece.from_px)
        })
    }

    /// The distance of two marks, nanoseconds: a round number of at least about 85 pixels.
    pub fn step_ns(&self) -> f64 {
        let least_ns = match self.times {
            Times::Recorded => 0.0,
            Times::Places => Times::EVENT_NS as f64,
        };
        round_step((self.ns_per_px() * 85.0).max(least_ns))
    }

    /// Round times inside the pieces that are drawn to scale.
    pub fn ticks_ns(&self) -> Vec<f64> {
        let (ns_per_px, step) = (self.ns_per_px(), self.step_ns());
        let mut ticks = Vec::new();
        for piece in self.pieces.iter().filter(|piece| !piece.is_cut) {
            let margin = ns_per_px * 24.0;
            let mut n = ((piece.from_ns + margin) / step).ceil();
            while n * step <= piece.to_ns - margin {
                ticks.push(n * step);
                n += 1.0;
            }
        }
        ticks
    }
}

/// The spans, widened by `pad`, merged where less than `least_gap` would be left between them.
fn merged(spans: &[(f64, f64)], pad: f64, least_gap: f64) -> Vec<(f64, f64)> {
    let mut windows: Vec<(f64, f64)> = Vec::new();
    for &(from, to) in spans {
        let (from, to) = ((from - pad).max(0.0), to + pad);
        match windows.last_mut() {
            Some(last) if from - last.1 < least_gap => last.1 = last.1.max(to),
            _ => windows.push((from, to)),
        }
    }
    windows
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    #[test]
    fn empty_stretches_are_cut_out() {
        let check = |spans: &[(u64, u64)], cuts: usize| {
            let axis = TimeAxis::new(spans, RIGHT_PX, Times::Recorded);
            assert_eq!(
                axis.pieces.iter().filter(|piece| piece.is_cut).count(),
                cuts,
                "{axis:?}"
            );
            assert!((axis.x_px(0.0) - LEFT_PX).abs() < 1e-6);
            assert!((axis.x_px(1e18) - RIGHT_PX).abs() < 1e-6);
            let xs: Vec<f64> = (0..4000).map(|ms| axis.x_px(f64::from(ms) * 1e6)).collect();
            assert!(xs.is_sorted(), "time runs backwards: {axis:?}");
            for &(from, to) in spans {
                assert!(axis.shows(from as f64, to as f64));
            }
            for tick in axis.ticks_ns() {
                assert!(axis.shows(tick, tick + 1.0));
            }
        };
        check(&[(5 * MS, 6 * MS)], 0);
        check(&[(5 * MS, 6 * MS), (7 * MS, 8 * MS)], 0);
        check(&[(5 * MS, 6 * MS), (2000 * MS, 2001 * MS)], 1);
        check(
            &[(5 * MS, 6 * MS), (900 * MS, 901 * MS), (2000 * MS, 2001 * MS)],
            2,
        );
        check(&[(0, 0)], 0);
        let many: Vec<(u64, u64)> = (0..40).map(|n| (n * n * 9 * MS, n * n * 9 * MS + MS)).collect();
        let axis = TimeAxis::new(&many, RIGHT_PX, Times::Recorded);
        assert!(axis.pieces.len() < 2 * MOST_PIECES, "{axis:?}");
    }
}
