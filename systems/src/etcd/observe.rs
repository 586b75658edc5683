//! What etcd's members say of themselves beside their answers: whether their key-value stores are the same, and
//! whether an alarm holds them up.
//!
//! Two members that have applied the same log agree in the hash of their store at one revision, as far as the
//! same past was compacted: `HashKV` (rpc.proto, `HashKVRequest`; Documentation, "Data corruption"), whose
//! answer names both revisions. Releases before 3.6 do not name the first one: it is the one that was asked for.
//! Nothing is said of a member whose two answers differ.

use futures_util::future::join_all;
use history::{Fact, StateHash};
use serde::Deserialize;
use serde_json::json;

use super::Members;
use super::gateway::{Header, Range, number};
use super::requests;

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
    /// The hash of each member's store at one revision that all have reached.
    pub(super) async fn hashes(&self) -> Vec<(usize, Fact)> {
        let look = requests::range(&format!("{}look", self.names.prefix()), true);
        let asked = (self.gateways.iter()).map(|gateway| gateway.ask::<Range>("v3/kv/range", &look));
        let revisions = join_all(asked).await.into_iter().flatten();
        let Some(revision) = revisions.map(|now| now.header.revision).min() else {
            return Vec::new();
        };
        let asked = (0..self.gateways.len()).map(|node| async move {
            let first = self.hash_at(node, revision).await?;
            let again = self.hash_at(node, revision).await?;
            (first == again).then_some((node, Fact::State(first)))
        });
        join_all(asked).await.into_iter().flatten().collect()
    }

    async fn hash_at(&self, node: usize, revision: i64) -> Option<StateHash> {
        let body = json!({ "revision": revision.to_string() });
        let operator = self.operator(node).ok()?;
        let answer: HashKv = operator.ask("v3/maintenance/hashkv", &body).await.ok()?;
        state(&answer, revision)
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
