//! Reads a file that is a sequence of operation maps, with or without brackets around it.
//!
//! A file is first read in blocks of lines, in parallel, in the hope that each block begins and ends between
//! two operations. That is sound: a reader that stands between two operations at the end of a block does so,
//! whatever follows. Where it fails (a map crosses from block to block, or something is really wrong), the
//! file is read again as a whole, by one thread, and then errors are final.
//!
//! Whether values are the tuples of independent keys is known only at the end. It is tried first, and mostly
//! refuted by the first operation. Where nothing tells, they are values, and the history is in doubt.
//!
//! The order of events is the order of the file: harnesses write an event when they see it, and read the
//! clock at another moment (Knossos and Elle rely on the file's order, too). With two exceptions, for files
//! that were sorted in another way:
//! - Where every operation has an `:index` of its own and these do not ascend, their order counts
//!   (jepsen.history: indices ascend).
//! - Where no operation in the file overlaps another one, but their times go back, their times count: the
//!   file lists operation by operation, or process by process.

use std::collections::{BTreeMap, HashMap};
use std::ops::ControlFlow;

use super::assemble::{Assembler, Refusal};
use super::jepsen::{Record, Style, Unreadable, What, Who};
use super::source::Source;
use super::{ImportError, Read};
use crate::parallel_lines::for_each_block;
use crate::{Doubt, History, Ns, OPEN, Operation};

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
    /// Nothing tells whether it is.
    MaybeKeyed,
    /// The lines are not in their order, which is this one.
    Unsorted(Order),
    /// Something is wrong in a line, and something before it has settled that values are tuples of keys.
    WrongTuple(usize, String),
    /// Something is wrong in a line.
    Wrong(usize, String),
}

/// What gives events their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    Lines,
    Indices,
    Times,
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
    let mut order = Order::Lines;
    let mut may_be_keyed = false;
    match in_blocks(source, keyed, parser)? {
        Ok(read) => return Ok(read),
        Err(Stop::NotKeyed) => {}
        Err(Stop::MaybeKeyed) => may_be_keyed = true,
        Err(stop) => {
            if let Stop::Unsorted(other) = stop {
                order = other;
            }
            match as_a_whole(&source.all()?, keyed, order, parser) {
                Ok(read) => return Ok(read),
                Err(Stop::Unsorted(other)) => {
                    order = other;
                    match as_a_whole(&source.all()?, keyed, order, parser) {
                        Ok(read) => return Ok(read),
                        Err(Stop::WrongTuple(line, reason)) => return Err(source.malformed(line, reason)),
                        Err(stop) => may_be_keyed = matches!(stop, Stop::MaybeKeyed),
                    }
                }
                Err(Stop::WrongTuple(line, reason)) => return Err(source.malformed(line, reason)),
                Err(stop) => may_be_keyed = matches!(stop, Stop::MaybeKeyed),
            }
        }
    }
    let in_doubt = |(mut history, remarks): Read| {
        history.doubts.extend(may_be_keyed.then_some(Doubt::UnknownKeys));
        (history, remarks)
    };
    match in_blocks(source, style, parser)? {
        Ok(read) => return Ok(in_doubt(read)),
        Err(Stop::Unsorted(other)) => order = other,
        Err(_) => {}
    }
    let bytes = source.all()?;
    let read = match as_a_whole(&bytes, style, order, parser) {
        Err(Stop::Unsorted(other)) => as_a_whole(&bytes, style, other, parser),
        read => read,
    };
    read.map(in_doubt).map_err(|stop| match stop {
        Stop::Wrong(line, reason) | Stop::WrongTuple(line, reason) => source.malformed(line, reason),
        Stop::NotKeyed | Stop::MaybeKeyed | Stop::Unsorted(_) => {
            source.malformed(1, "the history is not keyed")
        }
    })
}

type Attempt = Result<Read, Stop>;

fn in_blocks(source: &Source<'_>, style: Style, parser: Parser) -> Result<Attempt, ImportError> {
    let mut whole = Whole::new(style, Order::Lines);
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
        None => whole.finish(lines_before + 1),
    })
}

fn as_a_whole(bytes: &[u8], style: Style, order: Order, parser: Parser) -> Attempt {
    let mut whole = Whole {
        begun: Some(HashMap::new()),
        ..Whole::new(style, order)
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
    whole.finish(memchr::memchr_iter(b'\n', bytes).count() + 1)
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
struct Whole {
    assembler: Assembler,
    order: Order,
    /// The last index.
    last_index: i64,
    /// Whether every operation so far has an index.
    is_indexed: bool,
    /// Whether some operation has no time.
    lacks_time: bool,
    /// The operations, if they must be sorted first.
    records: Vec<Record>,
    items: u64,
    /// The bracket that must still close.
    open: Option<u8>,
    closed: bool,
    /// Where each process began what it has not completed, if errors are to say so.
    begun: Option<HashMap<Who, usize>>,
}

impl Whole {
    fn new(style: Style, order: Order) -> Whole {
        Whole {
            assembler: Assembler::new(style.keyed),
            order,
            last_index: i64::MIN,
            is_indexed: true,
            lacks_time: false,
            records: Vec::new(),
            items: 0,
            open: None,
            closed: false,
            begun: None,
        }
    }

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
                self.is_indexed &= record.index.is_some();
                self.lacks_time |= record.time_ns.is_none();
                match self.order {
                    Order::Lines if record.index.is_some_and(|index| index <= self.last_index) => {
                        Err(Stop::Unsorted(Order::Indices))
                    }
                    Order::Lines => {
                        self.last_index = record.index.unwrap_or(self.last_index);
                        self.push(record)
                    }
                    Order::Indices | Order::Times => {
                        self.records.push(record);
                        Ok(())
                    }
                }
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

    fn push(&mut self, record: Record) -> Result<(), Stop> {
        let line = record.line;
        let invoked = self.begun.as_mut().and_then(|begun| match &record.what {
            What::Invoke { who, .. } | What::InvokeDrain { who, .. } => begun.insert(who.clone(), line),
            What::Ok { who, .. } | What::End { who, .. } | What::OkDrain { who, .. } => {
                begun.remove(who);
                None
            }
            What::Nemesis { .. } | What::Aside => None,
        });
        let Err(mut reason) = self.assembler.push(record) else {
            return Ok(());
        };
        // What makes no sense in the order of the lines may do so in that of the indices.
        if self.order == Order::Lines && self.is_indexed {
            return Err(Stop::Unsorted(Order::Indices));
        }
        if let Some(before) = invoked {
            reason += &format!(" (since line {before})");
        }
        Err(match self.assembler.has_proved_tuples() {
            true => Stop::WrongTuple(line, reason),
            false => Stop::Wrong(line, reason),
        })
    }

    /// Takes what had to be sorted first.
    fn sort(&mut self) -> Result<(), Stop> {
        let mut records = std::mem::take(&mut self.records);
        let about = match self.order {
            Order::Lines => return Ok(()),
            Order::Indices => {
                let mut indices: Vec<Option<i64>> = records.iter().map(|record| record.index).collect();
                indices.sort_unstable();
                match self.is_indexed && indices.windows(2).all(|two| two[0] != two[1]) {
                    true => {
                        records.sort_by_key(|record| record.index);
                        "the lines do not stand in the order of their :index; the order of the indices counts"
                    }
                    false => {
                        "the lines do not stand in the order of their :index, but not every operation has one of its \
                         own: the order of the lines counts"
                    }
                }
            }
            Order::Times => {
                // Where an operation ends when another one begins, they are taken to overlap.
                let is_end = |record: &Record| {
                    matches!(
                        record.what,
                        What::Ok { .. } | What::End { .. } | What::OkDrain { .. }
                    )
                };
                records.sort_by_key(|record| (record.time_ns, is_end(record)));
                "no operation in the file overlaps another one, but by their times they do: the order of the times \
                 counts"
            }
        };
        self.assembler.about.push(about.into());
        records.into_iter().try_for_each(|record| self.push(record))
    }

    fn finish(mut self, last_line: usize) -> Attempt {
        if let Some(byte) = self.open {
            let reason = format!("the file ends before the `{}` of its list", char::from(byte));
            return Err(Stop::Wrong(last_line, reason));
        }
        self.sort()?;
        let is_in_doubt = self.order == Order::Lines && !self.is_indexed && !self.lacks_time;
        let (history, remarks) = (self.assembler.finish()).map_err(|Refusal::NotKeyed| Stop::MaybeKeyed)?;
        if is_in_doubt && is_listed_apart(&history) {
            return Err(Stop::Unsorted(Order::Times));
        }
        Ok((history, remarks))
    }
}

/// Whether no operation with a known outcome overlaps another one although their times go back.
fn is_listed_apart(history: &History) -> bool {
    let times = |operation: &Operation| [Some(operation.invoked_ns), operation.completed_ns.map(Ns::get)];
    let mut latest = 0;
    let mut goes_back = false;
    for time_ns in history.operations.iter().flat_map(times).flatten() {
        goes_back |= time_ns < latest;
        latest = latest.max(time_ns);
    }
    // What a drain took was taken at once.
    let times = |operation: &Operation| (operation.invoked_ns, operation.completed_ns);
    let overlap = |two: &[Operation]| {
        two[0].completed != OPEN && two[0].completed > two[1].invoked && times(&two[0]) != times(&two[1])
    };
    goes_back && !history.operations.windows(2).any(overlap)
}
