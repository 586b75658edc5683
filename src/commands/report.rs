//! `perjury report`: judges a run again and rewrites its reports.

use history::RunDir;

use crate::cli::ReportArgs;
use crate::exit::{CommandResult, Done};
use crate::input::{read_history, read_record};
use crate::judging::judge;
use crate::output::say;

/// Judges the run again and writes everything that reports consist of.
pub fn run(args: &ReportArgs) -> CommandResult {
    let run = RunDir::new(&args.run);
    let mut record = read_record(&run)?;
    if let Some(list) = &args.fail_on {
        record.fail_on = list.0.clone();
    }
    let history = read_history(&run.history())?;
    let analysis = judge(&record, &history)?;
    let results = reports::write_all(&run, &record, &history, &analysis)?;
    say!("{}", reports::summary_text(&results).trim_end());
    say!("report: {}", run.report().display());
    Ok(Done::Judged(results.verdict))
}
