//! Instants as text: EDN's `#inst`, dates in place of times, and the time at the beginning of a log line.
//!
//! Source: RFC 3339; EDN's `#inst` is such a time, and Clojure's reader also takes one that is cut off after
//! the year, the month, the day, the hour or the minute, in UTC.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

/// Nanoseconds since 1970; `None` if the text is no instant.
pub(crate) fn nanoseconds(text: &str) -> Option<i128> {
    timestamp(text).map(Timestamp::as_nanosecond)
}

/// The one way in which an instant is written here; `None` if the text is none.
pub(crate) fn spelling(text: &str) -> Option<String> {
    timestamp(text).map(|instant| instant.to_string())
}

/// The spelling of the instant so many milliseconds after 1970.
pub(crate) fn of_milliseconds(ms: i64) -> String {
    Timestamp::from_millisecond(ms).map_or_else(|_| ms.to_string(), |instant| instant.to_string())
}

/// The date and time at the beginning of a log line, as log4j writes them: `2024-03-01 10:00:00,120{GMT}`.
/// Where the zone stands behind it makes no difference to how far two lines are apart.
pub(crate) fn of_log_line(line: &[u8]) -> Option<i128> {
    const LENGTH: usize = "2024-03-01 10:00:00".len();
    let stamp = std::str::from_utf8(line.get(..LENGTH)?).ok()?;
    let fraction = match line.get(LENGTH) {
        Some(b',' | b'.') => {
            let digits = line[LENGTH + 1..].iter().take_while(|byte| byte.is_ascii_digit());
            digits.take(9).map(|&byte| char::from(byte)).collect::<String>()
        }
        _ => String::new(),
    };
    if !stamp.as_bytes()[0].is_ascii_digit() || !matches!(stamp.as_bytes()[10], b' ' | b'T') {
        return None;
    }
    let point = if fraction.is_empty() { "" } else { "." };
    utc(&format!("{stamp}{point}{fraction}")).map(Timestamp::as_nanosecond)
}

fn timestamp(text: &str) -> Option<Timestamp> {
    // What is cut off, as in the beginning of this instant.
    const FIRST: &str = "0000-01-01T00:00:00";
    if let Ok(instant) = text.parse::<Timestamp>() {
        return Some(instant);
    }
    let is_cut_off = matches!(text.len(), 4 | 7 | 10 | 13 | 16) && text.is_ascii();
    match is_cut_off {
        true => utc(&format!("{text}{}", &FIRST[text.len()..])),
        false => utc(text),
    }
}

fn utc(text: &str) -> Option<Timestamp> {
    let time: DateTime = text.parse().ok()?;
    TimeZone::UTC.to_timestamp(time).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_instant_has_one_spelling() {
        for text in [
            "2020-01-01T00:00:00Z",
            "2020-01-01T00:00:00.000-00:00",
            "2020-01-01T01:00:00+01:00",
            "2020-01-01T00:00:00",
            "2020-01-01",
            "2020-01",
            "2020",
        ] {
            assert_eq!(spelling(text).as_deref(), Some("2020-01-01T00:00:00Z"), "{text}");
        }
        assert_eq!(nanoseconds("1970-01-01T00:00:01.5Z"), Some(1_500_000_000));
        for text in ["", "x", "12", "2020-13-01", "20é0"] {
            assert_eq!(spelling(text), None, "{text}");
        }
    }

    #[test]
    fn log_lines_begin_with_a_time() {
        let at = |line: &str| of_log_line(line.as_bytes());
        let base = at("1970-01-01 00:00:00,000{GMT}\tINFO");
        assert_eq!(base, Some(0));
        assert_eq!(at("1970-01-01 00:00:02,120 INFO"), Some(2_120_000_000));
        assert_eq!(at("1970-01-01T00:00:02 INFO"), Some(2_000_000_000));
        assert_eq!(at("INFO  jepsen.util - 0 :invoke :read nil"), None);
        assert_eq!(at("1970-99-01 00:00:00,000"), None);
    }
}
