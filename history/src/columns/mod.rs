//! Histories as columns, in Apache Parquet: one row an operation (docs/formats/parquet.md has the schema).
//!
//! ```text
//!  file     a Parquet file, batch by batch
//!  guard    damaged files
//!  layout   which columns there are, and what their types become: integers, numbers, texts, codes
//!  rows     operations out of a batch
//!  order    where operations stand among each other: positions out of times
//!  survey   what is known of a file after one pass over it
//!  spill    the rows of a file by key, in files that are small enough to be judged one at a time
//!  write    operations into a file
//! ```
//!
//! Invariants:
//! - No more than some batches of a file are in memory, unless all of it is asked for.
//! - What a row leaves open claims nothing: a null is an absent value; nil is written as JSON.
//! - Intervals are widened where times are equal: what begins when another operation ends is concurrent with
//!   it.

mod file;
mod guard;
mod layout;
mod order;
mod rows;
mod spill;
mod survey;
mod write;

pub use file::File;
pub use spill::{KeySize, Run, Spilled, spill};
pub use survey::{Survey, heap_bytes};
pub use write::Writer;

use std::io;

use thiserror::Error;

use crate::History;

/// Why columns could not be read or written. Each is one line; none names the file.
#[derive(Debug, Error)]
pub enum ColumnsError {
    /// The system refused.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// The file is no Parquet, is damaged, or has other columns than a history.
    #[error("{0}")]
    File(String),
    /// Something in a row is wrong.
    #[error("row {row}: {reason}")]
    Row {
        /// Which one, from 1.
        row: u64,
        /// What is wrong.
        reason: String,
    },
}

/// All of a file as one history, and what is to be known of it.
///
/// # Errors
/// When the file cannot be read or something in it is wrong.
pub fn read(file: &File) -> Result<(History, Survey), ColumnsError> {
    let mut survey = Survey::default();
    let mut operations = Vec::new();
    // A vector that grows by itself may take twice what it needs. A file that lies about its rows gets none.
    let _ = operations.try_reserve_exact(usize::try_from(file.rows()).unwrap_or_default());
    file.each(|_, found| {
        for operation in found.drain(..) {
            survey.add(&operation);
            operations.push(operation);
        }
        Ok(())
    })?;
    let mut history = order::arranged(operations, file.has_positions())?;
    order::renumber(&mut history, |_| ());
    Ok((history, survey))
}
