//! Judging a history within limits of time and memory.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::thread::Scope;
use std::time::Duration;

use checker::objects::{self, Entry};
use checker::{Analysis, Limits, Options};
use history::units::{plural, size};
use history::{Answer, History, Operation, Outcome, TestRecord, Value};

use crate::cli::CheckArgs;
use crate::exit::Failure;

/// How many bytes judging takes for each operation, not counting the search.
const BYTES_AN_OPERATION: usize = 200;

/// How long a run is judged before its report is written; `perjury check` may take longer.
const RUN_TIME: Duration = Duration::from_secs(300);
/// How long of it may go into what an invalid run still is.
const RUN_STILL_TIME: Duration = Duration::from_secs(20);
/// The memory that judging a run may take, bytes.
const RUN_MEMORY: usize = 8 << 30;

/// What judging may take.
#[derive(Clone, Copy, Debug)]
pub struct Within {
    /// For all of it.
    pub time: Option<Duration>,
    /// For what an invalid history still is, which can take far longer than the verdict.
    pub still_time: Option<Duration>,
    /// Memory, bytes.
    pub memory: usize,
}

impl From<&CheckArgs> for Within {
    fn from(args: &CheckArgs) -> Within {
        Within {
            time: args.time_limit,
            still_time: None,
            memory: args.memory_limit,
        }
    }
}

/// Judges a run by the model of its workload.
pub fn judge(record: &TestRecord, history: &History) -> Result<Analysis, Failure> {
    // Without an early stop, because the report lists every key.
    let options = Options {
        model: run_model(record)?,
        keep_orders: true,
        ..Options::default()
    };
    let limits = Within {
        time: Some(RUN_TIME),
        still_time: Some(RUN_STILL_TIME),
        memory: RUN_MEMORY,
    };
    Ok(within(history, options, limits))
}

/// The model by which a run says that it is to be judged.
pub fn run_model(record: &TestRecord) -> Result<&'static Entry, Failure> {
    objects::find(&record.model).ok_or_else(|| {
        Failure::Usage(format!(
            "this perjury knows no model `{}`, by which the run is to be judged; name another one with --model (see \
             `perjury list`)",
            record.model
        ))
    })
}

/// Judges within limits; those in `options` do not count.
pub fn within(history: &History, options: Options, limits: Within) -> Analysis {
    let stop = Arc::new(AtomicBool::new(false));
    let still_stop = Arc::new(AtomicBool::new(false));
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    // What the history takes cannot be taken twice; each key's search may use its share of the rest.
    let left = limits.memory.saturating_sub(resident_bytes());
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
            plural(history.operations.len() as u64, "operation"),
            size((needed - left) as u64),
            size(limits.memory as u64)
        );
        return Analysis::undecided(history, &options, why);
    }
    std::thread::scope(|scope| {
        let verdict = stop_after(scope, limits.time, &stop);
        let mut analysis = checker::check(history, &options);
        let mut options = options;
        options.limits.stop.push(still_stop.clone());
        let still = stop_after(scope, limits.still_time, &still_stop);
        checker::explain(history, &options, &mut analysis);
        drop((verdict, still));
        analysis
    })
}

/// Sets `stop` after `limit` unless what is returned is dropped before. The checker knows no clock, so
/// someone else must look at it.
fn stop_after<'scope>(
    scope: &'scope Scope<'scope, '_>,
    limit: Option<Duration>,
    stop: &Arc<AtomicBool>,
) -> mpsc::Sender<()> {
    let (done, is_done) = mpsc::channel::<()>();
    if let Some(limit) = limit {
        let stop = stop.clone();
        scope.spawn(move || {
            if is_done.recv_timeout(limit) == Err(mpsc::RecvTimeoutError::Timeout) {
                stop.store(true, Ordering::Relaxed);
            }
        });
    }
    done
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

/// How much memory this process takes now; 0 where the system does not say.
fn resident_bytes() -> usize {
    let pages = std::fs::read_to_string("/proc/self/statm")
        .ok()
        .and_then(|text| text.split(' ').nth(1)?.parse::<usize>().ok());
    pages.unwrap_or(0) * 4096
}
