//! Lines of a Jepsen log: `INFO  jepsen.util - 0 :invoke :write 3`, and of its history.txt: `0 :invoke :write
//! 3`.
//!
//! The name of the logger, `jepsen.util` or `jepsen.print`, is followed by a colon or a dash (`jepsen.util: 0
//! …`), then by process, type, operation and value, separated by white space, and an optional error text. If
//! the value is unknown, its place holds the reason: `:info :write :timed-out`. A date at the beginning of
//! the line is the operation's time. In a history.txt, whose every line is an operation, there is nothing
//! before the process.
//!
//! A failed cas that gives no other reason is taken as the answer that the value was not the expected one, as
//! Porcupine's etcd model does. Lines that are not operations are counted. What an operation with an unknown
//! outcome carries plays no role, and need not be readable.
//!
//! Where the log is written as JSON (`:logging-json? true`), each line is an object whose `message` is what
//! follows the logger, and whose `@timestamp` is the time.
//!
//! Sources: Porcupine's test data; `jepsen.util/log-op` and `jepsen.print`, whose fields are separated by
//! tabs; Jepsen's `store.clj`, which sets the log's pattern; logstash-logback-encoder, the names of the
//! fields.

use serde::Deserialize;

use super::edn_syntax::Reader;
use super::framed::{self, Item, PassedOver, Stop};
use super::jepsen::{Function, Kind, RawOp, Style, Who, interpret};
use super::{Format, Reads, instant};
use crate::Value;

/// The loggers whose lines are operations.
const LOGGERS: [&[u8]; 2] = [b"jepsen.util", b"jepsen.print"];

pub(super) const FORMAT: Format = Format {
    name: "jepsen-log",
    about: "lines of a Jepsen log, or its history.txt",
    loses: "it is only read",
    may_be_empty: false,
    initial: || Value::Nil,
    detect: |head| {
        if head.is_json() {
            return head.first_map_has("\"message\"") && !head.first_map_has("\"type\"");
        }
        !matches!(head.first.first(), Some(b'{' | b'#'))
            && (LOGGERS
                .iter()
                .any(|logger| memchr::memmem::find(head.bytes, logger).is_some())
                || begin(head.first).is_some())
    },
    read: Reads::Events(|source, order| {
        framed::read(
            source,
            Style {
                failed_cas_is_answer: true,
                ..Style::default()
            },
            order,
            parse,
        )
    }),
    write: None,
};

fn parse(
    bytes: &[u8],
    line: usize,
    style: Style,
    passed_over: &mut PassedOver,
    emit: &mut dyn FnMut(Item) -> Result<(), Stop>,
) -> Result<(), Stop> {
    let loggers = LOGGERS.map(memchr::memmem::Finder::new);
    let mut rest = bytes;
    let mut line = line;
    while !rest.is_empty() {
        let end = memchr::memchr(b'\n', rest).unwrap_or(rest.len());
        let text = &rest[..end];
        rest = rest.get(end + 1..).unwrap_or_default();
        let logged = loggers.iter().find_map(|logger| {
            let position = logger.find(text)?;
            Some(&text[position + logger.needle().len()..])
        });
        let json = Json::parse(text);
        let (said, time_ns) = match &json {
            Some(json) => (json.message.as_bytes(), json.time_ns()),
            None => (logged.unwrap_or(text), instant::of_log_line(text)),
        };
        match begin(said) {
            Some((who, kind, f, value)) => {
                let mut raw = RawOp {
                    line,
                    process: Some(who),
                    kind: Some(kind),
                    f: Some(f),
                    time_ns: time_ns.and_then(|time| u64::try_from(time).ok()),
                    ..RawOp::default()
                };
                match read_value(&mut raw, value, line) {
                    // What it was is unknown anyway.
                    Err(_) if kind == Kind::Info => {
                        raw.error = Some(Value::text(String::from_utf8_lossy(value).trim()));
                    }
                    read => read?,
                }
                let record = interpret(raw, style).map_err(|problem| Stop::at(line, problem))?;
                emit(Item::Op(record))?;
            }
            None => passed_over.lines += u64::from(!text.trim_ascii().is_empty()),
        }
        line += 1;
    }
    Ok(())
}

/// A line of a log that is written as JSON.
#[derive(Deserialize)]
struct Json {
    message: String,
    #[serde(rename = "@timestamp", default)]
    timestamp: String,
}

impl Json {
    fn parse(line: &[u8]) -> Option<Json> {
        let line = line.trim_ascii_start();
        let is_object = line.first() == Some(&b'{');
        is_object.then(|| serde_json::from_slice(line).ok())?
    }

    fn time_ns(&self) -> Option<i128> {
        instant::nanoseconds(&self.timestamp)
    }
}

/// Adds the value that follows on the line, and the reason that may stand behind it.
fn read_value(raw: &mut RawOp, text: &[u8], line: usize) -> Result<(), Stop> {
    let mut reader = Reader::new(text, line);
    if reader.peek()?.is_none() {
        return Err(Stop::Wrong(line, "the operation has no value".to_owned()));
    }
    raw.value = Some(reader.value()?);
    let rest = reader.rest().trim_ascii();
    if !rest.is_empty() {
        raw.error = Some(Value::text(&String::from_utf8_lossy(rest)));
    }
    Ok(())
}

/// Process, type and operation, and what follows them; `None` if the line is no operation.
fn begin(text: &[u8]) -> Option<(Who, Kind, Function, &[u8])> {
    let text = text.trim_ascii_start();
    let text = text
        .strip_prefix(b"-")
        .or(text.strip_prefix(b":\t"))
        .or(text.strip_prefix(b": "))
        .unwrap_or(text);
    let (process, text) = word(text)?;
    let name = std::str::from_utf8(process).ok()?;
    let who = match name.parse::<u64>() {
        Ok(number) => Who::Client(number),
        Err(_) if name.starts_with(':') => Who::parse(&Value::form(name))?,
        Err(_) => return None,
    };
    let (kind, text) = word(text)?;
    let kind = Kind::parse(kind.strip_prefix(b":")?)?;
    let (f, text) = word(text)?;
    let f = std::str::from_utf8(f.strip_prefix(b":")?).ok()?;
    Some((who, kind, Function::parse(f), text))
}

/// The next word and what follows it.
fn word(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let text = text.trim_ascii_start();
    let end = text
        .iter()
        .position(u8::is_ascii_whitespace)
        .unwrap_or(text.len());
    (end > 0).then(|| text.split_at(end))
}
