//! Judging a history that is larger than the memory: the rows of a Parquet file are written to runs on the
//! disk by key, and then the keys of one run are judged at a time by each thread.
//!
//! ```text
//!  file ──one pass──► runs on the disk ──► a history each ──► conflicts, merged in the order of keys
//!             └─────► a survey: what the history looks like, by which its model is found
//! ```
//!
//! Invariants:
//! - Only models that judge every key by itself are judged so ([`Entry::per_key`](checker::objects::Entry)).
//! - What a thread holds is never more than its share of the memory; a key that needs more is `unknown`.
//! - The verdict is that of the whole history in memory, and the same on every machine that has the memory.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use checker::{Analysis, MOST_LISTED, Options, Verdict, check};
use history::columns::{ColumnsError, File, KeySize, Run, Spilled, spill};
use history::units::{plural, size};
use history::{Key, Operation, Part};

use crate::exit::Failure;
use crate::input::name;
use crate::judging::{self, BYTES_AN_OPERATION};

/// A run's place in memory is estimated; this much of a share is planned for.
const FILLED: f64 = 0.75;
/// More runs than this are not written at once: each takes a file and a buffer. A system that is asked for no
/// more allows 1,024 files.
const MOST_RUNS: usize = 512;
/// The same where a run is split again.
const MOST_AGAIN: usize = 128;
/// How many conflicts are told in words.
const MOST_TOLD: usize = 3;

/// Why a key is not linearizable, in words, since its operations do not stay in memory.
#[derive(Clone, Debug)]
pub struct Told {
    /// The key.
    pub key: Key,
    /// The name of the rule that was broken.
    pub rule: &'static str,
    /// The sentences.
    pub sentences: Vec<String>,
}

/// What was found out group by group.
pub struct Found {
    /// The verdict and the counts; its conflicts are [`Found::told`].
    pub analysis: Analysis,
    /// The first conflicts, in the order of keys.
    pub told: Vec<Told>,
    /// A process went on with a key while its last operation on that key was open, which matters to the
    /// model.
    pub is_renumbered: bool,
    /// How many groups of keys there were.
    pub groups: usize,
}

/// A memory limit, and what of it is left for what.
#[derive(Clone, Copy, Debug)]
pub struct Shares {
    limit: usize,
    /// What one thread may take for the operations that it judges.
    group: usize,
    /// What one search may take.
    search: usize,
    threads: usize,
}

impl Shares {
    /// The shares of a limit in bytes, as much of it as this process has not taken yet.
    pub fn of(limit: usize) -> Shares {
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let left = limit.saturating_sub(judging::resident_bytes());
        Shares {
            limit,
            group: left / 4 * 3 / threads,
            search: left / 4 / threads,
            threads,
        }
    }

    /// Whether all of a file can be in memory at once, and be judged.
    pub fn hold(&self, file: &File) -> bool {
        cost(file.rows(), file.heap_bytes()) <= (self.group * self.threads) as u64
    }

    fn runs(&self, file: &File) -> usize {
        let share = (self.group as f64 * FILLED).max(1.0);
        ((cost(file.rows(), file.heap_bytes()) as f64 / share).ceil() as usize).clamp(1, MOST_RUNS)
    }
}

/// What operations take while they are judged, bytes. What is on the heap is copied.
fn cost(operations: u64, heap_bytes: u64) -> u64 {
    let each = size_of::<Operation>() + BYTES_AN_OPERATION;
    operations * each as u64 + 2 * heap_bytes
}

/// Writes the rows of a file to runs that fit into memory; of a part of its keys if one is given.
pub fn split(path: &Path, file: &File, shares: &Shares, part: Option<Part>) -> Result<Spilled, Failure> {
    let directory = std::env::temp_dir();
    spill(file, &directory, shares.runs(file), part).map_err(|error| match error {
        ColumnsError::Io(error) => Failure::Usage(format!(
            "{}: cannot be split by key in {}: {}; TMPDIR names another place with more room",
            name(path),
            directory.display(),
            history::tell::plain(&error)
        )),
        error => wrong(path, &error),
    })
}

/// What is wrong with a file.
pub fn wrong(path: &Path, error: &ColumnsError) -> Failure {
    Failure::Usage(match error {
        ColumnsError::Io(error) => format!("cannot read {}: {}", name(path), history::tell::plain(error)),
        error => format!("{}: {error}", name(path)),
    })
}

/// Judges what was spilled. The limits of `options` do not count.
pub fn judge(
    path: &Path,
    spilled: Spilled,
    options: &Options,
    shares: &Shares,
    time: Option<Duration>,
) -> Result<Found, Failure> {
    let judging = Judging {
        first_ns: spilled.survey.shown_from_ns(),
        options,
        shares,
        stop: Arc::new(AtomicBool::new(false)),
        settled: Arc::new(AtomicBool::new(false)),
        found: Mutex::new(Merged::default()),
    };
    let runs: Vec<Run> = spilled.runs.into_iter().filter(|run| run.rows > 0).collect();
    let runs: Vec<Mutex<Option<Run>>> = runs.into_iter().map(|run| Mutex::new(Some(run))).collect();
    let next = AtomicUsize::new(0);
    let work = || -> Result<(), ColumnsError> {
        while let Some(run) = runs.get(next.fetch_add(1, Ordering::Relaxed)) {
            // Its file goes when it was judged.
            let run = run.lock().unwrap_or_else(PoisonError::into_inner).take();
            if let Some(run) = run {
                judging.run(&run)?;
            }
        }
        Ok(())
    };
    std::thread::scope(|scope| {
        let stop = judging.stop.clone();
        let timer =
            time.map(|limit| judging::after(scope, limit, move || stop.store(true, Ordering::Relaxed)));
        let workers: Vec<_> = (0..shares.threads).map(|_| scope.spawn(work)).collect();
        let results = workers.into_iter().map(|worker| worker.join());
        let results: Vec<_> = results.collect();
        drop(timer);
        for result in results {
            match result {
                Ok(result) => result.map_err(|error| wrong(path, &error))?,
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        Ok::<(), Failure>(())
    })?;
    let merged = judging.found.into_inner().unwrap_or_else(PoisonError::into_inner);
    Ok(merged.finish(options))
}

/// What all threads share.
struct Judging<'a> {
    first_ns: u64,
    options: &'a Options,
    shares: &'a Shares,
    /// The time is up.
    stop: Arc<AtomicBool>,
    /// One key is known to be invalid, so that searches may end.
    settled: Arc<AtomicBool>,
    found: Mutex<Merged>,
}

/// What was found out so far.
#[derive(Default)]
struct Merged {
    keys: usize,
    operations: usize,
    decided_by: BTreeMap<&'static str, usize>,
    told: Vec<Told>,
    conflicts: usize,
    unknown: Vec<(Key, String)>,
    unknown_total: usize,
    is_renumbered: bool,
    groups: usize,
    /// Operations that the time did not suffice for.
    unread: u64,
}

impl Judging<'_> {
    /// Judges a run; one that is too large is split first.
    fn run(&self, run: &Run) -> Result<(), ColumnsError> {
        if self.stop.load(Ordering::Relaxed) {
            self.merge(|found| found.unread += run.rows);
            return Ok(());
        }
        if self.fits(run.rows, run.heap_bytes) {
            return self.group(run);
        }
        let keys = run.keys()?;
        let mut sizes: Vec<(u64, KeySize)> = keys.into_iter().collect();
        sizes.sort_unstable_by(|one, other| one.1.key.cmp(&other.1.key));
        let (small, large): (Vec<_>, Vec<_>) = sizes
            .into_iter()
            .partition(|(_, size)| self.fits(size.rows, size.heap_bytes));
        self.merge(|found| found.too_large(large.iter().map(|(_, size)| size), self.shares));
        let (mut into, mut rows, mut heap) = (vec![Vec::new()], 0, 0);
        for (hash, size) in small {
            if !self.fits(rows + size.rows, heap + size.heap_bytes) {
                into.push(Vec::new());
                (rows, heap) = (0, 0);
            }
            rows += size.rows;
            heap += size.heap_bytes;
            if let Some(group) = into.last_mut() {
                group.push(hash);
            }
        }
        into.retain(|keys| !keys.is_empty());
        for groups in into.chunks(MOST_AGAIN) {
            let numbered = groups.iter().enumerate();
            let into = numbered.flat_map(|(number, keys)| keys.iter().map(move |hash| (*hash, number)));
            for group in run.split(&std::env::temp_dir(), into)? {
                if self.stop.load(Ordering::Relaxed) {
                    self.merge(|found| found.unread += group.rows);
                } else {
                    self.group(&group)?;
                }
            }
        }
        Ok(())
    }

    fn fits(&self, operations: u64, heap_bytes: u64) -> bool {
        cost(operations, heap_bytes) <= self.shares.group as u64
    }

    /// Judges a run that fits into memory.
    fn group(&self, run: &Run) -> Result<(), ColumnsError> {
        let history = run.history(self.first_ns, self.options.model.owned)?;
        let mut options = self.options.clone();
        options.limits.memory_bytes = self.shares.search;
        options.limits.steps = u64::MAX;
        options.limits.stop = vec![self.stop.clone()];
        if options.early_stop {
            options.limits.stop.push(self.settled.clone());
        }
        let analysis = check(&history, &options);
        if analysis.verdict == Verdict::Invalid {
            self.settled.store(true, Ordering::Relaxed);
        }
        let told = analysis.conflicts.iter().take(MOST_TOLD).map(|conflict| Told {
            key: conflict.key.clone(),
            rule: conflict.rule.name(),
            sentences: (conflict.sentences.iter())
                .map(|sentence| sentence.plain(&history))
                .collect(),
        });
        let told: Vec<Told> = told.collect();
        self.merge(|found| {
            found.told.extend(told);
            found.is_renumbered |= history.is_renumbered;
            found.add(analysis);
        });
        Ok(())
    }

    fn merge(&self, add: impl FnOnce(&mut Merged)) {
        add(&mut self.found.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

impl Merged {
    fn add(&mut self, analysis: Analysis) {
        self.groups += 1;
        self.keys += analysis.keys;
        self.operations += analysis.operations;
        self.conflicts += analysis.conflicts_total;
        self.unknown_total += analysis.unknown_total;
        self.unknown.extend(analysis.unknown);
        for (name, keys) in analysis.decided_by {
            *self.decided_by.entry(name).or_default() += keys;
        }
        self.trim();
    }

    /// Counts keys that do not fit into memory.
    fn too_large<'a>(&mut self, keys: impl Iterator<Item = &'a KeySize>, shares: &Shares) {
        for key in keys {
            self.keys += 1;
            self.operations += usize::try_from(key.rows).unwrap_or(usize::MAX);
            self.unknown_total += 1;
            *self.decided_by.entry("none").or_default() += 1;
            let why = format!(
                "its {} take some {} while they are judged, and the limit of {} leaves {} for one key",
                plural(key.rows, "operation"),
                size(cost(key.rows, key.heap_bytes)),
                size(shares.limit as u64),
                size(shares.group as u64)
            );
            self.unknown.push((key.key.clone(), why));
        }
        self.trim();
    }

    /// Keeps what comes first in the order of keys, whichever group was judged first.
    fn trim(&mut self) {
        self.told.sort_by(|one, other| one.key.cmp(&other.key));
        self.told.truncate(MOST_TOLD);
        self.unknown.sort_by(|one, other| one.0.cmp(&other.0));
        self.unknown.truncate(MOST_LISTED);
    }

    fn finish(mut self, options: &Options) -> Found {
        if self.unread > 0 {
            let why = format!(
                "the time limit was reached before {} were judged",
                plural(self.unread, "operation")
            );
            self.operations += usize::try_from(self.unread).unwrap_or(usize::MAX);
            self.unknown.insert(0, (Key::Nil, why));
            self.unknown_total += 1;
        }
        let verdict = match (self.conflicts, self.unknown_total) {
            (0, 0) => Verdict::Valid,
            (0, _) => Verdict::Unknown,
            _ => Verdict::Invalid,
        };
        Found {
            analysis: Analysis {
                verdict,
                keys: self.keys,
                operations: self.operations,
                orders: Vec::new(),
                conflicts: Vec::new(),
                conflicts_total: self.conflicts,
                unknown: self.unknown,
                unknown_total: self.unknown_total,
                model: options.model,
                initial: options.initial(),
                decided_by: self.decided_by,
                still: None,
                account: Vec::new(),
            },
            told: self.told,
            is_renumbered: self.is_renumbered,
            groups: self.groups,
        }
    }
}

#[cfg(test)]
mod tests {
    use checker::objects;
    use checker::synthetic::{self, Synthetic, Violation};
    use history::columns::Writer;
    use history::{ErrorClass, History, Ns, OPEN, Op, Outcome, Value, formats};
    use rand::{Rng, RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::*;

    /// Shares of a memory that can hold so many operations for each of two threads.
    fn shares(operations: u64) -> Shares {
        Shares {
            limit: 1 << 20,
            group: cost(operations, 0) as usize,
            search: 1 << 28,
            threads: 2,
        }
    }

    fn parquet(operations: &[Operation], with_positions: bool) -> (tempfile::TempDir, std::path::PathBuf) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("history.parquet");
        let disk = std::fs::File::create_new(&path).unwrap();
        let mut writer = Writer::new(disk, operations.iter(), with_positions).unwrap();
        writer.push(operations).unwrap();
        writer.finish().unwrap();
        (directory, path)
    }

    fn in_groups(path: &Path, options: &Options, shares: &Shares, part: Option<Part>) -> Found {
        let file = File::open(path).unwrap();
        let spilled = split(path, &file, shares, part).ok().unwrap();
        judge(path, spilled, options, shares, None).ok().unwrap()
    }

    /// Operations on some keys, whose answers are mostly right and sometimes not; by a clock so coarse that
    /// many times are equal.
    fn random(rng: &mut ChaCha8Rng, model: &str) -> Vec<Operation> {
        let keys = rng.random_range(1..6);
        (0..rng.random_range(1..24u32))
            .map(|number| {
                let key = Value::Int(rng.random_range(0..keys));
                let value = |rng: &mut ChaCha8Rng| Value::Int(rng.random_range(0..3));
                let begun = u64::from(number) + u64::from(rng.next_u32() % 2);
                let ended = begun + u64::from(rng.next_u32() % 3);
                let (op, answer) = match (model, rng.next_u32() % 2) {
                    ("set", 0) => (
                        Op::Add {
                            key,
                            value: value(rng),
                        },
                        None,
                    ),
                    ("set", _) => {
                        let seen = (0..rng.random_range(0..3)).map(Value::Int).collect();
                        (Op::Read { key }, Some(Value::set(seen)))
                    }
                    ("counter", 0) => (
                        Op::Add {
                            key,
                            value: Value::Int(1),
                        },
                        None,
                    ),
                    ("counter", _) => {
                        let most = i64::from(number) / keys / 2 + 1;
                        (Op::Read { key }, Some(Value::Int(rng.random_range(0..=most))))
                    }
                    ("unordered-queue", 0) => (
                        Op::Enqueue {
                            key,
                            value: Value::Int(number.into()),
                        },
                        None,
                    ),
                    ("unordered-queue", _) => {
                        let taken = rng.random_range(0..number.max(1));
                        (Op::Dequeue { key }, Some(Value::Int(taken.into())))
                    }
                    ("mutex", 0) => (Op::Acquire { key }, None),
                    ("mutex", _) => (Op::Release { key }, None),
                    (_, 0) => (
                        Op::Write {
                            key,
                            value: value(rng),
                        },
                        None,
                    ),
                    (_, _) => (Op::Read { key }, Some(value(rng))),
                };
                let outcome = match rng.next_u32() % 8 {
                    0 => Outcome::info(ErrorClass::Timeout, ""),
                    1 => Outcome::fail(ErrorClass::Rejected, ""),
                    _ => answer.map_or(Outcome::ok(), Outcome::ok_value),
                };
                Operation {
                    process: number,
                    op,
                    invoked: 0,
                    completed: if outcome.is_info() { OPEN } else { 0 },
                    invoked_ns: begun,
                    completed_ns: (!outcome.is_info()).then(|| Ns::new(ended)),
                    outcome,
                    node: None,
                }
            })
            .collect()
    }

    /// Whatever the groups, the verdict and the keys that are wrong are those of the whole.
    #[test]
    fn groups_are_judged_as_the_whole() {
        let models = ["cas-register", "set", "counter", "unordered-queue", "mutex"];
        let mut verdicts = BTreeMap::new();
        for seed in 0..200u64 {
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            let model = models[seed as usize % models.len()];
            let (_directory, path) = parquet(&random(&mut rng, model), false);
            let options = Options {
                model: objects::find(model).unwrap(),
                ..Options::default()
            };
            let whole = formats::read(&path, None).unwrap().history;
            let expected = check(&whole, &options);
            let wrong = |history: &History| -> Vec<Key> {
                let conflicts = check(history, &options).conflicts.into_iter();
                conflicts.map(|conflict| conflict.key).take(MOST_TOLD).collect()
            };
            for share in [24, 6] {
                let found = in_groups(&path, &options, &shares(share), None);
                let analysis = &found.analysis;
                if analysis.unknown.iter().any(|(_, why)| why.contains("limit")) {
                    continue;
                }
                assert_eq!(
                    (
                        analysis.verdict,
                        analysis.keys,
                        analysis.operations,
                        analysis.conflicts_total
                    ),
                    (
                        expected.verdict,
                        expected.keys,
                        expected.operations,
                        expected.conflicts_total
                    ),
                    "{model} {seed} {share}"
                );
                let told: Vec<Key> = found.told.into_iter().map(|told| told.key).collect();
                assert_eq!(told, wrong(&whole), "{model} {seed}");
                *verdicts.entry((model, expected.verdict.name())).or_insert(0) += 1;
            }
            // Parts together are the whole.
            let parts = ["1/3", "2/3", "3/3"]
                .map(|part| in_groups(&path, &options, &shares(24), Some(part.parse().unwrap())).analysis);
            let merged = parts
                .iter()
                .map(|part| part.verdict)
                .fold(Verdict::Valid, Verdict::merge);
            assert_eq!(merged, expected.verdict);
            assert_eq!(parts.iter().map(|part| part.keys).sum::<usize>(), expected.keys);
        }
        for model in models {
            for verdict in ["valid", "invalid"] {
                assert!(
                    verdicts.get(&(model, verdict)).is_some_and(|&seen| seen > 1),
                    "{verdicts:?}"
                );
            }
        }
    }

    /// Registers, the operations of each under a key of its own.
    fn registers(sizes: &[(usize, Option<Violation>)]) -> Vec<Operation> {
        let mut operations = Vec::new();
        for (key, (size, violation)) in (0..).zip(sizes) {
            let mut history = synthetic::register(&Synthetic {
                operations: *size,
                clients: 3,
                open: 0,
                values: None,
                violation: *violation,
                seed: key as u64,
            });
            for operation in &mut history.operations {
                match &mut operation.op {
                    Op::Read { key: name } | Op::Write { key: name, .. } | Op::Cas { key: name, .. } => {
                        *name = Value::Int(key);
                    }
                    _ => {}
                }
                operation.invoked_ns = operation.invoked;
                operation.completed_ns = (operation.completed != OPEN).then(|| Ns::new(operation.completed));
            }
            operations.append(&mut history.operations);
        }
        operations
    }

    #[test]
    fn a_key_that_does_not_fit_is_unknown_and_all_others_are_judged() {
        let options = Options {
            initial: Some(Value::Int(0)),
            ..Options::default()
        };
        let stale = Some(Violation::Overwritten);
        for (sizes, verdict, conflicts, told) in [
            (
                vec![(50, None), (900, None), (60, None), (70, None)],
                Verdict::Unknown,
                0,
                vec![],
            ),
            (
                vec![(50, None), (900, None), (60, stale), (70, None)],
                Verdict::Invalid,
                1,
                vec![Value::Int(2)],
            ),
            (vec![(900, None)], Verdict::Unknown, 0, vec![]),
            (vec![(900, stale)], Verdict::Unknown, 0, vec![]),
        ] {
            let (_directory, path) = parquet(&registers(&sizes), false);
            let found = in_groups(&path, &options, &shares(200), None);
            let analysis = &found.analysis;
            assert_eq!((analysis.verdict, analysis.conflicts_total), (verdict, conflicts));
            assert_eq!((analysis.keys, analysis.unknown_total), (sizes.len(), 1));
            let (key, why) = &analysis.unknown[0];
            let large = sizes.iter().position(|(size, _)| *size > 200).unwrap();
            assert_eq!(key, &Value::Int(large as i64));
            assert!(
                why.starts_with("its 90") && why.contains("operations take some"),
                "{why}"
            );
            let keys: Vec<Value> = found.told.into_iter().map(|told| told.key).collect();
            assert_eq!(keys, told);
        }
    }

    #[test]
    fn a_run_that_is_too_large_is_split_again() {
        let (_directory, path) = parquet(&registers(&vec![(40, None); 50]), false);
        let file = File::open(&path).unwrap();
        let options = Options {
            initial: Some(Value::Int(0)),
            ..Options::default()
        };
        // Everything is spilled to one run, which holds ten times what fits.
        let roomy = shares(1_000_000);
        let spilled = split(&path, &file, &roomy, None).ok().unwrap();
        assert_eq!(spilled.runs.len(), 1);
        let found = judge(&path, spilled, &options, &shares(200), None).ok().unwrap();
        assert_eq!(
            (found.analysis.verdict, found.analysis.keys),
            (Verdict::Valid, 50)
        );
        assert!(found.groups >= 10, "{}", found.groups);
    }

    #[test]
    fn when_the_time_is_up_what_is_left_is_unknown() {
        let (_directory, path) = parquet(&registers(&vec![(40, None); 50]), false);
        let shares = shares(200);
        let spilled = split(&path, &File::open(&path).unwrap(), &shares, None)
            .ok()
            .unwrap();
        let options = Options::default();
        let judging = Judging {
            first_ns: 0,
            options: &options,
            shares: &shares,
            stop: Arc::new(AtomicBool::new(true)),
            settled: Arc::default(),
            found: Mutex::default(),
        };
        for run in &spilled.runs {
            judging.run(run).unwrap();
        }
        let found = judging.found.into_inner().unwrap().finish(&options);
        assert_eq!(found.analysis.verdict, Verdict::Unknown);
        let why = &found.analysis.unknown[0].1;
        assert_eq!(
            why,
            "the time limit was reached before 2,000 operations were judged"
        );
    }
}
