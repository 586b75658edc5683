//! `perjury export`: a history in the format of another checker.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use anyhow::Context;
use history::History;
use history::formats::{self, FORMATS};
use history::tell::plain;

use crate::cli::ExportArgs;
use crate::exit::{CommandResult, Done, Failure};
use crate::input::import;
use crate::output::grumble;

/// Whether reading back what was written gives another history.
fn is_other(history: &History, format: &str, text: &[u8]) -> bool {
    match formats::read_bytes(text, Path::new("export"), Some(format)) {
        Ok(again) => again.history != *history,
        Err(_) => true,
    }
}

/// Reads a history in any format and writes it in another one.
pub fn run(args: &ExportArgs) -> CommandResult {
    let target = FORMATS
        .iter()
        .find(|format| format.name == args.to && format.is_writable());
    let Some(target) = target else {
        let names: Vec<&str> = FORMATS
            .iter()
            .filter(|format| format.is_writable())
            .map(|format| format.name)
            .collect();
        return Err(Failure::Usage(format!(
            "there is no format `{}` to write; choose {}",
            args.to,
            names.join(", ")
        )));
    };
    let imported = import(&args.path, args.format.as_deref())?;
    let mut text = Vec::new();
    formats::write(&imported.history, target.name, &mut text).map_err(|error| {
        Failure::Usage(format!(
            "{} cannot be written as {}: {error}",
            args.path.display(),
            target.name
        ))
    })?;
    match &args.output {
        None => {
            let mut out = std::io::stdout().lock();
            match out.write_all(&text).and_then(|()| out.flush()) {
                // The reader has seen enough.
                Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => {}
                written => written.context("cannot write to standard output")?,
            }
        }
        Some(path) => {
            let file = File::create_new(path).map_err(|error| {
                Failure::Usage(format!(
                    "cannot create {}: {}; name a new file",
                    path.display(),
                    plain(&error)
                ))
            })?;
            let mut out = BufWriter::new(file);
            out.write_all(&text)
                .and_then(|()| out.flush())
                .with_context(|| format!("cannot write {}", path.display()))?;
        }
    }
    for remark in &imported.remarks {
        grumble!("note: {remark}");
    }
    if !target.loses.is_empty() && is_other(&imported.history, target.name, &text) {
        grumble!("note: {} cannot record {}", target.name, target.loses);
    }
    Ok(Done::Fine)
}
