//! What is behind the bars of a picture: faults, changes of leader, cuts, the axis, and where the longest
//! order ends.

use std::fmt::{Result, Write};

use history::Times;
use history::units::duration;

use super::axis::{LEFT_PX, TimeAxis};
use super::frame::{Frame, LETTER_PX, is_seen, width_px};
use crate::fault_bands::Background;
use crate::svg::{escaped, hex};

/// Everything behind the bars.
pub(super) fn write_backdrop(
    out: &mut String,
    axis: &TimeAxis,
    background: &Background,
    frame: &Frame,
    boundary_ns: Option<u64>,
) -> Result {
    if let Some(boundary_ns) = boundary_ns {
        let x = axis.x_px(boundary_ns as f64);
        writeln!(
            out,
            r#"<rect class="beyond" x="{x:.1}" y="{}" width="{:.1}" height="{:.1}"/>"#,
            frame.top,
            (axis.right_px - x).max(0.0),
            frame.bottom - frame.top
        )?;
    }
    if let Some(words_px) = frame.faults_px {
        write_faults(out, axis, background, frame, words_px)?;
    }
    if let Some(words_px) = frame.leaders_px {
        write_leaders(out, axis, background, frame, words_px)?;
    }
    write_cuts(out, axis, frame)?;
    write_ticks(out, axis, frame)
}

/// The line up to which there is an order, over the bars.
pub(super) fn write_boundary(out: &mut String, axis: &TimeAxis, frame: &Frame, boundary_ns: u64) -> Result {
    const WORDS: &str = "linearizable up to here";
    let x = axis.x_px(boundary_ns as f64);
    let (top, bottom) = (frame.top - 14.0, frame.bottom);
    writeln!(
        out,
        r#"<line class="boundary" x1="{x:.1}" x2="{x:.1}" y1="{top}" y2="{bottom}"/>"#
    )?;
    let is_left = x - width_px(WORDS) - 8.0 > LEFT_PX;
    let (x, anchor) = if is_left {
        (x - 7.0, "end")
    } else {
        (x + 7.0, "start")
    };
    writeln!(
        out,
        r#"<text class="boundary-label" x="{x:.1}" y="{:.1}" text-anchor="{anchor}">{WORDS}</text>"#,
        frame.top - 4.0
    )
}

fn write_faults(
    out: &mut String,
    axis: &TimeAxis,
    background: &Background,
    frame: &Frame,
    words_px: f64,
) -> Result {
    let mut words_end = LEFT_PX;
    for band in &background.bands {
        if !is_seen(axis, band.start_s, band.end_s) {
            continue;
        }
        let (from, to) = (axis.x_px(band.start_s * 1e9), axis.x_px(band.end_s * 1e9));
        writeln!(
            out,
            r#"<rect x="{from:.1}" y="{}" width="{:.1}" height="{:.1}" fill="{}" fill-opacity="0.2"><title>{}</title></rect>"#,
            frame.top,
            (to - from).max(1.0),
            frame.bottom - frame.top,
            hex(band.colour),
            escaped(&band.title)
        )?;
        let width = width_px(&band.name);
        let x = from.clamp(LEFT_PX, (frame.width - width).max(LEFT_PX));
        if x >= words_end {
            writeln!(
                out,
                r#"<text class="small" x="{x:.1}" y="{words_px}">{}</text>"#,
                escaped(&band.name)
            )?;
            words_end = x + width + LETTER_PX;
        }
    }
    Ok(())
}

fn write_leaders(
    out: &mut String,
    axis: &TimeAxis,
    background: &Background,
    frame: &Frame,
    words_px: f64,
) -> Result {
    let mut words_end = LEFT_PX;
    for (time_s, node) in &background.leaders {
        if !is_seen(axis, *time_s, *time_s) {
            continue;
        }
        let x = axis.x_px(time_s * 1e9);
        let word = format!("▾{node} leads");
        writeln!(
            out,
            r#"<line class="leader" x1="{x:.1}" x2="{x:.1}" y1="{}" y2="{}"><title>{} was seen as the leader at {time_s:.3} s</title></line>"#,
            frame.top,
            frame.bottom,
            escaped(node)
        )?;
        let from = (x - width_px(&word) / 2.0)
            .min(frame.width - width_px(&word))
            .max(LEFT_PX);
        if from >= words_end {
            writeln!(
                out,
                r#"<text class="small" x="{from:.1}" y="{words_px}">{}</text>"#,
                escaped(&word)
            )?;
            words_end = from + width_px(&word) + LETTER_PX;
        }
    }
    Ok(())
}

/// A cut is hatched, the axis is broken there, and the length of the cut is written below.
fn write_cuts(out: &mut String, axis: &TimeAxis, frame: &Frame) -> Result {
    const CUT_OUT: &str = "were cut out here: nothing that concerns the conflict happened in that time";
    for piece in axis.pieces.iter().filter(|piece| piece.is_cut) {
        let (from, to, bottom) = (piece.from_px, piece.to_px, frame.bottom);
        let (middle, cut) = ((from + to) / 2.0, duration((piece.to_ns - piece.from_ns) as u64));
        writeln!(
            out,
            r#"<rect class="cut" x="{from:.1}" y="{}" width="{:.1}" height="{:.1}"><title>{cut} {CUT_OUT}</title></rect>"#,
            frame.top,
            to - from,
            bottom - frame.top
        )?;
        writeln!(
            out,
            r#"<text class="small" x="{middle:.1}" y="{:.1}" text-anchor="middle">{cut}</text>"#,
            bottom + 17.0
        )?;
    }
    Ok(())
}

/// Milliseconds with as many digits as it takes to distinguish neighbouring marks.
fn tick_text(tick_ns: f64, step_ns: f64) -> String {
    let digits = (6.0 - step_ns.log10().floor()).clamp(0.0, 6.0) as usize;
    format!("{:.digits$}", tick_ns / 1e6)
}

fn write_ticks(out: &mut String, axis: &TimeAxis, frame: &Frame) -> Result {
    let (step_ns, bottom) = (axis.step_ns(), frame.bottom);
    for tick in axis.ticks_ns() {
        let x = axis.x_px(tick);
        writeln!(
            out,
            r#"<line class="grid" x1="{x:.1}" x2="{x:.1}" y1="{}" y2="{:.1}"/><text class="small" x="{x:.1}" y="{:.1}" text-anchor="middle">{}</text>"#,
            frame.top,
            bottom + 4.0,
            bottom + 17.0,
            match axis.times {
                Times::Recorded => tick_text(tick, step_ns),
                Times::Places => Times::place(tick as u64).to_string(),
            }
        )?;
    }
    for piece in &axis.pieces {
        let (from, to) = (piece.from_px, piece.to_px);
        if piece.is_cut {
            let middle = (from + to) / 2.0;
            // The break mark.
            writeln!(
                out,
                r#"<path class="axis" d="M{from:.1} {bottom}H{:.1}L{:.1} {:.1}L{:.1} {:.1}L{:.1} {bottom}H{to:.1}"/>"#,
                middle - 8.0,
                middle - 4.0,
                bottom - 6.0,
                middle + 4.0,
                bottom + 6.0,
                middle + 8.0
            )?;
        } else {
            writeln!(
                out,
                r#"<line class="axis" x1="{from:.1}" x2="{to:.1}" y1="{bottom}" y2="{bottom}"/>"#
            )?;
        }
    }
    writeln!(
        out,
        r#"<text class="small" x="{:.1}" y="{:.1}" text-anchor="middle">{}</text>"#,
        (LEFT_PX + axis.right_px) / 2.0,
        bottom + 36.0,
        match axis.times {
            Times::Recorded => "milliseconds since the start",
            Times::Places => "events, in their order",
        }
    )
}
