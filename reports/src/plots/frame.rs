//! What all plots share: size, axes, the faults behind and the changes of leader.
//!
//! plotters has no fonts here and estimates the widths of texts. Everything that could collide is therefore
//! placed by this file, with widths estimated on the large side.

use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::ticks::Axis;
use crate::fault_bands::Background;
use crate::svg::Rgb;

/// The width of every plot, pixels.
pub(crate) const WIDTH_PX: u32 = 1120;
/// Where the time axis begins and how much room is left at its right, so that plots line up.
const LEFT_PX: u32 = 76;
const RIGHT_PX: u32 = 14;
/// Two rows of words above the plot: faults, leaders.
const TOP_PX: u32 = 34;
/// The colours of letters and of fine lines; the page's style sheet exchanges them in the dark.
const INK: RGBColor = RGBColor(0x57, 0x60, 0x6a);
const RULE: RGBColor = RGBColor(0xd8, 0xde, 0xe4);
/// plotters divides by 1.24; this gives 12 pixels.
const FONT_SIZE: f64 = 14.88;
const SMALL_FONT_SIZE: f64 = 13.64;
/// The width of a letter of the small font.
const LETTER_PX: f64 = 6.4;

/// A chart whose x is seconds.
pub(crate) type Chart<'a, 'b> = ChartContext<'a, SVGBackend<'b>, Cartesian2d<Axis, Axis>>;
/// What drawing returns.
pub(crate) type Drawn = Result<(), String>;

/// Draws a plot of `height_px`: the frame, then what `series` adds. Gives the SVG.
pub(crate) fn draw(
    background: &Background,
    y_axis: &Axis,
    y_label: &str,
    height_px: u32,
    series: impl FnOnce(&mut Chart) -> Drawn,
) -> Result<String, String> {
    let mut svg = String::new();
    {
        let root = SVGBackend::with_string(&mut svg, (WIDTH_PX, height_px)).into_drawing_area();
        let mut chart = ChartBuilder::on(&root)
            .margin_top(TOP_PX)
            .margin_right(RIGHT_PX)
            .set_label_area_size(LabelAreaPosition::Left, LEFT_PX)
            .set_label_area_size(LabelAreaPosition::Bottom, 46)
            .build_cartesian_2d(Axis::linear(background.end_s, 12.0), y_axis.clone())
            .map_err(text)?;
        bands(&mut chart, background, y_axis)?;
        chart
            .configure_mesh()
            .disable_x_mesh()
            .bold_line_style(RULE)
            .light_line_style(TRANSPARENT)
            .axis_style(INK)
            .label_style(("sans-serif", FONT_SIZE, &INK))
            .axis_desc_style(("sans-serif", FONT_SIZE, &INK))
            .x_desc("time since the start of the run (s)")
            .y_desc(y_label)
            .draw()
            .map_err(text)?;
        leaders(&mut chart, background, y_axis)?;
        series(&mut chart)?;
        words(&root, &chart, background, y_axis)?;
        root.present().map_err(text)?;
    }
    Ok(svg)
}

/// plotters' errors as text: their type names the backend, which no caller needs.
pub(crate) fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}

pub(crate) fn colour((red, green, blue): Rgb) -> RGBColor {
    RGBColor(red, green, blue)
}

fn bands(chart: &mut Chart, background: &Background, y_axis: &Axis) -> Drawn {
    let bands = background.bands.iter().map(|band| {
        Rectangle::new(
            [
                (band.start_s, y_axis.low),
                (band.end_s.min(background.end_s), y_axis.high),
            ],
            colour(band.colour).mix(0.2).filled(),
        )
    });
    chart.draw_series(bands).map_err(text)?;
    Ok(())
}

fn leaders(chart: &mut Chart, background: &Background, y_axis: &Axis) -> Drawn {
    let lines = background.leaders.iter().map(|(time_s, _)| {
        PathElement::new(
            vec![(*time_s, y_axis.low), (*time_s, y_axis.high)],
            INK.mix(0.6).stroke_width(1),
        )
    });
    chart.draw_series(lines).map_err(text)?;
    Ok(())
}

/// Names above the plot: faults where they fit into their band, leaders where they do not touch the one
/// before.
fn words(
    root: &DrawingArea<SVGBackend, plotters::coord::Shift>,
    chart: &Chart,
    background: &Background,
    y_axis: &Axis,
) -> Drawn {
    let x_px = |time_s: f64| f64::from(chart.backend_coord(&(time_s, y_axis.high)).0);
    let style = |align: HPos| {
        TextStyle::from(("sans-serif", SMALL_FONT_SIZE))
            .color(&INK)
            .pos(Pos::new(align, VPos::Bottom))
    };
    let bottom_px = TOP_PX as i32;
    for band in &background.bands {
        let (from, to) = (x_px(band.start_s), x_px(band.end_s.min(background.end_s)));
        if to - from >= width_px(&band.name) {
            let at = (((from + to) / 2.0) as i32, bottom_px - 16);
            root.draw(&Text::new(band.name.clone(), at, style(HPos::Center)))
                .map_err(text)?;
        }
    }
    let mut free_from = 0.0;
    for (time_s, node) in &background.leaders {
        let word = format!("▾{node}");
        let from = x_px(*time_s) - 4.0;
        if from >= free_from && from + width_px(&word) <= f64::from(WIDTH_PX) {
            root.draw(&Text::new(
                word.clone(),
                (from as i32, bottom_px - 1),
                style(HPos::Left),
            ))
            .map_err(text)?;
            free_from = from + width_px(&word) + LETTER_PX;
        }
    }
    Ok(())
}

fn width_px(word: &str) -> f64 {
    word.chars().count() as f64 * LETTER_PX
}
