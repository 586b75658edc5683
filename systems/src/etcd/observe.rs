//! What etcd's members say of themselves beside their answers: whether their key-value stores are the same,
//! and whether an alarm holds them up.
//!
//! Two members that have applied the same log hold the same at one revision. `HashKV` (rpc.proto) gives a
//! hash of it, together with the revision up to which the past was compacted, which must be the same, too.
//! Before etcd 3.6 the gateway does not reach it: `Hash` has the same path, whose answer covers more than
//! members agree on. There the keys of this run are read from each member as they were at that revision, and
//! hashed here.
//!
//! Nothing is said of a member whose two answers differ.

use std::hash::{DefaultHasher, Hash, Hasher};

use futures_util::future::join_all;
use history::{Fact, StateHash};
use serde::Deserialize;
use serde_json::json;

use super::Members;
use super::gateway::{Header, Range, number};
use super::requests;

/// The most keys that are read from a member.
const MOST_KEYS: usize = 20_000;

/// `HashKVResponse`
#[derive(Deserialize)]
struct HashKv {
    #[expect(dead_code, reason = "an answer without a header is not understood")]
    header: Header,
    #[serde(default, deserialize_with = "number")]
    hash: u32,
    #[serde(default, deserialize_with = "number")]
    compact_revision: i64,
    #[serde(default, deserialize_with = "number")]
    hash_revision: i64,
}

/// `AlarmResponse`
#[derive(Deserialize)]
struct Alarms {
    #[serde(default)]
    alarms: Vec<Alarm>,
}

#[derive(Deserialize)]
struct Alarm {
    #[serde(default)]
    alarm: String,
}

impl Members {
    /// The hash of what each member holds at one revision that all have reached.
    pub(super) async fn hashes(&self) -> Vec<(usize, Fact)> {
        let look = requests::range(&format!("{}look", self.names.prefix()), true);
        let asked = (self.gateways.iter()).map(|gateway| gateway.ask::<Range>("v3/kv/range", &look));
        let revisions = join_all(asked).await.into_iter().flatten();
        let Some(revision) = revisions.map(|now| now.header.revision).min() else {
            return Vec::new();
        };
        let by_store = join_all(self.nodes().map(|node| self.hash_at(node, revision))).await;
        let facts = |states: Vec<Option<StateHash>>| {
            let states = states.into_iter().enumerate();
            let known = states.filter_map(|(node, state)| Some((node, Fact::State(state?))));
            known.collect::<Vec<_>>()
        };
        // All in one way: hashes of different kinds cannot be compared.
        if by_store.iter().all(Option::is_some) {
            let again = join_all(self.nodes().map(|node| self.hash_at(node, revision))).await;
            return facts(steady(by_store, again));
        }
        let first = join_all(self.nodes().map(|node| self.keys_at(node, revision))).await;
        let again = join_all(self.nodes().map(|node| self.keys_at(node, revision))).await;
        facts(steady(first, again))
    }

    fn nodes(&self) -> std::ops::Range<usize> {
        0..self.gateways.len()
    }

    async fn hash_at(&self, node: usize, revision: i64) -> Option<StateHash> {
        let body = json!({ "revision": revision.to_string() });
        let operator = self.operator(node).ok()?;
        let answer: HashKv = operator.ask("v3/maintenance/hashkv", &body).await.ok()?;
        state(&answer, revision)
    }

    async fn keys_at(&self, node: usize, revision: i64) -> Option<StateHash> {
        let request = requests::range_at(self.names.prefix(), revision, MOST_KEYS);
        let operator = self.operator(node).ok()?;
        let answer: Range = operator.ask("v3/kv/range", &request).await.ok()?;
        let mut hasher = DefaultHasher::new();
        for kv in &answer.kvs {
            (&kv.key, &kv.value, kv.version, kv.mod_revision).hash(&mut hasher);
        }
        Some(StateHash {
            index: u64::try_from(revision).ok()?,
            base: 0,
            hash: format!("{:016x} of {} keys", hasher.finish(), answer.kvs.len()),
        })
    }

    /// The alarms that are raised: etcd refuses writes until an operator has disarmed them (Documentation,
    /// "Maintenance", "Space quota").
    pub(super) async fn alarms(&self) -> Option<String> {
        let body = json!({ "action": "GET" });
        for gateway in &self.gateways {
            if let Ok(answer) = gateway.ask::<Alarms>("v3/maintenance/alarm", &body).await {
                let raised = answer.alarms.iter().map(|alarm| alarm.alarm.as_str());
                let mut raised: Vec<&str> = raised.filter(|name| !["", "NONE"].contains(name)).collect();
                raised.sort_unstable();
                raised.dedup();
                return (!raised.is_empty()).then(|| format!("alarm {}", raised.join(", ")));
            }
        }
        None
    }
}

/// What was the same both times.
fn steady(first: Vec<Option<StateHash>>, again: Vec<Option<StateHash>>) -> Vec<Option<StateHash>> {
    let pairs = first.into_iter().zip(again);
    pairs
        .map(|(first, again)| first.filter(|first| again.as_ref() == Some(first)))
        .collect()
}

/// `None` if it was computed at another revision than was asked for.
fn state(answer: &HashKv, asked: i64) -> Option<StateHash> {
    let at = match answer.hash_revision {
        0 => asked,
        named => named,
    };
    (at == asked).then(|| StateHash {
        index: u64::try_from(at).unwrap_or_default(),
        base: u64::try_from(answer.compact_revision).unwrap_or_default(),
        hash: format!("{:08x}", answer.hash),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_are_comparable_or_left_out() {
        // Revision, compacted up to, hash.
        for (json, expected) in [
            (
                r#"{"header":{"revision":"20"},"hash":3405691582,"compact_revision":"12"}"#,
                Some((17, 12, "cafebabe")),
            ),
            (
                r#"{"header":{"revision":"20"},"hash":1,"compact_revision":"-1","hash_revision":"17"}"#,
                Some((17, 0, "00000001")),
            ),
            (
                r#"{"header":{"revision":"20"},"hash":1,"hash_revision":"20"}"#,
                None,
            ),
        ] {
            let answer: HashKv = serde_json::from_str(json).unwrap();
            let state = state(&answer, 17);
            let found = (state.as_ref()).map(|state| (state.index, state.base, state.hash.as_str()));
            assert_eq!(found, expected, "{json}");
        }
    }
}
