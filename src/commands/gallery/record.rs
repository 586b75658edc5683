//! One trial and what came of it.

use std::collections::BTreeMap;
use std::fmt;
use std::io::Write;
use std::path::Path;

use anyhow::{Context, anyhow};
use checker::Verdict;
use reports::FaultHold;
use serde::{Deserialize, Serialize};

use crate::cli::Way;
use crate::exit::Failure;
use crate::found::{Found, Hunted};
use crate::run::child::Ended;

/// The file in which every trial is a line.
const FILE: &str = "gallery.jsonl";

/// A bug, a way to look for it, and the number of the try.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Trial {
    /// The bug's name; `None` for a trial without one.
    pub bug: Option<String>,
    /// How it is looked for.
    pub way: Way,
    /// Counted from 0.
    pub run: u32,
}

/// What came of a trial.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// Which.
    #[serde(flatten)]
    pub trial: Trial,
    /// What was run, after `perjury`.
    pub command: Vec<String>,
    /// The verdict, of a hunt that found nothing `valid`; `None` where the trial could not be finished.
    pub verdict: Option<Verdict>,
    /// What spoke: the check that made it invalid, or for what `--fail-on` names the observation.
    pub found_by: Option<String>,
    /// When, seconds since the clients began; of a hunt, since the hunt began.
    pub found_s: Option<f64>,
    /// How many faults had taken hold by then; of a hunt, how many runs there were.
    pub after: Option<u64>,
    /// Why it could not be finished, or why it is unknown.
    pub went_wrong: Option<String>,
}

impl Trial {
    /// The seed, another one for each bug, way and try: what one seed draws must not decide for all of them.
    pub fn seed(&self, seed: u64) -> u64 {
        let text = format!("{seed} {:?} {} {}", self.bug, self.way.name(), self.run);
        // FNV-1a, and few enough digits to type.
        let hash = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        text.bytes().fold(0xcbf2_9ce4_8422_2325, hash) >> 32
    }
}

impl Record {
    /// Whether the bug was found.
    pub fn is_found(&self) -> bool {
        self.verdict == Some(Verdict::Invalid)
    }

    /// Whether something was found where nothing is.
    pub fn is_false_alarm(&self) -> bool {
        self.trial.bug.is_none() && self.is_found()
    }
}

/// The trials so far; of one that was done again, the last.
pub fn read(out: &Path) -> Result<Vec<Record>, Failure> {
    let path = out.join(FILE);
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(anyhow!("cannot read {}: {error}", path.display()).into()),
    };
    let lines = text.lines().filter(|line| !line.trim().is_empty());
    let records = lines.enumerate().map(|(number, line)| {
        serde_json::from_str(line).map_err(|error| {
            Failure::Usage(format!(
                "{}:{}: this is no trial: {error}",
                path.display(),
                number + 1
            ))
        })
    });
    let mut last: BTreeMap<Trial, Record> = BTreeMap::new();
    for record in records {
        let record: Record = record?;
        last.insert(record.trial.clone(), record);
    }
    Ok(last.into_values().collect())
}

/// Writes down one more.
pub fn append(out: &Path, record: &Record) -> Result<(), Failure> {
    let path = out.join(FILE);
    let file = std::fs::OpenOptions::new().create(true).append(true).open(&path);
    let mut file = file.with_context(|| format!("cannot open {}", path.display()))?;
    let line = serde_json::to_string(record).context("a record is plain data")?;
    writeln!(file, "{line}").with_context(|| format!("cannot write {}", path.display()))?;
    Ok(())
}

/// What came of a single test.
pub fn of_test(trial: &Trial, command: Vec<String>, ended: &Ended) -> Record {
    let verdict = ended.verdict();
    let mut record = Record {
        trial: trial.clone(),
        command,
        verdict,
        found_by: None,
        found_s: None,
        after: None,
        went_wrong: None,
    };
    match (&ended.results, verdict) {
        (Some(results), Some(Verdict::Unknown)) => record.went_wrong = Some(results.headline.clone()),
        (Some(results), _) if let Some(found) = Found::first(results) => {
            let held = results
                .faults
                .iter()
                .filter(|fault| fault.hold == FaultHold::Verified);
            record.after = Some(held.filter(|fault| fault.start_s <= found.after_s).count() as u64);
            record.found_by = Some(found.by);
            record.found_s = Some(found.after_s);
        }
        (Some(_), _) => {}
        (None, _) => record.went_wrong = Some(ended.message.clone()),
    }
    record
}

/// What came of a hunt.
pub fn of_hunt(trial: &Trial, command: Vec<String>, ended: &Ended) -> Record {
    let told = ended.run.as_ref().and_then(|place| Hunted::read(place));
    let (verdict, went_wrong) = match (&told, ended.code) {
        (Some(told), Some(_)) if told.found.is_some() => (Some(Verdict::Invalid), None),
        (Some(_), Some(0)) => (Some(Verdict::Valid), None),
        _ => (None, Some(ended.message.clone())),
    };
    let found = told.as_ref().and_then(|told| told.found.as_ref());
    Record {
        trial: trial.clone(),
        command,
        verdict,
        found_by: found.map(|found| found.by.clone()),
        found_s: found.map(|found| found.after_s),
        after: told.as_ref().map(|told| told.runs),
        went_wrong,
    }
}

impl fmt::Display for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bug = self.trial.bug.as_deref().unwrap_or("no bug");
        write!(f, "{bug}, {}: ", self.trial.way.name())?;
        match (&self.found_by, self.found_s, &self.went_wrong) {
            (Some(by), Some(time_s), _) => write!(f, "found after {time_s:.1} s ({by})"),
            (_, _, Some(why)) => write!(f, "unknown: {why}"),
            _ => write!(f, "not found"),
        }
    }
}
