//! The page of `perjury check --html`: the verdict on a history, and if it is invalid, a picture of why.
//!
//! Invariant: it shows what the analysis says and judges nothing itself; every text that comes from outside
//! is escaped, and none is longer than a constant.

use std::collections::HashSet;
use std::path::Path;

use askama::Template;
use checker::{Algorithm, Analysis, Verdict};
use history::tell::cut;
use history::units::{grouped, seconds};
use history::{History, TestRecord, Times, units};

use crate::error::ReportError;
use crate::fault_bands::{Background, known_colours};
use crate::format::symbol;
use crate::interactive::{self, Explored, SCRIPT};
use crate::measure::counts::{count_operations, notes};
use crate::measure::faults::fault_rows;
use crate::pages::conflict::{Pictured, Told, heading, is_per_key, told};
use crate::pages::still::still_record;
use crate::results::StillRecord;
use crate::results::{Counts, FaultRow, NoteRow};
use crate::timeline::{Picture, Subject};

/// The most undecided keys, and the most remarks, that are shown.
const MOST_TOLD: usize = 20;
/// The most operations of a valid history that are drawn with their order.
const MOST_DRAWN: usize = 200;
/// The longest text that is shown, characters.
const MOST_CHARS: usize = 1_000;

/// What every such page has among its first bytes, and no other file.
pub const CHECK_PAGE_MARK: &str = "<!-- perjury check: this page may be overwritten by another one -->";

/// A history that was checked, and all that is known about it.
#[derive(Clone, Copy, Debug)]
pub struct Checked<'a> {
    /// What to call it: usually the file that it was read from.
    pub name: &'a str,
    /// The history.
    pub history: &'a History,
    /// What the checker says about it. A short valid history is drawn with the order that it keeps.
    pub analysis: &'a Analysis,
    /// The plan of the run that left it, if it is one's: the names of its nodes, the colours of its nemeses.
    pub plan: Option<&'a TestRecord>,
    /// What a reader should know about how the history was read or judged.
    pub remarks: &'a [String],
}

#[derive(Template)]
#[template(path = "check.html")]
struct Page {
    name: String,
    verdict: Verdict,
    symbol: &'static str,
    headline: String,
    model: &'static str,
    decided_by: String,
    facts: Vec<(String, &'static str)>,
    remarks: Vec<String>,
    pictured: Vec<Pictured>,
    told: Vec<Told>,
    untold: usize,
    still: Option<StillRecord>,
    account: Vec<String>,
    undecided: Vec<(String, String)>,
    more_undecided: usize,
    explained: Option<Picture>,
    operations: Vec<CountsRow>,
    /// JSON for the script, empty for a history without times.
    timeline: String,
    script: &'static str,
}

/// How many operations of one kind ended how.
struct CountsRow {
    name: &'static str,
    numbers: [String; 5],
}

/// The page of a checked history: self-contained HTML. With a script only where there are times to move in.
///
/// # Errors
/// When it cannot be rendered, which is a bug.
pub fn check_html(checked: &Checked) -> Result<String, ReportError> {
    let Checked {
        history, analysis, ..
    } = *checked;
    let faults = fault_rows(history);
    let (leaders, _) = notes(history);
    let background = background(checked, &faults, &leaders);
    let subject = Subject {
        history,
        nodes: checked.plan.map_or(&[], |plan| &plan.nodes),
        background: &background,
        per_key: is_per_key(analysis),
    };
    let failed = |reason| ReportError::Render {
        path: Path::new(checked.name).to_owned(),
        reason,
    };
    let timeline = match history.times == Times::Places || history.operations.is_empty() {
        true => String::new(),
        false => interactive::data(&Explored {
            subject: &subject,
            analysis,
            faults: &faults,
            leaders: &leaders,
            logs: None,
        })
        .map_err(failed)?,
    };
    let pictured = Pictured::first(&subject, analysis);
    let told = told(history, analysis);
    let remarks = checked.remarks.iter().take(MOST_TOLD);
    let undecided = analysis.unknown.iter().take(MOST_TOLD);
    let page = Page {
        name: cut(checked.name, MOST_CHARS),
        verdict: analysis.verdict,
        symbol: symbol(analysis.verdict),
        headline: headline(analysis),
        model: analysis.model.name,
        decided_by: decided_by(analysis),
        facts: facts(history, analysis),
        remarks: remarks.map(|remark| cut(remark, MOST_CHARS)).collect(),
        untold: (analysis.conflicts_total).saturating_sub(pictured.len() + told.len()),
        pictured,
        told,
        still: (analysis.still.as_ref()).map(|still| still_record(history, still)),
        account: (analysis.account.iter())
            .map(|sentence| cut(sentence, MOST_CHARS))
            .collect(),
        undecided: undecided
            .map(|(key, why)| (heading(key, analysis), cut(why, MOST_CHARS)))
            .collect(),
        more_undecided: analysis.unknown_total.saturating_sub(MOST_TOLD),
        explained: match analysis.orders.as_slice() {
            [(_, order)] if analysis.keys == 1 && history.operations.len() <= MOST_DRAWN => {
                subject.order(order)
            }
            _ => None,
        },
        operations: counts(history),
        timeline,
        script: SCRIPT,
    };
    debug_assert!(include_str!("../../templates/check.html").contains(CHECK_PAGE_MARK));
    page.render().map_err(|error| failed(error.to_string()))
}

/// The faults and changes of leader that the history records.
fn background(checked: &Checked, faults: &[FaultRow], leaders: &[NoteRow]) -> Background {
    Background::of(
        checked
            .plan
            .map(|plan| known_colours(&plan.colours))
            .unwrap_or_default(),
        faults,
        leaders.iter().map(|row| (row.time_s, row.node.clone())).collect(),
        seconds(checked.history.end_ns),
        0.0,
    )
}

fn headline(analysis: &Analysis) -> String {
    let operations = grouped(analysis.operations as u64);
    let keys = grouped(analysis.keys as u64);
    let promise = analysis.model.promise;
    match analysis.verdict {
        Verdict::Valid if analysis.operations == 0 => {
            "There is nothing to judge: the history has no operations.".to_owned()
        }
        Verdict::Valid => {
            let (first, rest) = promise.split_at(1);
            let why = match analysis.model.promises_order() {
                true => "there is an order of the operations that explains every answer",
                false => "no answer contradicts it",
            };
            format!("{}{rest}: {why}.", first.to_uppercase())
        }
        Verdict::Invalid if !analysis.model.promises_order() => {
            format!("Not {promise}: answers of its {operations} operations contradict it.")
        }
        Verdict::Invalid if analysis.keys == 1 => {
            format!("Not {promise}: no order of its {operations} operations explains all answers.")
        }
        Verdict::Invalid => format!(
            "Not {promise}: on {} of {keys} keys no order of the operations explains all answers.",
            grouped(analysis.conflicts_total as u64)
        ),
        Verdict::Unknown if analysis.keys <= 1 => match analysis.unknown.first() {
            Some((_, why)) => format!("The verdict is unknown: {}.", cut(why, MOST_CHARS)),
            None => "The verdict is unknown, and no reason is given.".to_owned(),
        },
        Verdict::Unknown => format!(
            "The verdict is unknown: {} of {keys} keys could not be decided.",
            grouped(analysis.unknown_total as u64)
        ),
    }
}

/// How large it is: numbers and what they count.
fn facts(history: &History, analysis: &Analysis) -> Vec<(String, &'static str)> {
    let operations = &history.operations;
    let processes: HashSet<u32> = operations.iter().map(|operation| operation.process).collect();
    let open = operations.iter().filter(|operation| operation.outcome.is_info());
    let counted = |count: usize, one: &'static str, more: &'static str| {
        (grouped(count as u64), if count == 1 { one } else { more })
    };
    let mut facts = vec![counted(analysis.operations, "operation", "operations")];
    // Where objects are judged together, their number is not that of the parts which are judged apart.
    if is_per_key(analysis) && analysis.keys > 0 {
        facts.push(counted(analysis.keys, "key", "keys"));
    }
    facts.extend([
        counted(processes.len(), "process", "processes"),
        counted(open.count(), "of unknown outcome", "of unknown outcome"),
    ]);
    if history.times == Times::Recorded {
        facts.push((units::duration(history.end_ns), "to the last event"));
    }
    facts
}

/// The algorithms, with the number of keys that each decided if there are several.
fn decided_by(analysis: &Analysis) -> String {
    let decided = analysis.decided_by.iter();
    let decided: Vec<_> = decided.filter(|(name, _)| **name != Algorithm::NONE.0).collect();
    let words = decided.iter().map(|(name, keys)| match decided.len() {
        1 => (**name).to_owned(),
        _ => format!("{name} ({})", grouped(**keys as u64)),
    });
    words.collect::<Vec<_>>().join(", ")
}

fn counts(history: &History) -> Vec<CountsRow> {
    let row = |name, counts: Counts| CountsRow {
        name,
        numbers: [
            counts.invoked,
            counts.ok,
            counts.mismatch,
            counts.fail,
            counts.info,
        ]
        .map(grouped),
    };
    let kinds = count_operations(history);
    let all = (kinds.iter()).fold(Counts::default(), |sum, kind| sum.plus(kind.counts));
    let rows = kinds.iter().map(|kind| row(kind.f.name(), kind.counts));
    rows.chain([row("all", all)]).collect()
}
