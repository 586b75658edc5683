//! What the nodes logged, by the time of the run.
//!
//! Logs are stamped by the nodes' wall clocks, and the run knows what the controller's wall clock showed at
//! its time 0 ([`TestRecord::time_zero`]). A stamp without a zone is assumed to be in the zone (a whole
//! number of quarter hours) that brings the end of its log nearest to the end of the run. A line without a
//! stamp (a stack trace) belongs to the one before it.
//!
//! Invariant: at most [`MOST_BYTES`] of text, those lines first that are near moments that matter.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

use history::tell::cut;
use history::{RunDir, TestRecord};
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::Offset;
use serde::Serialize;

use super::choose::{touches, widest};
use super::ms;
use crate::node_logs::log_files;

/// The most text of all logs.
const MOST_BYTES: usize = 500_000;
/// What a line takes in addition to its text.
const LINE_BYTES: usize = 24;
/// The longest line, characters.
const LINE_CHARS: usize = 240;
/// Only so much from the end of a longer file is read.
const MOST_READ: u64 = 64 << 20;
/// A stamp is looked for in so many bytes from the beginning of a line.
const STAMP_WITHIN: usize = 80;
/// What happened before the run's time 0, and after its end, is kept for so long.
const AROUND_NS: i64 = 10_000_000_000;
const QUARTER_NS: i64 = 900_000_000_000;

/// The lines of all nodes, in the order of their stamps.
#[derive(Serialize)]
pub(super) struct Logs {
    lines: Vec<Line>,
    /// How many lines are not here.
    left_out: usize,
}

#[derive(Debug, PartialEq, Serialize)]
struct Line {
    at_ms: f64,
    /// By its place in the list of nodes.
    node: usize,
    text: String,
    /// How many lines of all nodes between this one and the one before it are not here.
    #[serde(skip_serializing_if = "is_zero")]
    left_out: usize,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands over a reference")]
fn is_zero(number: &usize) -> bool {
    *number == 0
}

/// A line before it is chosen; times in nanoseconds since the run's start.
struct Raw {
    at_ns: i64,
    node: usize,
    text: String,
}

/// The logs of a run; nothing if it does not know the time of day, or nothing was logged.
pub(super) fn read(dir: &RunDir, record: &TestRecord, end_ns: u64, moments: &[u64]) -> Option<Logs> {
    let zero: Timestamp = record.time_zero.as_deref()?.parse().ok()?;
    let zero_ns = zero.as_nanosecond();
    let mut lines = Vec::new();
    for (node, name) in record.nodes.iter().enumerate() {
        for path in log_files(dir, name) {
            if let Ok(text) = tail(&path) {
                lines.extend(stamped(&text, node, zero_ns, end_ns));
            }
        }
    }
    lines.sort_by_key(|line| line.at_ns);
    (!lines.is_empty()).then(|| chosen(lines, end_ns, moments, MOST_BYTES))
}

/// When a line was written, seconds since the run's start, if it has a stamp and that is one of this run. A stamp
/// without a zone tells it only of a run that is shorter than the quarter of an hour by which zones differ.
pub(crate) fn time_of(line: &str, record: &TestRecord, end_ns: u64) -> Option<f64> {
    let zero: Timestamp = record.time_zero.as_deref()?.parse().ok()?;
    let (ns, has_zone) = stamp(line)?;
    let after_ns = ns - zero.as_nanosecond();
    let quarter = i128::from(QUARTER_NS);
    let around = i128::from(AROUND_NS);
    let at_ns = match has_zone {
        true => after_ns,
        false if i128::from(end_ns) + 2 * around < quarter => {
            (after_ns + around).rem_euclid(quarter) - around
        }
        false => return None,
    };
    let is_within = (-around..=i128::from(end_ns) + around).contains(&at_ns);
    is_within.then_some(at_ns.max(0) as f64 / 1e9)
}

/// The end of a file, whatever is in it.
fn tail(path: &Path) -> std::io::Result<String> {
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(MOST_READ)))?;
    let mut bytes = Vec::new();
    file.take(MOST_READ).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// The lines of one log that were written during the run, or shortly before or after it.
fn stamped(text: &str, node: usize, zero_ns: i128, end_ns: u64) -> Vec<Raw> {
    let mut lines: Vec<Raw> = Vec::new();
    let mut zoneless: Vec<usize> = Vec::new();
    for line in text.lines().filter(|line| !line.trim().is_empty()) {
        let (at_ns, is_zoneless) = match stamp(line) {
            Some((ns, has_zone)) => (
                (ns - zero_ns).clamp(i64::MIN.into(), i64::MAX.into()) as i64,
                !has_zone,
            ),
            None => match lines.last() {
                Some(before) => (before.at_ns, zoneless.last() == Some(&(lines.len() - 1))),
                None => continue,
            },
        };
        if is_zoneless {
            zoneless.push(lines.len());
        }
        lines.push(Raw {
            at_ns,
            node,
            text: cut(line, LINE_CHARS),
        });
    }
    if let Some(&last) = zoneless.last() {
        let ahead_ns = lines[last].at_ns.saturating_sub_unsigned(end_ns);
        let quarters = (ahead_ns as f64 / QUARTER_NS as f64).round() as i64;
        for &index in &zoneless {
            lines[index].at_ns = lines[index]
                .at_ns
                .saturating_sub(quarters.saturating_mul(QUARTER_NS));
        }
    }
    let latest = AROUND_NS.saturating_add_unsigned(end_ns);
    lines.retain(|line| (-AROUND_NS..=latest).contains(&line.at_ns));
    lines
}

/// The stamp of a line, nanoseconds since 1970, and whether it names its zone.
fn stamp(line: &str) -> Option<(i128, bool)> {
    let bytes = line.as_bytes();
    let starts = (0..bytes.len().min(STAMP_WITHIN)).filter(|&at| {
        bytes[at].is_ascii_digit()
            && (at == 0 || !bytes[at - 1].is_ascii_digit())
            && line.is_char_boundary(at)
    });
    for at in starts {
        let rest = &line[at..];
        let length = (rest.bytes())
            .take_while(|&letter| letter.is_ascii_alphanumeric() || b" :-+.,".contains(&letter))
            .count()
            .min(40);
        let rest = &rest[..length];
        if let Some(found) = iso(rest).or_else(|| redis(rest)) {
            return Some(found);
        }
    }
    None
}

/// `2026-11-26T20:27:57.994918Z`, `2026-11-26 20:27:57,994`, `2026-11-26T20:27:57.994+0100`
fn iso(text: &str) -> Option<(i128, bool)> {
    let date = text.get(..19)?;
    let shape: String = date
        .chars()
        .map(|letter| if letter.is_ascii_digit() { '0' } else { letter })
        .collect();
    if shape != "0000-00-00T00:00:00" && shape != "0000-00-00 00:00:00" {
        return None;
    }
    let digits = text[19..].strip_prefix(['.', ',']).map_or("", |rest| {
        &rest[..rest.bytes().take_while(u8::is_ascii_digit).count().min(9)]
    });
    let civil: DateTime = date.replace(' ', "T").parse().ok()?;
    let fraction: i128 = format!("{digits:0<9}").parse().ok()?;
    let rest = match digits {
        "" => &text[19..],
        _ => &text[19 + 1 + digits.len()..],
    };
    let offset_s = offset_s(rest);
    let second = i128::from(Offset::UTC.to_timestamp(civil).ok()?.as_second());
    let second = second - i128::from(offset_s.unwrap_or(0));
    Some((second * 1_000_000_000 + fraction, offset_s.is_some()))
}

/// `Z`, `+01:00` or `-0700`, seconds.
fn offset_s(text: &str) -> Option<i64> {
    if text.starts_with('Z') {
        return Some(0);
    }
    let sign = match text.as_bytes().first()? {
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    let hours: i64 = text.get(1..3)?.parse().ok()?;
    let rest = text.get(3..)?;
    let minutes: i64 = rest.strip_prefix(':').unwrap_or(rest).get(..2)?.parse().ok()?;
    Some(sign * (hours * 3_600 + minutes * 60))
}

/// `26 Nov 2026 20:27:57.994`, as Redis writes it.
fn redis(text: &str) -> Option<(i128, bool)> {
    let length = text
        .bytes()
        .enumerate()
        .position(|(at, letter)| at > 20 && letter == b' ');
    let text = &text[..length.unwrap_or(text.len())];
    let civil = DateTime::strptime("%d %b %Y %H:%M:%S%.f", text).ok()?;
    let timestamp = Offset::UTC.to_timestamp(civil).ok()?;
    Some((timestamp.as_nanosecond(), false))
}

/// As many lines as there is room for, those near a moment first.
fn chosen(lines: Vec<Raw>, end_ns: u64, moments: &[u64], most: usize) -> Logs {
    let size = |line: &Raw| line.text.len() + LINE_BYTES;
    let is_in = |line: &Raw, windows: &[(u64, u64)]| {
        let at = u64::try_from(line.at_ns).unwrap_or(0);
        touches(windows, at, at)
    };
    let fits = |windows: &[(u64, u64)]| {
        let bytes: usize = lines.iter().filter(|line| is_in(line, windows)).map(size).sum();
        bytes <= most
    };
    let latest = end_ns + AROUND_NS.unsigned_abs();
    let everything = vec![(0, latest)];
    let windows = match fits(&everything) {
        true => everything,
        false => widest(moments, 0, latest, fits),
    };
    let mut left_out = 0;
    let mut total_left_out = 0;
    let mut kept = Vec::new();
    for line in &lines {
        if !is_in(line, &windows) {
            left_out += 1;
            total_left_out += 1;
            continue;
        }
        let before_ns = line.at_ns.min(0);
        kept.push(Line {
            at_ms: match u64::try_from(line.at_ns) {
                Ok(ns) => ms(ns),
                Err(_) => (before_ns / 1_000) as f64 / 1e3,
            },
            node: line.node,
            text: line.text.clone(),
            left_out: std::mem::take(&mut left_out),
        });
    }
    Logs {
        lines: kept,
        left_out: total_left_out,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stamps_of_every_store_are_read() {
        // 2026-11-26T20:27:57.5Z
        const AT: i128 = 1_795_724_877_500_000_000;
        for (line, expected) in [
            ("2026-11-26T20:27:57.500000Z  INFO node: up", Some((AT, true))),
            (
                r#"{"level":"info","ts":"2026-11-26T20:27:57.500Z","msg":"x"}"#,
                Some((AT, true)),
            ),
            (
                r#"{"level":"info","ts":"2026-11-26T21:27:57.500+0100","msg":"x"}"#,
                Some((AT, true)),
            ),
            (
                "    2026-11-26T12:57:57.5-07:30 [INFO]  agent: x",
                Some((AT, true)),
            ),
            (
                "2026-11-26 20:27:57,500 [myid:1] - INFO  [main:X@1]",
                Some((AT, false)),
            ),
            ("1234:M 26 Nov 2026 20:27:57.500 * Ready", Some((AT, false))),
            ("1234:X 26 Nov 2026 20:27:57.500 # +sdown", Some((AT, false))),
            ("\tat java.base/java.lang.Thread.run(Thread.java:829)", None),
            ("12 apples", None),
            ("", None),
            ("é2026-11-26T20:27:57.5Z", Some((AT, true))),
            ("2026-99-26T20:27:57.5Z", None),
        ] {
            assert_eq!(stamp(line), expected, "{line}");
        }
    }

    #[test]
    fn a_log_without_a_zone_is_moved_to_the_run() {
        let zero = 1_795_724_870_000_000_000;
        let log = "2026-11-26 22:27:51,000 begin\nno stamp\n2026-11-26 22:28:00,000 end\n";
        let lines = stamped(log, 0, zero, 10_000_000_000);
        let found: Vec<(i64, &str)> = lines
            .iter()
            .map(|line| (line.at_ns / 1_000_000, &line.text[..]))
            .collect();
        assert_eq!(
            found,
            [
                (1_000, "2026-11-26 22:27:51,000 begin"),
                (1_000, "no stamp"),
                (10_000, "2026-11-26 22:28:00,000 end")
            ]
        );
        // One that names its zone is believed, also where it is wrong by hours.
        let log = "2026-11-26T22:27:51.000Z begin\n2026-11-26T20:27:51.000Z end\n";
        assert_eq!(stamped(log, 0, zero, 10_000_000_000).len(), 1);
    }

    #[test]
    fn lines_near_moments_are_kept_and_the_others_counted() {
        let line = |n: i64| Raw {
            at_ns: n * 1_000_000,
            node: 0,
            text: "x".repeat(100),
        };
        let logs = chosen(
            (0..1_000).map(line).collect(),
            1_000_000_000,
            &[500_000_000],
            10_000,
        );
        let bytes: usize = logs.lines.iter().map(|line| line.text.len() + LINE_BYTES).sum();
        assert!(bytes <= 10_000 && bytes > 8_000, "{bytes}");
        assert!(logs.lines.iter().any(|line| (line.at_ms - 500.0).abs() < 0.1));
        assert_eq!(logs.left_out + logs.lines.len(), 1_000);
        assert_eq!(logs.lines[0].left_out, logs.lines[0].at_ms as usize);
        let all = chosen((0..10).map(line).collect(), 1_000_000_000, &[], 10_000);
        assert_eq!((all.lines.len(), all.left_out), (10, 0));
    }
}
