//! Lines in the nodes' logs that must never stand there, as the system's table says.

use history::units::plural;
use history::{LogWeight, Observed};

use super::{Looked, observation, proof};
use crate::results::Observation;

pub(super) fn observe(looked: &Looked) -> Vec<Observation> {
    let mut found = Vec::new();
    for text in &looked.logs.found {
        let pattern = &text.pattern;
        let said = format!(
            "the log of {} says in {} that {}",
            text.node,
            plural(text.count, "line"),
            pattern.means
        );
        let observed = match pattern.weight {
            LogWeight::Proves => proof(Observed::Log, said, looked.damage()),
            LogWeight::Told => {
                let fault = looked.fatal(&text.node, text.time_s);
                Observation {
                    explained_by: fault.map(|fault| fault.name_and_target()),
                    ..observation(Observed::Log, said)
                }
            }
            LogWeight::Leads => continue,
        };
        found.push(Observation {
            time_s: text.time_s,
            node: Some(text.node.clone()),
            count: text.count,
            evidence: text.lines.clone(),
            ..observed
        });
    }
    found
}
