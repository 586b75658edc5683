//! Porcupine's key-value test data: one map a line, `get`, `put` and `append` on texts. Every key starts as
//! the empty text.
//!
//! Source: Porcupine, `porcupine_test.go` (`parseKvLog`).

use std::io::Write;

use super::edn;
use super::framed;
use super::jepsen::Style;
use super::replay::{self, Kind};
use super::{ExportError, Format, Reads};
use crate::{History, Op, Outcome, Value};

const NAME: &str = "porcupine-kv";

pub(super) const FORMAT: Format = Format {
    name: NAME,
    about: "Porcupine's key-value text: get, put and append, one map a line",
    loses: "times, nodes, notes, faults, failed operations and open reads; open writes end after everything else; \
            numbers become text and nil the empty text",
    may_be_empty: false,
    initial: || Value::text(""),
    detect: |head| {
        !head.is_json()
            && head.first_map_has(":key \"")
            && [":f :get", ":f :put", ":f :append"]
                .iter()
                .any(|f| head.first_map_has(f))
    },
    read: Reads::Events(|source, order| {
        framed::read(
            source,
            Style {
                only_kv: true,
                ..Style::default()
            },
            order,
            edn::parse,
        )
    }),
    write: Some(write),
};

/// Writes what happened. An open `put` or `append` is given an `ok` after everything else: it may then take
/// effect after every other operation, where no process can see it, which is as if it never happened.
fn write(history: &History, out: &mut dyn Write) -> Result<(), ExportError> {
    let mut texts: Vec<Option<[String; 2]>> = Vec::with_capacity(history.operations.len());
    for (number, operation) in history.operations.iter().enumerate() {
        let refuse = |reason: String| ExportError::Inexpressible {
            format: NAME,
            operation: number,
            reason,
        };
        let (key, value) = match (&operation.op, &operation.outcome) {
            (_, Outcome::Fail(_)) | (Op::Read { .. }, Outcome::Info(_)) => {
                texts.push(None);
                continue;
            }
            (Op::Read { key }, Outcome::Ok(answer)) => match &answer.value {
                Some(value) => (key, value),
                None => return Err(refuse("a get without an answer".to_owned())),
            },
            (Op::Write { key, value } | Op::Append { key, value }, _) => (key, value),
            (op, _) => return Err(refuse(format!("{} is neither get, put nor append", op.kind()))),
        };
        texts.push(Some([text(key).map_err(refuse)?, text(value).map_err(refuse)?]));
    }
    let mut open = Vec::new();
    for event in replay::events(history) {
        let Some((operation, number)) = event.operation() else {
            continue;
        };
        let Some(Some([key, value])) = texts.get(number) else {
            continue;
        };
        let f = match operation.op {
            Op::Read { .. } => "get",
            Op::Write { .. } => "put",
            _ => "append",
        };
        let process = operation.process;
        let value = match (f, event.kind) {
            ("get", Kind::Invoke) => "nil".to_owned(),
            _ => format!("\"{value}\""),
        };
        let rest = format!(":f :{f}, :key \"{key}\", :value {value}}}");
        match event.kind {
            Kind::Invoke => {
                writeln!(out, "{{:process {process}, :type :invoke, {rest}")?;
                if operation.outcome.is_info() {
                    open.push(format!("{{:process {process}, :type :ok, {rest}"));
                }
            }
            Kind::Ok => writeln!(out, "{{:process {process}, :type :ok, {rest}")?,
            Kind::Fail | Kind::Info => {}
        }
    }
    for line in open {
        writeln!(out, "{line}")?;
    }
    Ok(())
}

/// Porcupine's parser knows no escapes.
fn text(value: &Value) -> Result<String, String> {
    match value {
        Value::Nil => Ok(String::new()),
        Value::Int(number) => Ok(number.to_string()),
        Value::Text(text) if !text.contains(['"', '\\', '\n', '\r']) => Ok(text.to_string()),
        other => Err(format!("{other} cannot be written in a plain text")),
    }
}
