//! Durations, times and counts as people read them: one way to say each, for every page, sentence and
//! terminal.
//!
//! Times are nanoseconds since the start of the run.

/// A length of time, rounded to two digits or so: `340 µs`, `1.2 ms`, `12 ms`, `1.8 s`, `25 min`, `2.1 h`.
pub fn duration(ns: u64) -> String {
    in_unit(ns, |ns, step| {
        let half = step / 2;
        ns / step + u64::from(ns % step >= half && half > 0)
    })
}

/// A length of time cut off instead of rounded, so that it is never more than the real one: what was stale
/// for 1.99 s was stale for at least `1.9 s`.
pub fn at_least(ns: u64) -> String {
    in_unit(ns, |ns, step| ns / step)
}

/// Counts the steps of the first unit that is large enough.
fn in_unit(ns: u64, count: impl Fn(u64, u64) -> u64) -> String {
    /// Below how many nanoseconds a unit is used, its length, its name and its digits behind the point.
    const UNITS: [(u64, u64, &str, u32); 7] = [
        (1_000, 1, "ns", 0),
        (1_000_000, 1_000, "µs", 0),
        (10_000_000, 1_000_000, "ms", 1),
        (1_000_000_000, 1_000_000, "ms", 0),
        (600_000_000_000, 1_000_000_000, "s", 1),
        (3_600_000_000_000, 60_000_000_000, "min", 0),
        (u64::MAX, 3_600_000_000_000, "h", 1),
    ];
    for (limit, unit, name, digits) in UNITS {
        let step = unit / 10_u64.pow(digits);
        let steps = count(ns, step);
        // What rounds up to the limit is said in the next unit: `1.0 ms` and not `1000 µs`.
        if limit == u64::MAX || steps < limit / step {
            return match digits {
                0 => format!("{steps} {name}"),
                _ => format!("{}.{} {name}", steps / 10, steps % 10),
            };
        }
    }
    unreachable!("the last unit has no limit")
}

/// A point in time, milliseconds with the microseconds behind the point, cut off: `5201.100`. The unit is
/// given elsewhere.
pub fn time_ms(ns: u64) -> String {
    format!("{}.{:03}", ns / 1_000_000, ns / 1_000 % 1_000)
}

/// A point in time, milliseconds down to the nanosecond: `5201.100034`, for what is over within a
/// microsecond.
pub fn exact_time_ms(ns: u64) -> String {
    format!("{}.{:06}", ns / 1_000_000, ns % 1_000_000)
}

/// Milliseconds with about three digits, for tables whose head names the unit: `0.42`, `73.1`, `128`.
pub fn three_digits(ms: f64) -> String {
    match ms {
        ms if ms < 10.0 => format!("{ms:.2}"),
        ms if ms < 100.0 => format!("{ms:.1}"),
        ms => format!("{ms:.0}"),
    }
}

/// Nanoseconds as seconds.
pub fn seconds(ns: u64) -> f64 {
    ns as f64 / 1e9
}

/// Nanoseconds as milliseconds.
pub fn milliseconds(ns: u64) -> f64 {
    ns as f64 / 1e6
}

/// `1,234,567`
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (position, digit) in digits.chars().enumerate() {
        if position > 0 && (digits.len() - position).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `1 key`, `12,345 keys`.
pub fn plural(number: u64, noun: &str) -> String {
    let ending = if number == 1 { "" } else { "s" };
    format!("{} {noun}{ending}", grouped(number))
}

/// `512 bytes`, `1.0 MB`.
pub fn size(bytes: u64) -> String {
    match bytes as f64 {
        b if b < 1e3 => plural(bytes, "byte"),
        b if b < 1e6 => format!("{:.1} kB", b / 1e3),
        b if b < 1e9 => format!("{:.1} MB", b / 1e6),
        b => format!("{:.1} GB", b / 1e9),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        for (ns, rounded, cut) in [
            (0, "0 ns", "0 ns"),
            (999, "999 ns", "999 ns"),
            (1_999, "2 µs", "1 µs"),
            (999_400, "999 µs", "999 µs"),
            (999_500, "1.0 ms", "999 µs"),
            (1_166_000, "1.2 ms", "1.1 ms"),
            (9_960_000, "10 ms", "9.9 ms"),
            (59_999_999, "60 ms", "59 ms"),
            (999_600_000, "1.0 s", "999 ms"),
            (1_990_000_000, "2.0 s", "1.9 s"),
            (599_990_000_000, "10 min", "599.9 s"),
            (659_900_000_000, "11 min", "10 min"),
            (3_599_000_000_000, "1.0 h", "59 min"),
            (7_100_000_000_000, "2.0 h", "1.9 h"),
            (u64::MAX, "5124095.6 h", "5124095.5 h"),
        ] {
            assert_eq!(
                (duration(ns).as_str(), at_least(ns).as_str()),
                (rounded, cut),
                "{ns}"
            );
        }
    }

    #[test]
    fn times() {
        assert_eq!(time_ms(5_201_100_934), "5201.100");
        assert_eq!(exact_time_ms(5_201_100_034), "5201.100034");
        for (ms, expected) in [(0.419, "0.42"), (7.3, "7.30"), (73.14, "73.1"), (128.4, "128")] {
            assert_eq!(three_digits(ms), expected);
        }
    }

    #[test]
    fn counts() {
        for (number, expected) in [
            (0, "0 keys"),
            (1, "1 key"),
            (999, "999 keys"),
            (1_234_567, "1,234,567 keys"),
        ] {
            assert_eq!(plural(number, "key"), expected);
        }
        for (bytes, expected) in [(1, "1 byte"), (20_000, "20.0 kB"), (1 << 30, "1.1 GB")] {
            assert_eq!(size(bytes), expected);
        }
    }
}
