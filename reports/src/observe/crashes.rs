//! Processes that ended by themselves, node by node.

use history::units::seconds;
use history::{NoteKind, Observed};

use super::{Looked, observation};
use crate::results::Observation;

pub(super) fn observe(looked: &Looked) -> Vec<Observation> {
    let mut found: Vec<Observation> = Vec::new();
    for (time_ns, note) in &looked.history.notes {
        if note.kind != NoteKind::Crash {
            continue;
        }
        let time_s = seconds(*time_ns);
        let fault = looked.fatal(&note.node, Some(time_s));
        let explained_by = fault.map(|fault| fault.name_and_target());
        let same = |other: &&mut Observation| {
            other.node.as_deref() == Some(note.node.as_str()) && other.explained_by == explained_by
        };
        match found.iter_mut().find(same) {
            Some(before) => before.count += 1,
            None => found.push(Observation {
                time_s: Some(time_s),
                node: Some(note.node.clone()),
                explained_by,
                ..observation(Observed::Crash, String::new())
            }),
        }
    }
    for crash in &mut found {
        let times = match crash.count {
            1 => "once".to_owned(),
            count => format!("{count} times"),
        };
        let node = crash.node.as_deref().unwrap_or_default();
        crash.text = format!("the process of {node} ended by itself {times}");
    }
    found
}
