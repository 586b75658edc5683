//! What exporters and pages are made of: a run with all that was worked out about it, and the plots.

use checker::Analysis;
use history::{History, RunDir};

use crate::fault_bands::Background;
use crate::results::Results;
use crate::svg::Rgb;

/// What exporters see of a run.
pub(crate) struct Run<'a> {
    pub dir: &'a RunDir,
    pub history: &'a History,
    pub analysis: &'a Analysis,
    pub results: &'a Results,
    pub background: &'a Background,
    pub plots: &'a [Plot],
}

/// One plot, ready to be put into a page.
pub(crate) struct Plot {
    /// Of its file, without `.svg`.
    pub name: &'static str,
    pub title: &'static str,
    /// How to read it.
    pub caption: String,
    pub legend: Vec<(String, Rgb)>,
    pub svg: String,
    /// The height of the picture, pixels.
    pub height_px: u32,
}
