//! `history.jsonl`: one event a line, appended as things happen.
//!
//! Invariants:
//! - Every prefix of a journal is a history that can be checked: lines stand in the order in which events were
//!   recorded, so a journal cut short by a crash lacks only what came last.
//! - A last line that was cut short is normal after a crash and is dropped; damage anywhere else is an error.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::Event;
use crate::line::Line;

/// Why a journal could not be read.
#[derive(Debug, Error)]
pub enum JournalError {
    /// The file could not be opened or read.
    #[error("cannot read {}: {source}", path.display())]
    Io {
        /// The journal.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// A line, other than a torn last one, is not an event.
    #[error("{}:{line}: not a journal event: {reason}", path.display())]
    Malformed {
        /// The journal.
        path: PathBuf,
        /// Its line, counted from 1.
        line: usize,
        /// What is wrong with it.
        reason: String,
    },
}

/// Appends `event` as one line of JSON, newline included, to `buffer`.
pub fn append_line(buffer: &mut Vec<u8>, event: Event) {
    serde_json::to_writer(&mut *buffer, &Line::from(event)).expect("an event is always serializable");
    buffer.push(b'\n');
}

/// Reads all events of a journal.
///
/// # Errors
/// When the file cannot be read, or a line other than a torn last one is malformed.
pub fn read_journal(path: &Path) -> Result<Vec<Event>, JournalError> {
    JournalReader::open(path)?.collect()
}

/// Reads a journal event by event.
pub struct JournalReader {
    path: PathBuf,
    input: BufReader<File>,
    line: usize,
    buffer: Vec<u8>,
    /// Nothing more can be read.
    ended: bool,
}

impl JournalReader {
    /// Opens the journal at `path`.
    ///
    /// # Errors
    /// When the file cannot be opened.
    pub fn open(path: &Path) -> Result<Self, JournalError> {
        let file = File::open(path).map_err(|source| JournalError::Io {
            path: path.to_owned(),
            source,
        })?;
        Ok(JournalReader {
            path: path.to_owned(),
            input: BufReader::with_capacity(1 << 18, file),
            line: 0,
            buffer: Vec::new(),
            ended: false,
        })
    }
}

impl Iterator for JournalReader {
    type Item = Result<Event, JournalError>;

    fn next(&mut self) -> Option<Self::Item> {
        while !self.ended {
            self.buffer.clear();
            self.line += 1;
            match self.input.read_until(b'\n', &mut self.buffer) {
                Ok(0) => return None,
                Ok(_) => {}
                Err(source) => {
                    self.ended = true;
                    return Some(Err(JournalError::Io {
                        path: self.path.clone(),
                        source,
                    }));
                }
            }
            if self.buffer.last() != Some(&b'\n') {
                // Nothing follows. A whole event that only lacks its newline is an event: no line of a journal is
                // the beginning of another.
                self.ended = true;
                return serde_json::from_slice(&self.buffer).ok().map(Ok);
            }
            if self.buffer.iter().all(u8::is_ascii_whitespace) {
                continue;
            }
            return Some(serde_json::from_slice(&self.buffer).map_err(|error| {
                self.ended = true;
                JournalError::Malformed {
                    path: self.path.clone(),
                    line: self.line,
                    reason: error.to_string(),
                }
            }));
        }
        None
    }
}
