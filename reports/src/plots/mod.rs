//! The plots over the time of a run: latency of every operation, latency quantiles, throughput, availability,
//! terms, clocks.
//!
//! All share one frame ([`frame`]), so that they line up with the same time axis.

mod availability;
mod clocks;
mod file;
mod frame;
mod latency;
mod quantiles;
mod samples;
mod terms;
mod throughput;
mod ticks;

use std::path::PathBuf;

use file::standalone;
use history::History;
use samples::samples;

use crate::fault_bands::Background;
use crate::results::Results;
use crate::view::{Plot, Run};

/// Every plot as a file of its own.
pub(crate) fn files(run: &Run) -> Result<Vec<(PathBuf, String)>, String> {
    let test = &run.results.test;
    let about = format!("perjury · {} {}, seed {}", test.system, test.workload, test.seed);
    let file = |plot: &Plot| {
        let path = run.dir.plots().join(format!("{}.svg", plot.name));
        (path, standalone(plot, &about))
    };
    Ok(run.plots.iter().map(file).collect())
}

/// All plots of a run, in the order in which a report shows them. A new one is a file and a line here.
pub(crate) fn all(
    results: &Results,
    history: &History,
    background: &Background,
) -> Result<Vec<Plot>, String> {
    let samples = &samples(history);
    let slice_s = samples::slice_s(results.duration_s);
    let plots = [
        Some(latency::plot(samples, background)?),
        Some(quantiles::plot(samples, background, slice_s)?),
        Some(throughput::plot(samples, background, slice_s)?),
        Some(availability::plot(samples, &results.faults, background, slice_s)?),
        terms::plot(&results.leader_changes, background)?,
        clocks::plot(history, &results.test.nodes, background)?,
    ];
    Ok(plots.into_iter().flatten().collect())
}
