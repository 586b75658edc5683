//! What a client does for each operation.
//!
//! Where an operation takes several requests, at most one of them can change the object, or each one that was
//! refused is certain to have changed nothing before the next is sent. An error before the first change is a
//! certain `fail`.
//!
//! ```text
//!  write     set ── no node ──► create ── exists ──► set
//!  cas       [sync] get ── equal ──► set with the version read (or create); refused: another was faster
//!  set       an element is a child of the key's node: create; read is the list of the children
//!  counter   as cas
//!  lock      create an ephemeral child with a sequence number, list the children: the lowest holds the lock;
//!            else delete the own child again
//! ```
//!
//! **The token of a lock** is the `czxid` of its node: the number of the transaction that made it. All
//! transactions of the store are numbered in the order in which they happen, and the sequence numbers follow
//! the same order, for the leader assigns both. A holder's number is above that of every earlier holder,
//! because it holds the lock only after all lower nodes are gone for good. Unlike the sequence number, which
//! is a signed 32-bit counter of the parent node, `czxid` neither overflows nor starts anew with another
//! parent, and it can be compared across locks.

use std::collections::HashMap;

use async_trait::async_trait;
use control::Client;
use history::{Key, ObjectKind, Op, Outcome, Value};

use super::connection::Error;
use super::errors::{self, HELD, LEFT_QUEUED, LOST_RACE, NOT_HELD, PLACE_LOST};
use super::session::RunSession;
use super::wire::Stat;
use crate::http::{NOT_SUPPORTED, NOT_UNDERSTOOD};

/// The name of a client's node in the queue for a lock, before its number.
const QUEUED: &str = "lock-";

/// How reads are done; see [`super::ENTRY`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reads {
    /// A sync before each.
    Sync,
    /// Nothing before.
    Local,
    /// A write before each.
    Quorum,
}

/// One connection. See [`Client`] for what it must not do.
pub(super) struct ZooKeeperClient {
    run: RunSession,
    object: ObjectKind,
    reads: Reads,
    /// The locks that it holds, with the path of its node in each one's queue.
    held: HashMap<Key, String>,
}

/// What a key's node holds.
struct Found {
    /// [`Value::Nil`] if there is no node.
    value: Value,
    /// `None` if there is no node.
    version: Option<i32>,
}

#[async_trait]
impl Client for ZooKeeperClient {
    async fn invoke(&mut self, op: &Op) -> Outcome {
        if let Some(refusal) = errors::refusal(op, self.run.session.state()) {
            return refusal;
        }
        match (self.object, op) {
            (ObjectKind::Register, Op::Read { key }) => self.read(key, Value::Nil).await,
            (ObjectKind::Register, Op::Write { key, value }) => self.write(op, key, value).await,
            (ObjectKind::Register, Op::Cas { key, expected, new }) => self.cas(op, key, expected, new).await,
            (ObjectKind::Set, Op::Read { key }) => self.elements(op, key).await,
            (ObjectKind::Set, Op::Add { key, value }) => self.add_element(op, key, value).await,
            (ObjectKind::Counter, Op::Read { key }) => self.read(key, Value::Int(0)).await,
            (ObjectKind::Counter, Op::Add { key, value }) => self.add_amount(op, key, value).await,
            (ObjectKind::Lock, Op::Acquire { key }) => self.acquire(op, key).await,
            (ObjectKind::Lock, Op::Release { key }) => self.release(op, key).await,
            _ => NOT_SUPPORTED.outcome(op, format!("no {} of a {}", op.kind(), self.object)),
        }
    }
}

impl ZooKeeperClient {
    pub(super) fn new(run: RunSession, object: ObjectKind, reads: Reads) -> ZooKeeperClient {
        ZooKeeperClient {
            run,
            object,
            reads,
            held: HashMap::new(),
        }
    }

    async fn read(&self, key: &Key, absent: Value) -> Outcome {
        match self.find(key).await {
            Ok(Found { version: None, .. }) => Outcome::ok_value(absent),
            Ok(found) => Outcome::ok_value(found.value),
            Err(failed) => failed,
        }
    }

    async fn write(&self, op: &Op, key: &Key, value: &Value) -> Outcome {
        let (path, data) = (self.path(key), to_data(value));
        let session = &self.run.session;
        let set = match session.set_data(&path, &data, None).await {
            Err(Error::NO_NODE) => match self.run.create_lasting(&path, &data).await {
                // Another client created it in between. Both requests were refused, so nothing has changed
                // yet.
                Err(Error::NODE_EXISTS) => session.set_data(&path, &data, None).await,
                created => created.map(drop),
            },
            set => set.map(drop),
        };
        settled(op, set)
    }

    async fn cas(&self, op: &Op, key: &Key, expected: &Value, new: &Value) -> Outcome {
        match self.find(key).await {
            Ok(found) if found.value != *expected => Outcome::mismatch(Some(found.value)),
            Ok(found) => self.replace(op, key, &found, new).await,
            Err(failed) => failed,
        }
    }

    async fn add_amount(&self, op: &Op, key: &Key, amount: &Value) -> Outcome {
        let found = match self.find(key).await {
            Ok(found) => found,
            Err(failed) => return failed,
        };
        let sum = match (&found.value, amount) {
            (Value::Nil, Value::Int(amount)) => Some(*amount),
            (Value::Int(sum), Value::Int(amount)) => sum.checked_add(*amount),
            _ => None,
        };
        match sum {
            Some(sum) => self.replace(op, key, &found, &Value::Int(sum)).await,
            // Nothing was changed.
            None => NOT_SUPPORTED.outcome(op, format!("cannot add {amount} to {}", found.value)),
        }
    }

    /// Puts `new` in the place of what was found, if that is still there.
    async fn replace(&self, op: &Op, key: &Key, found: &Found, new: &Value) -> Outcome {
        let (path, data) = (self.path(key), to_data(new));
        let session = &self.run.session;
        let replaced = match found.version {
            Some(_) => session.set_data(&path, &data, found.version).await,
            None => (self.run.create_lasting(&path, &data).await).map(drop),
        };
        match replaced {
            Err(error @ (Error::BAD_VERSION | Error::NODE_EXISTS)) => {
                LOST_RACE.outcome(op, error.to_string())
            }
            replaced => settled(op, replaced),
        }
    }

    async fn elements(&self, op: &Op, key: &Key) -> Outcome {
        if let Err(error) = self.catch_up().await {
            return errors::outcome(op, &error);
        }
        let names = match self.run.session.children(&self.path(key)).await {
            Ok(names) => names,
            Err(Error::NO_NODE) => Vec::new(),
            Err(error) => return errors::outcome(op, &error),
        };
        let elements: Option<Vec<Value>> = names.iter().map(|name| from_name(name)).collect();
        match elements {
            Some(elements) => Outcome::ok_value(Value::list(elements)),
            None => NOT_UNDERSTOOD.outcome(op, format!("no elements: {names:?}")),
        }
    }

    async fn add_element(&self, op: &Op, key: &Key, element: &Value) -> Outcome {
        let path = format!("{}/{}", self.path(key), to_name(element));
        let mut added = self.run.create_lasting(&path, b"").await;
        if added == Err(Error::NO_NODE) {
            // The set's own node is missing: that was refused, and nothing was changed.
            if let Err(failed) = self.make_parent(key).await {
                return errors::outcome(op, &failed);
            }
            added = self.run.create_lasting(&path, b"").await;
        }
        match added {
            // It is in the set.
            Err(Error::NODE_EXISTS) => Outcome::ok(),
            added => settled(op, added.map(drop)),
        }
    }

    async fn acquire(&mut self, op: &Op, key: &Key) -> Outcome {
        let directory = self.path(key);
        let prefix = format!("{directory}/{QUEUED}");
        let session = &self.run.session;
        let mut queued = self.run.create_queued(&prefix).await;
        if queued == Err(Error::NO_NODE) {
            if let Err(failed) = self.make_parent(key).await {
                return errors::outcome(op, &failed);
            }
            queued = self.run.create_queued(&prefix).await;
        }
        let (own, stat) = match queued {
            Ok(queued) => queued,
            Err(error) => return errors::outcome(op, &error),
        };
        // The server answers in the order of the requests, so that it knows of the own node and of all lower
        // ones.
        let children = match session.children(&directory).await {
            Ok(children) => children,
            Err(error) => return LEFT_QUEUED.outcome(op, format!("cannot see the queue: {error}")),
        };
        match is_lowest(&children, &own) {
            Some(true) => {
                self.held.insert(key.clone(), own);
                Outcome::ok_value(Value::Int(token(&stat)))
            }
            Some(false) => match session.delete(&own).await {
                Ok(()) | Err(Error::NO_NODE) => HELD.outcome(op, format!("{own} was not the lowest")),
                Err(error) => LEFT_QUEUED.outcome(op, format!("cannot leave the queue: {error}")),
            },
            None => PLACE_LOST.outcome(op, format!("{own} is not in the queue {children:?}")),
        }
    }

    async fn release(&mut self, op: &Op, key: &Key) -> Outcome {
        let Some(own) = self.held.get(key) else {
            return NOT_HELD.outcome(op, "it was not acquired by this client");
        };
        match self.run.session.delete(own).await {
            Ok(()) => {
                self.held.remove(key);
                Outcome::ok()
            }
            Err(Error::NO_NODE) => {
                let message = format!("{own} is gone");
                self.held.remove(key);
                NOT_HELD.outcome(op, message)
            }
            Err(error) => errors::outcome(op, &error),
        }
    }

    /// Reads a key's node, as the read mode says. A read that failed changed nothing, on behalf of whatever
    /// operation it was made: its outcome is a certain `fail`.
    async fn find(&self, key: &Key) -> Result<Found, Outcome> {
        let read = Op::Read { key: key.clone() };
        if let Err(error) = self.catch_up().await {
            return Err(errors::outcome(&read, &error));
        }
        match self.run.session.get_data(&self.path(key)).await {
            Ok((data, stat)) => match serde_json::from_slice(&data) {
                Ok(value) => Ok(Found {
                    value,
                    version: Some(stat.version),
                }),
                Err(error) => Err(NOT_UNDERSTOOD.outcome(&read, error.to_string())),
            },
            Err(Error::NO_NODE) => Ok(Found {
                value: Value::Nil,
                version: None,
            }),
            Err(error) => Err(errors::outcome(&read, &error)),
        }
    }

    /// Makes the connected server catch up before a read.
    async fn catch_up(&self) -> Result<(), Error> {
        let (session, root) = (&self.run.session, &self.run.root);
        match self.reads {
            Reads::Local => Ok(()),
            Reads::Sync => session.sync(root).await,
            Reads::Quorum => session.set_data(root, b"", None).await,
        }
    }

    /// Makes the node of a set or a lock.
    async fn make_parent(&self, key: &Key) -> Result<(), Error> {
        let path = self.path(key);
        match self.run.create_lasting(&path, b"").await {
            Ok(_) | Err(Error::NODE_EXISTS) => Ok(()),
            Err(error) => Err(error),
        }
    }

    fn path(&self, key: &Key) -> String {
        format!("{}/{}", self.run.root, to_name(key))
    }
}

/// The outcome of an operation whose last request was answered so.
fn settled(op: &Op, result: Result<(), Error>) -> Outcome {
    match result {
        Ok(()) => Outcome::ok(),
        Err(error) => errors::outcome(op, &error),
    }
}

/// See the module's comment.
fn token(stat: &Stat) -> i64 {
    stat.created_zxid
}

/// Whether `own` is the lowest in the queue; `None` if it is not there.
fn is_lowest(children: &[String], own: &str) -> Option<bool> {
    let number = |name: &str| name.strip_prefix(QUEUED)?.parse::<i64>().ok();
    let own = number(own.rsplit_once('/')?.1)?;
    let lowest = children.iter().filter_map(|name| number(name)).min()?;
    let is_there = children.iter().any(|name| number(name) == Some(own));
    is_there.then_some(lowest == own)
}

fn to_data(value: &Value) -> Vec<u8> {
    // Written like this, a value always has a JSON text.
    serde_json::to_vec(value).unwrap_or_default()
}

/// How a value is written in a path: its JSON text, with every byte but letters, digits, `-` and `_` written
/// as `%XX`.
fn to_name(value: &Value) -> String {
    let mut name = String::new();
    for byte in to_data(value) {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' => name.push(char::from(byte)),
            _ => name += &format!("%{byte:02X}"),
        }
    }
    name
}

fn from_name(name: &str) -> Option<Value> {
    let mut text = Vec::new();
    let mut bytes = name.bytes();
    while let Some(byte) = bytes.next() {
        text.push(match byte {
            b'%' => {
                let digits = [bytes.next()?, bytes.next()?];
                u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?
            }
            byte => byte,
        });
    }
    serde_json::from_slice(&text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lowest_number_holds_the_lock() {
        let queue = ["lock-0000000007", "other", "lock-0000000009", "lock--000000003"].map(str::to_owned);
        let cases = [
            (&queue[..3], "/k/lock-0000000007", Some(true)),
            (&queue[..3], "/k/lock-0000000009", Some(false)),
            (&queue[..3], "/k/lock-0000000008", None),
            (&queue[1..2], "/k/lock-0000000007", None),
            // The counter of 32 bits has overflowed.
            (&queue[..], "/k/lock--000000003", Some(true)),
            (&queue[..], "lock-0000000007", None),
            (&queue[..], "/k/other", None),
        ];
        for (children, own, expected) in cases {
            assert_eq!(is_lowest(children, own), expected, "{own}");
        }
    }

    #[test]
    fn values_stand_in_paths() {
        let cases = [
            (Value::Nil, "null"),
            (Value::Int(-7), "-7"),
            (Value::text("null"), "%22null%22"),
            (Value::text("a/b é"), "%22a%2Fb%20%C3%A9%22"),
            (Value::list(vec![1.into(), Value::Nil]), "%5B1%2Cnull%5D"),
        ];
        for (value, name) in cases {
            assert_eq!(to_name(&value), name);
            assert_eq!(from_name(name), Some(value), "{name}");
        }
        for name in ["", "%2", "%zz", "lock-0000000001", "%FF"] {
            assert_eq!(from_name(name), None, "{name}");
        }
    }
}
