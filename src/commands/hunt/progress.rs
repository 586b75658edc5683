//! How far a hunt has come: all that it needs to go on after an interruption, in `hunt.json` in its
//! directory, and the page that shows it.
//!
//! Invariant: it is written after every run, so that at most the runs that were under way are lost.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::{Context, anyhow};
use reports::{HuntPage, HuntRun, PairSeen};
use serde::{Deserialize, Serialize};

use super::draw::{Kept, Pair, Pool, Setting};
use super::features::Reached;
use crate::exit::Failure;
use crate::found::{FILE, Found};

/// Of so many of the last runs, one in [`KEEP`] is kept: the ones that reached most that was new.
const WINDOW: usize = 16;
const KEEP: usize = 4;

/// How far a hunt has come.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    /// The seed of everything random.
    pub seed: u64,
    /// The flags after `--`, and the nemeses that were named.
    pub test: Vec<String>,
    /// As after `--nemesis`.
    pub nemesis: Option<String>,
    /// How many runs there were.
    pub runs: u64,
    /// How long it has hunted, seconds.
    pub hunted_s: f64,
    /// The first violation.
    pub found: Option<Found>,
    /// In how many runs each situation was reached.
    pub situations: BTreeMap<String, u64>,
    /// In how many runs two kinds came together, by `first+second`; and the same with the leader hit.
    pairs: BTreeMap<String, u64>,
    with_leader: BTreeMap<String, u64>,
    /// Schedules that are worth varying.
    pub kept: Vec<Kept>,
    /// Every run, a line each.
    pub lines: Vec<Line>,
}

/// One run of a hunt.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Line {
    /// What was wrong: the kinds, or that a kept schedule was varied.
    pub faults: String,
    /// In what setting.
    pub setting: Setting,
    /// `valid`, `invalid`, `unknown`, or why it could not be finished.
    pub verdict: String,
    /// How many situations were new.
    pub new: usize,
    /// The pairs that came together for the first time.
    pub new_pairs: Vec<String>,
    /// Where it was kept.
    pub kept: Option<String>,
}

impl Progress {
    /// A hunt that has not begun.
    pub fn new(seed: u64, test: Vec<String>, nemesis: Option<String>) -> Progress {
        Progress {
            seed,
            test,
            nemesis,
            ..Progress::default()
        }
    }

    /// Goes on where a hunt was.
    ///
    /// # Errors
    /// When the directory is none of a hunt.
    pub fn read(place: &Path) -> Result<Progress, Failure> {
        let path = place.join(FILE);
        let told = std::fs::read(&path).map_err(|error| error.to_string());
        told.and_then(|bytes| serde_json::from_slice(&bytes).map_err(|error| error.to_string()))
            .map_err(|why| {
                Failure::Usage(format!(
                    "--resume {}: no hunt can be resumed there: {}: {why}",
                    place.display(),
                    path.display()
                ))
            })
    }

    /// Writes it, and the page; a reader sees the old state or the new one.
    ///
    /// # Errors
    /// When one of them cannot be written.
    pub fn write(&self, place: &Path, pool: &Pool) -> anyhow::Result<()> {
        let text = serde_json::to_string_pretty(self).context("progress is plain data")?;
        let page = self
            .page(pool)
            .html()
            .map_err(|why| anyhow!("cannot make the page: {why}"))?;
        for (name, text) in [(FILE, text), ("coverage.html", page)] {
            let (part, path) = (place.join(format!("{name}.part")), place.join(name));
            std::fs::write(&part, text + "\n").with_context(|| format!("cannot write {}", part.display()))?;
            std::fs::rename(&part, &path).with_context(|| format!("cannot write {}", path.display()))?;
        }
        Ok(())
    }

    /// How often two kinds came together.
    pub fn pairs(&self) -> BTreeMap<Pair, u64> {
        let parts = |(pair, count): (&String, &u64)| {
            let (one, other) = pair.split_once('+')?;
            Some(((one.to_owned(), other.to_owned()), *count))
        };
        self.pairs.iter().filter_map(parts).collect()
    }

    /// Counts what a run reached. How many situations were new, and the pairs that were.
    pub fn count(&mut self, reached: &Reached) -> (usize, Vec<String>) {
        let new = reached
            .situations
            .iter()
            .filter(|what| !self.situations.contains_key(*what))
            .count();
        for what in &reached.situations {
            *self.situations.entry(what.clone()).or_default() += 1;
        }
        let mut new_pairs = Vec::new();
        for pair in &reached.pairs {
            let count = self.pairs.entry(joined(pair)).or_default();
            if *count == 0 {
                new_pairs.push(format!("{} in {}", pair.1, pair.0));
            }
            *count += 1;
        }
        for pair in &reached.with_leader {
            *self.with_leader.entry(joined(pair)).or_default() += 1;
        }
        (new, new_pairs)
    }

    /// Whether a run that reached so much that was new is one of the best of late, and worth keeping.
    pub fn is_worth_keeping(&self, new: usize) -> bool {
        let mut last: Vec<usize> = self
            .lines
            .iter()
            .rev()
            .take(WINDOW)
            .map(|line| line.new)
            .collect();
        last.sort_unstable_by(|one, other| other.cmp(one));
        new > 0 && last.get(last.len() / KEEP).is_none_or(|bound| new > *bound)
    }

    /// How many of the pairs that can come together have, and how many there are.
    pub fn coverage(&self, pool: &Pool) -> (usize, usize) {
        let all: BTreeSet<String> = pool
            .pairs()
            .into_iter()
            .map(|(one, other)| format!("{one}+{other}"))
            .collect();
        (
            all.iter().filter(|pair| self.pairs.contains_key(*pair)).count(),
            all.len(),
        )
    }

    fn page(&self, pool: &Pool) -> HuntPage {
        let kinds: Vec<String> = pool.kinds.iter().map(|(name, _)| (*name).to_owned()).collect();
        let possible: BTreeSet<(&str, &str)> = pool.pairs().into_iter().collect();
        let cell = |one: &str, other: &str| {
            let pair = format!("{one}+{other}");
            let count = |map: &BTreeMap<String, u64>| map.get(&pair).copied().unwrap_or(0);
            possible.contains(&(one, other)).then(|| PairSeen {
                runs: count(&self.pairs),
                with_leader: count(&self.with_leader),
            })
        };
        HuntPage {
            seed: self.seed,
            hunted_s: self.hunted_s,
            found: self
                .found
                .as_ref()
                .map(|found| format!("{} after {:.0} s", found.by, found.after_s)),
            coverage: self.coverage(pool),
            situations: self.situations.len(),
            table: kinds
                .iter()
                .map(|one| (one.clone(), kinds.iter().map(|other| cell(one, other)).collect()))
                .collect(),
            kinds: kinds.clone(),
            runs: self.lines.iter().map(row).collect(),
        }
    }
}

fn joined((one, other): &Pair) -> String {
    format!("{one}+{other}")
}

fn row(line: &Line) -> HuntRun {
    let Setting {
        workload,
        nodes,
        concurrency,
    } = line.setting.clone();
    let nodes = nodes.map(|nodes| format!("{nodes} nodes"));
    let clients = concurrency.map(|count| format!("{count} clients"));
    let setting: Vec<String> = [workload, nodes, clients].into_iter().flatten().collect();
    HuntRun {
        faults: line.faults.clone(),
        setting: setting.join(", "),
        verdict: line.verdict.clone(),
        new: line.new,
        new_pairs: line.new_pairs.join(", "),
        kept: line.kept.clone().unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_run_in_four_is_kept() {
        let mut progress = Progress::default();
        let mut kept = 0;
        // Less and less is new, by and by, with some chance.
        for run in 0..200_usize {
            let new = 40 / (1 + run / 10) + run * 7919 % 11;
            kept += usize::from(progress.is_worth_keeping(new));
            progress.lines.push(Line {
                faults: String::new(),
                setting: Setting::default(),
                verdict: String::new(),
                new,
                new_pairs: Vec::new(),
                kept: None,
            });
        }
        assert!((20..60).contains(&kept), "{kept} of 200");
    }

    #[test]
    fn what_was_counted_is_no_longer_new() {
        let mut progress = Progress::default();
        let reached = Reached {
            situations: ["a", "b"].map(str::to_owned).into(),
            pairs: [("kill".to_owned(), "pause".to_owned())].into(),
            with_leader: BTreeSet::new(),
        };
        assert_eq!(progress.count(&reached), (2, vec!["pause in kill".to_owned()]));
        assert_eq!(progress.count(&reached), (0, Vec::new()));
        assert_eq!(
            progress.pairs(),
            [(("kill".to_owned(), "pause".to_owned()), 2)].into()
        );
    }
}
