//! The bodies of requests, and the names of keys in the store. Pure.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use history::{Key, ObjectKind, Value};
use serde_json::{Value as Json, json};

/// The names of a run's keys: `perjury/<a random name>/<kind>/<the key as JSON>`.
///
/// No JSON text is the beginning of another of the same kind, so no key's name is the beginning of another's.
#[derive(Clone, Debug)]
pub(super) struct Names {
    prefix: String,
}

impl Names {
    /// The names of a run.
    pub fn new(run: &str) -> Names {
        Names {
            prefix: format!("perjury/{run}/"),
        }
    }

    /// What all of them begin with.
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// The key of an object.
    pub fn object(&self, kind: ObjectKind, key: &Key) -> String {
        format!("{}{}/{}", self.prefix, kind.name().replace(' ', "-"), text(key))
    }

    /// The key of an element of a set.
    pub fn element(&self, key: &Key, element: &Value) -> String {
        format!("{}{}", self.elements(key), text(element))
    }

    /// What the keys of all elements of a set begin with.
    pub fn elements(&self, key: &Key) -> String {
        format!("{}/", self.object(ObjectKind::Set, key))
    }
}

/// A value as it is stored: JSON, so that it comes back equal; a number is its decimal digits.
fn text(value: &Value) -> String {
    // Every value can be written as JSON.
    serde_json::to_string(value).unwrap_or_default()
}

fn bytes(text: &str) -> String {
    STANDARD.encode(text)
}

/// `RangeRequest` of one key.
pub(super) fn range(name: &str, is_serializable: bool) -> Json {
    let mut request = json!({ "key": bytes(name) });
    if is_serializable {
        request["serializable"] = true.into();
    }
    request
}

/// `RangeRequest` of the names of all keys that begin with `prefix`, which must end with an ASCII character.
pub(super) fn range_names(prefix: &str, is_serializable: bool) -> Json {
    let mut end = prefix.as_bytes().to_vec();
    if let Some(last) = end.last_mut() {
        *last += 1;
    }
    let mut request = range(prefix, is_serializable);
    request["range_end"] = STANDARD.encode(end).into();
    request["keys_only"] = true.into();
    request
}

/// `RangeRequest` of at most `most` keys that begin with `prefix`, with their values, as they were at
/// `revision`.
pub(super) fn range_at(prefix: &str, revision: i64, most: usize) -> Json {
    let mut request = range_names(prefix, true);
    request["keys_only"] = false.into();
    request["revision"] = revision.to_string().into();
    request["limit"] = most.to_string().into();
    request
}

/// `PutRequest`
pub(super) fn put(name: &str, value: &Value) -> Json {
    json!({ "key": bytes(name), "value": bytes(&text(value)) })
}

/// `PutRequest` of a key that ends with a lease.
pub(super) fn put_with_lease(name: &str, value: &Value, lease: i64) -> Json {
    json!({ "key": bytes(name), "value": bytes(&text(value)), "lease": lease.to_string() })
}

/// `TxnRequest`
pub(super) fn txn(compare: Vec<Json>, success: Vec<Json>, failure: Vec<Json>) -> Json {
    json!({ "compare": compare, "success": success, "failure": failure })
}

/// A `RangeRequest` as a part of a txn.
pub(super) fn then_range(range: Json) -> Json {
    json!({ "request_range": range })
}

/// A `PutRequest` as a part of a txn.
pub(super) fn then_put(put: Json) -> Json {
    json!({ "request_put": put })
}

/// A `DeleteRangeRequest` of one key, as a part of a txn.
pub(super) fn then_delete(name: &str) -> Json {
    json!({ "request_delete_range": { "key": bytes(name) } })
}

/// `Compare`: the key holds `value`; nil stands for no key at all.
pub(super) fn holds(name: &str, value: &Value) -> Json {
    match value {
        Value::Nil => compare(name, "VERSION", "EQUAL", "version", 0),
        value => {
            json!({ "key": bytes(name), "target": "VALUE", "result": "EQUAL", "value": bytes(&text(value)) })
        }
    }
}

/// `Compare`: the key was last changed at `revision`; 0 stands for no key at all.
pub(super) fn unchanged_since(name: &str, revision: i64) -> Json {
    compare(name, "MOD", "EQUAL", "mod_revision", revision)
}

/// `Compare`: the key was made at `revision`; 0 stands for no key at all.
pub(super) fn made_at(name: &str, revision: i64) -> Json {
    compare(name, "CREATE", "EQUAL", "create_revision", revision)
}

/// `Compare` that is always true.
pub(super) fn always(name: &str) -> Json {
    compare(name, "VERSION", "GREATER", "version", -1)
}

fn compare(name: &str, target: &str, result: &str, field: &str, number: i64) -> Json {
    json!({ "key": bytes(name), "target": target, "result": result, (field): number.to_string() })
}

/// `WatchRequest` of one key.
pub(super) fn watch(name: &str, from: i64) -> Json {
    json!({ "create_request": { "key": bytes(name), "start_revision": from.to_string() } })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies() {
        let cases = [
            (range("k", false), r#"{"key":"aw=="}"#),
            (range("k", true), r#"{"key":"aw==","serializable":true}"#),
            // "a/" up to, but without, "a0".
            (
                range_names("a/", false),
                r#"{"key":"YS8=","keys_only":true,"range_end":"YTA="}"#,
            ),
            // 12 is its digits, a text is in quotation marks.
            (put("k", &12.into()), r#"{"key":"aw==","value":"MTI="}"#),
            (put("k", &Value::text("a")), r#"{"key":"aw==","value":"ImEi"}"#),
            (
                put_with_lease("k", &12.into(), 9_007_199_254_740_993),
                r#"{"key":"aw==","lease":"9007199254740993","value":"MTI="}"#,
            ),
            (
                holds("k", &12.into()),
                r#"{"key":"aw==","result":"EQUAL","target":"VALUE","value":"MTI="}"#,
            ),
            (
                holds("k", &Value::Nil),
                r#"{"key":"aw==","result":"EQUAL","target":"VERSION","version":"0"}"#,
            ),
            (
                unchanged_since("k", 7),
                r#"{"key":"aw==","mod_revision":"7","result":"EQUAL","target":"MOD"}"#,
            ),
            (
                made_at("k", 7),
                r#"{"create_revision":"7","key":"aw==","result":"EQUAL","target":"CREATE"}"#,
            ),
            (
                always("k"),
                r#"{"key":"aw==","result":"GREATER","target":"VERSION","version":"-1"}"#,
            ),
            (
                txn(
                    vec![made_at("k", 0)],
                    vec![then_put(put("k", &1.into())), then_delete("d")],
                    vec![then_range(range("k", false))],
                ),
                concat!(
                    r#"{"compare":[{"create_revision":"0","key":"aw==","result":"EQUAL","target":"CREATE"}],"#,
                    r#""failure":[{"request_range":{"key":"aw=="}}],"#,
                    r#""success":[{"request_put":{"key":"aw==","value":"MQ=="}},"#,
                    r#"{"request_delete_range":{"key":"ZA=="}}]}"#
                ),
            ),
            (
                watch("k", 5),
                r#"{"create_request":{"key":"aw==","start_revision":"5"}}"#,
            ),
        ];
        for (body, expected) in cases {
            let expected: Json = serde_json::from_str(expected).unwrap();
            assert_eq!(body, expected);
        }
    }

    #[test]
    fn no_name_begins_with_another_objects() {
        let names = Names::new("r");
        let keys = [
            Value::Nil,
            1.into(),
            12.into(),
            Value::text("1"),
            Value::text("1/2"),
            Value::text(""),
        ];
        let sets: Vec<String> = keys.iter().map(|key| names.elements(key)).collect();
        for (n, name) in sets.iter().enumerate() {
            assert!(name.starts_with("perjury/r/set/"), "{name}");
            let others = sets.iter().enumerate().filter(|(other, _)| *other != n);
            assert!(
                others.into_iter().all(|(_, other)| !other.starts_with(name)),
                "{name}"
            );
        }
        assert_eq!(
            names.element(&1.into(), &Value::text("x")),
            r#"perjury/r/set/1/"x""#
        );
        assert_eq!(
            names.object(ObjectKind::Watched, &2.into()),
            "perjury/r/watched-register/2"
        );
    }
}
