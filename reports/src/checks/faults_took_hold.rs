//! Whether what was meant to be tested was tested: every fault that was tried took hold and ended, each
//! nemesis took hold as often as required (`--min-faults`), and not every fault of a nemesis was skipped.
//! (One that had a single turn among others, and was skipped then, is told beside the verdict, as is one that
//! had no turn.)

use history::TestRecord;

use super::{Judged, unknown_if_any};
use crate::results::{Check, CheckName, FaultHold, FaultRow};

/// Valid or unknown.
pub(super) fn check(judged: &Judged) -> Check {
    let Judged { record, faults, .. } = *judged;
    let mut reasons: Vec<String> = faults.iter().filter_map(failed).collect();
    if !record.nemesis.is_empty() && faults.is_empty() {
        reasons.push(
            "the run ended before the first fault was due; run it longer, or with --nemesis none".to_owned(),
        );
    }
    for nemesis in &record.nemesis {
        let own: Vec<&FaultRow> = faults.iter().filter(|fault| fault.nemesis == *nemesis).collect();
        if !own.is_empty() && own.iter().all(|fault| fault.hold == FaultHold::Skipped) {
            match own.len() {
                1 if faults.iter().any(FaultRow::is_verified) => {}
                1 => reasons.push(only_one_skipped(nemesis)),
                count => reasons.push(format!("all {count} faults of {nemesis} were skipped")),
            }
        }
    }
    reasons.extend(missing(record, faults));
    unknown_if_any(CheckName::FaultsTookHold, reasons)
}

/// That a nemesis had one turn, and nothing to act on then.
pub(crate) fn only_one_skipped(nemesis: &str) -> String {
    format!("the only fault of {nemesis} was skipped")
}

/// A sentence about a fault that did not work as intended; nothing about any other.
pub(crate) fn failed(fault: &FaultRow) -> Option<String> {
    (fault.hold == FaultHold::Failed).then(|| {
        format!(
            "the fault {} at {:.1} s did not work as intended: {}",
            fault.name_and_target(),
            fault.start_s,
            fault.why.as_deref().unwrap_or("no reason is given")
        )
    })
}

/// Each nemesis of the run that took hold fewer times than required, in a sentence.
fn missing(record: &TestRecord, faults: &[FaultRow]) -> Vec<String> {
    let least = record.min_faults as usize;
    let mut missing = Vec::new();
    if record.nemesis.is_empty() && least > 0 {
        missing.push(format!(
            "no nemesis took part, but at least {least} faults were required (--min-faults)"
        ));
    }
    for nemesis in &record.nemesis {
        let held = faults
            .iter()
            .filter(|fault| fault.nemesis == *nemesis && fault.is_verified())
            .count();
        if held < least {
            missing.push(format!(
                "{nemesis} took hold {held} times, but at least {least} were required (--min-faults)"
            ));
        }
    }
    missing
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn too_few_faults_are_missing() {
        let record = TestRecord {
            nemesis: vec!["kill".into(), "pause".into()],
            min_faults: 1,
            ..TestRecord::default()
        };
        assert_eq!(missing(&record, &[]).len(), 2);
        let none_asked = TestRecord {
            min_faults: 0,
            ..record
        };
        assert!(missing(&none_asked, &[]).is_empty());
    }
}
