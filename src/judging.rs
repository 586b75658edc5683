//! Judging a history within limits of time and memory.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::thread::Scope;
use std::time::Duration;

use checker::objects::{self, Entry};
use checker::{Analysis, Limits, Options, Verdict};
use history::units::{duration, plural, size};
use history::{Answer, History, Operation, Outcome, TestRecord, Value};

use crate::cli::CheckArgs;
use crate::exit::Failure;
use crate::output::grumble;

/// How many bytes judging takes for each operation, not counting the search.
pub const BYTES_AN_OPERATION: usize = 200;

/// How long a run is judged before its report is written; `perjury check` may take longer.
const RUN_TIME: Duration = Duration::from_secs(300);
/// How long it may be looked at after the verdict what an invalid run still is. Results wait for it.
const RUN_STILL_TIME: Duration = Duration::from_secs(5);
/// The same for a history, whose verdict is printed before.
const STILL_TIME: Duration = Duration::from_secs(2);
/// After what time the user is told that something is still being looked at.
const SILENCE: Duration = Duration::from_millis(500);
/// The memory that judging a run may take, bytes.
const RUN_MEMORY: usize = 8 << 30;

/// What judging may take.
#[derive(Clone, Copy, Debug)]
pub struct Within {
    /// For the verdict.
    pub time: Option<Duration>,
    /// For what an invalid history still is, after the verdict: it can take far longer, and no one waits for
    /// it.
    pub still_time: Duration,
    /// Memory, bytes.
    pub memory: usize,
}

impl From<&CheckArgs> for Within {
    fn from(args: &CheckArgs) -> Within {
        Within {
            time: args.time_limit,
            still_time: args.time_limit.map_or(STILL_TIME, |limit| limit.min(STILL_TIME)),
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
        still_time: RUN_STILL_TIME,
        memory: RUN_MEMORY,
    };
    Ok(within(history, &options, limits))
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

/// Judges within limits; those in `options` do not count. All that is to be said is in the analysis.
pub fn within(history: &History, options: &Options, limits: Within) -> Analysis {
    let mut analysis = verdict(history, options, limits);
    explain(history, options, limits, &mut analysis);
    analysis
}

/// The verdict and what shows it, within limits; those in `options` do not count.
pub fn verdict(history: &History, options: &Options, limits: Within) -> Analysis {
    let stop = Arc::new(AtomicBool::new(false));
    let left = limits.memory.saturating_sub(resident_bytes());
    let options = bounded(options, left, &stop);
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
        let timer = limits
            .time
            .map(|limit| after(scope, limit, || stop.store(true, Ordering::Relaxed)));
        let analysis = checker::check(history, &options);
        drop(timer);
        analysis
    })
}

/// Adds to a verdict what the history still is, and what became of what was written. Where that takes a
/// while the user is told.
pub fn explain(history: &History, options: &Options, limits: Within, analysis: &mut Analysis) {
    // What was too large to be judged is not looked at either.
    if analysis.keys == 0 {
        return;
    }
    let is_invalid = analysis.verdict == Verdict::Invalid;
    let stop = Arc::new(AtomicBool::new(false));
    let left = limits.memory.saturating_sub(resident_bytes());
    let options = bounded(options, left, &stop);
    std::thread::scope(|scope| {
        let timer = after(scope, limits.still_time, || stop.store(true, Ordering::Relaxed));
        let told = is_invalid.then(|| {
            after(scope, SILENCE, move || {
                let most = duration(limits.still_time.as_nanos() as u64);
                grumble!("perjury: the verdict stands; looking for {most} at most which weaker models hold");
            })
        });
        checker::explain(history, &options, analysis);
        drop((timer, told));
    });
}

/// The options with the limits of a search that may take its share of so many bytes.
fn bounded(options: &Options, left: usize, stop: &Arc<AtomicBool>) -> Options {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    Options {
        limits: Limits {
            // What the history takes cannot be taken twice; each key's search may use its share of the rest.
            // Tables double when they grow.
            memory_bytes: left / 2 / threads,
            steps: u64::MAX,
            stop: vec![stop.clone()],
        },
        ..options.clone()
    }
}

/// Does something after a time unless what is returned is dropped before. The checker knows no clock, so
/// someone else must look at it.
pub fn after<'scope>(
    scope: &'scope Scope<'scope, '_>,
    limit: Duration,
    then: impl FnOnce() + Send + 'scope,
) -> mpsc::Sender<()> {
    let (done, is_done) = mpsc::channel::<()>();
    scope.spawn(move || {
        if is_done.recv_timeout(limit) == Err(mpsc::RecvTimeoutError::Timeout) {
            then();
        }
    });
    done
}

/// How many values an answer is made of, if it is of several, or a list of such as that of a transaction.
fn elements_of_answer(operation: &Operation) -> usize {
    let within = |value: &Value| value.elements().map_or(0, <[Value]>::len);
    let Outcome::Ok(Answer { value: Some(answer) }) = &operation.outcome else {
        return 0;
    };
    within(answer)
        + answer
            .elements()
            .unwrap_or_default()
            .iter()
            .map(within)
            .sum::<usize>()
}

/// How much memory this process takes now; 0 where the system does not say.
pub fn resident_bytes() -> usize {
    let pages = std::fs::read_to_string("/proc/self/statm")
        .ok()
        .and_then(|text| text.split(' ').nth(1)?.parse::<usize>().ok());
    pages.unwrap_or(0) * 4096
}
