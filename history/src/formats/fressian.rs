//! Reads Fressian, the binary form of Clojure's values in which Jepsen stores tests.
//!
//! ```text
//!  code                what follows                     code       what follows
//!  00–3F, FF           the integer itself               D0–D9      bytes
//!  40–7F               an integer of 1 to 6 bytes more  DA–E3      a text, perhaps in chunks
//!  80–9F, CC           an earlier value, by number      E4–EE      a list: counted, or up to FD
//!  A0–AF, F0           an earlier kind of record        EF         a new kind of record: name, fields
//!  B0–CA               a map, set, keyword, array, …    F5–FC      true false nil, 8-byte numbers
//!  CD                  a value to be remembered         FE, CF     what was remembered is forgotten
//! ```
//!
//! Values become what their EDN spelling would be read as, so that a history is the same in both forms.
//!
//! Invariants: no value nests deeper than [`DEEPEST`]; memory is bounded by a constant times the bytes,
//! because only small values can be referred to again ([`REMEMBERED`]).
//!
//! Sources: Fressian's `Codes`, `FressianReader` and `Handlers`; data.fressian and Jepsen's
//! `jepsen.store.fressian`, which add kinds of records.

use std::sync::Arc;

use super::{edn, instant, number};
use crate::Value;

/// How deep values may nest.
const DEEPEST: usize = 200;

/// How large a value that is referred to again may be, in bytes of its text and its elements.
const REMEMBERED: usize = 256;

/// The integers of more than this many bytes are spelled in hexadecimal.
const DECIMAL_BYTES: usize = 16;

/// What is wrong with the bytes.
type Result<T> = std::result::Result<T, String>;

/// A reader of one stream of values.
pub(crate) struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    depth: usize,
    /// The values to which later ones refer by number; `None` for those too large, or not yet read.
    cache: Vec<Option<Value>>,
    /// The kinds of records, with the numbers of their fields.
    kinds: Vec<(Arc<String>, usize)>,
}

/// What a code stands for, beside plain values.
enum Read {
    Value(Value),
    Bytes(Vec<u8>),
    /// The end of a list.
    End,
}

impl<'a> Reader<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        Reader {
            bytes,
            at: 0,
            depth: 0,
            cache: Vec::new(),
            kinds: Vec::new(),
        }
    }

    /// Whether nothing is left.
    pub fn is_at_end(&self) -> bool {
        self.at == self.bytes.len()
    }

    /// The next value.
    pub fn value(&mut self) -> Result<Value> {
        match self.read()? {
            Read::Value(value) => Ok(value),
            Read::Bytes(bytes) => Ok(Value::form(&format!("#bytes {:?}", hex(&bytes)))),
            Read::End => Err("a list ends that has not begun".to_owned()),
        }
    }

    fn read(&mut self) -> Result<Read> {
        if self.depth == DEEPEST {
            return Err(format!("values nest more than {DEEPEST} levels deep"));
        }
        self.depth += 1;
        let read = self.one();
        self.depth -= 1;
        read
    }

    fn one(&mut self) -> Result<Read> {
        let mut code = self.byte()?;
        // What was remembered is forgotten: on request, or behind a footer of a magic number, a length and a
        // checksum.
        while matches!(code, 0xFE | 0xCF) {
            if code == 0xCF {
                self.take(11)?;
            }
            self.cache.clear();
            self.kinds.clear();
            code = self.byte()?;
        }
        Ok(Read::Value(match code {
            0x00..=0x7F | 0xFF | 0xF8 => Value::Int(self.integer(code)?),
            0x80..=0x9F => self.remembered(usize::from(code - 0x80))?,
            0xCC => {
                let number = self.count()?;
                self.remembered(number)?
            }
            0xCD => {
                let place = self.cache.len();
                self.cache.push(None);
                let value = self.value()?;
                self.cache[place] = (weight(&value) <= REMEMBERED).then(|| value.clone());
                value
            }
            0xA0..=0xAF => self.record_of(usize::from(code - 0xA0))?,
            0xF0 => {
                let number = self.count()?;
                self.record_of(number)?
            }
            0xEF => {
                let Value::Text(name) = self.value()? else {
                    return Err("a kind of record has no name".to_owned());
                };
                let fields = self.count()?;
                self.kinds.push((Arc::clone(&name), fields));
                self.record(&name, fields)?
            }
            0xB0..=0xB5 => {
                let count = self.count()?;
                Value::list(self.values(count)?)
            }
            0xC0..=0xCA => self.known_record(code)?,
            0xD0..=0xD9 => return self.binary(code).map(Read::Bytes),
            0xDA..=0xE3 => Value::Text(Arc::new(self.text(code)?)),
            0xE4..=0xEB => Value::list(self.values(usize::from(code - 0xE4))?),
            0xEC => {
                let count = self.count()?;
                Value::list(self.values(count)?)
            }
            0xED | 0xEE => Value::list(self.open_list()?),
            0xF5 | 0xF6 => Value::boolean(code == 0xF5),
            0xF7 => Value::Nil,
            0xF9 => Value::float(f32::from_be_bytes(self.array()?).into()),
            0xFA => Value::float(f64::from_be_bytes(self.array()?)),
            0xFB => Value::float(0.0),
            0xFC => Value::float(1.0),
            0xFD => return Ok(Read::End),
            code => return Err(format!("the code {code:#04x} is unknown")),
        }))
    }

    fn byte(&mut self) -> Result<u8> {
        Ok(self.array::<1>()?[0])
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8]> {
        let rest = &self.bytes[self.at..];
        let taken = rest
            .get(..length)
            .ok_or_else(|| "it ends in the middle of a value".to_owned())?;
        self.at += length;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N)?);
        Ok(array)
    }

    /// The integer that begins with `code`: the code tells how many bytes follow, and the highest bits.
    fn integer(&mut self, code: u8) -> Result<i64> {
        let (zero, more) = match code {
            0x00..=0x3F => return Ok(code.into()),
            0xFF => return Ok(-1),
            0xF8 => return Ok(i64::from_be_bytes(self.array()?)),
            0x40..=0x5F => (0x50, 1),
            0x60..=0x6F => (0x68, 2),
            0x70..=0x73 => (0x72, 3),
            0x74..=0x77 => (0x76, 4),
            0x78..=0x7B => (0x7A, 5),
            _ => (0x7E, 6),
        };
        let highest = i64::from(code) - zero;
        let rest = self.take(more)?;
        Ok(rest
            .iter()
            .fold(highest, |number, byte| (number << 8) | i64::from(*byte)))
    }

    /// A number that counts something.
    fn count(&mut self) -> Result<usize> {
        match self.value()? {
            Value::Int(count) => usize::try_from(count).map_err(|_| format!("{count} is no count")),
            other => Err(format!("a count is expected, not {other}")),
        }
    }

    fn remembered(&self, number: usize) -> Result<Value> {
        match self.cache.get(number) {
            Some(Some(value)) => Ok(value.clone()),
            Some(None) => Err("a value refers to one that is too large, or holds it".to_owned()),
            None => Err("a value refers to one that was never written".to_owned()),
        }
    }

    fn values(&mut self, count: usize) -> Result<Vec<Value>> {
        // Each takes a byte at least.
        let mut values = Vec::with_capacity(count.min(self.bytes.len() - self.at));
        for _ in 0..count {
            values.push(self.value()?);
        }
        Ok(values)
    }

    /// A list whose end is marked, or is the end of all.
    fn open_list(&mut self) -> Result<Vec<Value>> {
        let mut values = Vec::new();
        while !self.is_at_end() {
            match self.read()? {
                Read::Value(value) => values.push(value),
                Read::Bytes(bytes) => values.push(Value::form(&format!("#bytes {:?}", hex(&bytes)))),
                Read::End => break,
            }
        }
        Ok(values)
    }

    fn binary(&mut self, code: u8) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        let mut code = code;
        loop {
            let length = match code {
                0xD0..=0xD7 => usize::from(code - 0xD0),
                0xD8 | 0xD9 => self.count()?,
                _ => return Err("bytes end in the middle".to_owned()),
            };
            bytes.extend_from_slice(self.take(length)?);
            if code != 0xD8 {
                return Ok(bytes);
            }
            code = self.byte()?;
        }
    }

    /// A text: the halves of characters beyond 16 bits are written one by one, each as UTF-8.
    fn text(&mut self, code: u8) -> Result<String> {
        let mut bytes = Vec::new();
        let mut code = code;
        loop {
            let length = match code {
                0xDA..=0xE1 => usize::from(code - 0xDA),
                0xE2 | 0xE3 => self.count()?,
                _ => return Err("a text ends in the middle".to_owned()),
            };
            bytes.extend_from_slice(self.take(length)?);
            if code != 0xE2 {
                break;
            }
            code = self.byte()?;
        }
        if let Ok(text) = std::str::from_utf8(&bytes) {
            return Ok(text.to_owned());
        }
        let wrong = || "a text is not one of Java's".to_owned();
        let mut units = Vec::with_capacity(bytes.len());
        let mut rest = bytes.iter().map(|byte| u16::from(*byte));
        while let Some(first) = rest.next() {
            let mut next = || rest.next().map(|byte| byte & 0x3F).ok_or_else(wrong);
            units.push(match first {
                0x00..=0x7F => first,
                0xC0..=0xDF => (first & 0x1F) << 6 | next()?,
                0xE0..=0xEF => (first & 0x0F) << 12 | next()? << 6 | next()?,
                _ => return Err(wrong()),
            });
        }
        String::from_utf16(&units).map_err(|_| wrong())
    }

    fn record_of(&mut self, number: usize) -> Result<Value> {
        match self.kinds.get(number).cloned() {
            Some((name, fields)) => self.record(&name, fields),
            None => Err("a record is of a kind that was never described".to_owned()),
        }
    }

    /// Records that have a code of their own.
    fn known_record(&mut self, code: u8) -> Result<Value> {
        match code {
            0xC0 => self.record("map", 1),
            0xC1 => self.record("set", 1),
            0xC3 => self.record("uuid", 1),
            0xC4 => self.record("regex", 1),
            0xC5 => self.record("uri", 1),
            0xC6 => self.record("bigint", 1),
            0xC7 => self.record("bigdec", 2),
            0xC8 => self.record("inst", 1),
            0xC9 => self.record("sym", 2),
            0xCA => self.record("key", 2),
            code => Err(format!("the code {code:#04x} is unknown")),
        }
    }

    fn record(&mut self, name: &str, fields: usize) -> Result<Value> {
        Ok(match name {
            "map" => match self.value()? {
                Value::List(parts) => Value::map(
                    parts
                        .chunks_exact(2)
                        .map(|two| (two[0].clone(), two[1].clone()))
                        .collect(),
                ),
                other => return Err(format!("a map is written as {other}")),
            },
            "set" | "persistent-hash-set" | "persistent-sorted-set" => match self.value()? {
                Value::List(elements) => Value::set(elements.to_vec()),
                Value::Nil => Value::set(Vec::new()),
                other => return Err(format!("a set is written as {other}")),
            },
            "key" => match self.name()? {
                name if is_plain(&name) => Value::form(&format!(":{name}")),
                name => tagged("keyword", &Value::text(&name))?,
            },
            "sym" => match self.name()? {
                name if is_plain(&name) => Value::form(&name),
                name => tagged("symbol", &Value::text(&name))?,
            },
            "map-entry" => Value::list(self.values(2)?),
            "vec" => self.value()?,
            "record" => {
                self.value()?;
                self.value()?
            }
            "byte" => self.value()?,
            "char" => {
                let code = self.count()?;
                let character = u32::try_from(code).ok().and_then(char::from_u32);
                let character = character.ok_or_else(|| format!("{code} is no character"))?;
                Value::form(&format!("\\{character}"))
            }
            "ratio" => {
                let (above, below) = (self.value()?, self.value()?);
                let token = format!("{above}/{below}");
                number::parse(&token).unwrap_or_else(|| Value::form(&token))
            }
            "bigint" => {
                let token = whole(&self.bytes()?);
                number::parse(&token).unwrap_or_else(|| Value::form(&token))
            }
            "bigdec" => {
                let (unscaled, scale) = (whole(&self.bytes()?), self.value()?);
                let Value::Int(scale) = scale else {
                    return Err(format!("a decimal has the scale {scale}"));
                };
                let token = format!("{unscaled}E{}M", -i128::from(scale));
                number::parse(&token).unwrap_or_else(|| Value::form(&token))
            }
            "inst" => match self.value()? {
                Value::Int(ms) => Value::form(&format!("#inst {:?}", instant::of_milliseconds(ms))),
                other => return Err(format!("an instant is written as {other}")),
            },
            "uuid" => {
                let digits = hex(&self.bytes()?);
                let parts: Vec<&str> = [0..8, 8..12, 12..16, 16..20, 20..32]
                    .into_iter()
                    .filter_map(|range| digits.get(range))
                    .collect();
                Value::form(&format!("#uuid {:?}", parts.join("-")))
            }
            "jepsen.history.Op" if fields == 7 => self.operation()?,
            _ => {
                let values = self.values(fields)?;
                match values.as_slice() {
                    [Value::List(_) | Value::Set(_) | Value::Map(_)] => values[0].clone(),
                    [value] => tagged(name, value)?,
                    _ => tagged(name, &Value::list(values))?,
                }
            }
        })
    }

    /// An operation of Jepsen's: six fields in order, and a map of all others.
    fn operation(&mut self) -> Result<Value> {
        let mut pairs = Vec::with_capacity(8);
        for name in [":index", ":time", ":type", ":process", ":f", ":value"] {
            pairs.push((Value::form(name), self.value()?));
        }
        if let Value::Map(others) = self.value()? {
            pairs.extend(others.iter().cloned());
        }
        Ok(Value::map(pairs))
    }

    /// A namespace, which may be nil, and a name.
    fn name(&mut self) -> Result<String> {
        match (self.value()?, self.value()?) {
            (Value::Nil, Value::Text(name)) => Ok(name.to_string()),
            (Value::Text(space), Value::Text(name)) => Ok(format!("{space}/{name}")),
            (_, other) => Err(format!("a name is written as {other}")),
        }
    }

    fn bytes(&mut self) -> Result<Vec<u8>> {
        match self.read()? {
            Read::Bytes(bytes) => Ok(bytes),
            _ => Err("bytes are expected".to_owned()),
        }
    }
}

/// Whether EDN can hold a name as it is.
fn is_plain(name: &str) -> bool {
    let is_ended_by =
        |char: char| char.is_whitespace() || char.is_control() || "()[]{}\";,\\^@~`'".contains(char);
    name.starts_with(|first: char| first.is_alphabetic() || "*!_?$%&=<>".contains(first))
        && !name.contains(is_ended_by)
}

/// A value of a kind that has no meaning here. It is only compared and shown, and need not be large.
fn tagged(name: &str, value: &Value) -> Result<Value> {
    match name.len() + weight(value) > 16 * REMEMBERED {
        true => Err(format!("a {name} is too large")),
        false if is_plain(name) => Ok(Value::form(&format!("#{name} {}", edn::spelling(value)))),
        false => Ok(Value::form(&format!(
            "#tagged {}",
            edn::spelling(&Value::list(vec![Value::text(name), value.clone()]))
        ))),
    }
}

/// How large a value is, up to where it is too large in any case.
fn weight(value: &Value) -> usize {
    fn add(value: &Value, sum: &mut usize) {
        if *sum > 16 * REMEMBERED {
            return;
        }
        *sum += 8;
        match value {
            Value::Nil | Value::Int(_) => {}
            Value::Text(text) | Value::Form(text) => *sum += text.len(),
            Value::List(values) | Value::Set(values) => values.iter().for_each(|value| add(value, sum)),
            Value::Map(pairs) => pairs.iter().for_each(|(name, value)| {
                add(name, sum);
                add(value, sum);
            }),
        }
    }
    let mut sum = 0;
    add(value, &mut sum);
    sum
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// An integer in two's complement, the highest byte first, as a token of EDN.
fn whole(bytes: &[u8]) -> String {
    let is_negative = bytes.first().is_some_and(|first| first & 0x80 != 0);
    if bytes.len() <= DECIMAL_BYTES {
        let mut number = if is_negative { -1_i128 } else { 0 };
        for byte in bytes {
            number = (number << 8) | i128::from(*byte);
        }
        return number.to_string();
    }
    format!("16r{}", hex(bytes))
}
