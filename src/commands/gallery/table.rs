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
    let _ = writeln!(text);
    for way in &ways {
        totals(&mut text, &visible, &hidden, *way, records);
    }
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
    let of_way = || records.iter().copied().filter(|record| record.trial.way == way);
    let (found, all, times) = counts(of_way());
    if all == 0 {
        return "not tried".to_owned();
    }
    let unfinished = match of_way().filter(|record| record.verdict.is_none()).count() {
        0 => String::new(),
        count => format!(" ({count} could not be finished)"),
    };
    match median(&times) {
        Some(time_s) => format!("{found} of {all}, {time_s:.1} s{unfinished}"),
        None => format!("{found} of {all}{unfinished}"),
    }
}

/// How many found something, of how many, and when. What could not be finished has found nothing.
fn counts<'a>(records: impl Iterator<Item = &'a Record>) -> (u64, u64, Vec<Option<f64>>) {
    let (mut found, mut times) = (0, Vec::new());
    for record in records {
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

/// How many bugs were found, with an interval over bugs, since trials of one bug are much alike; and how many
/// there are with those that no test of a running cluster is known to show.
fn totals(text: &mut String, visible: &[&PlantedBug], hidden: &[&PlantedBug], way: Way, records: &[Record]) {
    let share = |bugs: &[&PlantedBug]| {
        let (mut most_times, mut tried, mut found, mut all) = (0, 0, 0, 0);
        for bug in bugs {
            let of_bug = records
                .iter()
                .filter(|record| record.trial.bug.as_deref() == Some(bug.name) && record.trial.way == way);
            let (its_found, its_all, _) = counts(of_bug);
            tried += u64::from(its_all > 0);
            most_times += u64::from(2 * its_found > its_all);
            (found, all) = (found + its_found, all + its_all);
        }
        (most_times, tried, found, all)
    };
    let (most_times, tried, found, all) = share(visible);
    let (hidden_most_times, hidden_tried, ..) = share(hidden);
    let (least, most) = interval(most_times, tried);
    let _ = writeln!(
        text,
        "- {}: {most_times} of {tried} bugs were found in most of their trials ({:.0} to {:.0} %), in {found} of {all} \
         trials; with those that only tests of the core show, {} of {}.",
        way.title(),
        100.0 * least,
        100.0 * most,
        most_times + hidden_most_times,
        tried + hidden_tried
    );
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

#[cfg(test)]
mod tests {
    use checker::Verdict;

    use super::super::record::Trial;
    use super::*;

    fn record(bug: Option<&str>, run: u32, verdict: Option<Verdict>) -> Record {
        Record {
            trial: Trial {
                bug: bug.map(str::to_owned),
                way: Way::Default,
                run,
            },
            command: Vec::new(),
            verdict,
            found_by: None,
            found_s: (verdict == Some(Verdict::Invalid)).then_some(2.0),
            after: None,
            went_wrong: None,
        }
    }

    #[test]
    fn what_was_not_finished_and_what_cannot_be_seen_is_counted() {
        let bugs = (systems::find("bundled").expect("in the list").bugs)();
        let records = [
            record(Some("stale-read"), 0, Some(Verdict::Invalid)),
            record(Some("stale-read"), 1, None),
            record(Some("stale-read"), 2, None),
            record(Some("reads-nothing"), 0, Some(Verdict::Invalid)),
            record(Some("lease-too-long"), 0, Some(Verdict::Invalid)),
            record(Some("inflight-leak"), 0, Some(Verdict::Valid)),
            record(None, 0, Some(Verdict::Valid)),
        ];
        let text = markdown(&bugs, &records);
        assert!(text.contains("1 of 3 (2 could not be finished)"), "{text}");
        let total = "1 of 2 bugs were found in most of their trials (1 to 99 %), in 2 of 4 trials; with those that only \
                     tests of the core show, 1 of 3.";
        assert!(text.contains(total), "{text}");
        assert!(text.contains("0 of 1 trial accused"), "{text}");
    }

    #[test]
    fn every_trial_has_a_seed_of_its_own() {
        let bugs = (systems::find("bundled").expect("in the list").bugs)();
        let mut seeds = std::collections::BTreeSet::new();
        for bug in &bugs {
            for run in 0..5 {
                assert!(
                    seeds.insert(record(Some(bug.name), run, None).trial.seed(1)),
                    "{}",
                    bug.name
                );
            }
        }
    }
}
