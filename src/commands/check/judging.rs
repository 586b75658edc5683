//! Judging within the limits of time and memory that the user named.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;

use checker::{Analysis, Limits, Options, Verdict};
use history::{Answer, History, Operation, Outcome, Value};

use super::words::{plural, size};
use crate::cli::CheckArgs;

/// What judging takes for each operation beside the search.
const BYTES_AN_OPERATION: usize = 200;

/// Judges within the limits that the user named; those in `options` do not count.
pub(super) fn within(history: &History, options: Options, args: &CheckArgs) -> Analysis {
    let stop = Arc::new(AtomicBool::new(false));
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    // What the history takes cannot be taken twice; each key's search may use its share of the rest.
    let left = args.memory_limit.saturating_sub(resident_bytes());
    let options = Options {
        limits: Limits {
            // Tables double when they grow.
            memory_bytes: left / 2 / threads,
            steps: u64::MAX,
            stop: vec![stop.clone()],
        },
        ..options
    };
    // Judging copies the answers, and those of sets and lists can be far larger than all else.
    let elements: usize = history.operations.iter().map(elements_of_answer).sum();
    let needed = history.operations.len() * BYTES_AN_OPERATION + elements * size_of::<Value>();
    if left < needed {
        let why = format!(
            "{} are in memory, and judging them takes some {} more than the limit of {} leaves",
            plural(history.operations.len(), "operation"),
            size(needed - left),
            size(args.memory_limit)
        );
        return undecided(history, &options, why);
    }
    // The checker knows no clock, so somebody else must look at it.
    let (done, is_done) = mpsc::channel::<()>();
    std::thread::scope(|scope| {
        if let Some(limit) = args.time_limit {
            let stop = &stop;
            scope.spawn(move || {
                if is_done.recv_timeout(limit) == Err(mpsc::RecvTimeoutError::Timeout) {
                    stop.store(true, Ordering::Relaxed);
                }
            });
        }
        let analysis = checker::judge(history, &options);
        drop(done);
        analysis
    })
}

fn undecided(history: &History, options: &Options, why: String) -> Analysis {
    Analysis {
        verdict: Verdict::Unknown,
        keys: 0,
        operations: history.operations.len(),
        conflicts: Vec::new(),
        conflicts_total: 0,
        unknown: vec![(Value::Nil, why)],
        unknown_total: 1,
        model: options.model.name,
        decided_by: BTreeMap::new(),
        still: None,
        account: Vec::new(),
    }
}

/// How many values an answer is made of, if it is a list, or a list of lists as that of a transaction.
fn elements_of_answer(operation: &Operation) -> usize {
    match &operation.outcome {
        Outcome::Ok(Answer {
            value: Some(Value::List(values)),
        }) => values.iter().fold(values.len(), |count, value| match value {
            Value::List(values) => count + values.len(),
            _ => count,
        }),
        _ => 0,
    }
}

/// How much memory this process takes now; 0 where the system does not tell.
fn resident_bytes() -> usize {
    let pages = std::fs::read_to_string("/proc/self/statm")
        .ok()
        .and_then(|text| text.split(' ').nth(1)?.parse::<usize>().ok());
    pages.unwrap_or(0) * 4096
}
