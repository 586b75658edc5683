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
//! clock at another moment (Knossos and Elle rely on the file's order, too). With exceptions, for files that
//! were sorted in another way:
//! - Where every operation has an `:index` of its own and these do not ascend, their order counts
//!   (jepsen.history: indices ascend).
//! - Where no operation in the file overlaps another one, but their times go back, their times count: the
//!   file lists operation by operation, or process by process. This is sure only where such a list shows.
//! - Where the lines make no sense, but the times do, the times count.
//!
//! Where times go back otherwise, the lines count, and are sure only if every operation has an index.

use std::collections::{BTreeMap, HashMap};
use std::ops::ControlFlow;

use rustc_hash::FxHashSet;

use super::assemble::{Assembler, Refusal};
use super::jepsen::{Record, Style, Unreadable, What, Who};
use super::order::{Arrangement, Contradiction, Order};
use super::source::Source;
use super::{ImportError, Read, Remark};
use super::{in_time, uninvoked};
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
    /// The lines do not stand in the order that counts.
    Unsorted(Arrangement),
    /// They may not, since this is wrong if they do.
    Nonsense(Box<Stop>),
    /// An operation ends before any begins: perhaps no invocation is recorded.
    Uninvoked,
    /// Invocations are recorded after all.
    Invoked,
    /// Something is wrong in a line, and something before it has settled that values are tuples of keys.
    WrongTuple(usize, String),
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

/// How the lines of a file are to be taken.
#[derive(Clone, Copy)]
struct Way {
    style: Style,
    order: Order,
    /// The order is the one that the user names.
    is_given: bool,
    /// Why it is not the order of the lines.
    arrangement: Option<Arrangement>,
    /// Whether it was found out that operations have invocations.
    has_invocations: bool,
}

impl Way {
    fn new(style: Style, order: Option<Order>) -> Way {
        Way {
            style,
            order: order.unwrap_or(Order::Lines),
            is_given: order.is_some(),
            arrangement: None,
            has_invocations: false,
        }
    }
}

/// Reads all of `source`, in that order if one is given.
pub(crate) fn read(
    source: &Source<'_>,
    style: Style,
    order: Option<Order>,
    parser: Parser,
) -> Result<Read, ImportError> {
    let attempt = |style| attempt(source, style, order, parser);
    let may_be_keyed = match attempt(Style { keyed: true, ..style })? {
        Ok(read) => return Ok(read),
        Err(Stop::WrongTuple(line, reason)) => return Err(source.malformed(line, reason)),
        Err(stop) => matches!(stop, Stop::MaybeKeyed),
    };
    let read = attempt(style)?.map(|read| in_doubt(read, may_be_keyed));
    read.map_err(|stop| match stop {
        Stop::Wrong(line, reason) | Stop::WrongTuple(line, reason) => source.malformed(line, reason),
        _ => source.malformed(1, "the history is not keyed"),
    })
}

/// Notes that values which were read as they stand may be tuples of keys.
fn in_doubt((mut history, remarks): Read, may_be_keyed: bool) -> Read {
    history.doubts.extend(may_be_keyed.then_some(Doubt::UnknownKeys));
    (history, remarks)
}

/// Reads the operations that `items` passes on, which are no lines of a text. An error names the operation,
/// from 1.
pub(crate) fn read_items(
    style: Style,
    order: Option<Order>,
    items: impl Fn(Style, &mut PassedOver, &mut dyn FnMut(Item) -> Result<(), Stop>) -> Result<(), Stop>,
) -> Result<Read, (usize, String)> {
    let attempt = |style| {
        tries(Way::new(style, order), None, |way| {
            of_items(way, 0, |passed_over, emit| items(way.style, passed_over, emit))
        })
    };
    let may_be_keyed = match attempt(Style { keyed: true, ..style }) {
        Ok(read) => return Ok(read),
        Err(Stop::WrongTuple(number, reason)) => return Err((number, reason)),
        Err(stop) => matches!(stop, Stop::MaybeKeyed),
    };
    let read = attempt(style).map(|read| in_doubt(read, may_be_keyed));
    read.map_err(|stop| match stop {
        Stop::Wrong(number, reason) | Stop::WrongTuple(number, reason) => (number, reason),
        _ => (0, "the history is not keyed".to_owned()),
    })
}

/// Reads all of `source`, whose values are tuples of keys, or are not.
fn attempt(
    source: &Source<'_>,
    style: Style,
    order: Option<Order>,
    parser: Parser,
) -> Result<Attempt, ImportError> {
    let way = Way::new(style, order);
    let first = match way.order {
        Order::Lines => match in_blocks(source, way, parser)? {
            stopped @ Err(Stop::NotKeyed | Stop::MaybeKeyed) => return Ok(stopped),
            Ok(read) => return Ok(Ok(read)),
            // Only a reader of the whole can say everything about it.
            Err(Stop::Nonsense(_)) => None,
            Err(stop) => Some(stop),
        },
        _ => None,
    };
    let bytes = source.all()?;
    Ok(tries(way, first, |way| as_a_whole(&bytes, way, parser)))
}

/// Reads in one way after the other, as each finds out what the next must be.
fn tries(way: Way, first: Option<Stop>, mut read: impl FnMut(Way) -> Attempt) -> Attempt {
    let mut way = way;
    let mut stopped = first;
    let mut in_the_end = None;
    loop {
        match stopped {
            Some(Stop::Unsorted(arrangement)) => {
                way.order = arrangement.by;
                way.arrangement = Some(arrangement);
            }
            Some(Stop::Nonsense(stop)) => {
                in_the_end = in_the_end.or(Some(*stop));
                way.order = Order::Time;
                way.arrangement = Some(Arrangement {
                    by: Order::Time,
                    found: Contradiction::Nonsense,
                    other: None,
                });
            }
            Some(Stop::Uninvoked) => way.style.uninvoked = true,
            Some(Stop::Invoked) => {
                way.style.uninvoked = false;
                way.has_invocations = true;
            }
            _ => {}
        }
        match read(way) {
            // Each of these ends one kind of doubt.
            Err(stop @ (Stop::Unsorted(_) | Stop::Nonsense(..) | Stop::Uninvoked | Stop::Invoked)) => {
                stopped = Some(stop)
            }
            // It may have stopped before the first invocation, where lines are mixed.
            Err(stop) if way.style.uninvoked => {
                in_the_end = Some(stop);
                stopped = Some(Stop::Invoked);
            }
            Err(stop) => return Err(in_the_end.unwrap_or(stop)),
            Ok(read) => return Ok(read),
        }
    }
}

type Attempt = Result<Read, Stop>;

fn in_blocks(source: &Source<'_>, way: Way, parser: Parser) -> Result<Attempt, ImportError> {
    let style = way.style;
    let mut whole = Whole::new(way);
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

fn as_a_whole(bytes: &[u8], way: Way, parser: Parser) -> Attempt {
    let last_line = memchr::memchr_iter(b'\n', bytes).count() + 1;
    of_items(way, last_line, |passed_over, emit| {
        parser(bytes, 1, way.style, passed_over, emit)
    })
}

/// Takes the items that the last argument passes on.
fn of_items(
    way: Way,
    last_line: usize,
    items: impl FnOnce(&mut PassedOver, &mut dyn FnMut(Item) -> Result<(), Stop>) -> Result<(), Stop>,
) -> Attempt {
    let mut whole = Whole {
        begun: Some(HashMap::new()),
        ..Whole::new(way)
    };
    let mut passed_over = PassedOver::default();
    items(&mut passed_over, &mut |item| whole.take(item)).map_err(|stop| {
        match (stop, passed_over.lines) {
            (Stop::Wrong(line, reason), 1) => Stop::Wrong(
                line,
                format!("{reason} (1 line before it is no operation and was left out)"),
            ),
            (Stop::Wrong(line, reason), others @ 2..) => Stop::Wrong(
                line,
                format!("{reason} ({others} lines before it are no operations and were left out)"),
            ),
            (stop, _) => stop,
        }
    })?;
    whole.pass_over(passed_over);
    whole.finish(last_line)
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
    way: Way,
    /// The last index.
    last_index: i64,
    /// Whether every operation of a client so far has an index.
    is_indexed: bool,
    /// The first line without a time.
    timeless: Option<usize>,
    /// The latest time so far, and how many events of clients have earlier times and stand behind it.
    latest_ns: u64,
    back: u64,
    /// The operations, if they must be sorted first.
    records: Vec<Record>,
    items: u64,
    /// Whether an invocation was seen.
    is_invoked: bool,
    /// Where the first operation without a process stands, and whether another one has a process.
    nameless: Option<usize>,
    has_names: bool,
    /// Where the operation without a process that is open was invoked.
    open_nameless: Option<usize>,
    /// How many operations had no process, each taken for one of its own.
    alone: u64,
    /// The bracket that must still close.
    open: Option<u8>,
    closed: bool,
    /// Where each process began what it has not completed, if errors are to say so.
    begun: Option<HashMap<Who, usize>>,
}

impl Whole {
    fn new(way: Way) -> Whole {
        Whole {
            assembler: Assembler::new(way.style.keyed),
            way,
            last_index: i64::MIN,
            is_indexed: true,
            timeless: None,
            latest_ns: 0,
            back: 0,
            records: Vec::new(),
            items: 0,
            is_invoked: false,
            nameless: None,
            has_names: false,
            open_nameless: None,
            alone: 0,
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
                self.take_record(record)
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

    fn take_record(&mut self, mut record: Record) -> Result<(), Stop> {
        let line = record.line;
        // A nemesis need not be counted.
        self.is_indexed &= record.index.is_some() || record.what.who_mut().is_none();
        match record.time_ns {
            None => self.timeless = self.timeless.or(Some(line)),
            Some(time_ns) if time_ns < self.latest_ns => {
                self.back += u64::from(record.what.who_mut().is_some());
            }
            Some(time_ns) => self.latest_ns = time_ns,
        }
        self.is_invoked |= record.what.is_invocation();
        if !self.is_invoked
            && !self.way.style.uninvoked
            && !self.way.has_invocations
            && record.what.is_completion()
        {
            return Err(Stop::Uninvoked);
        }
        if let Some(who) = record.what.who_mut() {
            match who {
                Who::Absent => self.nameless = self.nameless.or(Some(line)),
                _ => self.has_names = true,
            }
            if let (Some(line), true) = (self.nameless, self.has_names) {
                return Err(Stop::Wrong(line, "the operation has no process".to_owned()));
            }
        }
        let is_unsorted = record.index.is_some_and(|index| index <= self.last_index);
        if is_unsorted
            && self.way.order == Order::Lines
            && !self.way.is_given
            && self.way.arrangement.is_none()
        {
            return Err(Stop::Unsorted(BY_INDEX));
        }
        self.last_index = record.index.unwrap_or(self.last_index);
        if self.way.order == Order::Time {
            self.name(&mut record)?;
        }
        match self.way.order == Order::Lines && !self.way.style.uninvoked {
            true => self.push(record),
            false => {
                self.records.push(record);
                Ok(())
            }
        }
    }

    /// Gives an operation without a process one: where nothing overlaps, the only one; where no invocation is
    /// recorded, or the operations are still to be sorted, one of its own.
    fn name(&mut self, record: &mut Record) -> Result<(), Stop> {
        let (line, is_invocation) = (record.line, record.what.is_invocation());
        let is_alone = self.way.style.uninvoked || self.way.order == Order::Time;
        if !matches!(record.what.who_mut(), Some(Who::Absent)) {
            return Ok(());
        }
        if let (true, Some(before)) = (is_invocation, self.open_nameless) {
            let reason = format!(
                "no operation names its process, and this one is invoked while that of line {before} is open, so that no \
                 completion can be told from another; record the :process of each"
            );
            return Err(Stop::Wrong(line, reason));
        }
        self.open_nameless = is_invocation.then_some(line);
        (record.what).rename(Who::Client(if is_alone { self.alone } else { 0 }));
        self.alone += u64::from(!is_invocation);
        Ok(())
    }

    fn pass_over(&mut self, passed_over: PassedOver) {
        for (name, count) in passed_over.fields {
            *self.assembler.ignored_fields.entry(name).or_default() += count;
        }
        self.assembler.other_lines += passed_over.lines;
    }

    fn push(&mut self, mut record: Record) -> Result<(), Stop> {
        let line = record.line;
        self.name(&mut record)?;
        let invoked = self.begun.as_mut().and_then(|begun| match &record.what {
            What::Invoke { who, .. } | What::InvokeDrain { who, .. } => begun.insert(who.clone(), line),
            What::Ok { who, .. } | What::End { who, .. } | What::OkDrain { who, .. } => {
                begun.remove(who);
                None
            }
            _ => None,
        });
        let Err(mut reason) = self.assembler.push(record) else {
            return Ok(());
        };
        // What makes no sense in the order of the lines may do so in another one.
        let is_open = self.way.order == Order::Lines && !self.way.is_given && self.way.arrangement.is_none();
        if is_open && self.is_indexed {
            return Err(Stop::Unsorted(BY_INDEX));
        }
        if let Some(before) = invoked {
            reason += &format!(" (since line {before})");
        }
        let stop = match self.assembler.has_proved_tuples() {
            true => Stop::WrongTuple(line, reason),
            false => Stop::Wrong(line, reason),
        };
        let is_timed = self.timeless.is_none() && !self.way.style.uninvoked;
        Err(match is_open && is_timed {
            true => Stop::Nonsense(Box::new(stop)),
            false => stop,
        })
    }

    /// Takes what had to be sorted first.
    fn sort(&mut self) -> Result<(), Stop> {
        let mut records = std::mem::take(&mut self.records);
        let is_uninvoked = self.way.style.uninvoked;
        if is_uninvoked && self.is_invoked {
            return Err(Stop::Invoked);
        }
        let mut about = self.way.arrangement;
        match self.way.order {
            Order::Lines if is_uninvoked && self.may_be_timed() && goes_back(&records) => {
                return Err(Stop::Unsorted(Arrangement {
                    by: Order::Time,
                    found: Contradiction::Times(self.back),
                    other: (!are_listed(&ends(&mut records))).then_some(Order::Lines),
                }));
            }
            Order::Lines => {}
            Order::Index => {
                let mut indices: Vec<i64> = records.iter().filter_map(|record| record.index).collect();
                indices.sort_unstable();
                if self.is_indexed && indices.windows(2).all(|two| two[0] != two[1]) {
                    records.sort_by_key(|record| record.index);
                } else if self.way.is_given {
                    let reason =
                        "not every operation has an :index of its own, by which they could be ordered";
                    return Err(Stop::Wrong(1, reason.to_owned()));
                } else {
                    about = Some(Arrangement {
                        by: Order::Lines,
                        found: Contradiction::SomeIndices,
                        other: (self.timeless.is_none() && self.back > 0).then_some(Order::Time),
                    });
                }
            }
            Order::Time => {
                if let Some(line) = self.timeless {
                    let reason = "the operation has no time, by which it could be ordered";
                    return Err(Stop::Wrong(line, reason.to_owned()));
                }
                records = in_time::sort(records);
            }
        }
        self.assembler.about.extend(about.map(Remark::Order));
        if is_uninvoked {
            records.iter_mut().try_for_each(|record| self.name(record))?;
            if !self.way.style.keyed && uninvoked::may_lack_keys(&records) {
                self.assembler.doubts.push(Doubt::UnknownAsked);
            }
            records = uninvoked::invoked_before(records);
            self.assembler.about.push(match self.nameless {
                None => "no invocation is recorded: each operation may have begun as soon as the one before it of its process ended"
                    .into(),
                Some(_) => "neither invocations nor processes are recorded: each operation may have begun at any time before it ended"
                    .into(),
            });
        } else if self.nameless.is_some() {
            self.assembler
                .about
                .push("no operation names its process: since none overlaps another one, each completion ends the one before it".into());
        }
        records.into_iter().try_for_each(|record| self.push(record))
    }

    fn finish(mut self, last_line: usize) -> Attempt {
        if let Some(byte) = self.open {
            let reason = format!("the file ends before the `{}` of its list", char::from(byte));
            return Err(Stop::Wrong(last_line, reason));
        }
        self.sort()?;
        let may_be_apart = self.may_be_timed() && !self.way.style.uninvoked;
        let is_open = self.way.order == Order::Lines && !self.way.is_given && self.back > 0;
        let (is_timed, is_indexed, back) = (self.timeless.is_none(), self.is_indexed, self.back);
        let (history, mut remarks) =
            (self.assembler.finish()).map_err(|Refusal::NotKeyed| Stop::MaybeKeyed)?;
        if may_be_apart && is_listed_apart(&history) {
            let rows: Vec<Row> = history.operations.iter().map(row).collect();
            return Err(Stop::Unsorted(Arrangement {
                by: Order::Time,
                found: Contradiction::ListedApart,
                other: (!are_listed(&rows)).then_some(Order::Lines),
            }));
        }
        if is_open {
            remarks.push(Remark::Order(Arrangement {
                by: Order::Lines,
                found: Contradiction::Times(back),
                // Who records indices counts events as they happen.
                other: (is_timed && !is_indexed).then_some(Order::Time),
            }));
        }
        Ok((history, remarks))
    }

    /// Whether the times may count, and not the lines, if something tells for it.
    fn may_be_timed(&self) -> bool {
        let is_by_lines = self.way.order == Order::Lines && !self.way.is_given;
        is_by_lines && !self.is_indexed && self.timeless.is_none()
    }
}

/// The order that indices give, which jepsen.history promises to ascend.
const BY_INDEX: Arrangement = Arrangement {
    by: Order::Index,
    found: Contradiction::Indices,
    other: None,
};

/// An operation of a list: its process, and when it began and ended.
type Row = (u64, u64, u64);

fn row(operation: &Operation) -> Row {
    let start = operation.invoked_ns;
    let end = operation.completed_ns.map_or(start, Ns::get);
    (u64::from(operation.process), start, end)
}

/// When the operations ended of which only the ends are recorded.
fn ends(records: &mut [Record]) -> Vec<Row> {
    let mut numbers: HashMap<Who, u64> = HashMap::new();
    let mut row = |record: &mut Record| {
        let (who, time_ns) = (record.what.who_mut()?.clone(), record.time_ns?);
        let next = numbers.len() as u64;
        Some((*numbers.entry(who).or_insert(next), time_ns, time_ns))
    };
    records.iter_mut().filter_map(&mut row).collect()
}

/// Whether these rows are sorted in a way in which one sorts lists: by when operations began, by when they
/// ended (but not by both, as a record of events would be), or process by process.
fn are_listed(rows: &[Row]) -> bool {
    let ascend = |key: fn(&Row) -> u64| rows.windows(2).all(|two| key(&two[0]) <= key(&two[1]));
    let processes: FxHashSet<u64> = rows.iter().map(|row| row.0).collect();
    let changes = rows.windows(2).filter(|two| two[0].0 != two[1].0).count();
    let within = |two: &[Row]| two[0].0 != two[1].0 || two[0].2 <= two[1].1;
    let is_by_process = (2..rows.len()).contains(&processes.len())
        && changes + 1 == processes.len()
        && rows.windows(2).all(within);
    ascend(|row| row.1) != ascend(|row| row.2) || is_by_process
}

/// Whether the times of some records are before those of others that stand before them.
fn goes_back(records: &[Record]) -> bool {
    records.windows(2).any(|two| two[0].time_ns > two[1].time_ns)
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
