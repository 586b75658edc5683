//! `perjury check`: judges recorded histories.
//!
//! ```text
//!  input     which histories are meant, and whether they are there
//!  page      whether the page may be written where the user wants it
//!            ─── only then anything is judged ───
//!  judging   the model's answer within the limits of time and memory
//!  groups    the same for a file that is larger than the memory, group of keys by group of keys
//!  findings  what the terminal shows: the verdict and why at once, and then what the history still is
//! ```

mod findings;
#[cfg(feature = "parquet")]
mod groups;
mod page;

use std::path::Path;
use std::time::Instant;

use checker::objects::{self, Entry, MODELS};
use checker::{Analysis, Options, Verdict};
use history::formats::{self, FORMATS, Imported, JOURNAL, PARQUET, Remark};
use history::units::{duration, plural};
use history::{Doubt, History, Op, Operation, Outcome, RunDir, TestRecord, Value};

use crate::cli::CheckArgs;
use crate::exit::{CommandResult, Done, Failure};
use crate::input::{self, Input, import};
use crate::judging::{self, run_model};
use crate::output::say;
use findings::decided_by;
use page::Target;

/// Judges each history and prints why. The exit code is the merged verdict.
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
    let request = Request {
        args,
        model: args.model.as_deref().map(find_model).transpose()?,
        initial: args.initial.as_deref().map(input::value).transpose()?,
    };
    if args.html.is_some() && args.paths.len() > 1 {
        return Err(Failure::Usage(
            "--html draws one history; give one file".to_owned(),
        ));
    }
    // Mistakes in the paths are reported before hours are spent on the first of them.
    let inputs = input::all(args)?;
    let target = args
        .html
        .as_deref()
        .map(|html| Target::new(html, args))
        .transpose()?;
    let mut verdicts = Vec::new();
    for input in &inputs {
        let verdict = match input {
            Input::Run { run, record } if request.is_plain() => {
                if inputs.len() > 1 {
                    say!(
                        "{}{}:",
                        if verdicts.is_empty() { "" } else { "\n" },
                        run.root().display()
                    );
                }
                check_run(run, record, args)?
            }
            Input::Run { run, record } => request.check(run.root(), Some(record), target.as_ref())?,
            Input::File(path) => request.check(path, None, target.as_ref())?,
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
    objects::find(name).ok_or_else(|| {
        let names: Vec<&str> = MODELS.iter().map(|entry| entry.name).collect();
        Failure::Usage(format!("there is no model `{name}`; choose {}", names.join(", ")))
    })
}

/// Judges a run of perjury's by the model of its workload; the summary includes its faults.
fn check_run(run: &RunDir, record: &TestRecord, args: &CheckArgs) -> Result<Verdict, Failure> {
    let imported = import(&run.history(), Some(JOURNAL))?;
    // Without an early stop, since the report tells the fate of every key.
    let options = Options {
        model: run_model(record)?,
        ..Options::default()
    };
    let analysis = judging::within(&imported.history, &options, args.into());
    let logs = reports::NodeLogs::read(run, record, imported.history.end_ns);
    let results = reports::summarize(record, &imported.history, &analysis, &logs);
    say!("{}", reports::summary_text(&results).trim_end());
    for remark in &imported.remarks {
        say!("note: {remark}");
    }
    Ok(results.verdict)
}

/// What every object held at first, where the user says nothing.
fn initial(imported: &Imported, entry: &Entry) -> Value {
    let saw_nil = |operation: &Operation| operation.outcome == Outcome::ok_value(Value::Nil);
    match objects::guess_initial(entry, &imported.history) {
        Value::Nil if !imported.history.operations.iter().any(saw_nil) => {
            formats::find(imported.format).map_or(Value::Nil, |format| (format.initial)())
        }
        initial => initial,
    }
}

/// The model that a history is judged by.
struct Chosen {
    entry: &'static Entry,
    /// How it was found, for people.
    how: &'static str,
    /// Why it may be the wrong one.
    doubt: Option<&'static str>,
}

/// Takes an accusation back that something else than the store may explain.
fn withdraw(analysis: &mut Analysis, why: &str) {
    analysis.verdict = Verdict::Unknown;
    analysis.orders.clear();
    analysis.conflicts.clear();
    analysis.conflicts_total = 0;
    analysis.still = None;
    analysis.unknown.push((Value::Nil, why.to_owned()));
}

/// What else may explain what contradicts.
fn in_words(doubt: Doubt) -> &'static str {
    match doubt {
        Doubt::UnknownTaken => "what is missing may have been taken by a drain that did not end",
        Doubt::UnknownLocks => {
            "what is acquired and released may be several locks: record [lock nil] tuples, or nothing for one lock"
        }
    }
}

/// What is to be known of a whole history, of which maybe only a part is judged.
struct About<'a> {
    is_empty: bool,
    /// The store answered at least once.
    is_answered: bool,
    is_renumbered: bool,
    doubts: &'a [Doubt],
}

impl<'a> About<'a> {
    fn new(operations: &[Operation], is_renumbered: bool, doubts: &'a [Doubt]) -> About<'a> {
        About {
            is_empty: operations.is_empty(),
            is_answered: (operations.iter()).any(|operation| operation.outcome.is_answer()),
            is_renumbered,
            doubts,
        }
    }
}

/// What keeps a history from being judged as it stands: what was not recorded, or what no one was told.
fn reserve(analysis: &mut Analysis, about: &About<'_>, chosen: &Chosen) {
    if analysis.verdict == Verdict::Invalid {
        if chosen.entry.owned && about.is_renumbered {
            withdraw(
                analysis,
                "processes went on after an info, so that no one can say who held what; --model mutex asks for no owner",
            );
        } else if let Some(doubt) = about.doubts.first() {
            withdraw(analysis, in_words(*doubt));
        } else if let Some(doubt) = chosen.doubt {
            withdraw(analysis, doubt);
        }
        return;
    }
    if about.is_empty {
        // Everything explains nothing.
        withdraw(analysis, "there is no operation, so there is nothing to judge");
    } else if !about.is_answered && analysis.verdict == Verdict::Valid {
        withdraw(
            analysis,
            "no operation was answered, so there is nothing that could be wrong: too little happened",
        );
    }
}

/// How the histories are to be judged.
struct Request<'a> {
    args: &'a CheckArgs,
    model: Option<&'static Entry>,
    initial: Option<Value>,
}

impl Request<'_> {
    /// Whether runs are judged as their own records say.
    fn is_plain(&self) -> bool {
        self.model.is_none() && self.initial.is_none() && self.args.html.is_none() && self.args.keys.is_none()
    }

    /// Which part of the keys is judged, in words that follow their number.
    fn part(&self) -> String {
        let words = |part| format!(" (part {part} of the keys)");
        self.args.keys.map_or_else(String::new, words)
    }

    /// Leaves only the part of the keys that is to be judged.
    fn take_part(&self, path: &Path, entry: &Entry, history: &mut History) -> Result<(), Failure> {
        let Some(part) = self.args.keys else {
            return Ok(());
        };
        if !entry.per_key {
            return Err(Failure::Usage(format!(
                "{}: the model {} judges all keys together, so they cannot be judged in parts; leave out --keys",
                input::name(path),
                entry.name
            )));
        }
        history
            .operations
            .retain(|operation| part.holds(operation.op.key()));
        Ok(())
    }

    /// The model to judge by, and how it was found.
    fn model(&self, path: &Path, record: Option<&TestRecord>, history: &History) -> Result<Chosen, Failure> {
        let chosen = |entry, how| Chosen {
            entry,
            how,
            doubt: None,
        };
        match (self.model, record) {
            (Some(entry), _) => Ok(chosen(entry, "")),
            (None, Some(record)) => Ok(chosen(run_model(record)?, " (the run's)")),
            (None, None) => match objects::guess(history) {
                Some(guess) => Ok(Chosen {
                    doubt: guess.doubt,
                    ..chosen(guess.entry, " (guessed)")
                }),
                None => Err(Failure::Usage(format!(
                    "{}: no model suits its operations; name one with --model (see `perjury list`)",
                    input::name(path)
                ))),
            },
        }
    }

    /// Refuses a model that does not fit the operations, or an initial value that does not fit the model.
    fn fits(&self, path: &Path, entry: &Entry, history: &History) -> Result<(), Failure> {
        let stranger = entry.stranger(history);
        let misfit = stranger.map_or_else(
            || entry.misfit(history),
            |kind| Some(format!("the model {} has no {kind}", entry.name)),
        );
        if let Some(why) = misfit {
            return Err(Failure::Usage(format!(
                "{}: {why}; choose another model with --model (see `perjury list`)",
                input::name(path)
            )));
        }
        match &self.initial {
            Some(initial) => (entry.initial_is)(initial)
                .map_err(|begins| Failure::Usage(format!("--initial {initial}: {begins}"))),
            None => Ok(()),
        }
    }

    /// A history is judged by a model.
    fn check(
        &self,
        path: &Path,
        record: Option<&TestRecord>,
        target: Option<&Target>,
    ) -> Result<Verdict, Failure> {
        #[cfg(feature = "parquet")]
        if record.is_none()
            && let Some(file) = groups::larger_than_memory(self, path)?
        {
            return groups::check(self, path, &file, target);
        }
        let began = Instant::now();
        let format = match record {
            Some(_) => Some(JOURNAL),
            None => self.args.format.as_deref(),
        };
        let mut imported = import(path, format)?;
        let read = began.elapsed();
        let chosen = self.model(path, record, &imported.history)?;
        let entry = chosen.entry;
        self.fits(path, entry, &imported.history)?;
        let initial = match &self.initial {
            Some(initial) => initial.clone(),
            None => initial(&imported, entry),
        };
        // In a journal, and in columns, nil is an answer like any other: there was no value. And other
        // objects than registers know what it stands for: the empty list, nought.
        if ![JOURNAL, PARQUET].contains(&imported.format) && (entry.initial)().is_nil() {
            forget_nil_reads(&mut imported, &initial, self.initial.is_some());
        }
        if let (Some(record), Some(given)) = (record, &self.initial) {
            let own = (run_model(record)?.initial)();
            if own != *given {
                imported.remarks.push(Remark::Text(format!(
                    "this run's objects held {own} at first, as its workload says; it was judged as if they \
                     had held {given}"
                )));
            }
        }

        let began = Instant::now();
        // A part may hold no key, or none that was answered; whether enough happened is asked of the whole.
        let doubts = imported.history.doubts.clone();
        let about = About::new(
            &imported.history.operations,
            imported.history.is_renumbered,
            &doubts,
        );
        self.take_part(path, entry, &mut imported.history)?;
        let options = Options {
            model: entry,
            initial: Some(initial.clone()),
            early_stop: true,
            keep_orders: target.is_some(),
            ..Options::default()
        };
        let mut analysis = judging::verdict(&imported.history, &options, self.args.into());
        let judged = began.elapsed();
        reserve(&mut analysis, &about, &chosen);
        if self.initial.is_none()
            && let Some(hint) = findings::other_initial(&imported.history, &analysis, entry)
        {
            imported.remarks.push(hint.into());
        }

        let name = input::name(path);
        say!("{name}: {}", analysis.verdict);
        // Where objects are judged together, their number is not that of the parts which are judged apart.
        let keys = match entry.per_key && analysis.keys > 0 {
            true => format!(" on {}", plural(analysis.keys as u64, "key")),
            false => String::new(),
        };
        say!(
            "  {}{keys}{}, read as {} in {}; model {}{}, {initial} at first; {} in {}",
            plural(imported.history.operations.len() as u64, "operation"),
            self.part(),
            imported.format,
            duration(read.as_nanos() as u64),
            entry.name,
            chosen.how,
            decided_by(&analysis),
            duration(judged.as_nanos() as u64)
        );
        print(&findings::why(&imported.history, &analysis));
        // The verdict waits for no more words.
        judging::explain(&imported.history, &options, self.args.into(), &mut analysis);
        print(&findings::words(&imported.history, &analysis));
        for remark in &imported.remarks {
            say!("  note: {remark}");
        }
        if let Some(target) = target {
            page::draw(target, &name, &imported, &analysis, record)?;
        }
        Ok(analysis.verdict)
    }
}

/// Says what is said in lines, if anything is.
fn print(lines: &str) {
    if !lines.is_empty() {
        say!("{}", lines.trim_end());
    }
}

/// Where nothing can ever hold nil, a read of nil is taken to claim nothing, as Knossos' `cas-register` takes
/// it.
fn forget_nil_reads(imported: &mut Imported, initial: &Value, is_given: bool) {
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
        imported
            .remarks
            .retain(|remark| !matches!(remark, Remark::NilReads(_)));
        let remedy = match is_given {
            true => ": omit --initial",
            false => "",
        };
        imported.remarks.push(Remark::Text(format!(
            "{} of nil set aside as not known, as Knossos does, since the object holds {initial} at first and \
             no operation writes nil; if the store answered that there is no value, then too few operations were judged\
             {remedy}",
            plural(forgotten, "read")
        )));
    }
}
