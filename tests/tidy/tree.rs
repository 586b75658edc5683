//! The files of the tree and what is found in them.
//!
//! Paths are relative to the root of the repository, with `/`.

use std::fmt;
use std::path::{Path, PathBuf};

/// The folders in which source is read; `target`, run directories and the like are not source.
const FOLDERS: &[&str] = &[
    "src",
    "history",
    "checker",
    "generator",
    "control",
    "systems",
    "raft",
    "nemeses",
    "workloads",
    "reports",
    "tests",
    "fuzz",
    "docs",
    "scripts",
    ".ci",
];

/// One file.
pub struct Source {
    /// Its path from the root of the repository.
    pub path: String,
    pub text: String,
}

/// Something that is not as it should be. Printed as `file:line: error: what`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    pub path: String,
    /// Counted from 1.
    pub line: usize,
    pub what: String,
}

/// The root of the repository.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// All files whose names end in one of `endings`, sorted by path; those at the top level are among them.
pub fn sources(endings: &[&str]) -> Vec<Source> {
    let mut paths: Vec<PathBuf> = children(root())
        .into_iter()
        .filter(|path| path.is_file())
        .collect();
    let mut folders: Vec<PathBuf> = FOLDERS.iter().map(|folder| root().join(folder)).collect();
    while let Some(folder) = folders.pop() {
        for path in children(&folder) {
            match path.is_dir() {
                // What cargo builds, but not a room's own folder of that name.
                true if path.join("CACHEDIR.TAG").exists() || path.join("debug").is_dir() => {}
                true => folders.push(path),
                false => paths.push(path),
            }
        }
    }
    paths.sort();
    let mut sources = Vec::new();
    for path in paths {
        let relative = path.strip_prefix(root()).unwrap().to_string_lossy().into_owned();
        if endings.iter().any(|ending| relative.ends_with(ending)) {
            let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{relative}: {error}"));
            sources.push(Source { path: relative, text });
        }
    }
    sources
}

fn children(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    entries.map(|entry| entry.unwrap().path()).collect()
}

/// Fails with one line for each finding.
pub fn assert_none(mut findings: Vec<Finding>) {
    findings.sort();
    let lines: Vec<String> = findings.iter().map(Finding::to_string).collect();
    assert!(
        findings.is_empty(),
        "{} findings:\n{}",
        findings.len(),
        lines.join("\n")
    );
}

impl Source {
    /// A finding in a line of this file, counted from 1.
    pub fn finding(&self, line: usize, what: impl Into<String>) -> Finding {
        Finding {
            path: self.path.clone(),
            line,
            what: what.into(),
        }
    }

    /// Whether it is compiled into tests, benchmarks or fuzz targets alone.
    pub fn is_test(&self) -> bool {
        self.path.starts_with("tests/")
            || self.path.starts_with("fuzz/")
            || self.path.contains("/tests/")
            || self.path.contains("/benches/")
            || self.path.ends_with("/tests.rs")
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: error: {}", self.path, self.line, self.what)
    }
}
