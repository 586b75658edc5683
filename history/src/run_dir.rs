//! The run directory: all that survives a run, and all that reports and re-checks read.
//!
//! ```text
//! runs/20261123T101500-bundled-register-7/
//!   test.json       the whole plan, versions, seed, environment: written before the cluster starts
//!   history.jsonl   the journal: one event a line, appended as it happens
//!   schedule.toml   the faults that were really made, to be run again
//!   undo.jsonl      what `perjury heal` must undo if the controller dies
//!   results.json    the verdict and its numbers: absent until the run was judged
//!   report.html, junit.xml, summary.md
//!   plots/          the plots of the report as files
//!   perjury.log     what the controller did
//!   n1/, n2/, …     the logs of each node
//! ```

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::{ErrorClass, FailOn, LogPattern, Op, Outcome, Reason};

/// The paths inside one run directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunDir {
    root: PathBuf,
}

/// One row of a system's table of errors: what a kind of error means for the operation that met it, and why
/// that is known. The clients decide by this table, and the report shows it with counts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ErrorRule {
    /// A short name, unique in the table: `lost-leader`. The journal holds it with each error
    /// ([`Reason::rule`]).
    pub name: Cow<'static, str>,
    /// When it applies, human-readable: what the store or the connection says.
    pub when: Cow<'static, str>,
    /// Whether the operation certainly did not happen and never will: `fail`; otherwise `info`. Operations
    /// that change nothing `fail` either way.
    pub is_certain: bool,
    /// What kind of error it is.
    pub class: ErrorClass,
    /// Where that is said: documentation, source file of the store, or a reason that anyone can follow.
    pub source: Cow<'static, str>,
}

/// `test.json`: everything that was decided before the run began.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct TestRecord {
    /// The version of perjury.
    pub perjury_version: String,
    /// The operating system and kernel of the controller.
    pub host: String,
    /// The arguments that run this test again, without the program's name: `test --seed 7 …`.
    pub command: Vec<String>,
    /// When the run began, RFC 3339.
    pub started_at: String,
    /// What the controller's wall clock showed at the history's time 0, RFC 3339 with fractions of a second;
    /// absent before the clients began. With it, stamps in the nodes' logs can be put beside the history.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_zero: Option<String>,
    /// The system under test, as named on the command line.
    pub system: String,
    /// The version of the system under test, if it reported one.
    #[serde(default)]
    pub system_version: String,
    /// How reads are done, if the system has several ways: `serializable`, `stale`, …
    #[serde(default)]
    pub read_mode: Option<String>,
    /// The endpoints of a cluster that someone else started; empty for one that perjury started.
    #[serde(default)]
    pub endpoints: Vec<String>,
    /// The system's table of errors.
    #[serde(default)]
    pub error_rules: Vec<ErrorRule>,
    /// What the lines of the system's logs mean.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub log_patterns: Vec<LogPattern>,
    /// What the run is to fail on although it proves no broken promise.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fail_on: Vec<FailOn>,
    /// Within which time the system goes on after a fault, seconds; absent where that is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recovers_within_s: Option<f64>,
    /// The planted bug, if one was switched on.
    #[serde(default)]
    pub bug: Option<String>,
    /// The environment: `netns`, `local`, …
    pub env: String,
    /// How links are cut: `iptables`, `switch`, or `none`.
    pub links: String,
    /// What this environment could not do, and why; human-readable.
    #[serde(default)]
    pub lost: Vec<String>,
    /// What stays behind in a store that someone else started, and how to remove it; human-readable.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left_behind: Vec<String>,
    /// The names of the nodes, in order; events refer to them by index.
    pub nodes: Vec<String>,
    /// The workload.
    pub workload: String,
    /// The model by which the history is judged: `cas-register`, …
    pub model: String,
    /// The nemeses.
    #[serde(default)]
    pub nemesis: Vec<String>,
    /// The colour of each nemesis in pictures, `#rrggbb`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub colours: BTreeMap<String, String>,
    /// The faults as they were requested, in the language of `--nemesis`; absent if they were not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requested_faults: Option<String>,
    /// About how long a fault lasts, milliseconds; absent in the records of older versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fault_interval_ms: Option<u64>,
    /// How often each nemesis must take hold; otherwise the run is unknown.
    #[serde(default)]
    pub min_faults: u32,
    /// The number of client threads.
    pub concurrency: u32,
    /// The requested maximum of operations per second; absent for as many as possible.
    #[serde(default)]
    pub rate_per_s: Option<f64>,
    /// How long the main phase lasts, seconds.
    pub time_limit_s: f64,
    /// The requested maximum of operations.
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

impl ErrorRule {
    /// A row of a table that is part of the program; the parameters are the fields.
    pub const fn new(
        name: &'static str,
        when: &'static str,
        is_certain: bool,
        class: ErrorClass,
        source: &'static str,
    ) -> ErrorRule {
        ErrorRule {
            name: Cow::Borrowed(name),
            when: Cow::Borrowed(when),
            is_certain,
            class,
            source: Cow::Borrowed(source),
        }
    }

    /// The outcome of `op`, which met this error; `message` is what the store or the connection said.
    pub fn outcome(&self, op: &Op, message: impl Into<String>) -> Outcome {
        let reason = Reason::by_rule(self.class, &self.name, message);
        if self.is_certain || op.is_read_only() {
            Outcome::Fail(crate::Failure::Error(reason))
        } else {
            Outcome::Info(reason)
        }
    }
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

    /// `schedule.toml`
    pub fn schedule(&self) -> PathBuf {
        self.root.join("schedule.toml")
    }

    /// `results.json`
    pub fn results(&self) -> PathBuf {
        self.root.join("results.json")
    }

    /// `report.html`
    pub fn report(&self) -> PathBuf {
        self.root.join("report.html")
    }

    /// The directory of the plots as files.
    pub fn plots(&self) -> PathBuf {
        self.root.join("plots")
    }

    /// `summary.md`
    pub fn summary(&self) -> PathBuf {
        self.root.join("summary.md")
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
