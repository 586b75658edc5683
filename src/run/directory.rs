//! The directory of runs: how run directories are named, made, found, cleaned up and healed.

use std::path::{Path, PathBuf};

use history::{RunDir, TestRecord};

use crate::exit::Failure;
use crate::output::grumble;

/// Makes a directory named `<time>-<rest>` in the directory of runs, which is made if it is missing; with a
/// number at the end if that name is taken. The names sort by time.
pub fn make(runs: &Path, rest: &str) -> Result<PathBuf, Failure> {
    let cannot = |error: std::io::Error| unusable(runs, &error);
    std::fs::create_dir_all(runs).map_err(cannot)?;
    let place = std::fs::canonicalize(runs).map_err(cannot)?;
    let time = jiff::Timestamp::now().strftime("%Y%m%dT%H%M%S");
    let name = format!("{time}-{rest}");
    for attempt in 0..100 {
        let path = match attempt {
            0 => place.join(&name),
            n => place.join(format!("{name}-{n}")),
        };
        match std::fs::create_dir(&path) {
            Ok(()) => return Ok(path),
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(cannot(error)),
        }
    }
    Err(Failure::Usage(format!(
        "{} already holds a hundred directories named {name}; wait a second and try again",
        place.display()
    )))
}

/// Makes the directory of runs if it is missing, and finds out whether runs can be made in it.
pub fn make_writable(runs: &Path) -> Result<(), Failure> {
    std::fs::create_dir_all(runs)
        .and_then(|()| Ok(nix::unistd::access(runs, nix::unistd::AccessFlags::W_OK)?))
        .map_err(|error| unusable(runs, &error))
}

/// The directory of runs cannot be read or written.
pub fn unusable(runs: &Path, error: &std::io::Error) -> Failure {
    Failure::Usage(format!(
        "cannot use the directory of runs {}: {error}; give another one with --runs",
        runs.display()
    ))
}

/// The run directories with something to undo in the directory of runs, those of hunts and of `test-all`
/// included.
pub fn with_undo(runs: &Path) -> Result<Vec<PathBuf>, Failure> {
    /// The directory of a hunt holds one directory for each run, and that holds the run directory.
    const DEEPEST: u32 = 3;
    let mut found = Vec::new();
    let mut places = vec![(runs.to_path_buf(), 1)];
    while let Some((place, depth)) = places.pop() {
        let entries = match std::fs::read_dir(&place) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
            Err(error) if depth == 1 => return Err(unusable(runs, &error)),
            // It belongs to another user, who heals it.
            Err(_) => continue,
        };
        for entry in entries {
            let entry = entry?;
            let path = entry.path();
            if path.join("undo.jsonl").is_file() {
                found.push(path);
            } else if depth < DEEPEST && entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                places.push((path, depth + 1));
            }
        }
    }
    found.sort();
    Ok(found)
}

/// Undoes what earlier runs have left behind, before a new run begins.
pub fn heal_all(runs: &Path) -> Result<(), Failure> {
    for run in with_undo(runs)? {
        let report = control::heal(&run)?;
        if !report.done.is_empty() || !report.left.is_empty() {
            grumble!("perjury: {}: {report}", run.display());
        }
    }
    Ok(())
}

/// Removes a run directory in which nothing was begun.
pub fn remove(run: &RunDir) {
    if let Err(error) = std::fs::remove_dir_all(run.root()) {
        eprintln!("perjury: cannot remove {}: {error}", run.root().display());
    }
}

/// Removes the nodes' data, which are of no use once the run is judged; their logs stay.
pub fn remove_data(run: &RunDir, record: &TestRecord) {
    for node in &record.nodes {
        let data = run.node(node).join("data");
        if let Err(error) = std::fs::remove_dir_all(&data)
            && error.kind() != std::io::ErrorKind::NotFound
        {
            tracing::warn!("cannot remove {}: {error}", data.display());
        }
        // It exists only if the node had its own disk.
        let _ = std::fs::remove_file(control::inside::volume::image(&run.node(node)));
    }
}
