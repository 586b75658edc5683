//! The faults of a run, as rows of its results. Which act ended which is [`history::faults`]' to say.
//!
//! A stop that ended nothing is a row only if it failed: then something may still be broken.

use history::units::seconds;
use history::{History, Hold, NemesisAction, NemesisSpan};

use crate::results::{FaultHold, FaultRow};

/// The faults of a run, in the order in which they began.
pub(crate) fn fault_rows(history: &History) -> Vec<FaultRow> {
    let faults = history.faults();
    let spans = &history.nemesis;
    let mut rows: Vec<(usize, FaultRow)> = (faults.iter())
        .map(|fault| {
            let mut row = started(&spans[fault.start]);
            if let Some(end) = fault.end {
                stopped(&mut row, &spans[end]);
            }
            (fault.start, row)
        })
        .collect();
    for (place, span) in spans.iter().enumerate() {
        let ended_something = || faults.iter().any(|fault| fault.end == Some(place));
        if let (NemesisAction::Stop, Some(Hold::Failed(why))) =
            (span.op.action, span.outcome.as_ref().map(|outcome| &outcome.hold))
            && !ended_something()
        {
            let row = FaultRow {
                end_s: span.completed_ns.map(seconds),
                hold: FaultHold::Failed,
                why: Some(did_not_end(why)),
                detail: "the last heal".to_owned(),
                ..started(span)
            };
            rows.push((place, row));
        }
    }
    rows.sort_by_key(|(place, _)| *place);
    rows.into_iter().map(|(_, row)| row).collect()
}

fn started(span: &NemesisSpan) -> FaultRow {
    let start_s = seconds(span.invoked_ns);
    let mut row = FaultRow {
        nemesis: span.op.nemesis.clone(),
        target: span.op.target.to_string(),
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
            Hold::Refused(why) => (FaultHold::Refused, Some(why.clone())),
            Hold::Unsettled(why) => (FaultHold::Unsettled, Some(why.clone())),
            Hold::Skipped(why) => {
                row.end_s = span.completed_ns.map(seconds);
                (FaultHold::Skipped, Some(why.clone()))
            }
        };
    }
    row
}

fn stopped(row: &mut FaultRow, stop: &NemesisSpan) {
    row.end_s = stop.completed_ns.map(seconds);
    let (hold, why) = match stop.outcome.as_ref().map(|outcome| &outcome.hold) {
        Some(Hold::Failed(why)) => (FaultHold::Failed, did_not_end(why)),
        Some(Hold::Unsettled(why)) => (FaultHold::Unsettled, why.clone()),
        Some(Hold::Refused(why)) => (FaultHold::Refused, why.clone()),
        Some(Hold::Skipped(why)) => (FaultHold::Skipped, why.clone()),
        Some(Hold::Verified) | None => return,
    };
    // What went wrong at its beginning counts for more than that it had nothing to act on, or how it ended.
    if !matches!(row.hold, FaultHold::Failed | FaultHold::Unsettled) || hold == FaultHold::Failed {
        row.hold = hold;
    }
    row.why = Some(match row.why.take() {
        Some(before) => format!("{before}; {why}"),
        None => why,
    });
}

fn did_not_end(why: &str) -> String {
    format!("it did not end: {why}")
}
