//! Which histories are meant: run directories, files, standard input; and values on the command line.

use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::SystemTime;

use history::formats::{self, Choices, Imported, JOURNAL};
use history::tell::plain;
use history::{History, RunDir, TestRecord, Value};

use crate::cli::CheckArgs;
use crate::exit::Failure;

/// The path that means standard input, and what messages call it.
const STANDARD_INPUT: &str = "-";
const STANDARD_INPUT_NAME: &str = "standard input";

/// What a path names.
pub enum Input {
    /// A run of perjury's own.
    Run { run: RunDir, record: Box<TestRecord> },
    /// Any other history.
    File(PathBuf),
}

/// What all the paths name.
pub fn all(args: &CheckArgs) -> Result<Vec<Input>, Failure> {
    let is_input = |path: &&PathBuf| path.as_os_str() == STANDARD_INPUT;
    if args.paths.iter().filter(is_input).count() > 1 {
        return Err(Failure::Usage(
            "`-`, standard input, can be read only once; give it once".to_owned(),
        ));
    }
    args.paths.iter().map(|path| input(path, args)).collect()
}

fn input(path: &Path, args: &CheckArgs) -> Result<Input, Failure> {
    if path.as_os_str() == STANDARD_INPUT {
        return Ok(Input::File(path.to_owned()));
    }
    let metadata = std::fs::metadata(path)
        .map_err(|error| Failure::Usage(format!("cannot read {}: {}", path.display(), plain(&error))))?;
    if metadata.is_dir() {
        let run = RunDir::new(path);
        if !run.test().is_file() && formats::is_foreign_folder(path) {
            return Ok(Input::File(path.to_owned()));
        }
        let record = Box::new(read_record(&run)?);
        if let Some(format) = &args.format {
            return Err(Failure::Usage(format!(
                "--format {format} has no meaning for the run directory {}, whose history is a journal; leave it out",
                path.display()
            )));
        }
        if let Some(order) = args.order {
            return Err(Failure::Usage(format!(
                "--order {order} has no meaning for the run directory {}, whose history is a journal; leave it out",
                path.display()
            )));
        }
        if let Err(error) = std::fs::metadata(run.history()) {
            return Err(Failure::Usage(format!(
                "cannot read {}: {}; the run ended before its first event",
                run.history().display(),
                plain(&error)
            )));
        }
        return Ok(Input::Run { run, record });
    }
    if let Some(run) = run_of_other_file(path) {
        return Err(Failure::Usage(format!(
            "{} is not a history; give the run directory, {}",
            path.display(),
            run.display()
        )));
    }
    Ok(Input::File(path.to_owned()))
}

/// The run directory of a file that a run keeps next to its history.
fn run_of_other_file(path: &Path) -> Option<PathBuf> {
    let parent = match path.parent()? {
        parent if parent.as_os_str().is_empty() => Path::new("."),
        parent => parent,
    };
    let run = RunDir::new(parent);
    let name = path.file_name()?;
    let others = [
        run.test(),
        run.results(),
        run.report(),
        run.junit(),
        run.log(),
        run.undo(),
    ];
    let is_other = others.iter().any(|other| other.file_name() == Some(name));
    (is_other && run.test().is_file()).then(|| parent.to_owned())
}

/// What messages call a path.
pub fn name(path: &Path) -> String {
    match path.as_os_str() == STANDARD_INPUT {
        true => STANDARD_INPUT_NAME.to_owned(),
        false => path.display().to_string(),
    }
}

/// Reads a history in any format, or says where it is wrong. Standard input can be read again.
pub fn import<'a>(path: &Path, choices: impl Into<Choices<'a>>) -> Result<Imported, Failure> {
    let choices = choices.into();
    let usage = |error: formats::ImportError| Failure::Usage(error.to_string());
    if path.as_os_str() == STANDARD_INPUT {
        return formats::read_bytes(standard_input()?, Path::new(STANDARD_INPUT_NAME), choices)
            .map_err(usage);
    }
    let imported = formats::read(path, choices).map_err(usage)?;
    // An empty file is refused, whether its format is given or not.
    if choices
        .format
        .and_then(formats::find)
        .is_some_and(|format| !format.may_be_empty)
        && imported.history.operations.is_empty()
    {
        formats::read(path, None).map_err(usage)?;
    }
    Ok(imported)
}

/// All of standard input, which the system gives only once.
fn standard_input() -> Result<&'static [u8], Failure> {
    static BYTES: OnceLock<Vec<u8>> = OnceLock::new();
    if let Some(bytes) = BYTES.get() {
        return Ok(bytes);
    }
    let mut bytes = Vec::new();
    std::io::stdin()
        .lock()
        .read_to_end(&mut bytes)
        .map_err(|error| Failure::Usage(format!("cannot read standard input: {}", plain(&error))))?;
    Ok(BYTES.get_or_init(|| bytes))
}

/// Reads `test.json`, or says why that is impossible.
pub fn read_record(run: &RunDir) -> Result<TestRecord, Failure> {
    run.read_test().map_err(|error| {
        let root = run.root().display();
        Failure::Usage(match (error.kind(), newest_run(run.root())) {
            (ErrorKind::NotFound, Some(newest)) => format!(
                "{root} is not a run directory, but contains some; give one of them, such as the newest, {}",
                newest.display()
            ),
            (ErrorKind::NotFound, None) => format!(
                "{root} is not a run directory: a run directory holds test.json and history.jsonl, and `perjury test` \
                 makes it below runs/"
            ),
            _ => format!("cannot read {}: {}", run.test().display(), plain(&error)),
        })
    })
}

/// The newest run below a directory.
fn newest_run(directory: &Path) -> Option<PathBuf> {
    let begun = |path: PathBuf| -> Option<(SystemTime, PathBuf)> {
        let test = std::fs::metadata(RunDir::new(&path).test()).ok()?;
        Some((test.modified().ok()?, path))
    };
    let entries = std::fs::read_dir(directory).ok()?;
    let runs = entries.filter_map(|entry| begun(entry.ok()?.path()));
    runs.max().map(|(_, path)| path)
}

/// Reads a journal into a history, or says where it is wrong.
pub fn read_history(journal: &Path) -> Result<History, Failure> {
    Ok(import(journal, Some(JOURNAL))?.history)
}

/// A value on the command line: `nil`, a number, a text, or anything else as in EDN.
pub fn value(text: &str) -> Result<Value, Failure> {
    formats::parse_value(text).map_err(|why| {
        Failure::Usage(format!(
            "--initial {text}: {why}; give nil, a number, a text, a list such as [1 2], or a map such as {{0 10}}"
        ))
    })
}
