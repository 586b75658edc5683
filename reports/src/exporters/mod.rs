//! The files that reports consist of, in one list ([`EXPORTERS`]): a new one is a new file in this folder and
//! one line here.

mod json;
mod junit;
pub(crate) mod junit_xml;
pub(crate) mod markdown;
pub(crate) mod terminal;

use std::fs;
use std::path::{Path, PathBuf};

use checker::Analysis;
use history::{History, RunDir, TestRecord};

use crate::error::ReportError;
use crate::fault_bands::Background;
use crate::node_logs::NodeLogs;
use crate::pages::run_page;
use crate::plots;
use crate::results::Results;
use crate::summary::summarize;
use crate::view::Run;

/// The files that an exporter makes of a run, with their text.
type Files = Result<Vec<(PathBuf, String)>, String>;

/// Every exporter.
const EXPORTERS: &[fn(&Run) -> Files] = &[
    |run| one(run.dir.results(), json::render(run)),
    |run| one(run.dir.report(), run_page::render(run)),
    |run| one(run.dir.junit(), Ok(junit::render(run))),
    |run| one(run.dir.summary(), markdown::render(run)),
    plots::files,
];

fn one(path: PathBuf, text: Result<String, String>) -> Files {
    Ok(vec![(path, text?)])
}

/// Judges a run and writes all its reports.
///
/// # Errors
/// When a file cannot be written.
pub fn write_all(
    run: &RunDir,
    record: &TestRecord,
    history: &History,
    analysis: &Analysis,
) -> Result<Results, ReportError> {
    let logs = NodeLogs::read(run, record, history.end_ns);
    let results = summarize(record, history, analysis, &logs);
    let background = Background::new(&results);
    let failed = |reason| ReportError::Render {
        path: run.root().to_owned(),
        reason,
    };
    let plots = plots::all(&results, history, &background).map_err(failed)?;
    let view = Run {
        dir: run,
        history,
        analysis,
        results: &results,
        background: &background,
        plots: &plots,
    };
    for exporter in EXPORTERS {
        for (path, text) in exporter(&view).map_err(failed)? {
            write_whole(&path, &text).map_err(|source| ReportError::Io { path, source })?;
        }
    }
    Ok(results)
}

/// Writes to a temporary file and renames it, so that no reader ever sees half a report. The temporary name
/// contains the process id, so that two processes do not write to the same file.
fn write_whole(path: &Path, text: &str) -> std::io::Result<()> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.tmp", std::process::id()));
    let temporary = path.with_file_name(name);
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent)?;
    }
    let written = fs::write(&temporary, text).and_then(|()| fs::rename(&temporary, path));
    if written.is_err() {
        // The error that counts is the first one; what is left behind is a file with a telling name.
        let _ = fs::remove_file(&temporary);
    }
    written
}
