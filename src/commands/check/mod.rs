//! `perjury check`: judges recorded histories.
//!
//! ```text
//!  input     which histories are meant, and whether they are there
//!  reading   how the file was understood, if only that is asked
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
mod reading;

use std::path::Path;
use std::time::{Duration, Instant};

use checker::imported::About;
use checker::objects::{self, Entry, MODELS};
use checker::{Analysis, Options, Verdict, imported};
use history::formats::{Choices, FORMATS, Imported, JOURNAL, Remark};
use history::units::{duration, plural};
use history::{History, RunDir, TestRecord, Value};

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
    let mut unreadable = 0;
    for input in &inputs {
        if inputs.len() > 1
            && !args.explain_reading
            && let Input::Run { run, .. } = input
            && request.is_plain()
        {
            let gap = if verdicts.is_empty() { "" } else { "\n" };
            say!("{gap}{}:", run.root().display());
        }
        let judged = match args.explain_reading {
            true => request.explain_reading(input).map(|()| None),
            false => request.judge(input, target.as_ref()).map(Some),
        };
        match judged {
            Ok(verdict) => verdicts.extend(verdict),
            // The others are judged all the same.
            Err(Failure::Usage(why)) if inputs.len() > 1 => {
                eprintln!("perjury: {why}");
                unreadable += 1;
            }
            Err(failure) => return Err(failure),
        }
    }
    if inputs.len() > 1 && !args.explain_reading {
        let count = |verdict| verdicts.iter().filter(|other| **other == verdict).count();
        say!(
            "{}: {} valid, {} invalid, {} unknown",
            match verdicts.len() {
                1 => "1 history".to_owned(),
                count => format!("{count} histories"),
            },
            count(Verdict::Valid),
            count(Verdict::Invalid),
            count(Verdict::Unknown)
        );
    }
    if unreadable > 0 {
        let what = if args.explain_reading { "read" } else { "judged" };
        return Err(Failure::Usage(format!(
            "{unreadable} of {} could not be {what}; see above",
            inputs.len()
        )));
    }
    if args.explain_reading {
        return Ok(Done::Fine);
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

/// The model that a history is judged by.
struct Chosen {
    entry: &'static Entry,
    /// How it was found, for people.
    how: &'static str,
    /// Why it may be the wrong one.
    doubt: Option<&'static str>,
}

/// A history, and what was found.
struct Judged {
    imported: Imported,
    chosen: Chosen,
    options: Options,
    analysis: Analysis,
    took: Duration,
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
        self.model.is_none()
            && self.initial.is_none()
            && self.args.html.is_none()
            && self.args.keys.is_none()
            && !self.args.last_reads_final
    }

    /// Which part of the keys is judged, in words that follow their number.
    fn part(&self) -> String {
        let words = |part| format!(" (part {part} of the keys)");
        self.args.keys.map_or_else(String::new, words)
    }

    /// Judges what a path names.
    fn judge(&self, input: &Input, target: Option<&Target>) -> Result<Verdict, Failure> {
        match input {
            Input::Run { run, record } if self.is_plain() => check_run(run, record, self.args),
            Input::Run { run, record } => self.check(run.root(), Some(record), target),
            Input::File(path) => self.check(path, None, target),
        }
    }

    /// Says how what a path names is understood.
    fn explain_reading(&self, input: &Input) -> Result<(), Failure> {
        let imported = match input {
            Input::Run { run, .. } => import(&run.history(), Some(JOURNAL)),
            Input::File(path) => import(path, self.choices()),
        }?;
        let path = match input {
            Input::Run { run, .. } => &run.history(),
            Input::File(path) => path,
        };
        say!("{}", reading::explain(path, &imported, self).trim_end());
        Ok(())
    }

    /// How a file is to be read.
    fn choices(&self) -> Choices<'_> {
        Choices {
            format: self.args.format.as_deref(),
            order: self.args.order,
        }
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

    /// Judges a history by the model that is named, or suits it.
    fn by_model(
        &self,
        path: &Path,
        record: Option<&TestRecord>,
        mut imported: Imported,
        keep_orders: bool,
    ) -> Result<Judged, Failure> {
        let chosen = self.model(path, record, &imported.history)?;
        let entry = chosen.entry;
        self.fits(path, entry, &imported.history)?;
        let initial = match &self.initial {
            Some(initial) => initial.clone(),
            None => imported::initial(&imported, entry),
        };
        forget_nil_reads(&mut imported, entry, &initial, self.initial.is_some());
        if let (Some(record), Some(given)) = (record, &self.initial) {
            let own = (run_model(record)?.initial)();
            if own != *given {
                imported.remarks.push(Remark::Text(format!(
                    "this run's objects held {own} at first, as its workload says; it was judged as if they \
                     had held {given}"
                )));
            }
        }

        if self.args.last_reads_final {
            imported.history.take_last_reads_for_final();
        }

        let began = Instant::now();
        // A part may hold no key, or none that was answered; whether enough happened is asked of the whole.
        let about = About::new(&imported.history);
        self.take_part(path, entry, &mut imported.history)?;
        let options = Options {
            model: entry,
            initial: Some(initial),
            early_stop: true,
            keep_orders,
            ..Options::default()
        };
        let mut analysis = judging::verdict(&imported.history, &options, self.args.into());
        let took = began.elapsed();
        imported::reserve(&mut analysis, &about, entry, chosen.doubt);
        Ok(Judged {
            imported,
            chosen,
            options,
            analysis,
            took,
        })
    }

    /// Where the events may as well have happened in another order, the verdict stands only if it is the same
    /// then.
    fn ask_other_order(&self, path: &Path, imported: &Imported, analysis: &mut Analysis) {
        let Some((by, other)) = imported.orders().filter(|_| analysis.verdict != Verdict::Unknown) else {
            return;
        };
        let choices = Choices {
            order: Some(other),
            ..self.choices()
        };
        // What cannot be read or judged in that order has not happened in it.
        let read = import(path, choices).and_then(|imported| self.by_model(path, None, imported, false));
        if let Ok(judged) = read {
            imported::differ(analysis, &judged.analysis, [by, other]);
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
        let choices = match record {
            Some(_) => Some(JOURNAL).into(),
            None => self.choices(),
        };
        let imported = import(path, choices)?;
        let read = began.elapsed();
        let keeps_orders = target.is_some();
        let Judged {
            mut imported,
            chosen,
            options,
            mut analysis,
            took: judged,
        } = self.by_model(path, record, imported, keeps_orders)?;
        let (entry, initial) = (chosen.entry, options.initial());
        self.ask_other_order(path, &imported, &mut analysis);
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

/// Sets reads of nil aside that claim nothing, and says so.
fn forget_nil_reads(imported: &mut Imported, entry: &Entry, initial: &Value, is_given: bool) {
    let forgotten = imported::forget_nil_reads(imported, entry, initial);
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
