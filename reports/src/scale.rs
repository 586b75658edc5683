//! Round numbers for axes.

use history::units::grouped;

/// The least of 1, 2, 5 times a power of ten that is not below `least`.
pub(crate) fn round_step(least: f64) -> f64 {
    let decade = 10f64.powf(least.log10().floor());
    [1.0, 2.0, 5.0]
        .into_iter()
        .map(|step| step * decade)
        .find(|step| *step >= least * 0.999_999)
        .unwrap_or(decade * 10.0)
}

/// A number with no more digits than it needs: `0.05`, `2.5`, `10,000`.
pub(crate) fn plain(value: f64) -> String {
    if value <= -1000.0 {
        return format!("-{}", plain(-value));
    }
    if value >= 1000.0 {
        return grouped(value.round() as u64);
    }
    let text = format!("{value:.6}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    if text == "-0" {
        "0".to_owned()
    } else {
        text.to_owned()
    }
}
