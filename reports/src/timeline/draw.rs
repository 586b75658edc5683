//! Draws a [`Scene`] as SVG. Colours, gradients and arrow heads are those of the page's style sheet, so that
//! they follow light and dark.

use std::fmt::{Result, Write};

use super::arrow::{Meaning, Target, write_arrow};
use super::axis::{LEFT_PX, RIGHT_PX, TimeAxis};
use super::backdrop::{write_backdrop, write_boundary};
use super::frame::{Frame, MARGIN_PX, has_faults, size, width_px};
use super::select::{Bar, Lane, Role, Scene};
use super::{Picture, Shows};
use crate::fault_bands::Background;
use crate::svg::escaped;

/// The words' line above each bar.
const WORDS_PX: f64 = 15.0;
/// The room for the axis below the lanes.
const BOTTOM_PX: f64 = 44.0;
/// A bar is never narrower, however short its operation.
const LEAST_BAR_PX: f64 = 5.0;
/// The picture.
pub(super) fn picture(scene: &Scene, background: &Background) -> Picture {
    let mut svg = String::new();
    write_svg(&mut svg, scene, background).expect("writing to a string does not fail");
    Picture {
        svg,
        omitted: scene.omitted,
        shows: shows(scene, background),
    }
}

/// ①, ②, … as far as there are such letters.
pub(crate) fn circled(number: usize) -> String {
    match u32::try_from(number) {
        Ok(n @ 1..=20) => char::from_u32(0x2460 + n - 1).map_or_else(|| number.to_string(), String::from),
        _ => format!("({number})"),
    }
}

fn shows(scene: &Scene, background: &Background) -> Shows {
    let any = |wanted: &dyn Fn(&Bar) -> bool| {
        let mut bars = scene.lanes.iter().flat_map(|lane| &lane.bars);
        bars.any(wanted)
    };
    let arrow = |meaning| scene.arrows.iter().any(|arrow| arrow.meaning == meaning);
    Shows {
        conflict: any(&Bar::is_proof),
        witnesses: any(&|bar| matches!(bar.role, Role::Witness(_))),
        links: any(&|bar| bar.role == Role::Link),
        neighbours: any(&|bar| bar.role == Role::Near),
        open: any(&|bar| bar.to_ns.is_none()),
        failed: any(&|bar| bar.outcome == "fail"),
        order: any(&|bar| bar.place.is_some()),
        boundary: scene.boundary_ns.is_some(),
        before: arrow(Meaning::Before),
        needed: arrow(Meaning::Needed),
        must: arrow(Meaning::Must),
        cuts: scene.axis.pieces.iter().any(|piece| piece.is_cut),
        faults: has_faults(&scene.axis, background),
    }
}

fn write_svg(out: &mut String, scene: &Scene, background: &Background) -> Result {
    let frame = Frame::new(scene, background);
    let (width, height) = (frame.width, frame.bottom + BOTTOM_PX);
    let wide = if scene.axis.right_px > RIGHT_PX {
        " wide"
    } else {
        ""
    };
    write!(
        out,
        r#"<svg xmlns="http://www.w3.org/2000/svg" class="timeline{wide}" viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="img">"#
    )?;
    writeln!(out, "<title>{}</title>", escaped(&scene.description))?;
    write_backdrop(out, &scene.axis, background, &frame, scene.boundary_ns)?;
    // The positions of the conflict's bars, by their numbers.
    let mut targets: Vec<(usize, Target)> = Vec::new();
    // Words are drawn over everything else.
    let mut words = String::new();
    for (index, lane) in scene.lanes.iter().enumerate() {
        let top = frame.lanes[index];
        if index == scene.proof_lanes && index > 0 {
            writeln!(
                out,
                r#"<line class="divide" x1="8" x2="{}" y1="{top}" y2="{top}"/>"#,
                scene.axis.right_px
            )?;
        }
        write_lane(out, &mut words, &scene.axis, lane, top, &mut targets)?;
    }
    for arrow in &scene.arrows {
        write_arrow(out, arrow, &targets)?;
    }
    if let Some(boundary_ns) = scene.boundary_ns {
        write_boundary(out, &scene.axis, &frame, boundary_ns)?;
    }
    out.push_str(&words);
    out.push_str("</svg>");
    Ok(())
}

/// A bar on the page: where it begins and ends.
struct Placed<'a> {
    bar: &'a Bar,
    from: f64,
    to: f64,
}

fn write_lane(
    out: &mut String,
    words: &mut String,
    axis: &TimeAxis,
    lane: &Lane,
    top: f64,
    targets: &mut Vec<(usize, Target)>,
) -> Result {
    let (bar_top, bar_px) = (top + WORDS_PX, size(lane).bar_px);
    let class = if lane.has_proof() { "" } else { r#" class="small""# };
    writeln!(
        out,
        r#"<text{class} x="{:.1}" y="{:.1}" text-anchor="end">process {}</text>"#,
        LEFT_PX - 12.0,
        bar_top + bar_px / 2.0 + 4.5,
        lane.process
    )?;
    let mut placed: Vec<Placed> = lane
        .bars
        .iter()
        .map(|bar| {
            let from = axis.x_px(bar.from_ns as f64).min(axis.right_px - LEAST_BAR_PX);
            let to = bar.to_ns.map_or(axis.right_px, |to| axis.x_px(to as f64));
            Placed {
                bar,
                from,
                to: to.max(from + LEAST_BAR_PX),
            }
        })
        .collect();
    // The conflict is drawn last, over its neighbours, but its words find their place first.
    placed.sort_by_key(|placed| (placed.bar.role, placed.bar.from_ns));
    for placed in placed.iter().rev() {
        write_bar(out, axis, placed, bar_top, bar_px)?;
        if let Some(number) = placed.bar.number() {
            let (from, to, y) = (placed.from, placed.to, bar_top + bar_px / 2.0);
            targets.push((number, Target { from, to, y }));
        }
    }
    let mut taken: Vec<(f64, f64)> = Vec::new();
    for placed in &placed {
        write_label(words, axis, placed, top, &mut taken)?;
    }
    Ok(())
}

fn write_bar(out: &mut String, axis: &TimeAxis, placed: &Placed, top: f64, bar_px: f64) -> Result {
    let Placed { bar, from, to } = placed;
    let kind = match bar.role {
        Role::Culprit(_) => "hot",
        Role::Witness(_) => "hot witness",
        Role::Link => "link",
        Role::Placed => "placed",
        Role::Near => "near",
    };
    let open = if bar.to_ns.is_none() { " open" } else { "" };
    let place = bar.place.map_or_else(String::new, |place| {
        format!("; number {} of the order", place.number)
    });
    writeln!(
        out,
        r#"<rect class="{kind} {}{open}" x="{from:.1}" y="{top}" width="{:.1}" height="{bar_px}" rx="3"><title>{}{place}</title></rect>"#,
        bar.outcome,
        to - from,
        escaped(&bar.title)
    )?;
    let middle = top + bar_px / 2.0;
    // What began before the picture does, or ended after it, is slit there.
    let is_wide = to - from > 24.0;
    let begins = !is_wide || bar.from_ns as f64 >= axis.begin_ns();
    let ends = !is_wide || bar.to_ns.is_none_or(|to_ns| to_ns as f64 <= axis.end_ns());
    for x in [(!begins).then_some(from + 7.0), (!ends).then_some(to - 10.0)]
        .into_iter()
        .flatten()
    {
        writeln!(
            out,
            r#"<path class="slit" d="M{x:.1} {:.1}l3 -{}M{:.1} {:.1}l3 -{}"/>"#,
            top + bar_px + 1.0,
            bar_px + 2.0,
            x + 4.0,
            top + bar_px + 1.0,
            bar_px + 2.0
        )?;
    }
    if bar.to_ns.is_none() {
        // It goes on, and it is unknown how far.
        writeln!(
            out,
            r#"<path class="onward {}-line" d="M{:.1} {:.1}l5 4l-5 4"/>"#,
            kind.split(' ').next().unwrap_or_default(),
            to + 2.0,
            middle - 4.0
        )?;
    }
    if let Some(place) = bar.place
        && axis.shows(place.point_ns, place.point_ns)
    {
        let x = axis.x_px(place.point_ns).clamp(*from, *to);
        writeln!(
            out,
            r#"<circle class="point" cx="{x:.1}" cy="{middle:.1}" r="3.5"/>"#
        )?;
    }
    Ok(())
}

/// The words are above their bar; neighbours whose words would touch others' have none (the title has them).
fn write_label(
    out: &mut String,
    axis: &TimeAxis,
    placed: &Placed,
    top: f64,
    taken: &mut Vec<(f64, f64)>,
) -> Result {
    let Placed { bar, from, to } = placed;
    let mut head = bar
        .number()
        .map_or_else(String::new, |number| format!("{} ", circled(number)));
    if let Some(place) = bar.place {
        write!(head, "#{} ", place.number)?;
    }
    let open = if bar.to_ns.is_none() { " …?" } else { "" };
    let words = format!("{head}{}{open}", bar.label);
    let letters = format!("{head}{}{open}", bar.letters);
    let texts = match bar.role {
        Role::Culprit(_) | Role::Witness(_) => vec![words],
        Role::Link | Role::Placed => vec![words, letters, head],
        Role::Near => vec![letters, head],
    };
    let right = axis.right_px + MARGIN_PX;
    let mut fit = |text: &str| {
        let width = width_px(text);
        let candidates = [*from, to - width, (from + to - width) / 2.0];
        let is_free = |x: f64| {
            x >= LEFT_PX - 4.0
                && x + width <= right
                && taken.iter().all(|(a, b)| x + width + 4.0 <= *a || x >= *b + 4.0)
        };
        let place = candidates.into_iter().find(|x| is_free(*x));
        // The conflict is never without words, even if they touch.
        let place = place.or(bar.is_proof().then(|| from.min(right - width).max(0.0)));
        place.inspect(|x| taken.push((*x, x + width)))
    };
    let class = match bar.role {
        Role::Culprit(_) | Role::Witness(_) => "hot-label",
        Role::Link => "link-label",
        Role::Placed | Role::Near => "near-label",
    };
    for text in texts.iter().filter(|text| !text.is_empty()) {
        if let Some(x) = fit(text) {
            return writeln!(
                out,
                r#"<text class="{class}" x="{x:.1}" y="{:.1}">{}</text>"#,
                top + WORDS_PX - 4.0,
                escaped(text)
            );
        }
    }
    Ok(())
}
