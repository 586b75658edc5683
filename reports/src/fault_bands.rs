//! What is behind every plot: the faults as bands, a colour per nemesis, and the changes of leader as lines.
//!
//! Units: seconds since the start of the run.

use std::collections::BTreeMap;

use crate::results::{FaultRow, Results};
use crate::svg::{Rgb, rgb};

/// The colours of nemeses for which the plan names none, in order of appearance.
const SPARE: &[Rgb] = &[
    (0x59, 0xa1, 0x4f),
    (0xb0, 0x7a, 0xa1),
    (0xf2, 0x8e, 0x2b),
    (0x76, 0xb7, 0xb2),
    (0x9c, 0x75, 0x5f),
    (0xff, 0x9d, 0xa7),
];
/// What follows the time limit is not a fault, but not the usual load either.
const AFTER: Rgb = (0x9a, 0xa0, 0xa6);

/// One fault, or another stretch of time that differs from the rest.
pub(crate) struct Band {
    /// A word that fits into a narrow band.
    pub name: String,
    /// A line for a tooltip.
    pub title: String,
    pub colour: Rgb,
    pub start_s: f64,
    pub end_s: f64,
}

/// All that is drawn behind plots.
pub(crate) struct Background {
    pub bands: Vec<Band>,
    /// When a new leader was first seen, and its name.
    pub leaders: Vec<(f64, String)>,
    /// What the colours of the bands mean.
    pub legend: Vec<(String, Rgb)>,
    /// The end of the time axis.
    pub end_s: f64,
    /// The colours of the nemeses as the plan says.
    known: BTreeMap<String, Rgb>,
}

/// The colours of nemeses as a plan says; what is no colour is left out.
pub(crate) fn known_colours(plan: &BTreeMap<String, String>) -> BTreeMap<String, Rgb> {
    let read = |(name, colour): (&String, &String)| Some((name.clone(), rgb(colour)?));
    plan.iter().filter_map(read).collect()
}

impl Background {
    /// The background of a run.
    pub fn new(results: &Results) -> Background {
        let leaders = results.leader_changes.iter();
        Background::of(
            known_colours(&results.test.colours),
            &results.faults,
            leaders.map(|row| (row.time_s, row.node.clone())).collect(),
            results.duration_s,
            results.test.time_limit_s,
        )
    }

    /// The background of a history: the colours of its nemeses, its faults, changes of leader as `(time_s,
    /// node)`, its length, and the time limit of its main phase, 0 if it has none.
    pub fn of(
        known: BTreeMap<String, Rgb>,
        faults: &[FaultRow],
        leaders: Vec<(f64, String)>,
        duration_s: f64,
        limit_s: f64,
    ) -> Background {
        // A run in which nothing happened still has an axis.
        let end_s = if duration_s > 0.0 { duration_s } else { 1.0 };
        let mut background = Background {
            bands: Vec::new(),
            leaders,
            legend: Vec::new(),
            end_s,
            known,
        };
        for fault in faults.iter().filter(|fault| fault.is_drawn()) {
            let colour = background.colour(&fault.nemesis);
            background.bands.push(Band {
                name: fault.nemesis.clone(),
                title: format!(
                    "{} {}: {} ({})",
                    fault.nemesis,
                    fault.target,
                    fault.detail,
                    fault.hold.name()
                ),
                colour,
                start_s: fault.start_s,
                end_s: fault.end_s.unwrap_or(end_s),
            });
        }
        // A narrower band could not be seen.
        if limit_s > 0.0 && end_s - limit_s > end_s * 0.01 {
            let name = "final reads";
            background
                .legend
                .push(("after the time limit: heal and final reads".to_owned(), AFTER));
            background.bands.push(Band {
                name: name.to_owned(),
                title: "after the time limit: heal and final reads".to_owned(),
                colour: AFTER,
                start_s: limit_s,
                end_s,
            });
        }
        background
    }

    /// The colour of a nemesis that has a band.
    pub fn colour_of(&self, nemesis: &str) -> Rgb {
        let found = self.legend.iter().find(|(name, _)| name == nemesis);
        found.map_or(AFTER, |(_, colour)| *colour)
    }

    fn colour(&mut self, nemesis: &str) -> Rgb {
        if let Some((_, colour)) = self.legend.iter().find(|(name, _)| name == nemesis) {
            return *colour;
        }
        let colour = self
            .known
            .get(nemesis)
            .copied()
            .unwrap_or(SPARE[self.legend.len() % SPARE.len()]);
        self.legend.push((nemesis.to_owned(), colour));
        colour
    }
}
