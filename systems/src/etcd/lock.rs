//! Locks: a key that only one client can make and that ends with that client's lease.
//!
//! ```text
//!  client   grant lease ── txn: no key? put it, with the lease ── … ── txn: still my revision? delete it
//!  beside        └─ keep alive ── keep alive ── keep alive … until the client is dropped; the lease runs out
//! ```
//!
//! The token is the revision at which the key was made: it grows with every acquisition, because revisions
//! only grow.
//!
//! A client has one lease for all its locks. When the client is dropped, the lease runs out within its time
//! to live. A lease that is lost while the client lives loses its locks with it; the store tells the client
//! at the next release, and the client gets a new lease for the next acquisition.
//!
//! This is the recipe of etcd's own client (client/v3/concurrency, `Mutex.TryLock`) in its shortest form.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use history::{Key, Outcome, Value};
use serde::Deserialize;
use serde_json::json;
use tokio::task::JoinHandle;

use super::errors::{HELD, LEASE_NOT_FOUND, NOT_HELD};
use super::gateway::{Gateway, RequestError, RuleError, Txn, number};
use super::requests;
use crate::http::NOT_UNDERSTOOD;

/// How long a lease lives without a sign of life from its client. etcd grants no less than one and a half
/// election timeouts (server/etcdserver/server.go, `minTTL`).
const TTL_S: u64 = 2;
/// How often a lease is kept alive.
const KEEPALIVE_INTERVAL: Duration = Duration::from_millis(500);

/// The locks that a client holds, and its lease.
#[derive(Default)]
pub(super) struct Locks {
    lease: Option<Lease>,
    /// The tokens of the locks that were acquired and not yet released.
    held: HashMap<Key, i64>,
}

/// A lease that is kept alive until this is dropped.
struct Lease {
    id: i64,
    is_lost: Arc<AtomicBool>,
    keeper: JoinHandle<()>,
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.keeper.abort();
    }
}

impl Locks {
    /// Takes the lock if it is free: one try.
    pub async fn acquire(
        &mut self,
        gateway: &Gateway,
        key: &Key,
        name: &str,
    ) -> Result<Outcome, RequestError> {
        let lease = match self.lease(gateway).await {
            Ok(lease) => lease,
            // A lease alone has no visible effect.
            Err(error) => return Ok(error.before_any_change()),
        };
        let request = requests::txn(
            vec![requests::made_at(name, 0)],
            vec![requests::then_put(requests::put_with_lease(
                name,
                &Value::text("held"),
                lease,
            ))],
            Vec::new(),
        );
        match gateway.ask::<Txn>("v3/kv/txn", &request).await {
            Ok(answer) if answer.succeeded => {
                let token = answer.header.revision;
                self.held.insert(key.clone(), token);
                Ok(Outcome::ok_value(token.into()))
            }
            Ok(_) => Err(HELD.error("held")),
            Err(error) => {
                if error.rule.name == LEASE_NOT_FOUND.name {
                    self.lease = None;
                }
                Err(error)
            }
        }
    }

    /// Gives the lock back, if it is still the one that was acquired.
    pub async fn release(
        &mut self,
        gateway: &Gateway,
        key: &Key,
        name: &str,
    ) -> Result<Outcome, RequestError> {
        let Some(&token) = self.held.get(key) else {
            return Err(NOT_HELD.error("this connection has not acquired it"));
        };
        let request = requests::txn(
            vec![requests::made_at(name, token)],
            vec![requests::then_delete(name)],
            Vec::new(),
        );
        let answer: Txn = gateway.ask("v3/kv/txn", &request).await?;
        self.held.remove(key);
        match answer.succeeded {
            true => Ok(Outcome::ok()),
            false => Err(NOT_HELD.error(format!("the lock with token {token} is gone"))),
        }
    }

    /// The lease, a new one if there is none or it is lost.
    async fn lease(&mut self, gateway: &Gateway) -> Result<i64, RequestError> {
        if let Some(lease) = &self.lease
            && !lease.is_lost.load(Ordering::Relaxed)
        {
            return Ok(lease.id);
        }
        #[derive(Deserialize)]
        struct Granted {
            #[serde(rename = "ID", deserialize_with = "number")]
            id: i64,
        }
        self.lease = None;
        let granted: Granted = gateway
            .ask("v3/lease/grant", &json!({ "TTL": TTL_S.to_string() }))
            .await?;
        let is_lost = Arc::new(AtomicBool::new(false));
        let keeper = tokio::spawn(keep_alive(gateway.beside(), granted.id, is_lost.clone()));
        self.lease = Some(Lease {
            id: granted.id,
            is_lost,
            keeper,
        });
        Ok(granted.id)
    }
}

/// Keeps a lease alive until the store says that it is gone.
async fn keep_alive(gateway: Gateway, id: i64, is_lost: Arc<AtomicBool>) {
    loop {
        tokio::time::sleep(KEEPALIVE_INTERVAL).await;
        // An error may be temporary: as long as the lease lives, the next try may succeed.
        if let Ok(false) = renew(&gateway, id).await {
            is_lost.store(true, Ordering::Relaxed);
            return;
        }
    }
}

/// Renews the lease; returns whether it still exists.
async fn renew(gateway: &Gateway, id: i64) -> Result<bool, RequestError> {
    #[derive(Deserialize)]
    struct Answer {
        result: Option<Renewed>,
    }
    #[derive(Deserialize)]
    struct Renewed {
        #[serde(rename = "TTL", default, deserialize_with = "number")]
        ttl: i64,
    }
    let answer: Answer = gateway
        .ask("v3/lease/keepalive", &json!({ "ID": id.to_string() }))
        .await?;
    match answer.result {
        Some(renewed) => Ok(renewed.ttl > 0),
        None => Err(NOT_UNDERSTOOD.error("the answer to a renewal has no result")),
    }
}
