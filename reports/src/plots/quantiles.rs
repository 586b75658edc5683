//! Latency quantiles of the operations that the store answered, one value a slice of time.

use plotters::prelude::*;

use super::frame::{self, Drawn, colour};
use super::samples::Sample;
use super::ticks::Axis;
use crate::fault_bands::Background;
use crate::scale::plain;
use crate::svg::Rgb;
use crate::view::Plot;

const HEIGHT_PX: u32 = 300;
const LINES: &[(&str, f64, Rgb)] = &[
    ("p50", 0.5, (0x00, 0x9e, 0x73)),
    ("p95", 0.95, (0x00, 0x72, 0xb2)),
    ("p99", 0.99, (0xcc, 0x60, 0xa0)),
    ("max", 1.0, (0x8c, 0x95, 0x9f)),
];

pub(crate) fn plot(samples: &[Sample], background: &Background, slice_s: f64) -> Result<Plot, String> {
    let slices = slices(samples, slice_s);
    let answered = || slices.iter().flatten();
    let low = answered().copied().fold(f64::INFINITY, f64::min);
    let high = answered().copied().fold(0.0, f64::max);
    let axis = if high > 0.0 {
        Axis::log(low, high)
    } else {
        Axis::log(1.0, 10.0)
    };
    let svg = frame::draw(background, &axis, "latency (ms)", HEIGHT_PX, |chart| {
        for &(_, quantile, rgb) in LINES.iter().rev() {
            let mut run: Vec<(f64, f64)> = Vec::new();
            for (index, slice) in slices.iter().enumerate() {
                let middle_s = ((index as f64 + 0.5) * slice_s).min(background.end_s);
                match at_quantile(slice, quantile) {
                    Some(ms) => run.push((middle_s, ms)),
                    // A slice without answers is a gap, not a line across it.
                    None => line(chart, std::mem::take(&mut run), rgb)?,
                }
            }
            line(chart, run, rgb)?;
        }
        Ok(())
    })?;
    Ok(Plot {
        name: "quantiles",
        title: "Latency quantiles",
        caption: format!(
            "Latency of the operations that the store answered, by the time of their invocation, one value every \
             {} s, on a logarithmic scale. In a gap nothing was answered.",
            plain(slice_s)
        ),
        legend: LINES
            .iter()
            .map(|(name, _, rgb)| ((*name).to_owned(), *rgb))
            .collect(),
        svg,
        height_px: HEIGHT_PX,
    })
}

fn line(chart: &mut frame::Chart, points: Vec<(f64, f64)>, rgb: Rgb) -> Drawn {
    match points.as_slice() {
        [] => Ok(()),
        [point] => {
            let dot = Circle::new(*point, 2, colour(rgb).filled());
            chart
                .draw_series(std::iter::once(dot))
                .map_err(frame::text)
                .map(|_| ())
        }
        _ => {
            let style = colour(rgb).stroke_width(2);
            chart
                .draw_series(LineSeries::new(points, style))
                .map_err(frame::text)
                .map(|_| ())
        }
    }
}

/// The latencies in milliseconds of each slice, sorted.
fn slices(samples: &[Sample], slice_s: f64) -> Vec<Vec<f64>> {
    let mut slices: Vec<Vec<f64>> = Vec::new();
    for sample in samples.iter().filter(|sample| sample.is_answer()) {
        let index = (sample.invoked_s / slice_s) as usize;
        if index >= slices.len() {
            slices.resize_with(index + 1, Vec::new);
        }
        slices[index].push(sample.latency_ms());
    }
    for slice in &mut slices {
        slice.sort_by(f64::total_cmp);
    }
    slices
}

/// The least value that at least this share of a sorted slice does not exceed.
fn at_quantile(sorted: &[f64], quantile: f64) -> Option<f64> {
    let rank = (quantile * sorted.len() as f64).ceil() as usize;
    sorted.get(rank.max(1) - 1).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_values_that_were_measured() {
        let hundred: Vec<f64> = (1..=100).map(f64::from).collect();
        let check = |sorted: &[f64], quantile, expected| {
            assert_eq!(
                at_quantile(sorted, quantile),
                expected,
                "{quantile} of {sorted:?}"
            );
        };
        check(&hundred, 0.5, Some(50.0));
        check(&hundred, 0.99, Some(99.0));
        check(&hundred, 1.0, Some(100.0));
        check(&[7.0], 0.5, Some(7.0));
        check(&[7.0], 1.0, Some(7.0));
        check(&[], 0.5, None);
    }
}
