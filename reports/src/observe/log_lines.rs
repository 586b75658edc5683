//! Lines in the nodes' logs that must never stand there, as the system's table says.

use history::units::plural;
use history::{LogPattern, LogWeight, Observed};

use super::{Looked, observation, proof};
use crate::results::Observation;

pub(super) fn observe(looked: &Looked) -> Vec<Observation> {
    let mut found: Vec<(&LogPattern, Observation)> = Vec::new();
    for text in &looked.logs.found {
        let pattern = &text.pattern;
        let observed = match pattern.weight {
            LogWeight::Proves => proof(Observed::Log, String::new(), looked.damage(text.time_s)),
            LogWeight::Told => {
                let fault = looked.fatal(&text.node, text.time_s);
                Observation {
                    explained_by: fault.map(|fault| fault.name_and_target()),
                    ..observation(Observed::Log, String::new())
                }
            }
            LogWeight::Leads => continue,
        };
        // Several texts may mean the same, and one event be told in several lines.
        let same = |(other, before): &&mut (&LogPattern, Observation)| {
            let is_here = before.node.as_deref() == Some(text.node.as_str());
            is_here && other.means == pattern.means && other.weight == pattern.weight
        };
        match found.iter_mut().find(same) {
            Some((_, before)) => {
                before.count += text.count;
                before.evidence.extend(text.lines.iter().cloned());
            }
            None => {
                let said = Observation {
                    time_s: text.time_s,
                    node: Some(text.node.clone()),
                    count: text.count,
                    evidence: text.lines.clone(),
                    ..observed
                };
                found.push((pattern, said));
            }
        }
    }
    let told = found.into_iter().map(|(pattern, said)| Observation {
        text: format!(
            "the log of {} says in {} that {}",
            said.node.as_deref().unwrap_or_default(),
            plural(said.count, "line"),
            pattern.means
        ),
        ..said
    });
    told.collect()
}
