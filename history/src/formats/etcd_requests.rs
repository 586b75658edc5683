//! Requests to etcd and their answers, as its robustness tests record them in JSON.
//!
//! Source: etcd's `tests/robustness/model/types.go`. Where a value is longer than [`LONGEST_BYTES`], answers
//! hold its hash alone.

use serde::Deserialize;

use crate::Value;

/// Longer texts are known by their hash (`model.ToValueOrHash`).
const LONGEST_BYTES: usize = 19;

/// One request and what was answered.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Request {
    #[serde(alias = "ClientID")]
    pub client_id: i64,
    pub input: Input,
    pub call: i64,
    pub output: Output,
    #[serde(rename = "Return")]
    pub returned: i64,
}

/// What was asked: the field of that type is there.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Input {
    #[serde(rename = "Type")]
    pub kind: String,
    pub lease_revoke: Option<Lease>,
    pub range: Option<Range>,
    pub txn: Option<Txn>,
}

/// A lease.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Lease {
    #[serde(rename = "LeaseID")]
    pub id: i64,
}

/// The keys from `start` up to `end`, or one.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Range {
    pub start: String,
    pub end: String,
    pub keys_only: bool,
    pub revision: i64,
}

/// One of two lists of steps, by conditions.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Txn {
    pub conditions: Option<Vec<Condition>>,
    pub operations_on_success: Option<Vec<Step>>,
    pub operations_on_failure: Option<Vec<Step>>,
}

/// What must hold of a key.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Condition {
    pub key: String,
    pub expected_revision: i64,
    pub expected_version: i64,
}

/// One step of a transaction.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Step {
    #[serde(rename = "Type")]
    pub kind: String,
    pub range: Range,
    pub put: Put,
    pub delete: Delete,
}

/// A put.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Put {
    pub key: String,
    pub value: Stored,
    #[serde(rename = "LeaseID")]
    pub lease: i64,
}

/// A delete.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Delete {
    pub key: String,
}

/// A value.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Stored {
    pub value: String,
    pub hash: u32,
}

/// What was answered.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Output {
    pub txn: Option<TxnAnswer>,
    pub range: Option<Found>,
    pub client_error: String,
    pub revision: i64,
    pub persisted: bool,
    pub error: String,
}

/// What a transaction answered.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct TxnAnswer {
    pub failure: bool,
    pub results: Option<Vec<Found>>,
}

/// What a range found, or how many a delete deleted.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Found {
    #[serde(rename = "KVs")]
    pub kvs: Option<Vec<Pair>>,
    pub count: i64,
    pub deleted: i64,
}

/// A key and what it holds.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Pair {
    pub key: String,
    pub value: Stored,
    pub mod_revision: i64,
}

impl Stored {
    /// A text, or the hash that stands for a long one.
    pub fn value(&self) -> Value {
        match self.hash {
            0 if self.value.len() <= LONGEST_BYTES => Value::text(&self.value),
            // The puts of transactions are recorded in full.
            0 => Value::form(&format!(":hash-{}", fnv_1a(self.value.as_bytes()))),
            hash => Value::form(&format!(":hash-{hash}")),
        }
    }
}

/// The hash of Go's `hash/fnv.New32a`.
fn fnv_1a(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0x811C_9DC5, |hash, byte| {
        (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193)
    })
}

impl Output {
    /// Whether it says what happened.
    pub fn is_answer(&self) -> bool {
        self.error.is_empty() && self.client_error.is_empty() && !self.persisted
    }
}

impl Txn {
    pub fn conditions(&self) -> &[Condition] {
        self.conditions.as_deref().unwrap_or_default()
    }

    /// What is done if the conditions hold, or else.
    pub fn steps(&self, holds: bool) -> &[Step] {
        match holds {
            true => self.operations_on_success.as_deref().unwrap_or_default(),
            false => self.operations_on_failure.as_deref().unwrap_or_default(),
        }
    }
}

impl Step {
    /// The key that it changes, and to what.
    pub fn change(&self) -> Option<(&str, Value)> {
        match self.kind.as_str() {
            "put-operation" => Some((&self.put.key, self.put.value.value())),
            "delete-operation" => Some((&self.delete.key, Value::Nil)),
            _ => None,
        }
    }
}
