//! The plots over the time of a run: latency of every operation, latency quantiles, throughput.
//!
//! All share one frame ([`frame`]), so that they stand above each other with the same time axis.

mod frame;
mod latency;
mod quantiles;
mod samples;
mod throughput;
mod ticks;

use crate::results::Results;
use crate::shade::{Rgb, Shade};

pub(crate) use samples::{Sample, samples};
pub(crate) use ticks::round_step;

/// One plot, ready to be put into a page.
pub(crate) struct Plot {
    pub title: &'static str,
    /// How to read it.
    pub caption: String,
    pub legend: Vec<(&'static str, Rgb)>,
    pub svg: String,
}

/// All plots of a run, in the order in which a report shows them.
pub(crate) fn all(results: &Results, samples: &[Sample], shade: &Shade) -> Result<Vec<Plot>, String> {
    let slice_s = samples::slice_s(results.duration_s);
    Ok(vec![
        latency::plot(samples, shade)?,
        quantiles::plot(samples, shade, slice_s)?,
        throughput::plot(samples, shade, slice_s)?,
    ])
}
