//! Files that hold histories: one module a format, one list that names them all.
//!
//! ```no_run
//! use std::path::Path;
//!
//! let imported = history::formats::read(Path::new("store/latest/history.edn"), None)?;
//! println!("{} operations, read as {}", imported.history.operations.len(), imported.format);
//! # Ok::<(), history::formats::ImportError>(())
//! ```
//!
//! Invariants:
//! - Nothing is skipped silently: what is not an operation becomes a note or a nemesis span of the history,
//!   or is counted in the remarks; what cannot be read is an error that names file, line and reason.
//! - No reader panics, recurses more than 200 levels deep or uses more memory than a constant times the
//!   file's size.

mod arguments;
mod assemble;
mod chaos;
mod edn;
mod edn_syntax;
mod elle_json;
mod etcd_report;
mod etcd_requests;
mod folder;
mod framed;
mod fressian;
mod functions;
mod in_time;
mod instant;
mod intervals;
mod jepsen;
mod jepsen_file;
mod jepsen_log;
mod journal;
mod number;
mod order;
mod parquet;
mod porcupine_kv;
mod reasons;
mod replay;
mod source;
mod tuples;
mod uninvoked;

use std::fmt;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::{History, OPEN, Op, Operation, Outcome, Value};
use folder::Folder;
pub use journal::NAME as JOURNAL;
pub use order::{Arrangement, Contradiction, Order};
pub use parquet::NAME as PARQUET;
#[cfg(not(feature = "parquet"))]
pub use parquet::NOT_BUILT as NO_PARQUET;
#[cfg(feature = "parquet")]
pub use parquet::is_parquet;
use source::Source;

/// A format of files.
pub struct Format {
    /// Its name on the command line.
    pub name: &'static str,
    /// One line that describes it.
    pub about: &'static str,
    /// What an export into it loses, human-readable.
    pub loses: &'static str,
    /// Whether a file without operations is a history too: that of a run that ended before its first
    /// operation.
    pub may_be_empty: bool,
    /// What every object holds before the first write, by the conventions of this format.
    pub initial: fn() -> Value,
    /// Whether a file that begins so is of this format. Tried in the order of [`FORMATS`].
    detect: fn(&Head<'_>) -> bool,
    read: Reads,
    write: Option<Writer>,
}

/// No run waits that long for its first event: thirty days.
const LONGEST_WAIT_NS: u64 = 30 * 24 * 3_600 * 1_000_000_000;

/// A history and the remarks about it.
type Read = (History, Vec<Remark>);

/// How a format is read.
enum Reads {
    /// It tells for itself in which order things happened.
    Ordered(fn(&Source<'_>) -> Result<Read, ImportError>),
    /// Its events stand one after the other, and may have indices and times; in the order that is named.
    Events(fn(&Source<'_>, Option<Order>) -> Result<Read, ImportError>),
}

type Writer = fn(&History, &mut dyn Write) -> Result<(), ExportError>;

/// All formats.
pub static FORMATS: &[Format] = &[
    journal::FORMAT,
    jepsen_file::FORMAT,
    jepsen_log::FORMAT,
    etcd_report::FORMAT,
    chaos::FORMAT,
    elle_json::FORMAT,
    porcupine_kv::FORMAT,
    edn::FORMAT,
    parquet::FORMAT,
];

/// A history that was read from a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Imported {
    /// The history.
    pub history: History,
    /// The name of the format.
    pub format: &'static str,
    /// What the reader decided or left out.
    pub remarks: Vec<Remark>,
}

impl Imported {
    /// Which order of the events counts, where they may as well have happened in another one: this one, and
    /// that other one.
    pub fn orders(&self) -> Option<(Order, Order)> {
        self.remarks.iter().find_map(|remark| match remark {
            Remark::Order(arrangement) => Some((arrangement.by, arrangement.other?)),
            _ => None,
        })
    }
}

/// What the user says of how a file is to be read; the rest is found out.
#[derive(Clone, Copy, Debug, Default)]
pub struct Choices<'a> {
    /// The name of its format.
    pub format: Option<&'a str>,
    /// In which order its events happened.
    pub order: Option<Order>,
}

impl<'a> From<Option<&'a str>> for Choices<'a> {
    fn from(format: Option<&'a str>) -> Self {
        Choices { format, order: None }
    }
}

/// Something that a reader decided or left out. Its text is one sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Remark {
    /// So many reads returned nil, which counts as a value that was seen. It no longer holds once these reads
    /// are made to claim nothing ([`History::forget_nil_reads`]).
    NilReads(u64),
    /// Lines, indices and times tell the order of the events in different ways.
    Order(Arrangement),
    /// Anything else: only people read it.
    Text(String),
}

impl fmt::Display for Remark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Remark::NilReads(count) => {
                let reads = if *count == 1 { "read" } else { "reads" };
                write!(
                    f,
                    "{count} {reads} returned nil, which counts as a value that was seen (Knossos lets such reads \
                     claim nothing)"
                )
            }
            Remark::Order(arrangement) => arrangement.fmt(f),
            Remark::Text(text) => f.write_str(text),
        }
    }
}

impl From<String> for Remark {
    fn from(text: String) -> Self {
        Remark::Text(text)
    }
}

impl From<&str> for Remark {
    fn from(text: &str) -> Self {
        Remark::Text(text.to_owned())
    }
}

/// Why a file could not be read as a history. Each is one line.
#[derive(Debug, Error)]
pub enum ImportError {
    /// The file could not be opened or read.
    #[error("cannot read {}: {}", path.display(), crate::tell::plain(source))]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// No format has that name.
    #[error("unknown format `{name}`; choose one of {}", names(|_| true))]
    UnknownFormat {
        /// The name that was given.
        name: String,
    },
    /// The file holds no history, or looks like none of the formats.
    #[error("{}: {why}", path.display())]
    NotRecognised {
        /// The file.
        path: PathBuf,
        /// What can be seen of it, and what to do.
        why: String,
    },
    /// An order was named for a format whose events have one.
    #[error(
        "{}: read as {format}, which tells by itself in which order things happened; leave out --order", path.display()
    )]
    Ordered {
        /// The file.
        path: PathBuf,
        /// The format.
        format: &'static str,
    },
    /// Something in the file is wrong.
    #[error("{}:{line}: {reason}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What is wrong.
        reason: String,
    },
}

/// Why a history could not be written. Each is one line.
#[derive(Debug, Error)]
pub enum ExportError {
    /// No format of that name can be written.
    #[error("cannot write the format `{name}`; choose one of {}", names(|format| format.write.is_some()))]
    UnknownFormat {
        /// The name that was given.
        name: String,
    },
    /// The format cannot express something in the history.
    #[error("the format {format} cannot express operation {operation}: {reason}")]
    Inexpressible {
        /// The format.
        format: &'static str,
        /// The index of the operation, from 0.
        operation: usize,
        /// What is in the way.
        reason: String,
    },
    /// This build cannot write the format.
    #[error("{0}")]
    NotBuilt(&'static str),
    /// The output could not be written.
    #[error("cannot write: {0}")]
    Io(#[from] io::Error),
}

/// Reads the history in the file `path`, or in the directory `path`: a run of perjury's, or what another
/// harness left.
///
/// What is not chosen is found out: the format by the content.
///
/// # Errors
/// When the file cannot be read, its format is not known or something in it is wrong.
pub fn read<'a>(path: &Path, choices: impl Into<Choices<'a>>) -> Result<Imported, ImportError> {
    read_path(path, choices.into())
}

fn read_path(path: &Path, choices: Choices<'_>) -> Result<Imported, ImportError> {
    let file = |path: &Path| read_source(&Source::open(path)?, choices);
    if !path.is_dir() {
        return file(path);
    }
    match Folder::of(path) {
        Folder::Run(history) => file(&history),
        Folder::Test(files) => folder::read_test(&files, file),
        Folder::Report(_) if choices.order.is_some() => Err(ImportError::Ordered {
            path: path.to_owned(),
            format: etcd_report::FORMAT.name,
        }),
        Folder::Report(files) => {
            etcd_report::read_report(&files).map(|read| imported(read, &etcd_report::FORMAT))
        }
        Folder::Store(latest) => {
            let mut imported = read_path(&latest, choices)?;
            let text = format!("the latest test of this directory counts, {}", latest.display());
            imported.remarks.push(Remark::Text(text));
            Ok(imported)
        }
    }
}

/// Whether the directory `path` holds a history of another harness, which [`read`] finds.
pub fn is_foreign_folder(path: &Path) -> bool {
    path.is_dir() && !matches!(Folder::of(path), Folder::Run(_))
}

/// Reads the history in `bytes`; errors call it `name`.
///
/// # Errors
/// As [`read`].
pub fn read_bytes<'a>(
    bytes: &[u8],
    name: &Path,
    choices: impl Into<Choices<'a>>,
) -> Result<Imported, ImportError> {
    read_source(&Source::of_bytes(name, bytes), choices.into())
}

/// A value as one writes it by hand: `nil`, an integer, a list or a quoted text as in EDN; any other text is
/// itself.
///
/// # Errors
/// What is wrong with an integer that does not fit, or with a list or a quoted text that does not end.
pub fn parse_value(text: &str) -> Result<Value, String> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    if !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()) {
        let fits = text.parse().map(Value::Int);
        return fits.map_err(|_| "integers have 64 bits".to_owned());
    }
    if text != "nil" && !text.starts_with(['[', '(', '{', '"', '#', ']', ')', '}']) {
        return Ok(Value::text(text));
    }
    let mut reader = edn_syntax::Reader::new(text.as_bytes(), 1);
    let value = reader
        .value()
        .map_err(|error| match error.reason.strip_prefix("the file ends ") {
            Some(_) => "it does not end".to_owned(),
            None => error.reason,
        })?;
    match reader.peek() {
        Ok(None) => Ok(value),
        _ => Err("something follows its end".to_owned()),
    }
}

/// Writes `history` in `format`.
///
/// # Errors
/// When the format cannot express the history or `out` cannot be written.
pub fn write(history: &History, format: &str, out: &mut dyn Write) -> Result<(), ExportError> {
    let unknown = || ExportError::UnknownFormat {
        name: format.to_owned(),
    };
    let found = find(format).ok_or_else(unknown)?;
    (found.write.ok_or_else(unknown)?)(history, out)
}

fn read_source(source: &Source<'_>, choices: Choices<'_>) -> Result<Imported, ImportError> {
    let unknown = |name: &str| ImportError::UnknownFormat {
        name: name.to_owned(),
    };
    let named = choices
        .format
        .map(|name| find(name).ok_or_else(|| unknown(name)))
        .transpose()?;
    let bytes = source.head()?;
    let head = Head::new(&bytes, source.path());
    let not = |why: String| ImportError::NotRecognised {
        path: source.path().to_owned(),
        why,
    };
    if let Some(why) = head.compressed() {
        return Err(not(why));
    }
    if let (None, Some(why)) = (named, head.other()) {
        return Err(not(why.to_owned()));
    }
    let found = named.or_else(|| FORMATS.iter().find(|format| (format.detect)(&head)));
    let found = found.ok_or_else(|| not(head.complaint()))?;
    let read = match (&found.read, choices.order) {
        (Reads::Events(read), order) => read(source, order),
        (Reads::Ordered(read), None) => read(source),
        (Reads::Ordered(_), Some(_)) => Err(ImportError::Ordered {
            path: source.path().to_owned(),
            format: found.name,
        }),
    };
    read.map(|read| imported(read, found))
}

/// What was read, with what can be said of every history.
fn imported((mut history, mut remarks): Read, format: &'static Format) -> Imported {
    remarks.extend(rebase(&mut history));
    let open = history
        .operations
        .iter()
        .filter(|operation| operation.completed == OPEN);
    match open.count() {
        0 => {}
        1 => remarks.push("1 operation has no completion and counts as info".into()),
        open => remarks.push(format!("{open} operations have no completion and count as info").into()),
    }
    remarks.extend(oddities(&history));
    Imported {
        history,
        format: format.name,
        remarks,
    }
}

/// Times that do not count from the start of a run, such as those since 1970, are shifted so that the first
/// event is at 0. Returns a remark if it did so.
fn rebase(history: &mut History) -> Option<Remark> {
    let invoked = history.operations.iter().map(|operation| operation.invoked_ns);
    let acted = history.nemesis.iter().map(|span| span.invoked_ns);
    let noted = history.notes.iter().map(|note| note.0);
    let first = invoked.chain(acted).chain(noted).min()?;
    if first < LONGEST_WAIT_NS {
        return None;
    }
    for operation in &mut history.operations {
        operation.invoked_ns -= first;
        let completed = operation.completed_ns.as_mut();
        completed
            .into_iter()
            .for_each(|ns| *ns = ns.get().saturating_sub(first).into());
    }
    for span in &mut history.nemesis {
        span.invoked_ns -= first;
        span.completed_ns = span.completed_ns.map(|ns| ns.saturating_sub(first));
    }
    history.notes.iter_mut().for_each(|note| note.0 -= first);
    history.end_ns -= first;
    Some("times do not count from the start of a run; they are shown relative to the first event".into())
}

/// What is not an error, but should be known to the person who made the file.
fn oddities(history: &History) -> Vec<Remark> {
    let count = |is_odd: fn(&Operation) -> bool| history.operations.iter().filter(|op| is_odd(op)).count();
    let backwards = count(|op| op.completed_ns.is_some_and(|end| end.get() < op.invoked_ns));
    let silent = count(|op| match (&op.op, &op.outcome) {
        (Op::Read { .. }, Outcome::Ok(answer)) => answer.value.is_none(),
        _ => false,
    });
    let mut remarks = Vec::new();
    if backwards > 0 {
        remarks.push(Remark::Text(format!(
            "operations whose times say that they completed before they were invoked: {backwards}; what counts is the order of the \
             events in the file"
        )));
    }
    if silent > 0 {
        remarks.push(Remark::Text(format!(
            "reads that are ok without a value: {silent}; they claim nothing"
        )));
    }
    remarks
}

/// Whether operations are to be written as `[key value]` tuples.
fn keyed(history: &History, format: &'static str) -> Result<bool, ExportError> {
    replay::is_keyed(history).map_err(|operation| ExportError::Inexpressible {
        format,
        operation,
        reason: "its key is a list".to_owned(),
    })
}

/// The names of some formats, for errors.
fn names(which: fn(&Format) -> bool) -> String {
    let names: Vec<&str> = FORMATS
        .iter()
        .filter(|format| which(format))
        .map(|format| format.name)
        .collect();
    names.join(", ")
}

/// The format of that name.
pub fn find(name: &str) -> Option<&'static Format> {
    FORMATS.iter().find(|format| format.name == name)
}

impl Format {
    /// Whether [`write()`] can write it.
    pub fn is_writable(&self) -> bool {
        self.write.is_some()
    }
}

/// The beginning of a file, for telling formats apart.
struct Head<'a> {
    /// All of it.
    bytes: &'a [u8],
    /// The first operation: what follows white space, comments and the opening bracket of a list.
    first: &'a [u8],
    path: &'a Path,
}

impl<'a> Head<'a> {
    fn new(bytes: &'a [u8], path: &'a Path) -> Self {
        let mut first = bytes;
        let mut bracket = false;
        loop {
            first = first.trim_ascii_start();
            match first.first() {
                Some(b',') => first = &first[1..],
                Some(b';') => first = &first[memchr::memchr(b'\n', first).unwrap_or(first.len())..],
                Some(b'[' | b'(') if !bracket => {
                    bracket = true;
                    first = &first[1..];
                }
                _ => break,
            }
        }
        Head { bytes, first, path }
    }

    /// Whether the file is empty or only white space.
    fn is_blank(&self) -> bool {
        self.bytes.len() < source::HEAD_BYTES as usize && self.bytes.iter().all(u8::is_ascii_whitespace)
    }

    /// What to do about a file that is compressed, if it is.
    fn compressed(&self) -> Option<String> {
        const MAGIC: [(&[u8], &str, &str); 5] = [
            (b"\x1f\x8b", "gzip", "gunzip"),
            (b"\x28\xb5\x2f\xfd", "zstd", "unzstd"),
            (b"BZh", "bzip2", "bunzip2"),
            (b"\xfd7zXZ\0", "xz", "unxz"),
            (b"PK\x03\x04", "zip", "unzip"),
        ];
        let (_, name, tool) = MAGIC.iter().find(|(magic, ..)| self.bytes.starts_with(magic))?;
        Some(format!("it is compressed ({name}): {tool} it first"))
    }

    /// What it is instead of a history, if it is something else that stands beside one.
    fn other(&self) -> Option<&'static str> {
        let has = |text| self.first_map_has(text);
        if self.is_json() && has("\"Request\"") && has("\"WithPrefix\"") {
            Some("it holds watches of etcd's robustness tests; give the directory of the whole report")
        } else if self.first.starts_with(b"{") && has(":valid?") && !has(":process") && !has(":f ") {
            Some("it holds the results of a test, and not its history; give the history.edn beside it")
        } else if self.first.starts_with(b"<") {
            Some("it is a page or XML, and no history; give what it was made of")
        } else {
            None
        }
    }

    /// Why it is not of any format.
    fn complaint(&self) -> String {
        // A character may be cut at the end of what was looked at.
        let is_text = match std::str::from_utf8(self.bytes) {
            Ok(_) => true,
            Err(error) => error.valid_up_to() + 4 > self.bytes.len(),
        };
        if self.is_blank() {
            "it is empty".to_owned()
        } else if !is_text || self.bytes.contains(&0) {
            "it is no text, no test.jepsen and no Parquet".to_owned()
        } else {
            format!(
                "its format was not recognized; name it with --format: {}",
                names(|_| true)
            )
        }
    }

    /// The first operation is a JSON object. (In EDN, a string may be a key, too, but no operation has such
    /// keys.)
    fn is_json(&self) -> bool {
        self.first
            .strip_prefix(b"{")
            .is_some_and(|rest| rest.trim_ascii_start().starts_with(b"\""))
    }

    /// The first operation, up to the first closing brace.
    fn first_map(&self) -> &'a [u8] {
        let end = memchr::memchr(b'}', self.first).unwrap_or(self.first.len());
        &self.first[..end]
    }

    fn first_map_has(&self, text: &str) -> bool {
        memchr::memmem::find(self.first_map(), text.as_bytes()).is_some()
    }
}
