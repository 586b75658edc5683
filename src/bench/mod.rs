//! Benchmarks: of the controller, the checker, the harness as a whole, and the bundled cluster. Each figure
//! is taken several times, and the median is what counts.

mod cell;
pub mod check;
mod cluster;
#[cfg(feature = "parquet")]
pub mod columns;
pub mod detection;
pub mod overhead;
pub mod runner;
pub mod shapes;
pub mod store;

use std::time::{Duration, Instant};

/// How long a store may take to answer.
const HTTP_TIMEOUT: Duration = Duration::from_secs(5);
/// How often each figure is taken.
const ROUNDS: usize = 5;

fn median(figures: &mut [f64]) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied().unwrap_or(f64::NAN)
}

fn seconds(work: impl FnOnce()) -> f64 {
    let began = Instant::now();
    work();
    began.elapsed().as_secs_f64()
}

/// Lets the peak of this process's memory count from now on, where the system can do that (Linux).
fn forget_peak() {
    let _ = std::fs::write("/proc/self/clear_refs", "5");
}

/// A line of `/proc/self/status`, bytes.
fn memory(name: &str) -> Option<usize> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with(name))?;
    let kib: usize = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kib << 10)
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
