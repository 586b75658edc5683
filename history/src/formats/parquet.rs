//! Apache Parquet, one row an operation: see docs/formats/parquet.md.
//!
//! Reading columns takes crates that are only built with the feature `parquet`; the format is known in any
//! case, so that its files are recognized and the feature is named.

use std::io::Write;

use super::source::Source;
use super::{ExportError, Format, ImportError, Read, Reads};
use crate::{History, Value};

/// Its name on the command line.
pub const NAME: &str = "parquet";

/// What a file begins with (and ends with), by Parquet's own description of its format.
const MAGIC: &[u8] = b"PAR1";

pub(super) const FORMAT: Format = Format {
    name: NAME,
    about: match cfg!(feature = "parquet") {
        true => "Apache Parquet, one row an operation",
        false => "Apache Parquet, one row an operation (not in this build: it takes the feature parquet)",
    },
    loses: "what the nemesis did, and notes",
    may_be_empty: false,
    initial: || Value::Nil,
    detect: |head| head.bytes.starts_with(MAGIC),
    read: Reads::Ordered(read),
    write: Some(write),
};

/// What to do about a build without the feature.
#[cfg(not(feature = "parquet"))]
pub const NOT_BUILT: &str =
    "this perjury was built without Parquet; build it with `cargo build --release --features parquet`";

#[cfg(not(feature = "parquet"))]
fn read(source: &Source<'_>) -> Result<Read, ImportError> {
    Err(ImportError::NotRecognised {
        path: source.path().to_owned(),
        why: NOT_BUILT.to_owned(),
    })
}

#[cfg(not(feature = "parquet"))]
fn write(_: &History, _: &mut dyn Write) -> Result<(), ExportError> {
    Err(ExportError::NotBuilt(NOT_BUILT))
}

/// Whether a file begins as Parquet does.
#[cfg(feature = "parquet")]
pub fn is_parquet(path: &std::path::Path) -> bool {
    use std::io::Read as _;

    let mut head = [0; MAGIC.len()];
    let mut file = match std::fs::File::open(path) {
        // A pipe can be read only once.
        Ok(file) if path.is_file() => file,
        _ => return false,
    };
    file.read_exact(&mut head).is_ok() && head == *MAGIC
}

#[cfg(feature = "parquet")]
fn read(source: &Source<'_>) -> Result<Read, ImportError> {
    use crate::columns::{self, ColumnsError, File};

    let wrong = |error: ColumnsError| match error {
        ColumnsError::Io(error) => source.error(error),
        other => ImportError::NotRecognised {
            path: source.path().to_owned(),
            why: other.to_string(),
        },
    };
    let file = match source.in_memory() {
        Some(bytes) => File::of_bytes(bytes.to_vec()),
        None => File::open(source.path()),
    };
    let file = file.map_err(wrong)?;
    let (history, _) = columns::read(&file).map_err(wrong)?;
    let mut remarks = Vec::new();
    if !file.unused().is_empty() {
        let names = file.unused().join(", ");
        remarks.push(format!("columns that are not used: {names}").into());
    }
    if history.is_renumbered {
        remarks.push("processes that went on while an operation of theirs was open got new numbers".into());
    }
    Ok((history, remarks))
}

#[cfg(feature = "parquet")]
fn write(history: &History, out: &mut dyn Write) -> Result<(), ExportError> {
    use crate::columns::{ColumnsError, Writer};

    let wrong = |error: ColumnsError| match error {
        ColumnsError::Io(error) => ExportError::Io(error),
        other => ExportError::Io(std::io::Error::other(other.to_string())),
    };
    let mut bytes = Vec::new();
    let mut writer = Writer::new(&mut bytes, history.operations.iter(), true).map_err(wrong)?;
    writer.push(&history.operations).map_err(wrong)?;
    writer.finish().map_err(wrong)?;
    out.write_all(&bytes)?;
    Ok(())
}
