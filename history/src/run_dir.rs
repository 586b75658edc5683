//! The run directory: the only thing of a run that survives it, and the only thing that reports and re-checks read.
//!
//! ```text
//! runs/20261123T101500-bundled-register-7/
//!   test.json       the whole plan, versions, seed, environment: written before the cluster starts
//!   history.jsonl   the journal: one event a line, appended as it happens
//!   undo.jsonl      what `perjury heal` must undo if the controller dies
//!   results.json    the verdict and its numbers: absent until the run was judged
//!   report.html, junit.xml
//!   perjury.log     what the controller did
//!   n1/, n2/, …     the logs of each node
//! ```

use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// The paths inside one run directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunDir {
    root: PathBuf,
}

/// `test.json`: everything that was decided before the run began.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TestRecord {
    /// The version of perjury.
    pub perjury_version: String,
    /// The operating system and kernel of the controller.
    pub host: String,
    /// The arguments that run this test again, without the program's name: `test --seed 7 …`.
    pub command: Vec<String>,
    /// When the run began, RFC 3339.
    pub started_at: String,
    /// The system under test, as named on the command line.
    pub system: String,
    /// The version of the system under test, if it told.
    #[serde(default)]
    pub system_version: String,
    /// The planted bug, if one was switched on.
    #[serde(default)]
    pub bug: Option<String>,
    /// The environment: `netns`, `local`, …
    pub env: String,
    /// How links are cut: `iptables`, `switch`, or `none`.
    pub links: String,
    /// What this environment could not do, and why; for people.
    #[serde(default)]
    pub lost: Vec<String>,
    /// The names of the nodes, in order; events refer to them by index.
    pub nodes: Vec<String>,
    /// The workload.
    pub workload: String,
    /// The model by which the history is judged: `cas-register`, …
    pub model: String,
    /// The nemeses.
    #[serde(default)]
    pub nemesis: Vec<String>,
    /// The number of client threads.
    pub concurrency: u32,
    /// The most operations a second that were asked for; absent for as many as possible.
    #[serde(default)]
    pub rate_per_s: Option<f64>,
    /// How long the main phase lasts, seconds.
    pub time_limit_s: f64,
    /// The most operations that were asked for.
    #[serde(default)]
    pub ops: Option<u64>,
    /// How long a client waits for an answer, milliseconds.
    pub op_timeout_ms: u64,
    /// The seed of everything random.
    pub seed: u64,
    /// The policy that clients follow on errors, for the report: clients never retry.
    #[serde(default)]
    pub client_retries: String,
}

impl RunDir {
    /// The run directory at `root`, which need not exist yet.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        RunDir { root: root.into() }
    }

    /// The directory itself.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// `test.json`
    pub fn test(&self) -> PathBuf {
        self.root.join("test.json")
    }

    /// `history.jsonl`
    pub fn history(&self) -> PathBuf {
        self.root.join("history.jsonl")
    }

    /// `undo.jsonl`
    pub fn undo(&self) -> PathBuf {
        self.root.join("undo.jsonl")
    }

    /// `results.json`
    pub fn results(&self) -> PathBuf {
        self.root.join("results.json")
    }

    /// `report.html`
    pub fn report(&self) -> PathBuf {
        self.root.join("report.html")
    }

    /// `junit.xml`
    pub fn junit(&self) -> PathBuf {
        self.root.join("junit.xml")
    }

    /// `perjury.log`
    pub fn log(&self) -> PathBuf {
        self.root.join("perjury.log")
    }

    /// The directory of one node.
    pub fn node(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    /// Reads `test.json`.
    ///
    /// # Errors
    /// When the file cannot be read or is not a test record.
    pub fn read_test(&self) -> io::Result<TestRecord> {
        Ok(serde_json::from_slice(&std::fs::read(self.test())?)?)
    }

    /// Writes `test.json`.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write_test(&self, record: &TestRecord) -> io::Result<()> {
        std::fs::write(self.test(), serde_json::to_vec_pretty(record)?)
    }
}
