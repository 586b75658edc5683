//! The files that reports consist of, in one list ([`ALL`]): a new one is a new file in this crate and one line here.

use std::fs;
use std::path::{Path, PathBuf};

use checker::Analysis;
use history::{History, RunDir, TestRecord};

use crate::error::ReportError;
use crate::results::Results;
use crate::summary::summarize;
use crate::{html, json, junit};

/// One file that is made of a run.
struct Exporter {
    path: fn(&RunDir) -> PathBuf,
    render: fn(&Run) -> Result<String, String>,
}

const ALL: &[Exporter] = &[
    Exporter {
        path: RunDir::results,
        render: json::render,
    },
    Exporter {
        path: RunDir::report,
        render: html::render,
    },
    Exporter {
        path: RunDir::junit,
        render: junit::render,
    },
];

/// What exporters see of a run.
pub(crate) struct Run<'a> {
    pub dir: &'a RunDir,
    pub history: &'a History,
    pub analysis: &'a Analysis,
    pub results: &'a Results,
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
    let results = summarize(record, history, analysis);
    let view = Run {
        dir: run,
        history,
        analysis,
        results: &results,
    };
    for exporter in ALL {
        let path = (exporter.path)(run);
        let text = (exporter.render)(&view).map_err(|reason| ReportError::Render {
            path: path.clone(),
            reason,
        })?;
        write_whole(&path, &text).map_err(|source| ReportError::Io { path, source })?;
    }
    Ok(results)
}

/// Writes beside the file and renames, so that nobody ever reads half a report. The temporary name is of this process,
/// so that two of them do not write to one file.
fn write_whole(path: &Path, text: &str) -> std::io::Result<()> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.tmp", std::process::id()));
    let temporary = path.with_file_name(name);
    let written = fs::write(&temporary, text).and_then(|()| fs::rename(&temporary, path));
    if written.is_err() {
        // The error that counts is the first one; what is left behind is a file with a telling name.
        let _ = fs::remove_file(&temporary);
    }
    written
}
