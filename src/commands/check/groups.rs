//! A Parquet file that is larger than the memory: judged in groups of keys.

use std::path::Path;
use std::time::Instant;

use checker::Options;
use checker::Verdict;
use checker::objects::Seen;
use history::Value;
use history::columns::File;
use history::formats::{PARQUET, is_parquet};
use history::units::{duration, plural, size};

use super::findings::decided_by;
use super::page::Target;
use super::{Request, print};
use crate::exit::Failure;
use crate::groups::{self, Found, Shares};
use crate::input;
use crate::output::say;

/// The file at a path, if it is Parquet and too large to be in memory as a whole.
pub(super) fn larger_than_memory(request: &Request<'_>, path: &Path) -> Result<Option<File>, Failure> {
    let args = request.args;
    let is_meant = match &args.format {
        Some(format) => format == PARQUET,
        None => is_parquet(path),
    };
    // Who names an order is refused by the reader.
    if !is_meant || !path.is_file() || args.order.is_some() {
        return Ok(None);
    }
    let file = File::open(path).map_err(|error| groups::wrong(path, &error))?;
    let is_larger = !Shares::of(args.memory_limit).hold(&file);
    Ok(is_larger.then_some(file))
}

/// Judges it.
pub(super) fn check(
    request: &Request<'_>,
    path: &Path,
    file: &File,
    target: Option<&Target>,
) -> Result<Verdict, Failure> {
    let args = request.args;
    let name = input::name(path);
    let rows = plural(file.rows(), "operation");
    if target.is_some() {
        return Err(Failure::Usage(format!(
            "--html draws what fits into memory; {name} has {rows}, too many for the limit of {}",
            size(args.memory_limit as u64)
        )));
    }
    let began = Instant::now();
    let shares = Shares::of(args.memory_limit);
    if let Some(entry) = request.model
        && !entry.per_key
    {
        return Ok(cannot_be_split(&name, &rows, entry.name, args.memory_limit));
    }
    let spilled = groups::split(path, file, &shares, args.keys)?;
    let read = began.elapsed();
    let survey = &spilled.survey;
    let sample = survey.sample();
    let mut chosen = request.model(path, None, &sample)?;
    let entry = chosen.entry;
    if !entry.per_key {
        return Ok(cannot_be_split(&name, &rows, entry.name, args.memory_limit));
    }
    request.fits(path, entry, &sample)?;
    // Whether every pair could as well be two values that were written cannot be told from a sample.
    let mut seen = Seen::new(&sample);
    if request.model.is_none() && seen.is_versioned() {
        seen.pairs_of_written = true;
        chosen.doubt = seen.doubt();
    }
    let initial: Value = request.initial.clone().unwrap_or_else(entry.initial);
    let mut about = About {
        is_empty: survey.operations == 0,
        is_answered: survey.answered > 0,
        is_renumbered: false,
        doubts: Vec::new(),
    };
    let mut remarks = survey.remarks();
    if !file.unused().is_empty() {
        remarks.push(format!("columns that are not used: {}", file.unused().join(", ")));
    }

    let began = Instant::now();
    let options = Options {
        model: entry,
        initial: Some(initial.clone()),
        early_stop: true,
        ..Options::default()
    };
    let found = groups::judge(path, spilled, &options, &shares, args.time_limit)?;
    let judged = began.elapsed();
    let Found {
        mut analysis,
        mut told,
        is_renumbered,
        groups,
    } = found;
    about.is_renumbered = is_renumbered;
    let before = analysis.verdict;
    imported::reserve(&mut analysis, &about, entry, chosen.doubt);
    if analysis.verdict != before {
        told.clear();
    }

    say!("{name}: {}", analysis.verdict);
    say!(
        "  {}{}{}, read as {PARQUET} in {}; model {}{}, {initial} at first; {} in {}, in {} of keys",
        plural(analysis.operations as u64, "operation"),
        format_args!(" on {}", plural(analysis.keys as u64, "key")),
        request.part(),
        duration(read.as_nanos() as u64),
        entry.name,
        chosen.how,
        decided_by(&analysis),
        duration(judged.as_nanos() as u64),
        plural(groups as u64, "group")
    );
    print(&super::findings::told(&told, &analysis));
    if analysis.verdict == Verdict::Invalid {
        say!("  Weaker models: not looked at, since they ask for all keys at once.");
    }
    for remark in &remarks {
        say!("  note: {remark}");
    }
    Ok(analysis.verdict)
}

/// Says that a history must be judged as a whole, and is too large for that.
fn cannot_be_split(name: &str, rows: &str, model: &str, limit: usize) -> Verdict {
    say!("{name}: {}", Verdict::Unknown);
    say!(
        "  its {rows} do not fit into the limit of {}, and the model {model} judges all keys together, so that they \
         cannot be judged in groups; --memory-limit sets another limit",
        size(limit as u64)
    );
    Verdict::Unknown
}
