//! What a reader of the verdict should know although it does not change it.

use checker::Verdict;
use history::units::{plural, seconds};
use history::{History, NoteKind, TestRecord};

use crate::checks::{failed, only_one_skipped};
use crate::results::{FaultHold, FaultRow};

/// The remarks on a run with this verdict.
pub(crate) fn remarks(
    record: &TestRecord,
    history: &History,
    faults: &[FaultRow],
    verdict: Verdict,
) -> Vec<String> {
    let mut remarks = Vec::new();
    never_due(record, faults, &mut remarks);
    ended_early(record, history, &mut remarks);
    if record.nodes.len() == 1 && record.endpoints.is_empty() {
        remarks.push(
            "a single node has no other node to agree with: this run says nothing about replication"
                .to_owned(),
        );
    }
    remarks.extend(
        record
            .left_behind
            .iter()
            .map(|left| format!("left in the store: {left}")),
    );
    remarks.extend(faults.iter().filter_map(unsettled));
    unfinished(history, faults, &mut remarks);
    if verdict == Verdict::Invalid {
        // An accusation comes with every fault that did not work as intended.
        remarks.extend(faults.iter().filter_map(failed));
    }
    remarks
}

fn never_due(record: &TestRecord, faults: &[FaultRow], remarks: &mut Vec<String>) {
    for nemesis in &record.nemesis {
        let own: Vec<&FaultRow> = faults.iter().filter(|fault| fault.nemesis == *nemesis).collect();
        match own[..] {
            [] if !faults.is_empty() => remarks.push(format!(
                "the nemesis {nemesis} never got a turn; a longer run would give it one"
            )),
            [only] if only.hold == FaultHold::Skipped && faults.iter().any(FaultRow::is_verified) => {
                remarks.push(format!(
                    "{}; a longer run would give it another turn",
                    only_one_skipped(nemesis)
                ));
            }
            _ => {}
        }
    }
}

/// What the store was asked to do and may or may not have done.
fn unsettled(fault: &FaultRow) -> Option<String> {
    (fault.hold == FaultHold::Unsettled).then(|| {
        format!(
            "the store did not say what became of {} at {:.1} s: {}",
            fault.name_and_target(),
            fault.start_s,
            fault.why.as_deref().unwrap_or("no reason is given")
        )
    })
}

/// A run that was stopped.
fn ended_early(record: &TestRecord, history: &History, remarks: &mut Vec<String>) {
    for (time_ns, note) in &history.notes {
        if note.kind == NoteKind::Stopped {
            remarks.push(format!(
                "the run was stopped after {:.1} s of {} s: {}",
                seconds(*time_ns),
                record.time_limit_s,
                note.detail
            ));
        }
    }
}

/// What was still going on when the history ended.
fn unfinished(history: &History, faults: &[FaultRow], remarks: &mut Vec<String>) {
    let unfinished = faults
        .iter()
        .filter(|fault| fault.hold == FaultHold::Unfinished)
        .count();
    if unfinished > 0 {
        remarks.push(format!(
            "the history ends while {} {} being applied or undone",
            plural(unfinished as u64, "fault"),
            if unfinished == 1 { "is" } else { "are" }
        ));
    }
    let open = history
        .operations
        .iter()
        .filter(|operation| operation.completed_ns.is_none())
        .count();
    if open > 0 {
        remarks.push(format!(
            "without an answer when the history ended, and counted as unknown (info): {}",
            plural(open as u64, "operation")
        ));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_store_left_open_is_told_whatever_the_verdict() {
        let fault = |hold, why: Option<&str>| FaultRow {
            nemesis: "membership".into(),
            target: "leader".into(),
            detail: String::new(),
            nodes: vec!["n2".into()],
            start_s: 6.6,
            end_s: None,
            hold,
            why: why.map(str::to_owned),
            recovery: None,
        };
        let faults = [
            fault(FaultHold::Unsettled, Some("no node says that it is the leader")),
            fault(FaultHold::Verified, None),
        ];
        let (record, history) = (TestRecord::default(), History::default());
        assert_eq!(
            remarks(&record, &history, &faults, Verdict::Valid),
            [
                "the store did not say what became of membership (leader) at 6.6 s: no node says that it is the leader"
            ]
        );
    }
}
