//! Draws a [`Scene`] as SVG. Colours and gradients are those of the page's style sheet, so that they follow light and
//! dark.

use std::fmt::{Result, Write};

use super::axis::{LEFT_PX, RIGHT_PX, TimeAxis};
use super::select::{Bar, Lane, Scene};
use crate::shade::{Shade, hex};

const WIDTH_PX: f64 = 1120.0;
const TOP_PX: f64 = 44.0;
const LANE_PX: f64 = 40.0;
const BAR_PX: f64 = 18.0;
/// The room for the axis below the lanes.
const BOTTOM_PX: f64 = 48.0;
/// A bar is never narrower, however short its operation.
const LEAST_BAR_PX: f64 = 5.0;
/// The estimated width of a letter, on the large side.
const LETTER_PX: f64 = 6.9;

/// The picture.
pub(super) fn svg(scene: &Scene, shade: &Shade) -> String {
    let mut out = String::new();
    write_svg(&mut out, scene, shade).expect("writing to a string does not fail");
    out
}

/// Text for SVG.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            // XML knows no such characters.
            control if control.is_control() => out.push(' '),
            other => out.push(other),
        }
    }
    out
}

fn width_px(text: &str) -> f64 {
    text.chars().count() as f64 * LETTER_PX
}

fn write_svg(out: &mut String, scene: &Scene, shade: &Shade) -> Result {
    let bottom = TOP_PX + scene.lanes.len() as f64 * LANE_PX;
    let height = bottom + BOTTOM_PX;
    write!(
        out,
        r#"<svg xmlns="http://www.w3.org/2000/svg" class="timeline" viewBox="0 0 {WIDTH_PX} {height}" width="{WIDTH_PX}" height="{height}" role="img">"#
    )?;
    writeln!(out, "<title>{}</title>", escaped(&scene.description))?;
    background(out, &scene.axis, shade, bottom)?;
    cuts(out, &scene.axis, bottom)?;
    ticks(out, &scene.axis, bottom)?;
    for (index, lane) in scene.lanes.iter().enumerate() {
        let top = TOP_PX + index as f64 * LANE_PX;
        if index == scene.proof_lanes {
            writeln!(
                out,
                r#"<line class="divide" x1="8" x2="{RIGHT_PX}" y1="{top}" y2="{top}"/>"#
            )?;
        }
        write_lane(out, &scene.axis, lane, top)?;
    }
    out.push_str("</svg>");
    Ok(())
}

/// Faults and changes of leader.
fn background(out: &mut String, axis: &TimeAxis, shade: &Shade, bottom: f64) -> Result {
    let mut words_end = LEFT_PX;
    for band in &shade.bands {
        let (from_ns, to_ns) = (band.start_s * 1e9, band.end_s * 1e9);
        if to_ns <= axis.begin_ns() || from_ns >= axis.end_ns() {
            continue;
        }
        let (from, to) = (axis.x_px(from_ns), axis.x_px(to_ns));
        writeln!(
            out,
            r#"<rect x="{from:.1}" y="{TOP_PX}" width="{:.1}" height="{:.1}" fill="{}" fill-opacity="0.2"><title>{}</title></rect>"#,
            (to - from).max(1.0),
            bottom - TOP_PX,
            hex(band.colour),
            escaped(&band.title)
        )?;
        let width = width_px(&band.name);
        let x = from.clamp(LEFT_PX, (WIDTH_PX - width).max(LEFT_PX));
        if x >= words_end {
            writeln!(
                out,
                r#"<text class="small" x="{x:.1}" y="16">{}</text>"#,
                escaped(&band.name)
            )?;
            words_end = x + width + LETTER_PX;
        }
    }
    let mut words_end = LEFT_PX;
    for (time_s, node) in &shade.leaders {
        let time_ns = time_s * 1e9;
        if time_ns < axis.begin_ns() || time_ns > axis.end_ns() {
            continue;
        }
        let x = axis.x_px(time_ns);
        let word = format!("▾{node} leads");
        writeln!(
            out,
            r#"<line class="leader" x1="{x:.1}" x2="{x:.1}" y1="{TOP_PX}" y2="{bottom}"><title>{} was seen to lead at {time_s:.3} s</title></line>"#,
            escaped(node)
        )?;
        let from = (x - width_px(&word) / 2.0)
            .min(WIDTH_PX - width_px(&word))
            .max(LEFT_PX);
        if from >= words_end {
            writeln!(
                out,
                r#"<text class="small" x="{from:.1}" y="34">{}</text>"#,
                escaped(&word)
            )?;
            words_end = from + width_px(&word) + LETTER_PX;
        }
    }
    Ok(())
}

fn cuts(out: &mut String, axis: &TimeAxis, bottom: f64) -> Result {
    for piece in axis.pieces.iter().filter(|piece| piece.is_cut) {
        let (from, to) = (piece.from_px, piece.to_px);
        writeln!(
            out,
            r#"<rect class="cut" x="{from:.1}" y="{TOP_PX}" width="{:.1}" height="{:.1}"/>"#,
            to - from,
            bottom - TOP_PX
        )?;
        writeln!(
            out,
            r#"<text class="small" x="{:.1}" y="{:.1}" text-anchor="middle">⋯ {} ⋯</text>"#,
            (from + to) / 2.0,
            bottom + 16.0,
            duration(piece.to_ns - piece.from_ns)
        )?;
    }
    Ok(())
}

/// `340 µs`, `12 ms`, `1.8 s`
fn duration(ns: f64) -> String {
    match ns {
        ns if ns < 1e6 => format!("{:.0} µs", ns / 1e3),
        ns if ns < 1e9 => format!("{:.0} ms", ns / 1e6),
        ns => format!("{:.1} s", ns / 1e9),
    }
}

/// Milliseconds with as many digits as tell neighbouring marks apart.
fn tick_text(tick_ns: f64, step_ns: f64) -> String {
    let digits = (6.0 - step_ns.log10().floor()).clamp(0.0, 6.0) as usize;
    format!("{:.digits$}", tick_ns / 1e6)
}

fn ticks(out: &mut String, axis: &TimeAxis, bottom: f64) -> Result {
    let step_ns = axis.step_ns();
    for tick in axis.ticks_ns() {
        let x = axis.x_px(tick);
        writeln!(
            out,
            r#"<line class="grid" x1="{x:.1}" x2="{x:.1}" y1="{TOP_PX}" y2="{:.1}"/><text class="small" x="{x:.1}" y="{:.1}" text-anchor="middle">{}</text>"#,
            bottom + 4.0,
            bottom + 16.0,
            tick_text(tick, step_ns)
        )?;
    }
    writeln!(
        out,
        r#"<line class="axis" x1="{LEFT_PX}" x2="{RIGHT_PX}" y1="{bottom}" y2="{bottom}"/><text x="{:.1}" y="{:.1}" text-anchor="middle">time since the start of the run (ms)</text>"#,
        (LEFT_PX + RIGHT_PX) / 2.0,
        bottom + 38.0
    )
}

/// A bar on the page: where it begins and ends, and whether it fades away.
struct Placed<'a> {
    bar: &'a Bar,
    from: f64,
    to: f64,
}

fn write_lane(out: &mut String, axis: &TimeAxis, lane: &Lane, top: f64) -> Result {
    let bar_top = top + 16.0;
    writeln!(
        out,
        r#"<text x="{:.1}" y="{:.1}" text-anchor="end">process {}</text>"#,
        LEFT_PX - 12.0,
        bar_top + 13.0,
        lane.process
    )?;
    let mut placed: Vec<Placed> = lane
        .bars
        .iter()
        .map(|bar| {
            let from = axis.x_px(bar.from_ns as f64).min(RIGHT_PX - LEAST_BAR_PX);
            let to = bar.to_ns.map_or(RIGHT_PX, |to| axis.x_px(to as f64));
            Placed {
                bar,
                from,
                to: to.max(from + LEAST_BAR_PX),
            }
        })
        .collect();
    // The proof is drawn last, over its neighbours, but its words find their place first.
    placed.sort_by_key(|placed| placed.bar.number.is_none());
    for placed in placed.iter().rev() {
        write_bar(out, placed, bar_top)?;
    }
    let mut taken: Vec<(f64, f64)> = Vec::new();
    for placed in &placed {
        write_label(out, placed, top, &mut taken)?;
    }
    Ok(())
}

fn write_bar(out: &mut String, placed: &Placed, bar_top: f64) -> Result {
    let Placed { bar, from, to } = placed;
    let kind = match (bar.number, bar.is_link) {
        (Some(_), _) => "hot",
        (None, true) => "link",
        (None, false) => "near",
    };
    let open = if bar.to_ns.is_none() { " open" } else { "" };
    writeln!(
        out,
        r#"<rect class="{kind} {}{open}" x="{from:.1}" y="{bar_top}" width="{:.1}" height="{BAR_PX}" rx="3"><title>{}</title></rect>"#,
        bar.outcome,
        to - from,
        escaped(&bar.title)
    )
}

/// The words stand above their bar; neighbours whose words would touch others' have none (the tooltip has them).
fn write_label(out: &mut String, placed: &Placed, top: f64, taken: &mut Vec<(f64, f64)>) -> Result {
    let Placed { bar, from, to } = placed;
    let text = match bar.number {
        Some(number) => format!("{} {}", circled(number), bar.label),
        None => bar.label.clone(),
    };
    let text = if bar.to_ns.is_none() {
        format!("{text} …?")
    } else {
        text
    };
    let width = width_px(&text);
    let candidates = [*from, to - width, (from + to - width) / 2.0];
    let is_free = |x: f64| {
        x >= LEFT_PX - 4.0
            && x + width <= WIDTH_PX
            && taken.iter().all(|(a, b)| x + width + 4.0 <= *a || x >= *b + 4.0)
    };
    let place = candidates.into_iter().find(|x| is_free(*x));
    // The proof is never without words, even if they touch.
    let place = place.or(bar.number.map(|_| from.min(WIDTH_PX - width)));
    if let Some(x) = place {
        taken.push((x, x + width));
        let class = if bar.number.is_some() {
            "hot-label"
        } else {
            "near-label"
        };
        writeln!(
            out,
            r#"<text class="{class}" x="{x:.1}" y="{:.1}">{}</text>"#,
            top + 12.0,
            escaped(&text)
        )?;
    }
    Ok(())
}

/// ①, ②, … as far as there are such letters.
pub(crate) fn circled(number: usize) -> String {
    match u32::try_from(number) {
        Ok(n @ 1..=20) => char::from_u32(0x2460 + n - 1).map_or_else(|| number.to_string(), String::from),
        _ => format!("({number})"),
    }
}
