//! Directories that hold a history beside other files.
//!
//! ```text
//! runs/20260101T120000-…/      perjury's own run: history.jsonl
//! store/<test>/<time>/         a test of Jepsen's: history.edn, test.jepsen, history.txt, jepsen.log,
//!                              results.edn
//! <report>/                    one of etcd's robustness tests: client-N/operations.json
//! store/, store/<test>/        several of them, of which the link `latest` names one
//! ```
//!
//! Of a test of Jepsen's, the first of its files that can be read counts, in the order above: history.edn
//! holds every field, and a log may lack the last operations. What `jepsen.independent` keeps for each key is
//! a part of the whole, and is not looked at.
//!
//! Source: Jepsen's `jepsen.store`.

use std::path::{Path, PathBuf};

use super::edn_syntax::Reader;
use super::etcd_report;
use super::jepsen_file::{field, found};
use super::{ImportError, Imported, Remark};
use crate::RunDir;

/// The files of a test of Jepsen's that hold its history, the best first.
const HISTORIES: [&str; 4] = ["history.edn", "test.jepsen", "history.txt", "jepsen.log"];

/// The link to the test that ran last.
const LATEST: &str = "latest";

/// What a directory holds.
pub(super) enum Folder {
    /// One history, in this file.
    Run(PathBuf),
    /// A test of Jepsen's: the files that may hold its history, the best first.
    Test(Vec<PathBuf>),
    /// A report of etcd's robustness tests: the operations of each client.
    Report(Vec<PathBuf>),
    /// Several tests of Jepsen's, and the one that ran last.
    Store(PathBuf),
}

impl Folder {
    /// What the directory `path` is taken for.
    pub fn of(path: &Path) -> Folder {
        let run = RunDir::new(path).history();
        if run.is_file() {
            return Folder::Run(run);
        }
        let files = histories(path);
        if !files.is_empty() {
            return Folder::Test(files);
        }
        let clients = etcd_report::files(path);
        if !clients.is_empty() {
            return Folder::Report(clients);
        }
        match std::fs::canonicalize(path.join(LATEST)) {
            Ok(latest) if !histories(&latest).is_empty() => Folder::Store(latest),
            _ => Folder::Run(run),
        }
    }
}

fn histories(path: &Path) -> Vec<PathBuf> {
    let files = HISTORIES.iter().map(|name| path.join(name));
    files.filter(|file| file.is_file()).collect()
}

/// Reads the first of some files of a test that can be read, by `read`.
pub(super) fn read_test(
    files: &[PathBuf],
    read: impl Fn(&Path) -> Result<Imported, ImportError>,
) -> Result<Imported, ImportError> {
    let mut refused: Option<ImportError> = None;
    for file in files {
        match read(file) {
            Ok(mut imported) => {
                let name = file.file_name().unwrap_or_default().to_string_lossy();
                imported.remarks.push(Remark::Text(match &refused {
                    None => format!("of this directory, {name} was read"),
                    Some(error) => format!("{name} was read, because a better file cannot be: {error}"),
                }));
                if imported.format != super::jepsen_file::FORMAT.name {
                    imported.remarks.extend(verdict(file.parent()));
                }
                return Ok(imported);
            }
            // What is wrong with the best file is what to mend.
            Err(error) => refused = refused.or(Some(error)),
        }
    }
    Err(refused.unwrap_or_else(|| ImportError::NotRecognised {
        path: PathBuf::new(),
        why: "it holds no history".to_owned(),
    }))
}

/// What Jepsen found, as results.edn says.
fn verdict(test: Option<&Path>) -> Option<Remark> {
    let bytes = std::fs::read(test?.join("results.edn")).ok()?;
    let results = Reader::new(&bytes, 1).value().ok()?;
    found(field(&results, ":valid?")?)
}
