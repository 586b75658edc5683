//! What a client does for each operation.
//!
//! | object | how it is stored |
//! |---|---|
//! | register, watched register, counter | one key, the value as JSON |
//! | set | one key for each element, under the set's name |
//! | list | one key, the whole list; see below |
//! | lock | one key that ends with the client's lease (see `lock.rs`) |
//!
//! An add to a set is one blind put, which cannot lose a race: an element that is missing later was lost by
//! the store. A read is one range over the names. A txn that appends to lists is a read-only txn and then one
//! that demands that no key of it was changed since.
//!
//! An operation of two steps is a certain `fail` when the first one, which changes nothing, fails.
//!
//! If a member ends by itself under the list workload, that is a bug of etcd: 3.5.0 to 3.5.4 panic when the
//! client of a txn that only reads goes away while it is served (etcd issue 14110).

use async_trait::async_trait;
use control::Client;
use history::{ErrorRule, Key, MicroOp, ObjectKind, Op, Outcome, Value};

use super::errors::LOST_RACE;
use super::gateway::{Gateway, KeyValue, Put, Range, RequestError, RuleError, Txn, value};
use super::lock::Locks;
use super::requests::{self, Names, then_put, then_range};
use super::watch;
use crate::http::{NOT_SUPPORTED, NOT_UNDERSTOOD};

/// One connection. See [`Client`] for what it must not do.
pub(super) struct EtcdClient {
    gateway: Gateway,
    names: Names,
    object: ObjectKind,
    is_serializable: bool,
    locks: Locks,
}

/// A key of a list as a transaction finds it.
struct Found {
    key: Key,
    elements: Option<Vec<Value>>,
    version: i64,
    mod_revision: i64,
    is_changed: bool,
}

/// Always-true comparisons that each transaction makes on the keys that it appends to. They keep a member
/// busy for about a millisecond between taking an entry off the log and changing its database, and a member
/// that is killed there must do the entry again when it comes back; etcd 3.5.0 to 3.5.2 did not (etcd issue
/// 13766). etcd allows 128 in one transaction.
const EXTRA_COMPARES: usize = 64;

impl EtcdClient {
    pub fn new(gateway: Gateway, names: Names, object: ObjectKind, is_serializable: bool) -> EtcdClient {
        EtcdClient {
            gateway,
            names,
            object,
            is_serializable,
            locks: Locks::default(),
        }
    }

    /// The outcome of an operation; an error if it needs only one request, or if the request that changes
    /// something failed.
    async fn perform(&mut self, op: &Op) -> Result<Outcome, RequestError> {
        match (self.object, op) {
            (ObjectKind::Register, Op::Read { key }) => {
                let found = self.range(&self.name(key)).await?;
                Ok(Outcome::ok_value(value(found.kvs.first())?))
            }
            (ObjectKind::Register, Op::Write { key, value }) if !value.is_nil() => {
                self.put(&self.name(key), value).await?;
                Ok(Outcome::ok())
            }
            (ObjectKind::Register, Op::Cas { key, expected, new }) if !new.is_nil() => {
                self.cas(&self.name(key), expected, new).await
            }
            (ObjectKind::Set, Op::Add { key, value }) => {
                self.put(&self.names.element(key, value), value).await?;
                Ok(Outcome::ok())
            }
            (ObjectKind::Set, Op::Read { key }) => self.elements(key).await,
            (ObjectKind::Counter, Op::Add { key, value }) => self.count(op, &self.name(key), value).await,
            (ObjectKind::Counter, Op::Read { key }) => {
                let found = self.range(&self.name(key)).await?;
                Ok(Outcome::ok_value(match value(found.kvs.first())? {
                    Value::Nil => Value::Int(0),
                    sum => sum,
                }))
            }
            (ObjectKind::Lock, Op::Acquire { key }) => {
                let name = self.name(key);
                self.locks.acquire(&self.gateway, key, &name).await
            }
            (ObjectKind::Lock, Op::Release { key }) => {
                let name = self.name(key);
                self.locks.release(&self.gateway, key, &name).await
            }
            (ObjectKind::List, Op::Txn { micro_ops, .. }) => self.transact(op, micro_ops).await,
            (ObjectKind::Watched, Op::Write { key, value }) if !value.is_nil() => {
                let put = self.put(&self.name(key), value).await?;
                Ok(Outcome::ok_value(put.header.revision.into()))
            }
            (ObjectKind::Watched, Op::Watch { key, from }) => {
                let name = self.name(key);
                watch::hear(&self.gateway, &name, *from).await
            }
            _ => Err(NOT_SUPPORTED.error(format!("{op} of a {}", self.object))),
        }
    }

    fn name(&self, key: &Key) -> String {
        self.names.object(self.object, key)
    }

    async fn range(&self, name: &str) -> Result<Range, RequestError> {
        let request = requests::range(name, self.is_serializable);
        self.gateway.ask("v3/kv/range", &request).await
    }

    async fn put(&self, name: &str, value: &Value) -> Result<Put, RequestError> {
        self.gateway.ask("v3/kv/put", &requests::put(name, value)).await
    }

    async fn cas(&self, name: &str, expected: &Value, new: &Value) -> Result<Outcome, RequestError> {
        let request = requests::txn(
            vec![requests::holds(name, expected)],
            vec![then_put(requests::put(name, new))],
            vec![then_range(requests::range(name, false))],
        );
        let answer: Txn = self.gateway.ask("v3/kv/txn", &request).await?;
        Ok(match answer.succeeded {
            true => Outcome::ok(),
            // It did not match, even if the value that it found cannot be decoded.
            false => Outcome::mismatch(answer.found(0).and_then(value).ok()),
        })
    }

    async fn elements(&self, key: &Key) -> Result<Outcome, RequestError> {
        let prefix = self.names.elements(key);
        let request = requests::range_names(&prefix, self.is_serializable);
        let found: Range = self.gateway.ask("v3/kv/range", &request).await?;
        let mut elements = Vec::with_capacity(found.kvs.len());
        for kv in &found.kvs {
            let name = kv.name()?;
            let element = name.strip_prefix(prefix.as_bytes());
            let element = element.and_then(|text| serde_json::from_slice(text).ok());
            let strange = || format!("no element: {}", String::from_utf8_lossy(&name));
            elements.push(element.ok_or_else(|| NOT_UNDERSTOOD.error(strange()))?);
        }
        Ok(Outcome::ok_value(Value::list(elements)))
    }

    /// Reads the sum and replaces it by the new one, if it is still the same: one try.
    async fn count(&self, op: &Op, name: &str, amount: &Value) -> Result<Outcome, RequestError> {
        let found = match self
            .gateway
            .ask::<Range>("v3/kv/range", &requests::range(name, false))
            .await
        {
            Ok(found) => found,
            Err(error) => return Ok(error.before_any_change()),
        };
        let kv = found.kvs.first();
        let sum = match (value(kv), amount) {
            (Ok(Value::Nil), Value::Int(amount)) => Some(*amount),
            (Ok(Value::Int(sum)), Value::Int(amount)) => sum.checked_add(*amount),
            (Err(error), _) => return Ok(error.before_any_change()),
            _ => None,
        };
        let Some(sum) = sum else {
            let why = format!("{amount} cannot be added to the current value");
            return Ok(NOT_SUPPORTED.outcome(op, why));
        };
        let request = requests::txn(
            vec![requests::unchanged_since(
                name,
                kv.map_or(0, |kv| kv.mod_revision),
            )],
            vec![then_put(requests::put(name, &sum.into()))],
            Vec::new(),
        );
        let answer: Txn = self.gateway.ask("v3/kv/txn", &request).await?;
        Ok(match answer.succeeded {
            true => Outcome::ok(),
            false => LOST_RACE.outcome(op, "another add came first"),
        })
    }

    /// Reads all keys at once, works out the answers, and puts the new lists in place if no key was changed
    /// since.
    async fn transact(&self, op: &Op, micro_ops: &[MicroOp]) -> Result<Outcome, RequestError> {
        let mut found = match self.look_up(op, micro_ops).await {
            Ok(found) => found,
            Err(error) => return Ok(error.before_any_change()),
        };
        let answers = match apply(&mut found, micro_ops) {
            Ok(answers) => Outcome::ok_value(Value::list(answers)),
            Err(error) => return Ok(error.before_any_change()),
        };
        let changed: Vec<&Found> = found.iter().filter(|found| found.is_changed).collect();
        if changed.is_empty() {
            return Ok(answers);
        }
        let unchanged = |found: &Found| requests::unchanged_since(&self.name(&found.key), found.mod_revision);
        let extra = changed
            .iter()
            .map(|found| requests::always(&self.name(&found.key)));
        let put = |found: &&Found| {
            let elements = Value::list(found.elements.clone().unwrap_or_default());
            then_put(requests::put(&self.name(&found.key), &elements))
        };
        let request = requests::txn(
            (found.iter().map(unchanged))
                .chain(extra.cycle().take(EXTRA_COMPARES))
                .collect(),
            changed.iter().map(put).collect(),
            Vec::new(),
        );
        let answer: Txn = self.gateway.ask("v3/kv/txn", &request).await?;
        Ok(match answer.succeeded {
            true => answers,
            false => LOST_RACE.outcome(op, "another transaction came first"),
        })
    }

    /// All keys of a transaction as they are at one instant.
    async fn look_up(&self, op: &Op, micro_ops: &[MicroOp]) -> Result<Vec<Found>, RequestError> {
        let mut keys: Vec<&Key> = Vec::new();
        for key in micro_ops.iter().map(MicroOp::key) {
            if !keys.contains(&key) {
                keys.push(key);
            }
        }
        // What a transaction that appends has read is compared when it is applied; only other reads may be
        // stale.
        let is_serializable = self.is_serializable && op.is_read_only();
        let ranges = (keys.iter())
            .map(|key| then_range(requests::range(&self.name(key), is_serializable)))
            .collect();
        let request = requests::txn(Vec::new(), ranges, Vec::new());
        let answer: Txn = self.gateway.ask("v3/kv/txn", &request).await?;
        (keys.into_iter().enumerate())
            .map(|(n, key)| found(key, answer.found(n)?))
            .collect()
    }
}

#[async_trait]
impl Client for EtcdClient {
    async fn invoke(&mut self, op: &Op) -> Outcome {
        self.perform(op).await.unwrap_or_else(|error| error.outcome(op))
    }
}

fn found(key: &Key, kv: Option<&KeyValue>) -> Result<Found, RequestError> {
    let elements = match value(kv)? {
        Value::Nil => None,
        Value::List(elements) => Some(elements.to_vec()),
        other => return Err(NOT_UNDERSTOOD.error(format!("{other} is not a list"))),
    };
    Ok(Found {
        key: key.clone(),
        elements,
        version: kv.map_or(0, |kv| kv.version),
        mod_revision: kv.map_or(0, |kv| kv.mod_revision),
        is_changed: false,
    })
}

/// Applies the micro-operations, in order, to what was found; returns the answer of each.
fn apply(all: &mut [Found], micro_ops: &[MicroOp]) -> Result<Vec<Value>, RequestError> {
    let unsupported: fn(&MicroOp) -> RequestError = |micro_op| {
        let rule: ErrorRule = NOT_SUPPORTED;
        rule.error(format!("not an operation on lists: {micro_op:?}"))
    };
    let mut answers = Vec::with_capacity(micro_ops.len());
    for micro_op in micro_ops {
        let found = all.iter_mut().find(|found| found.key == *micro_op.key());
        let found = found.ok_or_else(|| unsupported(micro_op))?;
        answers.push(match micro_op {
            MicroOp::Read { .. } => found.elements.clone().map_or(Value::Nil, Value::list),
            MicroOp::Append { value, .. } => {
                found.elements.get_or_insert_default().push(value.clone());
                found.is_changed = true;
                Value::Nil
            }
            MicroOp::Version { .. } if found.version == 0 => Value::Nil,
            MicroOp::Version { .. } => Value::list(vec![found.version.into(), found.mod_revision.into()]),
            MicroOp::Write { .. } => return Err(unsupported(micro_op)),
        });
    }
    Ok(answers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn micro_operations_are_done_in_order() {
        let read = |key: i64| MicroOp::Read { key: key.into() };
        let version = |key: i64| MicroOp::Version { key: key.into() };
        let append = |key: i64, value: i64| MicroOp::Append {
            key: key.into(),
            value: value.into(),
        };
        let list = |values: &[i64]| Value::list(values.iter().map(|&value| value.into()).collect());
        let found = || {
            let found = |key: i64, elements: Option<Vec<Value>>, version, mod_revision| Found {
                key: key.into(),
                elements,
                version,
                mod_revision,
                is_changed: false,
            };
            vec![found(1, Some(vec![7.into()]), 3, 40), found(2, None, 0, 0)]
        };
        let cases: &[(&[MicroOp], &[Value])] = &[
            (&[read(1), read(2)], &[list(&[7]), Value::Nil]),
            (
                &[version(1), version(2), append(1, 8), read(1)],
                &[list(&[3, 40]), Value::Nil, Value::Nil, list(&[7, 8])],
            ),
            (
                &[append(2, 5), append(2, 6), read(2)],
                &[Value::Nil, Value::Nil, list(&[5, 6])],
            ),
        ];
        for (micro_ops, expected) in cases {
            let mut all = found();
            assert_eq!(apply(&mut all, micro_ops).unwrap(), *expected, "{micro_ops:?}");
            for found in &all {
                let appends = |op: &MicroOp| matches!(op, MicroOp::Append { key, .. } if *key == found.key);
                assert_eq!(found.is_changed, micro_ops.iter().any(appends), "{micro_ops:?}");
            }
        }
        let write = MicroOp::Write {
            key: 1.into(),
            value: 2.into(),
        };
        assert_eq!(
            apply(&mut found(), &[write]).unwrap_err().rule.name,
            "not-supported"
        );
    }
}
