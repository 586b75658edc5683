//! Collecting every change of a key up to now.
//!
//! ```text
//!  read the key ──► the store is at revision R, the key was last changed at M ≤ R
//!  watch from `from` ──► created ──► events …, until one of revision M or later has come
//! ```
//!
//! How does a client know that it has heard everything up to R? etcd sends a key's events in the order of
//! their revisions and leaves none out (etcd API guarantees, "Ordered", "Reliable"), and a linearizable read
//! says that the key's last change up to R is that of M. So with M, or a later one, all up to R were sent. If
//! M lies before `from` there is nothing to hear. Progress notifications would not do: up to 3.4.24 and 3.5.7
//! they could overtake events (etcd issue 15220).
//!
//! An event that the store leaves out at the end is noticed as soon as there is a later one; until then the
//! watch waits in vain.

use history::{Outcome, Value};
use serde::Deserialize;

use super::errors::{COMPACTED, WATCH_ENDED, said};
use super::gateway::{Gateway, Header, KeyValue, Range, RequestError, RuleError, number};
use super::requests;
use crate::http::NOT_UNDERSTOOD;

/// The longest line that is read; an answer with that many events would be the store's fault.
const LINE_LIMIT: usize = 16 << 20;

#[derive(Deserialize)]
struct Line {
    result: Option<Watched>,
    error: Option<Broken>,
}

/// `WatchResponse`
#[derive(Deserialize)]
struct Watched {
    #[expect(dead_code, reason = "an answer without a header is not understood")]
    header: Header,
    #[serde(default)]
    created: bool,
    #[serde(default)]
    canceled: bool,
    #[serde(default, deserialize_with = "number")]
    compact_revision: i64,
    #[serde(default)]
    cancel_reason: String,
    #[serde(default)]
    events: Vec<WatchEvent>,
}

/// `Event`: a put, for which protobuf leaves out the type, or a `DELETE`.
#[derive(Deserialize)]
struct WatchEvent {
    #[serde(default, rename = "type")]
    kind: String,
    kv: KeyValue,
}

/// An error in the stream of answers.
#[derive(Deserialize)]
struct Broken {
    #[serde(default)]
    message: String,
}

/// What has arrived so far.
struct Heard {
    from: i64,
    /// The revision of the store when it was read.
    now: i64,
    /// The key's last change until then.
    last_change: i64,
    changes: Vec<(i64, Value)>,
}

/// All changes of the key called `name` from revision `from` up to at least the one at which `now` was read.
pub(super) async fn hear(
    gateway: &Gateway,
    name: &str,
    from: i64,
    now: &Range,
) -> Result<Outcome, RequestError> {
    // 0 means "from now on".
    let from = from.max(1);
    let mut heard = Heard {
        from,
        now: now.header.revision,
        last_change: now.kvs.first().map_or(0, |kv| kv.mod_revision),
        changes: Vec::new(),
    };
    let mut response = gateway.send("v3/watch", &requests::watch(name, from)).await?;
    let mut buffer = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(RequestError::unanswered)? {
        buffer.extend_from_slice(&chunk);
        while let Some(end) = buffer.iter().position(|&byte| byte == b'\n') {
            let line: Vec<u8> = buffer.drain(..=end).collect();
            if heard.take_in(&line)? {
                return Ok(heard.outcome());
            }
        }
        if buffer.len() > LINE_LIMIT {
            return Err(NOT_UNDERSTOOD.error("a line of more than 16 MiB"));
        }
    }
    Err(WATCH_ENDED.error("the stream ended"))
}

impl Heard {
    /// Takes in one line of the stream; returns whether everything has arrived now.
    fn take_in(&mut self, line: &[u8]) -> Result<bool, RequestError> {
        let json: Line =
            serde_json::from_slice(line).map_err(|error| NOT_UNDERSTOOD.error(error.to_string()))?;
        if let Some(broken) = json.error {
            return Err(said(&broken.message).error(broken.message));
        }
        let Some(watched) = json.result else {
            return Err(NOT_UNDERSTOOD.error("neither a result nor an error"));
        };
        if watched.compact_revision != 0 {
            return Err(COMPACTED.error(format!("compacted at {}", watched.compact_revision)));
        }
        if watched.canceled {
            return Err(WATCH_ENDED.error(watched.cancel_reason));
        }
        for event in &watched.events {
            let value = match event.kind.as_str() {
                "DELETE" => Value::Nil,
                _ => event.kv.decoded()?,
            };
            self.changes.push((event.kv.mod_revision, value));
        }
        let last_heard = self.changes.last().map(|(revision, _)| *revision);
        Ok(match last_heard {
            Some(revision) => revision >= self.last_change,
            None => watched.created && self.last_change < self.from,
        })
    }

    fn outcome(self) -> Outcome {
        let last_heard = self.changes.last().map_or(0, |(revision, _)| *revision);
        let changes = (self.changes.into_iter())
            .map(|(revision, value)| Value::list(vec![revision.into(), value]))
            .collect();
        let up_to: Value = self.now.max(last_heard).into();
        Outcome::ok_value(Value::list(vec![up_to, Value::list(changes)]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Revision 20 of the store, the key's last change at 15, heard from 10 on.
    fn heard() -> Heard {
        Heard {
            from: 10,
            now: 20,
            last_change: 15,
            changes: Vec::new(),
        }
    }

    const CREATED: &str = r#"{"result":{"header":{"revision":"20"},"created":true}}"#;

    fn event(revision: i64, value: i64) -> String {
        let value = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, value.to_string());
        format!(
            r#"{{"result":{{"header":{{"revision":"20"}},"events":[{{"kv":{{"key":"aw==","value":"{value}","mod_revision":"{revision}"}}}}]}}}}"#
        )
    }

    fn list(numbers: &[i64]) -> Value {
        Value::list(numbers.iter().map(|&number| number.into()).collect())
    }

    #[test]
    fn ends_with_the_keys_last_change() {
        // Up to where, and which changes.
        type Answer<'a> = Option<(i64, &'a [[i64; 2]])>;
        let cases: &[(&[String], Answer)] = &[
            (&[CREATED.into()], None),
            (&[CREATED.into(), event(12, 1)], None),
            (
                &[CREATED.into(), event(12, 1), event(15, 2)],
                Some((20, &[[12, 1], [15, 2]])),
            ),
            // A later event is an answer too, and reveals the missing one.
            (&[CREATED.into(), event(23, 3)], Some((23, &[[23, 3]]))),
        ];
        for (lines, expected) in cases {
            let mut heard = heard();
            let ends: Vec<bool> = lines
                .iter()
                .map(|line| heard.take_in(line.as_bytes()).unwrap())
                .collect();
            assert_eq!(*ends.last().unwrap(), expected.is_some(), "{lines:?}");
            assert!(!ends[..ends.len() - 1].contains(&true), "{lines:?}");
            if let Some((up_to, changes)) = expected {
                let changes = changes.iter().map(|change| list(change)).collect();
                let answer = Value::list(vec![(*up_to).into(), Value::list(changes)]);
                assert_eq!(heard.outcome(), Outcome::ok_value(answer), "{lines:?}");
            }
        }
    }

    #[test]
    fn nothing_to_hear() {
        let mut heard = Heard {
            last_change: 9,
            ..heard()
        };
        assert!(heard.take_in(CREATED.as_bytes()).unwrap());
        let answer = Value::list(vec![20.into(), Value::list(Vec::new())]);
        assert_eq!(heard.outcome(), Outcome::ok_value(answer));
    }

    #[test]
    fn errors() {
        let cases = [
            (
                r#"{"result":{"header":{},"created":true,"canceled":true,"cancel_reason":"etcdserver: permission denied"}}"#,
                "watch-ended",
            ),
            (
                r#"{"result":{"header":{},"canceled":true,"compact_revision":"12"}}"#,
                "compacted",
            ),
            (
                r#"{"error":{"grpc_code":14,"message":"etcdserver: no leader"}}"#,
                "no-leader",
            ),
            (r#"{"error":{"message":"novel"}}"#, "other-error"),
            ("{}", "not-understood"),
            ("<html>", "not-understood"),
            (
                r#"{"result":{"header":{},"events":[{"kv":{"key":"aw==","value":"!","mod_revision":"12"}}]}}"#,
                "not-understood",
            ),
        ];
        for (line, rule) in cases {
            assert_eq!(
                heard().take_in(line.as_bytes()).unwrap_err().rule.name,
                rule,
                "{line}"
            );
        }
    }
}
