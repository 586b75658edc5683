//! Small random histories as the texts that people's files are, judged as `perjury check` judges them, and by
//! brute force over all orders in memory.
//!
//! All choices are made by one source of random numbers, so that a fuzzer can make them as well.
#![allow(dead_code, reason = "tests and fuzzers use their own parts")]

mod case;
mod choices;
mod lines;
mod spell;
mod style;
mod values;
mod verdict;

use std::path::Path;

use checker::objects::{self, Entry};
use checker::{Options, Verdict, imported};
use history::formats::read_bytes;
use rand::{Rng, RngExt};

use case::Case;
pub use case::What;
pub use choices::Choices;
use lines::{Lines, Open};
pub use style::Format;
use style::Style;

/// What came of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Judged {
    Verdict(Verdict, String),
    /// It could not be read, or no model suits.
    Refused(String),
}

/// What a text is and what was said of it.
pub struct Told {
    pub what: What,
    pub format: Format,
    /// By the model of its object, which was named.
    pub named: Compared,
    /// By the model that it looks like.
    pub guessed: Compared,
    /// Whether that is the same model.
    pub is_guessed: bool,
}

/// A verdict beside the right one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Compared {
    Valid,
    Invalid,
    /// The history in memory is one that the model cannot read either.
    Unreadable,
    /// Unknown or refused, as it may be.
    Open,
}

/// Makes a history of an object, writes it, and compares what is said of the text with what is right.
///
/// # Panics
/// Where these differ.
pub fn compare(rng: &mut dyn Rng, most: usize) -> Told {
    let what = What::ALL[rng.random_range(0..What::ALL.len())];
    let format = Format::draw(rng, what);
    let case = Case::new(rng, what, format.holds(), most);
    let style = Style::draw(rng, format, &case);
    let lines = lines::write(rng, &case, &style);
    let text = spell::file(rng, &lines.lines, &style);
    let (named, _) = one(&case, &style, &lines, &text, Some(what.entry()));
    let (guessed, entry) = one(&case, &style, &lines, &text, None);
    Told {
        what,
        format,
        named,
        guessed,
        is_guessed: entry == Some(what.entry()),
    }
}

fn one(
    case: &Case,
    style: &Style,
    lines: &Lines,
    text: &str,
    entry: Option<&'static Entry>,
) -> (Compared, Option<&'static Entry>) {
    let (judged, by) = judge(text, style.format, entry);
    let by = by.or(entry);
    // Another model may take nil for something else than nothing.
    let history = match by == Some(case.what.entry()) {
        true => &lines.history,
        false => &lines.with_nil,
    };
    let right = by.map(|by| verdict::right(by, case, style, history));
    let compared = verdict::compare(&judged, right, by, history, lines.open);
    let compared = compared.unwrap_or_else(|why| {
        panic!(
            "{why}: {judged:?} by {by:?} instead of {right:?}; of {:?}, {:?}\n{style:#?}\n{}\n{text}",
            case.what,
            lines.open,
            verdict::list(history),
        )
    });
    (compared, by)
}

/// Judges a text as `perjury check` does, and says by which model.
fn judge(text: &str, format: Format, entry: Option<&'static Entry>) -> (Judged, Option<&'static Entry>) {
    let mut read = match read_bytes(text.as_bytes(), Path::new("history"), None) {
        Ok(read) => read,
        // A file without operations is of no format.
        Err(error) => return (Judged::Refused(error.to_string()), None),
    };
    if read.format != format.name() {
        return (Judged::Refused(format!("read as {}", read.format)), None);
    }
    let guess = objects::guess(&read.history);
    let (entry, doubt) = match (entry, guess) {
        (Some(entry), _) => (entry, None),
        (None, Some(guess)) => (guess.entry, guess.doubt),
        (None, None) => return (Judged::Refused("no model suits".to_owned()), None),
    };
    if let Some(kind) = entry.stranger(&read.history) {
        return (Judged::Refused(format!("no {kind}")), Some(entry));
    }
    if let Some(misfit) = entry.misfit(&read.history) {
        return (Judged::Refused(misfit), Some(entry));
    }
    let initial = imported::initial(&read, entry);
    imported::forget_nil_reads(&mut read, entry, &initial);
    let options = Options {
        model: entry,
        initial: Some(initial),
        early_stop: true,
        ..Options::default()
    };
    let mut analysis = checker::check(&read.history, &options);
    imported::reserve(&mut analysis, &imported::About::new(&read.history), entry, doubt);
    let why = analysis
        .unknown
        .first()
        .map(|(_, why)| why.clone())
        .unwrap_or_default();
    (Judged::Verdict(analysis.verdict, why), Some(entry))
}
