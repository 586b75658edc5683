//! The layout of a picture of operations: lanes, and the lines of words above them. Everything is in pixels.

use super::axis::TimeAxis;
use super::select::{Lane, Scene};
use crate::fault_bands::{Background, Band};

/// The room to the right of the axis.
pub(super) const MARGIN_PX: f64 = 30.0;
/// A lane of the conflict: room for words above a high bar.
const HIGH: LaneSize = LaneSize {
    lane_px: 44.0,
    bar_px: 19.0,
};
/// Any other lane.
const LOW: LaneSize = LaneSize {
    lane_px: 30.0,
    bar_px: 11.0,
};
/// The estimated width of a letter, on the large side.
pub(super) const LETTER_PX: f64 = 6.9;

/// The heights of a lane and its bars.
#[derive(Clone, Copy)]
pub(super) struct LaneSize {
    pub lane_px: f64,
    pub bar_px: f64,
}

/// Where everything is in the picture, pixels.
pub(super) struct Frame {
    pub width: f64,
    /// The line with the names of faults, if there are any.
    pub faults_px: Option<f64>,
    /// The line with the names of leaders, if there are any.
    pub leaders_px: Option<f64>,
    /// Where the lanes begin and end.
    pub top: f64,
    pub bottom: f64,
    /// The top of each lane.
    pub lanes: Vec<f64>,
}

impl Frame {
    /// Makes room for all that the scene shows.
    pub fn new(scene: &Scene, background: &Background) -> Frame {
        let mut top = 6.0;
        let mut line = |is_needed: bool| {
            is_needed.then(|| {
                top += 18.0;
                top - 4.0
            })
        };
        let faults_px = line(has_faults(&scene.axis, background));
        let leaders_px = line(has_leaders(&scene.axis, background));
        line(scene.boundary_ns.is_some());
        let mut bottom = top;
        let lanes = scene.lanes.iter().map(|lane| {
            bottom += size(lane).lane_px;
            bottom - size(lane).lane_px
        });
        let lanes = lanes.collect();
        Frame {
            width: scene.axis.right_px + MARGIN_PX,
            faults_px,
            leaders_px,
            top,
            bottom: bottom + 6.0,
            lanes,
        }
    }
}

/// The height of a lane and its bars.
pub(super) fn size(lane: &Lane) -> LaneSize {
    if lane.has_proof() { HIGH } else { LOW }
}

/// The estimated width of a text.
pub(super) fn width_px(text: &str) -> f64 {
    text.chars().count() as f64 * LETTER_PX
}

/// The faults that can be seen on an axis.
pub(super) fn has_faults(axis: &TimeAxis, background: &Background) -> bool {
    let seen = |band: &&Band| is_seen(axis, band.start_s, band.end_s);
    background.bands.iter().find(seen).is_some()
}

/// Whether a change of leader can be seen on an axis.
pub(super) fn has_leaders(axis: &TimeAxis, background: &Background) -> bool {
    background
        .leaders
        .iter()
        .any(|(time_s, _)| is_seen(axis, *time_s, *time_s))
}

/// Whether a stretch of time can be seen on an axis.
pub(super) fn is_seen(axis: &TimeAxis, start_s: f64, end_s: f64) -> bool {
    end_s * 1e9 >= axis.begin_ns() && start_s * 1e9 <= axis.end_ns()
}
