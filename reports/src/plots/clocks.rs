//! How far the clocks of the nodes were off, as the nemesis set them.

use history::units::seconds;
use history::{History, Target, Whom};
use plotters::prelude::*;

use super::frame::{self, colour};
use super::ticks::Axis;
use crate::fault_bands::Background;
use crate::svg::Rgb;
use crate::view::Plot;

const HEIGHT_PX: u32 = 240;
/// How often a strobing clock jumps, as drawn.
const STROBE_S: f64 = 0.2;
const NODES: [Rgb; 5] = [
    (0x00, 0x72, 0xb2),
    (0xd5, 0x5e, 0x00),
    (0x00, 0x9e, 0x73),
    (0xcc, 0x60, 0xa0),
    (0xb8, 0x9b, 0x00),
];

/// What a clock did.
#[derive(Clone, Copy, Debug, PartialEq)]
enum How {
    Jump,
    Drift,
    Strobe,
}

/// One fault of the clocks.
#[derive(Debug, PartialEq)]
struct Shift {
    nodes: Vec<String>,
    how: How,
    /// Milliseconds; of a drift, microseconds a second.
    value: f64,
    from_s: f64,
    to_s: f64,
}

/// Nothing where no clock was touched.
pub(crate) fn plot(
    history: &History,
    nodes: &[String],
    background: &Background,
) -> Result<Option<Plot>, String> {
    let shifts = shifts(history, background.end_s);
    if shifts.is_empty() {
        return Ok(None);
    }
    let lines: Vec<(usize, Vec<(f64, f64)>)> = (nodes.iter().enumerate())
        .map(|(index, node)| (index, offsets(node, &shifts, background.end_s)))
        .collect();
    let values = || lines.iter().flat_map(|(_, line)| line.iter().map(|(_, ms)| *ms));
    let low = values().fold(0.0, f64::min);
    let high = values().fold(0.0, f64::max);
    let margin = (high - low).max(1.0) * 0.08;
    let axis = Axis::between(low - margin, high + margin, 5.0);
    let svg = frame::draw(background, &axis, "offset (ms)", HEIGHT_PX, |chart| {
        for (index, line) in &lines {
            let style = colour(NODES[index % NODES.len()]).stroke_width(2);
            let line = LineSeries::new(line.iter().copied(), style);
            chart.draw_series(line).map_err(frame::text)?;
        }
        Ok(())
    })?;
    Ok(Some(Plot {
        name: "clocks",
        title: "Clocks",
        caption: "How far off the wall clocks were that the store's processes saw, as set by the nemesis; a probe \
                  confirmed where each shift began and ended. A process that was restarted sees the right time \
                  again, which is not drawn."
            .to_owned(),
        legend: (nodes.iter().enumerate())
            .map(|(index, node)| (node.clone(), NODES[index % NODES.len()]))
            .collect(),
        svg,
        height_px: HEIGHT_PX,
    }))
}

fn shifts(history: &History, end_s: f64) -> Vec<Shift> {
    let spans = &history.nemesis;
    (history.faults().iter())
        .filter_map(|fault| {
            let at_s = |place: usize| seconds(spans[place].completed_ns.unwrap_or(spans[place].invoked_ns));
            let exact = &spans[fault.start].outcome.as_ref()?.exact;
            shift(exact, at_s(fault.start), fault.end.map_or(end_s, at_s))
        })
        .collect()
}

/// What a fault did to clocks, if it did anything to them.
fn shift(exact: &Target, from_s: f64, to_s: f64) -> Option<Shift> {
    let aim = exact.aim()?;
    let how = match aim.kind.as_deref()? {
        "jump" => How::Jump,
        "drift" => How::Drift,
        "strobe" => How::Strobe,
        _ => return None,
    };
    let Some(Whom::Nodes(nodes)) = &aim.whom else {
        return None;
    };
    Some(Shift {
        nodes: nodes.clone(),
        how,
        value: aim.value?,
        from_s,
        to_s,
    })
}

/// The offset of one node over the run, milliseconds.
fn offsets(node: &str, shifts: &[Shift], end_s: f64) -> Vec<(f64, f64)> {
    let mut line = vec![(0.0, 0.0)];
    for shift in shifts
        .iter()
        .filter(|shift| shift.nodes.iter().any(|name| name == node))
    {
        line.push((shift.from_s, 0.0));
        match shift.how {
            How::Drift => {
                let end_ms = shift.value / 1e3 * (shift.to_s - shift.from_s);
                line.push((shift.to_s, end_ms));
            }
            How::Strobe => {
                let steps = ((shift.to_s - shift.from_s) / STROBE_S).ceil() as usize;
                for step in 0..steps {
                    let from_s = shift.from_s + step as f64 * STROBE_S;
                    let ms = if step % 2 == 0 { shift.value } else { 0.0 };
                    line.extend([(from_s, ms), ((from_s + STROBE_S).min(shift.to_s), ms)]);
                }
            }
            How::Jump => line.extend([(shift.from_s, shift.value), (shift.to_s, shift.value)]),
        }
        line.push((shift.to_s, 0.0));
    }
    line.push((end_s, 0.0));
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_are_those_that_were_set() {
        let shifts = [
            shift(&"jump=-300@n1+n3".into(), 1.0, 2.0).expect("a jump"),
            shift(&"drift=50000@n1".into(), 4.0, 6.0).expect("a drift"),
            shift(&"strobe=10@n2".into(), 1.0, 1.3).expect("a strobe"),
        ];
        let line = |node: &str| offsets(node, &shifts, 10.0);
        let expected = [(0.0, 0.0), (1.0, 0.0), (1.0, -300.0), (2.0, -300.0), (2.0, 0.0)];
        assert_eq!(line("n3")[..5], expected);
        assert_eq!(
            line("n1")[5..],
            [(4.0, 0.0), (6.0, 100.0), (6.0, 0.0), (10.0, 0.0)]
        );
        assert_eq!(
            line("n2"),
            [
                (0.0, 0.0),
                (1.0, 0.0),
                (1.0, 10.0),
                (1.2, 10.0),
                (1.2, 0.0),
                (1.3, 0.0),
                (1.3, 0.0),
                (10.0, 0.0)
            ]
        );
        assert_eq!(line("n4"), [(0.0, 0.0), (10.0, 0.0)]);
        assert_eq!(shift(&"".into(), 0.0, 1.0), None);
    }
}
