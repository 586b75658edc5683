//! Whether the store came back after the last heal. Every node was started again and every link is open by
//! then, so that a store that does not answer has failed: invalid, whatever its answers were before.
//!
//! It is not accused where anything else may be the reason ([`excuse`]): then the run stays unknown, which
//! the check whether there were enough operations says.

use history::units::{plural, seconds};
use history::{ErrorClass, Fact, FoundState, History, NodeFound, NotBack, Note, NoteKind, Observed};

use super::{Looked, damaging, observation};
use crate::results::{FaultHold, FaultRow, Observation};

pub(super) fn observe(looked: &Looked) -> Vec<Observation> {
    let found = not_back(looked.history).filter(|found| excuse(looked, found).is_none());
    let told = found.and_then(|found| told(&found));
    told.into_iter().collect()
}

/// What keeps the run from being valid where the store is not accused.
pub(crate) fn excused(looked: &Looked) -> Option<String> {
    let found = not_back(looked.history)?;
    let why = excuse(looked, &found)?;
    Some(format!(
        "the store did not come back after the last heal ({}), but {why}",
        found.note.detail
    ))
}

/// How the store was found that did not come back.
struct Found<'a> {
    time_s: f64,
    note: &'a Note,
    fact: Option<&'a NotBack>,
}

/// What was noted of a store that did not come back.
fn not_back(history: &History) -> Option<Found<'_>> {
    let mut notes = history.notes.iter();
    let (time_ns, note) = notes.find(|(_, note)| note.kind == NoteKind::NotBack)?;
    let fact = match &note.fact {
        Some(Fact::NotBack(found)) => Some(found),
        _ => None,
    };
    Some(Found {
        time_s: seconds(*time_ns),
        note,
        fact,
    })
}

/// Why a store that did not come back is not accused; `None` if it is.
fn excuse(looked: &Looked, found: &Found) -> Option<String> {
    let Looked {
        record,
        history,
        faults,
        ..
    } = *looked;
    let Some(fact) = found.fact else {
        return Some("an older perjury recorded it, which did not say enough".to_owned());
    };
    if !record.endpoints.is_empty() {
        return Some("perjury did not start this store, and could not start it again".to_owned());
    }
    let is_stopped = |(_, note): &(u64, Note)| note.kind == NoteKind::Stopped;
    if history.notes.iter().any(is_stopped) {
        return Some("the run was stopped early".to_owned());
    }
    if let Some(why) = &fact.operator {
        return Some(format!("the store says that it needs an operator: {why}"));
    }
    // Nothing stays of what operators do, but that a minority may not be members: the others must go on, and
    // only a node that ends by itself may do so because it is none.
    let all_run = fact.nodes.iter().all(|node| node.ended == 0 && !node.given_up);
    let stays = |fault: &&FaultRow| match fault.nemesis.as_str() {
        "transfer" | "compact" => false,
        "membership" => !all_run,
        _ => true,
    };
    let failed = |fault: &&FaultRow| matches!(fault.hold, FaultHold::Failed | FaultHold::Unsettled);
    if let Some(fault) = faults.iter().filter(stays).find(failed) {
        return Some(format!(
            "the fault {} did not work as intended",
            fault.name_and_target()
        ));
    }
    if !is_healed(history) {
        return Some("the history does not show that everything was healed".to_owned());
    }
    if let Some(node) = fact.nodes.iter().find(|node| is_ours(node)) {
        return Some(match &node.not_started {
            Some(why) => format!("perjury could not start {}: {why}", node.node),
            None => format!("the process of {} was {}", node.node, state_text(node.state)),
        });
    }
    if let Some((fault, _)) = damaging(faults).next() {
        let is_given_up = |name: &String| {
            let mut nodes = fact.nodes.iter();
            nodes.any(|node| node.node == *name && node.given_up)
        };
        let excused = damaging(faults).flat_map(|(fault, _)| &fault.nodes);
        let mut damaged: Vec<&String> = excused.collect();
        damaged.sort();
        damaged.dedup();
        // Damage to a minority whose nodes are not counted must not stop the others.
        if damaged.len() * 2 >= fact.nodes.len() || !damaged.into_iter().all(is_given_up) {
            return Some(format!(
                "the fault {} had damaged what {} had on disk",
                fault.name_and_target(),
                fault.nodes.join(", ")
            ));
        }
    }
    if fact.unanswered > 0 && !is_silent(history) {
        return Some("it refused what it was asked for a reason that it gave".to_owned());
    }
    None
}

/// Whether that node does not answer for a reason that may be the harness' own.
fn is_ours(node: &NodeFound) -> bool {
    !node.given_up
        && (node.not_started.is_some() || matches!(node.state, FoundState::Stopped | FoundState::Unknown))
}

fn is_healed(history: &History) -> bool {
    let mut heals = history.nemesis.iter().filter(|span| span.op.is_heal());
    heals.any(|span| {
        let outcome = span.outcome.as_ref();
        outcome.is_some_and(|outcome| !matches!(outcome.hold, history::Hold::Failed(_)))
    })
}

/// Whether everything that was asked after the last heal met nothing but errors of a store that is not there.
fn is_silent(history: &History) -> bool {
    let heals = history.nemesis.iter().filter(|span| span.op.is_heal());
    let Some(heal_ns) = heals.filter_map(|span| span.completed_ns).next_back() else {
        return false;
    };
    let mut later = history
        .operations
        .iter()
        .filter(|operation| operation.invoked_ns > heal_ns);
    later.all(|operation| {
        let reason = operation.outcome.reason();
        reason.is_some_and(|reason| match reason.class {
            ErrorClass::ConnectionRefused
            | ErrorClass::ConnectionLost
            | ErrorClass::Timeout
            | ErrorClass::Unavailable
            | ErrorClass::Aborted => true,
            // It said no, or something that is not understood: it is there.
            ErrorClass::Rejected | ErrorClass::Protocol | ErrorClass::Other => false,
        })
    })
}

/// What happened, and a line for each node.
fn told(found: &Found) -> Option<Observation> {
    let fact = found.fact?;
    let given_s = fact.given_ms as f64 / 1e3;
    let down: Vec<&str> = (fact.nodes.iter())
        .filter(|node| node.ended > 0 || node.state != FoundState::Running)
        .map(|node| node.node.as_str())
        .collect();
    // A member that never starts again is a failure, too, though the others may go on without it.
    let who = match down.len() * 2 < fact.nodes.len() && !down.is_empty() {
        true => down.join(" and "),
        false => "the store".to_owned(),
    };
    let text = match fact.unanswered {
        0 => format!(
            "{who} did not come back within {given_s} s after the last heal: {}",
            found.note.detail
        ),
        count => format!(
            "the store answered none of {} after the last heal, for {given_s} s",
            plural(count, "operation")
        ),
    };
    Some(Observation {
        proves: true,
        time_s: Some(found.time_s),
        evidence: fact.nodes.iter().map(node_told).collect(),
        ..observation(Observed::NotRecovered, text)
    })
}

fn node_told(node: &NodeFound) -> String {
    let state = match (node.given_up, node.ended) {
        (true, _) => "was given up because of its damage".to_owned(),
        (false, 0) => format!("was {}", state_text(node.state)),
        (false, ended) => format!(
            "ended by itself {ended} times, was started again {} times, and was {}",
            node.started,
            state_text(node.state)
        ),
    };
    match node.said.as_slice() {
        [] => format!("{} {state}", node.node),
        said => format!("{} {state}; its last words: {}", node.node, said.join(" / ")),
    }
}

fn state_text(state: FoundState) -> &'static str {
    match state {
        FoundState::Running => "running",
        FoundState::Stopped => "frozen",
        FoundState::Gone => "gone",
        FoundState::Unknown => "in a state that could not be found out",
    }
}

#[cfg(test)]
mod tests;
