//! Conflicts as pages show them: the sentences with numbers, the rule in words, the picture and the table of
//! operations. Every page shows conflicts in this way (`templates/conflicts.html`).

use checker::{Analysis, Conflict, Sentence};
use history::tell::{self, cut};
use history::{History, Key, Operation, Times, units};
use rustc_hash::FxHashMap;

use crate::results::{EXAMPLE_CHARS, MOST_LINKS};
use crate::timeline::{Picture, Subject, circled, named, numbers};

/// The most conflicts that are shown with a picture.
const MOST_PICTURES: usize = 3;
/// The most further conflicts that are described in words.
const MOST_TOLD: usize = 20;
/// The longest sentence of a conflict without a picture, characters.
const MOST_CHARS: usize = 1_000;
/// The longest piece of a sentence with marks, characters: values can be of any size.
const MOST_PIECE_CHARS: usize = 600;
/// How many operations from the end of the longest order are named.
const MOST_LAST: usize = 8;

/// A conflict with its picture.
pub(crate) struct Pictured {
    pub heading: String,
    pub sentences: Vec<Vec<Piece>>,
    pub rule_name: &'static str,
    pub rule: &'static str,
    pub stale_by: Option<String>,
    pub confirmed: bool,
    pub picture: Option<Picture>,
    pub order: Option<LongestOrder>,
    /// What the times of the rows are: `ms` or `event`.
    pub unit: &'static str,
    pub rows: Vec<Row>,
    /// How many links the table does not name.
    pub more_links: usize,
}

/// A piece of a sentence.
pub(crate) struct Piece {
    /// The number that its operation has in the picture, if it names one that is there.
    pub mark: Option<String>,
    pub text: String,
}

/// A conflict in words only.
pub(crate) struct Told {
    pub heading: String,
    pub sentences: Vec<String>,
    pub rule_name: &'static str,
}

/// The longest order that a search found for operations at the beginning.
pub(crate) struct LongestOrder {
    /// How many operations come before those that are named.
    pub skipped: usize,
    /// The last ones, with their places.
    pub last: Vec<(usize, String)>,
    /// The operation that has no place.
    pub stuck: String,
}

/// A line of the table of operations.
pub(crate) struct Row {
    pub mark: String,
    pub text: String,
    pub process: u32,
    pub node: String,
    pub invoked: String,
    pub completed: String,
    pub outcome: String,
}

impl Pictured {
    /// The first conflicts of an analysis.
    pub fn first(subject: &Subject, analysis: &Analysis) -> Vec<Pictured> {
        let first = analysis.conflicts.iter().take(MOST_PICTURES);
        first
            .map(|conflict| Pictured::new(subject, analysis, conflict))
            .collect()
    }

    fn new(subject: &Subject, analysis: &Analysis, conflict: &Conflict) -> Pictured {
        let of = |index: &usize| subject.history.operations.get(*index);
        let named = named(subject, conflict);
        let numbers = numbers(&subject.history.operations, &named);
        let marks: FxHashMap<usize, String> = (named.iter().zip(&numbers))
            .map(|(index, number)| (*index, circled(*number)))
            .collect();
        let mut proof: Vec<(usize, &Operation)> = (named.iter().zip(numbers))
            .filter_map(|(index, number)| Some((number, of(index)?)))
            .collect();
        proof.sort_by_key(|(number, _)| *number);
        let proof: Vec<(String, &Operation)> = (proof.into_iter())
            .map(|(number, operation)| (circled(number), operation))
            .collect();
        let links: Vec<&Operation> = conflict.links.iter().filter_map(of).collect();
        let named_links = links.iter().take(MOST_LINKS);
        let is_short = (proof.iter()).any(|(_, operation)| {
            let took_ns = operation
                .completed_ns
                .map(|end| end.get().saturating_sub(operation.invoked_ns));
            took_ns.is_some_and(|ns| ns < 1_000)
        });
        let rows = (proof.iter())
            .map(|(mark, operation)| row(subject, mark, operation, is_short))
            .chain(named_links.map(|operation| row(subject, "link", operation, is_short)))
            .collect();
        Pictured {
            heading: heading(&conflict.key, analysis),
            sentences: (conflict.sentences.iter())
                .map(|sentence| marked(subject.history, sentence, &marks))
                .collect(),
            rule_name: conflict.rule.name(),
            rule: conflict.rule.about(),
            stale_by: (conflict.stale_by_ns)
                .filter(|_| subject.history.times == Times::Recorded)
                .map(units::at_least),
            unit: match subject.history.times {
                Times::Recorded => "ms",
                Times::Places => "event",
            },
            confirmed: conflict.confirmed,
            picture: subject.conflict(conflict),
            order: longest_order(subject, conflict),
            more_links: links.len().saturating_sub(MOST_LINKS),
            rows,
        }
    }
}

fn marked(history: &History, sentence: &Sentence, marks: &FxHashMap<usize, String>) -> Vec<Piece> {
    let pieces = sentence.render(history.times, |index| history.operations.get(index));
    let piece = pieces.into_iter().map(|piece| Piece {
        mark: piece.op.and_then(|index| marks.get(&index).cloned()),
        text: cut(&piece.text, MOST_PIECE_CHARS),
    });
    piece.collect()
}

/// The conflicts after those with a picture.
pub(crate) fn told(history: &History, analysis: &Analysis) -> Vec<Told> {
    let others = analysis.conflicts.iter().skip(MOST_PICTURES).take(MOST_TOLD);
    others
        .map(|conflict| Told {
            heading: heading(&conflict.key, analysis),
            sentences: (conflict.sentences.iter())
                .map(|sentence| cut(&sentence.plain(history), MOST_CHARS))
                .collect(),
            rule_name: conflict.rule.name(),
        })
        .collect()
}

/// Whether the model of an analysis treats every key as an object of its own.
pub(crate) fn is_per_key(analysis: &Analysis) -> bool {
    analysis.model.per_key
}

/// `Key 3`; where a history has a single object, that often has no name.
pub(crate) fn heading(key: &Key, analysis: &Analysis) -> String {
    match key {
        Key::Nil if analysis.keys <= 1 => "The whole history".to_owned(),
        key => cut(&format!("Key {key}"), 80),
    }
}

fn longest_order(subject: &Subject, conflict: &Conflict) -> Option<LongestOrder> {
    let of = |index: &usize| subject.history.operations.get(*index);
    let order: Vec<&Operation> = conflict.prefix.iter().filter_map(of).collect();
    let stuck = conflict.operations.first().and_then(of)?;
    if order.is_empty() {
        return None;
    }
    let skipped = order.len().saturating_sub(MOST_LAST);
    let last = order.iter().enumerate().skip(skipped);
    Some(LongestOrder {
        skipped,
        last: last
            .map(|(place, operation)| (place + 1, tell::short(operation)))
            .collect(),
        stuck: tell::short(stuck),
    })
}

fn row(subject: &Subject, mark: &str, operation: &Operation, is_short: bool) -> Row {
    let time = |time_ns| match subject.history.times {
        Times::Recorded => time_ms(time_ns, is_short),
        Times::Places => Times::place(time_ns).to_string(),
    };
    let end = operation.completed_ns.filter(|_| !operation.outcome.is_info());
    let outcome = operation.outcome.name();
    Row {
        mark: mark.to_owned(),
        text: tell::short(operation),
        process: operation.process,
        node: operation
            .node
            .map_or_else(|| "–".to_owned(), |node| tell::node(subject.nodes, node)),
        invoked: time(operation.invoked_ns),
        completed: end.map_or_else(|| "never".to_owned(), |end| time(end.get())),
        outcome: match operation.outcome.reason() {
            Some(reason) => cut(
                &format!("{outcome}: {}: {}", reason.class, reason.message),
                EXAMPLE_CHARS,
            ),
            None => outcome.to_owned(),
        },
    }
}

/// Down to the microsecond, unless some operation took less than one.
fn time_ms(time_ns: u64, is_short: bool) -> String {
    match is_short {
        true => units::exact_time_ms(time_ns),
        false => units::time_ms(time_ns),
    }
}
