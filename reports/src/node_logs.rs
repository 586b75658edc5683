//! What stands in the nodes' logs: the lines that hold a text of the system's table
//! ([`TestRecord::log_patterns`]).
//!
//! Invariants:
//! - Logs are read once, a line at a time, and at most [`MOST_BYTES`] of each; of a longer one the beginning,
//!   because what is told first explains the most.
//! - A line without its end may be cut short and says nothing: a number at its end may be another one.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use history::{LogPattern, RunDir, TestRecord};

use crate::interactive::logs::time_of;

/// How much of a log file is read.
const MOST_BYTES: u64 = 512 << 20;
/// The longest line that is looked at; the rest of a longer one is passed over.
const LINE_BYTES: usize = 64 << 10;
/// The longest line that is quoted, characters.
const QUOTED_CHARS: usize = 400;
/// Of how many different lines of a node with the same text the words are kept.
const MOST_LINES: usize = 5;
/// How many numbers of a node behind the same text are kept.
const MOST_NUMBERS: usize = 100_000;

/// What stands in the nodes' logs.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct NodeLogs {
    pub(crate) found: Vec<FoundText>,
}

/// A text of the table in the logs of one node.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct FoundText {
    /// The node's name.
    pub node: String,
    /// The row of the table.
    pub pattern: LogPattern,
    /// How many lines hold it.
    pub count: u64,
    /// When the first one was written, seconds since the run's start, if that can be told.
    pub time_s: Option<f64>,
    /// The first of them.
    pub lines: Vec<String>,
    /// The numbers right behind the text, each once, with the first line that has it.
    pub numbers: BTreeMap<u64, String>,
}

impl NodeLogs {
    /// Reads the logs of a run; those that cannot be read hold nothing.
    pub fn read(dir: &RunDir, record: &TestRecord, end_ns: u64) -> NodeLogs {
        let mut found = Vec::new();
        if record.log_patterns.is_empty() {
            return NodeLogs::default();
        }
        for name in &record.nodes {
            let mut texts: Vec<FoundText> = (record.log_patterns.iter())
                .map(|pattern| FoundText {
                    node: name.clone(),
                    pattern: pattern.clone(),
                    count: 0,
                    time_s: None,
                    lines: Vec::new(),
                    numbers: BTreeMap::new(),
                })
                .collect();
            for path in log_files(dir, name) {
                // What was read before an error counts.
                let _ = read_file(&path, &mut |line| take_in(line, &mut texts, record, end_ns));
            }
            found.extend(texts.into_iter().filter(|text| text.count > 0));
        }
        NodeLogs { found }
    }
}

/// The log files of a node in the run directory, by name.
pub(crate) fn log_files(dir: &RunDir, node: &str) -> Vec<PathBuf> {
    // A name with a path in it could lead out of the run directory.
    if Path::new(node).file_name() != Some(node.as_ref()) {
        return Vec::new();
    }
    let mut files: Vec<_> = std::fs::read_dir(dir.node(node))
        .ok()
        .into_iter()
        .flatten()
        .filter_map(Result::ok)
        // No links, which lead out of the directory, and no pipes, which would block.
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_file()))
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "log"))
        .collect();
    files.sort();
    files
}

/// Hands over every whole line of a file, without its end.
fn read_file(path: &Path, take: &mut impl FnMut(&str)) -> std::io::Result<()> {
    let mut reader = BufReader::new(File::open(path)?.take(MOST_BYTES));
    let mut line = Vec::new();
    let mut is_rest = false;
    loop {
        line.clear();
        let read = (&mut reader)
            .take(LINE_BYTES as u64)
            .read_until(b'\n', &mut line)?;
        if read == 0 {
            return Ok(());
        }
        let is_whole = line.last() == Some(&b'\n');
        if is_whole {
            line.pop();
        }
        // The beginning of a line that is too long is looked at, the rest is not.
        if !is_rest && (is_whole || read == LINE_BYTES) {
            take(&String::from_utf8_lossy(&line));
        }
        is_rest = !is_whole;
    }
}

fn take_in(line: &str, texts: &mut [FoundText], record: &TestRecord, end_ns: u64) {
    for found in texts {
        let Some(at) = line.find(&*found.pattern.text) else {
            continue;
        };
        found.count += 1;
        let quoted = || line.trim().chars().take(QUOTED_CHARS).collect();
        if found.time_s.is_none() && found.count == 1 {
            found.time_s = time_of(line, record, end_ns);
        }
        if found.lines.len() < MOST_LINES {
            found.lines.push(quoted());
        }
        let rest = &line[at + found.pattern.text.len()..];
        let digits = rest
            .find(|char: char| !char.is_ascii_digit())
            .unwrap_or(rest.len());
        if let Ok(number) = rest[..digits].parse()
            && found.numbers.len() < MOST_NUMBERS
        {
            found.numbers.entry(number).or_insert_with(quoted);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use history::LogWeight;

    /// What is found in one log: how often, the lines, the numbers.
    fn found(text: &str, log: &str) -> Option<FoundText> {
        let place = tempfile::tempdir().unwrap();
        let dir = RunDir::new(place.path());
        std::fs::create_dir(dir.node("n1")).unwrap();
        std::fs::write(dir.node("n1").join("node.log"), log).unwrap();
        std::fs::write(dir.node("n1").join("node.txt"), log).unwrap();
        let record = TestRecord {
            nodes: vec!["n1".into(), "n2".into(), "../n1".into()],
            log_patterns: vec![LogPattern::new("never", "x", LogWeight::Told), {
                LogPattern {
                    text: text.to_owned().into(),
                    ..LogPattern::new("", "y", LogWeight::Leads)
                }
            }],
            time_zero: Some("2026-11-26T20:27:57.5Z".into()),
            ..TestRecord::default()
        };
        let mut logs = NodeLogs::read(&dir, &record, 10_000_000_000);
        assert!(logs.found.len() <= 1, "{logs:?}");
        logs.found.pop()
    }

    #[test]
    fn texts_are_found_with_their_lines_times_and_numbers() {
        let log = "a\n2026-11-26T20:28:00.0Z leads in term 7\"\nleads in term 12\nleads in term x\nleads in term 7\n";
        let text = found("leads in term ", log).unwrap();
        assert_eq!(
            (text.node.as_str(), text.count, text.time_s),
            ("n1", 4, Some(2.5))
        );
        assert_eq!(text.lines[1], "leads in term 12");
        assert_eq!(text.numbers.keys().copied().collect::<Vec<_>>(), [7, 12]);
        assert_eq!(found("leads on ", log), None);
        // Cut short: it may have been 12.
        assert_eq!(found("leads in term ", "leads in term 1"), None);
        let long = format!("leads in term 5 {}leads in term 6\nx\n", "-".repeat(LINE_BYTES));
        let text = found("leads in term ", &long).unwrap();
        assert_eq!(text.numbers.keys().copied().collect::<Vec<_>>(), [5]);
        assert_eq!(text.lines[0].chars().count(), QUOTED_CHARS);
        let many = "leads in term 5\n".repeat(9);
        let text = found("leads in term ", &many).unwrap();
        assert_eq!((text.count, text.lines.len()), (9, MOST_LINES));
    }
}
