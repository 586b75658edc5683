//! `perjury check`: judges a recorded history.

use std::path::Path;

use history::{History, RunDir, TestRecord, read_journal};

use crate::cli::CheckArgs;
use crate::exit::{CommandResult, Done, Failure};

/// Judges a run directory or a journal, prints why, and lets the exit code tell the verdict.
pub fn run(args: &CheckArgs) -> CommandResult {
    let run = RunDir::new(&args.path);
    let (record, journal) = if args.path.is_dir() {
        (read_record(&run)?, run.history())
    } else {
        // A journal alone is judged as what perjury records by default.
        let record = TestRecord {
            workload: "register".into(),
            model: "cas-register".into(),
            ..TestRecord::default()
        };
        (record, args.path.clone())
    };
    let history = read_history(&journal)?;
    let analysis = judge(&record, &history)?;
    let results = reports::summarize(&record, &history, &analysis);
    print!("{}", reports::summary_text(&results));
    Ok(Done::Judged(results.verdict))
}

/// Reads `test.json`, or says why that directory is not a run.
pub fn read_record(run: &RunDir) -> Result<TestRecord, Failure> {
    run.read_test().map_err(|error| {
        Failure::Usage(format!(
            "{} is not a run directory: cannot read its test.json ({error}); give a directory below runs/",
            run.root().display()
        ))
    })
}

/// Reads a journal into a history, or says where it is wrong.
pub fn read_history(journal: &Path) -> Result<History, Failure> {
    let events = read_journal(journal).map_err(|error| Failure::Usage(error.to_string()))?;
    History::from_events(events).map_err(|error| Failure::Usage(format!("{}: {error}", journal.display())))
}

/// Judges a history by the checker of its workload.
pub fn judge(record: &TestRecord, history: &History) -> Result<checker::Analysis, Failure> {
    let entry = workloads::find(&record.workload).ok_or_else(|| {
        Failure::Usage(format!(
            "this perjury knows no workload `{}`; see `perjury list`",
            record.workload
        ))
    })?;
    let workload = (entry.make)(&workloads::WorkloadOptions::default());
    Ok((workload.check)(history))
}
