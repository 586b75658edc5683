//! The timeline that people explore: its data, as the page's script (`templates/timeline/`) reads it.
//!
//! Invariants:
//! - What a stretch of time is said to show whole, it shows whole: every operation that ran then. Elsewhere
//!   the page has the counts of every slice of time, and those operations that matter wherever they are.
//! - The size is bounded, however long the run, the values or the logs ([`MOST_OPERATIONS`], [`pack`],
//!   [`logs`]).
//! - Everything that comes from outside is data in JSON, in which `<` cannot occur; the script shows it as
//!   text.
//! - Times are milliseconds since the start of the run; within packed operations whole ticks, microseconds
//!   but for very short histories.

mod choose;
pub(crate) mod logs;
mod pack;

use checker::Analysis;
use history::tell::{self, cut};
use history::{History, Key, NemesisSpan, RunDir, TestRecord};
use serde::Serialize;

use crate::class::Class;
use crate::fault_bands::Background;
use crate::results::{FaultRow, NoteRow};
use crate::svg::hex;
use crate::timeline::{Subject, conflict_arrows, named, numbers, places};

/// The script that shows the data: plain JavaScript without dependencies. Its parts are one function, so that
/// its names are the page's only by intent. It never makes markup out of data (only `textContent`).
pub(crate) const SCRIPT: &str = concat!(
    "'use strict';\n(() => {\n",
    include_str!("../../templates/timeline/operations.js"),
    include_str!("../../templates/timeline/canvas.js"),
    include_str!("../../templates/timeline/details.js"),
    include_str!("../../templates/timeline/controls.js"),
    "})();\n"
);
/// The most operations that a page holds, one by one.
const MOST_OPERATIONS: usize = 130_000;
/// The most characters of packed operations.
const MOST_PACKED: usize = 2_500_000;
/// The longest sentence, characters.
const MOST_CHARS: usize = 600;
/// The most slices of time in which all operations are counted.
const SLICES: usize = 600;

/// All that the script needs.
#[derive(Serialize)]
struct Data<'a> {
    end_ms: f64,
    /// The unit of times in packed operations.
    tick_ms: f64,
    /// How many operations the history has.
    total: usize,
    /// The names of the kinds of operations, by the numbers of packed ones.
    kinds: Vec<&'static str>,
    /// How labels are put together: in words, with letters.
    labels: [tell::Form; 2],
    nodes: &'a [String],
    per_key: bool,
    /// The stretches of time that are shown whole.
    whole: Vec<(f64, f64)>,
    packed: pack::Packed,
    slices: Slices,
    faults: Vec<Fault>,
    leaders: Vec<Leader<'a>>,
    conflicts: Vec<Conflict>,
    logs: Option<logs::Logs>,
}

/// All operations by the slice of time in which they ended, by class.
#[derive(Serialize)]
struct Slices {
    length_ms: f64,
    ok: Vec<u32>,
    mismatch: Vec<u32>,
    fail: Vec<u32>,
    info: Vec<u32>,
}

#[derive(Serialize)]
struct Fault {
    name: String,
    detail: String,
    hold: &'static str,
    colour: String,
    from_ms: f64,
    to_ms: f64,
}

#[derive(Serialize)]
struct Leader<'a> {
    at_ms: f64,
    node: &'a str,
    term: Option<u64>,
}

#[derive(Serialize)]
struct Conflict {
    key: String,
    rule: &'static str,
    sentences: Vec<String>,
    /// Operations with their numbers, in the order in which to read them.
    operations: Vec<(usize, usize)>,
    links: Vec<usize>,
    arrows: Vec<(usize, usize, &'static str)>,
}

/// What is explored, beside the history itself.
pub(crate) struct Explored<'a> {
    pub subject: &'a Subject<'a>,
    pub analysis: &'a Analysis,
    pub faults: &'a [FaultRow],
    pub leaders: &'a [NoteRow],
    /// Where the nodes' logs are, and the plan, of a run.
    pub logs: Option<(&'a RunDir, &'a TestRecord)>,
}

/// Its data as JSON that can be part of an HTML page.
pub(crate) fn data(explored: &Explored) -> Result<String, String> {
    let Explored {
        subject, analysis, ..
    } = *explored;
    let (history, background) = (subject.history, subject.background);
    let moments = moments(history, analysis);
    let points = (analysis.orders.iter())
        .flat_map(|(_, order)| places(history, order, history.end_ns))
        .collect();
    // Short histories need nanoseconds.
    let tick_ns = if history.end_ns < 100_000_000 { 1 } else { 1_000 };
    let mut most = MOST_OPERATIONS;
    let (chosen, packed) = loop {
        let chosen = choose::choose(history, analysis, &moments, most);
        let packed = pack::pack(history, &chosen.operations, &points, tick_ns);
        // Large values need more room each.
        match packed.size() {
            size if size > MOST_PACKED => most = most * 9 / 10 * MOST_PACKED / size,
            _ => break (chosen, packed),
        }
    };
    let data = Data {
        end_ms: background.end_s * 1e3,
        tick_ms: tick_ns as f64 / 1e6,
        total: history.operations.len(),
        kinds: history::OpKind::ALL.iter().map(|kind| kind.name()).collect(),
        labels: [tell::SHORT, tell::LETTERS],
        nodes: subject.nodes,
        per_key: subject.per_key,
        whole: (chosen.whole.iter())
            .map(|&(from, to)| (ms(from), ms(to)))
            .collect(),
        packed,
        slices: slices(history),
        faults: faults(explored.faults, background),
        leaders: leaders(explored.leaders),
        conflicts: conflicts(analysis, subject),
        logs: (explored.logs)
            .and_then(|(directory, record)| logs::read(directory, record, history.end_ns, &moments)),
    };
    let json = serde_json::to_string(&data).map_err(|error| error.to_string())?;
    // So that nothing within can end the element that contains it.
    Ok(json.replace('<', "\\u003c"))
}

fn ms(ns: u64) -> f64 {
    ns as f64 / 1e6
}

/// The times that a reader will want to look at, the most interesting ones first, nanoseconds.
fn moments(history: &History, analysis: &Analysis) -> Vec<u64> {
    let operations = &history.operations;
    let mut moments = Vec::new();
    for conflict in &analysis.conflicts {
        let operations = (conflict.operations.iter()).filter_map(|&index| operations.get(index));
        moments.extend(operations.flat_map(|operation| {
            [Some(operation.invoked_ns), operation.completed_ns.map(u64::from)]
                .into_iter()
                .flatten()
        }));
    }
    let times = |span: &NemesisSpan| [Some(span.invoked_ns), span.completed_ns];
    moments.extend(history.nemesis.iter().flat_map(times).flatten());
    let notes = history
        .notes
        .iter()
        .filter(|(_, note)| !note.kind.is_measurement());
    moments.extend(notes.map(|(time_ns, ..)| *time_ns));
    let slowest = operations
        .iter()
        .filter(|operation| operation.outcome.is_answer())
        .max_by_key(|operation| {
            let end = operation.completed_ns.map_or(0, u64::from);
            end.saturating_sub(operation.invoked_ns)
        });
    moments.extend(slowest.map(|operation| operation.invoked_ns));
    moments.push(0);
    moments
}

fn slices(history: &History) -> Slices {
    let length_ns = (history.end_ns / SLICES as u64).max(1);
    let count = (history.end_ns / length_ns + 1) as usize;
    let mut counts = [(); 4].map(|()| vec![0u32; count]);
    for operation in &history.operations {
        let Some(end) = operation.completed_ns else {
            continue;
        };
        let slice = ((end.get() / length_ns) as usize).min(count - 1);
        let class = Class::of(&operation.outcome);
        counts[class as usize][slice] += 1;
    }
    let [ok, mismatch, fail, info] = counts;
    Slices {
        length_ms: length_ns as f64 / 1e6,
        ok,
        mismatch,
        fail,
        info,
    }
}

fn faults(rows: &[FaultRow], background: &Background) -> Vec<Fault> {
    let drawn = rows.iter().filter(|row| row.is_drawn());
    drawn
        .map(|row| Fault {
            name: row.name_and_target(),
            detail: cut(&row.detail, MOST_CHARS),
            hold: row.hold.name(),
            colour: hex(background.colour_of(&row.nemesis)),
            from_ms: row.start_s * 1e3,
            to_ms: row.end_s.unwrap_or(background.end_s) * 1e3,
        })
        .collect()
}

fn leaders(rows: &[NoteRow]) -> Vec<Leader<'_>> {
    let rows = rows.iter();
    rows.map(|row| Leader {
        at_ms: row.time_s * 1e3,
        node: &row.node,
        term: row.term,
    })
    .collect()
}

fn conflicts(analysis: &Analysis, subject: &Subject) -> Vec<Conflict> {
    let conflicts = analysis.conflicts.iter();
    conflicts
        .map(|conflict| {
            let named = named(subject, conflict);
            let numbers = numbers(&subject.history.operations, &named);
            Conflict {
                // Cut off where those of operations are, so that they compare.
                key: match &conflict.key {
                    Key::Nil => String::new(),
                    key => cut(key, pack::TEXT_CHARS),
                },
                rule: conflict.rule.name(),
                sentences: (conflict.sentences.iter())
                    .map(|sentence| cut(&sentence.plain(subject.history), MOST_CHARS))
                    .collect(),
                operations: named.iter().copied().zip(numbers).collect(),
                links: conflict.links.iter().copied().take(choose::MOST_LINKS).collect(),
                arrows: conflict_arrows(&subject.history.operations, conflict),
            }
        })
        .collect()
}
