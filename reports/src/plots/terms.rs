//! The term in which the newest leader led, as far as the store has terms.

use plotters::prelude::*;

use super::frame::{self, colour};
use super::ticks::Axis;
use crate::fault_bands::Background;
use crate::results::NoteRow;
use crate::svg::Rgb;
use crate::view::Plot;

const HEIGHT_PX: u32 = 220;
const TERM: Rgb = (0x00, 0x9e, 0x73);

/// Nothing where no leader reported a term.
pub(crate) fn plot(leaders: &[NoteRow], background: &Background) -> Result<Option<Plot>, String> {
    let terms: Vec<(f64, f64)> = (leaders.iter())
        .filter_map(|row| Some((row.time_s, row.term? as f64)))
        .collect();
    let (Some(first), Some(last)) = (terms.first(), terms.last()) else {
        return Ok(None);
    };
    let low = terms.iter().map(|(_, term)| *term).fold(f64::INFINITY, f64::min);
    let high = terms.iter().map(|(_, term)| *term).fold(0.0, f64::max);
    let mut steps = vec![*first];
    for pair in terms.windows(2) {
        steps.extend([(pair[1].0, pair[0].1), pair[1]]);
    }
    steps.push((background.end_s, last.1));
    // Terms count from 1 and may be large; what matters is how they grow.
    let axis = Axis::between(low - 1.0, high + 1.0, 4.0);
    let svg = frame::draw(background, &axis, "term", HEIGHT_PX, |chart| {
        let line = LineSeries::new(steps, colour(TERM).stroke_width(2));
        chart.draw_series(line).map_err(frame::text)?;
        let dots = terms.iter().map(|at| Circle::new(*at, 3, colour(TERM).filled()));
        chart.draw_series(dots).map_err(frame::text)?;
        Ok(())
    })?;
    let elections = terms.len() - 1;
    let skipped = (last.1 - first.1) as i64 - elections as i64;
    let mut caption = "One point for each leader seen in a new term".to_owned();
    if skipped > 0 {
        caption += &format!(
            "; in {skipped} terms between them no leader was seen: their elections failed, or their leaders \
             were short-lived"
        );
    }
    Ok(Some(Plot {
        name: "terms",
        title: "Terms and elections",
        caption: format!("{caption}."),
        legend: vec![("the newest leader's term".to_owned(), TERM)],
        svg,
        height_px: HEIGHT_PX,
    }))
}
