//! The tables of the documentation name what the lists in the code name, neither more nor less.

use std::path::Path;

use workloads::WorkloadOptions;

/// A row of a table, cell by cell.
type Row = Vec<String>;

/// The rows of the table on a page whose header begins with these cells.
fn table(page: &str, header: &[&str]) -> Vec<Row> {
    let text = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(page)).unwrap();
    let mut lines = text.lines().skip_while(|line| {
        !cells(line)
            .iter()
            .map(String::as_str)
            .take(header.len())
            .eq(header.iter().copied())
    });
    assert!(
        lines.next().is_some(),
        "{page} has no table that begins with {header:?}"
    );
    lines
        .skip(1)
        .take_while(|line| line.starts_with('|'))
        .map(cells)
        .collect()
}

/// The cells of a line; `\|` is no border.
fn cells(line: &str) -> Row {
    let line = line.replace("\\|", "\u{0}");
    let inside = line.trim().trim_matches('|');
    inside
        .split('|')
        .map(|cell| cell.trim().replace('\u{0}', "|"))
        .collect()
}

/// What stands between backticks in a cell.
fn codes(cell: &str) -> Vec<String> {
    cell.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

/// The first code of each row.
fn names(rows: &[Row]) -> Vec<String> {
    rows.iter().map(|row| codes(&row[0])[0].clone()).collect()
}

#[test]
fn systems() {
    let rows = table("README.md", &["system", "how"]);
    let expected: Vec<&str> = systems::ALL.iter().map(|entry| entry.name).collect();
    assert_eq!(names(&rows), expected);
    for (row, entry) in rows.iter().zip(systems::ALL) {
        let runs = |workload: &&workloads::Entry| {
            entry
                .objects
                .contains(&(workload.make)(&WorkloadOptions::default()).object)
        };
        let workloads: Vec<&str> = workloads::ALL
            .iter()
            .filter(runs)
            .map(|entry| entry.name)
            .collect();
        assert_eq!(codes(&row[2]), workloads, "the workloads of {}", entry.name);
        let modes: Vec<&str> = entry.read_modes.iter().map(|mode| mode.name).collect();
        assert_eq!(codes(&row[3]), modes, "the read modes of {}", entry.name);
    }
}

#[test]
fn workloads() {
    let expected: Vec<&str> = workloads::ALL.iter().map(|entry| entry.name).collect();
    assert_eq!(names(&table("README.md", &["workload", "operations"])), expected);
}

#[test]
fn nemeses() {
    let rows = table("docs/faults.md", &["nemesis", "what it does"]);
    let mut named = names(&rows);
    let mut expected: Vec<String> = nemeses::ALL.iter().map(|entry| entry.name.to_owned()).collect();
    named.sort();
    expected.sort();
    assert_eq!(named, expected);
    for row in &rows {
        let entry = nemeses::find(&codes(&row[0])[0]).unwrap();
        // A row may refer to another one, or abbreviate.
        if row[2].starts_with("as ") || row[2].contains('…') || row[2].contains("(or ") {
            continue;
        }
        let shown = codes(&row[2]);
        for target in entry
            .targets
            .listed()
            .filter(|target| target.chars().all(|char| char.is_alphabetic() || char == '-'))
        {
            let is_shown = shown.iter().any(|shown| shown == target) || target.contains("with");
            assert!(is_shown, "docs/faults.md does not name {}:{target}", entry.name);
        }
    }
}

#[test]
fn planted_bugs() {
    let rows = table("docs/bundled.md", &["`--bug`", "the mistake"]);
    let bugs = (systems::find("bundled").unwrap().bugs)();
    let expected: Vec<(&str, String)> = bugs.iter().map(|bug| (bug.name, bug.flags())).collect();
    let shown: Vec<(String, String)> = rows
        .iter()
        .map(|row| (codes(&row[0])[0].clone(), codes(&row[2])[0].clone()))
        .collect();
    assert!(
        shown
            .iter()
            .map(|(name, by)| (name.as_str(), by.clone()))
            .eq(expected),
        "{shown:?}"
    );
}

#[test]
fn formats() {
    let mut named = names(&table("docs/histories.md", &["format", "what it is"]));
    let mut expected: Vec<String> = history::formats::FORMATS
        .iter()
        .map(|format| format.name.to_owned())
        .collect();
    named.sort();
    expected.sort();
    assert_eq!(named, expected);
}

#[test]
fn models() {
    let rows = table("docs/models.md", &["model"]);
    let expected: Vec<&str> = checker::objects::MODELS.iter().map(|entry| entry.name).collect();
    assert_eq!(names(&rows), expected);
}

#[test]
fn exit_codes() {
    for page in ["README.md", "docs/reports.md", "docs/histories.md"] {
        let codes: Vec<String> = table(page, &["exit code"])
            .into_iter()
            .map(|row| row[0].clone())
            .collect();
        assert_eq!(codes, ["0", "1", "2", "254", "255"], "{page}");
    }
}

#[test]
fn observations() {
    let rows = table("docs/observations.md", &["`--fail-on`", "what is observed"]);
    let all = history::Observed::ALL;
    let expected: Vec<&str> = all.iter().map(|what| what.name()).collect();
    assert_eq!(names(&rows), expected);
    for (row, what) in rows.iter().zip(all) {
        assert_eq!(row[2].starts_with("invalid"), what.can_prove(), "{what}");
        let bound = format!("`{what}=");
        let has_bound = what.bound() != history::Bound::None;
        assert_eq!(row[1].contains(&bound), has_bound, "the bound of {what}");
    }
}
