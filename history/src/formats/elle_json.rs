//! The JSON that elle-cli reads: operation maps in an array, or one after the other.
//!
//! Source: elle-cli's README and its example histories. Fields as in EDN, keywords as strings:
//! `{"index":4,"type":"ok","f":"txn","process":0,"time":12,"value":[["append",3,2],["r",3,[1,2]]]}`.
//! Histories of transactions may omit `f`.

use std::fmt;
use std::io::Write;

use serde::de::{self, Deserialize, Deserializer};
use serde::{Serialize, Serializer};

use super::framed::{self, Item, PassedOver, Stop};
use super::jepsen::{Function, Kind, RawOp, Style, Unreadable, Who, index, interpret, time_ns};
use super::{ExportError, Format, Reads, replay};
use crate::{History, Process, Value};

const NAME: &str = "elle-json";

pub(super) const FORMAT: Format = Format {
    name: NAME,
    about: "the JSON that elle-cli reads",
    loses: "nodes, notes, faults, which reads were the last, or when an unfinished operation was given up",
    may_be_empty: false,
    initial: || Value::Nil,
    detect: |head| {
        head.is_json() || (head.first.starts_with(b"]") && head.path.extension().is_some_and(|e| e == "json"))
    },
    read: Reads::Events(|source, order| framed::read(source, Style::default(), order, parse)),
    write: Some(write),
};

/// Reads the operations in `bytes`.
fn parse(
    bytes: &[u8],
    line: usize,
    style: Style,
    passed_over: &mut PassedOver,
    emit: &mut dyn FnMut(Item) -> Result<(), Stop>,
) -> Result<(), Stop> {
    let (mut at, mut line) = (0, line);
    while let Some(&byte) = bytes.get(at) {
        match byte {
            b'\n' => line += 1,
            b' ' | b'\t' | b'\r' | b',' => {}
            b'[' | b']' => emit(Item::Bracket { byte, line })?,
            b'{' => {
                let length = object(&bytes[at..]).ok_or_else(|| {
                    Stop::Wrong(line, "the file ends in the middle of an operation".to_owned())
                })?;
                let object = &bytes[at..at + length];
                let Fields { raw, others } = serde_json::from_slice(object).map_err(|error| {
                    let line = line + error.line().saturating_sub(1);
                    Stop::Wrong(line, without_place(&error))
                })?;
                for name in others {
                    *passed_over.fields.entry(name).or_default() += 1;
                }
                let record = interpret(RawOp { line, ..raw }, style)
                    .map_err(|problem: Unreadable| Stop::at(line, problem))?;
                emit(Item::Op(record))?;
                at += length;
                line += memchr::memchr_iter(b'\n', object).count();
                continue;
            }
            _ => {
                let reason = format!(
                    "an operation must be an object, not `{}`",
                    char::from(byte).escape_default()
                );
                return Err(Stop::Wrong(line, reason));
            }
        }
        at += 1;
    }
    Ok(())
}

/// The length of the object that `bytes` begins with. Brackets in strings do not count.
fn object(bytes: &[u8]) -> Option<usize> {
    let (mut depth, mut at) = (0usize, 0);
    loop {
        at += memchr::memchr3(b'{', b'}', b'"', bytes.get(at..)?)?;
        match bytes[at] {
            b'{' => depth += 1,
            b'}' => depth -= 1,
            _ => loop {
                at += 1;
                at += memchr::memchr2(b'"', b'\\', bytes.get(at..)?)?;
                if bytes[at] == b'"' {
                    break;
                }
                at += 1;
            },
        }
        at += 1;
        if depth == 0 {
            return Some(at);
        }
    }
}

/// serde_json's message without its line and column, which it counts from the beginning of the object.
fn without_place(error: &serde_json::Error) -> String {
    let words = error.to_string();
    match words.rfind(" at line ") {
        Some(end) => words[..end].to_owned(),
        None => words,
    }
}

/// One operation map, and the names of its unused fields.
struct Fields {
    raw: RawOp,
    others: Vec<String>,
}

impl<'de> Deserialize<'de> for Fields {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> de::Visitor<'de> for Visitor {
            type Value = Fields;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an operation")
            }

            fn visit_map<A: de::MapAccess<'de>>(self, mut map: A) -> Result<Fields, A::Error> {
                let mut raw = RawOp::default();
                let mut others = Vec::new();
                while let Some(name) = map.next_key::<String>()? {
                    let Loose(value) = map.next_value()?;
                    let twice = match name.as_str() {
                        "process" => raw
                            .process
                            .replace(process(value).map_err(de::Error::custom)?)
                            .is_some(),
                        "type" => raw
                            .kind
                            .replace(kind(value).map_err(de::Error::custom)?)
                            .is_some(),
                        "f" => {
                            let twice = raw.f.is_some();
                            raw.f = function(value);
                            twice
                        }
                        "value" => raw.value.replace(value).is_some(),
                        "key" => raw.key.replace(value).is_some(),
                        "token" => raw.token.replace(value).is_some(),
                        "final?" => {
                            raw.is_final = value == Value::boolean(true);
                            false
                        }
                        "error" => raw.error.replace(value).is_some(),
                        "time" => {
                            let twice = raw.time_ns.is_some();
                            raw.time_ns = time_ns(&value).map_err(de::Error::custom)?;
                            twice
                        }
                        "index" => match index(&value) {
                            Some(index) => raw.index.replace(index).is_some(),
                            None => false,
                        },
                        _ => {
                            others.push(name.clone());
                            false
                        }
                    };
                    if twice {
                        return Err(de::Error::custom(format!("the field {name} appears twice")));
                    }
                }
                Ok(Fields { raw, others })
            }
        }
        d.deserialize_map(Visitor)
    }
}

fn process(value: Value) -> Result<Who, String> {
    Who::parse(&value).ok_or_else(|| format!("the process must be a number or a name, not {value}"))
}

fn kind(value: Value) -> Result<Kind, String> {
    let kind = match &value {
        Value::Text(name) => Kind::parse(name.trim_start_matches(':').as_bytes()),
        _ => None,
    };
    kind.ok_or_else(|| format!("unknown type {value} (known: invoke, ok, fail, info)"))
}

fn function(value: Value) -> Option<Function> {
    match value {
        Value::Nil => None,
        Value::Text(name) => Some(Function::parse(name.trim_start_matches(':'))),
        other => Some(Function::Other(other.to_string().into())),
    }
}

/// Any JSON as a value, as in EDN.
struct Loose(Value);

impl<'de> Deserialize<'de> for Loose {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> de::Visitor<'de> for Visitor {
            type Value = Loose;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON value")
            }

            fn visit_unit<E: de::Error>(self) -> Result<Loose, E> {
                Ok(Loose(Value::Nil))
            }

            fn visit_bool<E: de::Error>(self, value: bool) -> Result<Loose, E> {
                Ok(Loose(Value::boolean(value)))
            }

            fn visit_i64<E: de::Error>(self, value: i64) -> Result<Loose, E> {
                Ok(Loose(Value::Int(value)))
            }

            fn visit_u64<E: de::Error>(self, value: u64) -> Result<Loose, E> {
                Ok(Loose(
                    i64::try_from(value).map_or_else(|_| Value::form(&value.to_string()), Value::Int),
                ))
            }

            fn visit_f64<E: de::Error>(self, value: f64) -> Result<Loose, E> {
                // JSON has one kind of number: what Lua and JavaScript write as 1.0 is 1.
                const EXACT: f64 = (1_u64 << 53) as f64;
                if value.fract() != 0.0 {
                    return Ok(Loose(Value::float(value)));
                }
                match value.abs() <= EXACT {
                    true => Ok(Loose(Value::Int(value as i64))),
                    false => Err(E::custom(format!(
                        "{value:e} is too large a number to be told from the next one; write it as a text"
                    ))),
                }
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Loose, E> {
                Ok(Loose(Value::text(text)))
            }

            fn visit_seq<A: de::SeqAccess<'de>>(self, mut seq: A) -> Result<Loose, A::Error> {
                let mut values = Vec::new();
                while let Some(Loose(value)) = seq.next_element()? {
                    values.push(value);
                }
                Ok(Loose(Value::list(values)))
            }

            fn visit_map<A: de::MapAccess<'de>>(self, mut map: A) -> Result<Loose, A::Error> {
                let mut pairs = Vec::new();
                while let Some((name, Loose(value))) = map.next_entry::<String, Loose>()? {
                    pairs.push((Value::text(&name), value));
                }
                Ok(Loose(Value::map(pairs)))
            }
        }
        d.deserialize_any(Visitor)
    }
}

/// A value as JSON has it: sets are arrays, maps are objects where their names are texts, and forms that JSON
/// has are themselves; other forms are texts.
struct Plain<'a>(&'a Value);

impl Serialize for Plain<'_> {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        let is_named =
            |pairs: &[(Value, Value)]| pairs.iter().all(|(name, _)| matches!(name, Value::Text(_)));
        match self.0 {
            Value::List(values) | Value::Set(values) => s.collect_seq(values.iter().map(Plain)),
            Value::Map(pairs) if is_named(pairs) => {
                s.collect_map(pairs.iter().map(|(name, value)| match name {
                    Value::Text(name) => (name.as_str(), Plain(value)),
                    _ => ("", Plain(value)),
                }))
            }
            Value::Map(pairs) => s.collect_seq(pairs.iter().map(|(name, value)| [Plain(name), Plain(value)])),
            Value::Form(form) => match (form.as_str(), form.parse::<f64>()) {
                ("true", _) => s.serialize_bool(true),
                ("false", _) => s.serialize_bool(false),
                (_, Ok(number)) if number.is_finite() && number.fract() != 0.0 => s.serialize_f64(number),
                _ => s.serialize_str(form),
            },
            value => value.serialize(s),
        }
    }
}

/// Faults are left out: Elle has no use for them.
fn write(history: &History, out: &mut dyn Write) -> Result<(), ExportError> {
    let keyed = super::keyed(history, NAME)?;
    let name = |name: &str| Value::text(name);
    let mut index = 0u64;
    for event in replay::events(history) {
        let Process::Client(process) = event.process else {
            continue;
        };
        let begin = if index == 0 { "[" } else { ",\n" };
        let (kind, f, time_ns) = (event.type_name(), event.f(), event.time_ns);
        write!(
            out,
            "{begin}{{\"index\":{index},\"process\":{process},\"type\":\"{kind}\",\"f\":\"{f}\""
        )?;
        for (field, value) in [("value", event.value(keyed, name)), ("error", event.error(name))] {
            if let Some(value) = value {
                let value = serde_json::to_string(&Plain(&value)).map_err(std::io::Error::from)?;
                write!(out, ",\"{field}\":{value}")?;
            }
        }
        write!(out, ",\"time\":{time_ns}}}")?;
        index += 1;
    }
    writeln!(out, "{}", if index == 0 { "[]" } else { "]" })?;
    Ok(())
}
