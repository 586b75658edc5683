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
//! Revisions that were compacted are gone, and etcd answers a watch that asks for them with the revision up to
//! which they are (`compact_revision`), and cancels it. The answer then begins after that one, and says so:
//! nothing else may be missing. If it lies beyond R, the key is read again first.
//!
//! An event that the store leaves out at the end is noticed as soon as there is a later one; until then the
//! watch waits in vain.

use history::{Outcome, Value};
use serde::Deserialize;

use super::errors::{WATCH_ENDED, said};
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

/// All changes of the key called `name` from revision `from` on that were not compacted, up to at least the
/// last one when this began.
pub(super) async fn hear(gateway: &Gateway, name: &str, from: i64) -> Result<Outcome, RequestError> {
    // 0 means "from now on".
    let from = from.max(1);
    let mut begun = None;
    loop {
        // Linearizable in every read mode: the answer of a member that lags would end the watch too early.
        let now: Range = gateway.ask("v3/kv/range", &requests::range(name, false)).await?;
        let revision = now.header.revision;
        if begun.is_some_and(|begun| begun > revision + 1) {
            let why = format!("compacted up to a revision that is yet to come, at revision {revision}");
            return Err(NOT_UNDERSTOOD.error(why));
        }
        match (Heard::new(begun.unwrap_or(from), &now).listen(gateway, name)).await? {
            Ended::Whole(through, changes) => return Ok(outcome(through, changes, begun)),
            // Each time further on; a store that is compacted all the time meets the operation's deadline.
            Ended::Compacted(up_to) if up_to >= begun.unwrap_or(from) => begun = Some(up_to + 1),
            Ended::Compacted(up_to) => {
                let why = format!("compacted up to {up_to}, from where on it was not asked (at {revision})");
                return Err(NOT_UNDERSTOOD.error(why));
            }
        }
    }
}

/// How a watch ended.
#[derive(Debug, PartialEq)]
enum Ended {
    /// Everything up to a revision was heard.
    Whole(i64, Vec<(i64, Value)>),
    /// The revisions up to this one are gone.
    Compacted(i64),
}

fn outcome(through: i64, changes: Vec<(i64, Value)>, begun: Option<i64>) -> Outcome {
    let changes = (changes.into_iter())
        .map(|(revision, value)| Value::list(vec![revision.into(), value]))
        .collect();
    let mut parts = vec![through.into(), Value::list(changes)];
    parts.extend(begun.map(Value::from));
    Outcome::ok_value(Value::list(parts))
}

impl Heard {
    /// Nothing yet, of a key that was read.
    fn new(from: i64, now: &Range) -> Heard {
        Heard {
            from,
            now: now.header.revision,
            last_change: now.kvs.first().map_or(0, |kv| kv.mod_revision),
            changes: Vec::new(),
        }
    }

    async fn listen(mut self, gateway: &Gateway, name: &str) -> Result<Ended, RequestError> {
        let request = requests::watch(name, self.from);
        let mut response = gateway.send("v3/watch", &request).await?;
        let mut buffer = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(RequestError::unanswered)? {
            buffer.extend_from_slice(&chunk);
            while let Some(end) = buffer.iter().position(|&byte| byte == b'\n') {
                let line: Vec<u8> = buffer.drain(..=end).collect();
                if let Some(ended) = self.take_in(&line)? {
                    return Ok(ended);
                }
            }
            if buffer.len() > LINE_LIMIT {
                return Err(NOT_UNDERSTOOD.error("a line of more than 16 MiB"));
            }
        }
        Err(WATCH_ENDED.error("the stream ended"))
    }

    /// Takes in one line of the stream; says how the watch ended if nothing more is to come.
    fn take_in(&mut self, line: &[u8]) -> Result<Option<Ended>, RequestError> {
        let json: Line =
            serde_json::from_slice(line).map_err(|error| NOT_UNDERSTOOD.error(error.to_string()))?;
        if let Some(broken) = json.error {
            return Err(said(&broken.message).error(broken.message));
        }
        let Some(watched) = json.result else {
            return Err(NOT_UNDERSTOOD.error("neither a result nor an error"));
        };
        if watched.compact_revision != 0 {
            return Ok(Some(Ended::Compacted(watched.compact_revision)));
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
        let is_whole = match last_heard {
            Some(revision) => revision >= self.last_change,
            None => watched.created && self.last_change < self.from,
        };
        let through = self.now.max(last_heard.unwrap_or_default());
        Ok(is_whole.then(|| Ended::Whole(through, std::mem::take(&mut self.changes))))
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
            let mut ends: Vec<Option<Ended>> = lines
                .iter()
                .map(|line| heard.take_in(line.as_bytes()).unwrap())
                .collect();
            let last = ends.pop().unwrap();
            assert!(ends.iter().all(Option::is_none), "{lines:?}");
            let expected = expected.map(|(up_to, changes)| {
                let changes = changes.iter().map(|&[revision, value]| (revision, value.into()));
                Ended::Whole(up_to, changes.collect())
            });
            assert_eq!(last, expected, "{lines:?}");
        }
    }

    #[test]
    fn nothing_to_hear() {
        let mut heard = Heard {
            last_change: 9,
            ..heard()
        };
        let ended = heard.take_in(CREATED.as_bytes()).unwrap();
        assert_eq!(ended, Some(Ended::Whole(20, Vec::new())));
    }

    #[test]
    fn what_was_compacted_is_said() {
        let line = r#"{"result":{"header":{},"created":true,"canceled":true,"compact_revision":"12"}}"#;
        assert_eq!(
            heard().take_in(line.as_bytes()).unwrap(),
            Some(Ended::Compacted(12))
        );
        let changes = || vec![(15, 2.into())];
        let told = [list(&[15, 2])].to_vec();
        let (whole, cut) = (outcome(20, changes(), None), outcome(20, changes(), Some(13)));
        let parts = vec![20.into(), Value::list(told)];
        assert_eq!(whole, Outcome::ok_value(Value::list(parts.clone())));
        let parts = parts.into_iter().chain([13.into()]).collect();
        assert_eq!(cut, Outcome::ok_value(Value::list(parts)));
    }

    #[test]
    fn errors() {
        let cases = [
            (
                r#"{"result":{"header":{},"created":true,"canceled":true,"cancel_reason":"etcdserver: permission denied"}}"#,
                "watch-ended",
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
