//! The latency of every operation, as a point at its invocation, coloured by outcome.

use plotters::prelude::*;

use super::frame::{self, WIDTH_PX, colour};
use super::samples::{Sample, thin};
use super::ticks::Axis;
use crate::class::Class;
use crate::fault_bands::Background;
use crate::view::Plot;

const HEIGHT_PX: u32 = 380;
/// The most points of each class; together they keep the file small.
const MOST_POINTS: usize = 3_000;

pub(crate) fn plot(samples: &[Sample], background: &Background) -> Result<Plot, String> {
    let latencies = || samples.iter().map(Sample::latency_ms).filter(|ms| *ms > 0.0);
    let low = latencies().fold(f64::INFINITY, f64::min);
    let high = latencies().fold(0.0, f64::max);
    let axis = if high > 0.0 {
        Axis::log(low, high)
    } else {
        Axis::log(1.0, 10.0)
    };
    let svg = frame::draw(background, &axis, "latency (ms)", HEIGHT_PX, |chart| {
        // Errors are drawn last, over the many that went well.
        for class in [Class::Mismatch, Class::Ok, Class::Fail, Class::Info] {
            let of_class: Vec<Sample> = samples
                .iter()
                .filter(|sample| sample.class == class)
                .copied()
                .collect();
            let place = |sample: &Sample| {
                let x = sample.invoked_s / background.end_s * f64::from(WIDTH_PX);
                let y = 1.0 - axis.share(sample.latency_ms());
                (x, y * f64::from(HEIGHT_PX))
            };
            let points = thin(&of_class, place, MOST_POINTS).into_iter().map(|point| {
                let at = (point.at.invoked_s, point.at.latency_ms());
                let strength = if point.count > 4 || class >= Class::Fail {
                    0.9
                } else {
                    0.45
                };
                let radius = if class >= Class::Fail { 2 } else { 1 };
                Circle::new(at, radius, colour(class.colour()).mix(strength).filled())
            });
            chart.draw_series(points).map_err(frame::text)?;
        }
        Ok(())
    })?;
    Ok(Plot {
        name: "latency",
        title: "Latency",
        caption: "One point per operation, at the time of its invocation, on a logarithmic scale. Where many \
                  points coincide, some are left out, but never the slowest. The latency of an info is how long the \
                  client waited before it gave up."
            .to_owned(),
        legend: Class::ALL.iter().map(|class| (class.name().to_owned(), class.colour())).collect(),
        svg,
        height_px: HEIGHT_PX,
    })
}
