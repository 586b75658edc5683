//! perjury's own journal, `history.jsonl`.

use std::io::Write;
use std::ops::ControlFlow;

use super::replay;
use super::source::Source;
use super::{ExportError, Format, ImportError, Read, Reads};
use crate::journal::parse_block;
use crate::parallel_lines::for_each_block;
use crate::{History, HistoryBuilder, Value, append_line};

/// Its name on the command line.
pub const NAME: &str = "journal";

pub(super) const FORMAT: Format = Format {
    name: NAME,
    about: "perjury's own history.jsonl",
    loses: "the exact place of an info among events of the same time, which judges nothing",
    may_be_empty: true,
    initial: || Value::Nil,
    detect: |head| {
        let is_empty = head.bytes.iter().all(u8::is_ascii_whitespace);
        let named_so = head
            .path
            .extension()
            .is_some_and(|extension| extension == "jsonl");
        (is_empty && named_so) || (head.is_json() && head.first_map_has("\"time_ns\""))
    },
    read: Reads::Ordered(read),
    write: Some(write),
};

fn read(source: &Source<'_>) -> Result<Read, ImportError> {
    let mut builder = HistoryBuilder::new();
    let mut lines_before = 0;
    let mut remarks = Vec::new();
    let stopped = for_each_block(source.reader()?, parse_block, |parsed| {
        let mut lines = parsed.blank_lines.iter().copied().peekable();
        let mut line = 0;
        for event in parsed.events {
            line += 1;
            while lines.next_if_eq(&line).is_some() {
                line += 1;
            }
            if let Err(error) = builder.push(event) {
                return ControlFlow::Break((lines_before + line, error.to_string()));
            }
        }
        if let Some((line, reason)) = parsed.error {
            return ControlFlow::Break((lines_before + line, format!("not a journal event: {reason}")));
        }
        if parsed.is_torn {
            remarks.push("the last line is cut off and was left out".into());
        }
        lines_before += parsed.lines;
        ControlFlow::Continue(())
    });
    match stopped.map_err(|error| source.error(error))? {
        Some((line, reason)) => Err(source.malformed(line, reason)),
        None => Ok((builder.finish(), remarks)),
    }
}

fn write(history: &History, out: &mut dyn Write) -> Result<(), ExportError> {
    let mut buffer = Vec::new();
    for event in replay::all_events(history) {
        append_line(&mut buffer, event);
        if buffer.len() > 1 << 16 {
            out.write_all(&buffer)?;
            buffer.clear();
        }
    }
    out.write_all(&buffer)?;
    Ok(())
}
