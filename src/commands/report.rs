//! `perjury report`: writes the reports of a run directory anew.

use history::RunDir;

use super::check::{judge, read_history, read_record};
use crate::cli::ReportArgs;
use crate::exit::{CommandResult, Done};
use crate::say::say;

/// Judges the run again and writes `results.json`, `report.html` and `junit.xml`.
pub fn run(args: &ReportArgs) -> CommandResult {
    let run = RunDir::new(&args.run);
    let record = read_record(&run)?;
    let history = read_history(&run.history())?;
    let analysis = judge(&record, &history)?;
    let results = reports::write_all(&run, &record, &history, &analysis)?;
    say!("{}", reports::summary_text(&results).trim_end());
    say!("report: {}", run.report().display());
    Ok(Done::Judged(results.verdict))
}
