//! Times and sizes as users write them.

use std::time::Duration;

/// Reads `30s` or `5m`.
///
/// # Errors
/// What is wrong with it.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let duration =
        humantime::parse_duration(text).map_err(|error| format!("{error}; write it like `30s` or `5m`"))?;
    if duration.is_zero() {
        return Err("it must be more than 0".into());
    }
    Ok(duration)
}

/// Reads `512MiB` or `2GiB`.
///
/// # Errors
/// What is wrong with it.
pub fn parse_bytes(text: &str) -> Result<usize, String> {
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (number, unit) = text.split_at(digits);
    let factor: usize = match unit.trim().to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "k" | "kib" => 1 << 10,
        "kb" => 1_000,
        "m" | "mib" => 1 << 20,
        "mb" => 1_000_000,
        "g" | "gib" => 1 << 30,
        "gb" => 1_000_000_000,
        _ => {
            return Err(format!(
                "`{unit}` is not a unit of size; write it like `512MiB` or `2GiB` (B, kB, KiB, MB, MiB, GB, GiB)"
            ));
        }
    };
    let bytes = number
        .parse()
        .ok()
        .and_then(|number: usize| number.checked_mul(factor));
    bytes
        .filter(|bytes| *bytes > 0)
        .ok_or_else(|| "write it like `512MiB` or `2GiB` (B, kB, KiB, MB, MiB, GB, GiB)".to_owned())
}
