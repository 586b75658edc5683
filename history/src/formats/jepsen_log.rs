//! Lines of a Jepsen log: `INFO  jepsen.util - 0 :invoke :write 3`.
//!
//! `jepsen.util` and an optional dash are followed by process, type, operation and value, separated by white
//! space, and an optional error text. If the value is unknown, its place holds the reason: `:info :write
//! :timed-out`.
//!
//! A failed cas is taken as the answer that the value was not the expected one, as Porcupine's etcd model
//! does, whose test data this format is. Lines that are not operations are counted.

use super::Format;
use super::edn_syntax::Reader;
use super::framed::{self, Item, PassedOver, Stop};
use super::jepsen::{Function, Kind, RawOp, Style, interpret};
use crate::{Process, Value};

const MARK: &[u8] = b"jepsen.util";

pub(super) const FORMAT: Format = Format {
    name: "jepsen-log",
    about: "lines of a Jepsen log (Porcupine's etcd test data)",
    loses: "it is only read",
    may_be_empty: false,
    initial: || Value::Nil,
    detect: |head| {
        !matches!(head.first.first(), Some(b'{' | b'#')) && memchr::memmem::find(head.bytes, MARK).is_some()
    },
    read: |source| {
        framed::read(
            source,
            Style {
                failed_cas_is_answer: true,
                ..Style::default()
            },
            parse,
        )
    },
    write: None,
};

fn parse(
    bytes: &[u8],
    line: usize,
    style: Style,
    passed_over: &mut PassedOver,
    emit: &mut dyn FnMut(Item) -> Result<(), Stop>,
) -> Result<(), Stop> {
    let mark = memchr::memmem::Finder::new(MARK);
    let mut rest = bytes;
    let mut line = line;
    while !rest.is_empty() {
        let end = memchr::memchr(b'\n', rest).unwrap_or(rest.len());
        let text = &rest[..end];
        rest = rest.get(end + 1..).unwrap_or_default();
        let operation = mark.find(text).map(|position| &text[position + MARK.len()..]);
        match operation.and_then(begin) {
            Some((process, kind, f, value)) => {
                let mut reader = Reader::new(value, line);
                let mut raw = RawOp {
                    line,
                    process: Some(process),
                    kind: Some(kind),
                    f: Some(f),
                    ..RawOp::default()
                };
                if reader.peek()?.is_none() {
                    return Err(Stop::Wrong(line, "the operation has no value".to_owned()));
                }
                raw.value = Some(reader.value()?);
                let rest = reader.rest().trim_ascii();
                if !rest.is_empty() {
                    raw.error = Some(Value::text(&String::from_utf8_lossy(rest)));
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

/// Process, type and operation, and what follows them; `None` if the line is no operation.
fn begin(text: &[u8]) -> Option<(Process, Kind, Function, &[u8])> {
    let text = text.trim_ascii_start();
    let text = text.strip_prefix(b"-").unwrap_or(text);
    let (process, text) = word(text)?;
    let process = match process {
        b":nemesis" => Process::Nemesis,
        // Nineteen digits may not fit.
        digits if digits.len() <= 18 && digits.iter().all(u8::is_ascii_digit) => Process::Client(
            digits
                .iter()
                .fold(0, |number, digit| number * 10 + u64::from(digit - b'0')),
        ),
        _ => return None,
    };
    let (kind, text) = word(text)?;
    let kind = Kind::parse(kind.strip_prefix(b":")?)?;
    let (f, text) = word(text)?;
    let f = std::str::from_utf8(f.strip_prefix(b":")?).ok()?;
    Some((process, kind, Function::parse(f), text))
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
