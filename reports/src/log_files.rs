//! The nodes' log files in a run directory, and the stamps of their lines.

use std::path::{Path, PathBuf};

use history::{RunDir, TestRecord};
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::Offset;

/// A stamp is looked for in so many bytes from the beginning of a line.
const STAMP_WITHIN: usize = 80;
/// What happened before the run's time 0, and after its end, is part of the run for so long.
pub(crate) const AROUND_NS: i64 = 10_000_000_000;
/// By which zones differ.
pub(crate) const QUARTER_NS: i64 = 900_000_000_000;

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

/// When a line was written, seconds since the run's start, if it has a stamp and that is one of this run. A
/// stamp without a zone tells it only of a run that is shorter than the quarter of an hour by which zones
/// differ.
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

/// The stamp of a line, nanoseconds since 1970, and whether it names its zone.
pub(crate) fn stamp(line: &str) -> Option<(i128, bool)> {
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
}
