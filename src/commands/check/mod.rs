//! `perjury check`: judges recorded histories.

use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use checker::models::{self, Entry, MODELS};
use checker::{Analysis, Decision, Limits, Options, Verdict};
use history::formats::{self, FORMATS, Imported};
use history::{Answer, History, Op, Operation, Outcome, RunDir, TestRecord, Value};

use crate::cli::CheckArgs;
use crate::exit::{CommandResult, Done, Failure};
use crate::say::say;

/// How many conflicts are told in full.
const MOST_CONFLICTS: usize = 3;

/// Judges each history, prints why, and lets the exit code tell the verdict on all of them together.
pub fn run(args: &CheckArgs) -> CommandResult {
    if let Some(name) = &args.format
        && !FORMATS.iter().any(|format| format.name == name)
    {
        let names: Vec<&str> = FORMATS.iter().map(|format| format.name).collect();
        return Err(Failure::Usage(format!(
            "there is no format `{name}`; choose {}",
            names.join(", ")
        )));
    }
    let model = args.model.as_deref().map(find_model).transpose()?;
    if args.html.is_some() && args.paths.len() > 1 {
        return Err(Failure::Usage(
            "--html draws one history; give one file".to_owned(),
        ));
    }
    let mut verdicts = Vec::new();
    for path in &args.paths {
        let verdict = if is_run(path) && model.is_none() && args.initial.is_none() && args.html.is_none() {
            check_run(path, args)?
        } else {
            check_file(path, model, args)?
        };
        verdicts.push(verdict);
    }
    if verdicts.len() > 1 {
        let count = |verdict| verdicts.iter().filter(|other| **other == verdict).count();
        say!(
            "{} histories: {} valid, {} invalid, {} unknown",
            verdicts.len(),
            count(Verdict::Valid),
            count(Verdict::Invalid),
            count(Verdict::Unknown)
        );
    }
    let merged = verdicts.into_iter().fold(Verdict::Valid, Verdict::merge);
    Ok(Done::Judged(merged))
}

fn find_model(name: &str) -> Result<&'static Entry, Failure> {
    models::find(name).ok_or_else(|| {
        let names: Vec<&str> = MODELS.iter().map(|entry| entry.name).collect();
        Failure::Usage(format!("there is no model `{name}`; choose {}", names.join(", ")))
    })
}

/// What every object held at first, where the user says nothing.
fn initial(imported: &Imported, entry: &Entry) -> Value {
    let saw_nil = |operation: &Operation| operation.outcome == Outcome::ok_value(Value::Nil);
    match models::guess_initial(entry, &imported.history) {
        // Porcupine's keys hold texts, and each begins with the empty one, even where nobody appends to it.
        Value::Nil
            if imported.format == "porcupine-kv" && !imported.history.operations.iter().any(saw_nil) =>
        {
            Value::text("")
        }
        initial => initial,
    }
}

fn is_run(path: &Path) -> bool {
    path.is_dir()
}

/// A run of perjury's own is judged by its workload, and what is said includes its faults.
fn check_run(path: &Path, args: &CheckArgs) -> Result<Verdict, Failure> {
    let run = RunDir::new(path);
    let record = read_record(&run)?;
    let history = import(&run.history(), Some("journal"))?.history;
    let _ = args;
    let analysis = judge(&record, &history)?;
    let results = reports::summarize(&record, &history, &analysis);
    say!("{}", reports::summary_text(&results).trim_end());
    Ok(results.verdict)
}

/// Any other history is judged by a model.
fn check_file(path: &Path, model: Option<&'static Entry>, args: &CheckArgs) -> Result<Verdict, Failure> {
    let began = Instant::now();
    let mut imported = import(path, args.format.as_deref())?;
    let read = began.elapsed();
    let entry = match model {
        Some(entry) => entry,
        None => models::guess(&imported.history).ok_or_else(|| {
            Failure::Usage(format!(
                "{}: no model suits its operations; name one with --model (see `perjury list`)",
                path.display()
            ))
        })?,
    };
    if let Some(kind) = entry.stranger(&imported.history) {
        return Err(Failure::Usage(format!(
            "{}: the model {} has no {kind}; choose another one with --model (see `perjury list`)",
            path.display(),
            entry.name
        )));
    }
    let initial = match args.initial.as_deref() {
        Some(text) => parse_value(text),
        None => initial(&imported, entry),
    };
    forget_nil_reads(&mut imported, &initial);

    let began = Instant::now();
    let mut analysis = judge_within(&imported.history, entry, &initial, args);
    let judged = began.elapsed();
    if imported.history.operations.is_empty() {
        // Everything explains nothing.
        analysis.verdict = Verdict::Unknown;
        let why = "there is no operation, so there is nothing to judge".to_owned();
        analysis.unknown.push((Value::Nil, why));
    }

    say!("{}: {}", path.display(), analysis.verdict);
    let guessed = if model.is_none() { " (guessed)" } else { "" };
    say!(
        "  {} on {}, read as {} in {}; model {}{guessed}, {initial} at first; {} in {}",
        plural(imported.history.operations.len(), "operation"),
        plural(analysis.keys, "key"),
        imported.format,
        seconds(read),
        entry.name,
        decided_by(&analysis),
        seconds(judged)
    );
    let found = findings(&analysis);
    if !found.is_empty() {
        say!("{}", found.trim_end());
    }
    for remark in &imported.remarks {
        say!("  note: {remark}");
    }
    if let Some(html) = &args.html {
        let name = path.display().to_string();
        draw(html, &name, &imported, &analysis, entry, &initial)?;
    }
    Ok(analysis.verdict)
}

/// Writes the page that shows why.
fn draw(
    html: &Path,
    name: &str,
    imported: &Imported,
    analysis: &Analysis,
    entry: &'static Entry,
    initial: &Value,
) -> Result<(), Failure> {
    /// Longer orders are not drawn.
    const MOST_DRAWN: usize = 200;
    let history = &imported.history;
    let is_small = analysis.keys == 1 && history.operations.len() <= MOST_DRAWN;
    let order = if analysis.verdict == Verdict::Valid && is_small {
        let options = Options {
            model: entry,
            initial: Some(initial.clone()),
            ..Options::default()
        };
        let all: Vec<usize> = (0..history.operations.len()).collect();
        match checker::check_key(history, &all, &options).0 {
            Decision::Valid(order) => Some(order),
            _ => None,
        }
    } else {
        None
    };
    let page = reports::check_html(&reports::Checked {
        name,
        history,
        analysis,
        linearization: order.as_deref(),
        nodes: &[],
        remarks: &imported.remarks,
    })?;
    std::fs::write(html, page).map_err(|error| {
        Failure::Usage(format!(
            "cannot write {}: {error}; name another file",
            html.display()
        ))
    })?;
    say!("  drawn in {}", html.display());
    Ok(())
}

/// Judges within the limits that the user named.
fn judge_within(history: &History, entry: &'static Entry, initial: &Value, args: &CheckArgs) -> Analysis {
    let stop = Arc::new(AtomicBool::new(false));
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    // What the history takes cannot be taken twice; each key's search may use its share of the rest.
    let left = args.memory_limit.saturating_sub(resident_bytes());
    let options = Options {
        model: entry,
        initial: Some(initial.clone()),
        limits: Limits {
            // Tables double when they grow.
            memory_bytes: left / 2 / threads,
            steps: u64::MAX,
            stop: vec![stop.clone()],
        },
        early_stop: true,
    };
    /// What judging takes for each operation beside the search.
    const BYTES_AN_OPERATION: usize = 200;
    // Judging copies the answers, and those of sets and lists can be far larger than all else.
    let elements: usize = history.operations.iter().map(elements_of_answer).sum();
    let needed = history.operations.len() * BYTES_AN_OPERATION + elements * size_of::<Value>();
    if left < needed {
        let why = format!(
            "{} operations are in memory, and judging them takes some {} MB more than the limit of {:.1} MB leaves",
            history.operations.len(),
            (needed - left).div_ceil(1 << 20),
            args.memory_limit as f64 / 1e6
        );
        return Analysis {
            verdict: Verdict::Unknown,
            keys: 0,
            operations: history.operations.len(),
            conflicts: Vec::new(),
            conflicts_total: 0,
            unknown: vec![(Value::Nil, why)],
            unknown_total: 1,
            model: entry.name,
            decided_by: [("none", 1)].into(),
            still: None,
            account: Vec::new(),
        };
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

/// Reads a history in any format, or says where it is wrong.
pub fn import(path: &Path, format: Option<&str>) -> Result<Imported, Failure> {
    formats::read(path, format).map_err(|error| Failure::Usage(error.to_string()))
}

/// Where nothing can ever hold nil, a read of nil was meant to claim nothing.
fn forget_nil_reads(imported: &mut Imported, initial: &Value) {
    let writes_nil = |op: &Op| match op {
        Op::Write { value, .. } | Op::Cas { new: value, .. } => value.is_nil(),
        _ => false,
    };
    if initial.is_nil()
        || imported
            .history
            .operations
            .iter()
            .any(|operation| writes_nil(&operation.op))
    {
        return;
    }
    let forgotten = imported.history.forget_nil_reads();
    if forgotten > 0 {
        imported.remarks.push(format!(
            "{} of nil claim nothing, since the object holds {initial} at first and nobody writes nil",
            plural(forgotten as usize, "read")
        ));
    }
}

/// A value as people write it: `nil`, a number, or a text.
fn parse_value(text: &str) -> Value {
    match text {
        "nil" => Value::Nil,
        _ => text.parse().map_or_else(|_| Value::text(text), Value::Int),
    }
}

fn findings(analysis: &Analysis) -> String {
    let mut text = String::new();
    for conflict in analysis.conflicts.iter().take(MOST_CONFLICTS) {
        if conflict.key.is_nil() {
            let _ = writeln!(text, "  {}:", conflict.rule);
        } else {
            let _ = writeln!(text, "  key {} ({}):", conflict.key, conflict.rule);
        }
        for sentence in &conflict.sentences {
            let _ = writeln!(text, "    {sentence}");
        }
    }
    let untold = analysis
        .conflicts_total
        .saturating_sub(MOST_CONFLICTS.min(analysis.conflicts.len()));
    if untold > 0 {
        let _ = writeln!(
            text,
            "  … and {} that are not linearizable",
            plural(untold, "further key")
        );
    }
    for (key, why) in analysis.unknown.iter().take(MOST_CONFLICTS) {
        if key.is_nil() {
            let _ = writeln!(text, "  {why}");
        } else {
            let _ = writeln!(text, "  key {key}: {why}");
        }
    }
    for sentence in &analysis.account {
        let _ = writeln!(text, "  {sentence}");
    }
    if let Some(still) = &analysis.still {
        let _ = writeln!(text, "  {}", still.sentence());
        if !still.staleness.sentence.is_empty() {
            let _ = writeln!(text, "  {}", still.staleness.sentence);
        }
        for anomaly in &still.anomalies {
            let _ = writeln!(text, "  {}: {}", anomaly.kind.name(), anomaly.sentence);
        }
    }
    text
}

fn decided_by(analysis: &Analysis) -> String {
    let parts: Vec<String> = analysis
        .decided_by
        .iter()
        .map(|(name, keys)| match (*name, *keys) {
            ("none", keys) => format!("undecided {}", plural(keys, "key")),
            (name, _) if analysis.decided_by.len() == 1 => format!("decided by {name}"),
            (name, keys) => format!("{} decided by {name}", plural(keys, "key")),
        })
        .collect();
    if parts.is_empty() {
        "nothing to decide".to_owned()
    } else {
        parts.join(", ")
    }
}

fn plural(count: usize, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}

fn seconds(time: Duration) -> String {
    match time.as_secs_f64() {
        s if s < 0.1 => format!("{:.1} ms", s * 1e3),
        s => format!("{s:.2} s"),
    }
}

/// Reads `test.json`, or says why that directory is not a run.
pub fn read_record(run: &RunDir) -> Result<TestRecord, Failure> {
    run.read_test().map_err(|error| {
        Failure::Usage(format!(
            "{} is not a run directory: cannot read its test.json ({error}); give a directory below runs/",
            run.root().display()
        ))
    })
}

/// Reads a journal into a history, or says where it is wrong.
pub fn read_history(journal: &Path) -> Result<History, Failure> {
    Ok(import(journal, Some("journal"))?.history)
}

/// Judges a history by the checker of its workload.
pub fn judge(record: &TestRecord, history: &History) -> Result<Analysis, Failure> {
    let entry = workloads::find(&record.workload).ok_or_else(|| {
        Failure::Usage(format!(
            "this perjury knows no workload `{}`; see `perjury list`",
            record.workload
        ))
    })?;
    let workload = (entry.make)(&workloads::WorkloadOptions::default());
    Ok((workload.check)(history))
}
