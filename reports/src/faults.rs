//! Pairs the nemesis' starts and stops into faults.
//!
//! A stop ends every open fault of its nemesis (the stop that a schedule ends with names no target). A stop of
//! nothing is a row only if it failed: then something may still be broken.

use history::{History, Hold, NemesisAction, NemesisSpan};

use crate::results::{FaultHold, FaultRow};
use crate::summary::seconds;

/// The faults of a run, in the order in which they began.
pub(crate) fn fault_rows(history: &History) -> Vec<FaultRow> {
    let mut rows: Vec<FaultRow> = Vec::new();
    for span in &history.nemesis {
        match span.op.action {
            NemesisAction::Start => rows.push(started(span)),
            NemesisAction::Stop => stopped(&mut rows, span),
        }
    }
    rows
}

/// Whether a fault may be in force and waits for its end.
fn is_open(row: &FaultRow) -> bool {
    row.end_s.is_none() && row.hold != FaultHold::Skipped
}

fn started(span: &NemesisSpan) -> FaultRow {
    let start_s = seconds(span.invoked_ns);
    let mut row = FaultRow {
        nemesis: span.op.nemesis.clone(),
        target: span.op.target.clone(),
        detail: String::new(),
        nodes: Vec::new(),
        start_s,
        end_s: None,
        hold: FaultHold::Unfinished,
        why: None,
        recovery: None,
    };
    if let Some(outcome) = &span.outcome {
        row.detail = outcome.detail.clone();
        row.nodes = outcome.nodes.clone();
        (row.hold, row.why) = match &outcome.hold {
            Hold::Verified => (FaultHold::Verified, None),
            Hold::Failed(why) => (FaultHold::Failed, Some(why.clone())),
            Hold::Skipped(why) => {
                row.end_s = span.completed_ns.map(seconds);
                (FaultHold::Skipped, Some(why.clone()))
            }
        };
    }
    row
}

fn stopped(rows: &mut Vec<FaultRow>, span: &NemesisSpan) {
    let end_s = span.completed_ns.map(seconds);
    let failed = match span.outcome.as_ref().map(|outcome| &outcome.hold) {
        Some(Hold::Failed(why)) => Some((FaultHold::Failed, format!("it did not end: {why}"))),
        Some(Hold::Skipped(why)) => Some((FaultHold::Skipped, why.clone())),
        Some(Hold::Verified) | None => None,
    };
    let mut any = false;
    // The heal at the end of a run undoes everything.
    let ends = |row: &FaultRow| row.nemesis == span.op.nemesis || span.op.nemesis == "heal";
    for row in rows.iter_mut().filter(|row| ends(row) && is_open(row)) {
        any = true;
        row.end_s = end_s;
        if let Some((hold, why)) = &failed {
            // What went wrong at its beginning counts for more than that it had nothing to act on.
            if row.hold != FaultHold::Failed {
                row.hold = *hold;
            }
            row.why = Some(match row.why.take() {
                Some(before) => format!("{before}; {why}"),
                None => why.clone(),
            });
        }
    }
    if let (false, Some(Hold::Failed(_))) = (any, span.outcome.as_ref().map(|outcome| &outcome.hold)) {
        rows.push(FaultRow {
            end_s,
            hold: FaultHold::Failed,
            why: failed.map(|(_, why)| why),
            detail: "the last heal".to_owned(),
            ..started(span)
        });
    }
}
