//! Jepsen's `history.edn`: operation maps, in brackets or one after the other.
//!
//! Fields (a namespace is ignored): `:process` (a number, a text or the keyword of a nemesis), `:type` (a
//! keyword or a text), `:f`, `:value`, `:time` (nanoseconds or a date), `:index`, `:error`, `:key`, `:token`;
//! all other fields are counted in the remarks. An operation may be a record (`#jepsen.history.Op{…}`,
//! `#knossos.op.Op{…}`).
//!
//! A `:fail` did not happen, and that includes a failed cas: Jepsen does not say why it failed.

use std::io::Write;

use super::edn_syntax::{Reader, SyntaxError};
use super::framed::{self, Item, PassedOver, Stop};
use super::jepsen::{Function, Kind, RawOp, Style, Who, index, interpret, time_ns};
use super::{ExportError, Format, Reads, replay};
use crate::{History, Process, Value};

pub(super) const FORMAT: Format = Format {
    name: "edn",
    about: "Jepsen's history.edn, as Knossos and Elle read it",
    loses: "nodes, notes, whether faults took hold, which reads were the last, or when an unfinished operation was given up",
    may_be_empty: false,
    initial: || Value::Nil,
    detect: |head| match head.first {
        // A heading is not a set, a tag or a discarded form.
        [b'#', next, ..] if next.is_ascii_whitespace() || *next == b'#' => false,
        [b'{' | b'#' | b'^' | b']' | b')', ..] => !head.is_json(),
        _ => false,
    },
    read: Reads::Events(|source, order| framed::read(source, Style::default(), order, parse)),
    write: Some(write),
};

/// Reads the operations in `bytes`.
pub(super) fn parse(
    bytes: &[u8],
    line: usize,
    style: Style,
    passed_over: &mut PassedOver,
    emit: &mut dyn FnMut(Item) -> Result<(), Stop>,
) -> Result<(), Stop> {
    let mut reader = Reader::new(bytes, line);
    loop {
        match reader.peek()? {
            None => return Ok(()),
            Some(byte @ (b'[' | b'(' | b']' | b')')) => {
                reader.take(byte)?;
                emit(Item::Bracket {
                    byte,
                    line: reader.line(),
                })?;
            }
            Some(_) => {
                let line = reader.line();
                let raw = operation(&mut reader, passed_over)?;
                let record = interpret(raw, style).map_err(|problem| Stop::at(line, problem))?;
                emit(Item::Op(record))?;
            }
        }
    }
}

impl From<SyntaxError> for Stop {
    fn from(error: SyntaxError) -> Self {
        Stop::Wrong(error.line, error.reason)
    }
}

/// The error for an operation that the file cuts off names the line that began it.
fn operation(reader: &mut Reader<'_>, passed_over: &mut PassedOver) -> Result<RawOp, SyntaxError> {
    let begun = reader.line();
    fields(reader, passed_over).map_err(|error| match reader.rest().is_empty() && error.line > begun {
        true => SyntaxError {
            line: begun,
            reason: format!(
                "the file ends (line {}) before the operation that begins here: {}",
                error.line, error.reason
            ),
        },
        false => error,
    })
}

fn fields(reader: &mut Reader<'_>, passed_over: &mut PassedOver) -> Result<RawOp, SyntaxError> {
    reader.skip_metadata()?;
    reader.tag()?;
    let mut raw = RawOp {
        line: reader.line(),
        ..RawOp::default()
    };
    if !reader.take(b'{')? {
        let value = reader.value()?;
        return reader.error(format!("an operation must be a map, not {value}"));
    }
    while !reader.take(b'}')? {
        let Some(name) = reader.keyword()? else {
            let name = reader.value()?;
            reader.value()?;
            *passed_over.fields.entry(name.to_string()).or_default() += 1;
            continue;
        };
        let local = match memchr::memrchr(b'/', name) {
            Some(position) => &name[position + 1..],
            None => name,
        };
        let twice = match local {
            b"process" => raw.process.replace(process(reader)?).is_some(),
            b"type" => raw.kind.replace(kind(reader)?).is_some(),
            b"f" => {
                let twice = raw.f.is_some();
                raw.f = function(reader)?;
                twice
            }
            b"value" => raw.value.replace(reader.value()?).is_some(),
            b"key" => raw.key.replace(reader.value()?).is_some(),
            b"token" => raw.token.replace(reader.value()?).is_some(),
            b"final?" => {
                raw.is_final = reader.value()? == Value::boolean(true);
                false
            }
            b"error" => raw.error.replace(reader.value()?).is_some(),
            b"time" => {
                let twice = raw.time_ns.is_some();
                raw.time_ns = match time_ns(&reader.value()?) {
                    Ok(time_ns) => time_ns,
                    Err(reason) => return reader.error(reason),
                };
                twice
            }
            b"index" => match index(&reader.value()?) {
                Some(index) => raw.index.replace(index).is_some(),
                None => false,
            },
            _ => {
                reader.value()?;
                let name = format!(":{}", String::from_utf8_lossy(name));
                *passed_over.fields.entry(name).or_default() += 1;
                false
            }
        };
        if twice {
            return reader.error(format!(
                "the field :{} appears twice",
                String::from_utf8_lossy(name)
            ));
        }
    }
    Ok(raw)
}

fn process(reader: &mut Reader<'_>) -> Result<Who, SyntaxError> {
    let value = reader.value()?;
    match Who::parse(&value) {
        Some(who) => Ok(who),
        None => reader.error(format!("the process must be a number or a name, not {value}")),
    }
}

fn kind(reader: &mut Reader<'_>) -> Result<Kind, SyntaxError> {
    let value = reader.value()?;
    let name = match &value {
        Value::Text(name) | Value::Form(name) => name.trim_start_matches(':'),
        _ => "",
    };
    match Kind::parse(name.as_bytes()) {
        Some(kind) => Ok(kind),
        None => reader.error(format!("unknown type {value} (known: :invoke :ok :fail :info)")),
    }
}

fn function(reader: &mut Reader<'_>) -> Result<Option<Function>, SyntaxError> {
    if let Some(name) = reader.keyword()? {
        return match std::str::from_utf8(name) {
            Ok(name) => Ok(Some(Function::parse(name))),
            Err(_) => reader.error("text that is not UTF-8"),
        };
    }
    Ok(match reader.value()? {
        Value::Nil => None,
        Value::Text(name) | Value::Form(name) => Some(Function::parse(&name)),
        other => Some(Function::Other(other.to_string().into())),
    })
}

fn write(history: &History, out: &mut dyn Write) -> Result<(), ExportError> {
    let keyed = super::keyed(history, FORMAT.name)?;
    let name = |name: &str| Value::form(&format!(":{name}"));
    let mut line = String::new();
    for (index, event) in replay::events(history).into_iter().enumerate() {
        line.clear();
        match event.process {
            Process::Client(number) => line.push_str(&format!("{{:process {number}")),
            Process::Nemesis => line.push_str("{:process :nemesis"),
        }
        line.push_str(&format!(", :type :{}, :f :{}", event.type_name(), event.f()));
        for (field, value) in [
            (", :value ", event.value(keyed, name)),
            (", :error ", event.error(name)),
        ] {
            if let Some(value) = value {
                line.push_str(field);
                put(&mut line, &value);
            }
        }
        line.push_str(&format!(", :time {}, :index {index}}}\n", event.time_ns));
        out.write_all(line.as_bytes())?;
    }
    Ok(())
}

/// A value as it is written.
pub(super) fn spelling(value: &Value) -> String {
    let mut text = String::new();
    put(&mut text, value);
    text
}

/// Writes a value.
fn put(line: &mut String, value: &Value) {
    match value {
        Value::Nil => line.push_str("nil"),
        Value::Int(number) => line.push_str(&number.to_string()),
        Value::Form(form) => line.push_str(form),
        Value::Text(text) => {
            line.push('"');
            for character in text.chars() {
                match character {
                    '"' => line.push_str("\\\""),
                    '\\' => line.push_str("\\\\"),
                    '\n' => line.push_str("\\n"),
                    '\r' => line.push_str("\\r"),
                    '\t' => line.push_str("\\t"),
                    other => line.push(other),
                }
            }
            line.push('"');
        }
        Value::List(values) => put_all(line, "[", values, ']'),
        Value::Set(values) => put_all(line, "#{", values, '}'),
        Value::Map(pairs) => {
            line.push('{');
            for (number, (name, value)) in pairs.iter().enumerate() {
                if number > 0 {
                    line.push_str(", ");
                }
                put(line, name);
                line.push(' ');
                put(line, value);
            }
            line.push('}');
        }
    }
}

fn put_all(line: &mut String, open: &str, values: &[Value], close: char) {
    line.push_str(open);
    for (number, value) in values.iter().enumerate() {
        if number > 0 {
            line.push(' ');
        }
        put(line, value);
    }
    line.push(close);
}
