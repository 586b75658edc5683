//! Jepsen's `test.jepsen`: the whole test in one binary file, of which the history is read, and what Jepsen
//! itself found.
//!
//! ```text
//! file    "JEPSEN"  version u32  offset of the index u64   blocks …
//! block   length u64  CRC-32 u32  type u16  14 unused bytes   data
//!
//! type 1  index           root u32, then (block u32, offset u64) …
//!      2  Fressian        one value
//!      3  partial map     block of the rest u32, one map
//!      4  stream          Fressian values, one after the other
//!      5  big vector      count u64, then (index u64, block u32) …
//! ```
//!
//! Numbers are big-endian. The length of a block includes its 28 bytes of header; its checksum covers the
//! data, then the header without the checksum. The root is a map whose `:history` and `:results` refer to
//! blocks.
//!
//! Invariant: no block is read twice, so that a small file cannot stand for a large one.
//!
//! Source: Jepsen's `jepsen.store.format`, versions 0 and 1.

use rustc_hash::{FxHashMap, FxHashSet};

use super::framed::{self, Item, PassedOver, Stop};
use super::fressian::Reader;
use super::jepsen::{Function, Kind, RawOp, Style, Who, interpret, time_ns};
use super::source::Source;
use super::{Format, ImportError, Order, Read, Reads, Remark};
use crate::Value;

const MAGIC: &[u8] = b"JEPSEN";

/// The versions that are known.
const VERSIONS: std::ops::RangeInclusive<u32> = 0..=1;

const HEADER_BYTES: usize = 28;

/// What to do instead, where the file cannot be read.
const INSTEAD: &str = "give the history.edn beside it";

pub(super) const FORMAT: Format = Format {
    name: "jepsen",
    about: "Jepsen's binary test.jepsen",
    loses: "it is only read",
    may_be_empty: false,
    initial: || Value::Nil,
    detect: |head| head.bytes.starts_with(MAGIC),
    read: Reads::Events(read),
    write: None,
};

fn read(source: &Source<'_>, order: Option<Order>) -> Result<Read, ImportError> {
    let bytes = source.all()?;
    let wrong = |why: String| source.refused(format!("{why}; {INSTEAD}"));
    let file = File::open(&bytes).map_err(wrong)?;
    let root = file.root().map_err(wrong)?;
    let history = match field(&root, ":history") {
        Some(value) => reference(value).ok_or_else(|| wrong("its history is no block".to_owned()))?,
        None => return Err(wrong("it holds no history".to_owned())),
    };
    let read = framed::read_items(Style::default(), order, |style, passed_over, emit| {
        let mut number = 0;
        let mut visited = FxHashSet::default();
        file.each(history, &mut visited, &mut |value| {
            number += 1;
            let operation = operation(value, number, passed_over).map_err(|why| Stop::Wrong(number, why))?;
            emit(Item::Op(
                interpret(operation, style).map_err(|problem| Stop::at(number, problem))?,
            ))
        })
    });
    let (history, mut remarks) = read.map_err(|(number, why)| match number {
        0 => wrong(why),
        number => source.refused(format!("operation {number}: {why}")),
    })?;
    remarks.extend(file.verdict(&root));
    Ok((history, remarks))
}

/// What Jepsen found, as its results tell: the value of `:valid?`.
pub(super) fn found(valid: &Value) -> Option<Remark> {
    let said = match valid {
        Value::Form(form) => match form.as_str() {
            "true" => "valid",
            "false" => "invalid",
            ":unknown" => "unknown",
            _ => return None,
        },
        _ => return None,
    };
    Some(Remark::Text(format!("Jepsen itself found this test {said}")))
}

/// The value of a field of a map.
pub(super) fn field<'a>(map: &'a Value, name: &str) -> Option<&'a Value> {
    let Value::Map(pairs) = map else { return None };
    let is_it = |key: &Value| matches!(key, Value::Form(form) if form.as_str() == name);
    pairs.iter().find(|(key, _)| is_it(key)).map(|(_, value)| value)
}

/// The block to which a value refers.
fn reference(value: &Value) -> Option<u32> {
    match value {
        Value::Form(form) => form.strip_prefix("#block-ref ")?.parse().ok(),
        _ => None,
    }
}

struct File<'a> {
    bytes: &'a [u8],
    root: u32,
    offsets: FxHashMap<u32, u64>,
}

impl<'a> File<'a> {
    /// Reads the index.
    fn open(bytes: &'a [u8]) -> Result<Self, String> {
        let mut header = bytes.get(MAGIC.len()..).unwrap_or_default();
        let version = u32::from_be_bytes(array(&mut header)?);
        if !VERSIONS.contains(&version) {
            return Err(format!(
                "it has version {version} of Jepsen's format, of which {} to {} are known",
                VERSIONS.start(),
                VERSIONS.end()
            ));
        }
        let index = u64::from_be_bytes(array(&mut header)?);
        if index == 0 {
            return Err("it has no index: the test ended before its history was written".to_owned());
        }
        let mut file = File {
            bytes,
            root: 0,
            offsets: FxHashMap::default(),
        };
        let (1, mut data) = file.block_at(index)? else {
            return Err("its index is no index".to_owned());
        };
        file.root = u32::from_be_bytes(array(&mut data)?);
        while !data.is_empty() {
            let block = u32::from_be_bytes(array(&mut data)?);
            file.offsets.insert(block, u64::from_be_bytes(array(&mut data)?));
        }
        Ok(file)
    }

    /// The type and the data of the block at `offset`.
    fn block_at(&self, offset: u64) -> Result<(u16, &'a [u8]), String> {
        let cut_off = || format!("it ends within the block at byte {offset}");
        let start = usize::try_from(offset).map_err(|_| cut_off())?;
        let rest = self.bytes.get(start..).ok_or_else(cut_off)?;
        let length = u64::from_be_bytes(array(&mut &rest[..])?);
        let length = usize::try_from(length).map_err(|_| cut_off())?;
        let block = rest.get(..length.max(HEADER_BYTES)).ok_or_else(cut_off)?;
        let (header, data) = block.split_at(HEADER_BYTES);
        let (checksum, kind) = (array(&mut &header[8..])?, array(&mut &header[12..])?);
        let mut unsigned = [0; HEADER_BYTES];
        unsigned[..8].copy_from_slice(&header[..8]);
        unsigned[12..14].copy_from_slice(&header[12..14]);
        let mut computed = crc32fast::Hasher::new();
        computed.update(data);
        computed.update(&unsigned);
        if computed.finalize() != u32::from_be_bytes(checksum) {
            return Err(format!(
                "the block at byte {offset} is damaged: its checksum differs"
            ));
        }
        Ok((u16::from_be_bytes(kind), data))
    }

    fn block(&self, block: u32) -> Result<(u16, &'a [u8]), String> {
        match self.offsets.get(&block) {
            Some(offset) => self.block_at(*offset),
            None => Err(format!("it has no block {block}")),
        }
    }

    /// The map that describes the test.
    fn root(&self) -> Result<Value, String> {
        match self.block(self.root)? {
            (2, data) => Reader::new(data).value(),
            (kind, _) => Err(format!("its root has type {kind}")),
        }
    }

    /// What Jepsen found, if the results are there.
    fn verdict(&self, root: &Value) -> Option<Remark> {
        let (3, data) = self.block(reference(field(root, ":results")?)?).ok()? else {
            return None;
        };
        let map = Reader::new(data.get(4..)?).value().ok()?;
        found(field(&map, ":valid?")?)
    }

    /// Passes each operation of the history in `block` on.
    fn each(
        &self,
        block: u32,
        visited: &mut FxHashSet<u32>,
        take: &mut dyn FnMut(Value) -> Result<(), Stop>,
    ) -> Result<(), Stop> {
        let wrong = |why: String| Stop::Wrong(0, why);
        if !visited.insert(block) {
            return Err(wrong(format!("its history holds block {block} twice")));
        }
        let (kind, mut data) = self.block(block).map_err(wrong)?;
        match kind {
            2 => match Reader::new(data).value().map_err(wrong)? {
                Value::Nil => Ok(()),
                Value::List(operations) => operations.iter().cloned().try_for_each(take),
                other => Err(wrong(format!("its history is {}", crate::tell::value(&other)))),
            },
            4 => {
                let mut reader = Reader::new(data);
                while !reader.is_at_end() {
                    take(reader.value().map_err(wrong)?)?;
                }
                Ok(())
            }
            5 => {
                let _count: [u8; 8] = array(&mut data).map_err(wrong)?;
                while !data.is_empty() {
                    let _index: [u8; 8] = array(&mut data).map_err(wrong)?;
                    let chunk = u32::from_be_bytes(array(&mut data).map_err(wrong)?);
                    // Jepsen nests no vectors in vectors.
                    if self.block(chunk).map_err(wrong)?.0 == 5 {
                        return Err(wrong(format!("its history nests in block {chunk}")));
                    }
                    self.each(chunk, visited, take)?;
                }
                Ok(())
            }
            kind => Err(wrong(format!("its history has type {kind}"))),
        }
    }
}

/// The next bytes, which are taken from the front.
fn array<const N: usize>(bytes: &mut &[u8]) -> Result<[u8; N], String> {
    let (first, rest) = bytes
        .split_first_chunk::<N>()
        .ok_or_else(|| "it ends too early".to_owned())?;
    *bytes = rest;
    Ok(*first)
}

/// The fields of an operation.
fn operation(value: Value, number: usize, passed_over: &mut PassedOver) -> Result<RawOp, String> {
    let Value::Map(pairs) = &value else {
        return Err(format!(
            "an operation must be a map, not {}",
            crate::tell::value(&value)
        ));
    };
    let mut raw = RawOp {
        line: number,
        ..RawOp::default()
    };
    for (name, value) in pairs.iter() {
        let value = value.clone();
        match name.keyword() {
            Some("process") => {
                let who = Who::parse(&value);
                raw.process =
                    Some(who.ok_or_else(|| format!("the process must be a number or a name, not {value}"))?);
            }
            Some("type") => {
                let kind = value.keyword().and_then(|name| Kind::parse(name.as_bytes()));
                raw.kind = Some(
                    kind.ok_or_else(|| format!("unknown type {value} (known: :invoke :ok :fail :info)"))?,
                );
            }
            Some("f") => {
                raw.f = match (&value, value.keyword()) {
                    (Value::Nil, _) => None,
                    (_, Some(name)) => Some(Function::parse(name)),
                    (Value::Text(name), _) => Some(Function::parse(name)),
                    (other, _) => Some(Function::Other(other.to_string().into())),
                }
            }
            Some("value") => raw.value = Some(value),
            Some("key") => raw.key = Some(value),
            Some("token") => raw.token = Some(value),
            Some("final?") => raw.is_final = value == Value::boolean(true),
            Some("error") => raw.error = Some(value),
            Some("time") => raw.time_ns = time_ns(&value)?,
            Some("index") => {
                raw.index = match value {
                    // A negative one is none, as in Jepsen.
                    Value::Int(index @ 0..) => Some(index),
                    _ => None,
                }
            }
            _ => *passed_over.fields.entry(name.to_string()).or_default() += 1,
        }
    }
    Ok(raw)
}
