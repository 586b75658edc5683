//! Where an axis has its marks, and the labels beside them.

use std::ops::Range;

use plotters::coord::ranged1d::{KeyPointHint, NoDefaultFormatting, Ranged, ValueFormatter};

use crate::scale::{plain, round_step};

/// An axis: its range and its marks.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Axis {
    pub low: f64,
    pub high: f64,
    ticks: Vec<f64>,
    is_log: bool,
}

impl Axis {
    /// From 0 to `high` with about `count` marks at multiples of 1, 2 or 5.
    pub fn linear(high: f64, count: f64) -> Axis {
        let high = if high > 0.0 && high.is_finite() { high } else { 1.0 };
        let step = round_step(high / count);
        let ticks = (0..)
            .map(|n| f64::from(n) * step)
            .take_while(|tick| *tick <= high * 1.000_001)
            .collect();
        Axis {
            low: 0.0,
            high,
            ticks,
            is_log: false,
        }
    }

    /// From `low` to `high`, which may be negative, with about `count` marks at multiples of 1, 2 or 5.
    pub fn between(low: f64, high: f64, count: f64) -> Axis {
        let step = round_step((high - low) / count);
        let ticks = ((low / step).ceil() as i64..)
            .map(|n| n as f64 * step)
            .take_while(|tick| *tick <= high)
            .collect();
        Axis {
            low,
            high,
            ticks,
            is_log: false,
        }
    }

    /// From at most `low` to at least `high`, with marks at powers of ten; over few powers also at 2 and 5.
    pub fn log(low: f64, high: f64) -> Axis {
        let low = low.clamp(1e-6, 1e9);
        let high = high.clamp(low, 1e12) * 1.5;
        let bottom = 10f64.powf(low.log10().floor());
        // Nearly empty axes look like a mistake.
        let high = high.max(bottom * 10.0);
        let steps: &[f64] = if high / bottom <= 1000.0 {
            &[1.0, 2.0, 5.0]
        } else {
            &[1.0]
        };
        let ticks = (0..20)
            .map(|n| bottom * 10f64.powi(n))
            .flat_map(|decade| steps.iter().map(move |step| decade * step))
            .take_while(|tick| *tick <= high * 1.000_001)
            .collect();
        Axis {
            low: bottom,
            high,
            ticks,
            is_log: true,
        }
    }

    /// The position of a value on the axis, from 0 to 1; a value outside its range is put on the edge.
    pub fn share(&self, value: f64) -> f64 {
        let value = value.clamp(self.low, self.high);
        if self.is_log {
            (value / self.low).log10() / (self.high / self.low).log10()
        } else {
            (value - self.low) / (self.high - self.low)
        }
    }
}

impl Ranged for Axis {
    type FormatOption = NoDefaultFormatting;
    type ValueType = f64;

    fn map(&self, value: &f64, limit: (i32, i32)) -> i32 {
        limit.0 + (self.share(*value) * f64::from(limit.1 - limit.0)).round() as i32
    }

    fn key_points<Hint: KeyPointHint>(&self, hint: Hint) -> Vec<f64> {
        if hint.weight().allow_light_points() {
            Vec::new()
        } else {
            self.ticks.clone()
        }
    }

    fn range(&self) -> Range<f64> {
        self.low..self.high
    }
}

impl ValueFormatter<f64> for Axis {
    fn format(value: &f64) -> String {
        plain(*value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axes_have_round_marks() {
        let check = |axis: Axis, expected: &[&str]| {
            let labels: Vec<String> = axis.ticks.iter().map(|tick| plain(*tick)).collect();
            assert_eq!(labels, expected, "{axis:?}");
            assert!(axis.low < axis.high);
        };
        check(Axis::linear(30.0, 6.0), &["0", "5", "10", "15", "20", "25", "30"]);
        check(Axis::linear(0.7, 4.0), &["0", "0.2", "0.4", "0.6"]);
        check(Axis::linear(12_345.0, 4.0), &["0", "5,000", "10,000"]);
        check(Axis::linear(0.0, 4.0), &["0", "0.5", "1"]);
        check(Axis::between(-300.0, 120.0, 4.0), &["-200", "0"]);
        check(Axis::between(2.0, 6.5, 4.0), &["2", "4", "6"]);
        check(Axis::log(0.3, 900.0), &["0.1", "1", "10", "100", "1,000"]);
        check(Axis::log(1.5, 30.0), &["1", "2", "5", "10", "20"]);
        check(
            Axis::log(0.0, 0.0),
            &["0.000001", "0.000002", "0.000005", "0.00001"],
        );
    }
}
