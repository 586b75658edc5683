//! Completed operations a second, by outcome.

use plotters::prelude::*;

use super::frame::{self, colour};
use super::samples::Sample;
use super::ticks::Axis;
use crate::class::Class;
use crate::fault_bands::Background;
use crate::scale::plain;
use crate::view::Plot;

const HEIGHT_PX: u32 = 300;

pub(crate) fn plot(samples: &[Sample], background: &Background, slice_s: f64) -> Result<Plot, String> {
    let rates = rates(samples, slice_s, background.end_s);
    let high = rates.iter().flatten().copied().fold(0.0, f64::max);
    let axis = Axis::linear(high * 1.08, 5.0);
    let svg = frame::draw(background, &axis, "operations a second", HEIGHT_PX, |chart| {
        for class in Class::ALL {
            let rates = &rates[class as usize];
            // What never happened needs no line along the bottom.
            if rates.iter().all(|rate| *rate == 0.0) {
                continue;
            }
            let points = rates.iter().enumerate().flat_map(|(index, rate)| {
                let from = index as f64 * slice_s;
                let to = (from + slice_s).min(background.end_s);
                [(from, *rate), (to, *rate)]
            });
            let style = colour(class.colour()).stroke_width(2);
            chart
                .draw_series(LineSeries::new(points, style))
                .map_err(frame::text)?;
        }
        Ok(())
    })?;
    Ok(Plot {
        name: "throughput",
        title: "Throughput",
        caption: format!(
            "Operations a second by the time of their completion, averaged over {} s.",
            plain(slice_s)
        ),
        legend: Class::ALL
            .iter()
            .map(|class| (class.name().to_owned(), class.colour()))
            .collect(),
        svg,
        height_px: HEIGHT_PX,
    })
}

/// Operations a second in each slice, by class.
fn rates(samples: &[Sample], slice_s: f64, end_s: f64) -> [Vec<f64>; 4] {
    let count = ((end_s / slice_s).ceil() as usize).max(1);
    let mut rates = [(); 4].map(|()| vec![0.0; count]);
    for sample in samples {
        let index = ((sample.completed_s / slice_s) as usize).min(count - 1);
        // The last slice may be a short one.
        let length_s = (end_s - index as f64 * slice_s).min(slice_s).max(slice_s / 10.0);
        rates[sample.class as usize][index] += 1.0 / length_s;
    }
    rates
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_per_second_whatever_the_slice() {
        let sample = |completed_s| Sample {
            class: Class::Ok,
            invoked_s: 0.0,
            completed_s,
        };
        let samples: Vec<Sample> = [0.1, 0.2, 0.6, 1.0, 1.2].into_iter().map(sample).collect();
        let [ok, _, fail, _] = rates(&samples, 0.5, 1.25);
        assert_eq!(ok, [4.0, 2.0, 8.0]);
        assert_eq!(fail, [0.0, 0.0, 0.0]);
    }
}
