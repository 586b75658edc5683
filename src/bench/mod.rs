//! Benchmarks: of the controller, the checker, the harness as a whole, and the bundled cluster. Each figure
//! is taken several times, and the median is what counts.

pub mod check;
mod cluster;
pub mod detection;
pub mod overhead;
pub mod runner;
pub mod store;

use std::time::Duration;

/// How long a store may take to answer.
const HTTP_TIMEOUT: Duration = Duration::from_secs(5);
/// How often each figure is taken.
const ROUNDS: usize = 5;

fn median(figures: &mut [f64]) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied().unwrap_or(f64::NAN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_in_the_middle() {
        assert_eq!(median(&mut [3.0, 1.0, 2.0]), 2.0);
        assert!(median(&mut []).is_nan());
    }
}
