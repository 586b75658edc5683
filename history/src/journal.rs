//! `history.jsonl`: one event a line, appended as things happen. [`crate::formats`] reads it as a history.
//!
//! Invariants:
//! - Every prefix of a journal is a history that can be checked: lines are in the order in which events were
//!   recorded, so a journal cut short by a crash lacks only what came last.
//! - A last line that was cut short is normal after a crash and is dropped; damage anywhere else is an error.

use crate::journal_line::Line;
use crate::parallel_lines::Block;
use crate::{Event, fast_line};

/// Appends `event` as one line of JSON, newline included, to `buffer`.
pub fn append_line(buffer: &mut Vec<u8>, event: Event) {
    serde_json::to_writer(&mut *buffer, &Line::from(event)).expect("an event is always serializable");
    buffer.push(b'\n');
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
                // A whole event that only lacks its newline is an event: no line of a journal is the
                // beginning of another.
                Err(_) if end.is_none() && block.last => parsed.is_torn = true,
                Err(error) => {
                    // serde_json sees one line at a time, so its line number is always 1.
                    let reason = error.to_string().replace(" at line 1 column ", " at column ");
                    parsed.error = Some((parsed.lines, reason));
                    break;
                }
            }
        }
    }
    parsed
}
