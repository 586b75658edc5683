//! What a client does for each operation.
//!
//! ```text
//!  write     PUT key
//!  cas       GET key ── equal ──► PUT key ?cas=<ModifyIndex>, 0 if there is none; `false`: lost the race
//!  set       an element is a key below the set's: PUT; read is GET ?keys
//!  counter   as cas
//!  lock      PUT key ?acquire=<session>, then GET key for the token; PUT key ?release=<session>
//! ```
//!
//! Of the requests of one operation only the last can change anything, but for a lock: once it is taken,
//! nothing that happens later makes its acquisition a certain `fail`.
//!
//! **The token of a lock** is its `LockIndex`, "the number of times this key has successfully been acquired
//! in a lock" (api-docs/kv): it grows with every acquisition as long as the key is not deleted, which no
//! client does here, because sessions have the behaviour `release`. An acquisition is answered only with true
//! or false, so the key is read after it, consistently; only if the own session still holds it is that index
//! its own.

use std::collections::HashSet;

use async_trait::async_trait;
use control::{Client, ControlError};
use history::{Key, ObjectKind, Op, Outcome, Value};
use tokio::task::JoinHandle;

use super::errors::{HELD, LOST_RACE, NO_TOKEN, NOT_HELD};
use super::requests::{Connection, Entry, Failed, from_name};
use crate::http::{NOT_SUPPORTED, NOT_UNDERSTOOD};

/// One connection. See [`Client`] for what it must not do.
pub(super) struct ConsulClient {
    connection: Connection,
    object: ObjectKind,
    /// For locks.
    session: Option<Session>,
    /// The locks that it acquired and has not released.
    held: HashSet<Key>,
}

/// A session that a task keeps alive until it is dropped; then it expires.
struct Session {
    id: String,
    renewing: JoinHandle<()>,
}

impl Drop for Session {
    fn drop(&mut self) {
        self.renewing.abort();
    }
}

#[async_trait]
impl Client for ConsulClient {
    async fn invoke(&mut self, op: &Op) -> Outcome {
        match (self.object, op) {
            (ObjectKind::Register, Op::Read { key }) => self.read(op, key, Value::Nil).await,
            (ObjectKind::Register, Op::Write { key, value }) => {
                self.put(op, self.connection.put(key, to_data(value), None).await)
            }
            (ObjectKind::Register, Op::Cas { key, expected, new }) => self.cas(op, key, expected, new).await,
            (ObjectKind::Set, Op::Read { key }) => self.elements(op, key).await,
            (ObjectKind::Set, Op::Add { key, value }) => {
                self.put(op, self.connection.put_below(key, value).await)
            }
            (ObjectKind::Counter, Op::Read { key }) => self.read(op, key, Value::Int(0)).await,
            (ObjectKind::Counter, Op::Add { key, value }) => self.add_amount(op, key, value).await,
            (ObjectKind::Lock, Op::Acquire { key }) => self.acquire(op, key).await,
            (ObjectKind::Lock, Op::Release { key }) => self.release(op, key).await,
            _ => NOT_SUPPORTED.outcome(op, format!("no {} of a {}", op.kind(), self.object)),
        }
    }
}

impl ConsulClient {
    /// Makes a client; for locks it has a session then.
    ///
    /// # Errors
    /// When no session can be created. No other request was sent then.
    pub(super) async fn open(
        connection: Connection,
        object: ObjectKind,
    ) -> Result<ConsulClient, ControlError> {
        let session = match object {
            ObjectKind::Lock => {
                let created = connection.create_session().await;
                let id = created
                    .map_err(|failed| ControlError::Other(format!("no session: {}", failed.words())))?;
                Some(Session {
                    renewing: tokio::spawn(renew(connection.clone(), id.clone())),
                    id,
                })
            }
            _ => None,
        };
        Ok(ConsulClient {
            connection,
            object,
            session,
            held: HashSet::new(),
        })
    }

    async fn read(&self, op: &Op, key: &Key, absent: Value) -> Outcome {
        let found = self.connection.get(key).await.and_then(value_of);
        match found {
            Ok((_, None)) => Outcome::ok_value(absent),
            Ok((value, _)) => Outcome::ok_value(value),
            Err(failed) => failed.outcome(op),
        }
    }

    /// The outcome of an unconditional write.
    fn put(&self, op: &Op, answer: Result<bool, Failed>) -> Outcome {
        match answer {
            Ok(true) => Outcome::ok(),
            Ok(false) => NOT_UNDERSTOOD.outcome(op, "`false` to a write without a condition"),
            Err(failed) => failed.outcome(op),
        }
    }

    async fn cas(&self, op: &Op, key: &Key, expected: &Value, new: &Value) -> Outcome {
        match self.connection.get(key).await.and_then(value_of) {
            Ok((found, _)) if found != *expected => Outcome::mismatch(Some(found)),
            Ok((_, index)) => self.replace(op, key, index, new).await,
            Err(failed) => failed.harmless(),
        }
    }

    async fn add_amount(&self, op: &Op, key: &Key, amount: &Value) -> Outcome {
        let (found, index) = match self.connection.get(key).await.and_then(value_of) {
            Ok(found) => found,
            Err(failed) => return failed.harmless(),
        };
        let sum = match (&found, amount) {
            (Value::Nil, Value::Int(amount)) => Some(*amount),
            (Value::Int(sum), Value::Int(amount)) => sum.checked_add(*amount),
            _ => None,
        };
        match sum {
            Some(sum) => self.replace(op, key, index, &Value::Int(sum)).await,
            // Nothing was changed.
            None => NOT_SUPPORTED.outcome(op, format!("cannot add {amount} to {found}")),
        }
    }

    /// Replaces what was found by `new`, if it is still there.
    async fn replace(&self, op: &Op, key: &Key, index: Option<u64>, new: &Value) -> Outcome {
        let index = index.unwrap_or(0).to_string();
        let put = self.connection.put(key, to_data(new), Some(("cas", &index)));
        match put.await {
            Ok(true) => Outcome::ok(),
            Ok(false) => LOST_RACE.outcome(op, format!("index {index} is not current any more")),
            Err(failed) => failed.outcome(op),
        }
    }

    async fn elements(&self, op: &Op, key: &Key) -> Outcome {
        let names = match self.connection.names_below(key).await {
            Ok(names) => names,
            Err(failed) => return failed.outcome(op),
        };
        let elements: Option<Vec<Value>> = names.iter().map(|name| from_name(name)).collect();
        match elements {
            Some(elements) => Outcome::ok_value(Value::list(elements)),
            None => NOT_UNDERSTOOD.outcome(op, format!("no elements: {names:?}")),
        }
    }

    async fn acquire(&mut self, op: &Op, key: &Key) -> Outcome {
        let Some(session) = &self.session else {
            return NOT_SUPPORTED.outcome(op, "there is no session");
        };
        if self.held.contains(key) {
            // Consul would let the holder acquire it again.
            return HELD.outcome(op, "this client holds it");
        }
        let taken = self
            .connection
            .put(key, Vec::new(), Some(("acquire", &session.id)));
        match taken.await {
            Ok(true) => {}
            Ok(false) => return HELD.outcome(op, "false"),
            Err(failed) => return failed.outcome(op),
        }
        self.held.insert(key.clone());
        match self.connection.get_consistent(key).await {
            Ok(Some(entry)) if entry.session.as_deref() == Some(&session.id) => {
                match i64::try_from(entry.lock_index) {
                    Ok(token) => Outcome::ok_value(Value::Int(token)),
                    Err(_) => NO_TOKEN.outcome(op, format!("LockIndex {}", entry.lock_index)),
                }
            }
            Ok(entry) => NO_TOKEN.outcome(op, format!("the lock was lost again: {entry:?}")),
            Err(failed) => NO_TOKEN.outcome(op, failed.words()),
        }
    }

    async fn release(&mut self, op: &Op, key: &Key) -> Outcome {
        let Some(session) = &self.session else {
            return NOT_SUPPORTED.outcome(op, "there is no session");
        };
        if !self.held.contains(key) {
            return NOT_HELD.outcome(op, "it was not acquired by this client");
        }
        let given = self
            .connection
            .put(key, Vec::new(), Some(("release", &session.id)));
        match given.await {
            Ok(done) => {
                self.held.remove(key);
                match done {
                    true => Outcome::ok(),
                    false => NOT_HELD.outcome(op, "false"),
                }
            }
            Err(failed) => failed.outcome(op),
        }
    }
}

/// Keeps a session alive. An error shows in the next operation.
async fn renew(connection: Connection, id: String) {
    loop {
        tokio::time::sleep(connection.ttl / 3).await;
        if let Err(failed) = connection.renew_session(&id).await {
            tracing::debug!("session {id} was not renewed: {}", failed.words());
        }
    }
}

/// The value of a key, and its index if there is one.
fn value_of(entry: Option<Entry>) -> Result<(Value, Option<u64>), Failed> {
    match entry {
        None => Ok((Value::Nil, None)),
        Some(entry) => Ok((entry.value()?, Some(entry.modify_index))),
    }
}

fn to_data(value: &Value) -> Vec<u8> {
    // A value always has a JSON text.
    serde_json::to_vec(value).unwrap_or_default()
}
