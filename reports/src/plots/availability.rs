//! Answers as a share of the operations that completed, and how long each fault was felt.

use plotters::prelude::*;

use super::frame::{self, colour};
use super::samples::Sample;
use super::ticks::Axis;
use crate::fault_bands::Background;
use crate::results::FaultRow;
use crate::scale::plain;
use crate::svg::Rgb;
use crate::view::Plot;

const HEIGHT_PX: u32 = 240;
const SHARE: Rgb = (0x00, 0x72, 0xb2);
const FELT: Rgb = (0xd5, 0x2e, 0x00);

pub(crate) fn plot(
    samples: &[Sample],
    faults: &[FaultRow],
    background: &Background,
    slice_s: f64,
) -> Result<Plot, String> {
    let axis = Axis::linear(112.0, 5.0);
    let svg = frame::draw(background, &axis, "answered (%)", HEIGHT_PX, |chart| {
        let mut run: Vec<(f64, f64)> = Vec::new();
        let mut runs: Vec<Vec<(f64, f64)>> = Vec::new();
        for (index, share) in shares(samples, slice_s, background.end_s).into_iter().enumerate() {
            let from = index as f64 * slice_s;
            match share {
                Some(share) => run.extend([(from, share), ((from + slice_s).min(background.end_s), share)]),
                // Nothing completed: a gap, not a line across it.
                None => runs.push(std::mem::take(&mut run)),
            }
        }
        runs.push(run);
        for run in runs.into_iter().filter(|run| !run.is_empty()) {
            let line = LineSeries::new(run, colour(SHARE).stroke_width(2));
            chart.draw_series(line).map_err(frame::text)?;
        }
        let felt = faults.iter().filter_map(|fault| {
            let recovery = fault.recovery.filter(|recovery| recovery.felt == Some(true))?;
            let to = fault.start_s + recovery.recovery_ms.or(recovery.recovery_at_least_ms)? / 1e3;
            Some(Rectangle::new(
                [(fault.start_s, 104.0), (to, 109.0)],
                colour(FELT).filled(),
            ))
        });
        chart.draw_series(felt).map_err(frame::text)?;
        Ok(())
    })?;
    Ok(Plot {
        name: "availability",
        title: "Availability",
        caption: format!(
            "The share of completed operations that the store answered, every {} s. The bars on top reach from \
             the start of a fault until the rate of answers was back at half of what it was before; there is none \
             where it never fell below that.",
            plain(slice_s)
        ),
        legend: vec![("answered".to_owned(), SHARE), ("felt".to_owned(), FELT)],
        svg,
        height_px: HEIGHT_PX,
    })
}

/// The share of answers among what ended in each slice, per cent; nothing where nothing ended.
fn shares(samples: &[Sample], slice_s: f64, end_s: f64) -> Vec<Option<f64>> {
    let count = ((end_s / slice_s).ceil() as usize).max(1);
    let mut slices = vec![(0u32, 0u32); count];
    for sample in samples {
        let slice = &mut slices[((sample.completed_s / slice_s) as usize).min(count - 1)];
        slice.0 += u32::from(sample.is_answer());
        slice.1 += 1;
    }
    let share = |(answered, all): (u32, u32)| (all > 0).then(|| f64::from(answered) * 100.0 / f64::from(all));
    slices.into_iter().map(share).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::class::Class;

    #[test]
    fn shares_are_of_what_ended() {
        let sample = |class, completed_s| Sample {
            class,
            invoked_s: 0.0,
            completed_s,
        };
        let samples = [
            sample(Class::Ok, 0.1),
            sample(Class::Info, 0.2),
            sample(Class::Mismatch, 1.0),
        ];
        assert_eq!(shares(&samples, 0.5, 1.5), [Some(50.0), None, Some(100.0)]);
    }
}
