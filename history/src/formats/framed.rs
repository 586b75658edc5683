//! Reads a file that is a sequence of operation maps, with or without brackets around it.
//!
//! A file is first read in blocks of lines, in parallel, in the hope that each block begins and ends between
//! two operations. That is sound: a reader that stands between two operations at the end of a block does so,
//! whatever follows. Where it fails (a map crosses from block to block, or something is really wrong), the
//! file is read again as a whole, by one thread, and then errors are final.
//!
//! Whether values are the tuples of independent keys is known only at the end. It is tried first, and mostly
//! refuted by the first operation.

use std::collections::{BTreeMap, HashMap};
use std::ops::ControlFlow;

use super::assemble::Assembler;
use super::jepsen::{Record, Style, Unreadable, What};
use super::source::Source;
use super::{ImportError, Read};
use crate::parallel_lines::for_each_block;

/// What a parser finds.
pub(crate) enum Item {
    /// An opening or closing bracket around the whole.
    Bracket {
        byte: u8,
        line: usize,
    },
    Op(Record),
}

/// What a parser passes over, for the remarks.
#[derive(Debug, Default)]
pub(crate) struct PassedOver {
    pub fields: BTreeMap<String, u64>,
    pub lines: u64,
}

/// Why reading ended early.
#[derive(Debug)]
pub(crate) enum Stop {
    /// The history is not keyed.
    NotKeyed,
    /// Something is wrong in a line.
    Wrong(usize, String),
}

/// Reads bytes that begin in the given line and passes each item to the last argument.
pub(crate) type Parser =
    fn(&[u8], usize, Style, &mut PassedOver, &mut dyn FnMut(Item) -> Result<(), Stop>) -> Result<(), Stop>;

impl Stop {
    /// The error in line `line`.
    pub fn at(line: usize, problem: Unreadable) -> Self {
        match problem {
            Unreadable::NotKeyed => Stop::NotKeyed,
            Unreadable::Wrong(reason) => Stop::Wrong(line, reason),
        }
    }
}

/// Reads all of `source`.
pub(crate) fn read(source: &Source<'_>, style: Style, parser: Parser) -> Result<Read, ImportError> {
    let keyed = Style { keyed: true, ..style };
    match in_blocks(source, keyed, parser)? {
        Ok(read) => return Ok(read),
        Err(Stop::NotKeyed) => {}
        Err(Stop::Wrong(..)) => {
            if let Ok(read) = as_a_whole(&source.all()?, keyed, parser) {
                return Ok(read);
            }
        }
    }
    if let Ok(read) = in_blocks(source, style, parser)? {
        return Ok(read);
    }
    as_a_whole(&source.all()?, style, parser).map_err(|stop| match stop {
        Stop::Wrong(line, reason) => source.malformed(line, reason),
        Stop::NotKeyed => source.malformed(1, "the history is not keyed"),
    })
}

type Attempt = Result<Read, Stop>;

fn in_blocks(source: &Source<'_>, style: Style, parser: Parser) -> Result<Attempt, ImportError> {
    let mut whole = Whole::default();
    let mut lines_before = 0;
    let stopped = for_each_block(
        source.reader()?,
        |block| {
            let mut items = Vec::new();
            let mut passed_over = PassedOver::default();
            let end = parser(&block.bytes, 1, style, &mut passed_over, &mut |item| {
                items.push(item);
                Ok(())
            });
            let lines = memchr::memchr_iter(b'\n', &block.bytes).count();
            (items, passed_over, lines, end)
        },
        |(items, passed_over, lines, end)| {
            for item in items {
                if let Err(stop) = whole.take(item.moved(lines_before)) {
                    return ControlFlow::Break(stop);
                }
            }
            whole.pass_over(passed_over);
            lines_before += lines;
            match end {
                Ok(()) => ControlFlow::Continue(()),
                Err(stop) => ControlFlow::Break(stop),
            }
        },
    );
    Ok(match stopped.map_err(|error| source.error(error))? {
        Some(stop) => Err(stop),
        None => whole.finish(style, lines_before + 1),
    })
}

fn as_a_whole(bytes: &[u8], style: Style, parser: Parser) -> Attempt {
    let mut whole = Whole {
        begun: Some(HashMap::new()),
        ..Whole::default()
    };
    let mut passed_over = PassedOver::default();
    let end = parser(bytes, 1, style, &mut passed_over, &mut |item| whole.take(item));
    end.map_err(|stop| match (stop, passed_over.lines) {
        (Stop::Wrong(line, reason), 1) => Stop::Wrong(
            line,
            format!("{reason} (1 line before it is no operation and was left out)"),
        ),
        (Stop::Wrong(line, reason), others @ 2..) => Stop::Wrong(
            line,
            format!("{reason} ({others} lines before it are no operations and were left out)"),
        ),
        (stop, _) => stop,
    })?;
    whole.pass_over(passed_over);
    whole.finish(style, memchr::memchr_iter(b'\n', bytes).count() + 1)
}

impl Item {
    fn moved(mut self, lines: usize) -> Self {
        match &mut self {
            Item::Bracket { line, .. } => *line += lines,
            Item::Op(record) => record.line += lines,
        }
        self
    }
}

/// The sequence of operations, in or without brackets.
#[derive(Default)]
struct Whole {
    assembler: Assembler,
    items: u64,
    /// The bracket that must still close.
    open: Option<u8>,
    closed: bool,
    /// Where each process began what it has not completed, if errors are to say so.
    begun: Option<HashMap<u64, usize>>,
}

impl Whole {
    fn take(&mut self, item: Item) -> Result<(), Stop> {
        self.items += 1;
        match item {
            Item::Op(record) => {
                let line = record.line;
                if self.closed {
                    return Err(Stop::Wrong(
                        line,
                        "something follows the end of the list".to_owned(),
                    ));
                }
                let Some(begun) = &mut self.begun else {
                    return (self.assembler.push(record)).map_err(|reason| Stop::Wrong(line, reason));
                };
                let invoked = match &record.what {
                    What::Invoke { process, .. } | What::InvokeDrain { process, .. } => {
                        begun.insert(*process, line)
                    }
                    What::Ok { process, .. } | What::End { process, .. } | What::OkDrain { process, .. } => {
                        begun.remove(process);
                        None
                    }
                    What::Nemesis { .. } => None,
                };
                self.assembler.push(record).map_err(|reason| match invoked {
                    Some(before) => Stop::Wrong(line, format!("{reason} (since line {before})")),
                    None => Stop::Wrong(line, reason),
                })
            }
            Item::Bracket { byte, .. } if matches!(byte, b'[' | b'(') && self.items == 1 => {
                self.open = Some(if byte == b'[' { b']' } else { b')' });
                Ok(())
            }
            Item::Bracket { byte, .. } if self.open == Some(byte) => {
                self.open = None;
                self.closed = true;
                Ok(())
            }
            Item::Bracket { byte, line } => {
                let reason = match byte {
                    b'[' | b'(' => "an operation must be a map, not a list".to_owned(),
                    _ => format!("unexpected `{}`", char::from(byte)),
                };
                Err(Stop::Wrong(line, reason))
            }
        }
    }

    fn pass_over(&mut self, passed_over: PassedOver) {
        for (name, count) in passed_over.fields {
            *self.assembler.ignored_fields.entry(name).or_default() += count;
        }
        self.assembler.other_lines += passed_over.lines;
    }

    fn finish(self, style: Style, last_line: usize) -> Attempt {
        if let Some(byte) = self.open {
            let reason = format!("the file ends before the `{}` of its list", char::from(byte));
            return Err(Stop::Wrong(last_line, reason));
        }
        self.assembler
            .finish(style.keyed)
            .map_err(|(line, reason)| Stop::Wrong(line, reason))
    }
}
