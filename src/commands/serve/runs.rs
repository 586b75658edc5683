//! The runs below a directory, read again when they have changed.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use history::{RunDir, TestRecord};
use reports::{Results, RunRow};

use super::files;

/// How deep below the directory of runs to look: those of `test-all` are two levels deeper than those of
/// `test`.
const DEPTH: usize = 4;
/// The most runs that are listed; the newest ones.
const MOST_RUNS: usize = 5_000;
/// A run without results is in progress if its journal was written to within this time.
const IN_PROGRESS: Duration = Duration::from_secs(10);

type Cached = (SystemTime, Option<Arc<Results>>);

/// The runs below a directory.
pub struct Runs {
    root: PathBuf,
    /// Results by their files, with the times of these.
    cache: Mutex<HashMap<PathBuf, Cached>>,
}

impl Runs {
    /// The runs below `root`, which is canonical.
    pub fn new(root: PathBuf) -> Runs {
        Runs {
            root,
            cache: Mutex::default(),
        }
    }

    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The directory of a run by its name: its path below the root.
    pub fn directory(&self, name: &str) -> Option<PathBuf> {
        let record = files::find(&self.root, &format!("{}/test.json", name.trim_end_matches('/')))?;
        Some(record.parent()?.to_owned())
    }

    /// The results of a run, if it was judged.
    pub fn results(&self, name: &str) -> Option<Results> {
        let directory = self.directory(name)?;
        self.read(&RunDir::new(directory))
            .map(|results| (*results).clone())
    }

    /// All runs, the newest first.
    pub fn rows(&self) -> Vec<RunRow> {
        let mut found = Vec::new();
        collect(&self.root, DEPTH, &mut found);
        let mut rows: Vec<RunRow> = (found.into_iter())
            .filter_map(|directory| {
                let run = RunDir::new(&directory);
                let name = directory.strip_prefix(&self.root).ok()?.to_str()?.to_owned();
                let record = run.read_test().ok()?;
                Some(self.row(&run, name, record))
            })
            .collect();
        rows.sort_by(|a, b| (&b.record.started_at, &b.name).cmp(&(&a.record.started_at, &a.name)));
        rows.truncate(MOST_RUNS);
        rows
    }

    fn row(&self, run: &RunDir, name: String, record: TestRecord) -> RunRow {
        let results = self.read(run);
        let written = std::fs::metadata(run.history())
            .and_then(|data| data.modified())
            .ok();
        let lately = written.is_some_and(|at| at.elapsed().is_ok_and(|since| since < IN_PROGRESS));
        RunRow {
            link: files::encoded(&name),
            name,
            is_going_on: results.is_none() && lately,
            results,
            record,
        }
    }

    fn read(&self, run: &RunDir) -> Option<Arc<Results>> {
        let path = run.results();
        // Not a pipe, which would be waited for.
        let written = std::fs::metadata(&path)
            .ok()
            .filter(|data| data.is_file())?
            .modified()
            .ok()?;
        let mut cache = self.cache.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((at, results)) = cache.get(&path)
            && *at == written
        {
            return results.clone();
        }
        let results = std::fs::read(&path)
            .ok()
            .and_then(|bytes| serde_json::from_slice(&bytes).ok())
            .map(Arc::new);
        if cache.len() >= MOST_RUNS {
            cache.clear();
        }
        cache.insert(path, (written, results.clone()));
        results
    }
}

/// Run directories below `directory`, links not followed.
fn collect(directory: &Path, depth: usize, found: &mut Vec<PathBuf>) {
    if directory.join("test.json").is_file() {
        found.push(directory.to_owned());
        return;
    }
    if depth == 0 {
        return;
    }
    for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
        let is_directory = entry.file_type().is_ok_and(|kind| kind.is_dir());
        if is_directory && !entry.file_name().to_string_lossy().starts_with('.') {
            collect(&entry.path(), depth - 1, found);
        }
    }
}
