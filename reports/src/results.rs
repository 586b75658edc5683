//! `results.json`: the verdict of a run and its numbers.
//!
//! Invariants:
//! - Field names are stable and carry their unit last (`latency_ms_p99`, `start_s`); a change that a script
//!   could notice raises [`SCHEMA_VERSION`].
//! - The file stands alone: operations are written out in full, never as indices into another file.
//! - Times are seconds since the start of the run, latencies are milliseconds.

use std::collections::BTreeMap;

use checker::{Rule, Sentence, Verdict};
use history::{ErrorClass, Key, Observed, OpKind, TestRecord, Value};
use serde::{Deserialize, Deserializer, Serialize};

/// The version of the form of `results.json`.
pub const SCHEMA_VERSION: u32 = 5;

/// The most operations that link a conflict together and are written out.
pub(crate) const MOST_LINKS: usize = 100;
/// The longest error text that is kept as an example, characters.
pub(crate) const EXAMPLE_CHARS: usize = 500;

/// The verdict of a run and its numbers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Results {
    /// [`SCHEMA_VERSION`] of the perjury that wrote this.
    pub schema_version: u32,
    /// The checks, merged: invalid > unknown > valid.
    pub verdict: Verdict,
    /// One line that says why the verdict is what it is.
    pub headline: String,
    /// What was checked, one by one, in the order of [`CheckName::ALL`].
    pub checks: Vec<Check>,
    /// What a reader should know although it does not change the verdict.
    pub remarks: Vec<String>,
    /// Keys that are not linearizable, with their proof; a bounded number.
    pub conflicts: Vec<ConflictRecord>,
    /// How many keys are not linearizable.
    pub conflicts_total: usize,
    /// Which weaker models explain an invalid history, if that was judged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub still: Option<StillRecord>,
    /// What became of what was written, in sentences, for models that report it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub account: Vec<String>,
    /// How many keys there are.
    pub keys: usize,
    /// How many keys each algorithm decided.
    pub decided_by: BTreeMap<String, usize>,
    /// Client operations by kind and outcome; kinds that were never invoked are left out.
    pub operations: Vec<KindCounts>,
    /// All kinds together.
    pub operations_total: Counts,
    /// Errors by class and outcome, the most frequent first.
    pub errors: Vec<ErrorRow>,
    /// Latencies of the operations that the store answered, by kind.
    pub latency: Vec<LatencyRow>,
    /// From the first invocation to the last event of the main phase, seconds.
    pub main_phase_s: f64,
    /// Operations that completed `ok` in the main phase, divided by its length.
    pub ok_ops_per_s: f64,
    /// Whether the store was there for its clients in the main phase; absent where no operation was invoked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub availability: Option<Availability>,
    /// From the start of the run to its last event, seconds.
    pub duration_s: f64,
    /// What the nemesis did, in order.
    pub faults: Vec<FaultRow>,
    /// The same by kind and by the role that they hit, with what clients did during them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub coverage: Vec<CoverageRow>,
    /// When another node was seen to lead, or the same one in another term, in order; the first one is the
    /// first leader.
    pub leader_changes: Vec<NoteRow>,
    /// Everything else that was noted: nodes that died by themselves, …
    pub notes: Vec<OtherNote>,
    /// What was observed of the store beside its answers.
    pub observations: Vec<Observation>,
    /// The plan, as in `test.json`.
    pub test: TestRecord,
}

/// What a run is checked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum CheckName {
    /// The checker's verdict on the history.
    Linearizable,
    /// Whether the store came back after the last heal.
    NotRecovered,
    /// Whether each term had one leader.
    TwoLeaders,
    /// Whether the nodes' states were the same.
    Diverged,
    /// Whether the nodes' logs tell of no broken promise.
    Log,
    /// Whether every fault that was tried took hold and ended.
    FaultsTookHold,
    /// Whether enough operations completed for a verdict to mean anything.
    EnoughOperations,
    /// Whether nothing was observed that the run is to fail on.
    FailOn,
}

/// One check and what came of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Check {
    /// What was checked.
    pub name: CheckName,
    /// What came of it.
    pub verdict: Verdict,
    /// Why it is not `valid`; empty if it is.
    pub reasons: Vec<String>,
}

/// One key that is not linearizable.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ConflictRecord {
    /// The key.
    pub key: Key,
    /// The rule that was broken.
    pub rule: Rule,
    /// The proof in plain sentences.
    pub sentences: Vec<String>,
    /// The same sentences, each as a list of texts and of operations by [`OperationRecord::index`]. Files
    /// before version 3 do without.
    #[serde(default)]
    pub pieces: Vec<Sentence>,
    /// The operations that contradict each other, in the order in which to read them.
    pub operations: Vec<OperationRecord>,
    /// The successful cas that tie their values together; a bounded number.
    pub links: Vec<OperationRecord>,
    /// How many of those there are.
    pub links_total: usize,
    /// For a stale answer: for how long, at least, it had been out of date, milliseconds.
    pub stale_by_ms: Option<f64>,
    /// Whether a second, independent procedure came to the same result.
    pub confirmed: bool,
}

/// One operation in full.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct OperationRecord {
    /// Its place among the history's operations, from 0.
    pub index: usize,
    /// The process that invoked it.
    pub process: u32,
    /// The node that it was sent to, by name, where known.
    pub node: Option<String>,
    /// The operation and its answer in human-readable form: `read → 3`, `cas 3→7`.
    pub text: String,
    /// Which operation.
    pub f: OpKind,
    /// The object.
    pub key: Key,
    /// What a write wrote.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "present"
    )]
    pub value: Option<Value>,
    /// What a cas expected.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "present"
    )]
    pub expected: Option<Value>,
    /// What a cas wrote.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "present"
    )]
    pub new: Option<Value>,
    /// What the store answered: what a read saw, what a failed cas found.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "present"
    )]
    pub answer: Option<Value>,
    /// `ok`, `fail` or `info`.
    pub outcome: String,
    /// The error, if there was one.
    pub error: Option<String>,
    /// Seconds since the run's start.
    pub invoked_s: f64,
    /// Seconds since the run's start; absent if it never ended or its outcome is unknown.
    pub completed_s: Option<f64>,
}

/// How many operations ended how.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Counts {
    /// All that were invoked.
    pub invoked: u64,
    /// They happened.
    pub ok: u64,
    /// Cas that the store compared and refused: an answer, not an error.
    pub mismatch: u64,
    /// They certainly did not happen.
    pub fail: u64,
    /// It is unknown whether they happened.
    pub info: u64,
}

/// [`Counts`] of one kind of operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct KindCounts {
    /// Which operation.
    pub f: OpKind,
    /// How many.
    #[serde(flatten)]
    pub counts: Counts,
}

/// One class of errors with one outcome.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ErrorRow {
    /// The rule of the system's table of errors (`test.error_rules`) by which they were decided; empty where
    /// there is none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub rule: String,
    /// The class.
    pub class: ErrorClass,
    /// `fail` or `info`: what the client made of it.
    pub outcome: String,
    /// The kinds of operations that it occurred in.
    pub f: Vec<OpKind>,
    /// How many.
    pub count: u64,
    /// The text of the first one.
    pub example: String,
}

/// Latencies of one kind of operation, from invocation to answer.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct LatencyRow {
    /// Which operation.
    pub f: OpKind,
    /// How many were answered.
    pub count: u64,
    /// Half were at most this slow.
    pub latency_ms_p50: f64,
    /// 90 % were.
    pub latency_ms_p90: f64,
    /// 99 % were.
    pub latency_ms_p99: f64,
    /// 99.9 % were.
    pub latency_ms_p999: f64,
    /// The slowest.
    pub latency_ms_max: f64,
}

/// One fault from its start to its end.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct FaultRow {
    /// Which nemesis.
    pub nemesis: String,
    /// What it was aimed at.
    pub target: String,
    /// What was done, in the nemesis' own words.
    pub detail: String,
    /// The nodes that were hit.
    pub nodes: Vec<String>,
    /// When it began to be applied.
    pub start_s: f64,
    /// When its undo was done; absent if the history ends before.
    pub end_s: Option<f64>,
    /// Whether it took hold.
    pub hold: FaultHold,
    /// Why it did not, or why its end could not be seen.
    pub why: Option<String>,
    /// How clients felt it; absent where there was too little to compare with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recovery: Option<Recovery>,
}

/// Whether a fault took hold and ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum FaultHold {
    /// Probes saw it begin and, if the history reaches that far, end.
    Verified,
    /// A probe contradicts its beginning or its end.
    Failed,
    /// It was tried, and the store refused.
    Refused,
    /// The store was asked, and did not say whether it has done it.
    Unsettled,
    /// It was not tried.
    Skipped,
    /// The history ends before it was known.
    Unfinished,
}

/// A change of leader.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct NoteRow {
    /// When it was seen.
    pub time_s: f64,
    /// The node.
    pub node: String,
    /// The term that it leads in, if the store has terms and reported it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub term: Option<u64>,
    /// Details.
    pub detail: String,
}

/// Something else that was noted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct OtherNote {
    /// What kind of note: `crash`, …
    pub note: String,
    /// When, where, what.
    #[serde(flatten)]
    pub row: NoteRow,
}

/// Something that was observed of the store beside its answers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Observation {
    /// What.
    pub what: Observed,
    /// Whether it proves that the store broke a promise.
    pub proves: bool,
    /// Whether the run is invalid because of it: it proves a broken promise, or the user wants the run to
    /// fail on it.
    pub fails: bool,
    /// When, or when first, seconds since the start of the run, where known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_s: Option<f64>,
    /// The node that it is about, if it is about one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
    /// How often it was seen.
    pub count: u64,
    /// What was seen, in a sentence without a capital letter and a full stop.
    pub text: String,
    /// The fault of perjury's that may be the reason, so that it neither proves nor fails anything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub explained_by: Option<String>,
    /// What shows it: lines of logs, what each node said.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub evidence: Vec<String>,
}

/// The main phase, as its clients saw it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Availability {
    /// The length of the slices of time that are counted, milliseconds.
    pub slice_ms: f64,
    /// The share of slices in which anything was answered, from 0 to 1.
    pub share_of_time: f64,
    /// The share of operations that were answered, from 0 to 1. Clients that wait ask less, so that this
    /// flatters.
    pub share_of_operations: f64,
    /// The longest time without any answer, milliseconds.
    pub longest_gap_ms: f64,
}

/// How clients felt a fault.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Recovery {
    /// Whether the rate of answers fell below half of what it was before; absent where there were too few
    /// answers to say so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub felt: Option<bool>,
    /// The longest time without any answer from the fault's start until the store was back, and of what began
    /// within a second after the fault's end, milliseconds. The next fault and the end of the run cut it off.
    pub longest_gap_ms: f64,
    /// From the fault's start until the rate was back, milliseconds: 0 where it was not felt, absent where it
    /// was not seen to be back before the next fault began or the run ended, or within ten seconds of the
    /// fault's end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recovery_ms: Option<f64>,
    /// Where it was not seen to be back: how long that took at least, milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recovery_at_least_ms: Option<f64>,
    /// Where the rate was not back before the fault ended: from its end until then, milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after_end_ms: Option<f64>,
}

/// The faults of one nemesis with one target that hit one role.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct CoverageRow {
    /// Which nemesis.
    pub nemesis: String,
    /// What they were aimed at; where that names nodes, how many.
    pub target: String,
    /// The role that they hit.
    pub role: Role,
    /// How many were begun.
    pub faults: u64,
    /// How many of them took hold and ended, as far as the history reaches.
    pub verified: u64,
    /// Client operations that completed `ok` while one of them was in force.
    pub ok: u64,
    /// Client operations that ended otherwise, or not, and were invoked while one of them was in force.
    pub not_ok: u64,
}

/// Whether the leader was among the nodes that a fault hit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// It was.
    Leader,
    /// Only followers.
    Followers,
    /// No leader was known when the fault began.
    Unknown,
}

/// The weaker models, how stale answers were, and the anomalies.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct StillRecord {
    /// All in one line, without a capital letter and a full stop.
    pub sentence: String,
    /// The models, the strongest first.
    pub models: Vec<StillRow>,
    /// How stale answers were, in one sentence; empty if none was.
    pub staleness: String,
    /// What no register does.
    pub anomalies: Vec<AnomalyRow>,
}

/// One model.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct StillRow {
    /// What it is called.
    pub model: String,
    /// `holds`, `violated` or `unknown`.
    pub result: String,
    /// Why, in sentences.
    pub because: Vec<String>,
}

/// One kind of anomaly.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct AnomalyRow {
    /// What it is called.
    pub anomaly: String,
    /// How often it was seen.
    pub count: usize,
    /// The first one, in a sentence.
    pub example: String,
}

impl Results {
    /// Everything that keeps the run from being valid, in one list.
    pub fn reasons(&self) -> impl Iterator<Item = &str> {
        self.checks
            .iter()
            .flat_map(|check| &check.reasons)
            .map(String::as_str)
    }

    /// What was observed and is no reason for the verdict, a line each.
    pub(crate) fn told_beside(&self) -> impl Iterator<Item = String> {
        let beside = self.observations.iter().filter(|observation| !observation.fails);
        beside.map(|observation| {
            let why = match &observation.explained_by {
                Some(fault) => format!(" (the fault {fault} may be why)"),
                None => String::new(),
            };
            format!("{}: {}{why}", observation.what, observation.text)
        })
    }

    /// How often another node was seen to lead than before.
    pub fn changes_of_leader(&self) -> usize {
        let rows = self.leader_changes.windows(2);
        rows.filter(|pair| pair[0].node != pair[1].node).count()
    }

    /// The reasons for the verdict that the headline does not give already: it gives the first one. What
    /// would only make a run unknown is no reason for an invalid one.
    pub(crate) fn further_reasons(&self) -> impl Iterator<Item = &str> {
        let checks = self.checks.iter().filter(|check| check.verdict == self.verdict);
        // A conflict has a headline of its own, and its reason only counts.
        let reasons = checks.flat_map(|check| &check.reasons);
        reasons.map(String::as_str).skip(1)
    }
}

impl CheckName {
    /// Every check.
    pub const ALL: [CheckName; 8] = [
        CheckName::Linearizable,
        CheckName::NotRecovered,
        CheckName::TwoLeaders,
        CheckName::Diverged,
        CheckName::Log,
        CheckName::FaultsTookHold,
        CheckName::EnoughOperations,
        CheckName::FailOn,
    ];

    /// The name used in results and reports.
    pub fn name(self) -> &'static str {
        match self {
            CheckName::Linearizable => "linearizable",
            CheckName::NotRecovered => "not-recovered",
            CheckName::TwoLeaders => "two-leaders",
            CheckName::Diverged => "diverged",
            CheckName::Log => "log",
            CheckName::FaultsTookHold => "faults-took-hold",
            CheckName::EnoughOperations => "enough-operations",
            CheckName::FailOn => "fail-on",
        }
    }
}

impl Counts {
    /// Both together.
    pub(crate) fn plus(self, other: Counts) -> Counts {
        Counts {
            invoked: self.invoked + other.invoked,
            ok: self.ok + other.ok,
            mismatch: self.mismatch + other.mismatch,
            fail: self.fail + other.fail,
            info: self.info + other.info,
        }
    }
}

impl FaultRow {
    /// `partition (halves)`.
    pub(crate) fn name_and_target(&self) -> String {
        match self.target.as_str() {
            "" => self.nemesis.clone(),
            target => format!("{} ({target})", self.nemesis),
        }
    }

    /// Whether it may have been in force, so that it is shown behind what happened during it.
    pub(crate) fn is_drawn(&self) -> bool {
        !matches!(self.hold, FaultHold::Skipped | FaultHold::Refused)
    }

    /// Whether probes saw it.
    pub(crate) fn is_verified(&self) -> bool {
        self.hold == FaultHold::Verified
    }
}

impl FaultHold {
    /// The name used in results and reports.
    pub fn name(self) -> &'static str {
        match self {
            FaultHold::Verified => "verified",
            FaultHold::Failed => "failed",
            FaultHold::Refused => "refused",
            FaultHold::Unsettled => "unsettled",
            FaultHold::Skipped => "skipped",
            FaultHold::Unfinished => "unfinished",
        }
    }
}

impl Role {
    /// The name used in reports.
    pub fn name(self) -> &'static str {
        match self {
            Role::Leader => "leader",
            Role::Followers => "followers",
            Role::Unknown => "unknown",
        }
    }
}

/// The JSON Schema (2020-12) of `results.json`: what scripts can rely on. Its `$id` names [`SCHEMA_VERSION`].
#[cfg(feature = "schema")]
pub fn schema() -> serde_json::Value {
    let mut schema = schemars::schema_for!(Results).to_value();
    if let Some(schema) = schema.as_object_mut() {
        schema.insert("$id".into(), format!("perjury-results-{SCHEMA_VERSION}").into());
        schema.insert("title".into(), "results.json of perjury".into());
    }
    if let Some(version) = schema.pointer_mut("/properties/schema_version") {
        *version = serde_json::json!({ "const": SCHEMA_VERSION });
    }
    schema
}

/// Keeps nil (`null`) apart from nothing (no such field).
fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}
