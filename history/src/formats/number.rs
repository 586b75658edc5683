//! Numbers, each in one spelling only.
//!
//! Source: the EDN specification and Clojure's reader: integers in any radix up to 36, `N` behind those of
//! any size, ratios, floating-point numbers, and decimals of any size with `M`. What Clojure's `=` calls
//! equal is equal here: 1.50 and 1.5, 1/2 and 2/4, but not 1 and 1.0, and not 1.5 and 1.5M.

use crate::Value;

/// The longest exponent of a decimal that is taken apart; one that is longer stays as it is written.
const LONGEST_EXPONENT: usize = 6;

/// The number that a token is.
pub(crate) fn parse(token: &str) -> Option<Value> {
    let unsigned = token.strip_prefix(['+', '-']).unwrap_or(token);
    let negative = token.starts_with('-');
    if !unsigned.starts_with(|first: char| first.is_ascii_digit()) {
        return None;
    }
    let digits = unsigned.strip_suffix('N').unwrap_or(unsigned);
    if let Some(digits) = digits.strip_prefix("0x").or(digits.strip_prefix("0X")) {
        return integer(negative, digits, 16);
    }
    if let Some(octal) = digits.strip_prefix('0').filter(|rest| !rest.is_empty())
        && let Some(value) = integer(negative, octal, 8)
    {
        return Some(value);
    }
    if digits.bytes().all(|byte| byte.is_ascii_digit()) {
        let is_octal = digits.len() > 1 && digits.starts_with('0');
        return if is_octal {
            None
        } else {
            integer(negative, digits, 10)
        };
    }
    if let Some((radix, digits)) = digits.split_once(['r', 'R']) {
        let radix = radix.parse().ok().filter(|radix| (2..=36).contains(radix))?;
        return integer(negative, digits, radix);
    }
    if let Some((numerator, denominator)) = unsigned.split_once('/') {
        return ratio(negative, numerator, denominator);
    }
    if let Some(decimal) = unsigned.strip_suffix('M') {
        return self::decimal(negative, decimal);
    }
    let is_float = unsigned
        .bytes()
        .all(|byte| byte.is_ascii_digit() || b".eE+-".contains(&byte));
    token.parse().ok().filter(|_| is_float).map(Value::float)
}

/// An integer; one that does not fit into 64 bits is a form in decimal, or in the radix in which it is
/// written.
fn integer(negative: bool, digits: &str, radix: u32) -> Option<Value> {
    if digits.is_empty() || !digits.chars().all(|digit| digit.is_digit(radix)) {
        return None;
    }
    let sign = if negative { "-" } else { "" };
    if let Ok(number) = i64::from_str_radix(&format!("{sign}{digits}"), radix) {
        return Some(Value::Int(number));
    }
    if let Ok(number) = i128::from_str_radix(&format!("{sign}{digits}"), radix) {
        return Some(Value::form(&number.to_string()));
    }
    let digits = digits.trim_start_matches('0').to_ascii_lowercase();
    Some(Value::form(&match radix {
        10 => format!("{sign}{digits}"),
        radix => format!("{sign}{radix}r{digits}"),
    }))
}

/// A ratio in lowest terms; one of numbers that do not fit stays as it is written.
fn ratio(negative: bool, numerator: &str, denominator: &str) -> Option<Value> {
    let is_integer = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    if !is_integer(numerator) || !is_integer(denominator) {
        return None;
    }
    let sign = if negative { "-" } else { "" };
    let (Ok(above), Ok(below)) = (numerator.parse::<i128>(), denominator.parse::<i128>()) else {
        return Some(Value::form(&format!("{sign}{numerator}/{denominator}")));
    };
    if below == 0 {
        return None;
    }
    let (mut one, mut other) = (above, below);
    while other != 0 {
        (one, other) = (other, one % other);
    }
    let (above, below) = (above / one, below / one);
    match below {
        1 => integer(negative, &above.to_string(), 10),
        _ => Some(Value::form(&format!("{sign}{above}/{below}"))),
    }
}

/// A decimal of any size, as its digits and their exponent: `15E-1M`.
fn decimal(negative: bool, text: &str) -> Option<Value> {
    let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let (whole, part) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let is_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let size = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
    if whole.is_empty() || !is_digits(whole) || !is_digits(part) || size.is_empty() || !is_digits(size) {
        return None;
    }
    let sign = if negative { "-" } else { "" };
    if size.len() > LONGEST_EXPONENT {
        return Some(Value::form(&format!("{sign}{text}M")));
    }
    let all = format!("{whole}{part}");
    let digits = all.trim_start_matches('0');
    let kept = digits.trim_end_matches('0');
    if kept.is_empty() {
        return Some(Value::form("0E0M"));
    }
    let exponent: i64 = exponent.parse().ok()?;
    let exponent = exponent - part.len() as i64 + (digits.len() - kept.len()) as i64;
    Some(Value::form(&format!("{sign}{kept}E{exponent}M")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_numbers_are_equal_and_others_are_not() {
        let classes: [&[&str]; 12] = [
            &["1", "+1", "1N", "0x1", "01", "2r1", "2/2"],
            &["1.0", "1.00", "1e0", "+1.0", "10E-1"],
            &["1.5", "1.50", "15e-1"],
            &["1.5M", "1.50M", "15E-1M", "0.15e1M"],
            &["1/2", "2/4", "50/100"],
            &["-1/2", "-2/4"],
            &[
                "9223372036854775807",
                "0x7fffffffffffffff",
                "9223372036854775807N",
            ],
            &[
                "9223372036854775808",
                "9223372036854775808N",
                "0x8000000000000000",
            ],
            &["-9223372036854775808"],
            &["0.0", "-0.0", "0e7"],
            &["0M", "0.00M", "0E5M"],
            &[
                "1267650600228229401496703205376000000000000000",
                "1267650600228229401496703205376000000000000000N",
            ],
        ];
        let values: Vec<Vec<Value>> = classes
            .iter()
            .map(|class| {
                class
                    .iter()
                    .map(|token| parse(token).unwrap_or_else(|| panic!("{token}")))
                    .collect()
            })
            .collect();
        for (place, class) in values.iter().enumerate() {
            assert!(class.iter().all(|value| *value == class[0]), "{class:?}");
            assert!(
                values[..place].iter().all(|other| other[0] != class[0]),
                "{class:?}"
            );
        }
        for token in [
            "", "-", "x", "1x", "08", "1/0", "1/", "37r1", "1.5.5", "1e", "M", "1.xM", "--1", "+-1",
        ] {
            assert_eq!(parse(token), None, "{token}");
        }
    }
}
