//! What operators do to etcd's members: hand over leadership, remove and add members, compact.
//!
//! Unlike clients, operators repeat a request that etcd refuses because the cluster is not ready for it;
//! nothing here is part of the history.
//!
//! Sources: rpc.proto (`MoveLeader`, `MemberAdd`, `MemberRemove`, `Compact`, `Defragment`) and etcd's
//! documentation, "Runtime reconfiguration": a member that was removed comes back as another one, with an
//! empty disk and `--initial-cluster-state existing`.

use std::time::Duration;

use async_trait::async_trait;
use control::{ControlError, Operators};
use serde::Deserialize;
use serde_json::{Value as Json, json};
use tokio::time::Instant;

use super::Members;
use super::gateway::{Header, Range, RequestError, number};
use super::requests;

/// How often adding a member is tried where a member says that it does not know itself.
const ADD_TRIES: usize = 20;
/// The pause between two such tries.
const ADD_PAUSE: std::time::Duration = std::time::Duration::from_millis(200);

/// How long an operation may take, including repetitions. etcd changes no member before all have been
/// connected for 5 s (server.go, `HealthInterval`).
const LIMIT: Duration = Duration::from_secs(14);
/// Between two repetitions.
const PAUSE: Duration = Duration::from_millis(100);

#[derive(Deserialize)]
struct MemberList {
    members: Vec<Member>,
}

#[derive(Deserialize)]
struct Member {
    #[serde(rename = "ID", deserialize_with = "number")]
    id: u64,
    #[serde(rename = "peerURLs", default)]
    peer_urls: Vec<String>,
}

impl Members {
    /// Asks one member after another until one does it, and starts over until the time is up.
    async fn operate<T: serde::de::DeserializeOwned>(
        &self,
        path: &str,
        body: &Json,
    ) -> Result<T, ControlError> {
        let deadline = Instant::now() + LIMIT;
        loop {
            let mut why = "no member answers".to_owned();
            let mut is_first = true;
            let mut members = self.statuses().await;
            // The leader knows best whether it can be done.
            members.sort_by_key(|(_, status)| !status.leads());
            for (node, _) in members {
                match tokio::time::timeout_at(deadline, self.operator(node)?.ask(path, body)).await {
                    Ok(Ok(answer)) => return Ok(answer),
                    // Waiting does not help.
                    Ok(Err(RequestError { message, .. })) if message.contains("not found") => {
                        return Err(ControlError::Other(format!("{path}: {message}")));
                    }
                    // The leader's message, if it has one.
                    Ok(Err(RequestError { message, .. })) if is_first && !message.is_empty() => {
                        (why, is_first) = (message, false);
                    }
                    Ok(Err(_)) => {}
                    Err(_) => break,
                }
            }
            if Instant::now() + PAUSE > deadline {
                return Err(ControlError::Other(format!("{path}: {why}")));
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    async fn list(&self) -> Result<Vec<(usize, u64)>, ControlError> {
        let list: MemberList = self.operate("v3/cluster/member/list", &json!({})).await?;
        Ok(list
            .members
            .iter()
            .filter_map(|member| Some((self.node_of(member)?, member.id)))
            .collect())
    }

    /// By the address, because a member that was added has no name before it has started.
    fn node_of(&self, member: &Member) -> Option<usize> {
        let is_it = |peer: &std::net::SocketAddr| {
            member
                .peer_urls
                .iter()
                .any(|url| *url == format!("http://{peer}"))
        };
        self.peers.iter().position(is_it)
    }

    async fn id_of(&self, node: usize) -> Result<u64, ControlError> {
        let found = self.list().await?.into_iter().find(|(other, _)| *other == node);
        let missing = || ControlError::Other(format!("etcd has no member n{}", node + 1));
        found.map(|(_, id)| id).ok_or_else(missing)
    }
}

#[async_trait]
impl Operators for Members {
    async fn transfer_leadership(&self, to: usize) -> Result<(), ControlError> {
        let id = self.id_of(to).await?;
        let body = json!({ "targetID": id.to_string() });
        self.operate::<Json>("v3/maintenance/transfer-leadership", &body)
            .await
            .map(drop)
    }

    async fn members(&self) -> Result<Vec<usize>, ControlError> {
        Ok(self.list().await?.into_iter().map(|(node, _)| node).collect())
    }

    async fn remove_member(&self, node: usize) -> Result<(), ControlError> {
        let id = self.id_of(node).await?;
        let body = json!({ "ID": id.to_string() });
        match self.operate::<Json>("v3/cluster/member/remove", &body).await {
            Ok(_) => Ok(()),
            // The answer may have been lost with the leader that was removed; a second request finds no such
            // member.
            Err(error) => match self.members().await?.contains(&node) {
                true => Err(error),
                false => Ok(()),
            },
        }
    }

    async fn add_member(&self, node: usize) -> Result<(), ControlError> {
        let mut members = self.members().await?;
        // An earlier try may have come through.
        if !members.contains(&node) {
            let body = json!({ "peerURLs": [format!("http://{}", self.peers[node])] });
            let mut tries = ADD_TRIES;
            // A member that was itself added just now may not know of it yet, and refuses.
            while let Err(error) = self.operate::<Json>("v3/cluster/member/add", &body).await {
                tries -= 1;
                if tries == 0 || !error.to_string().contains("member not found") {
                    return Err(error);
                }
                tokio::time::sleep(ADD_PAUSE).await;
                if self.members().await?.contains(&node) {
                    break;
                }
            }
            members = self.members().await.unwrap_or(members);
            if !members.contains(&node) {
                members.push(node);
            }
        }
        self.joined().insert(node, members);
        Ok(())
    }

    /// Compacts all revisions but the newest, and frees the space on this member.
    async fn compact(&self, node: usize) -> Result<String, ControlError> {
        let failed =
            |what: &str, error: RequestError| ControlError::Other(format!("{what}: {}", error.message));
        let look = requests::range(&format!("{}look", self.names.prefix()), false);
        let gateway = self.operator(node)?;
        let now: Range = gateway
            .ask("v3/kv/range", &look)
            .await
            .map_err(|error| failed("range", error))?;
        let Header { revision, .. } = now.header;
        let body = json!({ "revision": revision.to_string(), "physical": true });
        match gateway.ask::<Json>("v3/kv/compaction", &body).await {
            // Another compaction was faster, which is just as good.
            Err(error) if !error.message.contains("compacted") => {
                return Err(failed("compaction", error));
            }
            _ => {}
        }
        gateway
            .ask::<Json>("v3/maintenance/defragment", &json!({}))
            .await
            .map_err(|error| failed("defragment", error))?;
        let mut before = look;
        before["revision"] = json!((revision - 1).to_string());
        match gateway.ask::<Range>("v3/kv/range", &before).await {
            _ if revision < 2 => Ok("there was nothing to compact".into()),
            Err(error) if error.message.contains("compacted") => {
                Ok(format!("compacted up to revision {revision}"))
            }
            Err(error) => Err(failed("range", error)),
            Ok(_) => Err(ControlError::Untrue(format!(
                "revision {} can still be read after it was compacted",
                revision - 1
            ))),
        }
    }
}
