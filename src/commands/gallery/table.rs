//! The table of a gallery, in Markdown.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;

use history::units::plural;
use systems::{Oracle, PlantedBug};

use super::record::Record;
use super::statistics::{interval, median};
use crate::cli::Way;
use crate::exit::Failure;

/// What stands around the table in a page.
const BEGIN: &str = "<!-- perjury gallery: begin -->";
const END: &str = "<!-- perjury gallery: end -->";

/// The whole table: a row a bug, those that no running store shows by themselves, and the trials without a
/// bug.
pub fn markdown(bugs: &[PlantedBug], records: &[Record]) -> String {
    let ways: Vec<Way> = Way::ALL
        .into_iter()
        .filter(|way| {
            records
                .iter()
                .any(|record| record.trial.way == *way && record.trial.bug.is_some())
        })
        .collect();
    let mut text = String::new();
    let (visible, hidden): (Vec<&PlantedBug>, Vec<&PlantedBug>) = bugs
        .iter()
        .partition(|bug| bug.seen_by.iter().any(|oracle| *oracle != Oracle::Core));
    table(&mut text, &visible, &ways, records);
    totals(&mut text, &visible, &ways, records);
    if !hidden.is_empty() {
        let _ = writeln!(
            text,
            "\nThese are seen by tests of the Raft core alone, its simulation above all; no test of a running cluster is \
             known to show them:\n"
        );
        table(&mut text, &hidden, &ways, records);
    }
    clean(&mut text, records);
    text
}

fn table(text: &mut String, bugs: &[&PlantedBug], ways: &[Way], records: &[Record]) {
    let titles: String = ways.iter().map(|way| format!(" {} |", way.title())).collect();
    let lines = "---|".repeat(ways.len());
    let _ = writeln!(
        text,
        "| planted bug | breaks | made by |{titles} told by |\n|---|---|---|{lines}---|"
    );
    for bug in bugs {
        let of_bug: Vec<&Record> = records
            .iter()
            .filter(|record| record.trial.bug.as_deref() == Some(bug.name))
            .collect();
        let cells: String = ways
            .iter()
            .map(|way| format!(" {} |", cell(&of_bug, *way)))
            .collect();
        let precedent = if bug.precedent.is_empty() {
            "–"
        } else {
            bug.precedent
        };
        let _ = writeln!(
            text,
            "| `{}`: {} | {} | {precedent} |{cells} {} |",
            bug.name,
            bug.description,
            bug.breaks,
            told_by(&of_bug)
        );
    }
}

/// `3 of 3, 1.2 s`.
fn cell(records: &[&Record], way: Way) -> String {
    let (found, all, times) = counts(records.iter().copied().filter(|record| record.trial.way == way));
    if all == 0 {
        return "not tried".to_owned();
    }
    match median(&times) {
        Some(time_s) => format!("{found} of {all}, {time_s:.1} s"),
        None => format!("{found} of {all}"),
    }
}

fn counts<'a>(records: impl Iterator<Item = &'a Record>) -> (u64, u64, Vec<Option<f64>>) {
    let (mut found, mut times) = (0, Vec::new());
    for record in records.filter(|record| record.verdict.is_some()) {
        found += u64::from(record.is_found());
        times.push(record.found_s.filter(|_| record.is_found()));
    }
    (found, times.len() as u64, times)
}

/// What spoke first, the most frequent first.
fn told_by(records: &[&Record]) -> String {
    let mut by: BTreeMap<&str, u64> = BTreeMap::new();
    for record in records {
        if let Some(what) = &record.found_by {
            *by.entry(what).or_default() += 1;
        }
    }
    let mut by: Vec<(&str, u64)> = by.into_iter().collect();
    by.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    match by.is_empty() {
        true => "–".to_owned(),
        false => by
            .into_iter()
            .map(|(what, _)| what)
            .collect::<Vec<_>>()
            .join(", "),
    }
}

/// How many there are, and the share of trials.
fn totals(text: &mut String, bugs: &[&PlantedBug], ways: &[Way], records: &[Record]) {
    let _ = writeln!(text);
    for way in ways {
        let (mut most_times, mut tried, mut found, mut all) = (0, 0, 0, 0);
        for bug in bugs {
            let of_bug = records
                .iter()
                .filter(|record| record.trial.bug.as_deref() == Some(bug.name) && record.trial.way == *way);
            let (its_found, its_all, _) = counts(of_bug);
            tried += u64::from(its_all > 0);
            most_times += u64::from(its_all > 0 && 2 * its_found > its_all);
            (found, all) = (found + its_found, all + its_all);
        }
        let (least, most) = interval(found, all);
        let _ = writeln!(
            text,
            "- {}: {found} of {all} trials found the bug ({:.0} to {:.0} %); {most_times} of {tried} bugs were found in \
             most of their trials.",
            way.title(),
            100.0 * least,
            100.0 * most
        );
    }
}

/// The trials without a bug.
fn clean(text: &mut String, records: &[Record]) {
    let clean: Vec<&Record> = records
        .iter()
        .filter(|record| record.trial.bug.is_none())
        .collect();
    let (false_alarms, all, _) = counts(clean.iter().copied());
    if all > 0 {
        let (_, most) = interval(false_alarms, all);
        let _ = writeln!(
            text,
            "- Without a bug, by the same measure: {false_alarms} of {} accused (at most {:.1} %).",
            plural(all, "trial"),
            100.0 * most
        );
    }
}

/// One line for the terminal.
pub fn summary(records: &[Record]) -> String {
    let with_bug = records.iter().filter(|record| record.trial.bug.is_some());
    let (found, all, _) = counts(with_bug);
    let (false_alarms, clean, _) = counts(records.iter().filter(|record| record.trial.bug.is_none()));
    let unfinished = records.iter().filter(|record| record.verdict.is_none()).count();
    format!(
        "found in {found} of {all} trials; {false_alarms} of {clean} trials without a bug accused; {unfinished} could not be \
         finished"
    )
}

/// Replaces what stands between the marks of a page by the table.
pub fn put_into(page: &Path, table: &str) -> Result<(), Failure> {
    let usage = |why: String| Failure::Usage(format!("--into {}: {why}", page.display()));
    let text = std::fs::read_to_string(page).map_err(|error| usage(error.to_string()))?;
    let (Some(begin), Some(end)) = (text.find(BEGIN), text.find(END)) else {
        return Err(usage(format!(
            "the table goes between the lines `{BEGIN}` and `{END}`, which are not there"
        )));
    };
    let text = format!(
        "{}\n\n{}\n{}",
        &text[..begin + BEGIN.len()],
        table.trim_end(),
        &text[end..]
    );
    std::fs::write(page, text).map_err(|error| usage(error.to_string()))
}
