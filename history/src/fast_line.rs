//! Journal lines as perjury itself writes them, read without going through serde.
//!
//! Invariant: what it returns is what serde would have returned; anything unusual (transactions, lists,
//! escapes, other orders of fields, anything malformed) it leaves to serde by returning `None`.

use crate::{Event, EventKind, Op, Outcome, Process, Value};

/// The event of one line, without its newline, if the line is of a usual form.
pub(crate) fn parse(line: &[u8]) -> Option<Event> {
    let mut rest = Rest(line);
    rest.literal(b"{\"time_ns\":")?;
    let time_ns = rest.unsigned()?;
    rest.literal(b",\"process\":")?;
    let process = Process::Client(rest.unsigned()?);
    rest.literal(b",\"type\":\"")?;
    let kind = match rest.plain_text()? {
        b"invoke" => {
            rest.literal(b",\"f\":\"")?;
            let f = rest.plain_text()?;
            let key = rest.field(b",\"key\":")?.unwrap_or_default();
            let value = rest.field(b",\"value\":")?;
            let expected = rest.field(b",\"expected\":")?;
            let new = rest.field(b",\"new\":")?;
            let node = match rest.literal(b",\"node\":") {
                Some(()) => Some(u16::try_from(rest.unsigned()?).ok()?),
                None => None,
            };
            let op = match (f, value, expected, new) {
                (b"read", None, None, None) => Op::Read { key },
                (b"write", Some(value), None, None) => Op::Write { key, value },
                (b"cas", None, Some(expected), Some(new)) => Op::Cas { key, expected, new },
                (b"append", Some(value), None, None) => Op::Append { key, value },
                (b"add", Some(value), None, None) => Op::Add { key, value },
                (b"acquire", None, None, None) => Op::Acquire { key },
                (b"release", None, None, None) => Op::Release { key },
                (b"enqueue", Some(value), None, None) => Op::Enqueue { key, value },
                (b"dequeue", None, None, None) => Op::Dequeue { key },
                (b"generate", None, None, None) => Op::Generate { key },
                _ => return None,
            };
            EventKind::Invoke { op, node }
        }
        b"ok" => EventKind::Complete(match rest.field(b",\"value\":")? {
            Some(value) => Outcome::ok_value(value),
            None => Outcome::ok(),
        }),
        b"fail" => {
            let current = rest.field(b",\"value\":")?;
            rest.literal(b",\"mismatch\":true")?;
            EventKind::Complete(Outcome::mismatch(current))
        }
        _ => return None,
    };
    (rest.0 == b"}").then_some(Event {
        time_ns,
        process,
        kind,
    })
}

/// What of the line is not yet read.
struct Rest<'a>(&'a [u8]);

impl<'a> Rest<'a> {
    fn literal(&mut self, literal: &[u8]) -> Option<()> {
        self.0 = self.0.strip_prefix(literal)?;
        Some(())
    }

    /// Decimal digits, at most 18, which always fit; JSON allows no leading zero.
    fn unsigned(&mut self) -> Option<u64> {
        let mut number = 0;
        let mut length = 0;
        while let Some(digit @ b'0'..=b'9') = self.0.get(length) {
            number = number * 10 + u64::from(digit - b'0');
            length += 1;
            if length > 18 {
                return None;
            }
        }
        if length == 0 || (length > 1 && self.0[0] == b'0') {
            return None;
        }
        self.0 = &self.0[length..];
        Some(number)
    }

    /// The rest of a string that has no escapes and is plain ASCII; its opening quote is already read.
    fn plain_text(&mut self) -> Option<&'a [u8]> {
        let length = self
            .0
            .iter()
            .position(|&byte| byte == b'"' || byte == b'\\' || !(b' '..=b'~').contains(&byte))?;
        let (text, rest) = self.0.split_at(length);
        self.0 = rest.strip_prefix(b"\"")?;
        Some(text)
    }

    /// An optional field: `None` if the line is unusual, `Some(None)` if the field is absent.
    fn field(&mut self, name: &[u8]) -> Option<Option<Value>> {
        if self.literal(name).is_none() {
            return Some(None);
        }
        self.value().map(Some)
    }

    fn value(&mut self) -> Option<Value> {
        match self.0.first()? {
            b'n' => self.literal(b"null").map(|()| Value::Nil),
            b'"' => {
                self.0 = &self.0[1..];
                let text = std::str::from_utf8(self.plain_text()?).ok()?;
                Some(Value::text(text))
            }
            b'-' => {
                self.0 = &self.0[1..];
                let number = self.unsigned()?;
                // JSON's -0 is no integer.
                (number != 0).then_some(Value::Int(-(number as i64)))
            }
            _ => self.unsigned().map(|number| Value::Int(number as i64)),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LINES: [&str; 6] = [
        r#"{"time_ns":1,"process":0,"type":"invoke","f":"cas","key":1,"expected":null,"new":"x","node":1}"#,
        r#"{"time_ns":2,"process":0,"type":"fail","value":-4,"mismatch":true}"#,
        r#"{"time_ns":3,"process":1,"type":"invoke","f":"read"}"#,
        r#"{"time_ns":4,"process":1,"type":"ok","value":[1,2]}"#,
        r#"{"time_ns":5,"process":2,"type":"invoke","f":"txn","micro_ops":[{"f":"read","key":1}]}"#,
        r#"{"time_ns":6,"process":2,"type":"info","error":"timeout","message":"é"}"#,
    ];

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(10_000))]

        /// What it reads, serde reads as the same, also from a damaged line.
        #[test]
        fn it_agrees_with_serde(
            line in 0..LINES.len(),
            damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), any::<bool>()), 0..3),
        ) {
            let mut bytes = LINES[line].as_bytes().to_vec();
            for (place, byte, is_inserted) in damage {
                // Mostly bytes that mean something.
                let byte = b"[]{}\"\\:,-0189 ntrue."[..].get(usize::from(byte)).copied().unwrap_or(byte);
                let place = place.index(bytes.len());
                match is_inserted {
                    true => bytes.insert(place, byte),
                    false => bytes[place] = byte,
                }
            }
            if let Some(event) = parse(&bytes) {
                prop_assert_eq!(Some(event), serde_json::from_slice::<Event>(&bytes).ok());
            }
        }
    }

    #[test]
    fn it_reads_the_usual_lines() {
        let quick: Vec<bool> = LINES
            .iter()
            .map(|line| parse(line.as_bytes()).is_some())
            .collect();
        assert_eq!(quick, [true, true, true, false, false, false]);
    }
}
