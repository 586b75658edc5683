//! `history.jsonl`: one event a line, appended as things happen.
//!
//! Invariants:
//! - Every prefix of a journal is a history that can be checked: lines stand in the order in which events were
//!   recorded, so a journal cut short by a crash lacks only what came last.
//! - A last line that was cut short is normal after a crash and is dropped; damage anywhere else is an error.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::blocks::{Block, for_each_block};
use crate::line::Line;
use crate::{Event, fast_line};

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

/// Reads all events of a journal, on all cores.
///
/// # Errors
/// When the file cannot be read, or a line other than a torn last one is malformed.
pub fn read_journal(path: &Path) -> Result<Vec<Event>, JournalError> {
    let io_error = |source| JournalError::Io {
        path: path.to_owned(),
        source,
    };
    let file = File::open(path).map_err(io_error)?;
    let mut events = Vec::new();
    let mut lines_before = 0;
    let stopped = for_each_block(file, parse_block, |mut block| {
        events.append(&mut block.events);
        if let Some((line, reason)) = block.error {
            return ControlFlow::Break((lines_before + line, reason));
        }
        lines_before += block.lines;
        ControlFlow::Continue(())
    });
    match stopped.map_err(io_error)? {
        Some((line, reason)) => Err(JournalError::Malformed {
            path: path.to_owned(),
            line,
            reason,
        }),
        None => Ok(events),
    }
}

/// Some lines of a journal, read.
pub(crate) struct ParsedBlock {
    /// The events up to the first error.
    pub events: Vec<Event>,
    /// The lines, from 1, that hold no event but white space.
    pub blank_lines: Vec<usize>,
    /// How many lines there are.
    pub lines: usize,
    /// The first line, from 1, that is no event, and why.
    pub error: Option<(usize, String)>,
    /// The last line of the file was cut short.
    pub is_torn: bool,
}

/// Reads the lines of one block. A line that was cut short at the very end is dropped.
pub(crate) fn parse_block(block: Block) -> ParsedBlock {
    let mut parsed = ParsedBlock {
        events: Vec::with_capacity(block.bytes.len() / 64),
        blank_lines: Vec::new(),
        lines: 0,
        error: None,
        is_torn: false,
    };
    let mut rest = block.bytes.as_slice();
    while !rest.is_empty() {
        let end = memchr::memchr(b'\n', rest);
        let line = &rest[..end.unwrap_or(rest.len())];
        rest = end.map_or(&[], |end| &rest[end + 1..]);
        parsed.lines += 1;
        if let Some(event) = fast_line::parse(line) {
            parsed.events.push(event);
        } else if line.iter().all(u8::is_ascii_whitespace) {
            parsed.blank_lines.push(parsed.lines);
        } else {
            match serde_json::from_slice(line) {
                Ok(event) => parsed.events.push(event),
                // A whole event that only lacks its newline is an event: no line of a journal is the beginning of
                // another.
                Err(_) if end.is_none() && block.last => parsed.is_torn = true,
                Err(error) => {
                    // Every line is read by itself, and counted by its reader.
                    let reason = error.to_string().replace(" at line 1 column ", " at column ");
                    parsed.error = Some((parsed.lines, reason));
                    break;
                }
            }
        }
    }
    parsed
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
