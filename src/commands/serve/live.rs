//! A run in progress, read from its journal: rates, faults, the leader, and the verdict on what was recorded
//! so far.
//!
//! A prefix of a linearizable history is linearizable, so an invalid prefix decides the run, and a valid one
//! says that nothing contradicts itself so far.
//!
//! Invariant: watching disturbs the run little: the journal is read once, and checking takes a tenth of the
//! time at most.

use std::collections::HashMap;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Context;
use checker::Verdict;
use history::faults::{Act, Change, Fault, InForce};
use history::{Event, EventKind, Failure, NoteKind, Outcome, Process, RunDir};
use serde::Serialize;

use crate::input::read_history;
use crate::judging::judge;

/// The most runs that are watched at a time; another one takes the place of the one that was requested least
/// recently.
const MOST_WATCHED: usize = 8;
/// The most that is read for one answer.
const MOST_READ: u64 = 64 << 20;
/// So many seconds of rates are kept.
const SECONDS: usize = 600;
/// Longer histories are left to the end of the run.
const MOST_CHECKED: u64 = 3_000_000;
/// The least time between two checks, and how many times as long as the last check took.
const CHECK_PAUSE: Duration = Duration::from_secs(5);
const CHECK_SHARE: u32 = 10;

/// The runs that are open in a browser.
#[derive(Default)]
pub struct Watched {
    runs: Mutex<HashMap<PathBuf, Arc<Mutex<Reader>>>>,
}

/// What the page of a run in progress shows.
#[derive(Clone, Debug, Default, Serialize)]
pub struct State {
    /// The report is there.
    pub has_ended: bool,
    /// How long ago the last event was recorded, seconds. It shows a run that died, which never gets a
    /// report.
    pub idle_s: f64,
    /// The time of the last event, seconds.
    pub time_s: f64,
    pub time_limit_s: f64,
    pub ok: u64,
    pub fail: u64,
    pub info: u64,
    /// Ok operations in each of the last seconds.
    pub rates: Vec<u64>,
    /// The second of the first of `rates`.
    pub first_second: u64,
    pub leader: String,
    /// Faults that are in force.
    pub faults: Vec<String>,
    /// Faults that ended or were begun, the last ones, with their times.
    pub acts: Vec<String>,
    /// `valid`, `invalid` or `unknown`; empty before the first check.
    pub verdict: String,
    /// How many operations that is the verdict on, and why.
    pub checked: u64,
    pub why: String,
}

struct Reader {
    offset: u64,
    rest: Vec<u8>,
    state: State,
    /// By second.
    per_second: Vec<u64>,
    requested: Instant,
    next_check: Instant,
    in_force: InForce,
}

impl Watched {
    /// The current state of a run.
    pub fn state(&self, directory: &Path) -> anyhow::Result<State> {
        let reader = {
            let mut runs = self.runs.lock().unwrap_or_else(PoisonError::into_inner);
            if !runs.contains_key(directory) && runs.len() >= MOST_WATCHED {
                let requested = |reader: &Arc<Mutex<Reader>>| {
                    reader
                        .try_lock()
                        .map_or(Instant::now(), |reader| reader.requested)
                };
                let oldest = runs
                    .iter()
                    .min_by_key(|(_, reader)| requested(reader))
                    .map(|(path, _)| path.clone());
                oldest.map(|path| runs.remove(&path));
            }
            runs.entry(directory.to_owned()).or_default().clone()
        };
        let mut reader = reader.lock().unwrap_or_else(PoisonError::into_inner);
        reader.requested = Instant::now();
        reader.read(directory)?;
        reader.check(directory);
        Ok(reader.state())
    }
}

impl Default for Reader {
    fn default() -> Reader {
        Reader {
            offset: 0,
            rest: Vec::new(),
            state: State::default(),
            per_second: Vec::new(),
            requested: Instant::now(),
            next_check: Instant::now() + CHECK_PAUSE,
            in_force: InForce::default(),
        }
    }
}

impl Reader {
    fn read(&mut self, directory: &Path) -> anyhow::Result<()> {
        let run = RunDir::new(directory);
        self.state.has_ended = run.report().is_file();
        if self.state.time_limit_s == 0.0 {
            self.state.time_limit_s = run.read_test().context("cannot read test.json")?.time_limit_s;
        }
        // Before the clients begin there is none.
        let data = match std::fs::metadata(run.history()) {
            Ok(data) if data.is_file() => data,
            _ => return Ok(()),
        };
        // Another journal than the one that was read.
        if data.len() < self.offset {
            *self = Reader::default();
            return self.read(directory);
        }
        let Ok(mut file) = File::open(run.history()) else {
            return Ok(());
        };
        let idle = (data.modified().ok())
            .and_then(|at| at.elapsed().ok())
            .unwrap_or_default();
        self.state.idle_s = idle.as_secs_f64();
        file.seek(SeekFrom::Start(self.offset))
            .context("cannot read the journal")?;
        let mut bytes = std::mem::take(&mut self.rest);
        let read = file
            .take(MOST_READ)
            .read_to_end(&mut bytes)
            .context("cannot read the journal")?;
        self.offset += read as u64;
        let end = bytes
            .iter()
            .rposition(|byte| *byte == b'\n')
            .map_or(0, |end| end + 1);
        for line in bytes[..end].split(|byte| *byte == b'\n') {
            if let Ok(event) = serde_json::from_slice::<Event>(line) {
                self.see(event);
            }
        }
        self.rest = bytes[end..].to_vec();
        Ok(())
    }

    fn see(&mut self, event: Event) {
        let time_s = event.time_ns as f64 / 1e9;
        self.state.time_s = time_s;
        match (event.process, event.kind) {
            (Process::Client(_), EventKind::Complete(outcome)) => match outcome {
                Outcome::Ok(_) => {
                    self.state.ok += 1;
                    let second = time_s as usize;
                    if self.per_second.len() <= second {
                        // No run lasts for years; a journal that says so is damaged.
                        self.per_second.resize(second.min(1 << 22) + 1, 0);
                    }
                    if let Some(count) = self.per_second.get_mut(second) {
                        *count += 1;
                    }
                }
                Outcome::Fail(Failure::Mismatch { .. } | Failure::Error(_)) => self.state.fail += 1,
                Outcome::Info(_) => self.state.info += 1,
            },
            (_, kind @ (EventKind::NemesisInvoke(_) | EventKind::NemesisComplete(_))) => {
                let Some(Act { op, outcome, change }) = self.in_force.feed(&kind) else {
                    return;
                };
                let verb = match change {
                    Change::Skipped => "skipped",
                    Change::Began => "begins",
                    Change::Ended(_) => "ends",
                };
                let act = format!(
                    "{time_s:.1} s: {} {} {verb} {}",
                    op.nemesis, op.target, outcome.detail
                );
                self.state.acts.push(act);
                if self.state.acts.len() > 20 {
                    self.state.acts.remove(0);
                }
            }
            (_, EventKind::Note(note)) if note.kind == NoteKind::Leader => {
                let note = *note;
                let term = note.term.map(|term| format!("term {term}"));
                let detail = Some(note.detail).filter(|detail| !detail.is_empty());
                let words: Vec<String> = term.into_iter().chain(detail).collect();
                self.state.leader = match words.is_empty() {
                    true => note.node,
                    false => format!("{} ({})", note.node, words.join("; ")),
                };
            }
            _ => {}
        }
    }

    /// Judges what was recorded so far, if it is time to.
    fn check(&mut self, directory: &Path) {
        let known = self.state.ok + self.state.fail + self.state.info;
        if self.state.has_ended
            || self.state.verdict == "invalid"
            || Instant::now() < self.next_check
            || known == 0
        {
            return;
        }
        if known > MOST_CHECKED {
            self.state.why = "too long to be checked during the run; the verdict comes at its end".into();
            return;
        }
        let begun = Instant::now();
        let run = RunDir::new(directory);
        let judged = run.read_test().map_err(anyhow::Error::from).and_then(|record| {
            let history = read_history(&run.history()).map_err(|failure| anyhow::anyhow!("{failure}"))?;
            let analysis = judge(&record, &history).map_err(|failure| anyhow::anyhow!("{failure}"))?;
            let proof = (analysis.conflicts.first()).map_or_else(String::new, |first| first.plain(&history));
            Ok((history.operations.len() as u64, analysis.verdict, proof))
        });
        match judged {
            Ok((count, verdict, proof)) => {
                self.state.checked = count;
                self.state.verdict = verdict.to_string();
                self.state.why = match verdict {
                    Verdict::Valid => "nothing contradicts itself so far".into(),
                    Verdict::Invalid => proof,
                    Verdict::Unknown => "not decided so far".into(),
                };
            }
            Err(error) => self.state.why = format!("not checked: {error:#}"),
        }
        self.next_check = Instant::now() + CHECK_PAUSE.max(begun.elapsed() * CHECK_SHARE);
    }

    fn state(&self) -> State {
        let first = self.per_second.len().saturating_sub(SECONDS);
        State {
            rates: self.per_second[first..].to_vec(),
            first_second: first as u64,
            faults: self.in_force.faults().iter().map(Fault::to_string).collect(),
            ..self.state.clone()
        }
    }
}
