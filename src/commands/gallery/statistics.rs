//! Intervals of shares, and medians of times of which some are only known to be longer than the limit.

/// The error of a 95 % interval, on each side.
const TAIL: f64 = 0.025;
/// Steps of the bisection: far finer than what is printed.
const STEPS: u32 = 60;

/// The exact 95 % interval of a share of which `found` of `all` were seen: Clopper and Pearson, Biometrika
/// 26, 1934.
pub fn interval(found: u64, all: u64) -> (f64, f64) {
    if all == 0 {
        return (0.0, 1.0);
    }
    let least = match found {
        0 => 0.0,
        // The share with which so many or more are just unlikely.
        _ => root(|share| at_least(found, all, share) - TAIL),
    };
    let most = match found == all {
        true => 1.0,
        false => root(|share| TAIL - (1.0 - at_least(found + 1, all, share))),
    };
    (least, most)
}

/// The median, where `None` stands for longer than any other; `None` if it is among those.
pub fn median(times: &[Option<f64>]) -> Option<f64> {
    let mut times: Vec<f64> = times.iter().map(|time| time.unwrap_or(f64::INFINITY)).collect();
    times.sort_by(f64::total_cmp);
    let count = times.len();
    let middle = match count {
        0 => return None,
        odd if odd % 2 == 1 => times[odd / 2],
        even => (times[even / 2 - 1] + times[even / 2]) / 2.0,
    };
    middle.is_finite().then_some(middle)
}

/// How likely at least `found` of `all` are, each with the same share.
fn at_least(found: u64, all: u64, share: f64) -> f64 {
    (found..=all).map(|count| exactly(count, all, share)).sum()
}

fn exactly(count: u64, all: u64, share: f64) -> f64 {
    if share <= 0.0 || share >= 1.0 {
        let certain = if share <= 0.0 { 0 } else { all };
        return f64::from(u8::from(count == certain));
    }
    let ways: f64 = (0..count)
        .map(|n| ((all - n) as f64 / (count - n) as f64).ln())
        .sum();
    (ways + count as f64 * share.ln() + (all - count) as f64 * (1.0 - share).ln()).exp()
}

/// Where a function that grows from below zero crosses it, between 0 and 1.
fn root(function: impl Fn(f64) -> f64) -> f64 {
    let (mut low, mut high) = (0.0, 1.0);
    for _ in 0..STEPS {
        let middle = (low + high) / 2.0;
        match function(middle) < 0.0 {
            true => low = middle,
            false => high = middle,
        }
    }
    (low + high) / 2.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals() {
        // Values of R's binom.test.
        for (found, all, least, most) in [
            (0, 10, 0.0, 0.3085),
            (3, 3, 0.2924, 1.0),
            (5, 10, 0.1871, 0.8129),
            (9, 10, 0.5550, 0.9975),
            (0, 100, 0.0, 0.0362),
        ] {
            let (low, high) = interval(found, all);
            assert!(
                (low - least).abs() < 1e-3 && (high - most).abs() < 1e-3,
                "{found}/{all}: {low} {high}"
            );
        }
    }

    #[test]
    fn medians_of_what_was_found_in_time() {
        assert_eq!(median(&[]), None);
        assert_eq!(median(&[Some(3.0)]), Some(3.0));
        assert_eq!(median(&[Some(3.0), None, Some(1.0)]), Some(3.0));
        assert_eq!(median(&[Some(3.0), None]), None);
        assert_eq!(median(&[Some(3.0), Some(1.0), None, Some(2.0)]), Some(2.5));
    }
}
