//! How soon perjury finds ten planted bugs with fixed seeds, beside the last recorded figures: a change of
//! workloads, faults or load that costs the power to find bugs shows here.
//!
//! The ten break different promises in different parts of a node, and each is found in every run on a calm
//! machine; those that need luck say nothing in a few runs. Each is looked for by the nemesis, the workload
//! and the flags that suit it.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use systems::PlantedBug;

use super::median;
use crate::found::Found;
use crate::output::say;
use crate::plan::flags;
use crate::run::child::Children;

/// The bugs.
const BUGS: [&str; 10] = [
    "stale-read",
    "follower-read-without-wait",
    "ack-before-quorum",
    "forward-retries",
    "answers-shifted",
    "quorum-of-the-reachable",
    "minority-quorum",
    "no-truncate",
    "lazy-fsync",
    "snapshot-one-behind",
];
/// How long a bug is looked for in one run.
const LIMIT: Duration = Duration::from_secs(60);
/// What a run may take beyond that.
const OVERHEAD: Duration = Duration::from_secs(240);
/// The last recorded medians, seconds, as this command printed them.
const RECORDED: &str = include_str!("detection.json");

/// Looks for each bug in so many runs, and prints the medians; writes them to `record`, if it is given.
pub fn run(rounds: u32, record: Option<&Path>) -> Result<()> {
    let recorded: BTreeMap<String, f64> =
        serde_json::from_str(RECORDED).context("the recorded figures are JSON")?;
    let system = systems::find("bundled").ok_or_else(|| anyhow!("there is no bundled cluster"))?;
    let all = (system.bugs)();
    let children = Children::new().map_err(|error| anyhow!("{error}"))?;
    let place = tempfile::tempdir().context("cannot make a directory for the runs")?;
    let mut medians = BTreeMap::new();
    say!(
        "{:<28} {:>10} {:>10} {:>7}  found",
        "planted bug",
        "median",
        "recorded",
        "ratio"
    );
    for name in BUGS {
        let bug = all
            .iter()
            .find(|bug| bug.name == name)
            .ok_or_else(|| anyhow!("no bug `{name}`"))?;
        let mut times = Vec::new();
        for round in 0..rounds {
            times.push(look_for(&children, bug, place.path(), round)?);
        }
        let found = times.iter().filter(|time_s| time_s.is_finite()).count();
        let now_s = median(&mut times);
        let before_s = recorded.get(name).copied();
        say!(
            "{name:<28} {:>10} {:>10} {:>7}  {found} of {rounds}",
            seconds(now_s),
            before_s.map_or_else(|| "–".to_owned(), seconds),
            before_s.map_or_else(|| "–".to_owned(), |before_s| format!("{:.2}", now_s / before_s)),
        );
        medians.insert(name.to_owned(), now_s);
    }
    let mut ratios: Vec<f64> = medians
        .iter()
        .filter_map(|(name, now_s)| Some(now_s / recorded.get(name)?))
        .collect();
    if !ratios.is_empty() {
        say!(
            "the median of the ratios: {:.2} (below 1: found sooner than recorded)",
            median(&mut ratios)
        );
    }
    if let Some(path) = record {
        medians.retain(|_, time_s| time_s.is_finite());
        let text = serde_json::to_string_pretty(&medians).context("figures are plain data")?;
        std::fs::write(path, text + "\n").with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
}

fn seconds(time_s: f64) -> String {
    match time_s.is_finite() {
        true => format!("{time_s:.1} s"),
        false => "not found".to_owned(),
    }
}

/// When one run shows the bug, seconds; infinite if it does not.
fn look_for(children: &Children, bug: &PlantedBug, place: &Path, round: u32) -> Result<f64> {
    let mut arguments = vec![
        "test".to_owned(),
        format!("--bug={}", bug.name),
        format!("--time-limit={}", flags::time(LIMIT)),
        format!("--seed={}", 1000 + round),
        "--stop-on-violation".to_owned(),
    ];
    let file = place.join(format!("{}.toml", bug.name));
    if let Some(text) = bug.schedule {
        std::fs::write(&file, text).with_context(|| format!("cannot write {}", file.display()))?;
    }
    arguments.extend(bug.arguments(&file.display().to_string()));
    let ended = children
        .run(&arguments, place, LIMIT + OVERHEAD)
        .map_err(|error| anyhow!("{error}"))?;
    let results = ended
        .results
        .as_ref()
        .ok_or_else(|| anyhow!("{}: {}", bug.name, ended.message))?;
    let time_s = Found::first(results).map_or(f64::INFINITY, |found| found.after_s);
    let _ = std::fs::remove_dir_all(&ended.place);
    Ok(time_s)
}
